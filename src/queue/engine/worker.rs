//! The worker: a task that takes items out and runs them, a fair share at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::async_result::CallbackFlags;
use crate::observe::{Run, Running};
use crate::queue::blocking::run_blocking;
use crate::queue::budget::Budget;
use crate::queue::current_queue::CurrentQueue;
use crate::queue::engine::parking::{Post, Unparked};
use crate::queue::engine::seat::Seat;
use crate::queue::engine::state::EngineState;
use crate::queue::priority::Priority;
use crate::queue::queued::Queued;
use crate::queue::result_cache::ResultCache;
use crate::sync::STEADY;
use crate::sync::atomic::{Ordering, fence};
use crate::tokio_quirks;

/// A worker of an engine: see the table of its states there.
///
/// Dropped before its end, as by a runtime that shuts down, it aborts the engine, so that what waits for an item is woken
/// and finds it dropped.
pub(super) struct Worker {
    engine: Arc<EngineState>,
    post: Post,
    state: WorkerState,
    /// What ran last, and its generation: counted when the next item is found, or nothing more is.
    ran: Option<(Run, u32)>,
    /// The name in the seat, while the worker runs items.
    published: Option<&'static str>,
    results: ResultCache,
    /// How many callbacks are timed together.
    group_size: u32,
    /// The end of an item that runs on the blocking pool, which a serial engine waits for.
    blocked: Option<oneshot::Receiver<()>>,
    /// Whether it is itself on the blocking pool.
    is_elsewhere: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WorkerState {
    Running,
    Searching,
    Parked,
    Ended,
}

/// Why a worker stops running items.
enum Pause {
    /// The share of this poll is used up.
    Over,
    /// Nothing is there.
    Empty,
    /// An item runs elsewhere, and the next waits for it.
    Blocked,
}

/// Unparks a worker, unless one searches.
#[cold]
pub(super) fn unpark_one(engine: &Arc<EngineState>) {
    if let Some(unparked) = engine.parking.unpark_one(false) {
        run(engine, unparked);
    }
}

/// Something waits that no worker came for: unparks one even if another searches, or wakes the runtime.
pub(super) fn unpark_another(engine: &Arc<EngineState>) {
    match engine.parking.unpark_one(true) {
        Some(unparked) => run(engine, unparked),
        None if engine.parking.is_searched() => tokio_quirks::wake_a_worker(engine.spawner.runtime()),
        None => {}
    }
}

/// Starts a further worker on the blocking pool, where all are held up.
pub(super) fn grow(engine: &Arc<EngineState>) {
    if !engine.seats().any(|seat| seat.busy.load(Ordering::Relaxed)) {
        // The runtime is not driven at all.
        return;
    }
    if let Some(post) = engine.parking.take_helper() {
        Called::call(engine, Some(post));
    }
}

/// Calls a substitute for a worker whose task waits for a thread that is held up. False if there is no such worker.
pub(super) fn replace(engine: &Arc<EngineState>) -> bool {
    if engine.parking.calls_substitute() {
        Called::call(engine, None);
    }
    engine.parking.is_any_due()
}

/// A helper or a substitute that was called to the blocking pool and has no thread yet. The pool may be full of what waits for
/// this very queue, so it takes its place when it has a thread.
///
/// The runtime drops it only when it ends. No other worker may come then, and the thread that the runtime waits for may wait
/// for this queue.
struct Called {
    /// Taken when it has a thread.
    engine: Option<Arc<EngineState>>,
    /// The post of a helper.
    helper: Option<Post>,
}

impl Called {
    fn call(engine: &Arc<EngineState>, helper: Option<Post>) {
        let called = Called { engine: Some(engine.clone()), helper };
        drop(engine.spawner.runtime().spawn_blocking(move || called.comes()));
    }

