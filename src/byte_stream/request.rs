//! `Request`: one request to a byte stream or a resolver from Begin to End, how it is performed, and what ends it first.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use futures::future::{Either, select};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::async_result::{AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, QueueId, Unknown};
use crate::byte_stream::in_flight::Interrupt;
use crate::byte_stream::request_body::{RequestBody, Stopped};
use crate::cancel::Cancel;
use crate::completion::{Completer, Identity};
use crate::contain::{contain, drop_contained};
use crate::error::{Error, Hresult, Result};
use crate::queue::Queues;
use crate::register::{Begun, Outstanding, Registration};
use crate::sync::LockExt;

/// A request that was begun. Its performer owns it and completes it. Dropped before that, it completes with an error.
pub(crate) struct Request<T: Send + 'static> {
    queues: Arc<Queues>,
    /// The future that performs it, if it is one that a cancel drops. Above the completer, whose drop calls back.
    body: OnceLock<Arc<RequestBody<T>>>,
    completer: Completer<T>,
    ended: Notify,
    registration: Mutex<Option<Registration>>,
    /// What its own cancel undoes before it calls back.
    undo: Mutex<Option<Undo>>,
}

/// Takes back what the Begin of a request has done to its stream.
pub(crate) type Undo = Box<dyn FnOnce() + Send>;

impl<T: Send + 'static> Request<T> {
    /// A request to `of` with this callback. `what` names it in errors and reports.
    ///
    /// # Errors
    /// As [`Completer::new`].
    pub(crate) fn new(
        queues: &Arc<Queues>,
        of: Identity,
        what: &'static str,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Arc<Request<T>>> {
        Ok(Arc::new(Request {
            queues: queues.clone(),
            body: OnceLock::new(),
            completer: Completer::new(&queues.tracker, of, what, callback, state)?,
            ended: Notify::new(),
            registration: Mutex::default(),
            undo: Mutex::default(),
        }))
    }

    /// Ends the request, and invokes its callback; false if it had ended before.
    pub(crate) fn complete(&self, value: Result<T>) -> bool {
        match self.settle(value) {
            Ok(()) => {
                self.call_back();
                true
            }
            Err(late) => {
                drop_contained(late);
                false
            }
        }
    }

    /// Ends the request. The caller that has ended it then invokes its callback by [`call_back`](Request::call_back). Gives the value back if
    /// the request had ended before. Runs nothing of the user's, so that a lock may be held.
    pub(crate) fn settle(&self, value: Result<T>) -> std::result::Result<(), Result<T>> {
        self.completer.settle(value)
    }

    /// Invokes the callback of a request that was settled.
    pub(crate) fn call_back(&self) {
        self.completer.call_back();
        let registration = self.registration.locked().take();
        drop(registration);
        // `notify_one` leaves a permit for a performer that starts to wait only later.
        self.ended.notify_one();
    }

    /// Ends the request from within Begin, which then fails if the callback cannot be invoked.
    pub(crate) fn complete_at_once(&self, value: Result<T>) -> Result<()> {
        self.completer.complete_at_once(value)
    }

    /// Sets what the request's own cancel undoes.
    pub(crate) fn undo_if_cancelled(&self, undo: impl FnOnce() + Send + 'static) {
        *self.undo.locked() = Some(Box::new(undo));
    }

    /// Begin fails: the callback is not invoked.
    pub(crate) fn withdraw(&self) {
        self.completer.withdraw();
        let registration = self.registration.locked().take();
        drop(registration);
    }

    /// Performs the request by a closure that may block, on the blocking threads of the IO queue.
    pub(crate) fn run_blocking(
        self: &Arc<Self>,
        body: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<()> {
        let work = BlockingItem { request: self.clone(), body: Mutex::new(Some(Box::new(body))) };
        let item = self.queues.create_result(Arc::new(work), None)?;
        self.queues.put(QueueId::IO, item.into(), None).inspect_err(|_| self.withdraw())
    }

    /// Performs the request by a future on the IO queue. If the request is cancelled, the future is dropped before the
    /// callback is invoked.
    pub(crate) fn run(
        self: &Arc<Self>,
        body: impl Future<Output = Result<T>> + Send + 'static,
        begun: Begun,
    ) -> Result<()> {
        let queue = self.queues.handle(QueueId::IO).inspect_err(|_| self.withdraw())?;
        self.register(begun).inspect_err(|_| self.withdraw())?;
        let body = Arc::new(RequestBody::new(self.completer.what(), Box::pin(body)));
        let polled = self.body.get_or_init(|| body).clone();
        let request = self.clone();
        let work = async move {
            let body = poll_fn(|cx| polled.poll(cx));
            request.perform(body, |value| _ = request.complete(value)).await;
        };
        queue.spawn(work).detach();
        Ok(())
    }

    /// Stops the future that performs the request, if it has one.
    fn stop(&self, error: Error) -> Stopped {
        match self.body.get() {
            Some(body) => body.stop(error),
            None => Stopped::Done(error),
        }
    }

    /// Registers the request, so that a shutdown ends it.
    pub(crate) fn register(self: &Arc<Self>, begun: Begun) -> Result<()> {
        let this: Weak<Request<T>> = Arc::downgrade(self);
        let registration = self.queues.tracker.handle().register(this, begun, Some(Instant::now()))?;
        let former = self.registration.locked().replace(registration);
        drop(former);
        Ok(())
    }

    /// Performs `body`, which may be user code that panics, and hands its outcome to `deliver`, which completes the
    /// request. If the request ends first, `body` is dropped. False if `body` panicked.
    pub(crate) async fn perform<F: Future>(&self, body: F, deliver: impl FnOnce(F::Output)) -> bool {
        let ended = pin!(self.ended.notified());
        if !self.is_pending() {
            return true;
        }
        let body = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(body));
        match select(ended, pin!(body)).await {
            Either::Left(_) => true,
            Either::Right((Ok(output), _)) => {
                deliver(output);
                true
            }
            Either::Right((Err(payload), _)) => {
                self.complete(Err(Error::panicked(self.completer.what(), payload)));
                false
            }
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.completer.is_pending()
    }
}

