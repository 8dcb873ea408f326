//! `QueueStats`: the counters of a queue, what a run adds to them, and what runs now.

use std::time::{Duration, Instant};

/// The counters of one work queue, as [`WorkQueue::stats`](crate::WorkQueue::stats) reads them.
///
/// At any time, `put` is the sum of `run`, `abandoned`, `depth` and `running`. The turns of a serial queue are not
/// counted on the queue below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Items that wait.
    pub depth: usize,
    /// Callbacks that run now.
    pub running: usize,
    /// Items put since the queue was allocated.
    pub put: u64,
    /// Items whose callback was called and has returned or panicked.
    pub run: u64,
    /// Scheduled and waiting items for this queue that were cancelled by their key.
    pub cancelled: u64,
    /// Items dropped without a call, because the runtime or the platform ended.
    pub abandoned: u64,
    /// Callbacks that panicked.
    pub panicked: u64,
    /// Callbacks that took longer than their flags promise: 30 ms without flags, 1 ms with
    /// `FAST_IO_PROCESSING`, 50 µs with `SIGNAL`.
    pub overrun: u64,
    /// Deadlines that were missed.
    pub missed_deadlines: u64,
    /// The longest time from a put to its callback, in real time even if tokio's clock is paused. Measured for puts
    /// that find the queue empty and for every 16th of the others, accurate to the time of one group (see
    /// `longest_run`).
    pub longest_wait: Duration,
    /// The longest time that a callback ran, in real time. Callbacks that take less than 2 µs are timed in
    /// groups of up to 32, and counted with their average; a group with a slow one among them counts as
    /// one callback.
    pub longest_run: Duration,
}

impl QueueStats {
    #[inline]
    pub(crate) fn add(&mut self, run: Run) {
        self.run += 1;
        self.panicked += u64::from(run.panicked);
        if let Some(time) = run.time {
            self.timed(time);
        }
    }

    #[inline]
    pub(crate) fn timed(&mut self, time: Time) {
        self.overrun += u64::from(time.overrun);
        self.longest_run = self.longest_run.max(time.took);
    }

    #[inline]
    pub(crate) fn waited(&mut self, wait: Duration) {
        self.longest_wait = self.longest_wait.max(wait);
    }
}

/// What one run of an item adds to the counters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) panicked: bool,
    /// The time of the group that this run closed; `None` if it closed none.
    pub(crate) time: Option<Time>,
}

/// How long a callback took, or the average one of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    pub(crate) took: Duration,
    pub(crate) overrun: bool,
}

/// A callback that runs now, for reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    /// The callback's name.
    pub(crate) name: &'static str,
    pub(crate) since: Instant,
    /// The callback has returned; a serial queue waits for the reply.
    pub(crate) awaits_reply: bool,
}
