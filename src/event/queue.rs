//! The queue behind a generator: events in the order they came, and at most one request for the next.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use tokio::runtime::Handle;

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::error::{Error, Hresult, Result};
use crate::event::state::{BEGIN, Call, Request, State};
use crate::event::{GetEventFlags, MediaEvent, MediaEventType, MediaEventValue};
use crate::queue::{Job, Priority, Queues};
use crate::tracker::{Begun, Outstanding, Registration};

/// The queue that a component sends its events through: Media Foundation's `IMFMediaEventQueue`.
///
/// Made by [`Platform::create_event_queue`](crate::Platform::create_event_queue). Its owner shuts it down
/// in its own shutdown; the platform's shutdown does so, too. Dropped, it lets go of its events and of a
/// pending request. It has no size limit.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// # use mf_async::event::GetEventFlags;
/// # use mf_async::{Hresult, MediaEventType, Platform};
/// # let platform = Platform::startup()?;
/// let queue = platform.create_event_queue()?;
/// queue.queue_event_param_var(MediaEventType::MEMediaSample, Hresult::S_OK, 40_i64)?;
/// let event = queue.get_event(GetEventFlags::NO_WAIT)?;
/// assert_eq!(event.value().as_i64(), Some(40));
/// # drop(queue);
/// # platform.shutdown().await }
/// ```
#[doc(alias = "IMFMediaEventQueue")]
#[doc(alias = "MFCreateEventQueue")]
pub struct MediaEventQueue(Arc<Shared>);

impl MediaEventQueue {
    #[track_caller]
    pub(crate) fn new(queues: &Arc<Queues>) -> Result<MediaEventQueue> {
        const DOING: &str = "create an event queue";
        queues.admit(DOING)?;
        let shared = Arc::new_cyclic(|this| Shared {
            queues: queues.clone(),
            state: Mutex::default(),
            arrived: Condvar::new(),
            bell: Mutex::new(Some(Arc::new(Bell(this.clone())))),
            entry: Mutex::new(None),
        });
        shared.register(Location::caller(), DOING)?;
        Ok(MediaEventQueue(shared))
    }

    /// Takes the next event; waits for it unless told not to.
    ///
    /// What may go wrong is told at [`MediaEventGenerator::get_event`](crate::MediaEventGenerator::get_event).
    /// A request that is begun while this waits is served before it.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN`, `MF_E_MULTIPLE_SUBSCRIBERS`, `MF_E_NO_EVENTS_AVAILABLE`, `ERROR_POSSIBLE_DEADLOCK`.
    #[doc(alias = "GetEvent")]
    pub fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.0.get(flags)
    }

    /// Asks for the next event: `callback` will be invoked when there is one, on the queue it names.
    ///
    /// When the queue is shut down or dropped before that, the callback is let go without being called, as
    /// Media Foundation does it; an [`Operation`](crate::Operation) then fails with `MF_E_SHUTDOWN`, or as
    /// abandoned.
    ///
    /// # Errors
    /// As [`MediaEventGenerator::begin_get_event`](crate::MediaEventGenerator::begin_get_event):
    /// `MF_E_SHUTDOWN`, `MF_E_MULTIPLE_BEGIN`, `MF_E_MULTIPLE_SUBSCRIBERS`, `MF_E_INVALID_WORKQUEUE`.
    #[doc(alias = "BeginGetEvent")]
    pub fn begin_get_event(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Hresult> {
        self.0.begin(callback, state)
    }

    /// Takes the event for which the callback was invoked, and ends the request.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the queue was shut down meanwhile; `E_FAIL` when `result` is not that of the
    /// outstanding request.
    #[doc(alias = "EndGetEvent")]
    pub fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.0.end(result)
    }

    /// Puts an event into the queue.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the queue or its platform is shut down.
    #[doc(alias = "QueueEvent")]
    pub fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.0.push(event)
    }

    /// Makes an event of these parts, and puts it into the queue.
    ///
    /// # Errors
    /// As [`queue_event`](MediaEventQueue::queue_event).
    #[doc(alias = "QueueEventParamVar")]
    pub fn queue_event_param_var(
        &self,
        event_type: impl Into<MediaEventType>,
        status: Hresult,
        value: impl Into<MediaEventValue>,
    ) -> Result<()> {
        self.0.push(MediaEvent::new(event_type).with_status(status).with_value(value))
    }

    /// Makes an event that carries an object, and puts it into the queue.
    ///
    /// # Errors
    /// As [`queue_event`](MediaEventQueue::queue_event).
    #[doc(alias = "QueueEventParamUnk")]
    pub fn queue_event_param_unk(
        &self,
        event_type: impl Into<MediaEventType>,
        status: Hresult,
        object: Unknown,
    ) -> Result<()> {
        self.queue_event_param_var(event_type, status, object)
    }

    /// Ends the queue: events not yet taken are gone, and everything else says `MF_E_SHUTDOWN` from now on.
    ///
    /// Threads that wait for an event are woken with that. A pending callback is let go; one that is on its
    /// way comes, and its End says `MF_E_SHUTDOWN`. A second shutdown succeeds and does nothing.
    #[doc(alias = "Shutdown")]
    pub fn shutdown(&self) {
        self.0.shut_down(&Error::shutdown("wait for an event of a queue that was shut down"));
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl fmt::Debug for MediaEventQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.debug_struct("MediaEventQueue")
            .field("events", &state.events.len())
            .field("request", &state.request.is_some())
            .field("shut_down", &state.closed)
            .finish()
    }
}

