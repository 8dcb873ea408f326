//! Tasks: closures and futures that run on a work queue, for callers who need no callback.

mod raw;
mod scheduler;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{AbortHandle, Abortable};
use futures::task::{FutureObj, Spawn, SpawnError};

pub(crate) use self::raw::{JoinSink, Schedule, Task};
pub(crate) use self::scheduler::QueueScheduler;

use crate::async_result::{AsyncResult, CallbackParameters};
use crate::contain::{Contained, drop_contained, output_of};
use crate::error::{Error, Hresult, Result};
use crate::operation::{Begin, Operation, Promise};
use crate::queue::{ClockGuard, Queue, WorkQueue};
use crate::register::Outstanding;
use crate::sync::{LockExt, Mutex};

impl WorkQueue {
    /// Runs a closure on this queue, in its order. The operation's value is what the closure returns.
    ///
    /// # Errors
    /// The operation's: `E_UNEXPECTED` when the closure panics, `MF_E_SHUTDOWN` when the platform is
    /// shut down before it has run.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping the future does not stop the closure.
    #[track_caller]
    pub fn run<T, F>(&self, closure: F) -> Operation<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        if let Err(error) = self.queues().admit_new("run a closure") {
            drop_contained(closure);
            return Operation::failed(error);
        }
        // The closure takes the place of End: it is called on the queue, and its return value or its panic is the
        // operation's outcome.
        Operation::begin(
            self.queues().tracker.handle(),
            CallbackParameters::on(self.id()),
            true,
            |callback| {
                self.queues().put_on(self.queue(), callback, None).map(|()| Begin::with_code(Hresult::S_OK))
            },
            |_: &AsyncResult| {
                catch_unwind(AssertUnwindSafe(closure))
                    .map_err(|payload| Error::panicked("the closure on the work queue", payload))
            },
        )
    }

    /// Runs a future on this queue: every poll is one item of the queue, under its ordering.
    ///
    /// Between two polls other items run. The operation's value is the future's output. A future that is still
    /// pending when the platform shuts down is dropped, and so is one that nothing can wake any more.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # use mf_async::{Platform, QueueId};
    /// # let platform = Platform::startup()?;
    /// let queue = platform.queue(QueueId::MULTITHREADED)?;
    /// let sum = queue.spawn(async { 1 + 2 });
    /// assert_eq!(sum.await?, 3);
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// The operation's: `E_UNEXPECTED` when the future panics, `MF_E_SHUTDOWN` when the platform is shut
    /// down before it has ended, `E_ABORT` when nothing can wake it any more.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping the operation lets the future go on.
    #[doc(alias = "RtwqJoinWorkQueue")]
    #[doc(alias = "RtwqUnjoinWorkQueue")]
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Operation<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let token = match self.queues().token("spawn a future") {
            Ok(token) => token,
            Err(error) => {
                drop_contained(future);
                return Operation::failed(error);
            }
        };
        let (promise, operation) = Promise::new(self.id(), Some(token.tracker()));
        match Task::start(QueueScheduler::new(self.unheld()), token, Location::caller(), future, promise) {
            Ok(_) => operation,
            Err((error, _)) => Operation::failed(error),
        }
    }

    /// Runs a future that is not `Send` on the thread of this window queue: `make` is called there.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # use mf_async::{Platform, WorkQueueType};
    /// use std::rc::Rc;
    ///
    /// # let platform = Platform::startup()?;
    /// let window = platform.allocate_work_queue(WorkQueueType::Window)?;
    /// let five = window.spawn_local(|| async {
    ///     let not_send = Rc::new(5);
    ///     tokio::task::yield_now().await;
    ///     *not_send
    /// });
    /// assert_eq!(five.await?, 5);
    /// # drop(window);
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// The operation's: `MF_E_INVALID_WORKQUEUE` when this is not a window queue, `E_UNEXPECTED` when
    /// the future panics, `MF_E_SHUTDOWN` when the platform is shut down before it has ended.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping the operation lets the future go on.
    #[track_caller]
    pub fn spawn_local<M, F>(&self, make: M) -> Operation<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let (doing, make) = ("spawn a local future", Contained::new(make));
        let token = match self.queues().admit(doing).and_then(|()| self.queues().token(doing)) {
            Ok(token) => token,
            Err(error) => return Operation::failed(error),
        };
        let place = self.queues().place(self.id());
        let (promise, operation) = Promise::new(self.id(), Some(token.tracker()));
        let (abort, aborted) = AbortHandle::new_pair();
        let local: Arc<dyn Outstanding> =
            Arc::new(Local { abort, queue: self.queue().clone(), clock: Mutex::default() });
        let registered = token.tracker().register_holder(Arc::downgrade(&local), Location::caller());
        let registration = match registered {
            Ok(registration) => registration,
            Err(error) => return Operation::failed(error),
        };
        let start = Box::new(move || {
            // Marks the thread as running this queue during each poll, so that a wait for itself is detected.
            let polled = async move {
                let mut future = pin!(async move { output_of((make.take())()).await });
                poll_fn(|cx| {
                    let _entered = place.enter();
                    future.as_mut().poll(cx)
                })
                .await
            };
            let made = Abortable::new(polled, aborted);
            // The token makes a shutdown wait until the future is dropped.
            Box::pin(caught(made).map(move |value| {
                promise.complete(value.and_then(|value| {
                    value.map_err(|_| Error::shutdown("run a local future: the platform was shut down"))
                }));
                drop((local, registration, token));
            })) as Pin<Box<dyn Future<Output = ()>>>
        });
        match self.queue().start_local(start) {
            Ok(()) => operation,
            Err(error) => Operation::failed(error),
        }
    }
}

/// Makes a queue an executor for crates that are generic over one: futures are polled on it, under its ordering.
impl Spawn for WorkQueue {
    #[track_caller]
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> std::result::Result<(), SpawnError> {
        let token = self.queues().token("spawn a future").map_err(|_| SpawnError::shutdown())?;
        Task::start(QueueScheduler::new(self.unheld()), token, Location::caller(), future, ())
            .map(drop)
            .map_err(|_| SpawnError::shutdown())
    }

    fn status(&self) -> std::result::Result<(), SpawnError> {
        if self.queues().is_running() { Ok(()) } else { Err(SpawnError::shutdown()) }
    }
}

/// Resolves to the future's output, or to an error with its panic.
fn caught<F: Future>(future: F) -> impl Future<Output = Result<F::Output>> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .map(|output| output.map_err(|payload| Error::panicked(THE_FUTURE, payload)))
}

/// The register's view of a future on the thread of a window queue.
struct Local {
    abort: AbortHandle,
    queue: Arc<Queue>,
    /// While its thread drops it, which tokio does not know of, a paused clock waits.
    clock: Mutex<Option<ClockGuard>>,
}

impl Outstanding for Local {
    fn shut_down(&self, _: &Error) {
        let guard = ClockGuard::new(self.queue.runtime());
        let former = std::mem::replace(&mut *self.clock.locked(), guard);
        drop(former);
        self.abort.abort();
    }

    fn describe(&self) -> String {
        format!("a local future on {}", self.queue.id)
    }
}

/// Names what panicked in the error's text.
const THE_FUTURE: &str = "the future on the work queue";
