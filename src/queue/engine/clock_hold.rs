//! `ClockHold`: it keeps tokio's clock, when that is paused, from running ahead of a thread that tokio does not know of.

use std::sync::Mutex;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::sync::LockExt;
use crate::tokio_quirks::is_clock_paused;

/// A paused clock jumps to the next timer when the runtime has nothing to do. A blocking task is something to do, so one
/// waits while the thread works. A clock that is not paused needs none, and the blocking pool keeps its threads for others.
///
/// Every unpark counts: a hold taken for one is not released by a park before it.
#[derive(Default)]
pub(crate) struct ClockHold(Mutex<Holding>);

#[derive(Default)]
struct Holding {
    unparked: u64,
    until: Option<UnboundedSender<()>>,
}

/// A hold that is taken once, and goes with its owner.
pub(crate) struct ClockGuard(#[expect(dead_code, reason = "its drop releases the hold")] UnboundedSender<()>);

impl ClockGuard {
    /// Only the clock of a runtime of one thread can be paused; `None` for any other.
    pub(crate) fn new(runtime: &Handle) -> Option<ClockGuard> {
        (runtime.runtime_flavor() == RuntimeFlavor::CurrentThread).then(|| {
            let (until, mut released) = unbounded_channel();
            drop(runtime.spawn_blocking(move || released.blocking_recv()));
            ClockGuard(until)
        })
    }
}

impl ClockHold {
    /// The thread's worker was unparked.
    pub(super) fn hold(&self, runtime: &Handle) {
        let mut holding = self.0.locked();
        holding.unparked += 1;
        if holding.until.is_none() && is_clock_paused(runtime) {
            let (until, mut released) = unbounded_channel();
            holding.until = Some(until);
            drop(holding);
            drop(runtime.spawn_blocking(move || released.blocking_recv()));
        }
    }

    /// How often it was unparked.
    pub(super) fn unparked(&self) -> u64 {
        self.0.locked().unparked
    }

    /// It has parked, unless it was unparked again since `unparked` was read.
    pub(super) fn release(&self, unparked: u64) {
        let released = {
            let mut holding = self.0.locked();
            if holding.unparked == unparked { holding.until.take() } else { None }
        };
        drop(released);
    }
}
