//! The hand-over between puts and drain tasks, in every order that there is: nothing put is ever left
//! lying, nothing is run twice, and drain tasks end.
//!
//! The pool and its drain tasks are the real ones; producers and the workers that poll drain tasks are
//! loom's threads, and a waker puts a drain task back into the workers' queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Condvar, Mutex};
use loom::thread;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackFlags, QueueId};
use crate::keepalive::Lender;
use crate::queue::item::{Call, Item, Place};
use crate::queue::lanes::Priority;
use crate::queue::pool::{Host, Pool};
use crate::queue::watch::Watch;
use crate::queue::window::{Local, Start};

/// The worker: what is ready for it.
#[derive(Default)]
pub(in crate::queue) struct Executor {
    ready: Mutex<Ready>,
    more: Condvar,
}

#[derive(Default)]
struct Ready {
    /// The numbers of drain tasks that were woken.
    tasks: VecDeque<usize>,
    /// A drain task may have been started.
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
    /// Polls drain tasks until all is over.
    fn work(self: &Arc<Executor>, mut starts: UnboundedReceiver<Start>) {
        let mut tasks: Vec<Option<Local>> = Vec::new();
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
            while let Ok(start) = starts.try_recv() {
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

    /// A put may have started a drain task.
    pub(in crate::queue) fn started(&self) {
        self.ready.lock().unwrap().started = true;
        self.more.notify_one();
    }

    pub(in crate::queue) fn end(&self) {
        self.ready.lock().unwrap().over = true;
        self.more.notify_all();
    }
}

/// A pool, what it runs on, and how much has run.
pub(in crate::queue) struct World {
    pub(in crate::queue) pool: Arc<Pool>,
    pub(in crate::queue) executor: Arc<Executor>,
    starts: Mutex<Option<UnboundedReceiver<Start>>>,
    pub(in crate::queue) lender: Lender,
    run: Arc<Counted>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Counted {
    run: Mutex<usize>,
    more: Condvar,
}

impl AsyncCallback for Counted {
    fn invoke(&self, _: &AsyncResult) {
        *self.run.lock().unwrap() += 1;
        self.more.notify_all();
    }
}

impl Counted {
    /// A pool that leaves an item lying makes this wait for ever, and that is what loom reports.
    fn wait_for(&self, count: usize) {
        let mut run = self.run.lock().unwrap();
        while *run < count {
            run = self.more.wait(run).unwrap();
        }
        assert_eq!(*run, count);
    }
}

impl World {
    pub(in crate::queue) fn new(width: usize) -> Arc<World> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (start, starts) = unbounded_channel();
        let place = Place { platform: 0, queue: QueueId::STANDARD };
        let host = Host::Thread { runtime: runtime.handle().clone(), start };
        let lender = Lender::new();
        let pool = match width {
            1 => Pool::serial(place, tracker.token_source(), host),
            _ => Pool::parallel(place, tracker.token_source(), width, host),
        };
        Arc::new(World {
            pool,
            executor: Arc::default(),
            starts: Mutex::new(Some(starts)),
            lender,
            run: Arc::default(),
            _runtime: runtime,
        })
    }

    pub(in crate::queue) fn worker(&self) -> thread::JoinHandle<()> {
        let (executor, starts) = (self.executor.clone(), self.starts.lock().unwrap().take().unwrap());
        thread::spawn(move || executor.work(starts))
    }

    /// Puts an item; false if the pool is closed.
    fn put(&self) -> bool {
        let call = Call { callback: self.run.clone(), state: None };
        let item = Item::call(call, CallbackFlags::empty(), Priority::Normal);
        let accepted = self.pool.put(item).is_ok();
        self.executor.started();
        accepted
    }
}

pub(in crate::queue) fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn what_is_put_while_a_drain_task_goes_to_rest_is_run() {
    check(2, || {
        let world = World::new(1);
        let worker = world.worker();
        assert!(world.put());
        world.run.wait_for(1);
        // The drain task looks again, rests, or has done so.
        assert!(world.put());
        world.run.wait_for(2);
        world.pool.close();
        world.executor.end();
        worker.join().unwrap();
    });
}

#[test]
fn what_two_put_at_the_same_time_is_run_once_each() {
    check(2, || {
        let world = World::new(1);
        let worker = world.worker();
        let producer = thread::spawn({
            let world = world.clone();
            move || assert!(world.put())
        });
        assert!(world.put());
        producer.join().unwrap();
        world.run.wait_for(2);
        world.pool.close();
        world.executor.end();
        worker.join().unwrap();
        let stats = world.pool.stats();
        assert_eq!((stats.put, stats.depth), (2, 0));
    });
}

#[test]
fn what_a_closing_pool_accepts_is_run() {
    check(2, || {
        let world = World::new(1);
        let worker = world.worker();
        assert!(world.put());
        let closer = thread::spawn({
            let world = world.clone();
            move || world.pool.close()
        });
        let accepted = 1 + usize::from(world.put());
        closer.join().unwrap();
        world.run.wait_for(accepted);
        world.executor.end();
        worker.join().unwrap();
    });
}

#[test]
fn what_a_killed_pool_accepted_is_run_or_abandoned() {
    check(2, || {
        let world = World::new(1);
        let worker = world.worker();
        let killer = thread::spawn({
            let world = world.clone();
            move || world.pool.kill()
        });
        world.put();
        killer.join().unwrap();
        assert!(!world.put());
        world.executor.end();
        worker.join().unwrap();
        let stats = world.pool.stats();
        assert_eq!(stats.put, stats.run + stats.abandoned);
        assert_eq!((stats.depth, stats.running), (0, 0));
    });
}

#[test]
fn who_watches_is_told_of_every_change() {
    loom::model(|| {
        let (watch, state) = (Arc::new(Watch::default()), Arc::new(Mutex::new(false)));
        let changer = thread::spawn({
            let (watch, state) = (watch.clone(), state.clone());
            move || {
                // Under the lock that the watcher's look takes, too.
                *state.lock().unwrap() = true;
                watch.tell();
            }
        });
        let until = watch.until(|| *state.lock().unwrap());
        loom::future::block_on(until);
        changer.join().unwrap();
    });
}

#[test]
fn a_drain_task_that_is_woken_for_nothing_does_no_harm() {
    check(2, || {
        let world = World::new(1);
        assert!(world.put());
        let mut drain = world.starts.lock().unwrap().as_mut().unwrap().try_recv().unwrap()();
        let woken = Arc::new(Wakes::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        for _ in 0..10 {
            assert!(matches!(drain.as_mut().poll(&mut cx), Poll::Pending));
        }
        // It rests, and the pool knows.
        let before = woken.0.load(Ordering::Relaxed);
        assert!(world.put());
        assert_eq!(woken.0.load(Ordering::Relaxed), before + 1);
        assert!(matches!(drain.as_mut().poll(&mut cx), Poll::Pending));
        world.run.wait_for(2);
        world.pool.close();
        assert!(drain.as_mut().poll(&mut cx).is_ready());
    });
}

/// How often somebody was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
