//! `World`: all that may happen next in one run, and the step that makes one of it happen.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::runtime::{Handle, Runtime};
use tokio::time::{Instant, sleep_until};

use crate::async_result::QueueId;
use crate::contain::{contain, drop_contained, drop_payload};
use crate::stepping::{LocalTask, SteppedQueue, Stepper};
use crate::testing::explore::record::{Doer, Record, place};
use crate::testing::explore::settings::Settings;
use crate::testing::explore::strategy::{Chooser, Offered};
use crate::testing::explore::wakes::{Parks, Progress, TaskWake, Wakes};

/// Everything that may happen in one run.
pub(super) struct World {
    settings: Settings,
    pub(super) wakes: Arc<Wakes>,
    tasks: RefCell<Slab<WorldTask>>,
    queues: RefCell<Vec<Rc<WorldQueue>>>,
    blocking: RefCell<Vec<Unended>>,
    chooser: RefCell<Chooser>,
    pub(super) record: RefCell<Record>,
    offers: Cell<Vec<Offer>>,
    actors: Cell<Vec<u64>>,
    /// How much time may still pass before what may happen has happened.
    lag: Cell<Duration>,
    /// How many tasks of the runtime are none of the test's.
    own_tasks: Cell<usize>,
    /// How often in a row the runtime's tasks had their turn.
    turns: Cell<usize>,
    pub(super) clock_matters: Cell<bool>,
    made: Cell<u64>,
}

/// A task that the world polls.
struct WorldTask {
    name: Rc<str>,
    number: u64,
    /// `None` while it is polled.
    future: Option<LocalTask>,
    wake: Arc<TaskWake>,
}

struct WorldQueue {
    queue: Box<dyn SteppedQueue>,
    number: u64,
    /// When it last began to have something that may be next.
    since: Cell<u64>,
    was_ready: Cell<bool>,
}

/// An item that blocks, and has not ended.
struct Unended {
    since: u64,
    work: Box<dyn FnOnce()>,
}

/// One of the things that may happen next.
#[derive(Clone, Copy)]
struct Offer {
    thing: Thing,
    since: u64,
}

