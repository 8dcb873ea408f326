//! `AwaitedEvent`: the future that a waiting item waits for, between the task that polls it and a cancel that drops it.
//!
//! | state | set by | a cancel then |
//! |---|---|---|
//! | `Waiting` | the start; a poll that found nothing | drops the future → `Over` |
//! | `Polled` | a poll under way | leaves it to the poll: one that finds the event happened wins |
//! | `Over` | the event, its panic, or a cancel | comes too late |

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::contain::{Contained, contain, drop_contained, drop_payload, wake_contained};
use crate::error::Hresult;
use crate::queue::Queues;
use crate::sync::{LockExt, Mutex, ThreadMark, thread_mark};

/// The event of a waiting item: the user's future.
///
/// It uses up no signal without saying so: what a poll has taken is called back with `S_OK`, although a cancel came
/// meanwhile. After a [`cancel`](AwaitedEvent::cancel) no further poll begins.
pub(super) struct AwaitedEvent(Mutex<EventState>);

struct EventState {
    wait: EventWait,
    /// The task that polls it.
    waker: Option<Waker>,
}

enum EventWait {
    Waiting(EventFuture),
    Polled { by: ThreadMark, cancel: Option<CancelledBy> },
    Over(Result<(), Hresult>),
}

/// Who has cancelled an event while it was polled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CancelledBy {
    /// The event itself, on the thread that polls it.
    Itself,
    Another,
}

type EventFuture = Contained<Pin<Box<dyn Future<Output = ()> + Send>>>;

impl AwaitedEvent {
    pub(super) fn new(event: impl Future<Output = ()> + Send + 'static) -> AwaitedEvent {
        let wait = EventWait::Waiting(Contained::new(Box::pin(event)));
        AwaitedEvent(Mutex::new(EventState { wait, waker: None }))
    }

    /// Polls the event. Fails with `MF_E_OPERATION_CANCELLED` when it was cancelled, and with `E_UNEXPECTED` when it
    /// panicked.
    pub(super) fn poll(&self, queues: &Queues, cx: &mut Context<'_>) -> Poll<Result<(), Hresult>> {
        let waker = cx.waker().clone();
        let mut state = self.0.locked();
        let former = state.waker.replace(waker);
        let polled = EventWait::Polled { by: thread_mark(), cancel: None };
        let mut future = match std::mem::replace(&mut state.wait, polled) {
            EventWait::Waiting(future) => future,
            // Only one task polls it, so it is over.
            other => {
                let over = if let EventWait::Over(over) = other { over } else { Err(CANCELLED) };
                state.wait = EventWait::Over(over);
                drop(state);
                drop(former);
                return Poll::Ready(over);
            }
        };
        drop(state);
        drop(former);
        let polled = contain(|| future.as_mut().poll(cx));
        let mut state = self.0.locked();
        let cancel = if let EventWait::Polled { cancel, .. } = state.wait { cancel } else { None };
        let over = match (&polled, cancel) {
            (Ok(Poll::Pending), None) => {
                state.wait = EventWait::Waiting(future);
                return Poll::Pending;
            }
            (Ok(Poll::Ready(())), None | Some(CancelledBy::Another)) => Ok(()),
            (Err(_), None) => Err(Hresult::E_UNEXPECTED),
            (_, Some(_)) => Err(CANCELLED),
        };
        state.wait = EventWait::Over(over);
        drop(state);
        // A shutdown waits for this item.
        queues.call_out(|| drop_contained(future));
        if let Err(payload) = polled {
            drop_payload(payload);
        }
        Poll::Ready(over)
    }

    /// Drops the event, or, while it is polled, has it dropped when the poll returns; and wakes the task, which calls back.
    /// False if the wait was over.
    pub(super) fn cancel(&self) -> bool {
        let mut state = self.0.locked();
        let future = match &mut state.wait {
            EventWait::Waiting(_) => std::mem::replace(&mut state.wait, EventWait::Over(Err(CANCELLED))),
            EventWait::Polled { by, cancel } => {
                let itself = *by == thread_mark();
                cancel.get_or_insert(if itself { CancelledBy::Itself } else { CancelledBy::Another });
                return true;
            }
            EventWait::Over(_) => return false,
        };
        let waker = state.waker.take();
        drop(state);
        drop_contained(future);
        wake_contained(waker);
        true
    }
}

const CANCELLED: Hresult = Hresult::MF_E_OPERATION_CANCELLED;
