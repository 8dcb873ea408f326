//! The recorder of the feature `timeline`: when each callback was put, began and ended, and what put it.
//!
//! Nothing is recorded, and no clock is read, while no recording is under way.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::async_result::QueueId;
use crate::sync::LockExt;

/// One callback that was called.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Its number, which no other callback of this process has.
    pub(crate) number: u64,
    /// The address of the platform's queues.
    pub(crate) platform: usize,
    pub(crate) queue: QueueId,
    pub(crate) callback: &'static str,
    pub(crate) by: PutBy,
    /// Absent for one that was put before any recording was under way.
    pub(crate) put: Option<Instant>,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// What put a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutBy {
    /// No callback: a task or a thread of the program's.
    Program,
    /// A timer of the platform.
    Timer,
    /// The callback of this number, while it ran.
    Callback(u64),
}

/// A recording under way.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    runs: Mutex<Vec<Recorded>>,
    /// How many callbacks were not kept, because there were too many.
    lost: AtomicU64,
}

impl Recording {
    /// Starts a recording, which [`stop`](Recording::stop) ends.
    pub(crate) fn start() -> Arc<Recording> {
        let recording = Arc::new(Recording::default());
        let mut all = RECORDINGS.locked();
        all.push(recording.clone());
        // ORDERING: Relaxed, a hint: a put that does not see it yet is one from before the recording.
        ACTIVE.store(all.len(), Ordering::Relaxed);
        recording
    }

    pub(crate) fn stop(self: &Arc<Recording>) {
        let mut all = RECORDINGS.locked();
        all.retain(|other| !Arc::ptr_eq(other, self));
        // ORDERING: Relaxed, as in `start`.
        ACTIVE.store(all.len(), Ordering::Relaxed);
    }

    /// What was recorded so far, in the order of the ends.
    pub(crate) fn runs(&self) -> Vec<Recorded> {
        self.runs.locked().clone()
    }

    pub(crate) fn lost(&self) -> u64 {
        // ORDERING: Relaxed, a counter that orders nothing.
        self.lost.load(Ordering::Relaxed)
    }

    fn add(&self, run: &Recorded) {
        let mut runs = self.runs.locked();
        if runs.len() < LIMIT {
            runs.push(run.clone());
        } else {
            // ORDERING: Relaxed, a counter that orders nothing.
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// When an item was put, and by what; nothing if no recording is under way.
pub(crate) struct PutMark(Option<(Instant, PutBy)>);

impl PutMark {
    #[inline]
    pub(crate) fn current() -> PutMark {
        PutMark(is_active().then(|| (Instant::now(), CURRENT.with(Cell::get))))
    }

    /// Calls the callback, and records the call.
    #[inline]
    pub(crate) fn call<T>(
        &self,
        platform: usize,
        queue: QueueId,
        callback: &'static str,
        call: impl FnOnce() -> T,
    ) -> T {
        if !is_active() {
            return call();
        }
        let (put, by) = self.0.map_or((None, PutBy::Program), |(put, by)| (Some(put), by));
        // ORDERING: Relaxed: only the number's uniqueness matters.
        let number = CALLS.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let value = within(PutBy::Callback(number), call);
        let run = Recorded { number, platform, queue, callback, by, put, began, ended: Instant::now() };
        RECORDINGS.locked().iter().for_each(|recording| recording.add(&run));
        value
    }
}

/// Calls; what is put meanwhile is put by `by`.
pub(crate) fn within<T>(by: PutBy, call: impl FnOnce() -> T) -> T {
    /// Restores the former one, even if `call` unwinds.
    struct FormerPutBy(PutBy);
    impl Drop for FormerPutBy {
        fn drop(&mut self) {
            CURRENT.with(|current| current.set(self.0));
        }
    }
    let _restore = FormerPutBy(CURRENT.with(|current| current.replace(by)));
    call()
}

/// Whether a recording is under way.
#[inline]
fn is_active() -> bool {
    // ORDERING: Relaxed, see `Recording::start`.
    ACTIVE.load(Ordering::Relaxed) > 0
}

std::thread_local! {
    /// What puts on this thread now.
    static CURRENT: Cell<PutBy> = const { Cell::new(PutBy::Program) };
}

static RECORDINGS: Mutex<Vec<Arc<Recording>>> = Mutex::new(Vec::new());
static ACTIVE: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Largest number of callbacks that a recording keeps: about 100 MB.
pub(crate) const LIMIT: usize = 1_000_000;