#[derive(Clone, Copy)]
enum Thing {
    Task(usize),
    /// A queue, and which of the items that may be next.
    Queue(usize, usize),
    Blocking(usize),
    /// A task that was spawned on the runtime itself.
    Runtime,
    /// Time passes although something else may happen.
    Clock,
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
    pub(super) fn new(
        settings: Settings,
        chooser: Chooser,
        record: Record,
        progress: Arc<Progress>,
    ) -> Rc<World> {
        Rc::new(World {
            settings,
            wakes: Arc::new(Wakes::new(progress)),
            tasks: RefCell::default(),
            queues: RefCell::default(),
            blocking: RefCell::default(),
            chooser: RefCell::new(chooser),
            record: RefCell::new(record),
            offers: Cell::default(),
            actors: Cell::default(),
            lag: Cell::new(settings.lag),
            own_tasks: Cell::new(0),
            turns: Cell::new(0),
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

    /// The runtime's tasks up to now are not the test's.
    pub(super) fn count_own_tasks(&self) {
        self.own_tasks.set(Handle::current().metrics().num_alive_tasks());
    }

    pub(super) fn into_chooser(&self) -> Chooser {
        self.chooser.replace(Chooser::Fixed { choices: Default::default(), at: 0 })
    }

    /// Drops everything that could still happen. Called when the run is over.
    pub(super) fn clear(&self) {
        self.wakes.end();
        let tasks = self.tasks.take();
        tasks.into_iter().for_each(|(_, task)| _ = drop_contained(task.future));
        let blocking = self.blocking.take();
        blocking.into_iter().for_each(|blocking| _ = drop_contained(blocking.work));
        let queues = self.queues.take();
        drop(queues);
    }

    /// Which fault happens: 0 is none.
    pub(super) fn choose_fault(&self, weights: &[f64]) -> usize {
        let choice = self.chooser.borrow_mut().choose_fault(weights);
        self.record.borrow_mut().chose(choice, weights.len() + 1);
        choice
    }

    /// Steps until `is_done`.
    pub(super) fn until(&self, runtime: &Runtime, is_done: impl Fn() -> bool) -> Result<(), Halt> {
        while !is_done() {
            if self.record.borrow().steps() >= self.settings.steps {
                return Err(Halt::Endless);
            }
            let mut offers = self.offers.take();
            let has_clock = self.list(&mut offers);
            let thing = match offers.len() {
                0 => None,
                count => Some(offers[self.choose(&offers, count, has_clock)].thing),
            };
            self.offers.set(offers);
            match thing {
                Some(thing) => self.happen(runtime, thing),
                None => {
                    self.lag.set(self.settings.lag);
                    let started = Instant::now();
                    if !runtime.block_on(self.pass_time(FOREVER, Parks::IfIdle)) {
                        return Err(Halt::Stuck);
                    }
                    self.record.borrow_mut().step(Doer::Clock);
                    self.note_time(started);
                }
            }
        }
        Ok(())
    }

    /// Whether anything may happen without time passing.
    pub(super) fn is_idle(&self) -> bool {
        let is_ready = |(_, task): (usize, &WorldTask)| task.wake.is_ready();
        !self.tasks.borrow().iter().any(is_ready)
            && self.blocking.borrow().is_empty()
            && !self.queues.borrow().iter().any(|queue| queue.queue.ready() > 0)
    }

    fn choose(&self, offers: &[Offer], count: usize, has_clock: bool) -> usize {
        if count == 1 {
            return 0;
        }
        let mut actors = self.actors.take();
        actors.clear();
        actors.extend(offers.iter().map(|offer| self.actor(offer.thing)));
        let index = self.chooser.borrow_mut().choose(&Offered { actors: &actors, has_clock });
        self.actors.set(actors);
        let mut record = self.record.borrow_mut();
        record.chose(index, count);
        if index > 0 && record.is_told() {
            let first = self.doer(offers[0].thing);
            record.instead_of(first);
        }
        index
    }

    /// Lists what may happen, the oldest first. True if the last is the clock.
    fn list(&self, offers: &mut Vec<Offer>) -> bool {
        offers.clear();
        for (key, task) in self.tasks.borrow().iter().filter(|(_, task)| task.wake.is_ready()) {
            offers.push(Offer { thing: Thing::Task(key), since: task.wake.since() });
        }
        for (at, blocking) in self.blocking.borrow().iter().enumerate() {
            offers.push(Offer { thing: Thing::Blocking(at), since: blocking.since });
        }
        for (at, queue) in self.queues.borrow().iter().enumerate() {
            let ready = queue.queue.ready();
            if ready > 0 && !queue.was_ready.get() {
                queue.since.set(self.wakes.tick());
            }
            queue.was_ready.set(ready > 0);
            let slots = (0..ready).map(|slot| Thing::Queue(at, slot));
            offers.extend(slots.map(|thing| Offer { thing, since: queue.since.get() }));
        }
        if offers.is_empty() {
            return false;
        }
        let alive = Handle::current().metrics().num_alive_tasks();
        if alive > self.own_tasks.get() && self.turns.get() < TURNS {
            offers.push(Offer { thing: Thing::Runtime, since: self.wakes.ran_at() });
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

    /// A number for who acts, the same as long as the run does.
    fn actor(&self, thing: Thing) -> u64 {
        match thing {
            Thing::Runtime => 0,
            Thing::Clock => 1,
            Thing::Task(key) => self.tasks.borrow()[key].number * SLOTS,
            Thing::Queue(at, slot) => self.queues.borrow()[at].number * SLOTS + slot as u64,
            Thing::Blocking(at) => self.blocking.borrow()[at].since * SLOTS + SLOTS / 2,
        }
    }

    fn doer(&self, thing: Thing) -> Doer {
        match thing {
            Thing::Task(key) => Doer::Task(self.tasks.borrow()[key].name.clone()),
            Thing::Queue(at, _) => Doer::Queue(QueueId(self.queues.borrow()[at].queue.id())),
            Thing::Blocking(_) => Doer::Blocking,
            Thing::Runtime => Doer::Runtime,
            Thing::Clock => Doer::Clock,
        }
    }

    fn happen(&self, runtime: &Runtime, thing: Thing) {
        let doer = self.doer(thing);
        self.record.borrow_mut().step(doer);
        self.wakes.stepped();
        self.turns.set(if matches!(thing, Thing::Runtime) { self.turns.get() + 1 } else { 0 });
        match thing {
            Thing::Task(key) => self.poll(key),
            Thing::Queue(at, slot) => {
                let queue = self.queues.borrow()[at].clone();
                queue.since.set(self.wakes.tick());
                queue.queue.step(slot);
                if queue.queue.is_over() {
                    self.queues.borrow_mut().retain(|other| !Rc::ptr_eq(other, &queue));
                }
            }
            Thing::Blocking(at) => {
                let Unended { work, .. } = self.blocking.borrow_mut().remove(at);
                work();
            }
            Thing::Runtime => {
                self.wakes.runs();
                // With an event interval of one, one task runs before this goes on.
                runtime.block_on(tokio::task::yield_now());
            }
            Thing::Clock => {
                let started = Instant::now();
                runtime.block_on(self.pass_time(self.lag.get(), Parks::Anyway));
                let took = self.note_time(started);
                self.lag.set(self.lag.get().saturating_sub(took.max(LEAST_LAG)));
            }
        }
    }

    fn poll(&self, key: usize) {
        let (future, wake) = {
            let mut tasks = self.tasks.borrow_mut();
            let task = &mut tasks[key];
            (task.future.take(), task.wake.clone())
        };
        let Some(mut future) = future else { return };
        wake.begin();
        let waker = Waker::from(wake);
        let polled = contain(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
        let is_over = !matches!(polled, Ok(Poll::Pending));
        if let Err(payload) = polled {
            drop_payload(payload);
        }
        if is_over {
            let task = self.tasks.borrow_mut().try_remove(key);
            drop(task);
            drop_contained(future);
        } else if let Some(task) = self.tasks.borrow_mut().get_mut(key) {
            task.future = Some(future);
        }
    }

    /// Lets the runtime's clock go on to its next timer, at most this far; false if there was none.
    async fn pass_time(&self, limit: Duration, parks: Parks) -> bool {
        let mut sleep = pin!(sleep_until(Instant::now() + limit));
        let started = Instant::now();
        let mut is_first = true;
        poll_fn(|cx| {
            self.wakes.goes_on(cx.waker());
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            let has_passed = Instant::now() > started && parks == Parks::Anyway;
            if !std::mem::take(&mut is_first) && (has_passed || !self.is_idle()) {
                return Poll::Ready(true);
            }
            self.wakes.may_park(parks);
            if parks == Parks::IfIdle && !self.is_idle() { Poll::Ready(true) } else { Poll::Pending }
        })
        .await
    }

    /// Time has passed for a timer. Returns how much.
    fn note_time(&self, started: Instant) -> Duration {
        let took = Instant::now().saturating_duration_since(started);
        if took > Duration::ZERO {
            if took < self.settings.lag {
                self.clock_matters.set(true);
            }
            self.record.borrow_mut().time_passed(took);
        }
        took
    }

    fn number(&self) -> u64 {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }
}

impl Stepper for World {
    fn width(&self) -> usize {
        self.settings.width
    }

    fn add_queue(&self, queue: Box<dyn SteppedQueue>) {
        let (since, was_ready) = (Cell::new(0), Cell::new(false));
        let queue = Rc::new(WorldQueue { queue, number: self.number(), since, was_ready });
        self.queues.borrow_mut().push(queue);
    }

    fn add_task(&self, name: String, future: LocalTask) {
        let name: Rc<str> = name.into();
        let wake = TaskWake::new(&self.wakes, (*name).to_owned());
        let number = self.number();
        self.tasks.borrow_mut().insert(WorldTask { name, number, future: Some(future), wake });
    }

    fn add_blocking(&self, work: Box<dyn FnOnce()>) {
        let since = self.wakes.tick();
        self.blocking.borrow_mut().push(Unended { since, work });
    }

    fn has_begun(&self, queue: u32, name: &'static str) {
        self.wakes.runs_callback(queue, name);
        self.record.borrow_mut().has_begun(QueueId(queue), name);
    }

    fn put(&self, queue: u32, name: &'static str) {
        let place = place();
        self.record.borrow_mut().put(QueueId(queue), name, place);
    }

    fn note(&self, text: String) {
        let place = place();
        self.record.borrow_mut().note(text, place);
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
