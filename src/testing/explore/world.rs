//! `World`: all that may happen next in one run, and the step that makes one of it happen.

mod step;
mod stepper;
mod thing;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use tokio::runtime::{Handle, Runtime};
use tokio::time::Instant;

use self::thing::{BlockedItem, Offer, Stays, Thing, WorldPart, WorldQueue, WorldTask};
use crate::contain::drop_contained;
use crate::stepping::{LocalTask, Stepper};
use crate::testing::explore::hub::{Given, Hub};
use crate::testing::explore::record::Doer;
use crate::testing::explore::strategy::Offered;
use crate::testing::explore::wakes::{Parks, TaskWake};

/// Everything that may happen in one run.
pub(super) struct World {
    pub(super) hub: Arc<Hub>,
    tasks: RefCell<Slab<WorldTask>>,
    queues: RefCell<Vec<Rc<WorldQueue>>>,
    blocking: RefCell<Vec<BlockedItem>>,
    /// Items that were left in the middle.
    parts: RefCell<Vec<WorldPart>>,
    offers: Cell<Vec<Offer>>,
    actors: Cell<Vec<u64>>,
    /// How much time may still pass before what may happen has happened.
    lag: Cell<Duration>,
    /// How many tasks of the runtime are none of the test's.
    own_tasks: Cell<usize>,
    /// How often in a row the runtime's tasks had their turn.
    turns: Cell<usize>,
    /// How many callbacks are in the middle, each because it was overtaken there.
    depth: Cell<usize>,
    /// The number of what is in the middle; `None` while that cannot be overtaken.
    acts: Cell<Option<u64>>,
    runtime: RefCell<Option<Rc<Runtime>>>,
    pub(super) clock_matters: Cell<bool>,
    made: Cell<u64>,
}

/// Why a run does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// Nothing may happen any more.
    Stuck,
    /// It took too many steps.
    Endless,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

impl World {
    pub(super) fn new(hub: Arc<Hub>) -> Rc<World> {
        let lag = hub.settings.lag;
        Rc::new(World {
            hub,
            tasks: RefCell::default(),
            queues: RefCell::default(),
            blocking: RefCell::default(),
            parts: RefCell::default(),
            offers: Cell::default(),
            actors: Cell::default(),
            lag: Cell::new(lag),
            own_tasks: Cell::new(0),
            turns: Cell::new(0),
            depth: Cell::new(0),
            acts: Cell::new(None),
            runtime: RefCell::default(),
            clock_matters: Cell::new(false),
            made: Cell::new(0),
        })
    }

    /// The world of this thread, if there is one.
    pub(super) fn current() -> Option<Rc<World>> {
        WORLD.with_borrow(Clone::clone)
    }

    pub(super) fn enter(this: Option<Rc<World>>) {
        drop(WORLD.replace(this));
    }

    /// The runtime is this one, or is about to go.
    pub(super) fn set_runtime(&self, runtime: Option<Rc<Runtime>>) {
        let former = self.runtime.replace(runtime);
        drop(former);
    }

    /// The runtime's tasks up to now are not the test's.
    pub(super) fn count_own_tasks(&self) {
        self.own_tasks.set(Handle::current().metrics().num_alive_tasks());
    }

    /// A task that is polled on this thread only, and may be overtaken by any other.
    pub(super) fn add_own_task(&self, name: &str, future: LocalTask) {
        self.insert_task(name.to_owned(), future, Stays::OnAnyThread);
    }

    /// Drops everything that could still happen. Called when the run is over.
    pub(super) fn clear(&self) {
        self.hub.wakes.end();
        // What is in the middle goes on to its end, because its thread cannot be ended.
        self.hub.close();
        while let Some(WorldPart { part, .. }) = self.parts.borrow_mut().pop() {
            drop(part.go_on());
        }
        self.hub.wakes.overtakes(0);
        self.take_given();
        let tasks = self.tasks.take();
        tasks.into_iter().for_each(|(_, task)| _ = drop_contained(task.future));
        let blocking = self.blocking.take();
        blocking.into_iter().for_each(|blocking| _ = drop_contained(blocking.work));
        let queues = self.queues.take();
        drop(queues);
    }

