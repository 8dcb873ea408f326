//! `Task`: a future that is polled by items of a queue, and the traits of its queue and of its receiver.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures::task::{ArcWake, waker_ref};

use crate::async_result::{QueueId, Token};
use crate::contain::drop_contained;
use crate::error::{Error, Result};
use crate::operation::Promise;
use crate::register::{Begun, Outstanding, Registration};
use crate::sync::{LockExt, Mutex, ThreadMark, thread_mark};
use crate::task::THE_FUTURE;

/// The receiver of a task's outcome. Dropped before [`join`](JoinSink::join), it completes as abandoned.
pub(crate) trait JoinSink<T>: Send {
    fn join(self, value: Result<T>);

    /// What a report says of the task in place of its future's type.
    fn describe(&self) -> Option<String> {
        None
    }
}

impl<T: Send + 'static> JoinSink<T> for Promise<T> {
    fn join(self, value: Result<T>) {
        self.complete(value);
    }
}

/// Ignores the outcome.
impl JoinSink<()> for () {
    fn join(self, _: Result<()>) {}
}

/// The queue that polls a task.
pub(crate) trait Schedule: Send + Sync + Sized + 'static {
    /// Keeps the queue open; held until the task has ended.
    type Hold: Send + 'static;

    /// The queue's number, for reports.
    fn queue(&self) -> QueueId;

    /// Queues an item that calls [`Task::poll`] once.
    ///
    /// If the queue drops the item instead, the task must end, because nothing else would poll it.
    fn put<F, E>(task: &Arc<Task<F, E, Self>>) -> Result<()>
    where
        F: Future + Send + 'static,
        E: JoinSink<F::Output> + 'static;
}

/// A future that is polled by items of a queue: each wake puts the task.
///
/// It ends once: by its output, by a panic, by [`cancel`](Task::cancel), because its queue takes no
/// polls any more, or because the platform shuts down. The first of them goes to the sink, and then the future is
/// dropped. A future that is being polled is dropped when the poll has returned; if that poll itself ends the platform,
/// its output still counts.
pub(crate) struct Task<F, E, H: Schedule> {
    scheduler: H,
    /// Makes the reference that each put needs. The task does not own itself between polls.
    this: Weak<Task<F, E, H>>,
    state: Mutex<State<F, E, H::Hold>>,
}

struct State<F, E, K> {
    /// `None` when the task has ended. Above the future, so that a dropped task completes its sink first.
    open: Option<Open<E, K>>,
    /// `None` while it is polled, and after the task has ended.
    future: Option<Pin<Box<F>>>,
    /// A poll is queued or runs.
    scheduled: bool,
    /// Woken during a poll: another poll is due.
    again: bool,
    /// The thread that polls it, or did last.
    polled_on: Option<ThreadMark>,
    /// The platform was ended from within the poll: the task ends with this if the poll does not end it.
    ends_after_poll: Option<Error>,
}

/// A task that was started; or the error why it was not, and its unused sink.
type Started<F, E, H> = std::result::Result<Arc<Task<F, E, H>>, (Error, E)>;

/// What a task held, to be dropped without its lock.
type Taken<F, E, K> = (Option<Open<E, K>>, Option<Pin<Box<F>>>);

/// What a task that has not ended holds.
struct Open<E, K> {
    sink: E,
    _hold: K,
    _registration: Option<(Registration, Token)>,
}

