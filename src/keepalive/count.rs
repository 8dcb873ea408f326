//! A count of what is out, kept by several threads at a time without one line of memory going back and forth.
//!
//! Every thread counts at a place of its own what it lends and what it gives back, whoever lent it; nothing
//! is ever counted down. What is out is the sum of all that was lent less the sum of all that came back, and
//! it is only added up when somebody wants to know.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sync::MODELLED;

#[cfg(all(test, mf_async_loom))]
mod loom;

/// How many are out. Exact once nothing is lent any more; at any time it is zero only if all are back.
#[derive(Default)]
pub(crate) struct Count<N = AtomicUsize> {
    places: [Place<N>; PLACES],
}

/// Where a few of the threads count, on lines of memory of its own.
#[derive(Default)]
#[repr(align(128))]
struct Place<N> {
    lent: N,
    back: N,
}

/// A number that only grows: the standard library's, or the model checker's in its own tests.
pub(crate) trait Number {
    fn increment(&self);
    fn read(&self) -> usize;
}

impl<N: Number> Count<N> {
    /// One more is out.
    #[inline]
    pub(crate) fn lend(&self) {
        self.here().lent.increment();
    }

    /// One is back, wherever it was lent.
    #[inline]
    pub(crate) fn give_back(&self) {
        self.here().back.increment();
    }

    /// How many are out.
    ///
    /// What is seen to be back was lent before that, and whoever cloned it did so before that, too. So with
    /// the backs read first none of them lacks its lending, and if the sums are equal nothing is out of all
    /// that descends from what was lent before this call.
    pub(crate) fn out(&self) -> usize {
        let sum = |number: fn(&Place<N>) -> &N| {
            self.places.iter().fold(0, |sum: usize, place| sum.wrapping_add(number(place).read()))
        };
        let back = sum(|place| &place.back);
        let lent = sum(|place| &place.lent);
        lent.wrapping_sub(back)
    }

    #[inline]
    fn here(&self) -> &Place<N> {
        &self.places[here()]
    }
}

/// The place of this thread.
#[inline]
pub(super) fn here() -> usize {
    HERE.with(Cell::get) % PLACES
}

impl Number for AtomicUsize {
    #[inline]
    fn increment(&self) {
        // ORDERING: SeqCst. Whoever sees the count of what came back must see what was counted before it; and
        // the user of this count pairs it with a flag, in the order of one total.
        self.fetch_add(1, Ordering::SeqCst);
    }

    fn read(&self) -> usize {
        // ORDERING: SeqCst, see `increment`.
        self.load(Ordering::SeqCst)
    }
}

thread_local! {
    /// Which place this thread counts at: threads take turns.
    static HERE: Cell<usize> = Cell::new(next_thread());
}

fn next_thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    // ORDERING: Relaxed; which number a thread gets is all the same.
    THREADS.fetch_add(1, Ordering::Relaxed)
}

/// More threads than this share places, which costs time and nothing else.
pub(super) const PLACES: usize = if MODELLED { 2 } else { 8 };
