//! `MediaEventQueue`: the queue behind a generator, with its events in order and at most one request for the next.

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use crate::async_result::{AsyncCallback, AsyncResult, Shortcut, Unknown};
use crate::contain::{contain, drop_contained};
use crate::error::{Error, Hresult, Result};
use crate::event::event_type::MediaEventType;
use crate::event::generator::GetEventFlags;
use crate::event::media_event::{MediaEvent, drop_events};
use crate::event::state::{BEGIN, EventRequest, State};
use crate::event::subscription::{SubscribedQueue, Subscription};
use crate::event::value::MediaEventValue;
use crate::queue::{CallingOut, Job, Priority, Queues};
use crate::stepping;
use crate::sync::LockExt;
use crate::tokio_quirks;
use crate::tracker::{Begun, Loss, Outstanding, Registration};

/// The queue that a component sends its events through: Media Foundation's `IMFMediaEventQueue`.
///
/// Made by [`Platform::create_event_queue`](crate::Platform::create_event_queue). Its owner shuts it down
/// in its own shutdown; the platform's shutdown does so, too. Dropped, it drops its events and a pending
/// request. It has no size limit.
///
/// An object that an event carries is the user's: where it is dropped with the queue, by a shutdown or by a stream,
/// a panic of its `Drop` is contained.
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
pub struct MediaEventQueue(Arc<Inner>);

impl MediaEventQueue {
    #[track_caller]
    pub(crate) fn new(queues: &Arc<Queues>) -> Result<MediaEventQueue> {
        const DOING: &str = "create an event queue";
        queues.admit(DOING)?;
        let inner = Arc::new_cyclic(|this| Inner {
            queues: queues.clone(),
            state: Mutex::default(),
            arrived: Condvar::new(),
            hook: Mutex::new(Some(Arc::new(ShutdownHook(this.clone())))),
            registration: Mutex::new(None),
        });
        inner.register(Location::caller(), DOING)?;
        Ok(MediaEventQueue(inner))
    }

    /// Takes the next event; waits for it unless `flags` say not to.
    ///
    /// A request that is begun while this waits is served before it. While an [`EventStream`](crate::EventStream)
    /// receives the events this is refused, with and without [`NO_WAIT`](GetEventFlags::NO_WAIT), also while events
    /// wait that the stream has not taken: a stream counts as an outstanding request for as long as it lives.
    ///
    /// # Errors
    /// As [`MediaEventGenerator::get_event`](crate::MediaEventGenerator::get_event): `MF_E_SHUTDOWN`, `MF_E_MULTIPLE_SUBSCRIBERS`, `MF_E_NO_EVENTS_AVAILABLE`, `ERROR_POSSIBLE_DEADLOCK`.
    #[doc(alias = "GetEvent")]
    pub fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.0.get(flags)
    }

    /// Asks for the next event: `callback` will be invoked when there is one, on the queue it names.
    ///
    /// When the queue is shut down before that, an [`Operation`](crate::Operation) ends with `MF_E_SHUTDOWN`, and any
    /// other callback is dropped without being called, as Media Foundation does it. When the queue is dropped, the
    /// callback is dropped as well; an operation then ends as abandoned.
    ///
    /// # Errors
    /// As [`MediaEventGenerator::begin_get_event`](crate::MediaEventGenerator::begin_get_event):
    /// `MF_E_SHUTDOWN`, `MF_E_MULTIPLE_BEGIN`, `MF_E_MULTIPLE_SUBSCRIBERS`, `MF_E_INVALID_WORKQUEUE`. `E_UNEXPECTED`
    /// when the callback panics where it is asked for its queue.
    #[doc(alias = "BeginGetEvent")]
    pub fn begin_get_event(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Hresult> {
        self.0.begin_request(callback, state)
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
    /// `MF_E_SHUTDOWN` when the queue or its platform is shut down. That the callback of a request cannot be called,
    /// or panics where it is asked for its queue or its name, is no error here: the event stays, that request is
    /// ended, and another may be begun.
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
    /// Threads that wait for an event are woken with that, and an [`Operation`](crate::Operation) that waits for one
    /// ends with it. Any other pending callback is dropped without being called; one that is on its way comes, and
    /// its End says `MF_E_SHUTDOWN`. A second shutdown succeeds and does nothing.
    #[doc(alias = "Shutdown")]
    pub fn shutdown(&self) {
        self.0.shut_down(&Error::shutdown("wait for an event of a queue that was shut down"));
    }
}

impl fmt::Debug for MediaEventQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.locked();
        f.debug_struct("MediaEventQueue")
            .field("events", &state.events.len())
            .field("request", &state.request.is_some())
            .field("shut_down", &state.closed)
            .finish()
    }
}

