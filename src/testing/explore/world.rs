//! `World`: all that may happen next in one run, and the step that makes one of it happen.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::runtime::{Handle, Runtime};
use tokio::time::{Instant, sleep_until};

use crate::contain::{contain, drop_contained, drop_payload};
use crate::queue::{CallingOut, CurrentQueue};
use crate::stepping::{self, LocalTask, SendTask, SteppedQueue, Stepper};
use crate::testing::explore::hub::{Given, Hub};
use crate::testing::explore::parts::Part;
use crate::testing::explore::record::{Doer, place};
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
    /// Who is in the middle; `None` while that cannot be overtaken.
    acts: Cell<Option<u64>>,
    runtime: RefCell<Option<Rc<Runtime>>>,
    pub(super) clock_matters: Cell<bool>,
    made: Cell<u64>,
}

/// A task that the world polls.
struct WorldTask {
    name: Arc<str>,
    number: u64,
    stays: Stays,
    /// `None` while it is polled.
    future: Option<LocalTask>,
    wake: Arc<TaskWake>,
}

struct WorldQueue {
    queue: Arc<dyn SteppedQueue>,
    number: u64,
    /// When it last began to have something that may be next.
    since: Cell<u64>,
    was_ready: Cell<bool>,
}

/// An item that blocks, and has not ended.
struct BlockedItem {
    since: u64,
    work: Box<dyn FnOnce() + Send>,
}

/// An item that was left in the middle.
struct WorldPart {
    part: Part,
    queue: Rc<WorldQueue>,
    /// The step that it began in, and what it is as an actor.
    step: usize,
    number: u64,
    since: u64,
}

