//! `Method`: the reverse of an operation, a Begin/End pair made from an `async` block or a closure.

mod call;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::task::Context;

use futures::FutureExt;
use futures::future::maybe_done;
use futures::task::noop_waker_ref;
use tokio::sync::Semaphore;
use tokio::task::unconstrained;

use self::call::{BodyEnd, OrderPermit, cancelled};
use crate::async_result::{AsyncCallback, AsyncResult, QueueId, Unknown};
use crate::cancel::CancelCookie;
use crate::completion::{Call, Completer, Identity};
use crate::error::{Error, Result};
use crate::queue::{Queues, WorkQueue};
use crate::task::{QueueScheduler, Task};
use crate::tracker::Begun;

/// One asynchronous method of a component: what its `begin_x` and `end_x` are made of.
///
/// The component holds one of these for each of its methods. `begin_x` checks its arguments, and
/// hands the caller's callback and an `async` block to [`begin`](Method::begin); `end_x` is
/// [`end`](Method::end). The block runs on a work queue; when it has ended, the result's status is set,
/// the value waits in the result, and the caller's callback is invoked.
///
/// ```
/// use std::sync::Arc;
/// use mf_async::{AsyncCallback, AsyncResult, CancelCookie, Error, Hresult, Method, Platform, Result};
///
/// struct SquareRoot {
///     method: Method<f64>,
/// }
///
/// impl SquareRoot {
///     fn new(platform: &Platform) -> SquareRoot {
///         SquareRoot { method: platform.method() }
///     }
///
///     fn begin_square_root(&self, x: f64, callback: Arc<dyn AsyncCallback>) -> Result<CancelCookie> {
///         if x < 0.0 {
///             return Err(Error::new(Hresult::E_INVALIDARG, format!("begin the square root of {x}")));
///         }
///         self.method.begin(callback, None, async move { Ok(x.sqrt()) })
///     }
///
///     fn end_square_root(&self, result: &AsyncResult) -> Result<f64> {
///         self.method.end(result)
///     }
/// }
///
/// # #[tokio::main] async fn main() -> Result<()> {
/// let platform = Platform::startup()?;
/// let component = Arc::new(SquareRoot::new(&platform));
/// let ender = component.clone();
/// let root = platform.begin_end(
///     |callback| component.begin_square_root(2.0, callback),
///     move |result| ender.end_square_root(result),
/// );
/// assert_eq!(root.await?, 2.0_f64.sqrt());
/// # platform.shutdown().await }
/// ```
///
/// # What the caller can rely on
/// * An error of Begin means that nothing was started and no callback comes.
/// * Else the callback comes exactly once, also when the block fails, panics (`E_UNEXPECTED`) or is
///   cancelled (`E_ABORT`): the status of the result says so, and End returns it.
/// * End takes the value out, once. A second End is `E_FAIL`, one before the end is `E_PENDING`, and
///   the result of another method, or of another object's, is `E_INVALIDARG`.
/// * A block that nothing can wake any more, since it waits for something that is gone, is dropped, and
///   its call ends with `E_ABORT`: [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned).
/// * When the platform shuts down, a block that is still psink is dropped, and the method ends with
///   `MF_E_SHUTDOWN`. An [`Operation`](crate::Operation) that waits for it is told. Queues take no
///   calls any more by then, so a callback of another kind is let go un-called.
///
/// # One at a time
/// A [`serialized`](Method::serialized) method runs its calls one after the other, in the order in
/// which they were begun; [`sibling`](Method::sibling) makes another method in the same order. That is
/// the operation queue that the tutorial on custom media sources asks for.
///
/// Clones are the same method.
#[doc(alias = "IMFAsyncCallback")]
#[doc(alias = "OpQueue")]
pub struct Method<T> {
    queues: Arc<Queues>,
    /// Where blocks are polled; `None` is MULTITHREADED.
    queue: Option<WorkQueue>,
    /// One permit, given out in the order of the calls.
    order: Option<Arc<Semaphore>>,
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
    /// is not waited for.
    #[must_use]
    pub fn serialized(mut self) -> Method<T> {
        self.order = Some(Arc::new(Semaphore::new(1)));
        self
    }