/// What the owner, and for a moment the platform's register, hold of a queue.
pub(crate) struct Shared {
    queues: Arc<Queues>,
    state: Mutex<State>,
    /// A thread that waits in `get` may look again.
    arrived: Condvar,
    bell: Mutex<Option<Arc<Bell>>>,
    entry: Mutex<Option<Registration>>,
}

impl Shared {
    pub(crate) fn subscribe(&self, subscriber: &Unknown) -> Result<()> {
        self.state().subscribe(subscriber)
    }

    pub(crate) fn leave(&self, subscriber: &Unknown) {
        let request = self.state().leave(subscriber);
        drop(request);
    }

    pub(crate) fn unsubscribe(&self, subscriber: &Unknown, unread: Vec<MediaEvent>) {
        let mut state = self.state();
        let gone = state.unsubscribe(subscriber, unread);
        // Somebody else may have begun a request meanwhile, when there was nothing to take.
        let call = state.call();
        drop(state);
        self.arrived.notify_all();
        drop(gone);
        if let Some(call) = call {
            let _ = self.call(&call);
        }
    }

    pub(crate) fn take(&self, most: usize, into: &mut Vec<MediaEvent>) -> Result<()> {
        self.state().take(most, into)
    }

    fn get(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        const DOING: &str = "get an event of an event queue";
        let mut state = self.state();
        state.free(DOING)?;
        if let Some(event) = state.next() {
            return Ok(event);
        }
        if flags.contains(GetEventFlags::NO_WAIT) {
            return Err(Error::new(
                Hresult::MF_E_NO_EVENTS_AVAILABLE,
                "get an event of an event queue that is empty",
            ));
        }
        // A thread of the blocking pool is refused as well: tokio does not tell it from a worker.
        if self.queues.runs_here().is_some() || Handle::try_current().is_ok() {
            return Err(Error::new(
                Hresult::ERROR_POSSIBLE_DEADLOCK,
                "wait for an event on a thread of a tokio runtime or in a callback: use an `EventStream`, or a thread of one's own",
            ));
        }
        state.blocked += 1;
        let mut state = self
            .arrived
            .wait_while(state, |state| !state.closed && (state.request.is_some() || !state.ready()))
            .unwrap_or_else(PoisonError::into_inner);
        state.blocked -= 1;
        state.open(DOING)?;
        state.next().ok_or_else(|| Error::new(Hresult::E_UNEXPECTED, DOING))
    }

