//! Parts: an item that is left in the middle, on a thread of its own, while others go on.
//!
//! Of the threads of a run one goes on at a time: the run waits until the item's thread has left it in the middle, or has
//! ended it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tokio::runtime::Handle;

use crate::stepping::{self, LocalTask, SendTask, SteppedQueue, Stepper};
use crate::testing::explore::hub::{Given, Hub};
use crate::testing::explore::record::place;

/// An item in the middle of its callback.
pub(super) struct Part {
    thread: Helper,
    go_on: Sender<()>,
    signals: Receiver<PartSignal>,
}

enum PartSignal {
    Left,
    Ended,
}

/// A thread that runs items.
struct Helper(Sender<Box<dyn FnOnce() + Send>>);

thread_local! {
    /// The helpers of this thread that have nothing to do.
    static IDLE: RefCell<Vec<Helper>> = const { RefCell::new(Vec::new()) };
}

impl Part {
    /// Begins an item; `None` if it has ended.
    pub(super) fn begin(hub: &Arc<Hub>, step: impl FnOnce() + Send + 'static) -> Option<Part> {
        let thread = IDLE.with_borrow_mut(Vec::pop).unwrap_or_else(Helper::start);
        let (go_on, goes_on) = channel();
        let (signal, signals) = channel();
        let (hub, runtime) = (hub.clone(), Handle::current());
        let job = move || {
            let entered = runtime.enter();
            let is_told = hub.record().is_told();
            Hub::enter(Some(hub.clone()));
            let left = signal.clone();
            let installed = stepping::install(Rc::new(PartStepper { hub, signal: left, goes_on }));
            stepping::set_recording(is_told);
            step();
            drop(installed);
            Hub::enter(None);
            drop(entered);
            drop(runtime);
            let _ = signal.send(PartSignal::Ended);
        };
        let _ = thread.0.send(Box::new(job));
        Part { thread, go_on, signals }.until_left()
    }

    /// Goes on with it; `None` if it has ended.
    pub(super) fn go_on(self) -> Option<Part> {
        let _ = self.go_on.send(());
        self.until_left()
    }

    fn until_left(self) -> Option<Part> {
        match self.signals.recv() {
            Ok(PartSignal::Left) => Some(self),
            Ok(PartSignal::Ended) => {
                IDLE.with_borrow_mut(|idle| idle.push(self.thread));
                None
            }
            // Its thread is gone, by a panic outside of every callback.
            Err(_) => None,
        }
    }
}

impl Helper {
    fn start() -> Helper {
        let (jobs, job) = channel::<Box<dyn FnOnce() + Send>>();
        let thread = thread::Builder::new().name("mf-async-explore".to_owned());
        let started = thread.spawn(move || job.into_iter().for_each(|job| job()));
        drop(started.expect("the system gives a thread"));
        Helper(jobs)
    }
}

/// The stepper of a helper's thread: what is given to it goes to the world.
struct PartStepper {
    hub: Arc<Hub>,
    signal: Sender<PartSignal>,
    goes_on: Receiver<()>,
}

impl Stepper for PartStepper {
    fn width(&self) -> usize {
        self.hub.settings.width
    }

    fn add_queue(&self, queue: Arc<dyn SteppedQueue>) {
        self.hub.give(Given::Queue(queue));
    }

    fn add_task(&self, name: String, task: SendTask) {
        self.hub.give(Given::Task(name, task));
    }

    fn add_local(&self, name: String, make: Box<dyn FnOnce() -> LocalTask + Send>) {
        self.hub.give(Given::Local(name, make));
    }

    fn add_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        self.hub.give(Given::Blocking(work));
    }

    fn has_begun(&self, queue: u32, name: &'static str) {
        self.hub.wakes.runs_callback(queue, name);
        self.hub.record().has_begun(queue, name);
    }

    fn pause(&self) {
        if !self.hub.may_pause() {
            return;
        }
        let leaves = self.hub.chooser().leaves_part();
        self.hub.record().chose_alone(usize::from(leaves));
        if leaves {
            stepping::note(|| "is overtaken here".to_owned());
            let _ = self.signal.send(PartSignal::Left);
            // An error means that the run is gone, with its thread.
            let _ = self.goes_on.recv();
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
