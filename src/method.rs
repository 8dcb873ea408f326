//! `Method`: the reverse of an operation, a Begin/End pair made from an `async` block or a closure.

mod call;
mod order;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use futures::FutureExt;

use self::call::{BodyEnd, CallSink, cancelled};
use self::order::{CallOrder, CallPlace};
use crate::async_result::{AsyncCallback, AsyncResult, IntoUnknown, QueueId, Unknown};
use crate::cancel::CancelCookie;
use crate::completion::{Call, Completer, Identity};
use crate::contain::{Contained, drop_contained, output_of};
use crate::error::{Error, Result};
use crate::operation::{Operation, Promise};
use crate::queue::{Queues, WorkQueue};
use crate::task::{QueueScheduler, Task};
use crate::tracker::Begun;

/// One asynchronous method of a component: what its `begin_x` and `end_x`, and its `x`, are made of.
///
/// A component holds one for each of its methods. The body is an `async` block, which runs on a work queue.
/// [`call`](Method::call) begins it for callers that await. [`begin`](Method::begin) and [`end`](Method::end) are
/// Media Foundation's own shape, for callers with a callback: when the body has ended, the result's status is set, the
/// value waits in the result, and the callback is invoked.
///
/// ```
/// use std::sync::Arc;
/// use mf_async::{AsyncCallback, AsyncResult, CancelCookie, Method, Operation, Platform, Result};
///
/// struct Encoder {
///     flush: Method<usize>,
/// }
///
/// impl Encoder {
///     fn new(platform: &Platform) -> Arc<Encoder> {
///         Arc::new(Encoder { flush: platform.method() })
///     }
///
///     async fn work(self: Arc<Self>) -> Result<usize> {
///         Ok(3)
///     }
///
///     // For callers that await: an operation, cancelled by its drop.
///     fn flush(self: &Arc<Self>) -> Operation<usize> {
///         self.flush.call(self.clone().work())
///     }
///
///     // For callers with a callback.
///     fn begin_flush(self: &Arc<Self>, callback: Arc<dyn AsyncCallback>) -> Result<CancelCookie> {
///         self.flush.begin(callback, self.clone().work())
///     }
///
///     fn end_flush(&self, result: &AsyncResult) -> Result<usize> {
///         self.flush.end(result)
///     }
/// }
///
/// # #[tokio::main] async fn main() -> Result<()> {
/// let platform = Platform::startup()?;
/// let encoder = Encoder::new(&platform);
/// assert_eq!(encoder.flush().await?, 3);
///
/// let frames = platform.begin_end(
///     &encoder,
///     |encoder, callback| encoder.begin_flush(callback),
///     |encoder, result| encoder.end_flush(result),
/// );
/// assert_eq!(frames.await?, 3);
/// # platform.shutdown().await }
/// ```
///
/// # What a caller with a callback can rely on
/// * An error of Begin means that nothing was started and no callback comes.
/// * Else the callback comes exactly once, also when the body fails, panics (`E_UNEXPECTED`) or is cancelled
///   (`E_ABORT`): the status of the result says so, and End returns it.
/// * End takes the value out, once. A second End is `E_FAIL`, and the result of another method, or of another
///   object's, is `E_INVALIDARG`.
/// * A body that nothing can wake any more, because it waits for something that is gone, is dropped, and its call ends
///   with `E_ABORT`: [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned).
/// * When the platform shuts down, a body that is still pending is dropped, and the call ends with `MF_E_SHUTDOWN`. An
///   [`Operation`] that waits for it ends with that error. Queues take no calls any more by then, so a callback of
///   another kind is dropped without being called.
///
/// # One at a time
/// A [`serialized`](Method::serialized) method runs its calls one after the other, in the order in which they were
/// begun; [`sibling`](Method::sibling) makes another method in the same order. That is the operation queue that the
/// tutorial on custom media sources asks for.
///
/// Clones are the same method.
#[doc(alias = "IMFAsyncCallback")]
#[doc(alias = "OpQueue")]
pub struct Method<T> {
    queues: Arc<Queues>,
    /// Where blocks are polled; `None` is MULTITHREADED.
    queue: Option<WorkQueue>,
    order: Option<Arc<CallOrder>>,
    /// What makes this method's results its own.
    identity: Arc<()>,
    value: PhantomData<fn() -> T>,
}