impl<T: Send + 'static> Interrupt for Request<T> {
    fn interrupt(&self, error: Error) {
        self.complete(Err(error));
    }
}

impl<T: Send + 'static> Cancel for Request<T> {
    fn cancel(&self) -> bool {
        if !self.is_pending() {
            return false;
        }
        let what = format!("{}: cancelled by its caller", self.completer.what());
        match self.stop(Error::new(Hresult::E_ABORT, what)) {
            Stopped::Done(error) => {
                if let Err(late) = self.settle(Err(error)) {
                    drop_contained(late);
                    return false;
                }
                let undo = self.undo.locked().take();
                if let Some(undo) = undo {
                    undo();
                }
                self.call_back();
                true
            }
            Stopped::UnderWay => true,
            Stopped::Late => false,
        }
    }
}

impl<T: Send + 'static> Outstanding for Request<T> {
    fn shut_down(&self, error: &Error) {
        // Even if a poll is under way: the thread that is inside the future may never return.
        self.stop(error.clone());
        self.complete(Err(error.clone()));
    }

    fn describe(&self) -> String {
        self.completer.what().to_owned()
    }

    fn has_ended(&self) -> bool {
        !self.is_pending()
    }
}

/// The item on the IO queue that performs a blocking request.
struct BlockingItem<T: Send + 'static> {
    request: Arc<Request<T>>,
    body: Mutex<Option<Body<T>>>,
}

type Body<T> = Box<dyn FnOnce() -> Result<T> + Send>;

impl<T: Send + 'static> AsyncCallback for BlockingItem<T> {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(QueueId::IO).with_flags(CallbackFlags::BLOCKING)
    }

    fn invoke(&self, _: &AsyncResult) {
        let body = self.body.locked().take();
        if let (Some(body), true) = (body, self.request.is_pending()) {
            let value = contain(body)
                .unwrap_or_else(|payload| Err(Error::panicked(self.request.completer.what(), payload)));
            self.request.complete(value);
        }
    }

    fn name(&self) -> &'static str {
        self.request.completer.what()
    }
}
