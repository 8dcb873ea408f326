//! Wakes: which tasks may be polled, since when, and whether the runtime may let time pass.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use crate::stepping;
use crate::sync::LockExt;

/// What the wakers of one run share, also with other threads.
#[derive(Default)]
pub(super) struct Wakes {
    /// Counts what happens.
    clock: AtomicU64,
    /// When the runtime's own tasks last had a turn.
    ran_at: AtomicU64,
    /// Wakes the run itself.
    run: Mutex<Option<Waker>>,
    parks: AtomicU8,
    /// Whether the run waits to be woken.
    is_waiting: AtomicBool,
    /// How many steps there were, in this run and those before.
    steps: Arc<SearchProgress>,
}

/// What another thread sees of a run, to find out whether it goes on.
#[derive(Default)]
pub(super) struct SearchProgress {
    pub(super) steps: AtomicU64,
    /// How many callbacks are in the middle, each because the next has overtaken it.
    pub(super) depth: AtomicUsize,
    pub(super) callback: Mutex<Option<(u32, &'static str)>>,
    /// The story of a run is recorded, which takes its time: the lines of the user's code are looked up.
    pub(super) is_told: AtomicBool,
}

/// Whether the runtime may park, by which its paused clock goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Parks {
    Never,
    IfIdle,
    Anyway,
}

impl Wakes {
    pub(super) fn new(progress: Arc<SearchProgress>) -> Wakes {
        Wakes { steps: progress, ..Wakes::default() }
    }

    /// The next number.
    pub(super) fn tick(&self) -> u64 {
        // ORDERING: Relaxed, here and in what follows: a run is one thread, and a wake from another is ordered by its lock.
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn ran_at(&self) -> u64 {
        self.ran_at.load(Ordering::Relaxed)
    }

    /// The runtime's own tasks have a turn.
    pub(super) fn runs(&self) {
        self.ran_at.store(self.tick(), Ordering::Relaxed);
    }

    pub(super) fn stepped(&self) {
        self.steps.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn overtakes(&self, depth: usize) {
        self.steps.depth.store(depth, Ordering::Relaxed);
    }

    pub(super) fn runs_callback(&self, queue: u32, name: &'static str) {
        *self.steps.callback.locked() = Some((queue, name));
    }

    /// The run is about to wait. It looks once more at what may happen after this, and at nothing else.
    pub(super) fn may_park(&self, parks: Parks) {
        self.parks.store(parks as u8, Ordering::Relaxed);
        // ORDERING: SeqCst, with `wake_by_ref`: either that sees that the run waits, or the run sees its task.
        self.is_waiting.store(true, Ordering::SeqCst);
    }

    /// The run goes on, and is woken by this when it waits again.
    pub(super) fn goes_on(&self, waker: &Waker) {
        self.is_waiting.store(false, Ordering::SeqCst);
        let former = self.run.locked().replace(waker.clone());
        drop(former);
    }

    /// The runtime is about to park. Unless it may, the run goes on instead.
    pub(super) fn before_park(&self, is_idle: impl FnOnce() -> bool) {
        let parks = self.parks.swap(Parks::Never as u8, Ordering::Relaxed);
        let may = parks == Parks::Anyway as u8 || parks == Parks::IfIdle as u8 && is_idle();
        if !may {
            self.wake_run();
        }
    }

    /// The run is over. Its waker owns the runtime, which owns this.
    pub(super) fn end(&self) {
        let waker = self.run.locked().take();
        drop(waker);
    }

    fn wake_run(&self) {
        let waker = self.run.locked().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The waker of one task.
pub(super) struct TaskWake {
    name: String,
    is_ready: AtomicBool,
    since: AtomicU64,
    wakes: Arc<Wakes>,
}

impl TaskWake {
    /// A task that is to be polled first.
    pub(super) fn new(wakes: &Arc<Wakes>, name: String) -> Arc<TaskWake> {
        let since = AtomicU64::new(wakes.tick());
        Arc::new(TaskWake { name, is_ready: AtomicBool::new(true), since, wakes: wakes.clone() })
    }

    pub(super) fn is_ready(&self) -> bool {
        // ORDERING: Acquire pairs with the AcqRel in `wake_by_ref`: a poll sees what was done before the wake.
        self.is_ready.load(Ordering::Acquire)
    }

    pub(super) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// It is polled: a wake from now on is for the next poll.
    pub(super) fn begin(&self) {
        // ORDERING: AcqRel, see `is_ready`.
        self.is_ready.swap(false, Ordering::AcqRel);
    }
}

impl Wake for TaskWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.since.store(self.wakes.tick(), Ordering::Relaxed);
        // ORDERING: SeqCst, see `is_ready` and `may_park`.
        if !self.is_ready.swap(true, Ordering::SeqCst) {
            stepping::note(|| format!("woke {}", self.name));
            if self.wakes.is_waiting.load(Ordering::SeqCst) {
                self.wakes.wake_run();
            }
        }
    }
}
