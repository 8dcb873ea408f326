//! What waits for a time or an event, and what is due when: a slab of entries and a heap of places.
//!
//! A cancelled entry leaves its place in the heap behind; when three quarters of the heap are such places it is rebuilt.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::sync::Arc;

use slab::Slab;
use tokio::sync::oneshot;

use crate::async_result::{AsyncResult, QueueId};
use crate::cancel::WorkItemKey;
use crate::error::Result;
use crate::queue::Job;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::timer::PERIOD;
use crate::tracker::closed;

/// What waits, and what is due when.
#[derive(Default)]
pub(super) struct Table {
    pub(super) entries: Slab<Entry>,
    /// The number of each entry, or none where there is no entry. Apart from the entries, because the heap is
    /// looked through in an order of its own: so little memory stays near.
    pub(super) counts: Vec<Option<NonZeroU32>>,
    pub(super) due: BinaryHeap<Reverse<Place>>,
    /// Places in the heap whose item was cancelled.
    pub(super) left_behind: usize,
    /// How many items there ever were: the upper half of the next key.
    pub(super) count: u32,
    pub(super) periodic: u32,
    /// Whether the driver was started.
    pub(super) driven: bool,
    pub(super) closed: bool,
}

pub(super) struct Entry {
    pub(super) timed: bool,
    pub(super) waits: Waits,
}

pub(super) enum Waits {
    /// Without a result as yet, if it was scheduled without one: a million that may be cancelled need none.
    Scheduled(Job, QueueId),
    ForEvent(oneshot::Sender<()>, QueueId),
    Periodic {
        number: u32,
        result: AsyncResult,
        busy: Arc<AtomicBool>,
    },
}

/// A place in the heap. Of two with the same deadline the one made first is due first, since the upper
/// half of its key is smaller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) key: WorkItemKey,
}

impl Table {
    pub(super) fn open(&self, doing: &'static str) -> Result<()> {
        if self.closed { Err(closed(doing)) } else { Ok(()) }
    }

    /// The new item's key, and whether it is due before all others.
    pub(super) fn insert(&mut self, at: Option<u64>, waits: Waits) -> (WorkItemKey, bool) {
        self.count = self.count.wrapping_add(1).max(1);
        let index = self.entries.insert(Entry { timed: at.is_some(), waits });
        self.counts.resize(self.counts.len().max(index + 1), None);
        self.counts[index] = NonZeroU32::new(self.count);
        // More than 2^32 items at a time do not fit into any memory.
        let key = WorkItemKey(u64::from(self.count) << 32 | index as u64);
        let Some(at) = at else { return (key, false) };
        let earliest = self.due.peek().is_none_or(|Reverse(first)| at < first.at);
        self.due.push(Reverse(Place { at, key }));
        (key, earliest)
    }

    #[inline]
    pub(super) fn find(&self, key: WorkItemKey) -> Option<usize> {
        let index = (key.0 & u64::from(u32::MAX)) as usize;
        let count = NonZeroU32::new((key.0 >> 32) as u32)?;
        (self.counts.get(index) == Some(&Some(count))).then_some(index)
    }

    #[inline]
    pub(super) fn take(&mut self, index: usize) -> Entry {
        self.counts[index] = None;
        self.entries.remove(index)
    }

    /// Removes an item that is not due yet; its place in the heap is left behind.
    #[inline]
    pub(super) fn remove(&mut self, index: usize) -> Entry {
        let entry = self.take(index);
        if entry.timed {
            self.left_behind += 1;
            if self.left_behind > REBUILD.max(self.due.len() / 4 * 3) {
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
        self.left_behind = 0;
    }

    /// Takes an item whose place in the heap was just popped; a periodic one gets its next.
    pub(super) fn take_one(&mut self, index: usize, place: Place, now: u64, due: &mut Vec<Job>) {
        if let Waits::Periodic { result, busy, .. } = &self.entries[index].waits {
            // ORDERING: AcqRel with the Release in `Tick`: a tick comes after the one before it.
            if !busy.swap(true, Ordering::AcqRel) {
                due.push(Job::Ready(result.clone()));
            }
            // Ticks that were missed are not made up for.
            let period = PERIOD.as_nanos() as u64;
            let missed = (now - place.at) / period;
            let at = place.at.saturating_add((missed + 1).saturating_mul(period));
            self.due.push(Reverse(Place { at, ..place }));
            return;
        }
        if let Waits::Scheduled(scheduled, _) = self.take(index).waits {
            due.push(scheduled);
        }
    }
}

/// A heap is not rebuilt for fewer places left behind than this.
const REBUILD: usize = 1024;
