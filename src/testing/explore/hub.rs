//! `Hub`: what the threads of one run share. One thread goes on at a time; what it is given for the others, it hands on.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::stepping::{LocalTask, SendTask, SteppedQueue};
use crate::sync::LockExt;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::testing::explore::record::Record;
use crate::testing::explore::settings::Settings;
use crate::testing::explore::strategy::Chooser;
use crate::testing::explore::wakes::Wakes;

/// What the threads of one run share.
pub(super) struct Hub {
    pub(super) settings: Settings,
    pub(super) wakes: Arc<Wakes>,
    chooser: Mutex<Chooser>,
    record: Mutex<Record>,
    given: Mutex<Vec<Given>>,
    pub(super) panics: Mutex<Vec<PanicText>>,
    /// Whether callbacks may be left in the middle.
    is_open: AtomicBool,
}

/// What is given to the world.
pub(super) enum Given {
    Queue(Arc<dyn SteppedQueue>),
    Task(String, SendTask),
    Local(String, Box<dyn FnOnce() -> LocalTask + Send>),
    Blocking(Box<dyn FnOnce() + Send>),
}

/// A panic of a run.
pub(super) struct PanicText {
    pub(super) message: String,
    pub(super) place: String,
}

thread_local! {
    static HUB: RefCell<Option<Arc<Hub>>> = const { RefCell::new(None) };
}

impl Hub {
    pub(super) fn new(settings: Settings, chooser: Chooser, record: Record, wakes: Wakes) -> Arc<Hub> {
        Arc::new(Hub {
            settings,
            wakes: Arc::new(wakes),
            chooser: Mutex::new(chooser),
            record: Mutex::new(record),
            given: Mutex::default(),
            panics: Mutex::default(),
            is_open: AtomicBool::new(true),
        })
    }

    /// The hub of the run that this thread belongs to.
    pub(super) fn current() -> Option<Arc<Hub>> {
        HUB.try_with(|hub| hub.borrow().clone()).ok().flatten()
    }

    /// This thread belongs to this run, or to none.
    pub(super) fn enter(hub: Option<Arc<Hub>>) {
        drop(HUB.replace(hub));
    }

    pub(super) fn chooser(&self) -> MutexGuard<'_, Chooser> {
        self.chooser.locked()
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.locked()
    }

    pub(super) fn give(&self, given: Given) {
        self.given.locked().push(given);
    }

    pub(super) fn take_given(&self) -> Vec<Given> {
        std::mem::take(&mut *self.given.locked())
    }

    /// Which fault happens: 0 is none.
    pub(super) fn choose_fault(&self, weights: &[f64]) -> usize {
        let choice = self.chooser().choose_fault(weights);
        self.record().chose_alone(choice);
        choice
    }

    /// Whether a callback may be left in the middle.
    pub(super) fn may_pause(&self) -> bool {
        // ORDERING: Relaxed: one thread goes on at a time.
        self.settings.preempts && self.is_open.load(Ordering::Relaxed)
    }

    /// The run is over: what is in the middle goes on to its end.
    pub(super) fn close(&self) {
        self.is_open.store(false, Ordering::Relaxed);
    }
}
