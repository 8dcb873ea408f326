//! What the workers of an engine share: the injectors, a seat for each worker, and the counts.

use std::sync::{Arc, OnceLock, PoisonError};

use crossbeam_utils::CachePadded;
use slab::Slab;

use crate::async_result::TokenSource;
use crate::contain::drop_contained;
use crate::observe::{QueueStats, Run, Running};
use crate::queue::current_queue::CurrentQueue;
use crate::queue::deque::{Injector, LocalQueue, Stealer};
use crate::queue::engine::counters::Counters;
use crate::queue::engine::generations::{GENERATIONS, Generations};
use crate::queue::engine::monitor::Monitor;
use crate::queue::engine::parking::Parking;
use crate::queue::engine::spawner::Spawner;
use crate::queue::priority::Priority;
use crate::queue::waiters::Waiters;
use crate::queue::work_item::{Queued, abandon_turns};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};

/// What the workers of an engine share.
pub(super) struct EngineState {
    pub(super) on: CurrentQueue,
    pub(super) tokens: TokenSource,
    pub(super) spawner: Spawner,
    pub(super) monitor: Arc<Monitor>,
    /// Whether an item waits for the end of the one before, wherever that runs.
    pub(super) serial: bool,
    pub(super) long_running: AtomicBool,
    phase: AtomicU8,
    /// Whether callbacks are known to be quick.
    pub(super) quick: AtomicBool,
    /// Whether the monitor watches.
    pub(super) watched: AtomicBool,
    pub(super) puts: CachePadded<Generations>,
    pub(super) parking: CachePadded<Parking>,
    /// By priority.
    pub(super) injectors: [Injector<Queued>; 3],
    /// Turns of serial queues that were put and have not ended.
    pub(super) turns: AtomicUsize,
    seats: Box<[OnceLock<Box<CachePadded<Seat>>>]>,
    /// What runs on the blocking pool, or is stepped by hand.
    pub(super) outside: Mutex<Slab<Running>>,
    pub(super) counted_outside: Counters,
    abandoned: [AtomicU64; GENERATIONS],
    pub(super) waiters: Waiters,
}

/// What others see of a worker. It outlives the worker's task, and the next task of the same number takes it over.
pub(super) struct Seat {
    stealer: Stealer<Queued>,
    /// Here while there is no task.
    pub(super) local: std::sync::Mutex<Option<LocalQueue<Queued>>>,
    pub(super) counters: Counters,
    /// What the worker runs, for reports and for the count of what runs.
    pub(super) running: Mutex<Option<Running>>,
    /// Whether it runs something, a turn or an item.
    pub(super) busy: AtomicBool,
}

impl EngineState {
    pub(super) fn new(
        on: CurrentQueue,
        tokens: TokenSource,
        spawner: Spawner,
        monitor: Arc<Monitor>,
        (workers, helpers): (usize, usize),
        serial: bool,
    ) -> EngineState {
        EngineState {
            on,
            tokens,
            spawner,
            monitor,
            serial,
            long_running: AtomicBool::new(false),
            phase: AtomicU8::new(OPEN),
            quick: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            puts: CachePadded::default(),
            parking: CachePadded::new(Parking::new(workers, helpers)),
            injectors: Default::default(),
            turns: AtomicUsize::new(0),
            seats: (0..workers + helpers).map(|_| OnceLock::new()).collect(),
            outside: Mutex::default(),
            counted_outside: Counters::default(),
            abandoned: Default::default(),
            waiters: Waiters::default(),
        }
    }

    #[inline]
    pub(super) fn injector(&self, priority: Priority) -> &Injector<Queued> {
        &self.injectors[priority as usize]
    }

    /// Whether something waits in an injector, as far as a glance can tell.
    #[inline]
    pub(super) fn has_injected(&self) -> bool {
        self.injectors.iter().any(|injector| !injector.is_empty())
    }

    /// Whether something waits, in an injector or a local queue.
    pub(super) fn has_work(&self) -> bool {
        self.has_injected() || self.seats().any(|seat| !seat.stealer.is_empty())
    }