/// What the owner of a queue holds, and for a short time the platform's register.
struct Inner {
    queues: Arc<Queues>,
    state: Mutex<State>,
    /// A thread that waits in `get` may look again.
    arrived: Condvar,
    hook: Mutex<Option<Arc<ShutdownHook>>>,
    registration: Mutex<Option<Registration>>,
}

impl Inner {
    fn get(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        const DOING: &str = "get an event of an event queue";
        let mut state = self.state.locked();
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
        let may_not = self.queues.runs_here().is_some() || CallingOut::is_any() || stepping::is_on();
        if may_not || tokio_quirks::polls_here() {
            return Err(Error::new(
                Hresult::ERROR_POSSIBLE_DEADLOCK,
                "wait for an event on a thread of a tokio runtime or in a callback: use an `EventStream`, or a thread of one's own",
            ));
        }
        state.blocked += 1;
        let mut state = self
            .arrived
            .wait_while(state, |state| !state.closed && !state.may_get())
            .unwrap_or_else(PoisonError::into_inner);
        state.blocked -= 1;
        state.open(DOING)?;
        state.next().ok_or_else(|| Error::new(Hresult::E_UNEXPECTED, DOING))
    }

    fn begin_request(
        self: &Arc<Self>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Hresult> {
        stepping::pause();
        let subscription = Subscription::of(state.as_ref());
        if let Some(status) =
            self.state.locked().begun_before(&callback, state.as_ref(), subscription.as_ref())?
        {
            return Ok(status);
        }
        self.queues.admit(BEGIN)?;
        // Making the result and asking the callback for its queue calls the user's code: not under the lock.
        let result = self.queues.create_result(callback.clone(), state.clone())?;
        self.queues.check(&Job::Ready(result.clone()))?;
        if let Some(subscription) = &subscription {
            let queue: Weak<Inner> = Arc::downgrade(self);
            subscription.attach(queue);
        }
        let call = {
            let mut queue = self.state.locked();
            let before = queue.begun_before(&callback, state.as_ref(), subscription.as_ref());
            if !matches!(before, Ok(None)) {
                drop(queue);
                drop_contained(result);
                return before.map(|status| status.unwrap_or(Hresult::S_OK));
            }
            queue.begin(EventRequest::new(result, &callback, state.as_ref()), subscription);
            queue.call()
        };
        match call {
            Some(result) => self.call(result).map(|()| Hresult::S_OK),
            None => Ok(Hresult::S_OK),
        }
    }

    fn end(&self, result: &AsyncResult) -> Result<MediaEvent> {
        let mut state = self.state.locked();
        let (event, request) = state.end(result)?;
        let wake = state.blocked > 0 && state.may_get();
        drop(state);
        if wake {
            self.arrived.notify_all();
        }
        drop_contained(request);
        stepping::pause();
        Ok(event)
    }

    fn push(&self, event: MediaEvent) -> Result<()> {
        const DOING: &str = "queue an event";
        stepping::pause();
        let opened = self.queues.admit(DOING);
        let mut state = self.state.locked();
        if let Err(error) = opened.and_then(|()| state.open(DOING)) {
            drop(state);
            drop_events([event]);
            return Err(error);
        }
        stepping::note(|| format!("queued the event {}", event.event_type()));
        state.events.push_back(event);
        let call = state.call();
        let wake = state.blocked > 0 && state.may_get();
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
        if let Some(result) = call {
            // That the subscriber cannot be called is not the producer's error: the event stays, the
            // request is ended, and another may begin.
            let _ = self.call(result);
        }
        stepping::pause();
        Ok(())
    }

    /// Calls the callback of a request; a request that cannot be called is ended.
    fn call(&self, result: AsyncResult) -> Result<()> {
        let called =
            contain(|| self.queues.invoke_late(Priority::Normal, &result)).unwrap_or_else(|payload| {
                Err(Error::panicked("a callback that was asked for its queue or its name", payload))
            });
        if called.is_err() {
            let request = self.state.locked().withdraw(&result);
            drop_contained(request);
        }
        drop_contained(result);
        called
    }

    fn shut_down(&self, error: &Error) {
        stepping::pause();
        stepping::note(|| "shut an event queue down".to_owned());
        let State { events, request, .. } = self.state.locked().close();
        self.arrived.notify_all();
        if let Some(result) = request.as_ref().and_then(EventRequest::pending) {
            // An operation or a stream of this crate ends with the error. Any other callback is not called.
            let is_own = result.callback().is_some_and(|callback| {
                contain(|| matches!(callback.shortcut(), Shortcut::HandOver(_))).unwrap_or(false)
            });
            if is_own {
                result.fail(error.clone());
            }
        }
        // The user may have wrapped an operation's callback: that operation ends with a shutdown as well.
        self.queues.tracker.handle().lose(Loss::Shutdown, || drop_contained(request));
        drop_events(events);
        // First the hook, so that a report does not take what has ended for something that is stuck.
        let hook = self.hook.locked().take();
        drop(hook);
        let registration = self.registration.locked().take();
        drop(registration);
        stepping::pause();
    }

    /// Enters the platform's register, so that its shutdown is this queue's.
    fn register(&self, begun: Begun, doing: &'static str) -> Result<()> {
        let Some(hook) = self.hook.locked().clone() else { return Ok(()) };
        let hook: Arc<dyn Outstanding> = hook;
        self.queues.admit_new(doing)?;
        let since = Some(tokio::time::Instant::now());
        let registration = self.queues.tracker.handle().register(Arc::downgrade(&hook), begun, since)?;
        *self.registration.locked() = Some(registration);
        // A shutdown that came in between has not found the registration.
        let late = if self.state.locked().closed { self.registration.locked().take() } else { None };
        drop(late);
        Ok(())
    }
}

impl SubscribedQueue for Inner {
    fn begin(
        self: Arc<Self>,
        callback: Arc<dyn AsyncCallback>,
        subscription: &Arc<Subscription>,
    ) -> Result<Hresult> {
        self.begin_request(callback, Some(subscription.as_state()))
    }

