//! The hand-over between puts and workers, in every order that there is: nothing put is ever left behind, nothing is run
//! twice, and workers end.
//!
//! The engine and its workers are the real ones; producers and the threads that poll workers are loom's, and a waker puts a
//! worker back into its thread's queue.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::AtomicBool;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackFlags, Dispatch, QueueId};
use crate::queue::backend::Backend;
use crate::queue::current_queue::CurrentQueue;
use crate::queue::engine::injector::Injector;
use crate::queue::engine::seat::Seat;
use crate::queue::engine::spawner::{LocalFuture, Start};
use crate::queue::engine::worker::Worker;
use crate::queue::engine::{ClockHold, Engine, Spawner};
use crate::queue::priority::Priority;
use crate::queue::table::Queues;
use crate::queue::waiters::Waiters;
use crate::queue::work::Work;
use crate::queue::work_item::WorkItem;
use crate::tracker::Tracker;

/// A thread that polls workers: what is ready for it.
#[derive(Default)]
pub(in crate::queue) struct Executor {
    ready: Mutex<Ready>,
    more: Condvar,
}

#[derive(Default)]
struct Ready {
    /// The numbers of workers that were woken.
    tasks: VecDeque<usize>,
    /// A worker may have been spawned.
    started: bool,
    over: bool,
}

struct Woken {
    task: usize,
    executor: Arc<Executor>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        let mut ready = self.executor.ready.lock().unwrap();
        if !ready.tasks.contains(&self.task) {
            ready.tasks.push_back(self.task);
        }
        drop(ready);
        self.executor.more.notify_one();
    }
}

impl Executor {
    /// Polls workers until all is over.
    fn work(self: &Arc<Executor>, starts: &std::sync::Mutex<UnboundedReceiver<Start>>) {
        let mut tasks: Vec<Option<LocalFuture>> = Vec::new();
        loop {
            let mut ready = self.ready.lock().unwrap();
            while ready.tasks.is_empty() && !ready.started {
                if ready.over {
                    return;
                }
                ready = self.more.wait(ready).unwrap();
            }
            ready.started = false;
            let mut woken = std::mem::take(&mut ready.tasks);
            drop(ready);
            while let Ok(start) = starts.lock().unwrap().try_recv() {
                woken.push_back(tasks.len());
                tasks.push(Some(start()));
            }
            for task in woken {
                let Some(mut polled) = tasks[task].take() else { continue };
                let waker = Waker::from(Arc::new(Woken { task, executor: self.clone() }));
                if polled.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    tasks[task] = Some(polled);
                }
            }
        }
    }

    /// A put may have spawned a worker.
    pub(in crate::queue) fn started(&self) {
        self.ready.lock().unwrap().started = true;
        self.more.notify_one();
    }

    pub(in crate::queue) fn end(&self) {
        self.ready.lock().unwrap().over = true;
        self.more.notify_all();
    }
}

/// Items are put on the engine itself: no result leads back to a platform.
fn nowhere() -> Weak<dyn Dispatch> {
    Weak::<Queues>::new()
}