    /// The seats that were ever taken. They are taken in order.
    pub(super) fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().map_while(OnceLock::get).map(|seat| &***seat)
    }

    pub(super) fn seat(&self, number: usize) -> &Seat {
        self.seats[number].get_or_init(Box::default)
    }

    /// Steals from the other workers' local queues, beginning with the next one.
    pub(super) fn steal(&self, thief: usize, into: &LocalQueue<Queued>) -> Option<Queued> {
        let (before, after) = self.seats.split_at(thief);
        let others = after[1..].iter().map_while(OnceLock::get).chain(before.iter().map_while(OnceLock::get));
        others.filter(|seat| !seat.stealer.is_empty()).find_map(|seat| seat.stealer.steal_half(into))
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        // ORDERING: Relaxed, a hint; a put that comes too late for a close is run even so, and one that comes too late for
        // an abort looks again after its fence.
        self.phase.load(Ordering::Relaxed) == OPEN
    }

    #[inline]
    pub(super) fn is_aborted(&self) -> bool {
        // ORDERING: Relaxed, as in `is_open`.
        self.phase.load(Ordering::Relaxed) == ABORTED
    }

    pub(super) fn begin_close(&self) {
        // ORDERING: SeqCst, a rare step; parking reads it under the lock that unparking all takes next.
        let _ = self.phase.compare_exchange(OPEN, CLOSING, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// No item runs from now on. Drops what is queued.
    pub(super) fn abort(&self) {
        // ORDERING: SeqCst, with the fence: a put that does not see this has pushed its item before the look below.
        self.phase.store(ABORTED, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.drop_queued();
    }

    /// Drops everything queued, un-called.
    #[cold]
    pub(super) fn drop_queued(&self) {
        let injected = || self.injectors.iter().rev().find_map(Injector::take);
        let local = || self.seats().find_map(|seat| seat.stealer.take());
        while let Some(item) = local().or_else(injected) {
            self.abandon(item);
        }
        self.waiters.notify();
    }

    fn abandon(&self, item: Queued) {
        let generation = item.generation;
        match item.into_turn() {
            Ok(turn) => {
                abandon_turns(vec![turn]);
                self.end_turn();
            }
            Err(item) => {
                drop_contained(item);
                self.count_abandoned(generation);
            }
        }
    }

    /// A turn has ended, or will not come.
    pub(super) fn end_turn(&self) {
        // ORDERING: Release pairs with the Acquire in `is_quiet`.
        self.turns.fetch_sub(1, Ordering::Release);
    }

    fn count_abandoned(&self, generation: u8) {
        // ORDERING: SeqCst, for waiters; see `Waiters::any`.
        self.abandoned[generation as usize].fetch_add(1, Ordering::SeqCst);
    }

    /// An item begins that no worker runs. The key is for its end.
    pub(super) fn begin_outside(&self, running: Running) -> usize {
        self.lock_outside().insert(running)
    }

    /// It has ended; no `run` if it never ran.
    pub(super) fn end_outside(&self, key: usize, generation: u8, run: Option<Run>) {
        match run {
            Some(run) => self.counted_outside.add_shared(generation, run),
            None => self.count_abandoned(generation),
        }
        self.lock_outside().remove(key);
        // ORDERING: SeqCst, see `Waiters::any`.
        fence(Ordering::SeqCst);
        self.waiters.notify();
    }

    pub(super) fn lock_outside(&self) -> crate::sync::MutexGuard<'_, Slab<Running>> {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many items of a generation have ended.
    pub(super) fn ended(&self, generation: usize) -> u64 {
        let run: u64 = self.counters().map(|counters| counters.run(generation)).sum();
        // ORDERING: Acquire, as for the runs.
        run + self.abandoned[generation].load(Ordering::Acquire)
    }

    /// Whether nothing is queued and nothing runs.
    pub(super) fn is_quiet(&self) -> bool {
        // What has ended first, then the puts: whatever is seen to have ended is seen to have been put, so they are equal
        // only if nothing was pending in between.
        let ended: u64 = (0..GENERATIONS).map(|generation| self.ended(generation)).sum();
        // ORDERING: Acquire pairs with the Release in `end_turn`.
        self.turns.load(Ordering::Acquire) == 0 && ended == self.puts.put()
    }

    pub(super) fn stats(&self) -> QueueStats {
        // The puts first: of what runs and ends while this is read, none counts as waiting.
        let mut stats = QueueStats { put: self.puts.put(), ..QueueStats::default() };
        for generation in 0..GENERATIONS {
            stats.run += self.counters().map(|counters| counters.run(generation)).sum::<u64>();
            // ORDERING: Acquire, as for the runs.
            stats.abandoned += self.abandoned[generation].load(Ordering::Acquire);
        }
        let running =
            self.seats().filter(|seat| seat.running().is_some()).count() + self.lock_outside().len();
        // What has not ended waits or runs, so that the sum is right at any time.
        let ended = stats.run + stats.abandoned;
        stats.put = stats.put.max(ended);
        let pending = (stats.put - ended) as usize;
        stats.running = running.min(pending);
        stats.depth = pending - stats.running;
        self.counters().for_each(|counters| counters.add_to(&mut stats));
        stats
    }

    pub(super) fn counters(&self) -> impl Iterator<Item = &Counters> {
        self.seats().map(|seat| &seat.counters).chain([&self.counted_outside])
    }
}

impl Drop for EngineState {
    fn drop(&mut self) {
        // Here, where panics are contained, rather than by the injectors.
        self.drop_queued();
    }
}

impl Seat {
    pub(super) fn running(&self) -> Option<Running> {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_running(&self, running: Option<Running>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = running;
    }

    pub(super) fn local(&self) -> std::sync::MutexGuard<'_, Option<LocalQueue<Queued>>> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Seat {
    fn default() -> Seat {
        let local = LocalQueue::new();
        Seat {
            stealer: local.stealer(),
            local: std::sync::Mutex::new(Some(local)),
            counters: Counters::default(),
            running: Mutex::default(),
            busy: AtomicBool::new(false),
        }
    }
}

const OPEN: u8 = 0;
/// Puts are refused, except of turns, and workers end when nothing is left.
const CLOSING: u8 = 1;
/// What was queued is dropped, and workers end.
const ABORTED: u8 = 2;
