//! The monitor: a thread of the platform that looks every millisecond whether queues with work make progress.
//!
//! It is Go's `sysmon` for two cases. In one, a worker was woken, but tokio does not poll it: for a reason in
//! `tokio_quirks.rs`, or because a task blocks the thread that would. In the other, callbacks hold up all workers of a parallel
//! queue, and may wait for one of the items that wait.
//!
//! A thread rather than a task, because on a runtime of one worker a callback may hold up the only thread, because a
//! paused clock has no timers to wait for, and because a runtime may have no timers at all. It starts with the first put,
//! sleeps while there is nothing to watch, and ends with the platform. It owns nothing of what it watches.

use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::contain::{contain, drop_payload};
use crate::sync::{LockExt, MODELLED};

/// Something that can come to a stop.
pub(crate) trait Monitored: Send + Sync {
    /// Whether something waits.
    fn has_work(&self) -> bool;

    /// A number that changes whenever something is done.
    fn progress(&self) -> u64;

    /// Something waits, and for so many ticks there was no progress.
    fn unstall(self: Arc<Self>, ticks: u32);

    /// Looked at every tick.
    fn tick(&self);

    /// Nothing has waited for a while; false if something does now. After true a further call of
    /// [`Monitor::watch`] is needed.
    fn unwatch(&self) -> bool;
}

/// The platform's side of the monitor. Dropping it ends the thread.
#[derive(Default)]
pub(crate) struct Monitor(Arc<Mutex<Shift>>);

/// What the thread is to do.
#[derive(Default)]
struct Shift {
    thread: Option<Thread>,
    added: Vec<Weak<dyn Monitored>>,
    ended: bool,
}

