//! Parking: which workers are parked, how many search, and which one is unparked next.
//!
//! The protocol is the textbook's. A put pushes its item, then looks at the counts, both under the injector's lock; a worker
//! that parks changes the counts, then takes that lock to look at the queues once more. So one of them sees the other. A
//! worker that was unparked searches until it finds an item, and while one searches no other is unparked; the last
//! searcher that finds an item unparks the next if something remains.

use std::sync::PoisonError;
use std::task::Waker;

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// The workers that are not running.
pub(super) struct Parking {
    /// How many workers search, in the low half, and how many could be unparked, in units of [`AVAILABLE`]. They change
    /// under the lock, except that a searcher that has found an item takes itself off.
    counts: AtomicUsize,
    idle: Mutex<Idle>,
}

struct Idle {
    parked: Vec<(usize, Waker)>,
    /// The numbers of workers that have no task yet, or whose task has ended.
    vacant: Vec<usize>,
    /// The same of additional workers.
    vacant_helpers: Vec<usize>,
}

/// A worker that is to run; to be answered when no lock is held.
pub(super) enum Unparked {
    Wake(Waker),
    Spawn(usize),
}

impl Parking {
    /// None of the workers has a task yet; the numbers of helpers follow theirs.
    pub(super) fn new(workers: usize, helpers: usize) -> Parking {
        let idle = Idle {
            parked: Vec::new(),
            vacant: (0..workers).rev().collect(),
            vacant_helpers: (workers..workers + helpers).rev().collect(),
        };
        Parking { counts: AtomicUsize::new(workers * AVAILABLE), idle: Mutex::new(idle) }
    }

    /// Whether a worker could be unparked, and none searches.
    #[inline]
    pub(super) fn wants_unpark(&self) -> bool {
        // ORDERING: Relaxed, under the injector's lock: see the module.
        let counts = self.counts.load(Ordering::Relaxed);
        counts >= AVAILABLE && counts % AVAILABLE == 0
    }

    /// Takes a worker to unpark, which searches from now on. None while another searches, unless that is `forced`.
    pub(super) fn unpark_one(&self, forced: bool) -> Option<Unparked> {
        let mut idle = self.idle();
        if self.is_searched() && !forced {
            return None;
        }
        let unparked = match idle.parked.pop() {
            Some((_, waker)) => Unparked::Wake(waker),
            None => Unparked::Spawn(idle.vacant.pop()?),
        };
        // ORDERING: SeqCst as everywhere; it is a rare step.
        self.counts.fetch_sub(AVAILABLE - 1, Ordering::SeqCst);
        Some(unparked)
    }

    /// Takes every parked worker.
    pub(super) fn unpark_all(&self) -> Vec<Waker> {
        let mut idle = self.idle();
        let wakers: Vec<_> = idle.parked.drain(..).map(|(_, waker)| waker).collect();
        // ORDERING: SeqCst, see `unpark_one`.
        self.counts.fetch_sub((AVAILABLE - 1) * wakers.len(), Ordering::SeqCst);
        wakers
    }

    /// Parks a worker, unless `is_closed` says under the lock that it shall end instead. True if it is parked.
    pub(super) fn park(
        &self,
        number: usize,
        waker: &Waker,
        searching: bool,
        is_closed: impl FnOnce() -> bool,
    ) -> bool {
        let waker = waker.clone();
        let mut idle = self.idle();
        let parks = !is_closed();
        if parks {
            idle.parked.push((number, waker));
            self.make_available(searching);
        }
        parks
    }

    /// A worker ends. Its number may be spawned again.
    pub(super) fn leave(&self, number: usize, searching: bool) {
        let mut idle = self.idle();
        idle.vacant.push(number);
        self.make_available(searching);
    }

    fn make_available(&self, searching: bool) {
        // ORDERING: SeqCst, see `unpark_one`.
        self.counts.fetch_add(AVAILABLE - usize::from(searching), Ordering::SeqCst);
    }

    /// A parked worker runs again. If it was not unparked by this, it searches as if it had been.
    pub(super) fn arrive(&self, number: usize) {
        let mut idle = self.idle();
        let Some(at) = idle.parked.iter().position(|(parked, _)| *parked == number) else { return };
        let waker = idle.parked.swap_remove(at);
        // ORDERING: SeqCst, see `unpark_one`.
        self.counts.fetch_sub(AVAILABLE - 1, Ordering::SeqCst);
        drop(idle);
        drop(waker);
    }

