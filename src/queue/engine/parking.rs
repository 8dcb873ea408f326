//! Parking: which workers are parked, how many search, and which one is unparked next.
//!
//! The protocol is the textbook's. A put pushes its item, then looks at the counts, both under the injector's lock; a worker
//! that parks changes the counts, then takes that lock to look at the queues once more. So one of them sees the other. A
//! worker counts as a searcher from its unpark until it finds an item or parks. While one searches, puts unpark no other; the
//! last searcher that finds an item unparks the next if something remains.
//!
//! A worker that was unparked, has yielded, or waits no more for an item on the blocking pool is *due* until its task is polled.
//! The thread that would poll it may be held up, for ever if it waits for an item of this very queue. Then a *substitute* is
//! called to the blocking pool, one at a time. When it has a thread, which may take as long, it takes the place of a worker
//! that is still due: the number, the seat and the part in the counts. The number's *term* is then another, by which the
//! former task ends once it is polled. If no worker is due any more, the substitute ends at once. When it has run what there
//! is, or its time is over, it ends and leaves the number vacant.

use std::sync::PoisonError;
use std::task::Waker;

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// The workers that are not running.
pub(super) struct Parking {
    /// How many workers search, in the low half, and how many are parked or vacant, in units of [`AVAILABLE`]. They change
    /// under the lock, except that a searcher that has found an item takes itself off.
    counts: AtomicUsize,
    idle: Mutex<Idle>,
}

struct Idle {
    parked: Vec<(usize, Waker)>,
    due: Vec<Due>,
    /// Whether a substitute was called that has no thread yet.
    substitute_comes: bool,
    /// How often each worker was replaced. Helpers are not.
    terms: Vec<u32>,
    /// The numbers of workers that have no task yet, or whose task has ended.
    vacant: Vec<usize>,
    /// Those of helpers that do not run.
    vacant_helpers: Vec<usize>,
}

/// A worker whose task is to be polled.
struct Due {
    number: usize,
    searching: bool,
}

/// A worker's number and its term: how often the worker of this number was replaced before. A worker of an earlier term ends
/// without touching the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Post {
    pub(super) number: usize,
    term: u32,
}

/// A worker that is to run; to be answered when no lock is held.
pub(super) enum Unparked {
    Wake(Waker),
    Spawn(Post),
}