impl<T: Send + 'static> Method<T> {
    pub(crate) fn new(queues: Arc<Queues>) -> Method<T> {
        Method { queues, queue: None, order: None, identity: Arc::default(), value: PhantomData }
    }

    /// Polls the blocks on this queue, under its ordering, rather than on MULTITHREADED.
    ///
    /// The method keeps the queue open, but no shutdown waits for it. Closures run on LONG_FUNCTION all the same.
    #[must_use]
    pub fn on(mut self, queue: &WorkQueue) -> Method<T> {
        self.queue = Some(queue.unheld());
        self
    }

    /// Runs one call at a time, in the order of the Begins.
    ///
    /// A call has ended, and the next may run, when its callback is queued and its block is gone; End
    /// is not waited for. A body that awaits a call of its own method, or of a sibling, waits for a turn that does not
    /// come before it has ended itself: give that call a method of its own, or a time. The
    /// [report](crate::Platform::report) names the call whose turn is awaited.
    #[must_use]
    pub fn serialized(mut self) -> Method<T> {
        self.order = Some(CallOrder::new());
        self
    }

    /// Another method of the same object: on the same queue and, if this one is serialised, in the same
    /// order. Results of one are foreign to the other.
    #[must_use]
    pub fn sibling<U: Send + 'static>(&self) -> Method<U> {
        Method { queue: self.queue.clone(), order: self.order.clone(), ..Method::new(self.queues.clone()) }
    }

    /// Begins a call, for a caller that awaits: `body` runs on the queue, and what it returns is the operation's value.
    ///
    /// The body does not run on the caller's stack.
    ///
    /// # Errors
    /// The operation's: what the body returned, `E_UNEXPECTED` when it panicked, `E_ABORT` when it was cancelled or
    /// nothing can wake it any more, `MF_E_SHUTDOWN` when the platform is shut down, `MF_E_INVALID_WORKQUEUE` when the
    /// queue is closed.
    ///
    /// # Cancel safety
    /// Dropping the operation cancels the call: the body is dropped before the drop returns, or, if it is being polled
    /// at that moment, when the poll returns. [`detach`](Operation::detach) lets it run to its end.
    #[track_caller]
    pub fn call<F>(&self, body: F) -> Operation<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let begun = Location::caller();
        let called = self.queues.token("call a method").and_then(|token| Ok((token, self.home()?)));
        let (token, queue) = match called {
            Ok(called) => called,
            Err(error) => {
                drop_contained(body);
                return Operation::failed(error);
            }
        };
        let (promise, operation) = Promise::new(queue.id(), Some(token.tracker()));
        let (place, body) = self.in_turn(body, begun);
        match Task::start(QueueScheduler::new(queue), token, begun, body, CallSink(promise, place)) {
            Ok(task) => operation.cancelled_by(CancelCookie::of(&task)),
            Err((error, _)) => Operation::failed(error),
        }
    }

    /// Begins a call, for a caller with a callback: `body` runs on the queue, and `callback` is invoked when it has
    /// ended.
    ///
    /// Neither of them runs on the caller's stack.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down, `MF_E_INVALID_WORKQUEUE` when the method's queue or that of the
    /// callback is closed. `body` is dropped then, and no callback follows.
    #[track_caller]
    pub fn begin<F>(&self, callback: Arc<dyn AsyncCallback>, body: F) -> Result<CancelCookie>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.begin_with_state(callback, None::<Unknown>, body)
    }

    /// As [`begin`](Method::begin), with the caller's state, which the result hands back.
    ///
    /// # Errors
    /// As [`begin`](Method::begin).
    #[track_caller]
    pub fn begin_with_state<F>(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: impl IntoUnknown,
        body: F,
    ) -> Result<CancelCookie>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let begun = Location::caller();
        self.start(callback, state.into_unknown(), begun, self.in_turn(body, begun))
    }

    /// Begins a call whose body is a closure that may block: it runs on LONG_FUNCTION, which is the
    /// runtime's blocking pool.
    ///
    /// Cancelled before it runs, it never does. Once it runs, nothing can stop it: a cancel ends the call
    /// at once, and what the closure returns is dropped. The next call of a serialised method waits
    /// for it all the same.
    ///
    /// # Errors
    /// As [`begin`](Method::begin).
    #[track_caller]
    pub fn begin_blocking<F>(&self, callback: Arc<dyn AsyncCallback>, body: F) -> Result<CancelCookie>
    where
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        self.begin_blocking_with_state(callback, None::<Unknown>, body)
    }

    /// As [`begin_blocking`](Method::begin_blocking), with the caller's state, which the result hands back.
    ///
    /// # Errors
    /// As [`begin`](Method::begin).
    #[track_caller]
    pub fn begin_blocking_with_state<F>(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: impl IntoUnknown,
        body: F,
    ) -> Result<CancelCookie>
    where
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        let body = Contained::new(body);
        let blocking = self.queues.handle(QueueId::LONG_FUNCTION)?;
        let begun = Location::caller();
        let (place, turn) = CallOrder::line_up(self.order.as_ref(), begun);
        let body = async move {
            let turn = turn.await;
            // Dropped with this future: a closure that is cancelled before it runs sees that.
            let wanted = Arc::new(());
            let still_wanted = Arc::downgrade(&wanted);
            let ran = blocking.run(move || {
                still_wanted.upgrade().map(|_| {
                    let value = catch_unwind(AssertUnwindSafe(|| (body.take())()));
                    (value.unwrap_or_else(panicked), turn)
                })
            });
            let ended = ran.await;
            drop(wanted);
            match ended {
                Ok(Some(ended)) => ended,
                Ok(None) => (Err(cancelled()), None),
                Err(error) => (Err(error), None),
            }
        };
        self.start(callback, state.into_unknown(), begun, (place, body))
    }

    /// Ends a call: gives its value, or the error with which it ended.
    ///
    /// # Errors
    /// The call's own: what the body returned, `E_UNEXPECTED` when it panicked, `E_ABORT` when it was
    /// cancelled, `MF_E_SHUTDOWN` when the platform was shut down meanwhile. `E_FAIL` when the call was
    /// ended before; `E_INVALIDARG` when `result` is not one of this method.
    pub fn end(&self, result: &AsyncResult) -> Result<T> {
        Call::end(&Identity::of(&self.identity), A_CALL, result)
    }

    /// The queue that bodies are polled on.
    fn home(&self) -> Result<WorkQueue> {
        match &self.queue {
            Some(queue) => Ok(queue.unheld()),
            None => self.queues.handle(QueueId::MULTITHREADED),
        }
    }

    /// The body, which waits for its turn; its place in the order is taken now.
    fn in_turn<F>(
        &self,
        body: F,
        begun: Begun,
    ) -> (CallPlace, impl Future<Output = BodyEnd<T>> + Send + use<T, F>)
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (place, turn) = CallOrder::line_up(self.order.as_ref(), begun);
        let body = async move {
            let turn = turn.await;
            (AssertUnwindSafe(output_of(body)).catch_unwind().await.unwrap_or_else(panicked), turn)
        };
        (place, body)
    }

    fn start<F>(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
        begun: Begun,
        (place, body): (CallPlace, F),
    ) -> Result<CancelCookie>
    where
        F: Future<Output = BodyEnd<T>> + Send + 'static,
    {
        let (of, body) = (Identity::of(&self.identity), Contained::new(body));
        let completer = Completer::new(&self.queues.tracker, of, A_CALL, callback, state)?;
        let queue = self.home().inspect_err(|_| completer.withdraw())?;
        let token = completer.token()?;
        match Task::start(QueueScheduler::new(queue), token, begun, body.take(), CallSink(completer, place)) {
            Ok(task) => Ok(CancelCookie::of(&task)),
            Err((error, CallSink(completer, _))) => {
                completer.withdraw();
                Err(error)
            }
        }
    }
}

impl<T> Clone for Method<T> {
    fn clone(&self) -> Method<T> {
        Method {
            queues: self.queues.clone(),
            queue: self.queue.clone(),
            order: self.order.clone(),
            identity: self.identity.clone(),
            value: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Method<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Method")
            .field("value", &std::any::type_name::<T>())
            .field("queue", &self.queue.as_ref().map_or(QueueId::MULTITHREADED, WorkQueue::id))
            .field("serialized", &self.order.is_some())
            .finish()
    }
}

/// What a body that panicked ends with.
fn panicked<T>(payload: Box<dyn Any + Send>) -> Result<T> {
    Err(Error::panicked("the body of the method", payload))
}

const A_CALL: &str = "a call of a method";
