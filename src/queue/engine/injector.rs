//! The injector: what was put and not taken out yet, by priority; and which barriers wait for what.
//!
//! One lock guards all of it. Under that lock a put counts itself, or is refused because the queue is closed, and a worker
//! that parks looks once more; so neither needs an atomic or a fence of its own. While callbacks are quick a worker takes all
//! that there is, so that producers and workers seldom meet. The table in `engine.rs` compares it with `crossbeam_deque`.
//!
//! # Marks
//!
//! Items are not numbered. Each carries the *generation* that it was put in, and a barrier begins the next one. Workers
//! count what has ended by generation, each for itself. A mark has passed when of every generation before it as many items
//! have ended as were put. Generations share [`GENERATIONS`] counters, so one can begin only when the one whose counter it
//! takes is complete; until then a barrier waits for what is put meanwhile as well. Barriers between which nothing is put
//! share a generation.

use crate::async_result::CallbackFlags;
use crate::observe::PutSpan;
use crate::queue::engine::lane::Lane;
use crate::queue::priority::Priority;
use crate::queue::queued::Queued;
use crate::queue::work::{Slot, Work};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{LockExt, MODELLED, Mutex};

/// What was put, on a line of memory apart from others.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Injector {
    lanes: Mutex<Lanes>,
    /// Whether the lanes hold anything, for a glance.
    waiting: [AtomicBool; 3],
}

#[derive(Default)]
struct Lanes {
    /// By priority.
    items: [Lane; 3],
    phase: EnginePhase,
    put: u64,
    generation: u64,
    /// How many items were put before this generation, and in the former ones by counter.
    put_before: u64,
    closed: [u64; GENERATIONS],
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum EnginePhase {
    #[default]
    Open,
    /// Puts are refused, except of turns, and workers end when nothing is left.
    Closing,
    /// What was queued is dropped, and workers end.
    Aborted,
}

impl Injector {
    /// Pushes what the slot holds, unless it is refused; then calls `look`, before any other thread can look here.
    #[inline(always)]
    pub(super) fn push<T>(
        &self,
        slot: &mut Slot,
        flags: CallbackFlags,
        measures: impl FnOnce(u64) -> bool,
        look: impl FnOnce() -> T,
    ) -> Option<T> {
        let (span, lane) =
            (PutSpan::current(), slot.as_ref().map_or(Priority::Normal, Work::priority) as usize);
        let mut lanes = self.lanes.locked();
        let lanes = &mut *lanes;
        let is_turn = matches!(slot, Some(Work::Turn(..)));
        if lanes.phase != EnginePhase::Open && (lanes.phase == EnginePhase::Aborted || !is_turn) {
            // A serial queue above still runs what it had when this one was closed.
            return None;
        }
        let back = lanes.items[lane].back();
        back.push_back(Queued::take(slot, span));
        if let Some(item) = back.back_mut() {
            item.flags = flags;
            if !is_turn {
                item.generation = counter_of(lanes.generation);
                if measures(lanes.put) {
                    item.measure();
                }
                lanes.put += 1;
            }
        }
        // ORDERING: Release, see `waits`.
        self.waiting[lane].store(true, Ordering::Release);
        Some(look())
    }

    /// Takes the oldest item of a priority.
    #[inline]
    pub(super) fn take(&self, priority: Priority) -> Option<Queued> {
        let lane = priority as usize;
        if !self.waits(lane) {
            return None;
        }
        let mut lanes = self.lanes.locked();
        let item = lanes.items[lane].pop();
        self.show(&lanes, lane);
        item
    }

    /// Takes the item that comes at this place of the queue's order.
    #[cfg(feature = "test-util")]
    pub(crate) fn take_at(&self, mut index: usize) -> Option<Queued> {
        let mut lanes = self.lanes.locked();
        let lane = (0..3).rev().find(|&lane| {
            let found = index < lanes.items[lane].len();
            index -= if found { 0 } else { lanes.items[lane].len() };
            found
        })?;
        let mut items: Vec<_> = std::mem::take(&mut lanes.items[lane]).into_items().collect();
        let item = items.remove(index);
        items.into_iter().for_each(|item| lanes.items[lane].back().push_back(item));
        self.show(&lanes, lane);
        Some(item)
    }

    /// How many items wait.
    #[cfg(feature = "test-util")]
    pub(crate) fn len(&self) -> usize {
        self.lanes.locked().items.iter().map(Lane::len).sum()
    }