    /// Another method of the same object: on the same queue and, if this one is serialised, in the same
    /// order. Results of one are foreign to the other.
    #[must_use]
    pub fn sibling<U: Send + 'static>(&self) -> Method<U> {
        Method { queue: self.queue.clone(), order: self.order.clone(), ..Method::new(self.queues.clone()) }
    }

    /// Begins a call: `body` will run on the queue, and `callback` be invoked when it has ended, with a
    /// result that has `state`.
    ///
    /// It does not run on the caller's stack, and neither does the callback.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down, `MF_E_INVALID_WORKQUEUE` when the queue is
    /// closed. `body` is dropped then, and no callback follows.
    #[track_caller]
    pub fn begin<F>(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
        body: F,
    ) -> Result<CancelCookie>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let turn = self.line_up();
        self.start(callback, state, Location::caller(), async move {
            let turn = turn.await;
            let value = AssertUnwindSafe(body).catch_unwind().await;
            (value.unwrap_or_else(|payload| Err(Error::panicked("the body of the method", payload))), turn)
        })
    }

    /// Begins a call whose body is a closure that may block: it runs on LONG_FUNCTION, which is the
    /// runtime's blocking pool.
    ///
    /// Cancelled before it runs it never does. Once it runs nothing can stop it: a cancel ends the call
    /// at once, and what the closure returns is dropped. The next call of a serialised method waits
    /// for it all the same.
    ///
    /// # Errors
    /// As [`begin`](Method::begin).
    #[track_caller]
    pub fn begin_blocking<F>(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
        body: F,
    ) -> Result<CancelCookie>
    where
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        let blocking = self.queues.handle(QueueId::LONG_FUNCTION)?;
        let turn = self.line_up();
        self.start(callback, state, Location::caller(), async move {
            let turn = turn.await;
            // Dropped with this block: a closure that is cancelled before it runs sees that.
            let wanted = Arc::new(());
            let still_wanted = Arc::downgrade(&wanted);
            let ran = blocking.run(move || {
                still_wanted.upgrade().map(|_| {
                    let value = catch_unwind(AssertUnwindSafe(body));
                    let panicked = |payload| Err(Error::panicked("the body of the method", payload));
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
        })
    }

    /// Ends a call: gives its value, or the error with which it ended.
    ///
    /// # Errors
    /// The call's own: what the body returned, `E_UNEXPECTED` when it panicked, `E_ABORT` when it was
    /// cancelled, `MF_E_SHUTDOWN` when the platform was shut down meanwhile. `E_FAIL` when the call was
    /// ended before; `E_PENDING` when it has not finished; `E_INVALIDARG` when `result` is not one
    /// of this method.
    pub fn end(&self, result: &AsyncResult) -> Result<T> {
        Call::end(&Identity::of(&self.identity), A_CALL, result)
    }

    /// Takes a place in the order, now; the future waits until it is this call's turn.
    fn line_up(&self) -> impl Future<Output = OrderPermit> + Send + use<T> {
        // Unconstrained, since a task that has used up its budget would be sent away without a place.
        let mut place =
            self.order.clone().map(|order| Box::pin(maybe_done(unconstrained(order.acquire_owned()))));
        if let Some(place) = &mut place {
            let _ = place.as_mut().poll(&mut Context::from_waker(noop_waker_ref()));
        }
        async move {
            let mut place = place?;
            place.as_mut().await;
            place.as_mut().take_output()?.ok()
        }
    }

    fn start<F>(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
        begun: Begun,
        body: F,
    ) -> Result<CancelCookie>
    where
        F: Future<Output = BodyEnd<T>> + Send + 'static,
    {
        let of = Identity::of(&self.identity);
        let completer = Completer::new(&self.queues.tracker, of, A_CALL, callback, state)?;
        let default;
        let queue = match &self.queue {
            Some(queue) => queue,
            None => {
                default = self.queues.handle(QueueId::MULTITHREADED).inspect_err(|_| completer.withdraw())?;
                &default
            }
        };
        let token = completer.token()?;
        match Task::start(QueueScheduler::new(queue), token, begun, body, completer) {
            Ok(task) => Ok(CancelCookie::of(&task)),
            Err((error, completer)) => {
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

const A_CALL: &str = "a call of a method";
