//! Closures and futures on a work queue of the system's.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures::FutureExt;
use futures::task::{ArcWake, FutureObj, Spawn, SpawnError, waker_ref};

use crate::com::WorkQueue;
use crate::com::callback::Once;
use crate::com::work_queue::Lock;
use crate::error::{Error, Result};
use crate::operation::{Operation, Promise};
use crate::queue::let_go;

impl WorkQueue {
    /// Runs a closure on this queue, in its order, and gives what it returns.
    ///
    /// # Errors
    /// The operation's: `E_UNEXPECTED` when the closure panics, `MF_E_SHUTDOWN` when the platform is shut
    /// down before it has run, an error of the kind [`Abandoned`](crate::ErrorKind::Abandoned) when Media
    /// Foundation drops the item.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping the future does not stop the closure.
    #[track_caller]
    pub fn run<T, F>(&self, closure: F) -> Operation<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (promise, operation) = match self.promise(Location::caller()) {
            Ok(both) => both,
            Err(error) => return Operation::failed(error),
        };
        let lock = self.lock().clone();
        let item = Once::new(lock.parameters(), move |_| {
            let value = catch_unwind(AssertUnwindSafe(closure))
                .map_err(|payload| Error::panicked("the closure on the work queue", payload));
            promise.complete(value);
            drop(lock);
            Ok(())
        });
        match self.lock().put(&item) {
            Ok(()) => operation,
            Err(error) => Operation::failed(error),
        }
    }

    /// Runs a future on this queue: every poll is one item of the queue, under its ordering.
    ///
    /// Between two polls other items run. The operation is the future's output. No runtime is needed for it;
    /// a future that uses tokio's timers or sockets must have been made inside a runtime all the same.
    ///
    /// # Errors
    /// The operation's: `E_UNEXPECTED` when the future panics, `MF_E_SHUTDOWN` when the platform is shut
    /// down before it has ended, an error of the kind [`Abandoned`](crate::ErrorKind::Abandoned) when Media
    /// Foundation drops one of its items; the future is dropped then.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping the operation lets the future go on.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Operation<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (promise, operation) = match self.promise(Location::caller()) {
            Ok(both) => both,
            Err(error) => return Operation::failed(error),
        };
        match Task::start(self.lock(), caught(future).map(|value| promise.complete(value))) {
            Ok(()) => operation,
            Err(error) => Operation::failed(error),
        }
    }

    /// An operation that the platform's shutdown ends, if nothing else does.
    pub(crate) fn promise<T: Send + 'static>(
        &self,
        begun: &'static Location<'static>,
    ) -> Result<(Promise<T>, Operation<T>)> {
        let keepalive = self.lend()?;
        let (promise, operation) = Promise::new_at(self.id(), begun);
        promise.enter(&keepalive);
        Ok((promise, operation))
    }
}

/// Every executor-generic crate can use a queue of the system's: the future is polled on it.
impl Spawn for WorkQueue {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> std::result::Result<(), SpawnError> {
        Task::start(self.lock(), caught(future).map(drop)).map_err(|_| SpawnError::shutdown())
    }
}

/// The future's output, or what it panicked with.
fn caught<F: Future>(future: F) -> impl Future<Output = Result<F::Output>> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .map(|output| output.map_err(|payload| Error::panicked("the future on the work queue", payload)))
}

/// A future that is polled by items of a queue: a wake puts one, unless one is queued already.
struct Task<F> {
    queue: Arc<Lock>,
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
    fn start(queue: &Arc<Lock>, future: F) -> Result<()> {
        let state = State { future: Some(Box::pin(future)), scheduled: true, again: false };
        Task::put(&Arc::new(Task { queue: queue.clone(), state: Mutex::new(state) }))
    }

    /// Puts the next poll. If that fails, or the item is let go un-called, the future is let go with it.
    fn put(task: &Arc<Self>) -> Result<()> {
        let turn = Turn(Some(task.clone()));
        task.queue.put(&Once::new(task.queue.parameters(), move |_| {
            turn.take();
            Ok(())
        }))
    }

    fn poll(self: Arc<Self>) {
        let Some(mut future) = self.state().future.take() else { return };
        let waker = waker_ref(&self);
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
            let _ = Task::put(&self);
        }
    }
}

impl<F> Task<F> {
    fn state(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let _ = Task::put(task);
    }
}

/// The duty to poll a task once. Whoever drops it unfulfilled ends the task: nobody else would poll it, and
/// whoever awaits it must hear of that.
struct Turn<F>(Option<Arc<Task<F>>>);

impl<F> Turn<F>
where
    F: Future<Output = ()> + Send + 'static,
{
    fn take(mut self) {
        if let Some(task) = self.0.take() {
            task.poll();
        }
    }
}

impl<F> Drop for Turn<F> {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            let future = task.state().future.take();
            let_go(future);
        }
    }
}
