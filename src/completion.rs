//! The completion cell: a slot where the outcome of something asynchronous meets the task that waits for it.
//!
//! | state | what it means | next |
//! |---|---|---|
//! | `Pending` | not ended; perhaps a waker waits | `InHand`, `Ended`, `Detached` |
//! | `InHand` | the result is here, and End runs in the next poll | `Taken` (polled), `Pending` (released to a queue), `Ended` |
//! | `Ended` | the value is here | `Taken` |
//! | `Taken` | the value was taken; a further end comes too late | |
//! | `Detached` | not awaited any more; the value of an end is dropped | |
//!
//! A [`Cell`] is plain data: its methods return what the caller must do after it has unlocked. An operation's cell is
//! in `operation/cell.rs`; the cell of a Begin/End pair that this crate serves is in a [`Call`].

mod call;

use std::task::{Context, Waker};

pub(crate) use self::call::{Call, Completer, Identity};
use crate::async_result::AsyncResult;
use crate::error::{Error, Hresult, Result};

/// One completion: its state, and the waker of the task that awaits it.
pub(crate) struct Cell<V> {
    state: State<V>,
    waker: Option<Waker>,
}

enum State<V> {
    Pending,
    InHand(AsyncResult),
    Ended(V),
    Taken,
    Detached,
}

/// What a poll found.
pub(crate) enum Found<V> {
    Value(V),
    /// End is to run with this result.
    Result(AsyncResult),
    /// Nothing yet. The caller drops the former waker after it has unlocked the cell.
    Nothing(Option<Waker>),
}

impl<V> Default for Cell<V> {
    fn default() -> Cell<V> {
        Cell { state: State::Pending, waker: None }
    }
}

impl<V> Cell<V> {
    /// Takes the result in hand; `None` if the cell is not pending. The caller wakes the waker.
    #[inline]
    pub(crate) fn hand_over(&mut self, result: &AsyncResult) -> Option<Option<Waker>> {
        if !matches!(self.state, State::Pending) {
            return None;
        }
        self.state = State::InHand(result.clone());
        Some(self.waker.take())
    }

    /// Returns the result in hand, which a queue then ends.
    pub(crate) fn release(&mut self) -> Option<AsyncResult> {
        match std::mem::replace(&mut self.state, State::Pending) {
            State::InHand(result) => Some(result),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Ends the cell with `value`. The caller wakes the waker. Returns the value if the cell is not pending.
    pub(crate) fn end(&mut self, value: V) -> std::result::Result<Option<Waker>, V> {
        if !matches!(self.state, State::Pending) {
            return Err(value);
        }
        self.state = State::Ended(value);
        Ok(self.waker.take())
    }

    /// Takes the value or the result in hand, or leaves the waker if there is none yet.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Found<V> {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Ended(value) => Found::Value(value),
            State::InHand(result) => Found::Result(result),
            other => {
                self.state = other;
                // The waker is stored under the lock that the end is set under, so no wake is missed.
                Found::Nothing(match &self.waker {
                    Some(waker) if waker.will_wake(cx.waker()) => None,
                    _ => self.waker.replace(cx.waker().clone()),
                })
            }
        }
    }

    /// Detaches the cell. Returns whether it was pending, what to drop, and the result in hand.
    pub(crate) fn detach(&mut self) -> (bool, impl Sized + use<V>, Option<AsyncResult>) {
        let waker = self.waker.take();
        match std::mem::replace(&mut self.state, State::Detached) {
            State::Pending => (true, (None, waker), None),
            State::InHand(result) => (false, (None, waker), Some(result)),
            State::Ended(value) => (false, (Some(value), waker), None),
            State::Taken | State::Detached => (false, (None, waker), None),
        }
    }

    /// The value, for the End call that it belongs to.
    ///
    /// # Errors
    /// `E_FAIL` when it was taken before. It has ended: before that there is no result to call End with.
    pub(crate) fn take(&mut self, what: &str) -> Result<V> {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Ended(value) => Ok(value),
            _ => Err(Error::new(
                Hresult::E_FAIL,
                format!("end {what}: it was ended before, and gives its value once"),
            )),
        }
    }

    /// Takes the waker, because the cell is about to be dropped.
    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// The value, if the cell has one.
    pub(crate) fn value(&mut self) -> Option<&mut V> {
        if let State::Ended(value) = &mut self.state { Some(value) } else { None }
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Pending)
    }

    /// The result in hand.
    pub(crate) fn in_hand(&self) -> Option<&AsyncResult> {
        if let State::InHand(result) = &self.state { Some(result) } else { None }
    }

    /// Whether a poll would find a value or a result.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ended(_) | State::InHand(_))
    }

    pub(crate) fn is_detached(&self) -> bool {
        matches!(self.state, State::Detached)
    }
}