/// Whether a task belongs to the thread of a window queue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stays {
    OnAnyThread,
    OnItsThread,
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
    /// An item that was left in the middle goes on.
    Part(usize),
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

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let runtime = self.runtime.borrow().clone().expect("a run has a runtime");
        runtime.block_on(future)
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

    fn happen(&self, thing: Thing) {
        let acts = self.acts.replace(self.can_be_overtaken(thing).then(|| self.actor(thing)));
        self.do_it(thing);
        self.acts.set(acts);
    }

    fn do_it(&self, thing: Thing) {
        let doer = self.doer(thing);
        self.hub.record().step(doer);
        self.hub.wakes.stepped();
        self.turns.set(if matches!(thing, Thing::Runtime) { self.turns.get() + 1 } else { 0 });
        match thing {
            Thing::Task(key) => self.poll(key),
            Thing::Queue(at, slot) => {
                let queue = self.queues.borrow()[at].clone();
                queue.since.set(self.hub.wakes.tick());
                if !self.runs_in_parts(&queue) {
                    queue.queue.step(slot);
                    self.forget_if_over(&queue);
                    return;
                }
                let (step, of_part) = (self.hub.record().now(), queue.queue.clone());
                let number = self.number();
                let part = Part::begin(&self.hub, move || of_part.step(slot));
                self.keep_part(part, queue, step, number);
            }
            Thing::Part(at) => {
                let WorldPart { part, queue, step, number, .. } = self.parts.borrow_mut().remove(at);
                self.keep_part(part.go_on(), queue, step, number);
            }
            Thing::Blocking(at) => {
                let BlockedItem { work, .. } = self.blocking.borrow_mut().remove(at);
                work();
            }
            Thing::Runtime => {
                self.hub.wakes.runs();
                // With an event interval of one, one task runs before this goes on.
                self.block_on(tokio::task::yield_now());
            }
            Thing::Clock => {
                let started = Instant::now();
                self.block_on(self.pass_time(self.lag.get(), Parks::Anyway));
                let took = self.note_time(started);
                self.lag.set(self.lag.get().saturating_sub(took.max(LEAST_LAG)));
            }
        }
    }

    /// Whether the next item of a queue may be left in the middle.
    fn runs_in_parts(&self, queue: &WorldQueue) -> bool {
        if !self.hub.may_pause() || queue.queue.is_window() || self.parts.borrow().len() >= MOST_PARTS {
            return false;
        }
        let in_parts = self.hub.chooser().runs_in_parts();
        self.hub.record().chose_alone(usize::from(in_parts));
        in_parts
    }

    /// An item was left in the middle, or has ended.
    fn keep_part(&self, part: Option<Part>, queue: Rc<WorldQueue>, step: usize, number: u64) {
        self.take_given();
        match part {
            Some(part) => {
                let since = self.hub.wakes.tick();
                self.parts.borrow_mut().push(WorldPart { part, queue, step, number, since });
            }
            None => self.forget_if_over(&queue),
        }
        self.hub.wakes.overtakes(self.depth.get() + self.parts.borrow().len());
    }

    fn forget_if_over(&self, queue: &Rc<WorldQueue>) {
        if queue.queue.is_over() {
            self.queues.borrow_mut().retain(|other| !Rc::ptr_eq(other, queue));
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

    /// What goes on before the actor does.
    fn overtaking(&self, acts: u64) -> Option<Thing> {
        let mut offers = self.offers.take();
        let has_clock = self.list(&mut offers);
        let mut actors = self.actors.take();
        actors.clear();
        actors.push(acts);
        actors.extend(offers.iter().map(|offer| self.actor(offer.thing)));
        let offered = Offered { actors: &actors, has_clock, is_pause: true };
        let index = self.hub.chooser().choose(&offered);
        self.hub.record().chose_at_pause(index, actors.len());
        let thing = index.checked_sub(1).map(|at| offers[at].thing);
        self.actors.set(actors);
        self.offers.set(offers);
        thing
    }

    /// Lets the runtime's clock go on to its next timer, at most this far; false if there was none.
    async fn pass_time(&self, limit: Duration, parks: Parks) -> bool {
        let mut sleep = pin!(sleep_until(Instant::now() + limit));
        let started = Instant::now();
        let mut is_first = true;
        poll_fn(|cx| {
            self.hub.wakes.goes_on(cx.waker());
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(false);
            }
            let has_passed = Instant::now() > started && parks == Parks::Anyway;
            if !std::mem::take(&mut is_first) && (has_passed || !self.is_idle()) {
                return Poll::Ready(true);
            }
            self.hub.wakes.may_park(parks);
            if parks == Parks::IfIdle && !self.is_idle() { Poll::Ready(true) } else { Poll::Pending }
        })
        .await
    }

    /// Time has passed for a timer. Returns how much.
    fn note_time(&self, started: Instant) -> Duration {
        let took = Instant::now().saturating_duration_since(started);
        if took > Duration::ZERO {
            if took < self.hub.settings.lag {
                self.clock_matters.set(true);
            }
            self.hub.record().time_passed(took);
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
        self.hub.settings.width
    }

    fn add_queue(&self, queue: Arc<dyn SteppedQueue>) {
        let (since, was_ready) = (Cell::new(0), Cell::new(false));
        let queue = Rc::new(WorldQueue { queue, number: self.number(), since, was_ready });
        self.queues.borrow_mut().push(queue);
    }

    fn add_task(&self, name: String, task: SendTask) {
        self.insert_task(name, task, Stays::OnAnyThread);
    }

    fn add_local(&self, name: String, make: Box<dyn FnOnce() -> LocalTask + Send>) {
        self.insert_task(name, make(), Stays::OnItsThread);
    }

    fn add_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        let since = self.hub.wakes.tick();
        self.blocking.borrow_mut().push(BlockedItem { since, work });
    }

    fn has_begun(&self, queue: u32, name: &'static str) {
        self.hub.wakes.runs_callback(queue, name);
        self.hub.record().has_begun(queue, name);
    }

    fn pause(&self) {
        // What a shutdown drops or calls may not wait for it; what goes on in the middle would be taken for that.
        let may = self.hub.may_pause() && self.depth.get() < DEEPEST && !CallingOut::is_any();
        let Some(acts) = self.acts.get().filter(|_| may) else { return };
        while self.hub.record().steps() < self.hub.settings.steps {
            let look = self.hub.chooser().looks_at_pause();
            let overtakes = if look { self.overtaking(acts) } else { None };
            let Some(thing) = overtakes else {
                if !look {
                    self.hub.record().chose_at_pause(0, 1);
                }
                return;
            };
            stepping::note(|| "is overtaken here".to_owned());
            let outer = self.hub.record().begin_inner();
            self.depth.set(self.depth.get() + 1);
            self.hub.wakes.overtakes(self.depth.get() + self.parts.borrow().len());
            CurrentQueue::as_another_thread(|| self.happen(thing));
            self.depth.set(self.depth.get() - 1);
            self.hub.wakes.overtakes(self.depth.get() + self.parts.borrow().len());
            self.hub.record().end_inner(outer);
        }
    }

    fn put(&self, queue: u32, name: &'static str) {
        let place = place();
        self.hub.record().put(queue, name, place);
    }

    fn note(&self, text: String) {
        let place = place();
        self.hub.record().note(text, place);
    }
}

/// Longer than the longest sleep of this crate's timers, and shorter than tokio's.
const FOREVER: Duration = Duration::from_secs(500 * 24 * 3600);

/// Tokio's timers count milliseconds.
const LEAST_LAG: Duration = Duration::from_millis(1);

/// So often in a row the runtime's own tasks have a turn while something else may happen.
const TURNS: usize = 3;

/// So many callbacks can be in the middle, each because the next has overtaken it.
const DEEPEST: usize = 4;

/// So many items can be in the middle at the same time.
const MOST_PARTS: usize = 4;

/// More than any queue is wide.
const SLOTS: u64 = 1 << 16;
