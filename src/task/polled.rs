//! A future that is polled by items of a queue, whoever's queue it is.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll};

use futures::task::{ArcWake, waker_ref};

use crate::async_result::{Begun, QueueId};
use crate::error::{Error, Result};
use crate::keepalive::{Armed, Entry, Keepalive};
use crate::operation::Promise;
use crate::queue::let_go;
use crate::sync::{Mutex, MutexGuard};
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

/// The queue that polls a task.
pub(crate) trait Home: Send + Sync + Sized + 'static {
    /// What keeps the queue open, held until the task has ended.
    type Hold: Send + 'static;

    /// The queue's number, for people.
    fn queue(&self) -> QueueId;

    /// Queues an item that calls [`Task::poll`] once.
    ///
    /// If the queue lets go of the item instead, the task is to end: nobody else would poll it.
    fn put<F, E>(task: &Arc<Task<F, E, Self>>) -> Result<()>
    where
        F: Future + Send + 'static,
        E: Ending<F::Output> + 'static;
}

/// A future that is polled by items of a queue: each wake puts the task.
///
/// It ends once: by its output, by a panic, by [`cancel`](Task::cancel), because its queue takes no
/// polls any more, or because the platform shuts down. The first of them is told, and the future is
/// dropped after that; one that is just being polled is dropped when the poll is back.
pub(crate) struct Task<F, E, H: Home> {
    home: H,
    /// What every poll of the task is put with; the task does not own itself between them.
    this: Weak<Task<F, E, H>>,
    state: Mutex<State<F, E, H::Hold>>,
}

struct State<F, E, K> {
    /// `None` when it has ended. Above the future, so that a task that is let go says so first.
    open: Option<Open<E, K>>,
    /// Taken while it is polled, and for good when it has ended.
    future: Option<Pin<Box<F>>>,
    /// A poll is queued or runs.
    scheduled: bool,
    /// Woken while it was polled: another poll is due.
    again: bool,
}

/// A task that was started, or why it was not, and who was to be told of its end.
type Started<F, E, H> = std::result::Result<Arc<Task<F, E, H>>, (Error, E)>;

/// What there is of a task, to be let go.
type Taken<F, E, K> = (Option<Open<E, K>>, Option<Pin<Box<F>>>);

/// What a task that has not ended holds.
struct Open<E, K> {
    ending: E,
    _hold: K,
    _entry: Option<Entry>,
}

impl<F, E, H> Task<F, E, H>
where
    F: Future + Send + 'static,
    E: Ending<F::Output> + 'static,
    H: Home,
{
    /// Starts a task; gives `ending` back, untold, when the platform or the queue refuses it.
    pub(crate) fn start(
        (home, hold): (H, H::Hold),
        keepalive: &Keepalive,
        begun: Begun,
        future: F,
        ending: E,
    ) -> Started<F, E, H> {
        let open = Open { ending, _hold: hold, _entry: None };
        let future = Some(Box::pin(future));
        let task = Arc::new_cyclic(|this: &Weak<Task<F, E, H>>| Task {
            home,
            this: this.clone(),
            state: Mutex::new(State { open: Some(open), future, scheduled: true, again: false }),
        });
        let armed: Weak<Task<F, E, H>> = Arc::downgrade(&task);
        let entered = keepalive.enter(armed, begun).map(|entry| task.keep_entry(entry));
        match entered.and_then(|()| H::put(&task)) {
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

    /// Polls once: what a queued item is for.
    pub(crate) fn poll(&self) {
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

    /// Queues a poll, or ends: nobody would poll it again.
    fn put_or_end(self: &Arc<Self>) {
        if let Err(error) = H::put(self) {
            self.end(None, Err(error));
        }
    }

    /// Tells how it ended, unless that was told, and only then drops the future.
    fn end(&self, polled: Option<Pin<Box<F>>>, value: Result<F::Output>) -> bool {
        let (open, future) = self.take();
        let first = open.is_some();
        match open {
            Some(Open { ending, _hold, _entry }) => {
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

    fn take(&self) -> Taken<F, E, H::Hold> {
        let mut state = self.state();
        (state.open.take(), state.future.take())
    }
}

impl<F, E, H: Home> Task<F, E, H> {
    pub(crate) fn home(&self) -> &H {
        &self.home
    }

    fn state(&self) -> MutexGuard<'_, State<F, E, H::Hold>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F, E, H> ArcWake for Task<F, E, H>
where
    F: Future + Send + 'static,
    E: Ending<F::Output> + 'static,
    H: Home,
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

impl<F, E, H> Armed for Task<F, E, H>
where
    F: Future + Send + 'static,
    E: Ending<F::Output> + 'static,
    H: Home,
{
    fn shut_down(&self, error: &Error) {
        self.end(None, Err(error.clone()));
    }

    fn describe(&self) -> String {
        format!("a future on {}: {}", self.home.queue(), std::any::type_name::<F>())
    }
}
