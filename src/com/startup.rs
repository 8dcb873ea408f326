//! `Started`: one `MFStartup`, which everything that came from it keeps; its `MFShutdown` is made on a thread of its own.
//!
//! All platforms of a process share the one that lives. What they hand out holds it, so that nothing that safe code
//! has is released after `MFShutdown`. The last reference may go anywhere: on a runtime's thread, which must not be
//! blocked for the seconds that `MFShutdown` may wait, or on a work-queue thread, from which it must not be called.
//! So the call is never made where the reference goes.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use windows::Win32::Media::MediaFoundation::{
    MF_VERSION, MFSTARTUP_FULL, MFSTARTUP_LITE, MFShutdown, MFStartup,
};

use crate::contain::{contain, drop_payload};
use crate::error::{Error, Result};
use crate::operation::Promise;
use crate::sync::LockExt;

/// What is started and stopped; a double of it stands in for Media Foundation in this file's tests.
pub(crate) trait StartedSystem: Send + Sync + Sized + 'static {
    fn start(&self, full: bool) -> Result<()>;
    fn stop(&self) -> Result<()>;
    /// The one whose starts and stops count together.
    fn lifecycle(&self) -> &'static Lifecycle<Self>;
}

/// The operating system's own.
pub(crate) struct MediaFoundation;

static MEDIA_FOUNDATION: Lifecycle<MediaFoundation> = Lifecycle::new(MediaFoundation);

impl StartedSystem for MediaFoundation {
    fn start(&self, full: bool) -> Result<()> {
        let flags = if full { MFSTARTUP_FULL } else { MFSTARTUP_LITE };
        // SAFETY: takes two numbers; a failed call is not counted and needs no shutdown.
        Ok(unsafe { MFStartup(MF_VERSION, flags) }?)
    }

    #[doc(alias = "MFShutdown")]
    fn stop(&self) -> Result<()> {
        // SAFETY: there was one successful `MFStartup` for this, and there is no other shutdown for it. Every `Mta` that
        // safe code got from this module keeps its `Started`, so it was released before; of what an `Mta` was made of by
        // hand, `Mta::new` demands it. A bare pointer that was cloned out of one may be released later, which no page
        // forbids: as the apartment is kept for good, the code of its object stays. This is no work-queue thread.
        Ok(unsafe { MFShutdown() }?)
    }

    fn lifecycle(&self) -> &'static Lifecycle<MediaFoundation> {
        &MEDIA_FOUNDATION
    }
}

/// The system, started. Its drop is the shutdown.
pub(crate) struct Started<S: StartedSystem = MediaFoundation> {
    of: &'static Lifecycle<S>,
    state: Mutex<StartedState>,
}

struct StartedState {
    /// How often the system was started for this: twice if it was started without sockets first.
    starts: usize,
    full: bool,
    /// What waits for the end.
    waiting: Vec<Promise<()>>,
}

impl Started {
    /// The one that lives, or a new one.
    pub(crate) fn start(full: bool) -> Result<Arc<Started>> {
        MEDIA_FOUNDATION.start(full)
    }

    /// The one that lives, for objects that are made without a platform at hand.
    pub(crate) fn current() -> Option<Arc<Started>> {
        MEDIA_FOUNDATION.counts().current.upgrade()
    }
}

impl<S: StartedSystem> Started<S> {
    /// Gives back this reference. The promise is kept when the shutdown is over, or at once if there are others who
    /// use the system.
    pub(crate) fn end(self: Arc<Self>, promise: Promise<()>) {
        let this = Arc::downgrade(&self);
        self.state.locked().waiting.push(promise);
        drop(self);
        let Some(used) = this.upgrade() else { return };
        let waiting = std::mem::take(&mut used.state.locked().waiting);
        drop(used);
        waiting.into_iter().for_each(|promise| promise.complete(Ok(())));
    }
}

impl<S: StartedSystem> Drop for Started<S> {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (of, starts, waiting) = (self.of, state.starts, std::mem::take(&mut state.waiting));
        let stop = move || {
            let outcome = (0..starts).map(|_| of.stop()).fold(Ok(()), Result::and);
            waiting.into_iter().for_each(|promise| promise.complete(outcome.clone()));
        };
        // Without a thread nothing is shut down, and the process ends with Media Foundation started, which is no harm;
        // that may be so where a thread's own variables are torn down.
        let spawned = contain(|| std::thread::Builder::new().name("mf-async shutdown".into()).spawn(stop));
        if let Err(payload) = spawned {
            drop_payload(payload);
        }
    }
}

impl<S: StartedSystem> fmt::Debug for Started<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Started")
    }
}

/// Counts the starts and stops of a process.
pub(crate) struct Lifecycle<S: StartedSystem> {
    system: S,
    counts: Mutex<StartCounts<S>>,
    stopped: Condvar,
}

struct StartCounts<S: StartedSystem> {
    current: Weak<Started<S>>,
    /// Starts less stops.
    started: usize,
    /// The last stop is under way, without the lock.
    stopping: bool,
}

impl<S: StartedSystem> Lifecycle<S> {
    const fn new(system: S) -> Lifecycle<S> {
        let counts = StartCounts { current: Weak::new(), started: 0, stopping: false };
        Lifecycle { system, counts: Mutex::new(counts), stopped: Condvar::new() }
    }