    fn comes(mut self) {
        let Some(engine) = self.engine.take() else { return };
        let worker = match self.helper {
            Some(post) => Some(Worker::new(engine, post, WorkerState::Running)),
            None => Worker::substitute(&engine),
        };
        worker.into_iter().for_each(Worker::run_elsewhere);
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        let Some(engine) = self.engine.take() else { return };
        engine.tokens.runtime_ends();
        abort(&engine);
    }
}

/// Drops what is queued; the workers end.
pub(super) fn abort(engine: &EngineState) {
    engine.abort();
    engine.parking.unpark_all().into_iter().for_each(Waker::wake);
}

/// What a worker does when it has parked or left.
fn look_again(engine: &Arc<EngineState>) {
    // ORDERING: SeqCst, see `Waiters::any`.
    fence(Ordering::SeqCst);
    engine.waiters.notify();
    // Under the injector's lock: either a put sees that the worker is parked, or this sees its item.
    if engine.has_work() {
        unpark_one(engine);
    }
}

fn run(engine: &Arc<EngineState>, unparked: Unparked) {
    if let Some(hold) = engine.spawner.hold() {
        hold.hold(engine.spawner.runtime());
    }
    match unparked {
        Unparked::Wake(waker) => waker.wake(),
        Unparked::Spawn(post) => {
            let worker = Worker::new(engine.clone(), post, WorkerState::Searching);
            engine.spawner.spawn(engine.on.queue, worker);
        }
    }
    // This thread may be held up by the callback that it runs.
    if CurrentQueue::is_any() && engine.spawner.has_workers() {
        tokio_quirks::leave_lifo_slot(engine.spawner.runtime());
    }
}

impl Worker {
    fn new(engine: Arc<EngineState>, post: Post, state: WorkerState) -> Worker {
        let results = ResultCache::new(engine.tokens.clone());
        // Its seat is there before the task runs, and so are those of lower numbers: the first that is missing ends the row.
        (0..=post.number).for_each(|number| _ = engine.seat(number));
        Worker {
            post,
            state,
            ran: None,
            published: None,
            results,
            group_size: 1,
            blocked: None,
            is_elsewhere: false,
            engine,
        }
    }

    /// What takes the place of a worker that is due.
    pub(super) fn substitute(engine: &Arc<EngineState>) -> Option<Worker> {
        let (post, searching) = engine.parking.replace()?;
        let state = if searching { WorkerState::Searching } else { WorkerState::Running };
        Some(Worker::new(engine.clone(), post, state))
    }

    fn seat(&self) -> &Seat {
        self.engine.seat(self.post.number)
    }

    /// Runs what there is.
    fn run(&mut self, budget: &mut Budget) -> Pause {
        let _entered = self.engine.on.enter();
        loop {
            let mut found = self.find(budget.group_size());
            // By reference, because moving an item costs as much as running a small callback.
            let Some(item) = &mut found else {
                self.flush(budget);
                return Pause::Empty;
            };
            self.count_last();
            self.found();
            let is_turn = item.is_turn();
            let engine = &self.engine;
            // ORDERING: Relaxed, a flag that orders nothing.
            let blocks =
                item.flags.contains(CallbackFlags::BLOCKING) || engine.long_running.load(Ordering::Relaxed);
            if blocks || item.is_timed_alone() {
                // A group of callbacks ends with what is no part of it.
                self.flush_time(budget);
            }
            if let Some(wait) = item.waited(budget.now()) {
                self.seat().counters.add_wait(wait);
            }
            if blocks && !is_turn && self.hands_over() {
                found.into_iter().for_each(|item| self.hand_over(item));
                if self.engine.serial {
                    return Pause::Blocked;
                }
            } else if blocks && !is_turn && self.is_elsewhere {
                tokio::task::block_in_place(|| self.run_item(item, budget));
            } else {
                self.run_item(item, budget);
            }
            if budget.consume() {
                self.flush(budget);
                return Pause::Over;
            }
        }
    }

