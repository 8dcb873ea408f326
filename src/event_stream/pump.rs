//! `EventPump`: how the events of a stream are fetched.
//!
//! One thread at a time *drives* the pump: it ends the request whose callback has come, fetches what is there, and
//! begins the next request when nothing is. The states are in `state.rs`. The generator is called by the driver
//! only, and never with a lock held.
//!
//! | the callback comes | who ends the request |
//! |---|---|
//! | while another thread drives | that one |
//! | from an event queue that no other generator wraps | the thread that queued the event: no code of the user's is called |
//! | from any other generator, without a work queue | the reader of a lossless stream; else the reader or the queue MULTITHREADED, whichever is first |
//! | on a work queue, or called by a component | the thread that it comes on |

mod callback;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Context;

use self::callback::PumpCallback;
use crate::async_result::AsyncResult;
use crate::contain::{drop_contained, wake_contained};
use crate::error::{Error, Hresult, Result};
use crate::event::subscription::{SubscribedQueue, Subscription};
use crate::event::{MediaEvent, MediaEventGenerator, MediaEventType, drop_events};
use crate::event_stream::overflow::Policy;
use crate::event_stream::state::{Failure, PumpStep, State, StreamRequest};
use crate::event_stream::weak_generator::WeakGenerator;
use crate::sync::{LockExt, Mutex, MutexGuard};
use crate::tracker::{Begun, Outstanding, Registration, TrackerHandle};

/// What the stream and its callback share.
pub(crate) struct EventPump {
    generator: Box<dyn WeakGenerator>,
    /// Whether the stream may take events from the generator's queue itself.
    is_direct: bool,
    subscription: Arc<Subscription>,
    begun: Begun,
    /// With the platform of the first result that is seen.
    registration: OnceLock<Registration>,
    state: Mutex<State>,
}

/// What a look at the pump found.
pub(crate) enum Look {
    Event(MediaEvent),
    /// The last event was read.
    Ended,
    /// The looker is the driver now, and is to call [`run`](EventPump::run).
    Drive,
    /// Fetching or beginning failed.
    Failed(Error),
    /// The generator dropped the callback without invoking it.
    Dropped,
    /// Nothing now. The waker is stored, if there is one.
    Pending,
}

impl EventPump {
    pub(crate) fn new<G>(generator: &Arc<G>, policy: Policy, begun: Begun) -> Arc<EventPump>
    where
        G: MediaEventGenerator + ?Sized + 'static,
    {
        Arc::new(EventPump {
            is_direct: generator.is_direct(),
            generator: Box::new(Arc::downgrade(generator)),
            subscription: Arc::default(),
            begun,
            registration: OnceLock::new(),
            state: Mutex::new(State::new(policy)),
        })
    }

    /// Whether the generator exists.
    pub(crate) fn has_generator(&self) -> bool {
        self.generator.exists()
    }

