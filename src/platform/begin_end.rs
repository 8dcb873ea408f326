//! `Platform::begin_end`: a Begin call and its End call as an operation.

use std::sync::Arc;

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId};
use crate::contain::{contain, drop_contained};
use crate::error::{Error, Result};
use crate::operation::{BeginStatus, Operation};
use crate::platform::Platform;

impl Platform {
    /// Begins an asynchronous operation at once; awaiting what it returns gives what End returns.
    ///
    /// `begin` is handed `object` and the callback that the component is to invoke; `end` is handed a clone of
    /// `object` and the result that the callback was invoked with. Where there is no object, `&()` will do.
    /// The operation ends exactly once: with the value or error of `end`; with the error of `begin`; or, when the
    /// callback is dropped without being invoked, when something panics, or when the platform or its runtime ends,
    /// with an error that says so.
    ///
    /// No queue is named, and so none is needed: when the callback is invoked the awaiting task is woken, and End
    /// runs when it polls, in the task, never on the stack of the component. If the operation is not polled any more,
    /// because it was dropped or detached or because the platform shuts down, End runs on
    /// [`QueueId::MULTITHREADED`]. [`begin_end_with`](Platform::begin_end_with) names a queue.
    ///
    /// What Begin may return is listed at [`BeginStatus`]: nothing, a success code, or the right to cancel.
    ///
    /// ```
    /// use mf_async::{Platform, Result};
    ///
    /// # #[tokio::main] async fn main() -> Result<()> {
    /// let platform = Platform::startup()?;
    /// let answer = platform.begin_end(
    ///     &(),
    ///     |(), callback| platform.result(callback).build()?.invoke(),
    ///     |(), result| result.status().ok().map(|_| 42),
    /// );
    /// assert_eq!(answer.await?, 42);
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// None here: an error of `begin` is the operation's, and so is `MF_E_SHUTDOWN` when the platform is shut down.
    ///
    /// # Cancel safety
    /// As [`Operation`].
    #[inline]
    #[track_caller]
    pub fn begin_end<O, T, B, E>(
        &self,
        object: &O,
        begin: impl FnOnce(&O, Arc<dyn AsyncCallback>) -> B,
        end: E,
    ) -> Operation<T>
    where
        O: Clone + Send + 'static,
        T: Send + 'static,
        B: BeginStatus,
        E: FnOnce(&O, &AsyncResult) -> Result<T> + Send + 'static,
    {
        self.start(CallbackParameters::on(QueueId::MULTITHREADED), false, object, begin, end)
    }

    /// As [`begin_end`](Platform::begin_end), with a callback that names this queue and has these flags: End runs
    /// there, in the queue's order, and is counted there.
    ///
    /// # Errors
    /// As [`begin_end`](Platform::begin_end).
    ///
    /// # Cancel safety
    /// As [`Operation`].
    #[track_caller]
    pub fn begin_end_with<O, T, B, E>(
        &self,
        parameters: CallbackParameters,
        object: &O,
        begin: impl FnOnce(&O, Arc<dyn AsyncCallback>) -> B,
        end: E,
    ) -> Operation<T>
    where
        O: Clone + Send + 'static,
        T: Send + 'static,
        B: BeginStatus,
        E: FnOnce(&O, &AsyncResult) -> Result<T> + Send + 'static,
    {
        self.start(parameters, true, object, begin, end)
    }

    #[inline]
    #[track_caller]
    fn start<O, T, B, E>(
        &self,
        parameters: CallbackParameters,
        is_queue_named: bool,
        object: &O,
        begin: impl FnOnce(&O, Arc<dyn AsyncCallback>) -> B,
        end: E,
    ) -> Operation<T>
    where
        O: Clone + Send + 'static,
        T: Send + 'static,
        B: BeginStatus,
        E: FnOnce(&O, &AsyncResult) -> Result<T> + Send + 'static,
    {
        // A clone is user code.
        let ends = self.queues().admit_new("begin an operation").and_then(|()| {
            contain(|| object.clone()).map_err(|payload| Error::panicked("the clone of the object", payload))
        });
        let ends = match ends {
            Ok(ends) => ends,
            Err(error) => {
                drop_contained(begin);
                drop_contained(end);
                return Operation::failed(error);
            }
        };
        let begin = |callback| {
            begin(object, callback).begin_status(|| {
                let timers = Arc::downgrade(&self.0.timers);
                // An item that has run, or a platform that is gone, needs no cancelling.
                move |key| _ = timers.upgrade().map(|timers| timers.cancel(key))
            })
        };
        let end = move |result: &AsyncResult| end(&ends, result);
        Operation::begin(self.queues().tracker.handle(), parameters, is_queue_named, begin, end)
    }
}
