//! A request on its way from Begin to End: the one value that it ends with, kept in the caller's result
//! where only the End that belongs to it finds it.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures::future::{Either, select};
use tokio::sync::Notify;

use crate::async_result::{
    AsyncCallback, AsyncResult, Begun, CallbackFlags, CallbackParameters, Hidden, QueueId, Unknown,
};
use crate::byte_stream::in_flight::Interrupt;
use crate::cancel_cookie::Cancel;
use crate::error::{Error, Hresult, Result};
use crate::keepalive::{Armed, Entry};
use crate::queue::{Priority, Queues};

/// A request that was begun. Whoever performs it owns it and completes it; let go before that, it never
/// calls back, and whoever awaits it hears of that.
pub(crate) struct Request<T> {
    queues: Arc<Queues>,
    result: AsyncResult,
    slot: Arc<Slot<T>>,
    ended: Notify,
    what: &'static str,
    entry: Mutex<Option<Entry>>,
}

impl<T: Send + 'static> Request<T> {
    /// A request to `of`, for this callback; `what` it is, for people.
    ///
    /// Nobody but [`end`](Request::end) sees what it ends with: to others the result has no object.
    pub(crate) fn new(
        queues: &Arc<Queues>,
        of: Unknown,
        what: &'static str,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Arc<Request<T>>> {
        let slot = Arc::new(Slot { of, what, state: Mutex::new(State::Pending) });
        let object: Unknown = Arc::new(Hidden(slot.clone()));
        let result = queues.create_result(Some(object), Some(callback), state)?;
        Ok(Arc::new(Request {
            queues: queues.clone(),
            result,
            slot,
            ended: Notify::new(),
            what,
            entry: Mutex::default(),
        }))
    }

    /// Gives what the request ended with, once.
    pub(crate) fn end(of: usize, what: &'static str, result: &AsyncResult) -> Result<T> {
        let slot =
            result.hidden_object::<Slot<T>>().filter(|slot| identity(&*slot.of) == of && slot.what == what);
        let Some(slot) = slot else {
            let what = format!("end {what}: the result is of another call, or another object");
            return Err(Error::new(Hresult::E_INVALIDARG, what));
        };
        let mut state = slot.state();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Ended(value) => value,
            State::Taken => Err(Error::new(
                Hresult::E_FAIL,
                format!("end {what}: it was ended before, and gives its value once"),
            )),
            State::Pending => {
                *state = State::Pending;
                Err(Error::new(Hresult::E_PENDING, format!("end {what}: it has not called back yet")))
            }
        }
    }

    /// Ends the request with this and calls back, unless it has ended; true if it did by this.
    pub(crate) fn complete(&self, value: Result<T>) -> bool {
        if !self.settle(value) {
            return false;
        }
        // It was accepted when it was begun, so it may come home while the platform is being shut down.
        // If the callback's queue is gone the callback is let go with the result, which tells whoever
        // awaits it.
        let _ = self.queues.invoke_late(Priority::Normal, &self.result);
        true
    }

    /// Ends the request inside its Begin call, which fails if the callback cannot be called.
    pub(crate) fn complete_at_once(&self, value: Result<T>) -> Result<()> {
        if self.settle(value) { self.queues.invoke(&self.result) } else { Ok(()) }
    }

    /// Performs the request on the platform's IO queue, by a body that may block.
    ///
    /// It runs on the blocking pool, so that the queue goes on meanwhile. Cancelled before, it is not run.
    pub(crate) fn run_blocking(
        self: &Arc<Self>,
        body: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<()> {
        let work = Work { request: self.clone(), body: Mutex::new(Some(Box::new(body))) };
        // The item carries the caller's result, so that a panic fails whoever awaits that.
        let waiting: Unknown = Arc::new(self.result.clone());
        let item = self.queues.create_result(None, Some(Arc::new(work)), Some(waiting))?;
        self.queues.put(QueueId::IO, item.into())
    }

    /// Performs the request on the platform's IO queue, by a future that is dropped when it is cancelled.
    pub(crate) fn run(
        self: &Arc<Self>,
        body: impl Future<Output = Result<T>> + Send + 'static,
        begun: Begun,
    ) -> Result<()> {
        let queue = self.queues.handle(QueueId::IO)?;
        self.arm(begun)?;
        let request = self.clone();
        let work = async move {
            if let Some(value) = request.unless_ended(body).await {
                request.complete(value);
            }
        };
        queue.spawn(work).detach();
        Ok(())
    }

    /// Lets a shutdown of the platform end the request, for those that may wait for the outer world.
    pub(crate) fn arm(self: &Arc<Self>, begun: Begun) -> Result<()> {
        let this: Weak<Request<T>> = Arc::downgrade(self);
        let entry = self.result.keepalive().enter(this, begun)?;
        let former = self.entry.lock().unwrap_or_else(PoisonError::into_inner).replace(entry);
        drop(former);
        Ok(())
    }

    /// What `body` resolves to, or `None` as soon as the request has ended otherwise.
    pub(crate) async fn unless_ended<F: Future>(&self, body: F) -> Option<F::Output> {
        let ended = pin!(self.ended.notified());
        if !self.is_pending() {
            return None;
        }
        match select(ended, pin!(body)).await {
            Either::Left(_) => None,
            Either::Right((value, _)) => Some(value),
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(*self.slot.state(), State::Pending)
    }

    fn settle(&self, value: Result<T>) -> bool {
        let status = value.as_ref().map_or_else(Error::hresult, |_| Hresult::S_OK);
        let mut state = self.slot.state();
        if !matches!(*state, State::Pending) {
            drop(state);
            drop(value);
            return false;
        }
        *state = State::Ended(value);
        drop(state);
        let entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(entry);
        self.result.set_status(status);
        // `notify_one` leaves a permit, so that it is heard even before anybody listens.
        self.ended.notify_one();
        true
    }
}

impl<T: Send + 'static> Interrupt for Request<T> {
    fn interrupt(&self, error: Error) {
        self.complete(Err(error));
    }
}

impl<T: Send + 'static> Cancel for Request<T> {
    fn cancel(&self) -> bool {
        self.complete(Err(Error::new(Hresult::E_ABORT, format!("{}: cancelled by its caller", self.what))))
    }
}

impl<T: Send + 'static> Armed for Request<T> {
    fn shut_down(&self, error: &Error) {
        self.complete(Err(error.clone()));
    }

    fn describe(&self) -> String {
        self.what.to_owned()
    }
}

/// What a thing is known by while it lives: its address.
pub(crate) fn identity<T: ?Sized>(of: &T) -> usize {
    std::ptr::from_ref(of).cast::<()>() as usize
}

/// Where the value waits for End. It keeps what was asked alive, whose identity is then its own.
struct Slot<T> {
    of: Unknown,
    what: &'static str,
    state: Mutex<State<T>>,
}

impl<T> Slot<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum State<T> {
    Pending,
    Ended(Result<T>),
    Taken,
}

/// The item on the IO queue that performs a blocking request.
struct Work<T> {
    request: Arc<Request<T>>,
    body: Mutex<Option<Body<T>>>,
}

type Body<T> = Box<dyn FnOnce() -> Result<T> + Send>;

impl<T: Send + 'static> AsyncCallback for Work<T> {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(QueueId::IO).with_flags(CallbackFlags::BLOCKING)
    }

    fn invoke(&self, _: &AsyncResult) {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(body), true) = (body, self.request.is_pending()) {
            self.request.complete(body());
        }
    }

    fn name(&self) -> &'static str {
        self.request.what
    }
}