/// An engine, what it runs on, and how much has run.
pub(in crate::queue) struct World {
    pub(in crate::queue) engine: Engine,
    pub(in crate::queue) executors: Vec<Arc<Executor>>,
    starts: Arc<std::sync::Mutex<UnboundedReceiver<Start>>>,
    pub(in crate::queue) tracker: Tracker<Weak<dyn Dispatch>>,
    run: Arc<Counted>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Counted {
    is_serial: bool,
    /// Whether one runs at this moment.
    runs: AtomicBool,
    run: Mutex<usize>,
    more: Condvar,
}

impl AsyncCallback for Counted {
    fn invoke(&self, _: &AsyncResult) {
        assert!(!self.is_serial || !self.runs.swap(true, Ordering::SeqCst));
        *self.run.lock().unwrap() += 1;
        self.runs.store(false, Ordering::SeqCst);
        self.more.notify_all();
    }
}

impl Counted {
    /// An engine that leaves an item behind makes this wait for ever, and that is what loom reports.
    fn wait_for(&self, count: usize) {
        let mut run = self.run.lock().unwrap();
        while *run < count {
            run = self.more.wait(run).unwrap();
        }
        assert_eq!(*run, count);
    }
}

impl World {
    pub(in crate::queue) fn new(workers: usize) -> Arc<World> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (start, starts) = unbounded_channel();
        let on = CurrentQueue { platform: 0, queue: QueueId::STANDARD };
        let spawner =
            Spawner::Thread { runtime: runtime.handle().clone(), start, hold: ClockHold::default() };
        let tracker = Tracker::new(nowhere(), None);
        let width = (workers > 1).then_some(workers);
        let engine = Engine::new(on, tracker.token_source(), spawner, Arc::default(), width);
        // Workers reach their threads by a channel that loom does not see: what they use is made before that.
        (0..workers).for_each(|number| drop(engine.0.seat(number).running()));
        Arc::new(World {
            engine,
            executors: (0..workers).map(|_| Arc::default()).collect(),
            starts: Arc::new(std::sync::Mutex::new(starts)),
            tracker,
            run: Arc::new(Counted { is_serial: workers == 1, ..Counted::default() }),
            _runtime: runtime,
        })
    }

    pub(in crate::queue) fn threads(&self) -> Vec<thread::JoinHandle<()>> {
        let spawn = |executor: &Arc<Executor>| {
            let (executor, starts) = (executor.clone(), self.starts.clone());
            thread::spawn(move || executor.work(&starts))
        };
        self.executors.iter().map(spawn).collect()
    }

    /// A put may have spawned a worker.
    pub(in crate::queue) fn started(&self) {
        self.executors.iter().for_each(|executor| executor.started());
    }

