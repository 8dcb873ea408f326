//! A seat: what others see of a worker. It outlives the worker's task, and the next task of the same number takes it over.

use crate::observe::Running;
use crate::queue::engine::counters::Counters;
use crate::queue::engine::injector::Injector;
use crate::queue::engine::lane::Lane;
use crate::queue::queued::Queued;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{LockExt, Mutex, MutexGuard};

/// The local queue, the counters and the current callback of one worker, on lines of memory apart from the others'.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Seat {
    /// What the worker has taken out and not run yet, the oldest first, all of normal priority.
    local: Mutex<Lane>,
    /// Whether there are any, for a glance.
    waiting: AtomicBool,
    pub(super) counters: Counters,
    running: Mutex<Option<Running>>,
    /// Whether the worker runs: from its first item until it parks or ends.
    pub(super) busy: AtomicBool,
}

impl Seat {
    /// Whether the local queue holds something, read without the lock.
    #[inline]
    pub(super) fn waits(&self) -> bool {
        // ORDERING: Relaxed, a hint.
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes the oldest item. Blocks that were emptied go back to the injector.
    #[inline]
    pub(super) fn pop(&self, injector: &Injector) -> Option<Queued> {
        if !self.waits() {
            return None;
        }
        self.change(|items| {
            if items.has_spare() {
                injector.take_spare(items);
            }
            items.pop()
        })
    }

    /// Fills the local queue, which is empty, with all that the injector has, and takes the oldest item.
    #[inline]
    pub(super) fn take_from(&self, injector: &Injector) -> Option<Queued> {
        self.change(|items| {
            // ORDERING: Relaxed, before the Release in the injector.
            injector.take_all(items, |any| self.waiting.store(any, Ordering::Relaxed));
            items.pop()
        })
    }

    /// Fills the local queue, which is empty, with what was stolen, and takes the oldest item.
    pub(super) fn take_stolen(&self, stolen: Vec<Queued>) -> Option<Queued> {
        self.change(|items| {
            stolen.into_iter().for_each(|item| items.back().push_back(item));
            items.pop()
        })
    }

    /// Takes half of the local queue, but no more than [`STOLEN`], the oldest first.
    pub(super) fn steal(&self) -> Vec<Queued> {
        self.change(|items| {
            let stolen = items.len().div_ceil(2).min(STOLEN);
            (0..stolen).map_while(|_| items.pop()).collect()
        })
    }

    /// Takes all of it.
    pub(super) fn take_all(&self) -> impl Iterator<Item = Queued> + use<> {
        self.change(std::mem::take).into_items()
    }

    #[inline(always)]
    fn change<T>(&self, change: impl FnOnce(&mut Lane) -> T) -> T {
        let mut items = self.local.locked();
        let changed = change(&mut items);
        // ORDERING: Relaxed, see `waits`.
        self.waiting.store(!items.is_empty(), Ordering::Relaxed);
        changed
    }

    /// What the worker runs, for reports and for the count of what runs.
    pub(super) fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.locked()
    }
}

/// At most so many items are stolen at a time: copying them keeps the victim waiting.
const STOLEN: usize = 32;
