//! Closures and futures on a work queue of the system's.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use futures::task::{FutureObj, Spawn, SpawnError};
use windows::Win32::Media::MediaFoundation::{IMFAsyncCallback, IMFAsyncResult, MFPutWorkItem};

use crate::async_result::{CallbackParameters, QueueId};
use crate::com::work_queue::{SystemQueueLock, put_once};
use crate::com::{WorkQueue, operation};
use crate::contain::contain;
use crate::error::{Error, Result};
use crate::operation::{Operation, Promise};
use crate::task::{JoinSink, Schedule, Task};

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
        let promised = match self.platform().promise(self.id()) {
            Ok(promised) => promised,
            Err(error) => return Operation::failed(error),
        };
        let id = self.id();
        let begin = |callback: &IMFAsyncCallback| {
            // SAFETY: the callback is this module's own, which may be called from any thread.
            unsafe { MFPutWorkItem(id.0, callback, None) }
        };
        let end = |_: &IMFAsyncResult| {
            contain(closure).map_err(|payload| Error::panicked("the closure on the work queue", payload))
        };
        operation::start(promised, self.lock().clone(), CallbackParameters::on(id), begin, end)
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
        let token = match self.platform().token("spawn a future") {
            Ok(token) => token,
            Err(error) => return Operation::failed(error),
        };
        let (promise, operation) = Promise::new(self.id(), Some(token.tracker()));
        match Task::start(SystemScheduler::new(self), token, Location::caller(), future, promise) {
            Ok(_) => operation,
            Err((error, _)) => Operation::failed(error),
        }
    }
}

/// Every executor-generic crate can use a queue of the system's: the future is polled on it.
impl Spawn for WorkQueue {
    #[track_caller]
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> std::result::Result<(), SpawnError> {
        let token = self.platform().token("spawn a future").map_err(|_| SpawnError::shutdown())?;
        Task::start(SystemScheduler::new(self), token, Location::caller(), future, ())
            .map(drop)
            .map_err(|_| SpawnError::shutdown())
    }
}

/// Polls a task on a work queue of the system's.
struct SystemScheduler(QueueId);

impl SystemScheduler {
    /// The scheduler, and what keeps the queue open.
    fn new(queue: &WorkQueue) -> (SystemScheduler, Arc<SystemQueueLock>) {
        (SystemScheduler(queue.id()), queue.lock().clone())
    }
}

impl Schedule for SystemScheduler {
    type Hold = Arc<SystemQueueLock>;

    fn queue(&self) -> QueueId {
        self.0
    }

    fn put<F, E>(task: &Arc<Task<F, E, SystemScheduler>>) -> Result<()>
    where
        F: Future + Send + 'static,
        E: JoinSink<F::Output> + 'static,
    {
        let poll = QueuedPoll(Some(task.clone()));
        put_once(task.scheduler().0, move || poll.run())
    }
}

/// An item that polls a task once. Dropped without a run it ends the task, which nothing else would poll, so that
/// the operation that awaits the task ends, too.
struct QueuedPoll<F, E>(Option<Arc<Task<F, E, SystemScheduler>>>)
where
    F: Future + Send + 'static,
    E: JoinSink<F::Output> + 'static;

impl<F, E> QueuedPoll<F, E>
where
    F: Future + Send + 'static,
    E: JoinSink<F::Output> + 'static,
{
    fn run(mut self) {
        if let Some(task) = self.0.take() {
            task.poll();
        }
    }
}

impl<F, E> Drop for QueuedPoll<F, E>
where
    F: Future + Send + 'static,
    E: JoinSink<F::Output> + 'static,
{
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.cancel(Error::abandoned("poll a future: its work queue dropped it"));
        }
    }
}