impl Parking {
    /// None of the workers has a task yet; the numbers of helpers follow theirs.
    pub(super) fn new(workers: usize, helpers: usize) -> Parking {
        let idle = Idle {
            parked: Vec::new(),
            due: Vec::new(),
            substitute_comes: false,
            terms: vec![0; workers],
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
        let (number, waker) = match idle.parked.pop() {
            Some((number, waker)) => (number, Some(waker)),
            None => (idle.vacant.pop()?, None),
        };
        idle.due.push(Due { number, searching: true });
        let unparked = waker.map_or_else(|| Unparked::Spawn(idle.post(number)), Unparked::Wake);
        // ORDERING: SeqCst as everywhere; it is a rare step.
        self.counts.fetch_sub(AVAILABLE - 1, Ordering::SeqCst);
        Some(unparked)
    }

    /// Takes every parked worker.
    pub(super) fn unpark_all(&self) -> Vec<Waker> {
        let mut idle = self.idle();
        let (numbers, wakers): (Vec<_>, Vec<_>) = idle.parked.drain(..).unzip();
        idle.due.extend(numbers.into_iter().map(|number| Due { number, searching: true }));
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

    /// A worker or a helper ends. Its number may be taken again.
    pub(super) fn leave(&self, number: usize, searching: bool) {
        let mut idle = self.idle();
        if number < idle.terms.len() {
            idle.vacant.push(number);
            self.make_available(searching);
        } else {
            idle.vacant_helpers.push(number);
        }
    }

    fn make_available(&self, searching: bool) {
        // ORDERING: SeqCst, see `unpark_one`.
        self.counts.fetch_add(AVAILABLE - usize::from(searching), Ordering::SeqCst);
    }

    /// A worker yields: its task will be polled again. The worker touches nothing of the engine from now on.
    pub(super) fn yields(&self, number: usize) {
        self.idle().due.push(Due { number, searching: false });
    }

    /// A worker is polled. If it was parked, it searches as if it had been unparked. False if it was replaced.
    pub(super) fn arrive(&self, post: Post) -> bool {
        let mut idle = self.idle();
        if idle.post(post.number) != post {
            return false;
        }
        if let Some(at) = idle.due.iter().position(|due| due.number == post.number) {
            idle.due.swap_remove(at);
        } else if let Some(at) = idle.parked.iter().position(|(parked, _)| *parked == post.number) {
            let waker = idle.parked.swap_remove(at);
            // ORDERING: SeqCst, see `unpark_one`.
            self.counts.fetch_sub(AVAILABLE - 1, Ordering::SeqCst);
            drop(idle);
            drop(waker);
        }
        true
    }

    /// Whether a worker is due.
    pub(super) fn is_any_due(&self) -> bool {
        !self.idle().due.is_empty()
    }

    /// Whether a substitute is to be called now. One comes at a time.
    pub(super) fn calls_substitute(&self) -> bool {
        let mut idle = self.idle();
        !idle.due.is_empty() && !std::mem::replace(&mut idle.substitute_comes, true)
    }

    /// A substitute has come: it takes the place of a worker that is due. Its post, and whether it searches; `None` if every
    /// worker was polled meanwhile.
    pub(super) fn replace(&self) -> Option<(Post, bool)> {
        let mut idle = self.idle();
        idle.substitute_comes = false;
        let Due { number, searching } = idle.due.pop()?;
        idle.terms[number] += 1;
        Some((idle.post(number), searching))
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
    pub(super) fn take_helper(&self) -> Option<Post> {
        let mut idle = self.idle();
        if !idle.parked.is_empty() || !idle.vacant.is_empty() {
            return None;
        }
        let number = idle.vacant_helpers.pop()?;
        Some(idle.post(number))
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn post(&self, number: usize) -> Post {
        Post { number, term: self.terms.get(number).copied().unwrap_or_default() }
    }
}

const AVAILABLE: usize = 1 << 16;

#[cfg(test)]
#[cfg(not(any(mf_async_loom, mf_async_shuttle)))]
mod tests {
    use super::*;

    const FIRST: Post = Post { number: 0, term: 0 };

    fn parks(parking: &Parking, number: usize, searching: bool) -> bool {
        parking.park(number, Waker::noop(), searching, || false)
    }

    #[test]
    fn one_is_spawned_at_a_time_until_none_is_left() {
        let parking = Parking::new(2, 0);
        assert!(parking.wants_unpark() && !parking.is_searched());
        assert!(matches!(parking.unpark_one(false), Some(Unparked::Spawn(Post { number: 0, .. }))));
        assert!(!parking.wants_unpark() && parking.is_searched());
        assert!(parking.unpark_one(false).is_none(), "one searches");
        assert!(matches!(parking.unpark_one(true), Some(Unparked::Spawn(Post { number: 1, .. }))));
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
        assert!(matches!(parking.unpark_one(false), Some(Unparked::Spawn(Post { number: 1, .. }))));
        assert!(parking.stop_searching() && !parking.wants_unpark());
    }

    #[test]
    fn what_runs_without_being_unparked_searches() {
        let parking = Parking::new(1, 0);
        assert!(parking.unpark_one(false).is_some() && parking.arrive(FIRST) && parking.stop_searching());
        assert!(parks(&parking, 0, false));
        assert!(parking.arrive(FIRST));
        assert!(parking.is_searched() && parking.unpark_one(true).is_none());
        assert!(parking.arrive(FIRST));
        assert!(parking.stop_searching() && !parking.wants_unpark());
    }

    #[test]
    fn all_that_are_parked_search_when_they_are_unparked_together() {
        let parking = Parking::new(3, 0);
        (0..2).for_each(|_| assert!(parking.unpark_one(true).is_some()));
        assert!(parks(&parking, 0, true) && parks(&parking, 1, true));
        assert_eq!(parking.unpark_all().len(), 2);
        assert!(!parking.stop_searching() && parking.stop_searching());
        assert!(matches!(parking.unpark_one(false), Some(Unparked::Spawn(Post { number: 2, .. }))));
        assert!(parking.stop_searching() && !parking.wants_unpark());
    }

    #[test]
    fn a_helper_comes_when_no_worker_could() {
        let parking = Parking::new(1, 1);
        assert_eq!(parking.take_helper(), None, "a worker can be spawned");
        assert!(parking.unpark_one(false).is_some());
        let helper = Post { number: 1, term: 0 };
        assert_eq!((parking.take_helper(), parking.take_helper()), (Some(helper), None));
        parking.leave(1, false);
        assert!(!parking.wants_unpark(), "a helper is not unparked");
        assert!(parks(&parking, 0, true));
        assert_eq!(parking.take_helper(), None, "a worker can be unparked");
    }

    #[test]
    fn a_worker_is_replaced_while_it_is_due_and_only_then() {
        let parking = Parking::new(1, 0);
        assert!(parking.replace().is_none(), "it has no task yet");
        assert!(parking.unpark_one(false).is_some());
        let (second, searching) = parking.replace().unwrap();
        assert!(searching && second != FIRST && parking.replace().is_none());
        assert!(!parking.arrive(FIRST), "its place is taken");
        assert!(parking.is_searched() && !parking.wants_unpark(), "the substitute searches instead");
        assert!(parking.stop_searching());
        parking.leave(0, false);
        let Some(Unparked::Spawn(next)) = parking.unpark_one(false) else { panic!("it is vacant") };
        assert!(
            parking.arrive(next) && !parking.arrive(FIRST) && parking.replace().is_none(),
            "it is polled"
        );
        assert!(parking.stop_searching());
        parking.yields(0);
        assert!(matches!(parking.replace(), Some((_, false))));
        assert!(!parking.arrive(next));
    }

    #[test]
    fn a_substitute_that_comes_too_late_replaces_none() {
        let parking = Parking::new(1, 0);
        assert!(!parking.calls_substitute() && parking.unpark_one(false).is_some());
        assert!(parking.calls_substitute() && parking.is_any_due());
        assert!(!parking.calls_substitute(), "one comes at a time");
        assert!(parking.arrive(FIRST) && !parking.is_any_due());
        assert!(parking.replace().is_none());
        parking.yields(0);
        assert!(parking.calls_substitute(), "the last one has come");
    }
}
