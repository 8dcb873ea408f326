//! `TimerTable`: a slab of entries by key, and a heap of deadlines.
//!
//! A cancelled entry leaves its heap entry behind. When three quarters of the heap are stale, it is rebuilt.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};

use slab::Slab;

use crate::async_result::{AsyncCallback, AsyncResult, QueueId};
use crate::cancel::WorkItemKey;
use crate::error::Result;
use crate::queue::Job;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::timer::PERIOD;
use crate::timer::event::AwaitedEvent;
use crate::tracker::{Begun, closed};

/// What waits, and the order in which it is due.
#[derive(Default)]
pub(super) struct TimerTable {
    pub(super) entries: Slab<TimerEntry>,
    /// The number of each entry, `None` where there is no entry. Kept apart from the entries because lookups follow the
    /// order of the heap: 4 bytes an entry stay in the cache.
    pub(super) counts: Vec<Option<NonZeroU32>>,
    pub(super) due: BinaryHeap<Reverse<HeapEntry>>,
    /// Number of heap entries whose item was cancelled.
    pub(super) stale: usize,
    /// The number of the last item inserted: the upper half of its key. No two platforms of the process share one.
    pub(super) count: u32,
    /// Whether the driver task was started.
    pub(super) driven: bool,
    pub(super) closed: bool,
}

pub(super) struct TimerEntry {
    /// The source line that scheduled it, for reports.
    pub(super) begun: Begun,
    pub(super) waits: Waits,
}

pub(super) enum Waits {
    /// An item scheduled without a result gets one only when it runs, so a cancelled item costs none.
    Scheduled(Job, QueueId),
    /// The callback is here for its name only; the wait owns it.
    ForEvent(Arc<AwaitedEvent>, QueueId, Option<Weak<dyn AsyncCallback>>),
    Periodic {
        number: u32,
        result: AsyncResult,
        busy: Arc<AtomicBool>,
    },
}

/// An entry of the heap. Of two with the same deadline the older is first, because the upper half of its key is
/// smaller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HeapEntry {
    pub(super) at: u64,
    pub(super) key: WorkItemKey,
}

impl TimerTable {
    pub(super) fn open(&self, doing: &'static str) -> Result<()> {
        if self.closed { Err(closed(doing)) } else { Ok(()) }
    }

    /// Returns the new item's key, and whether it is due before all others.
    pub(super) fn insert(&mut self, at: Option<u64>, begun: Begun, waits: Waits) -> (WorkItemKey, bool) {
        self.count = next_count(self.count);
        let index = self.entries.insert(TimerEntry { begun, waits });
        self.counts.resize(self.counts.len().max(index + 1), None);
        self.counts[index] = NonZeroU32::new(self.count);
        // More than 2^32 items at a time do not fit into any memory.
        let key = WorkItemKey(u64::from(self.count) << 32 | index as u64);
        let Some(at) = at else { return (key, false) };
        let earliest = self.due.peek().is_none_or(|Reverse(first)| at < first.at);
        self.due.push(Reverse(HeapEntry { at, key }));
        (key, earliest)
    }

    /// The key of an entry.
    pub(super) fn key(&self, index: usize) -> Option<WorkItemKey> {
        Some(WorkItemKey(u64::from((*self.counts.get(index)?)?.get()) << 32 | index as u64))
    }

    #[inline]
    pub(super) fn find(&self, key: WorkItemKey) -> Option<usize> {
        let index = (key.0 & u64::from(u32::MAX)) as usize;
        let count = NonZeroU32::new((key.0 >> 32) as u32)?;
        (self.counts.get(index) == Some(&Some(count))).then_some(index)
    }

    #[inline]
    pub(super) fn take(&mut self, index: usize) -> TimerEntry {
        self.counts[index] = None;
        self.entries.remove(index)
    }

    /// Removes an item that is not due yet. Its heap entry becomes stale.
    #[inline]
    pub(super) fn remove(&mut self, index: usize) -> TimerEntry {
        let entry = self.take(index);
        // What waits for an event has no place in the heap.
        if !matches!(entry.waits, Waits::ForEvent(..)) {
            self.stale += 1;
            if self.stale > REBUILD.max(self.due.len() / 4 * 3) {
                self.rebuild();
            }
        }
        entry
    }

    #[cold]
    pub(super) fn rebuild(&mut self) {
        let mut due = std::mem::take(&mut self.due).into_vec();
        due.retain(|Reverse(due)| self.find(due.key).is_some());
        self.due = BinaryHeap::from(due);
        self.stale = 0;
    }

    /// Takes an item whose heap entry was just popped. A periodic callback gets its next heap entry.
    pub(super) fn take_one(&mut self, index: usize, popped: HeapEntry, now: u64, due: &mut Vec<Job>) {
        if let Waits::Periodic { result, busy, .. } = &self.entries[index].waits {
            // ORDERING: AcqRel pairs with the Release in `Tick`: each tick sees what the one before it did.
            if !busy.swap(true, Ordering::AcqRel) {
                due.push(Job::Ready(result.clone()));
            }
            // Missed ticks are skipped.
            let period = PERIOD.as_nanos() as u64;
            let missed = (now - popped.at) / period;
            let at = popped.at.saturating_add((missed + 1).saturating_mul(period));
            self.due.push(Reverse(HeapEntry { at, ..popped }));
            return;
        }
        if let Waits::Scheduled(scheduled, _) = self.take(index).waits {
            due.push(scheduled);
        }
    }
}

/// The number after `count`, which is in a block that no other table has taken. 0 is the first of a block, and no number.
fn next_count(count: u32) -> u32 {
    static BLOCKS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    if count != 0 && count % BLOCK != BLOCK - 1 {
        return count + 1;
    }
    // ORDERING: Relaxed, because only the numbers' uniqueness matters.
    BLOCKS.fetch_add(1, Ordering::Relaxed).wrapping_mul(BLOCK) + 1
}

/// So many numbers a table takes at a time.
const BLOCK: u32 = 1 << 10;

/// Smallest number of stale heap entries that a rebuild is worth.
const REBUILD: usize = 1024;

#[cfg(test)]
#[cfg(not(any(mf_async_loom, mf_async_shuttle)))]
mod tests {
    use std::collections::HashSet;
    use std::panic::Location;

    use super::*;
    use crate::async_result::Parts;

    fn insert(table: &mut TimerTable, at: u64) -> WorkItemKey {
        let job = Job::Ready(AsyncResult::new(Parts::default(), None));
        table.insert(Some(at), Location::caller(), Waits::Scheduled(job, QueueId::STANDARD)).0
    }

    #[test]
    fn what_was_cancelled_leaves_the_heap() {
        let mut table = TimerTable::default();
        let stays = insert(&mut table, 5);
        for at in 0..10 * REBUILD as u64 {
            let key = insert(&mut table, at);
            let index = table.find(key).unwrap();
            table.remove(index);
        }
        assert!(table.due.len() <= REBUILD + 2, "{}", table.due.len());
        assert!(table.due.iter().any(|Reverse(due)| due.key == stays));
    }

    #[test]
    fn no_two_tables_share_a_key() {
        let (mut one, mut other, mut seen) = (TimerTable::default(), TimerTable::default(), HashSet::new());
        for _ in 0..3 * BLOCK {
            for table in [&mut one, &mut other] {
                let key = insert(table, 0);
                assert!(seen.insert(key.0 >> 32), "{key:?}");
                let index = table.find(key).unwrap();
                assert_eq!(table.key(index), Some(key));
                table.take(index);
            }
        }
    }
}
