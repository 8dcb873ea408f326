//! Closures and futures on a work queue of the system's.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use futures::task::{FutureObj, Spawn, SpawnError};

use crate::async_result::QueueId;
use crate::com::WorkQueue;
use crate::com::work_queue::{Lock, put_once};
use crate::error::{Error, Result};
use crate::operation::{Operation, Promise};
use crate::task::{Ending, Home, Task};

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
        let put = put_once(self.id(), move || {
            let value = catch_unwind(AssertUnwindSafe(closure))
                .map_err(|payload| Error::panicked("the closure on the work queue", payload));
            promise.complete(value);
            drop(lock);
        });
        match put {
            Ok(()) => operation,
            Err(error) => Operation::failed(error),
        }
    }

    /// Runs a future on this queue: every poll is one item of the queue, under its ordering.
    ///
    /// Between two polls other items run. The operation is the future's output. A future that is still
    /// pending when the platform is shut down is dropped, and so is one that nothing can wake any more. No
    /// runtime is needed for it; a future that uses tokio's timers or sockets must have been made inside a
    /// runtime all the same.
    ///
    /// # Errors
    /// The operation's: `E_UNEXPECTED` when the future panics, `MF_E_SHUTDOWN` when the platform is shut
    /// down before it has ended, an error of the kind [`Abandoned`](crate::ErrorKind::Abandoned) when Media
    /// Foundation drops one of its items, or nothing can wake it any more.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping the operation lets the future go on.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Operation<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let keepalive = match self.lend() {
            Ok(keepalive) => keepalive,
            Err(error) => return Operation::failed(error),
        };
        let (promise, operation) = Promise::new(self.id());
        match Task::start(OnSystem::new(self), &keepalive, Location::caller(), future, promise) {
            Ok(_) => operation,
            Err((error, _)) => Operation::failed(error),
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
    #[track_caller]
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> std::result::Result<(), SpawnError> {
        let keepalive = self.lend().map_err(|_| SpawnError::shutdown())?;
        Task::start(OnSystem::new(self), &keepalive, Location::caller(), future, ())
            .map(drop)
            .map_err(|_| SpawnError::shutdown())
    }
}

/// A work queue of the system's, as the home of a task.
struct OnSystem(QueueId);

impl OnSystem {
    /// The home, and what keeps the queue open.
    fn new(queue: &WorkQueue) -> (OnSystem, Arc<Lock>) {
        (OnSystem(queue.id()), queue.lock().clone())
    }
}

impl Home for OnSystem {
    type Hold = Arc<Lock>;

    fn queue(&self) -> QueueId {
        self.0
    }

    fn put<F, E>(task: &Arc<Task<F, E, OnSystem>>) -> Result<()>
    where
        F: Future + Send + 'static,
        E: Ending<F::Output> + 'static,
    {
        let turn = Turn(Some(task.clone()));
        put_once(task.home().0, move || turn.take())
    }
}

/// The duty to poll a task once. Whoever drops it unfulfilled ends the task: nobody else would poll it, and
/// whoever awaits it must hear of that.
struct Turn<F, E>(Option<Arc<Task<F, E, OnSystem>>>)
where
    F: Future + Send + 'static,
    E: Ending<F::Output> + 'static;

impl<F, E> Turn<F, E>
where
    F: Future + Send + 'static,
    E: Ending<F::Output> + 'static,
{
    fn take(mut self) {
        if let Some(task) = self.0.take() {
            task.poll();
        }
    }
}

impl<F, E> Drop for Turn<F, E>
where
    F: Future + Send + 'static,
    E: Ending<F::Output> + 'static,
{
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.cancel(Error::abandoned("poll a future: its work queue let go of it"));
        }
    }
}