    /// The next item: the oldest of the highest priority. What lies in a local queue was put before what lies in the
    /// injector, and its worker may be held up while the injector is never empty, so another's local queue comes first.
    #[inline(always)]
    fn find(&self, group: u32) -> Option<Queued> {
        let (engine, injector, seat) = (&*self.engine, &self.engine.injector, self.seat());
        // Returned as they are: taken apart and wrapped again, items would be copied once more.
        if injector.waits(Priority::High as usize) {
            let high = injector.take(Priority::High);
            if high.is_some() {
                return high;
            }
        }
        if seat.waits() {
            let local = seat.pop(injector);
            if local.is_some() {
                return local;
            }
        }
        if !engine.serial {
            let stolen = engine.steal(self.post.number);
            if stolen.is_some() {
                return stolen;
            }
        }
        if injector.waits(Priority::Normal as usize) {
            let normal = if group == 1 { injector.take(Priority::Normal) } else { seat.take_from(injector) };
            if normal.is_some() {
                return normal;
            }
        }
        if !injector.waits(Priority::Low as usize) {
            return None;
        }
        // Another worker may have taken what was normal since its local queue was looked at.
        let stolen = if engine.serial { None } else { engine.steal(self.post.number) };
        if stolen.is_some() { stolen } else { injector.take(Priority::Low) }
    }

    /// An item was found: whether another worker shall look for more is this one's to decide, if it was the last searcher.
    #[inline]
    fn found(&mut self) {
        if self.state != WorkerState::Searching {
            return;
        }
        self.state = WorkerState::Running;
        // ORDERING: Relaxed, a hint for the monitor.
        self.seat().busy.store(true, Ordering::Relaxed);
        if self.engine.parking.stop_searching() && self.engine.has_work() {
            unpark_one(&self.engine);
        }
    }

    #[inline(always)]
    fn run_item(&mut self, item: &mut Queued, budget: &mut Budget) {
        let on = self.engine.on;
        if item.is_turn() {
            if self.published.take().is_some() {
                *self.seat().running() = None;
            }
            budget.has_local = self.seat().waits();
            item.run(None, on, budget, &mut self.results);
            self.engine.end_turn();
            self.seat().counters.add_turn();
            return;
        }
        let name = item.name();
        // Once for a row of callbacks of the same name.
        if let Some(name) = name.filter(|name| self.published.is_none_or(|other| !std::ptr::eq(other, *name)))
        {
            self.published = Some(name);
            *self.seat().running() = Some(Running { name, since: budget.now(), awaits_reply: false });
        }
        let run = item.run(name, on, budget, &mut self.results);
        if run.is_some_and(|run| run.time.is_some()) {
            self.set_quick(budget);
        }
        self.ran = run.map(|run| (run, item.generation));
    }

    /// Whether items that block run on another thread. A serial engine's substitute, which is on the blocking pool, does not
    /// wait for a second thread: there may be none.
    fn hands_over(&self) -> bool {
        !(self.engine.spawner.is_one_thread() || self.is_elsewhere && self.engine.serial)
    }

    /// Hands an item to the blocking pool.
    fn hand_over(&mut self, item: Queued) {
        let (done, end) = oneshot::channel::<()>();
        if self.engine.serial {
            self.blocked = Some(end);
        }
        if self.published.take().is_some() {
            *self.seat().running() = None;
        }
        let (engine, generation) = (self.engine.clone(), item.generation);
        let key = engine.begin_outside(item.running(Instant::now()));
        self.results.give_token_up();
        let (results, on, number) = (self.results.elsewhere(), engine.on, self.post.number);
        run_blocking(self.engine.spawner.runtime(), item, on, results, move |run| {
            engine.end_outside(key, generation, run);
            if engine.serial {
                // Before it is woken, so that it is not due any more once it runs.
                engine.parking.yields(number);
            }
            drop(done);
        });
    }

    /// Counts what ran last.
    #[inline]
    fn count_last(&mut self) {
        if let Some((run, generation)) = self.ran.take() {
            self.seat().counters.add(generation, run);
            // Without a fence: a waiter that registers at this very moment may be missed. It is seen when the worker
            // parks, and by the monitor's next tick if a callback holds the worker up.
            if self.engine.waiters.any() {
                self.engine.notify_barriers(generation);
            }
        }
    }

    /// Nothing more runs for now: the last run is counted, with its time, and nothing is held.
    fn flush(&mut self, budget: &mut Budget) {
        self.results.give_token_up();
        self.flush_time(budget);
        // Before the count: what waits for that must not find it running.
        if self.published.take().is_some() {
            *self.seat().running() = None;
        }
        self.count_last();
    }

