//! `RequestBody`: the future that performs a request, which is dropped before the request calls back when that is stopped.

use std::sync::Mutex;
use std::task::{Context, Poll};

use futures::future::BoxFuture;

use crate::contain::{contain, drop_contained};
use crate::error::{Error, Result};
use crate::sync::LockExt;

/// A future that is polled by one task and stopped by others.
///
/// | state | means | leaves it by |
/// |---|---|---|
/// | `Here` | it waits for its next poll | a poll → `Polled`; a stop, which drops it → `Gone` |
/// | `Polled` | a thread is inside it | the end of the poll → `Here` or `Gone`; a stop → `Stopping` |
/// | `Stopping` | the thread inside it drops it when it comes out | that → `Gone` |
/// | `Gone` | it has ended, or was stopped | |
pub(crate) struct RequestBody<T> {
    /// Names it in the error of a panic.
    what: &'static str,
    state: Mutex<BodyState<T>>,
}

enum BodyState<T> {
    Here(BoxFuture<'static, Result<T>>),
    Polled,
    Stopping(Error),
    Gone,
}

/// What a stop came to.
pub(crate) enum Stopped {
    /// The future is gone. The caller completes the request.
    Done(Error),
    /// A thread is inside the future, and gets this error for its request when it comes out.
    UnderWay,
    /// It was stopped before.
    Late,
}

impl<T> RequestBody<T> {
    pub(crate) fn new(what: &'static str, future: BoxFuture<'static, Result<T>>) -> RequestBody<T> {
        RequestBody { what, state: Mutex::new(BodyState::Here(future)) }
    }

    /// Polls the future. Ready is what the request is to be completed with.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let mut future = {
            let mut state = self.state.locked();
            match std::mem::replace(&mut *state, BodyState::Polled) {
                BodyState::Here(future) => future,
                // It was stopped, and the thread that stopped it completes the request.
                other => {
                    *state = other;
                    return Poll::Pending;
                }
            }
        };
        let polled = contain(|| future.as_mut().poll(cx));
        let mut state = self.state.locked();
        let outcome = match (polled, std::mem::replace(&mut *state, BodyState::Gone)) {
            (Ok(Poll::Ready(value)), _) => value,
            (Err(payload), _) => Err(Error::panicked(self.what, payload)),
            (Ok(Poll::Pending), BodyState::Stopping(error)) => Err(error),
            (Ok(Poll::Pending), _) => {
                *state = BodyState::Here(future);
                return Poll::Pending;
            }
        };
        drop(state);
        drop_contained(future);
        Poll::Ready(outcome)
    }

    /// Drops the future, now or when the poll that is under way is over.
    pub(crate) fn stop(&self, error: Error) -> Stopped {
        let mut state = self.state.locked();
        match std::mem::replace(&mut *state, BodyState::Gone) {
            BodyState::Here(future) => {
                drop(state);
                drop_contained(future);
                Stopped::Done(error)
            }
            BodyState::Polled => {
                *state = BodyState::Stopping(error);
                Stopped::UnderWay
            }
            BodyState::Stopping(first) => {
                *state = BodyState::Stopping(first);
                Stopped::Late
            }
            BodyState::Gone => Stopped::Done(error),
        }
    }
}