    fn take(
        &self,
        subscription: &Arc<Subscription>,
        ended: Option<&AsyncResult>,
        most: usize,
        into: &mut VecDeque<MediaEvent>,
    ) -> Result<()> {
        let request = self.state.locked().take(subscription, ended, most, into)?;
        drop_contained(request);
        Ok(())
    }

    fn begin_unsubscribe(&self, subscription: &Arc<Subscription>) {
        let request = self.state.locked().begin_unsubscribe(subscription);
        drop_contained(request);
    }

    fn finish_unsubscribe(&self, subscription: &Arc<Subscription>, unread: Vec<MediaEvent>) {
        let mut state = self.state.locked();
        let refused = state.finish_unsubscribe(subscription, unread);
        // Another may have begun a request meanwhile, when there was nothing to take.
        let call = state.call();
        drop(state);
        self.arrived.notify_all();
        drop_events(refused);
        if let Some(result) = call {
            let _ = self.call(result);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let State { events, request, .. } = self.state.locked().close();
        drop_contained(request);
        drop_events(events);
    }
}

/// What the platform's register knows of a queue, as long as the queue is open.
struct ShutdownHook(Weak<Inner>);

impl Outstanding for ShutdownHook {
    fn shut_down(&self, error: &Error) {
        if let Some(queue) = self.0.upgrade() {
            queue.shut_down(error);
        }
    }

    fn describe(&self) -> String {
        let Some(queue) = self.0.upgrade() else { return "an event queue that is gone".to_owned() };
        let state = queue.state.locked();
        let request = match &state.request {
            None if state.has_subscriber() => "a stream reads them",
            None => "no request is outstanding",
            Some(request) if request.pending().is_some() => "a callback waits for the next",
            Some(_) => "a callback was called, and has not ended its request",
        };
        format!("an event queue with {} event(s), {request}", state.events.len())
    }
}