    /// Reads the clock, if callbacks have run since it was read last.
    fn flush_time(&mut self, budget: &mut Budget) {
        let Some(time) = budget.flush(self.engine.on.queue) else { return };
        match &mut self.ran {
            Some((run, _)) => run.time = Some(time),
            None => self.seat().counters.add_time(time),
        }
        self.set_quick(budget);
    }

    fn set_quick(&self, budget: &Budget) {
        let quick = budget.group_size() > 1;
        // ORDERING: Relaxed, twice: a hint for what to measure.
        if self.engine.quick.load(Ordering::Relaxed) != quick {
            self.engine.quick.store(quick, Ordering::Relaxed);
        }
    }

    /// The task goes on; false if it ends, because the worker was replaced meanwhile.
    fn arrives(&mut self) -> bool {
        let arrives = self.engine.parking.arrive(self.post);
        if !arrives {
            self.state = WorkerState::Ended;
        }
        arrives
    }

    /// Parks, or ends if the engine is closed.
    fn park(&mut self, waker: &Waker) -> Poll<()> {
        let engine = self.engine.clone();
        // ORDERING: Relaxed, a hint for the monitor.
        self.seat().busy.store(false, Ordering::Relaxed);
        let searching = self.state == WorkerState::Searching;
        let parks = engine.parking.park(self.post.number, waker, searching, || !engine.is_open());
        self.state = if parks { WorkerState::Parked } else { WorkerState::Ended };
        if !parks {
            engine.parking.leave(self.post.number, searching);
        }
        look_again(&engine);
        if parks { Poll::Pending } else { Poll::Ready(()) }
    }

    /// What a helper or a substitute does: it runs what there is, but not for ever, and ends. What is left is a worker's.
    ///
    /// Its thread says to tokio that it runs tasks, as a worker's does: a callback that drops the runtime waits for no thread
    /// there. On a thread that says nothing it would wait for this very one.
    pub(super) fn run_elsewhere(self) {
        let runtime = self.engine.spawner.runtime().clone();
        runtime.block_on(self.run_shift());
    }

    async fn run_shift(mut self) {
        self.is_elsewhere = true;
        self.seat().busy.store(true, Ordering::Relaxed);
        let start = Instant::now();
        loop {
            let mut budget = Budget::new(Instant::now(), self.group_size);
            let stop = self.run(&mut budget);
            self.group_size = budget.group_size();
            if matches!(stop, Pause::Empty) || start.elapsed() > SHIFT {
                break;
            }
            // What is polled next has tokio's budget anew.
            tokio::task::yield_now().await;
        }
        self.seat().busy.store(false, Ordering::Relaxed);
        let searching = self.state == WorkerState::Searching;
        self.state = WorkerState::Ended;
        let engine = self.engine.clone();
        engine.parking.leave(self.post.number, searching);
        look_again(&engine);
    }
}

impl Future for Worker {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let worker = &mut *self;
        if !worker.arrives() {
            return Poll::Ready(());
        }
        if worker.state == WorkerState::Parked {
            worker.state = WorkerState::Searching;
        }
        let unparked = worker.engine.spawner.hold().map_or(0, |hold| hold.unparked());
        let mut budget = Budget::new(Instant::now(), worker.group_size);
        loop {
            if let Some(blocked) = &mut worker.blocked {
                // Either the item has ended or its thread is gone; both mean that the next may run.
                let _ = ready!(Pin::new(blocked).poll(cx));
                worker.blocked = None;
                if !worker.arrives() {
                    return Poll::Ready(());
                }
                budget.read();
            }
            let stop = worker.run(&mut budget);
            worker.group_size = budget.group_size();
            match stop {
                Pause::Blocked => {}
                Pause::Over => {
                    worker.engine.parking.yields(worker.post.number);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Pause::Empty => {
                    let poll = worker.park(cx.waker());
                    // Last: the clock may go on when everything that waited for this was woken.
                    if let Some(hold) = worker.engine.spawner.hold() {
                        hold.release(unparked);
                    }
                    return poll;
                }
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.state != WorkerState::Ended {
            self.results.give_token_up();
            self.count_last();
            abort(&self.engine);
        }
    }
}

/// After so long a helper or a substitute gives its thread back, which others may wait for.
const SHIFT: Duration = if STEADY { Duration::from_secs(3600) } else { Duration::from_millis(100) };
