//! A future that is polled by items of a queue.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use futures::task::{ArcWake, waker_ref};

use crate::async_result::{AsyncCallback, AsyncResult, Begun, CallbackParameters};
use crate::error::{Error, Result};
use crate::keepalive::{Armed, Entry, Keepalive};
use crate::operation::Promise;
use crate::queue::{Priority, Queue, Queues, WorkQueue, let_go};
use crate::task::THE_FUTURE;

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
