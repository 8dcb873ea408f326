//! Closures and futures on a work queue, for Rust callers who need no callback.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{AbortHandle, Abortable};
use futures::task::{ArcWake, FutureObj, Spawn, SpawnError, waker_ref};

use crate::async_result::{AsyncCallback, AsyncResult, Begun, CallbackParameters};
use crate::error::{Error, Result};
use crate::keepalive::{Armed, Entry, Keepalive};
use crate::operation::{self, Operation, Promise};
use crate::queue::{Priority, Queue, Queues, WorkQueue, let_go};

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
            |_: &AsyncResult| {
                catch_unwind(AssertUnwindSafe(closure))
                    .map_err(|payload| Error::panicked("the closure on the work queue", payload))
            },
        )
    }

    /// Runs a future on this queue: every poll is one item of the queue, under its ordering.
    ///
    /// Between two polls other items run. The operation is the future's output. A future that is still
    /// pending when the platform shuts down is dropped, and so is one that nothing can wake any more.
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
    /// down before it has ended, `E_ABORT` when nothing can wake it any more.
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
        let (promise, operation) = Promise::new(self.id());
        match Task::start(self, &keepalive, Location::caller(), future, promise) {
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
        let keepalive = match self.queues().lend("spawn a local future") {
            Ok(keepalive) => keepalive,
            Err(error) => return Operation::failed(error),
        };
        let (promise, operation) = Promise::new(self.id());
        let (abort, aborted) = AbortHandle::new_pair();
        let listed: Arc<dyn Armed> = Arc::new(Local { abort, queue: self.queue().clone() });
        let entry = match keepalive.enter(Arc::downgrade(&listed), Location::caller()) {
            Ok(entry) => entry,
            Err(error) => return Operation::failed(error),
        };
        let local = Box::new(move || {
            let made = Abortable::new(async move { make().await }, aborted);
            // The entry makes shutdown wait until the future is gone, as for everything that runs.
            Box::pin(caught(made).map(move |value| {
                promise.complete(value.and_then(|value| {
                    value.map_err(|_| Error::shutdown("run a local future: the platform was shut down"))
                }));
                drop((listed, entry));
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
    #[track_caller]
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> std::result::Result<(), SpawnError> {
        let keepalive = self.queues().lend("spawn a future").map_err(|_| SpawnError::shutdown())?;
        Task::start(self, &keepalive, Location::caller(), future, ())
            .map(drop)
            .map_err(|_| SpawnError::shutdown())
    }

    fn status(&self) -> std::result::Result<(), SpawnError> {
        if self.queues().is_running() { Ok(()) } else { Err(SpawnError::shutdown()) }
    }
}

/// The future's output, or what it panicked with.
fn caught<F: Future>(future: F) -> impl Future<Output = Result<F::Output>> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .map(|output| output.map_err(|payload| Error::panicked(THE_FUTURE, payload)))
}

/// What the register knows of a future on a window queue's thread.
struct Local {
    abort: AbortHandle,
    queue: Arc<Queue>,
}

impl Armed for Local {
    fn shut_down(&self, _: &Error) {
        self.abort.abort();
    }

    fn describe(&self) -> String {
        format!("a local future on {}", self.queue.id)
    }
}

/// Who is told how a task ended. Dropped untold, it lets go, so that whoever waits hears of that.
pub(crate) trait Ending<T>: Send {
    fn ended(self, value: Result<T>);
}

impl<T: Send + 'static> Ending<T> for Promise<T> {
    fn ended(self, value: Result<T>) {
        self.complete(value);
    }
}

/// Nobody.
impl Ending<()> for () {
    fn ended(self, _: Result<()>) {}
}

/// A future that is polled by items of a queue: each wake puts the task.
///
/// It ends once: by its output, by a panic, by [`cancel`](Task::cancel), because its queue takes no
/// polls any more, or because the platform shuts down. The first of them is told, and the future is
/// dropped after that; one that is just being polled is dropped when the poll is back.
pub(crate) struct Task<F, E> {
    queues: Arc<Queues>,
    queue: Arc<Queue>,
    /// What every poll of the task is put with; the task does not own itself between them.
    this: Weak<Task<F, E>>,
    state: Mutex<State<F, E>>,
}

struct State<F, E> {
    /// `None` when it has ended. Above the future, so that a task that is let go says so first.
    open: Option<Open<E>>,
    /// Taken while it is polled, and for good when it has ended.
    future: Option<Pin<Box<F>>>,
    /// A poll is queued or runs.
    scheduled: bool,
    /// Woken while it was polled: another poll is due.
    again: bool,
}

/// What a task that has not ended holds.
struct Open<E> {
    ending: E,
    _queue: WorkQueue,
    _entry: Option<Entry>,
}

impl<F, E> Task<F, E>
where
    F: Future + Send + 'static,
    E: Ending<F::Output> + 'static,
{
    /// Starts a task; gives `ending` back, untold, when the platform or the queue refuses it.
    pub(crate) fn start(
        queue: &WorkQueue,
        keepalive: &Keepalive,
        begun: Begun,
        future: F,
        ending: E,
    ) -> std::result::Result<Arc<Task<F, E>>, (Error, E)> {
        let open = Open { ending, _queue: queue.unheld(), _entry: None };
        let future = Some(Box::pin(future));
        let task = Arc::new_cyclic(|this: &Weak<Task<F, E>>| Task {
            queues: queue.queues().clone(),
            queue: queue.queue().clone(),
            this: this.clone(),
            state: Mutex::new(State { open: Some(open), future, scheduled: true, again: false }),
        });
        let armed: Weak<Task<F, E>> = Arc::downgrade(&task);
        let entered = keepalive.enter(armed, begun).map(|entry| task.keep_entry(entry));
        match entered.and_then(|()| task.put()) {
            Ok(()) => Ok(task),
            Err(error) => match task.take() {
                (Some(open), future) => {
                    let_go(future);
                    Err((error, open.ending))
                }
                // A shutdown was faster, and has told.
                (None, _) => Ok(task),
            },
        }
    }

    /// Ends the task with `error`, unless it has ended; true if it did by this.
    pub(crate) fn cancel(&self, error: Error) -> bool {
        self.end(None, Err(error))
    }

    fn keep_entry(&self, entry: Entry) {
        let mut state = self.state();
        match &mut state.open {
            Some(open) => open._entry = Some(entry),
            None => {
                drop(state);
                drop(entry);
            }
        }
    }

    /// Queues a poll.
    fn put(self: &Arc<Self>) -> Result<()> {
        let result = self.queues.create_result(None, Some(self.clone()), None)?;
        self.queues.put_on(&self.queue, Priority::Normal, result)
    }

    /// Queues a poll, or ends: nobody would poll it again.
    fn put_or_end(self: &Arc<Self>) {
        if let Err(error) = self.put() {
            self.end(None, Err(error));
        }
    }

    /// Tells how it ended, unless that was told, and only then drops the future.
    fn end(&self, polled: Option<Pin<Box<F>>>, value: Result<F::Output>) -> bool {
        let (open, future) = self.take();
        let first = open.is_some();
        match open {
            Some(Open { ending, _queue, _entry }) => {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| ending.ended(value))) {
                    let_go(payload);
                }
                let_go((polled, future));
            }
            None => {
                let_go((value, polled, future));
            }
        }
        first
    }

    fn take(&self) -> (Option<Open<E>>, Option<Pin<Box<F>>>) {
        let mut state = self.state();
        (state.open.take(), state.future.take())
    }
}

impl<F, E> Task<F, E> {
    fn state(&self) -> MutexGuard<'_, State<F, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F, E> AsyncCallback for Task<F, E>
where
    F: Future + Send + 'static,
    E: Ending<F::Output> + 'static,
{
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(self.queue.id)
    }

    fn invoke(&self, _: &AsyncResult) {
        let Some(this) = self.this.upgrade() else { return };
        let Some(mut future) = self.state().future.take() else { return };
        let waker = waker_ref(&this);
        let mut cx = Context::from_waker(&waker);
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx))) {
            Ok(Poll::Ready(value)) => {
                self.end(Some(future), Ok(value));
                return;
            }
            Ok(Poll::Pending) => {}
            Err(payload) => {
                self.end(Some(future), Err(Error::panicked(THE_FUTURE, payload)));
                return;
            }
        }
        let mut state = self.state();
        if state.open.is_none() {
            drop(state);
            let_go(future);
            return;
        }
        state.future = Some(future);
        state.scheduled = std::mem::take(&mut state.again);
        let again = state.scheduled;
        drop(state);
        if again {
            this.put_or_end();
        }
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<F>()
    }
}

impl<F, E> ArcWake for Task<F, E>
where
    F: Future + Send + 'static,
    E: Ending<F::Output> + 'static,
{
    fn wake_by_ref(task: &Arc<Self>) {
        let mut state = task.state();
        if state.scheduled {
            state.again = true;
            return;
        }
        if state.open.is_none() {
            return;
        }
        state.scheduled = true;
        drop(state);
        task.put_or_end();
    }
}

impl<F, E> Armed for Task<F, E>
where
    F: Future + Send + 'static,
    E: Ending<F::Output> + 'static,
{
    fn shut_down(&self, error: &Error) {
        self.end(None, Err(error.clone()));
    }

    fn describe(&self) -> String {
        format!("a future on {}: {}", self.queue.id, std::any::type_name::<F>())
    }
}

/// What panicked, for the error's text.
const THE_FUTURE: &str = "the future on the work queue";
