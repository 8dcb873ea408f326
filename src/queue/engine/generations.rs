//! Generations: which items were put before which barrier, without a number or a lock per item.
//!
//! Puts are counted in one word, together with the current generation. An item carries the generation that it was put
//! in; a barrier begins the next one, in the same word, so it is exact what was put before it. Workers count what has
//! ended by generation, each for itself. A barrier has passed when of every generation before its own as many items have
//! ended as were put.
//!
//! Generations share [`GENERATIONS`] counters, so one can begin only when the one whose counter it takes is complete.
//! Until then the barrier waits for what is put meanwhile as well. Barriers between which nothing is put share one.

use std::sync::PoisonError;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{MODELLED, Mutex, MutexGuard};

/// The counter of puts, and the generations that it is divided into.
#[derive(Default)]
pub(crate) struct Generations {
    /// The low 56 bits count the puts; the high 8 bits are the current generation.
    word: AtomicU64,
    closed: Mutex<Closed>,
}

#[derive(Default)]
struct Closed {
    current: u64,
    /// How many items were put before the current one began.
    put_before: u64,
    /// How many items were put in the former ones, by counter.
    put: [u64; GENERATIONS],
}

impl Generations {
    /// Counts a put. Returns how many there were before, and the generation's counter.
    #[inline]
    pub(super) fn count_put(&self) -> (u64, u8) {
        // ORDERING: Relaxed. The push of the item releases it, and its end does so again: what sees that an item has
        // ended sees that it was put.
        let word = self.word.fetch_add(1, Ordering::Relaxed);
        (word & PUTS, counter_of(word >> PUT_BITS))
    }

    /// How many items were put so far.
    pub(super) fn put(&self) -> u64 {
        // ORDERING: Relaxed, see `count_put`.
        self.word.load(Ordering::Relaxed) & PUTS
    }

    /// A mark: [`passed`](Generations::passed) says whether what was put before it has ended.
    pub(super) fn mark(&self, ended: impl Fn(usize) -> u64) -> u64 {
        let mut closed = self.closed();
        if self.put() == closed.put_before || self.begin_next(&mut closed, ended) {
            return closed.current;
        }
        closed.current + 1
    }

    /// Whether every item that was put before `mark` has ended. `ended` sums up what has, by counter.
    pub(super) fn passed(&self, mark: u64, ended: impl Fn(usize) -> u64) -> bool {
        let mut closed = self.closed();
        if closed.current < mark && !self.begin_next(&mut closed, &ended) {
            return false;
        }
        // Older ones are complete: their counters were taken by younger ones.
        let oldest = (closed.current + 1).saturating_sub(GENERATIONS as u64);
        (oldest..mark).map(|generation| counter_of(generation) as usize).all(|at| ended(at) == closed.put[at])
    }

    /// Begins the next generation, if its counter is free.
    fn begin_next(&self, closed: &mut Closed, ended: impl Fn(usize) -> u64) -> bool {
        let next = counter_of(closed.current + 1) as usize;
        if ended(next) != closed.put[next] {
            return false;
        }
        // ORDERING: Relaxed; a put that its caller has returned from comes before this in the order of this word.
        let put = self.word.fetch_add(1 << PUT_BITS, Ordering::Relaxed) & PUTS;
        closed.put[counter_of(closed.current) as usize] += put - closed.put_before;
        closed.put_before = put;
        closed.current += 1;
        true
    }

    fn closed(&self) -> MutexGuard<'_, Closed> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counter_of(generation: u64) -> u8 {
    (generation % GENERATIONS as u64) as u8
}

/// So many barriers, with puts between them, can be outstanding before one waits for more than it must. A power of two,
/// since the word has room for the generation's last 8 bits only.
pub(crate) const GENERATIONS: usize = if MODELLED { 2 } else { 8 };

const PUT_BITS: u32 = 56;
const PUTS: u64 = (1 << PUT_BITS) - 1;