    /// Ends the engine and its threads.
    pub(in crate::queue) fn end(&self, threads: Vec<thread::JoinHandle<()>>) {
        self.engine.close();
        self.executors.iter().for_each(|executor| executor.end());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    /// Puts an item; false if the engine is closed.
    fn put(&self) -> bool {
        let mut slot = Some(Work::Item(WorkItem::new(self.run.clone())));
        let accepted = self.engine.put(&mut slot, CallbackFlags::empty());
        self.started();
        accepted
    }
}

pub(in crate::queue) fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn what_is_put_while_a_worker_parks_is_run() {
    check(2, || {
        let world = World::new(1);
        let threads = world.threads();
        assert!(world.put());
        world.run.wait_for(1);
        // The worker looks again, parks, or has done so.
        assert!(world.put());
        world.run.wait_for(2);
        world.end(threads);
    });
}

#[test]
fn a_worker_and_its_substitute_run_nothing_at_the_same_time() {
    check(2, || {
        let world = World::new(1);
        assert!(world.put());
        let threads = world.threads();
        if let Some(substitute) = Worker::substitute(&world.engine.0) {
            substitute.run_elsewhere();
        }
        assert!(world.put());
        world.run.wait_for(2);
        world.end(threads);
        let stats = world.engine.stats();
        assert_eq!((stats.put, stats.run, stats.depth, stats.running), (2, 2, 0, 0));
    });
}

#[test]
fn what_two_put_at_the_same_time_is_run_once_each() {
    check(2, || {
        let world = World::new(1);
        let threads = world.threads();
        let producer = thread::spawn({
            let world = world.clone();
            move || assert!(world.put())
        });
        assert!(world.put());
        producer.join().unwrap();
        world.run.wait_for(2);
        world.end(threads);
        let stats = world.engine.stats();
        assert_eq!((stats.put, stats.run, stats.depth), (2, 2, 0));
    });
}

#[test]
fn what_changes_queues_is_seen_in_one_of_them() {
    check(3, || {
        let (injector, seat) = (Arc::new(Injector::default()), Arc::new(Seat::default()));
        for _ in 0..2 {
            let mut slot = Some(Work::Item(WorkItem::new(Arc::new(|_: &AsyncResult| ()))));
            assert!(injector.push(&mut slot, CallbackFlags::empty(), |_| false, || ()).is_some());
        }
        let taker = {
            let (injector, seat) = (injector.clone(), seat.clone());
            thread::spawn(move || assert!(seat.take_from(&injector).is_some()))
        };
        // What another worker asks before it takes an item of low priority, in this order.
        if !injector.waits(Priority::Normal as usize) {
            assert!(seat.waits(), "the second item is seen in neither queue");
        }
        taker.join().unwrap();
    });
}

#[test]
fn what_two_workers_take_and_steal_is_run_once_each() {
    check(1, || {
        let world = World::new(2);
        // They are there before any worker looks, so that one takes a group and the other may steal from it.
        (0..3).for_each(|_| assert!(world.put()));
        let threads = world.threads();
        world.run.wait_for(3);
        world.end(threads);
        let stats = world.engine.stats();
        assert_eq!((stats.put, stats.run, stats.depth, stats.running), (3, 3, 0, 0));
    });
}

#[test]
fn a_barrier_passes_when_what_was_put_before_it_has_run() {
    check(2, || {
        let world = World::new(1);
        let threads = world.threads();
        assert!(world.put());
        let mark = world.engine.mark();
        assert!(world.put());
        loom::future::block_on(world.engine.waiters().until(|| world.engine.passed(mark)));
        assert!(world.engine.stats().run >= 1);
        world.run.wait_for(2);
        world.end(threads);
    });
}

#[test]
fn what_a_closing_engine_accepts_is_run() {
    check(2, || {
        let world = World::new(1);
        let threads = world.threads();
        assert!(world.put());
        let closer = thread::spawn({
            let world = world.clone();
            move || world.engine.close()
        });
        let accepted = 1 + usize::from(world.put());
        closer.join().unwrap();
        world.run.wait_for(accepted);
        world.end(threads);
    });
}

#[test]
fn what_an_aborted_engine_accepted_is_run_or_abandoned() {
    check(2, || {
        let world = World::new(1);
        let threads = world.threads();
        let aborter = thread::spawn({
            let world = world.clone();
            move || world.engine.abort()
        });
        world.put();
        aborter.join().unwrap();
        assert!(!world.put());
        world.end(threads);
        let stats = world.engine.stats();
        assert_eq!(stats.put, stats.run + stats.abandoned);
        assert_eq!((stats.depth, stats.running), (0, 0));
    });
}

#[test]
fn a_waiter_is_woken_by_every_change() {
    loom::model(|| {
        let (watch, state) = (Arc::new(Waiters::default()), Arc::new(Mutex::new(false)));
        let changer = thread::spawn({
            let (watch, state) = (watch.clone(), state.clone());
            move || {
                // Under the lock that the watcher's look takes, too.
                *state.lock().unwrap() = true;
                watch.notify();
            }
        });
        let until = watch.until(|| *state.lock().unwrap());
        loom::future::block_on(until);
        changer.join().unwrap();
    });
}

#[test]
fn a_worker_that_is_woken_for_nothing_does_no_harm() {
    check(2, || {
        let world = World::new(1);
        assert!(world.put());
        let mut worker = world.starts.lock().unwrap().try_recv().unwrap()();
        let woken = Arc::new(Wakes::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        for _ in 0..10 {
            assert!(matches!(worker.as_mut().poll(&mut cx), Poll::Pending));
        }
        // It is parked, and the engine knows.
        let before = woken.0.load(Ordering::Relaxed);
        assert!(world.put());
        assert_eq!(woken.0.load(Ordering::Relaxed), before + 1);
        assert!(matches!(worker.as_mut().poll(&mut cx), Poll::Pending));
        world.run.wait_for(2);
        world.engine.close();
        assert!(worker.as_mut().poll(&mut cx).is_ready());
    });
}

/// How often a worker was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
