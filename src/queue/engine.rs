//! The engine: a queue whose items are run by workers that steal from each other.
//!
//! It is the textbook's work-stealing pool, as tokio's, Go's and rayon's readers know it:
//!
//! * an *injector*, a lane per priority, which puts push to;
//! * a *worker* per worker of the runtime, a task that is spawned when it is first needed, with a *local queue*. It takes the
//!   oldest item alone until callbacks prove quick. Then it takes all that the injector has, and others *steal* from it;
//! * *parking*: a worker that finds nothing parks. A put unparks one worker, unless one searches; the last searcher that
//!   finds an item unparks the next if something remains.
//!
//! What is put is an item, or the *turn* of a [serial queue](crate::queue::serial) above. A serial engine is an engine with
//! one worker.
//!
//! | state of a worker | means | leaves it by |
//! |---|---|---|
//! | vacant | it has no task: not spawned yet, or ended | being unparked: a task is spawned → *due* |
//! | due | its task is to be polled | the poll → *searching* if it was unparked, else *running* |
//! | searching | has found nothing yet | finding an item → *running*; finding nothing → *parked* |
//! | running | runs items; yields to the runtime after 100 µs or 512 items | yielding → *due*; finding nothing → *parked* |
//! | blocked | of a serial engine: its item runs on the blocking pool | the end of that item → *due* |
//! | parked | its waker lies in [`Parking`](parking::Parking) | being unparked → *due* |
//!
//! When the engine is closed, a worker that would park ends instead → *vacant*.
//!
//! What the textbook lacks:
//!
//! * *Order*: high before normal before low at every take. High and low items are taken out alone, so that the first wait
//!   for no group, and none of the second is overtaken by what is put meanwhile.
//! * *Substitutes*: when nothing has run for [`STALL`] ticks while items wait, and a worker is due, a task that blocks may hold
//!   up the thread that would poll it. The monitor then calls a *substitute* to the blocking pool, which takes the worker's
//!   place: see [`parking`]. It ends when it finds nothing, or after 100 ms. Not on a runtime of one thread.
//! * *Growth*: when no worker is due either, all of them are inside callbacks. For a parallel engine the monitor then starts a
//!   further worker, a *helper*, on the blocking pool. It ends as a substitute does.
//! * *Counters* without a lock or an atomic step per item: see [`counters`]. *Barriers* without a number per item: see
//!   [`injector`].
//!
//! Each step beyond that, with what it gains. Instructions are of `.ci/instructions`; times were taken on 2 cores that other
//! programs kept busy:
//!
//! | step | figure | without | with |
//! |---|---|---|---|
//! | quick callbacks are taken together, and timed in groups of 32 | instructions: callback and state · ready result | 921 · 828 | 682 · 588 |
//! | what the injector has is swapped into the local queue, not copied in groups | the same | 741 · 651 | 690 · 594 |
//! | blocks that are used again, not one buffer that grows: [`lane`] | time: item among a million queued, and among ten | 2.3 : 1 | 0.9 : 1 |
//! | an item is moved once: [`Slot`] | the same | 870 · 744 | 741 · 651 |
//! | | time: ready result on a serial queue | 89 ns | 48 ns |
//! | a lock in the injector, against `crossbeam_deque` 0.8.8 | time: put from outside · inside | 126 · 130 ns | 102 · 102 ns |
//! | | allocations per item | 0.016 | 0 |
//! | [`leave_lifo_slot`](crate::tokio_quirks::leave_lifo_slot) | wait of an item put by a callback that goes on for 15 ms, median | 10.4 ms | 8 µs |
//! | stealing before the injector is asked | `tests/it/held_up.rs`: an item behind a callback that waits for it, on a queue that is never empty | never runs | runs |

mod clock_hold;
mod counters;
mod injector;
mod lane;
#[cfg(all(test, mf_async_loom))]
pub(super) mod loom;
#[cfg(feature = "test-util")]
mod manual;
mod monitor;
mod parking;
mod seat;
mod spawner;
mod state;
#[cfg(feature = "test-util")]
mod stepped;
mod worker;

use std::sync::{Arc, Weak};
use std::task::Waker;

use tokio::runtime::Handle;

pub(crate) use self::clock_hold::{ClockGuard, ClockHold};
#[cfg(feature = "test-util")]
pub(crate) use self::manual::Manual;
pub(crate) use self::monitor::Monitor;
#[cfg(feature = "realtime")]
pub(crate) use self::spawner::OwnRuntime;
pub(crate) use self::spawner::{Spawner, Start};

use self::injector::EnginePhase;
use self::monitor::Monitored;
use self::state::EngineState;
use crate::async_result::{CallbackFlags, TokenSource};
use crate::observe::{QueueStats, Running};
use crate::queue::backend::Backend;
use crate::queue::budget::SAMPLE;
use crate::queue::current_queue::CurrentQueue;
use crate::queue::waiters::Waiters;
use crate::queue::work::{Slot, Work};
use crate::sync::LockExt;
use crate::sync::atomic::Ordering;

/// A queue whose items are run by workers: one of them if it is serial, several if it is parallel.
#[derive(Clone)]
pub(crate) struct Engine(Arc<EngineState>);

