//! `EventGenerator`: a COM object's events by the portable contract, so that streams can be made of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use tokio::runtime::Handle;
use windows::Win32::Media::MediaFoundation::{IMFMediaEventGenerator, MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS};
use windows::core::{IUnknown, Interface};

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::com::Mta;
use crate::com::event::object_events::{ObjectEvents, queue, read};
use crate::com::event::state::{Asked, RequestTarget};
use crate::error::{Error, Hresult, Result};
use crate::event::{GetEventFlags, MediaEvent, MediaEventGenerator};
use crate::sync::LockExt;

/// A COM object that sends events, as a [`MediaEventGenerator`]: make an [`EventStream`](crate::EventStream)
/// of it, behind an [`Arc`], under any policy. [`event_stream`](crate::com::event_stream) does both.
///
/// A request that a stream leaves behind when it is dropped cannot be taken back from a COM object. The next
/// stream of the same object takes it over, also if it is of another value of this type. If the event comes before there is
/// one, it is kept for it; if no such value is left by then, it is given back to the object's own queue. The next stream gets it
/// in its place and with all its attributes. What asks the object by hand gets it without attributes, and behind those that
/// came later. Either way the request is ended, so that the object can be used again.
#[doc(alias = "IMFMediaEventGenerator")]
pub struct EventGenerator(Arc<ObjectEvents>);

impl EventGenerator {
    /// The object's events. Nothing is asked of it before this is asked.
    pub fn new(com: Mta<IMFMediaEventGenerator>) -> EventGenerator {
        let identity = com.cast::<IUnknown>().map_or(0, |object| object.as_raw() as usize);
        let mut known = KNOWN.locked();
        known.retain(|_, shared| shared.strong_count() > 0);
        // While what they share lives, so does the object: its address is its own.
        let (shared, spare) = match known.get(&identity).and_then(Weak::upgrade) {
            Some(shared) => (shared, Some(com)),
            None => {
                let shared = ObjectEvents::new(com);
                known.insert(identity, Arc::downgrade(&shared));
                (shared, None)
            }
        };
        shared.state().handles += 1;
        drop(known);
        drop(spare);
        // With a generator again, a request that is outstanding keeps nothing.
        let kept = shared.successor.locked().upgrade().and_then(|successor| successor.take());
        drop(kept);
        EventGenerator(shared)
    }

    /// The object.
    #[must_use]
    pub fn as_com(&self) -> &Mta<IMFMediaEventGenerator> {
        &self.0.com
    }
}

impl MediaEventGenerator for EventGenerator {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        let shared = &self.0;
        shared.state().free()?;
        shared.look_through();
        {
            let mut state = shared.state();
            state.free()?;
            if state.leaving.is_empty() {
                if let Some(event) = state.unread.pop_front() {
                    return Ok(event);
                }
            }
            if state.asked != Asked::No || !state.leaving.is_empty() {
                // A request of a stream that is gone: what it waits for has not come, or is not given back.
                return Err(Error::new(Hresult::MF_E_NO_EVENTS_AVAILABLE, "get an event of a generator"));
            }
        }
        let event = match shared.take_one() {
            Err(error) if error.hresult() == Hresult::MF_E_NO_EVENTS_AVAILABLE => {
                if flags.contains(GetEventFlags::NO_WAIT) {
                    return Err(error);
                }
                if Handle::try_current().is_ok() {
                    let what = "wait for an event of a generator on a thread of a tokio runtime";
                    return Err(Error::new(Hresult::ERROR_POSSIBLE_DEADLOCK, what));
                }
                // SAFETY: the object may be called from any thread, and so may its events.
                unsafe { shared.com.beside(shared.com.GetEvent(MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS(0))?) }
            }
            other => other?,
        };
        read(event)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        self.0.begin_request(RequestTarget { callback, state })
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.0.end(result)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        queue(&self.0.com, &event)
    }

    fn is_direct(&self) -> bool {
        true
    }
}

impl Drop for EventGenerator {
    fn drop(&mut self) {
        let shared = &self.0;
        let mut state = shared.state();
        state.handles -= 1;
        if state.handles > 0 {
            return;
        }
        let target = state.target.take();
        let asked = state.asked;
        drop(state);
        drop(target);
        if asked == Asked::No {
            shared.give_back();
            return;
        }
        // Where there is no other reference to the object, it goes, with its request and its events.
        if shared.is_used_elsewhere() {
            let successor = shared.successor.locked().upgrade();
            if let Some(successor) = successor {
                successor.give(shared.clone());
            }
        }
    }
}

impl fmt::Debug for EventGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventGenerator").field("asked", &self.0.state().asked).finish_non_exhaustive()
    }
}

/// What the generators of an object share, by the object's identity.
static KNOWN: Mutex<BTreeMap<usize, Weak<ObjectEvents>>> = Mutex::new(BTreeMap::new());