    fn start(&'static self, full: bool) -> Result<Arc<Started<S>>> {
        let mut counts = self.counts();
        // Media Foundation counts its starts, but where its last shutdown and a new start meet, the shutdown may take
        // down what the start has just set up.
        while counts.stopping {
            counts = self.stopped.wait(counts).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(started) = counts.current.upgrade() {
            let mut state = started.state.locked();
            if full && !state.full {
                self.system.start(true)?;
                counts.started += 1;
                (state.full, state.starts) = (true, state.starts + 1);
            }
            drop(state);
            // Should this be the last reference by now, its drop takes no lock that is held.
            drop(counts);
            return Ok(started);
        }
        self.system.start(full)?;
        counts.started += 1;
        let state = Mutex::new(StartedState { starts: 1, full, waiting: Vec::new() });
        let started = Arc::new(Started { of: self.system.lifecycle(), state });
        counts.current = Arc::downgrade(&started);
        Ok(started)
    }

    /// One shutdown. The last is made without the lock: it may wait for seconds.
    fn stop(&self) -> Result<()> {
        let mut counts = self.counts();
        counts.started -= 1;
        if counts.started > 0 {
            return self.system.stop();
        }
        counts.stopping = true;
        drop(counts);
        let stopped = self.system.stop();
        self.counts().stopping = false;
        self.stopped.notify_all();
        stopped
    }

    fn counts(&self) -> MutexGuard<'_, StartCounts<S>> {
        self.counts.locked()
    }
}

/// The error of operations that a shutdown ends.
pub(crate) fn shut_down() -> Error {
    Error::shutdown("wait for an operation of a Media Foundation that was shut down")
}

#[cfg(test)]
mod tests {
    //! A shutdown that blocks, as `MFShutdown` does while a result lives, holds up nothing but a new start.

    use std::sync::atomic::{AtomicI32, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::async_result::QueueId;
    use crate::operation::Operation;

    /// Says when a stop begins, and stops when the test lets it.
    struct Double {
        count: AtomicI32,
        stops: Mutex<Sender<()>>,
        open: Mutex<Receiver<()>>,
        this: std::sync::OnceLock<&'static Lifecycle<Double>>,
    }

    impl StartedSystem for Double {
        fn start(&self, _: bool) -> Result<()> {
            self.count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }

        fn stop(&self) -> Result<()> {
            if self.count.fetch_sub(1, Ordering::SeqCst) == 1 {
                self.stops.lock().unwrap().send(()).unwrap();
                self.open.lock().unwrap().recv().unwrap();
            }
            Ok(())
        }

        fn lifecycle(&self) -> &'static Lifecycle<Double> {
            self.this.get().expect("it is set at once")
        }
    }

    fn double() -> (&'static Lifecycle<Double>, Receiver<()>, Sender<()>) {
        let ((stops, stopping), (opener, open)) = (channel(), channel());
        let double = Double {
            count: AtomicI32::new(0),
            stops: Mutex::new(stops),
            open: Mutex::new(open),
            this: std::sync::OnceLock::new(),
        };
        let lifecycle: &'static Lifecycle<Double> = Box::leak(Box::new(Lifecycle::new(double)));
        assert!(lifecycle.system.this.set(lifecycle).is_ok());
        (lifecycle, stopping, opener)
    }

    fn promise() -> (Promise<()>, Operation<()>) {
        Promise::new(QueueId::MULTITHREADED, None)
    }

    #[tokio::test]
    async fn the_last_drop_returns_while_the_shutdown_blocks_and_the_operation_waits_for_it() {
        let (lifecycle, stopping, open) = double();
        drop(lifecycle.start(true).unwrap());
        stopping.recv().unwrap();
        open.send(()).unwrap();

        let started = lifecycle.start(true).unwrap();
        let (promise, operation) = promise();
        started.end(promise);
        stopping.recv().unwrap();
        assert!(!operation.is_ended());
        open.send(()).unwrap();
        operation.await.unwrap();
        assert_eq!(lifecycle.system.count.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_start_that_meets_the_last_shutdown_comes_after_it() {
        let (lifecycle, stopping, open) = double();
        drop(lifecycle.start(true).unwrap());
        stopping.recv().unwrap();
        let next = std::thread::spawn(move || lifecycle.start(true).unwrap());
        open.send(()).unwrap();
        let next = next.join().unwrap();
        assert_eq!(lifecycle.system.count.load(Ordering::SeqCst), 1);
        open.send(()).unwrap();
        drop(next);
        stopping.recv().unwrap();
    }

    #[tokio::test]
    async fn while_others_use_it_nothing_is_shut_down_and_nothing_waits() {
        let (lifecycle, stopping, open) = double();
        let first = lifecycle.start(false).unwrap();
        let second = lifecycle.start(true).unwrap();
        assert_eq!(lifecycle.system.count.load(Ordering::SeqCst), 2, "sockets were wanted later");
        let (promised, operation) = promise();
        first.end(promised);
        operation.await.unwrap();
        assert!(stopping.try_recv().is_err());
        let (promised, operation) = promise();
        open.send(()).unwrap();
        second.end(promised);
        operation.await.unwrap();
        stopping.recv().unwrap();
        assert_eq!(lifecycle.system.count.load(Ordering::SeqCst), 0);
    }
}