    /// A searcher has found an item; true if it was the last one.
    pub(super) fn stop_searching(&self) -> bool {
        // ORDERING: SeqCst, see `unpark_one`.
        self.counts.fetch_sub(1, Ordering::SeqCst) % AVAILABLE == 1
    }

    pub(super) fn is_searched(&self) -> bool {
        // ORDERING: SeqCst, see `unpark_one`.
        self.counts.load(Ordering::SeqCst) % AVAILABLE > 0
    }

    /// The number of a further worker, if there may be one, and none that could be unparked instead.
    pub(super) fn take_helper(&self) -> Option<usize> {
        let mut idle = self.idle();
        if idle.parked.is_empty() && idle.vacant.is_empty() { idle.vacant_helpers.pop() } else { None }
    }

    /// A helper has ended.
    pub(super) fn give_back_helper(&self, number: usize) {
        self.idle().vacant_helpers.push(number);
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const AVAILABLE: usize = 1 << 16;

#[cfg(test)]
#[cfg(not(any(mf_async_loom, mf_async_shuttle)))]
mod tests {
    use super::*;

    fn parks(parking: &Parking, number: usize, searching: bool) -> bool {
        parking.park(number, Waker::noop(), searching, || false)
    }

    #[test]
    fn one_is_spawned_at_a_time_until_none_is_left() {
        let parking = Parking::new(2, 0);
        assert!(parking.wants_unpark() && !parking.is_searched());
        assert!(matches!(parking.unpark_one(false), Some(Unparked::Spawn(0))));
        assert!(!parking.wants_unpark() && parking.is_searched());
        assert!(parking.unpark_one(false).is_none(), "one searches");
        assert!(matches!(parking.unpark_one(true), Some(Unparked::Spawn(1))));
        assert!(!parking.stop_searching(), "another still searches");
        assert!(parking.stop_searching() && !parking.is_searched());
        assert!(!parking.wants_unpark() && parking.unpark_one(true).is_none());
    }

    #[test]
    fn what_parks_is_unparked_and_what_ends_is_spawned_again() {
        let parking = Parking::new(2, 0);
        (0..2).for_each(|_| assert!(parking.unpark_one(true).is_some()));
        assert!(parks(&parking, 0, true) && parking.is_searched());
        assert!(!parking.park(1, Waker::noop(), true, || true));
        parking.leave(1, true);
        assert!(parking.wants_unpark() && !parking.is_searched());
        assert!(matches!(parking.unpark_one(false), Some(Unparked::Wake(_))));
        assert!(parking.stop_searching());
        assert!(matches!(parking.unpark_one(false), Some(Unparked::Spawn(1))));
        assert!(parking.stop_searching() && !parking.wants_unpark());
    }

    #[test]
    fn what_runs_without_being_unparked_searches() {
        let parking = Parking::new(1, 0);
        assert!(parking.unpark_one(false).is_some() && parking.stop_searching());
        assert!(parks(&parking, 0, false));
        parking.arrive(0);
        assert!(parking.is_searched() && parking.unpark_one(true).is_none());
        parking.arrive(0);
        assert!(parking.stop_searching() && !parking.wants_unpark());
    }

    #[test]
    fn all_that_are_parked_search_when_they_are_unparked_together() {
        let parking = Parking::new(3, 0);
        (0..2).for_each(|_| assert!(parking.unpark_one(true).is_some()));
        assert!(parks(&parking, 0, true) && parks(&parking, 1, true));
        assert_eq!(parking.unpark_all().len(), 2);
        assert!(!parking.stop_searching() && parking.stop_searching());
        assert!(matches!(parking.unpark_one(false), Some(Unparked::Spawn(2))));
        assert!(parking.stop_searching() && !parking.wants_unpark());
    }

    #[test]
    fn a_helper_comes_when_no_worker_could() {
        let parking = Parking::new(1, 1);
        assert_eq!(parking.take_helper(), None, "a worker can be spawned");
        assert!(parking.unpark_one(false).is_some());
        assert_eq!((parking.take_helper(), parking.take_helper()), (Some(1), None));
        parking.give_back_helper(1);
        assert!(parks(&parking, 0, true));
        assert_eq!(parking.take_helper(), None, "a worker can be unparked");
    }
}
