//! `MediaEventGenerator`: the contract of what sends events, `IMFMediaEventGenerator`.

use std::sync::Arc;

use bitflags::bitflags;

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::error::{Hresult, Result};
use crate::event::media_event::MediaEvent;

bitflags! {
    /// How [`MediaEventGenerator::get_event`] goes about an empty queue; no flags means that it waits.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct GetEventFlags: u32 {
        /// It does not wait.
        #[doc(alias = "MF_EVENT_FLAG_NO_WAIT")]
        const NO_WAIT = 1;
    }
}

/// What sends events: Media Foundation's `IMFMediaEventGenerator`.
///
/// A component implements [`HasEventQueue`](crate::event::HasEventQueue) and has this for it. To receive events, make an
/// [`EventStream`](crate::EventStream) of the generator; the methods here are what it is made of.
///
/// One request is outstanding at a time, from [`begin_get_event`](Self::begin_get_event) until
/// [`end_get_event`](Self::end_get_event) with its result. A generator that wraps another forwards these four
/// calls, and hands callback, state and result on as they are: by the state the queue at the bottom recognises a
/// stream. Do not call these with a lock held that a producer takes as well.
#[doc(alias = "IMFMediaEventGenerator")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` sends no events",
    label = "this does not implement `MediaEventGenerator`",
    note = "a component that implements `HasEventQueue` is a generator"
)]
pub trait MediaEventGenerator: Send + Sync {
    /// Takes the next event; waits for it unless `flags` say not to.
    ///
    /// # Errors
    /// * `MF_E_SHUTDOWN` when the generator is shut down, before or meanwhile;
    /// * `MF_E_MULTIPLE_SUBSCRIBERS` when a request is outstanding, or a stream receives the events: a stream counts
    ///   as a request that is outstanding for as long as the stream lives, so no other reader takes an event away from it;
    /// * `MF_E_NO_EVENTS_AVAILABLE` with [`NO_WAIT`](GetEventFlags::NO_WAIT), when there is none;
    /// * `ERROR_POSSIBLE_DEADLOCK` when it would have to wait, and this is in a future that a tokio runtime polls or in a
    ///   callback, where waiting may keep the event from coming. In `spawn_blocking` it waits.
    #[doc(alias = "GetEvent")]
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent>;

    /// Asks for the next event: `callback` will be invoked when there is one, on the queue it names.
    ///
    /// `S_OK` says that the request is taken, [`MF_S_MULTIPLE_BEGIN`](Hresult::MF_S_MULTIPLE_BEGIN) that
    /// this very request was taken before; the callback is called once then, not twice. Each request has a
    /// result of its own. A callback cannot be missing here, so Media Foundation's `E_INVALIDARG` for that has no counterpart.
    ///
    /// # Errors
    /// The callback is not called then, and nothing kept:
    /// * `MF_E_SHUTDOWN` when the generator or its platform is shut down;
    /// * `MF_E_MULTIPLE_BEGIN` when the outstanding request has the same callback and another state;
    /// * `MF_E_MULTIPLE_SUBSCRIBERS` when the outstanding request has another callback, or a stream receives the events;
    /// * `MF_E_INVALID_WORKQUEUE` when the callback names a queue that is not open, or does not allow its
    ///   flags.
    #[doc(alias = "BeginGetEvent")]
    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult>;

    /// Takes the event for which the callback was invoked, and ends the request.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the generator was shut down meanwhile; `E_FAIL` when `result` is not that of
    /// the outstanding request, because it was ended before or comes from elsewhere.
    #[doc(alias = "EndGetEvent")]
    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent>;

    /// Puts an event into the generator's queue.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the generator or its platform is shut down.
    #[doc(alias = "QueueEvent")]
    fn queue_event(&self, event: MediaEvent) -> Result<()>;

    /// Whether each call here does what the same call of the event queue behind it does, and nothing else. A stream
    /// then takes several events at a time from that queue. It makes things faster, and nothing rests on it: a
    /// generator that wraps another need not forward it.
    #[doc(hidden)]
    fn is_direct(&self) -> bool {
        false
    }
}

/// A generator that an [`EventStream`](crate::EventStream) can share with those that send: an [`Arc`] of one.
#[diagnostic::on_unimplemented(
    message = "a stream shares its generator with those that send, so it is made of an `Arc`",
    label = "this is `{Self}`, and no `Arc` of a generator",
    note = "make it with `Arc::new(..)`, and hand a clone to what sends the events"
)]
pub trait SharedGenerator {
    /// The generator.
    type Generator: MediaEventGenerator + ?Sized + 'static;

    /// The shared generator.
    fn shared(&self) -> &Arc<Self::Generator>;
}

impl<G: MediaEventGenerator + ?Sized + 'static> SharedGenerator for Arc<G> {
    type Generator = G;

    fn shared(&self) -> &Arc<G> {
        self
    }
}