    /// Steps until `is_done`.
    pub(super) fn until(&self, is_done: impl Fn() -> bool) -> Result<(), Halt> {
        while !is_done() {
            if self.hub.record().steps() >= self.hub.settings.steps {
                return Err(Halt::Endless);
            }
            let mut offers = self.offers.take();
            self.stamp();
            let has_clock = self.list(&mut offers);
            let thing = match offers.len() {
                0 => None,
                count => Some(offers[self.choose(&offers, count, has_clock)].thing),
            };
            self.offers.set(offers);
            match thing {
                Some(thing) => self.happen(thing),
                None => {
                    self.lag.set(self.hub.settings.lag);
                    let started = Instant::now();
                    self.hub.record().step(Doer::Clock);
                    if !self.block_on(self.pass_time(FOREVER, Parks::IfIdle)) {
                        self.hub.record().take_back_step();
                        return Err(Halt::Stuck);
                    }
                    self.note_time(started);
                }
            }
        }
        Ok(())
    }

    /// Whether anything may happen without time passing.
    pub(super) fn is_idle(&self) -> bool {
        !self.tasks.borrow().iter().any(|(_, task)| self.may_poll(task))
            && self.blocking.borrow().is_empty()
            && self.parts.borrow().is_empty()
            && !self.queues.borrow().iter().any(|queue| queue.queue.ready() > 0)
    }

    /// Whether a task may be polled: in the middle of a callback one that stays on its thread may not.
    fn may_poll(&self, task: &WorldTask) -> bool {
        let is_free = task.stays == Stays::OnAnyThread || self.depth.get() == 0;
        task.wake.is_ready() && task.future.is_some() && is_free
    }

    /// Whether others may go on in the middle of this.
    fn can_be_overtaken(&self, thing: Thing) -> bool {
        match thing {
            Thing::Task(key) => self.tasks.borrow()[key].stays == Stays::OnAnyThread,
            Thing::Queue(..) | Thing::Blocking(_) => true,
            // It has a thread of its own.
            Thing::Part(_) => false,
            // The runtime is inside of itself then.
            Thing::Runtime | Thing::Clock => false,
        }
    }

    fn choose(&self, offers: &[Offer], count: usize, has_clock: bool) -> usize {
        if count == 1 {
            return 0;
        }
        let mut actors = self.actors.take();
        actors.clear();
        actors.extend(offers.iter().map(|offer| self.actor(offer.thing)));
        let index = self.hub.chooser().choose(&Offered { actors: &actors, has_clock, is_pause: false });
        self.actors.set(actors);
        self.hub.record().chose(index, count);
        if index > 0 && self.hub.record().is_told() {
            let first = self.doer(offers[0].thing);
            self.hub.record().instead_of(first);
        }
        index
    }

    /// Notes which queues have something by now. Between steps only: in the middle of one this is not always looked at, and
    /// must change nothing.
    fn stamp(&self) {
        for queue in &*self.queues.borrow() {
            let is_ready = queue.queue.ready() > 0;
            if is_ready && !queue.was_ready.get() {
                queue.since.set(self.hub.wakes.tick());
            }
            queue.was_ready.set(is_ready);
        }
    }