    /// What made the first request fail.
    pub(crate) fn take_error(&self) -> Option<Error> {
        match self.state().failure.take_if(|failure| matches!(failure, Failure::Error(_))) {
            Some(Failure::Error(error)) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.state().buffer.dropped()
    }

    /// From now on only these events are kept; what is kept already is filtered as well.
    pub(crate) fn only(&self, wanted: Box<[MediaEventType]>, ready: &mut VecDeque<MediaEvent>) {
        let unwanted = self.state().buffer.only(wanted, ready);
        drop_events(unwanted);
    }

    /// The events end with the first of this type.
    pub(crate) fn until(&self, last: MediaEventType, ready: &mut VecDeque<MediaEvent>) {
        let unwanted = self.state().buffer.until(last, ready);
        drop_events(unwanted);
    }

    /// The next event, or what is to be done when there is none. With a context, its task is woken by the next.
    pub(crate) fn look(&self, cx: Option<&Context<'_>>, ready: &mut VecDeque<MediaEvent>) -> Look {
        let mut state = self.state();
        if let Some(event) = state.buffer.pop(ready) {
            return Look::Event(event);
        }
        if state.buffer.has_ended() {
            return Look::Ended;
        }
        match state.failure.take() {
            Some(Failure::Error(error)) => return Look::Failed(error),
            Some(Failure::Dropped) => return Look::Dropped,
            None => {}
        }
        let is_due = matches!(state.request, StreamRequest::None | StreamRequest::Called(_));
        if is_due && state.claim() {
            return Look::Drive;
        }
        // The waker is stored under the lock that events are put in under: none is missed.
        let former = match (cx, &state.waker) {
            (None, _) => None,
            (Some(cx), Some(waker)) if waker.will_wake(cx.waker()) => None,
            (Some(cx), _) => state.waker.replace(cx.waker().clone()),
        };
        drop(state);
        drop_contained(former);
        Look::Pending
    }

    /// Drives the pump, unless another thread does.
    pub(crate) fn drive(self: &Arc<Self>) {
        let is_claimed = self.state().claim();
        if is_claimed {
            self.run();
        }
    }

    /// Does what is to be done next, until nothing is. The caller has claimed to be the driver.
    pub(crate) fn run(self: &Arc<Self>) {
        let _guard = PumpGuard(self);
        let mut turns = 0;
        loop {
            let step = self.state().step();
            match step {
                PumpStep::End(result, batch) => self.end(result, batch),
                PumpStep::Ask(batch) if turns < TURNS => {
                    turns += 1;
                    self.ask(batch);
                }
                PumpStep::Ask(_) => return self.pass_on(),
                PumpStep::Rest => return,
            }
        }
    }

    /// The driver has worked long enough: the reader of a lossless stream goes on, and else a work queue, so that
    /// others have their turn.
    fn pass_on(self: &Arc<Self>) {
        let is_lossless = {
            let mut state = self.state();
            state.is_tired = true;
            state.buffer.is_lossless()
        };
        if !is_lossless {
            self.begin(self.direct_queue());
        }
        let waker = {
            let mut state = self.state();
            state.is_driven = false;
            state.waker.take()
        };
        self.release();
        wake_contained(waker);
    }

    /// Ends the request of this result.
    fn end(&self, result: AsyncResult, mut batch: VecDeque<MediaEvent>) {
        let failure = result.take_failure();
        let ended = match self.direct_queue() {
            Some(queue) => queue.take(&self.subscription, Some(&result), BATCH, &mut batch),
            None => self.generator.end(&result).map(|event| batch.push_back(event)),
        };
        drop_contained(result);
        self.put(batch, failure.map_or(ended, Err));
    }

    /// Fetches what is there without a request, and begins a request if nothing is.
    fn ask(self: &Arc<Self>, mut batch: VecDeque<MediaEvent>) {
        let queue = self.direct_queue();
        if let Some(queue) = &queue {
            let taken = queue.take(&self.subscription, None, BATCH, &mut batch);
            if !batch.is_empty() || taken.is_err() {
                return self.put(batch, taken);
            }
        }
        self.state().scratch = batch;
        self.begin(queue);
    }

    /// Begins a request.
    fn begin(self: &Arc<Self>, queue: Option<Arc<dyn SubscribedQueue>>) {
        let callback = {
            let mut state = self.state();
            if state.is_closed {
                return;
            }
            state.request = StreamRequest::Beginning;
            state.callback.take()
        };
        let callback = callback.unwrap_or_else(|| PumpCallback::make(self.clone()));
        let begun = match queue {
            Some(queue) => queue.begin(callback.clone(), &self.subscription),
            None => self.generator.begin(callback.clone(), self.subscription.as_state()),
        };
        let mut state = self.state();
        let mut waker = None;
        if matches!(state.request, StreamRequest::Beginning) {
            match begun {
                Ok(_) => state.request = StreamRequest::Outstanding,
                Err(error) => {
                    state.request = StreamRequest::None;
                    state.failure = Some(Failure::Error(error));
                    waker = state.waker.take();
                }
            }
        }
        // A callback that the generator has is not kept here: that its last owner drops it is how it is known that the
        // generator dropped the request, and this may be the last.
        let spare = match state.request {
            StreamRequest::Outstanding => Some(callback),
            _ if state.is_closed => Some(callback),
            _ => state.callback.replace(callback),
        };
        drop(state);
        drop(spare);
        wake_contained(waker);
    }

    /// Puts what was fetched into the buffer, and wakes the reader.
    fn put(&self, mut batch: VecDeque<MediaEvent>, fetched: Result<()>) {
        let mut state = self.state();
        if state.is_closed {
            state.unread.extend(batch);
            return;
        }
        let (lost, has_changed) = state.buffer.put(&mut batch);
        state.scratch = batch;
        let has_failed = fetched.is_err();
        if let Err(error) = fetched {
            state.failure = Some(Failure::Error(error));
        }
        let waker = if has_changed || has_failed { state.waker.take() } else { None };
        drop(state);
        wake_contained(waker);
        drop_events(lost);
    }

    /// The queue that the stream may take events from itself.
    fn direct_queue(&self) -> Option<Arc<dyn SubscribedQueue>> {
        if self.is_direct { self.subscription.queue() } else { None }
    }

    /// The stream goes: its request is taken back, and what it has not read goes back where it came from.
    pub(crate) fn close(self: &Arc<Self>, ready: VecDeque<MediaEvent>) {
        let (dropped, is_driver) = {
            let mut state = self.state();
            if state.is_closed {
                return;
            }
            state.is_closed = true;
            state.active += 1;
            state.unread = state.buffer.take_all(ready);
            let dropped = (state.callback.take(), state.waker.take(), state.failure.take());
            let is_due = matches!(state.request, StreamRequest::Called(_));
            (dropped, is_due && state.claim())
        };
        let _guard = PumpGuard(self);
        drop_contained(dropped);
        if is_driver {
            self.run();
        }
        if let Some(queue) = self.subscription.queue() {
            queue.begin_unsubscribe(&self.subscription);
        }
    }

    /// The stream is gone, and no thread is active: what was taken goes back in its order.
    fn give_back(&self) {
        let unread = std::mem::take(&mut self.state().unread);
        if let Some(queue) = self.subscription.queue() {
            queue.begin_unsubscribe(&self.subscription);
            queue.finish_unsubscribe(&self.subscription, unread);
        } else {
            unread.into_iter().for_each(|event| self.generator.put_back(event));
        }
    }

    /// Registers the stream with the platform of a result, so that a shutdown of that ends the stream.
    fn register(self: &Arc<Self>, tracker: &TrackerHandle) {
        if self.registration.get().is_none() {
            let this: Weak<EventPump> = Arc::downgrade(self);
            if let Ok(registration) = tracker.register(this, self.begun, None) {
                let _ = self.registration.set(registration);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }
}

impl Outstanding for EventPump {
    /// A result that waits for the reader would keep the shutdown waiting: a work queue ends it.
    fn release(&self) {
        let result = {
            let mut state = self.state();
            match &state.request {
                StreamRequest::Called(result) if !state.is_driven => {
                    let result = result.clone();
                    state.add_queued(&result);
                    result
                }
                _ => return,
            }
        };
        if let Ok(dispatcher) = result.dispatcher() {
            let _ = dispatcher.put_accepted(&result);
        }
        drop_contained(result);
    }

    fn shut_down(&self, error: &Error) {
        let mut state = self.state();
        if state.is_closed || state.is_driven || matches!(state.request, StreamRequest::None) {
            return;
        }
        let request = std::mem::take(&mut state.request);
        let failure = state.failure.replace(Failure::Error(error.clone()));
        let waker = state.waker.take();
        drop(state);
        wake_contained(waker);
        drop_contained((request, failure));
    }

    fn describe(&self) -> String {
        match self.state().request {
            StreamRequest::Called(_) => "an event stream whose next event waits to be read",
            _ => "an event stream that waits for an event",
        }
        .to_owned()
    }

    fn has_ended(&self) -> bool {
        let state = self.state();
        state.is_closed || matches!(state.request, StreamRequest::None)
    }
}

/// A thread that is active. If the stream goes meanwhile, the last one gives back what was taken, so that it is in
/// order.
struct PumpGuard<'a>(&'a Arc<EventPump>);

impl Drop for PumpGuard<'_> {
    fn drop(&mut self) {
        let is_last = {
            let mut state = self.0.state();
            state.active -= 1;
            state.active == 0 && state.is_closed
        };
        if is_last {
            self.0.give_back();
        }
    }
}

/// Codes with which a generator refuses a request for the moment.
pub(crate) fn is_transient(code: Hresult) -> bool {
    matches!(code, Hresult::MF_E_NOTACCEPTING | Hresult::MF_E_INVALIDREQUEST)
}

/// At most so many events are fetched at once. In the bench row `events` 1,024 took the same time.
const BATCH: usize = 256;

/// How often in a row the driver asks until the reader takes over.
const TURNS: u32 = 64;
