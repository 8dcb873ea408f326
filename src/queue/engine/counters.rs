//! `Counters`: what a worker counts of the items that it has run.

use std::sync::atomic::AtomicU64 as Rare;
use std::time::Duration;

use crate::observe::{QueueStats, Run, Time};
use crate::queue::engine::injector::GENERATIONS;
use crate::sync::atomic::{AtomicU64, Ordering};

/// Counters of one worker, which alone changes them; or of the blocking pool's threads, which share them.
#[derive(Default)]
pub(super) struct Counters {
    /// Items that have run, by generation.
    run: [AtomicU64; GENERATIONS],
    /// Turns of serial queues that have run.
    turns: Rare,
    /// No model's own: whether these change depends on the clock.
    panicked: Rare,
    overrun: Rare,
    longest_run: Rare,
    longest_wait: Rare,
}

impl Counters {
    /// An item has run, on the worker that alone counts here.
    #[inline]
    pub(super) fn add(&self, generation: u32, run: Run) {
        let count = &self.run[generation as usize];
        self.add_rare(run);
        // ORDERING: Release pairs with the Acquire in `run`: what sees the item ended sees all that it did. A load and a
        // store, because no other thread counts here.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// The same on a thread that shares the counters.
    pub(super) fn add_shared(&self, generation: u32, run: Run) {
        self.add_rare(run);
        // ORDERING: Release, see `add`.
        self.run[generation as usize].fetch_add(1, Ordering::Release);
    }

    #[inline]
    fn add_rare(&self, run: Run) {
        // ORDERING: Relaxed throughout: counters that order nothing.
        if run.panicked {
            self.panicked.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(time) = run.time {
            self.add_time(time);
        }
    }

    /// The time of callbacks that were counted already.
    #[inline]
    pub(super) fn add_time(&self, time: Time) {
        if time.overrun {
            // ORDERING: Relaxed, a counter that orders nothing.
            self.overrun.fetch_add(1, Ordering::Relaxed);
        }
        raise(&self.longest_run, time.took);
    }

    #[inline]
    pub(super) fn add_turn(&self) {
        // ORDERING: Relaxed, a counter that orders nothing.
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn add_wait(&self, wait: Duration) {
        raise(&self.longest_wait, wait);
    }

    /// How many items of a generation have run.
    pub(super) fn run(&self, generation: usize) -> u64 {
        // ORDERING: Acquire, see `add`.
        self.run[generation].load(Ordering::Acquire)
    }

    /// A number that grows with each run.
    pub(super) fn progress(&self) -> u64 {
        // ORDERING: Relaxed, a hint.
        let run: u64 = self.run.iter().map(|run| run.load(Ordering::Relaxed)).sum();
        run + self.turns.load(Ordering::Relaxed)
    }

    /// Adds everything but the runs.
    pub(super) fn add_to(&self, stats: &mut QueueStats) {
        // ORDERING: Relaxed throughout, as in `add_rare`.
        let nanos = |of: &Rare| Duration::from_nanos(of.load(Ordering::Relaxed));
        stats.panicked += self.panicked.load(Ordering::Relaxed);
        stats.overrun += self.overrun.load(Ordering::Relaxed);
        stats.longest_run = stats.longest_run.max(nanos(&self.longest_run));
        stats.longest_wait = stats.longest_wait.max(nanos(&self.longest_wait));
    }
}

/// Raises a maximum, which seldom changes.
#[inline]
fn raise(longest: &Rare, time: Duration) {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    // ORDERING: Relaxed, twice: a maximum that orders nothing.
    if nanos > longest.load(Ordering::Relaxed) {
        longest.fetch_max(nanos, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[cfg(not(any(mf_async_loom, mf_async_shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn each_run_and_each_turn_is_progress() {
        let counters = Counters::default();
        let run = || Run { panicked: false, time: None };
        for before in (0..9).step_by(3) {
            assert_eq!(counters.progress(), before);
            counters.add((before % 2) as u32, run());
            counters.add_shared(1, run());
            counters.add_turn();
        }
        assert_eq!((counters.run(0), counters.run(1)), (2, 4));
    }
}