    /// Moves all items of normal priority to a local queue, which is empty, and says so to `shown` before they
    /// are no longer seen here. The two change places.
    #[inline]
    pub(super) fn take_all(&self, local: &mut Lane, shown: impl FnOnce(bool)) {
        let lane = Priority::Normal as usize;
        let mut lanes = self.lanes.locked();
        std::mem::swap(&mut lanes.items[lane], local);
        shown(!local.is_empty());
        self.show(&lanes, lane);
    }

    /// Takes back the blocks that a local queue has emptied.
    #[cold]
    pub(super) fn take_spare(&self, local: &mut Lane) {
        local.give_spare(&mut self.lanes.locked().items[Priority::Normal as usize]);
    }

    /// Whether an item of a priority waits, read without the lock.
    #[inline]
    pub(super) fn waits(&self, lane: usize) -> bool {
        // ORDERING: Acquire pairs with the Release in `show`: where items are no longer seen here, they are seen in the local
        // queue that they went to. Otherwise a hint; what must be sure looks under the lock.
        self.waiting[lane].load(Ordering::Acquire)
    }

    /// Whether anything waits, read without the lock.
    #[inline]
    pub(super) fn waits_any(&self) -> bool {
        (0..3).any(|lane| self.waits(lane))
    }

    /// Whether nothing waits. A put that comes later sees what was done before this.
    pub(super) fn is_empty(&self) -> bool {
        let _lanes = self.lanes.locked();
        !self.waits_any()
    }

    /// Enters a later phase. Returns what was queued if that is dropped.
    pub(super) fn enter(&self, phase: EnginePhase) -> impl Iterator<Item = Queued> + use<> {
        let mut lanes = self.lanes.locked();
        let mut items = <[Lane; 3]>::default();
        if lanes.phase != EnginePhase::Aborted {
            lanes.phase = phase;
        }
        if phase == EnginePhase::Aborted {
            std::mem::swap(&mut items, &mut lanes.items);
        }
        (0..3).for_each(|lane| self.show(&lanes, lane));
        drop(lanes);
        items.into_iter().rev().flat_map(Lane::into_items)
    }

    pub(super) fn phase(&self) -> EnginePhase {
        self.lanes.locked().phase
    }

    /// How many items were put so far.
    pub(super) fn put(&self) -> u64 {
        self.lanes.locked().put
    }

    /// The current generation's counter.
    pub(super) fn generation(&self) -> u32 {
        counter_of(self.lanes.locked().generation)
    }

    /// A mark: [`passed`](Injector::passed) says whether what was put before it has ended.
    pub(super) fn mark(&self, ended: impl Fn(usize) -> u64) -> u64 {
        let mut lanes = self.lanes.locked();
        let marked = lanes.put == lanes.put_before || lanes.begin_generation(ended);
        lanes.generation + u64::from(!marked)
    }

    /// Whether every item that was put before `mark` has ended. `ended` sums up what has, by counter.
    pub(super) fn passed(&self, mark: u64, ended: impl Fn(usize) -> u64) -> bool {
        let mut lanes = self.lanes.locked();
        if lanes.generation < mark && !lanes.begin_generation(&ended) {
            return false;
        }
        // Older ones are complete: their counters were taken by younger ones.
        let oldest = (lanes.generation + 1).saturating_sub(GENERATIONS as u64);
        (oldest..mark)
            .map(|generation| counter_of(generation) as usize)
            .all(|at| ended(at) == lanes.closed[at])
    }

    #[inline(always)]
    fn show(&self, lanes: &Lanes, lane: usize) {
        // ORDERING: Release, see `waits`.
        self.waiting[lane].store(!lanes.items[lane].is_empty(), Ordering::Release);
    }
}

impl Lanes {
    /// Begins the next generation, if its counter is free.
    fn begin_generation(&mut self, ended: impl Fn(usize) -> u64) -> bool {
        let next = counter_of(self.generation + 1) as usize;
        let is_free = ended(next) == self.closed[next];
        if is_free {
            self.closed[counter_of(self.generation) as usize] += self.put - self.put_before;
            self.put_before = self.put;
            self.generation += 1;
        }
        is_free
    }
}

#[inline]
fn counter_of(generation: u64) -> u32 {
    (generation % GENERATIONS as u64) as u32
}

/// So many barriers, with puts between them, can be outstanding before one waits for more than it must.
pub(super) const GENERATIONS: usize = if MODELLED { 2 } else { 8 };