impl<F, E, H> Task<F, E, H>
where
    F: Future + Send + 'static,
    E: JoinSink<F::Output> + 'static,
    H: Schedule,
{
    /// Starts a task. Returns the unused `sink` when the platform or the queue refuses the task.
    pub(crate) fn start(
        (scheduler, hold): (H, H::Hold),
        token: Token,
        begun: Begun,
        future: F,
        sink: E,
    ) -> Started<F, E, H> {
        let open = Open { sink, _hold: hold, _registration: None };
        let future = Some(Box::pin(future));
        let task = Arc::new_cyclic(|this: &Weak<Task<F, E, H>>| Task {
            scheduler,
            this: this.clone(),
            state: Mutex::new(State {
                open: Some(open),
                future,
                scheduled: true,
                again: false,
                polled_on: None,
                ends_after_poll: None,
            }),
        });
        let this: Weak<Task<F, E, H>> = Arc::downgrade(&task);
        let registered = token.tracker().register_holder(this, begun);
        let registered = registered.map(|registration| task.keep((registration, token)));
        match registered.and_then(|()| H::put(&task)) {
            Ok(()) => Ok(task),
            Err(error) => match task.take() {
                (Some(open), future) => {
                    drop_contained(future);
                    Err((error, open.sink))
                }
                // A shutdown was faster, and has completed the sink.
                (None, _) => Ok(task),
            },
        }
    }

    /// Polls once. Called by each queued item.
    pub(crate) fn poll(&self) {
        let Some(this) = self.this.upgrade() else { return };
        let Some(mut future) = self.start_poll() else { return };
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
        let mut state = self.state.locked();
        if state.open.is_none() {
            drop(state);
            drop_contained(future);
            return;
        }
        if let Some(error) = state.ends_after_poll.take() {
            drop(state);
            self.end(Some(future), Err(error));
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

    /// Takes the future for a poll on this thread.
    fn start_poll(&self) -> Option<Pin<Box<F>>> {
        let mut state = self.state.locked();
        state.polled_on = Some(thread_mark());
        state.future.take()
    }

    /// Ends the task with `error`; false if it had ended before.
    pub(crate) fn cancel(&self, error: Error) -> bool {
        self.end(None, Err(error))
    }

    fn keep(&self, registration: (Registration, Token)) {
        let mut state = self.state.locked();
        match &mut state.open {
            Some(open) => open._registration = Some(registration),
            None => {
                drop(state);
                drop(registration);
            }
        }
    }

    /// Queues a poll. If the queue refuses it, the task ends, because nothing would poll it again.
    fn put_or_end(self: &Arc<Self>) {
        if let Err(error) = H::put(self) {
            self.end(None, Err(error));
        }
    }

    /// Completes the sink, unless that was done before, and then drops the future. True for the first end.
    fn end(&self, polled: Option<Pin<Box<F>>>, value: Result<F::Output>) -> bool {
        let (open, future) = self.take();
        let first = open.is_some();
        match open {
            Some(Open { sink, _hold, _registration }) => {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| sink.join(value))) {
                    drop_contained(payload);
                }
                drop_contained((polled, future));
            }
            None => {
                drop_contained((value, polled, future));
            }
        }
        first
    }

    fn take(&self) -> Taken<F, E, H::Hold> {
        let mut state = self.state.locked();
        (state.open.take(), state.future.take())
    }
}

impl<F, E, H: Schedule> Task<F, E, H> {
    pub(crate) fn scheduler(&self) -> &H {
        &self.scheduler
    }
}

impl<F, E, H> ArcWake for Task<F, E, H>
where
    F: Future + Send + 'static,
    E: JoinSink<F::Output> + 'static,
    H: Schedule,
{
    fn wake_by_ref(task: &Arc<Self>) {
        let mut state = task.state.locked();
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

impl<F, E, H> Outstanding for Task<F, E, H>
where
    F: Future + Send + 'static,
    E: JoinSink<F::Output> + 'static,
    H: Schedule,
{
    fn shut_down(&self, error: &Error) {
        {
            let mut state = self.state.locked();
            let is_within_poll = state.future.is_none() && state.polled_on == Some(thread_mark());
            if is_within_poll && state.open.is_some() {
                // The future may own the last handle of its platform, and drop it on its way out.
                state.ends_after_poll = Some(error.clone());
                return;
            }
        }
        self.end(None, Err(error.clone()));
    }

    fn describe(&self) -> String {
        let described = self.state.locked().open.as_ref().and_then(|open| open.sink.describe());
        described.unwrap_or_else(|| {
            format!("a future on {}: {}", self.scheduler.queue(), std::any::type_name::<F>())
        })
    }

    fn has_ended(&self) -> bool {
        self.state.locked().open.is_none()
    }
}