impl Engine {
    /// An engine that runs one item at a time; or as many at the same time as it is wide, and more while those are held up.
    pub(crate) fn new(
        on: CurrentQueue,
        tokens: TokenSource,
        spawner: Spawner,
        monitor: Arc<Monitor>,
        width: Option<usize>,
    ) -> Engine {
        let workers = match width {
            _ if !spawner.has_tasks() => (0, 0),
            Some(width) => (width.max(1), HELPERS),
            None => (1, 0),
        };
        let state = EngineState::new(on, tokens, spawner, monitor, workers, width.is_none());
        let engine = Engine(Arc::new(state));
        if matches!(engine.0.spawner, Spawner::Stepped { .. }) {
            engine.hand_to_stepper();
        }
        engine
    }

    /// Without the feature there is no stepper.
    #[cfg(not(feature = "test-util"))]
    pub(crate) fn hand_to_stepper(&self) {}

    /// Puts what the slot holds; false if the engine is closed or its runtime is gone.
    #[inline(always)]
    pub(crate) fn put(&self, slot: &mut Slot, flags: CallbackFlags) -> bool {
        let engine = &*self.0;
        let is_turn = matches!(slot, Some(Work::Turn(..)));
        if is_turn {
            // ORDERING: Relaxed, because the item itself is released.
            engine.turns.fetch_add(1, Ordering::Relaxed);
        }
        // ORDERING: Relaxed, hints for what to measure. An item that finds the queue empty shows how fast it wakes; of the
        // others, and of those of quick callbacks, a sample will do.
        let alone = !engine.quick.load(Ordering::Relaxed) && !engine.injector.waits_any();
        let measures = |number: u64| alone || number % SAMPLE == 0;
        // ORDERING: Relaxed, under the injector's lock, which a worker that parks and the monitor take after they have
        // changed these: either this sees the change, or they see the item.
        let look = || (engine.parking.wants_unpark(), engine.watched.load(Ordering::Relaxed));
        let Some((unpark, watched)) = engine.injector.push(slot, flags, measures, look) else {
            if is_turn {
                engine.end_turn();
            }
            return false;
        };
        if unpark {
            worker::unpark_one(&self.0);
        }
        if !watched {
            self.watch();
        }
        true
    }

    /// Whether items run on no other thread than this engine's, those that block, too.
    pub(crate) fn is_one_thread(&self) -> bool {
        self.0.spawner.is_one_thread()
    }

    /// Starts a future on the engine's own thread; false if it has none, or is closed.
    pub(crate) fn spawn_local(&self, start: Start) -> bool {
        self.0.is_open() && self.0.spawner.spawn_local(start)
    }

    /// Puts are refused from now on. What is queued still runs, then the workers end.
    pub(crate) fn close(&self) {
        drop(self.0.injector.enter(EnginePhase::Closing));
        self.0.parking.unpark_all().into_iter().for_each(Waker::wake);
    }

    fn watch(&self) {
        // ORDERING: SeqCst, with `unwatch`.
        if !self.0.watched.swap(true, Ordering::SeqCst) {
            let watched: Weak<EngineState> = Arc::downgrade(&self.0);
            self.0.monitor.watch(watched);
        }
    }
}

impl Backend for Engine {
    fn runtime(&self) -> &Handle {
        self.0.spawner.runtime()
    }

    #[inline]
    fn has_backlog(&self) -> bool {
        self.0.injector.waits_any()
    }

    fn set_long_running(&self, enable: bool) {
        // ORDERING: Relaxed, a flag that orders nothing.
        self.0.long_running.store(enable, Ordering::Relaxed);
    }

    fn put_count(&self) -> u64 {
        self.0.injector.put()
    }

    fn mark(&self) -> u64 {
        self.0.injector.mark(|generation| self.0.ended(generation))
    }

    fn passed(&self, mark: u64) -> bool {
        self.0.injector.passed(mark, |generation| self.0.ended(generation))
    }

    fn is_quiet(&self) -> bool {
        self.0.is_quiet()
    }

    fn waiters(&self) -> &Waiters {
        // A worker may miss a waiter that has just registered; the monitor's tick does not.
        self.watch();
        &self.0.waiters
    }

    fn stats(&self) -> QueueStats {
        self.0.stats()
    }

    fn running(&self) -> Vec<Running> {
        let outside: Vec<_> = self.0.outside.locked().iter().map(|(_, running)| *running).collect();
        self.0.seats().filter_map(|seat| *seat.running()).chain(outside).collect()
    }

    fn abort(&self) {
        worker::abort(&self.0);
    }
}

impl Monitored for EngineState {
    fn has_work(&self) -> bool {
        EngineState::has_work(self)
    }

    fn progress(&self) -> u64 {
        self.counters().map(counters::Counters::progress).sum()
    }

    fn unstall(self: Arc<Self>, ticks: u32) {
        // A runtime of one thread loses no wake. There, unparking from this thread would only race with a paused clock,
        // which goes on when the runtime has nothing to do.
        if ticks % STALL == 1 && self.spawner.has_workers() {
            worker::unpark_another(&self);
        }
        let held_up = ticks >= STALL;
        let replaced = held_up && self.spawner.has_workers() && worker::replace(&self);
        if held_up && !replaced && !self.serial {
            worker::grow(&self);
        }
    }

    fn tick(&self) {
        self.waiters.notify_fresh();
    }

    fn unwatch(&self) -> bool {
        // ORDERING: SeqCst with `watch`; before the look under the injector's lock, see `put`.
        self.watched.store(false, Ordering::SeqCst);
        let wanted = EngineState::has_work(self) || self.waiters.notify_fresh();
        !wanted || self.watched.swap(true, Ordering::SeqCst)
    }
}

/// After so many ticks of the monitor, 1 ms each, without progress a parallel engine grows.
const STALL: u32 = 10;

/// At most so many helpers at the same time.
const HELPERS: usize = 64;
