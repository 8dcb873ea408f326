//! A hand: what one drain task has taken out and not run yet, and what it runs just now.
//!
//! Nearly always only its drain task looks into it. While that is held up by a callback, others may take
//! what lies here.

use std::collections::VecDeque;
use std::time::Instant;

use crate::observe::{QueueStats, Run, Running};
use crate::queue::item::Item;

/// What a drain task holds. A line of memory apart from the others', since each has its own thread.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Hand {
    /// In the order in which they were taken out, all of one lane.
    pub(super) items: VecDeque<Item>,
    pub(super) running: Option<Running>,
    /// What this drain task adds to the queue's counters.
    pub(super) stats: QueueStats,
}

impl Hand {
    /// What ran last has ended; `None` if nothing ran, or a turn, whose items are counted elsewhere.
    #[inline]
    pub(super) fn finish(&mut self, run: Option<Run>) {
        self.running = None;
        if let Some(run) = run {
            self.stats.add(run);
        }
    }

    /// An item is about to run.
    #[inline]
    pub(super) fn start(&mut self, item: &Item, now: Instant) {
        self.running = Some(item.running(now));
        if let Some(wait) = item.waited(now) {
            self.stats.waited(wait);
        }
    }

    /// The numbers of what has not ended: of what runs, and the lowest of what lies here.
    pub(super) fn tickets(&self) -> impl Iterator<Item = u64> + use<> {
        let running = self.running.map(|running| running.ticket);
        running.into_iter().chain(self.items.front().map(|item| item.ticket))
    }
}
