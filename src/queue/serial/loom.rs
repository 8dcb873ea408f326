//! The step of a serial queue, in every order that there is: one item at a time, in the order of the puts, and
//! the next one comes, even if a reply, a close or the end of the platform comes meanwhile.
//!
//! The serial queue, the engine below and its worker are the real ones; see the engine's own models.

use std::panic::Location;
use std::sync::{Arc, Weak};

use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::async_result::{AsyncResult, CallbackFlags, Parts, QueueId};
use crate::queue::backend::Backend;
use crate::queue::current_queue::CurrentQueue;
use crate::queue::engine::loom::{World, check};
use crate::queue::kind::{Queue, QueueKind, QueueLock};
use crate::queue::private::Private;
use crate::queue::serial::Serial;
use crate::queue::work::Work;
use crate::queue::work_item::WorkItem;

/// A serial queue over a serial pool, and what its items record.
struct Model {
    world: Arc<World>,
    serial: Arc<Serial<Queue>>,
    below: Arc<Queue>,
    ran: Arc<Ran>,
}

#[derive(Default)]
struct Ran {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    order: Vec<usize>,
    busy: bool,
    unreplied: Vec<AsyncResult>,
}

impl Ran {
    fn enter(&self, number: usize) {
        let mut state = self.state.lock().unwrap();
        assert!(!std::mem::replace(&mut state.busy, true), "two items at the same time");
        state.order.push(number);
    }

    fn leave(&self) {
        self.state.lock().unwrap().busy = false;
        self.more.notify_all();
    }

    /// A serial queue that forgets an item makes this wait for ever, and that is what loom reports.
    fn wait_for(&self, count: usize) -> Vec<usize> {
        let mut state = self.state.lock().unwrap();
        while state.order.len() < count || state.busy {
            state = self.more.wait(state).unwrap();
        }
        state.order.clone()
    }

    fn unreplied(&self) -> AsyncResult {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(result) = state.unreplied.pop() {
                return result;
            }
            state = self.more.wait(state).unwrap();
        }
    }
}

impl Model {
    fn new() -> Arc<Model> {
        let world = World::new(1);
        let below = Queue::new(
            QueueId::STANDARD,
            QueueKind::Engine(world.engine.clone()),
            Weak::<Private>::new(),
            Location::caller(),
        );
        let on = CurrentQueue { platform: 0, queue: QueueId(0x10_0001) };
        let serial = Serial::new(on, below.clone(), QueueLock::new(&below));
        Arc::new(Model { world, serial, below, ran: Arc::default() })
    }

    /// Puts an item; false if the queue is closed.
    fn put(&self, number: usize, flags: CallbackFlags) -> bool {
        let ran = self.ran.clone();
        let callback = Arc::new(move |result: &AsyncResult| {
            ran.enter(number);
            if flags.contains(CallbackFlags::REPLY) {
                ran.state.lock().unwrap().unreplied.push(result.clone());
            }
            ran.leave();
        });
        let parts = Parts { callback: Some(callback), ..Parts::default() };
        let token = self.world.tracker.token("put an item of a model").unwrap();
        let result = AsyncResult::new(parts, Some(token));
        let taken = self.serial.put(&mut Some(Work::Item(WorkItem::from(result))), flags);
        let is_accepted = taken.is_some();
        if let Some(Some(turn)) = taken {
            assert!(self.below.put(&mut Some(turn), CallbackFlags::empty()), "the engine is open");
        }
        self.world.started();
        is_accepted
    }

    fn end(&self, threads: Vec<thread::JoinHandle<()>>) {
        self.world.end(threads);
    }
}

fn nothing() -> CallbackFlags {
    CallbackFlags::empty()
}

#[test]
fn what_two_put_runs_one_at_a_time() {
    check(2, || {
        let model = Model::new();
        let threads = model.world.threads();
        let producer = thread::spawn({
            let model = model.clone();
            move || assert!(model.put(1, nothing()))
        });
        assert!(model.put(2, nothing()));
        producer.join().unwrap();
        let mut order = model.ran.wait_for(2);
        order.sort_unstable();
        assert_eq!(order, [1, 2]);
        model.end(threads);
    });
}

#[test]
fn what_is_put_while_the_turn_ends_runs_in_order() {
    check(2, || {
        let model = Model::new();
        let threads = model.world.threads();
        assert!(model.put(1, nothing()));
        model.ran.wait_for(1);
        // The turn looks again, is over, or has been.
        assert!(model.put(2, nothing()));
        assert!(model.put(3, nothing()));
        assert_eq!(model.ran.wait_for(3), [1, 2, 3]);
        model.end(threads);
        let stats = model.serial.stats();
        assert_eq!((stats.put, stats.run, stats.depth, stats.running), (3, 3, 0, 0));
    });
}

#[test]
fn a_reply_that_races_with_the_callbacks_return_lets_the_next_run() {
    check(2, || {
        let model = Model::new();
        let threads = model.world.threads();
        let replier = thread::spawn({
            let ran = model.ran.clone();
            move || ran.unreplied().take_reply().unwrap().replied()
        });
        assert!(model.put(1, CallbackFlags::REPLY));
        assert!(model.put(2, nothing()));
        assert_eq!(model.ran.wait_for(2), [1, 2]);
        replier.join().unwrap();
        model.end(threads);
    });
}

#[test]
fn without_a_platform_no_reply_is_waited_for() {
    check(2, || {
        let model = Model::new();
        let threads = model.world.threads();
        assert!(model.put(1, CallbackFlags::REPLY));
        assert!(model.put(2, nothing()));
        model.serial.await_no_replies();
        assert_eq!(model.ran.wait_for(2), [1, 2]);
        model.end(threads);
        model.ran.state.lock().unwrap().unreplied.clear();
    });
}

#[test]
fn what_a_closing_queue_accepts_is_run() {
    check(2, || {
        let model = Model::new();
        let threads = model.world.threads();
        let closer = thread::spawn({
            let model = model.clone();
            move || drop(model.serial.close())
        });
        let accepted = usize::from(model.put(1, nothing()));
        closer.join().unwrap();
        assert!(!model.put(2, nothing()));
        assert_eq!(model.ran.wait_for(accepted).len(), accepted);
        model.end(threads);
    });
}

#[test]
fn what_an_aborted_queue_accepted_is_run_or_abandoned() {
    check(2, || {
        let model = Model::new();
        let threads = model.world.threads();
        let aborter = thread::spawn({
            let model = model.clone();
            move || model.serial.abort()
        });
        model.put(1, nothing());
        aborter.join().unwrap();
        model.end(threads);
        let stats = model.serial.stats();
        assert_eq!(stats.put, stats.run + stats.abandoned);
        assert_eq!((stats.depth, stats.running), (0, 0));
    });
}
