//! `EngineState`, which the workers of an engine share: the injector, a seat for each worker, and the counts.

use std::sync::{Arc, OnceLock};

use slab::Slab;

use crate::async_result::TokenSource;
use crate::observe::{QueueStats, Run, Running};
use crate::queue::current_queue::CurrentQueue;
use crate::queue::engine::counters::Counters;
use crate::queue::engine::injector::{EnginePhase, GENERATIONS, Injector};
use crate::queue::engine::monitor::Monitor;
use crate::queue::engine::parking::Parking;
use crate::queue::engine::seat::Seat;
use crate::queue::engine::spawner::Spawner;
use crate::queue::queued::Queued;
use crate::queue::waiters::Waiters;
use crate::queue::work::Work;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use crate::sync::{LockExt, Mutex};

/// What the workers of an engine share.
pub(super) struct EngineState {
    pub(super) on: CurrentQueue,
    pub(super) tokens: TokenSource,
    pub(super) spawner: Spawner,
    pub(super) monitor: Arc<Monitor>,
    /// Whether an item waits for the end of the one before, wherever that runs.
    pub(super) serial: bool,
    pub(super) long_running: AtomicBool,
    /// Whether callbacks are known to be quick.
    pub(super) quick: AtomicBool,
    /// Whether the monitor watches.
    pub(super) watched: AtomicBool,
    pub(super) injector: Injector,
    pub(super) parking: Parking,
    /// Turns of serial queues that were put and have not ended.
    pub(super) turns: AtomicUsize,
    seats: Box<[OnceLock<Box<Seat>>]>,
    /// What runs on the blocking pool, or is stepped by hand.
    pub(super) outside: Mutex<Slab<Running>>,
    pub(super) counted_outside: Counters,
    abandoned: [AtomicU64; GENERATIONS],
    pub(super) waiters: Waiters,
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
            quick: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            injector: Injector::default(),
            parking: Parking::new(workers, helpers),
            turns: AtomicUsize::new(0),
            seats: (0..workers + helpers).map(|_| OnceLock::new()).collect(),
            outside: Mutex::default(),
            counted_outside: Counters::default(),
            abandoned: Default::default(),
            waiters: Waiters::default(),
        }
    }

    /// Whether something waits, in the injector or a local queue.
    pub(super) fn has_work(&self) -> bool {
        !self.injector.is_empty() || self.seats().any(Seat::waits)
    }

    /// The seats that were ever taken. They are taken in order.
    pub(super) fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().map_while(OnceLock::get).map(|seat| &**seat)
    }

    pub(super) fn seat(&self, number: usize) -> &Seat {
        self.seats[number].get_or_init(Box::default)
    }

    /// Steals from another worker's local queue, beginning with the next one's. Returns the oldest item.
    pub(super) fn steal(&self, thief: usize) -> Option<Queued> {
        let (before, after) = self.seats.split_at(thief);
        let taken = |seats| <[OnceLock<Box<Seat>>]>::iter(seats).map_while(OnceLock::get);
        let victims = taken(&after[1..]).chain(taken(before)).filter(|seat| seat.waits());
        // What a victim shows may have run by now; then the next one is asked.
        let stolen = victims.map(|victim| victim.steal()).find(|stolen| !stolen.is_empty())?;
        self.seat(thief).take_stolen(stolen)
    }

    pub(super) fn is_open(&self) -> bool {
        self.injector.phase() == EnginePhase::Open
    }

    /// No item runs from now on. Drops what is queued.
    pub(super) fn abort(&self) {
        let injected = self.injector.enter(EnginePhase::Aborted);
        // Nothing comes into a local queue any more. What lies there is older.
        let local: Vec<_> = self.seats().flat_map(Seat::take_all).collect();
        local.into_iter().chain(injected).for_each(|item| self.abandon(item));
        self.waiters.notify();
    }

    fn abandon(&self, item: Queued) {
        let (is_turn, generation) = (item.is_turn(), item.generation);
        item.into_work().into_iter().for_each(Work::abandon);
        if is_turn {
            self.end_turn();
        } else {
            self.count_abandoned(generation);
        }
    }

    /// A turn has ended, or will not come.
    pub(super) fn end_turn(&self) {
        // ORDERING: Release pairs with the Acquire in `is_quiet`.
        self.turns.fetch_sub(1, Ordering::Release);
    }

    fn count_abandoned(&self, generation: u32) {
        // ORDERING: SeqCst, for waiters; see `Waiters::any`.
        self.abandoned[generation as usize].fetch_add(1, Ordering::SeqCst);
    }

    /// An item begins that no worker runs. The key is for its end.
    pub(super) fn begin_outside(&self, running: Running) -> usize {
        self.outside.locked().insert(running)
    }

    /// It has ended; no `run` if it never ran.
    pub(super) fn end_outside(&self, key: usize, generation: u32, run: Option<Run>) {
        match run {
            Some(run) => self.counted_outside.add_shared(generation, run),
            None => self.count_abandoned(generation),
        }
        self.outside.locked().remove(key);
        // ORDERING: SeqCst, see `Waiters::any`.
        fence(Ordering::SeqCst);
        self.waiters.notify();
    }

    /// An item has run. If a barrier was made since it was put, that may have passed; for quiet it is too early.
    #[cold]
    pub(super) fn notify_barriers(&self, generation: u32) {
        if self.injector.generation() != generation {
            self.waiters.notify();
        }
    }

    /// How many items of a generation have ended.
    pub(super) fn ended(&self, generation: usize) -> u64 {
        let run: u64 = self.counters().map(|counters| counters.run(generation)).sum();
        // ORDERING: Acquire, as for the runs.
        run + self.abandoned[generation].load(Ordering::Acquire)
    }

    /// Whether nothing is queued and nothing runs.
    pub(super) fn is_quiet(&self) -> bool {
        // What has ended first, then the puts: what is seen to have ended is seen to have been put, so they are equal
        // only if nothing was pending in between.
        let ended: u64 = (0..GENERATIONS).map(|generation| self.ended(generation)).sum();
        // ORDERING: Acquire pairs with the Release in `end_turn`.
        self.turns.load(Ordering::Acquire) == 0 && ended == self.injector.put()
    }

    pub(super) fn stats(&self) -> QueueStats {
        // The puts first: of what runs and ends while this is read, none counts as waiting.
        let mut stats = QueueStats { put: self.injector.put(), ..QueueStats::default() };
        for generation in 0..GENERATIONS {
            stats.run += self.counters().map(|counters| counters.run(generation)).sum::<u64>();
            // ORDERING: Acquire, as for the runs.
            stats.abandoned += self.abandoned[generation].load(Ordering::Acquire);
        }
        let running =
            self.seats().filter(|seat| seat.running().is_some()).count() + self.outside.locked().len();
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
        // Here, where panics are contained.
        self.abort();
    }
}