    /// Lists what may happen, the oldest first. True if the last is the clock.
    fn list(&self, offers: &mut Vec<Offer>) -> bool {
        offers.clear();
        for (key, task) in self.tasks.borrow().iter().filter(|(_, task)| self.may_poll(task)) {
            offers.push(Offer { thing: Thing::Task(key), since: task.wake.since() });
        }
        for (at, blocking) in self.blocking.borrow().iter().enumerate() {
            offers.push(Offer { thing: Thing::Blocking(at), since: blocking.since });
        }
        for (at, part) in self.parts.borrow().iter().enumerate() {
            offers.push(Offer { thing: Thing::Part(at), since: part.since });
        }
        for (at, queue) in self.queues.borrow().iter().enumerate() {
            let since = if queue.was_ready.get() { queue.since.get() } else { u64::MAX };
            let slots = (0..queue.queue.ready()).map(|slot| Thing::Queue(at, slot));
            offers.extend(slots.map(|thing| Offer { thing, since }));
        }
        if offers.is_empty() {
            return false;
        }
        if self.has_runtime_tasks() && self.turns.get() < TURNS {
            offers.push(Offer { thing: Thing::Runtime, since: self.hub.wakes.ran_at() });
        }
        // The later items of a queue come after all that is first in its place.
        offers.sort_by_key(|offer| match offer.thing {
            Thing::Queue(_, slot) => (slot, offer.since),
            _ => (0, offer.since),
        });
        let has_clock = self.lag.get() >= LEAST_LAG;
        if has_clock {
            offers.push(Offer { thing: Thing::Clock, since: 0 });
        }
        has_clock
    }

    fn has_runtime_tasks(&self) -> bool {
        Handle::current().metrics().num_alive_tasks() > self.own_tasks.get()
    }

    /// The number of what acts, the same throughout the run.
    fn actor(&self, thing: Thing) -> u64 {
        match thing {
            Thing::Runtime => 0,
            Thing::Clock => 1,
            Thing::Task(key) => self.tasks.borrow()[key].number * SLOTS,
            Thing::Queue(at, slot) => self.queues.borrow()[at].number * SLOTS + slot as u64,
            Thing::Blocking(at) => self.blocking.borrow()[at].since * SLOTS + SLOTS / 2,
            Thing::Part(at) => self.parts.borrow()[at].number * SLOTS,
        }
    }

    fn doer(&self, thing: Thing) -> Doer {
        match thing {
            Thing::Task(key) => Doer::Task(self.tasks.borrow()[key].name.clone()),
            Thing::Queue(at, _) => {
                let queue = self.queues.borrow()[at].queue.id();
                Doer::Queue(self.hub.record().queue(queue))
            }
            Thing::Blocking(_) => Doer::Blocking,
            Thing::Part(at) => {
                let part = &self.parts.borrow()[at];
                Doer::GoesOn(part.step, Some(self.hub.record().queue(part.queue.queue.id())))
            }
            Thing::Runtime => Doer::Runtime,
            Thing::Clock => Doer::Clock,
        }
    }

    /// Takes what other threads of the run were given.
    fn take_given(&self) {
        for given in self.hub.take_given() {
            match given {
                Given::Queue(queue) => self.add_queue(queue),
                Given::Task(name, task) => self.add_task(name, task),
                Given::Local(name, make) => self.add_local(name, make),
                Given::Blocking(work) => self.add_blocking(work),
            }
        }
    }

    fn insert_task(&self, name: String, future: LocalTask, stays: Stays) {
        // Without the number of a private queue, which is another in each run.
        let name: Arc<str> = name.split(" 0x").next().unwrap_or_default().into();
        let wake = TaskWake::new(&self.hub.wakes, (*name).to_owned());
        let number = self.number();
        self.tasks.borrow_mut().insert(WorldTask { name, number, stays, future: Some(future), wake });
    }

    fn number(&self) -> u64 {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }
}

/// Longer than the longest sleep of this crate's timers, and shorter than tokio's.
const FOREVER: Duration = Duration::from_secs(500 * 24 * 3600);

/// Tokio's timers count milliseconds.
const LEAST_LAG: Duration = Duration::from_millis(1);

/// So often in a row the runtime's own tasks have a turn while something else may happen.
const TURNS: usize = 3;

/// More than any queue is wide.
const SLOTS: u64 = 1 << 16;
