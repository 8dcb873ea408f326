//! What sends events: the contract of `IMFMediaEventGenerator`, and how a component keeps it in one line.

use std::sync::{Arc, Weak};

use bitflags::bitflags;

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::error::{Hresult, Result};
use crate::event::{MediaEvent, MediaEventQueue};

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
/// A component implements [`HasEventQueue`] and has this for it. To receive events, make an
/// [`EventStream`](crate::EventStream) of the generator; the methods here are what it is made of.
///
/// One request is outstanding at a time, from [`begin_get_event`](Self::begin_get_event) until
/// [`end_get_event`](Self::end_get_event) with its result. Do not call these with a lock held that a
/// producer takes as well.
#[doc(alias = "IMFMediaEventGenerator")]
pub trait MediaEventGenerator: Send + Sync {
    /// Takes the next event; waits for it unless told not to.
    ///
    /// # Errors
    /// * `MF_E_SHUTDOWN` when the generator is shut down, before or meanwhile;
    /// * `MF_E_MULTIPLE_SUBSCRIBERS` when a request is outstanding;
    /// * `MF_E_NO_EVENTS_AVAILABLE` with [`NO_WAIT`](GetEventFlags::NO_WAIT), when there is none;
    /// * `ERROR_POSSIBLE_DEADLOCK` when it would have to wait, and this is a thread of a tokio runtime or
    ///   in a callback, where waiting may keep the event from coming.
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
    /// * `MF_E_MULTIPLE_SUBSCRIBERS` when the outstanding request has another callback;
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

    /// A stream will receive these events. Of two streams the second is told `MF_E_MULTIPLE_SUBSCRIBERS`,
    /// also while the first has no request outstanding.
    #[doc(hidden)]
    fn subscribe(&self, _subscriber: &Unknown) -> Result<()> {
        Ok(())
    }

    /// The stream is gone, and another may subscribe: its request, recognised by its state, is taken back.
    /// Until the stream unsubscribes it may still hold events that it has taken, so nobody is given one that
    /// came behind them.
    #[doc(hidden)]
    fn leave(&self, _subscriber: &Unknown) {}

    /// A stream that has left gives back what it took and nobody read, which goes to the front. Who cannot do
    /// that lets go of it. It may come again with more, if a callback was late.
    #[doc(hidden)]
    fn unsubscribe(&self, _subscriber: &Unknown, _unread: Vec<MediaEvent>) {}

    /// Takes up to `most` events without waiting. Who cannot take back what nobody read gives one.
    #[doc(hidden)]
    fn take_events(&self, _most: usize, into: &mut Vec<MediaEvent>) -> Result<()> {
        match self.get_event(GetEventFlags::NO_WAIT) {
            Ok(event) => into.push(event),
            Err(error) if error.hresult() == Hresult::MF_E_NO_EVENTS_AVAILABLE => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// A component that sends its events through a queue of its own; it is then a [`MediaEventGenerator`].
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use std::sync::Arc;
/// use mf_async::event::HasEventQueue;
/// use mf_async::{EventStream, MediaEvent, MediaEventGenerator, MediaEventQueue};
/// use mf_async::{MediaEventType, Platform};
///
/// struct Source {
///     events: MediaEventQueue,
/// }
///
/// impl HasEventQueue for Source {
///     fn event_queue(&self) -> &MediaEventQueue {
///         &self.events
///     }
/// }
///
/// let platform = Platform::startup()?;
/// let source = Arc::new(Source { events: platform.create_event_queue()? });
/// let mut events = EventStream::lossless(&source)?;
/// source.queue_event(MediaEvent::new(MediaEventType::MESourceStarted))?;
/// let event = events.wait_for(MediaEventType::MESourceStarted).await?;
/// assert!(event.status().is_success());
/// # drop((events, source));
/// # platform.shutdown().await }
/// ```
pub trait HasEventQueue {
    /// The queue, always the same.
    fn event_queue(&self) -> &MediaEventQueue;
}

impl<C: HasEventQueue + Send + Sync> MediaEventGenerator for C {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.event_queue().get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        self.event_queue().begin_get_event(callback, state)
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.event_queue().end_get_event(result)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.event_queue().queue_event(event)
    }

    fn subscribe(&self, subscriber: &Unknown) -> Result<()> {
        self.event_queue().shared().subscribe(subscriber)
    }

    fn leave(&self, subscriber: &Unknown) {
        self.event_queue().shared().leave(subscriber);
    }

    fn unsubscribe(&self, subscriber: &Unknown, unread: Vec<MediaEvent>) {
        self.event_queue().shared().unsubscribe(subscriber, unread);
    }

    fn take_events(&self, most: usize, into: &mut Vec<MediaEvent>) -> Result<()> {
        self.event_queue().shared().take(most, into)
    }
}

/// A queue is a generator itself, of what is put into it.
impl HasEventQueue for MediaEventQueue {
    fn event_queue(&self) -> &MediaEventQueue {
        self
    }
}

/// A generator behind an [`Arc`], of a known type or as `Arc<dyn MediaEventGenerator>`.
pub trait SharedGenerator {
    /// A handle that does not keep the generator alive.
    fn downgrade(&self) -> Weak<dyn MediaEventGenerator>;
}

impl<G: MediaEventGenerator + 'static> SharedGenerator for Arc<G> {
    fn downgrade(&self) -> Weak<dyn MediaEventGenerator> {
        let weak: Weak<G> = Arc::downgrade(self);
        weak
    }
}

impl SharedGenerator for Arc<dyn MediaEventGenerator> {
    fn downgrade(&self) -> Weak<dyn MediaEventGenerator> {
        Arc::downgrade(self)
    }
}