impl Monitor {
    /// Watches something until it is unwatched.
    #[cold]
    pub(crate) fn watch(&self, watched: Weak<dyn Monitored>) {
        if MODELLED {
            return;
        }
        let mut shift = self.0.locked();
        shift.added.push(watched);
        if shift.thread.is_none() {
            let shift_of_thread = self.0.clone();
            // A system that gives no thread is one without a monitor.
            let thread = thread::Builder::new().name("mf-async-monitor".to_owned());
            let started = thread.spawn(move || watch_all(&shift_of_thread));
            shift.thread = started.ok().map(|started| started.thread().clone());
        } else if let Some(thread) = &shift.thread {
            thread.unpark();
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let mut shift = self.0.locked();
        shift.ended = true;
        if let Some(thread) = &shift.thread {
            thread.unpark();
        }
    }
}

/// Something watched, and what was seen of it.
struct WatchedQueue {
    of: Weak<dyn Monitored>,
    progress: u64,
    /// For how many ticks something has waited without progress, and for how many nothing has waited.
    stalled: u32,
    idle: u32,
}

impl WatchedQueue {
    /// Looks at it; false if it need not be looked at any more.
    fn look(&mut self) -> bool {
        let Some(of) = self.of.upgrade() else { return false };
        of.tick();
        let progress = of.progress();
        let advanced = std::mem::replace(&mut self.progress, progress) != progress;
        if !of.has_work() {
            self.stalled = 0;
            self.idle = if advanced { 0 } else { self.idle + 1 };
            return self.idle < LINGER || !of.unwatch();
        }
        self.idle = 0;
        self.stalled = if advanced { 0 } else { self.stalled.saturating_add(1) };
        if self.stalled > 0 {
            // tokio panics where the system gives its blocking pool no thread. The next tick tries again.
            if let Err(payload) = contain(|| of.unstall(self.stalled)) {
                drop_payload(payload);
            }
        }
        true
    }
}

/// What the thread does.
fn watch_all(shift: &Mutex<Shift>) {
    let mut watched: Vec<WatchedQueue> = Vec::new();
    loop {
        {
            let mut shift = shift.locked();
            if shift.ended {
                return;
            }
            watched.extend(shift.added.drain(..).map(|of| WatchedQueue {
                of,
                progress: 0,
                stalled: 0,
                idle: 0,
            }));
        }
        watched.retain_mut(WatchedQueue::look);
        if watched.is_empty() {
            // What is added after the look above has unparked this thread, and then it does not sleep.
            thread::park();
        } else {
            thread::park_timeout(TICK);
        }
    }
}

/// How long a lost wake-up can last. A tick costs some microseconds of one core while there is work.
const TICK: Duration = Duration::from_millis(1);

/// After so many ticks without work a queue is not looked at any more; the next put then wakes the thread.
const LINGER: u32 = 16;

#[cfg(test)]
#[cfg(not(any(mf_async_loom, mf_async_shuttle)))]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Heard {
        Unstall(u32),
        Tick,
        Unwatch,
    }

    /// The tick that fails.
    const PANICS: u32 = 7;

    struct StandIn {
        has_work: AtomicBool,
        progress: AtomicU64,
        each_look: u64,
        calls: Mutex<Sender<Heard>>,
    }

    impl StandIn {
        fn new(has_work: bool, each_look: u64) -> (Arc<StandIn>, Receiver<Heard>) {
            let (calls, called) = channel();
            let (has_work, progress) = (AtomicBool::new(has_work), AtomicU64::new(0));
            (Arc::new(StandIn { has_work, progress, each_look, calls: Mutex::new(calls) }), called)
        }

        fn call(&self, call: Heard) {
            let _ = self.calls.lock().unwrap().send(call);
        }
    }

    impl Monitored for StandIn {
        fn has_work(&self) -> bool {
            self.has_work.load(Ordering::SeqCst)
        }

        fn progress(&self) -> u64 {
            self.progress.fetch_add(self.each_look, Ordering::SeqCst)
        }

        fn unstall(self: Arc<Self>, ticks: u32) {
            self.call(Heard::Unstall(ticks));
            assert_ne!(ticks, PANICS, "planned");
        }

        fn tick(&self) {
            self.call(Heard::Tick);
        }

        fn unwatch(&self) -> bool {
            self.call(Heard::Unwatch);
            true
        }
    }

    fn wait_for(called: &Receiver<Heard>, call: &Heard) {
        while called.recv_timeout(Duration::from_secs(30)).unwrap() != *call {}
    }

    /// What the looks of a thread at it call, and whether it is still looked at after them.
    fn looks(has_work: bool, each_look: u64, count: u32) -> (Vec<Heard>, bool) {
        let (queue, called) = StandIn::new(has_work, each_look);
        let watched: Weak<StandIn> = Arc::downgrade(&queue);
        let mut watched = WatchedQueue { of: watched, progress: 0, stalled: 0, idle: 0 };
        let still = (0..count).fold(true, |_, _| watched.look());
        (called.try_iter().filter(|call| *call != Heard::Tick).collect(), still)
    }

    #[test]
    fn what_has_work_and_no_progress_is_stalled() {
        assert_eq!(looks(true, 0, 3), ([1, 2, 3].map(Heard::Unstall).into(), true));
        assert_eq!(looks(true, 1, 1), (vec![Heard::Unstall(1)], true), "nothing is known before");
        assert_eq!(looks(true, 1, 100), (vec![Heard::Unstall(1)], true));
    }

    #[test]
    fn what_cannot_be_helped_once_is_tried_again() {
        let ticks: Vec<_> = (1..=PANICS + 2).map(Heard::Unstall).collect();
        assert_eq!(looks(true, 0, PANICS + 2), (ticks, true));
    }

    #[test]
    fn what_has_no_work_is_looked_at_for_a_while() {
        assert_eq!(looks(false, 0, LINGER - 1), (vec![], true));
        assert_eq!(looks(false, 0, LINGER), (vec![Heard::Unwatch], false));
        assert_eq!(looks(false, 1, 10 * LINGER), (vec![], true));
    }

    #[test]
    fn both_are_counted_anew_after_the_other() {
        let (queue, called) = StandIn::new(true, 0);
        let watched: Weak<StandIn> = Arc::downgrade(&queue);
        let mut watched = WatchedQueue { of: watched, progress: 0, stalled: 0, idle: 0 };
        for looks in [2, LINGER - 1, 2, LINGER - 1] {
            assert!((0..looks).all(|_| watched.look()));
            queue.has_work.fetch_xor(true, Ordering::SeqCst);
        }
        let calls: Vec<_> = called.try_iter().filter(|call| *call != Heard::Tick).collect();
        assert_eq!(calls, [1, 2, 1, 2].map(Heard::Unstall));
    }

    #[test]
    fn what_is_added_while_the_thread_sleeps_is_looked_at() {
        let monitor = Monitor::default();
        for _ in 0..2 {
            let (idle, called) = StandIn::new(false, 0);
            let watched: Weak<StandIn> = Arc::downgrade(&idle);
            monitor.watch(watched);
            wait_for(&called, &Heard::Tick);
            wait_for(&called, &Heard::Unwatch);
        }
    }

    #[test]
    fn the_thread_ends_with_the_monitor_though_it_sleeps() {
        let monitor = Monitor::default();
        let (idle, called) = StandIn::new(false, 0);
        let watched: Weak<StandIn> = Arc::downgrade(&idle);
        monitor.watch(watched);
        wait_for(&called, &Heard::Unwatch);
        let of_thread = Arc::downgrade(&monitor.0);
        drop(monitor);
        let start = std::time::Instant::now();
        while of_thread.strong_count() > 0 {
            assert!(start.elapsed() < Duration::from_secs(30));
            thread::yield_now();
        }
    }
}
