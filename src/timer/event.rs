//! `AwaitedEvent`: the future that a waiting item waits for, between the task that polls it and a cancel that drops it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::contain::{Contained, contain, drop_contained, drop_payload, wake_contained};
use crate::error::Hresult;
use crate::queue::Queues;
use crate::sync::{LockExt, Mutex};

/// The event of a waiting item: the user's future.
///
/// After [`cancel`](AwaitedEvent::cancel) it is not polled any more, so a cancelled wait uses up no signal.
pub(super) struct AwaitedEvent(Mutex<EventState>);

struct EventState {
    /// `None` while it is polled, and when the wait is over.
    future: Option<EventFuture>,
    is_cancelled: bool,
    /// The task that polls it.
    waker: Option<Waker>,
}

type EventFuture = Contained<Pin<Box<dyn Future<Output = ()> + Send>>>;

impl AwaitedEvent {
    pub(super) fn new(event: impl Future<Output = ()> + Send + 'static) -> AwaitedEvent {
        let future: EventFuture = Contained::new(Box::pin(event));
        AwaitedEvent(Mutex::new(EventState { future: Some(future), is_cancelled: false, waker: None }))
    }

    /// Polls the event. Fails with `MF_E_OPERATION_CANCELLED` when it was cancelled, and with `E_UNEXPECTED` when it
    /// panicked.
    pub(super) fn poll(&self, queues: &Queues, cx: &mut Context<'_>) -> Poll<Result<(), Hresult>> {
        let waker = cx.waker().clone();
        let mut state = self.0.locked();
        let former = state.waker.replace(waker);
        let future = state.future.take();
        drop(state);
        drop(former);
        let Some(mut future) = future else { return Poll::Ready(Err(Hresult::MF_E_OPERATION_CANCELLED)) };
        let polled = contain(|| future.as_mut().poll(cx));
        let mut state = self.0.locked();
        if !state.is_cancelled && matches!(polled, Ok(Poll::Pending)) {
            state.future = Some(future);
            return Poll::Pending;
        }
        let happened = if state.is_cancelled { Err(Hresult::MF_E_OPERATION_CANCELLED) } else { Ok(()) };
        drop(state);
        // A shutdown waits for this item.
        queues.call_out(|| drop_contained(future));
        Poll::Ready(match polled {
            Ok(_) => happened,
            Err(payload) => {
                drop_payload(payload);
                happened.and(Err(Hresult::E_UNEXPECTED))
            }
        })
    }

    /// Drops the event, or, while it is polled, has it dropped when the poll returns; and wakes the task, which calls back.
    pub(super) fn cancel(&self) {
        let mut state = self.0.locked();
        state.is_cancelled = true;
        let (future, waker) = (state.future.take(), state.waker.take());
        drop(state);
        drop_contained(future);
        wake_contained(waker);
    }
}