    fn begin(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        if let Some(status) = self.state().begun_before(&callback, state.as_ref())? {
            return Ok(status);
        }
        self.queues.admit(BEGIN)?;
        // Making the result and asking the callback for its queue call out: not under the lock.
        let result = self.queues.create_result(None, Some(callback.clone()), state.clone())?;
        self.queues.check(&Job::Ready(result.clone()))?;
        let mut queue = self.state();
        if let Some(status) = queue.begun_before(&callback, state.as_ref())? {
            drop(queue);
            return Ok(status);
        }
        queue.request = Some(Request::new(result, &callback, state.as_ref()));
        let call = queue.call();
        drop(queue);
        match call {
            Some(call) => self.call(&call).map(|()| Hresult::S_OK),
            None => Ok(Hresult::S_OK),
        }
    }

    fn end(&self, result: &AsyncResult) -> Result<MediaEvent> {
        let mut state = self.state();
        let (event, request) = state.end(result)?;
        let wake = state.blocked > 0 && !state.events.is_empty();
        drop(state);
        if wake {
            self.arrived.notify_all();
        }
        drop(request);
        Ok(event)
    }

    fn push(&self, event: MediaEvent) -> Result<()> {
        const DOING: &str = "queue an event";
        self.queues.admit(DOING)?;
        let mut state = self.state();
        if let Err(error) = state.open(DOING) {
            drop(state);
            drop(event);
            return Err(error);
        }
        state.events.push_back(event);
        let call = state.call();
        let wake = state.blocked > 0 && state.request.is_none();
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
        if let Some(call) = call {
            // That the subscriber cannot be called is not the producer's error: the event stays, the
            // subscriber is let go, and another may begin.
            let _ = self.call(&call);
        }
        Ok(())
    }

    /// Calls the callback of a request; a request that cannot be called is ended.
    fn call(&self, call: &Call) -> Result<()> {
        let result = match call {
            // It only stores the event and wakes who reads it, which a hop over a work queue would delay.
            Call::Stream(result) => {
                if let Some(callback) = result.callback() {
                    callback.invoke(result);
                }
                return Ok(());
            }
            Call::Callback(result) => result,
        };
        let called = self.queues.invoke_late(Priority::Normal, result);
        if called.is_err() {
            let mut state = self.state();
            let ours = state.request.as_ref().is_some_and(|request| request.id.is(result));
            let request = if ours { state.request.take() } else { None };
            drop(state);
            drop(request);
        }
        called
    }

    fn shut_down(&self, error: &Error) {
        let former = self.state().close();
        self.arrived.notify_all();
        if let Some(result) = former.request.as_ref().and_then(Request::pending) {
            result.fail(error.clone());
        }
        drop(former);
        // First the bell, so that a report does not take what has ended for something that is stuck.
        let bell = lock(&self.bell).take();
        drop(bell);
        let entry = lock(&self.entry).take();
        drop(entry);
    }

    /// Enters the platform's register, so that its shutdown is this queue's.
    fn register(&self, begun: Begun, doing: &'static str) -> Result<()> {
        let Some(bell) = lock(&self.bell).clone() else { return Ok(()) };
        let armed: Arc<dyn Outstanding> = bell;
        self.queues.admit_new(doing)?;
        let since = Some(tokio::time::Instant::now());
        let entry = self.queues.tracker.handle().register(Arc::downgrade(&armed), begun, since)?;
        *lock(&self.entry) = Some(entry);
        drop(armed);
        // Shut down meanwhile: then nobody but this takes the entry out again.
        let late = if self.state().closed { lock(&self.entry).take() } else { None };
        drop(late);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// What the platform's register knows of a queue, as long as the queue is open.
struct Bell(Weak<Shared>);

impl Outstanding for Bell {
    fn shut_down(&self, error: &Error) {
        if let Some(shared) = self.0.upgrade() {
            shared.shut_down(error);
        }
    }

    fn describe(&self) -> String {
        let Some(shared) = self.0.upgrade() else { return "an event queue that is gone".to_owned() };
        let state = shared.state();
        let request = match &state.request {
            None => "nobody asks for the next",
            Some(Request { pending: Some(_), .. }) => "a callback waits for the next",
            Some(_) => "a callback was called, and has not ended its request",
        };
        format!("an event queue with {} event(s), {request}", state.events.len())
    }
}

/// A lock. A poisoned one is as good as any: no user code runs while it is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
