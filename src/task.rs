//! Closures and futures on a work queue, for Rust callers who need no callback.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Context;

use futures::FutureExt;
use futures::task::{ArcWake, FutureObj, Spawn, SpawnError, waker_ref};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters};
use crate::error::{Error, Result};
use crate::operation::{self, Operation, Promise};
use crate::queue::{WorkQueue, let_go};

impl WorkQueue {
    /// Runs a closure on this queue, in its order, and gives what it returns.
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
        let keepalive = match self.queues().lend("run a closure") {
            Ok(keepalive) => keepalive,
            Err(error) => return Operation::failed(error),
        };
        // The closure stands where End stands: it is called on the queue, and what it returns, or what
        // it panics with, is the operation's outcome.
        operation::start(
            Some(&keepalive),
            CallbackParameters::on(self.id()),
            |callback| self.put(callback, None),
            |_: &AsyncResult| Ok(closure()),
        )
    }

    /// Runs a future on this queue: every poll is one item of the queue, under its ordering.
    ///
    /// Between two polls other items run. The operation is the future's output.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # use mf_async::{Platform, QueueId};
    /// # let platform = Platform::startup()?;
    /// let queue = platform.lock_work_queue(QueueId::MULTITHREADED)?;
    /// let sum = queue.spawn(async { 1 + 2 });
    /// assert_eq!(sum.await?, 3);
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// The operation's: `E_UNEXPECTED` when the future panics, `MF_E_SHUTDOWN` when the platform is shut
    /// down before it has ended.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping the operation lets the future go on.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Operation<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let keepalive = match self.queues().lend("spawn a future") {
            Ok(keepalive) => keepalive,
            Err(error) => return Operation::failed(error),
        };
        let (promise, operation) = Promise::new(&keepalive, self.id());
        drop(keepalive);
        match Task::start(self, caught(future).map(|value| promise.complete(value))) {
            Ok(()) => operation,
            Err(error) => Operation::failed(error),
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
        let keepalive = match self.queues().lend("spawn a local future") {
            Ok(keepalive) => keepalive,
            Err(error) => return Operation::failed(error),
        };
        let (promise, operation) = Promise::new(&keepalive, self.id());
        let local = Box::new(move || {
            let made = async move { make().await };
            // The keepalive makes shutdown wait for the future, as for everything that runs.
            Box::pin(caught(made).map(move |value| {
                promise.complete(value);
                drop(keepalive);
            })) as Pin<Box<dyn Future<Output = ()>>>
        });
        match self.queue().start_local(local) {
            Ok(()) => operation,
            Err(error) => Operation::failed(error),
        }
    }
}

/// Every executor-generic crate can use a queue: the future is polled on it, under its ordering.
impl Spawn for WorkQueue {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> std::result::Result<(), SpawnError> {
        Task::start(self, caught(future).map(drop)).map_err(|_| SpawnError::shutdown())
    }

    fn status(&self) -> std::result::Result<(), SpawnError> {
        if self.queues().is_running() { Ok(()) } else { Err(SpawnError::shutdown()) }
    }
}

/// The future's output, or what it panicked with.
fn caught<F: Future>(future: F) -> impl Future<Output = Result<F::Output>> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .map(|output| output.map_err(|payload| Error::panicked("the future on the work queue", payload)))
}

/// A future that is polled by items of a queue: each wake puts the task's one result once.
struct Task<F> {
    queue: WorkQueue,
    /// The result that every poll of the task is put with; it does not own the task between them.
    this: Weak<Task<F>>,
    state: Mutex<State<F>>,
}

struct State<F> {
    /// Taken while it is polled, and for good when it has ended.
    future: Option<Pin<Box<F>>>,
    /// A poll is queued or runs.
    scheduled: bool,
    /// Woken while it was polled: another poll is due.
    again: bool,
}

impl<F> Task<F>
where
    F: Future<Output = ()> + Send + 'static,
{
    fn start(queue: &WorkQueue, future: F) -> Result<()> {
        let state = State { future: Some(Box::pin(future)), scheduled: true, again: false };
        let task = Arc::new_cyclic(|this| Task {
            queue: queue.clone(),
            this: this.clone(),
            state: Mutex::new(state),
        });
        task.put()
    }

    fn put(self: &Arc<Self>) -> Result<()> {
        let put = self.queue.put(self.clone(), None);
        if put.is_err() {
            // Nobody will poll it again: let go of it, so that whoever awaits it hears of that.
            let future = self.state().future.take();
            let_go(future);
        }
        put
    }

    fn state(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> AsyncCallback for Task<F>
where
    F: Future<Output = ()> + Send + 'static,
{
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(self.queue.id())
    }

    fn invoke(&self, _: &AsyncResult) {
        let Some(this) = self.this.upgrade() else { return };
        let Some(mut future) = self.state().future.take() else { return };
        let waker = waker_ref(&this);
        let mut cx = Context::from_waker(&waker);
        // What it panics with is caught inside; this contains a drop or a waker that panics.
        let ended =
            catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx).is_ready())).unwrap_or(true);
        if ended {
            let_go(future);
            return;
        }
        let mut state = self.state();
        state.future = Some(future);
        state.scheduled = std::mem::take(&mut state.again);
        let again = state.scheduled;
        drop(state);
        if again {
            let _ = this.put();
        }
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<F>()
    }
}

impl<F> ArcWake for Task<F>
where
    F: Future<Output = ()> + Send + 'static,
{
    fn wake_by_ref(task: &Arc<Self>) {
        let mut state = task.state();
        if state.scheduled {
            state.again = true;
            return;
        }
        if state.future.is_none() {
            return;
        }
        state.scheduled = true;
        drop(state);
        let _ = task.put();
    }
}
