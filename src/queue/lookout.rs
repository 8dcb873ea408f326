//! A look-out: sees a moment later whether what was put has run, and calls somebody if it has not.
//!
//! There are two reasons why it might not have. A pool whose callbacks are quick wakes nobody beside the drain
//! task that runs; when one of them blocks after all, what lies behind it needs another. And tokio wakes a
//! sleeping worker for new work unless one is awake that will find it; a worker that is just falling asleep
//! counts as awake, and does not always look again. With ordinary tasks that only costs a moment, since the
//! worker that has the work comes back to it, but a callback may keep that worker, and may even wait for the
//! very item that nobody looks at. So a task is woken by a timer a little later: it looks after the pools, and
//! the worker that wakes up for it looks for more.

use std::future::{Future, poll_fn};
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::observe;
use crate::queue::pool::Pool;

/// The one timer of a platform, and the task that it wakes. A runtime of one thread has nobody to wake.
pub(crate) struct Lookout(Option<(Arc<Tower>, AbortHandle)>);

impl Lookout {
    pub(crate) fn new(runtime: &Handle) -> Lookout {
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return Lookout(None);
        }
        let _context = runtime.enter();
        // A runtime whose timers are not enabled has none to look out with.
        let Ok(sleep) = catch_unwind(|| Box::pin(sleep_until(Instant::now() + NEVER))) else {
            return Lookout(None);
        };
        let bell = Arc::new(Bell { watchman: AtomicWaker::new(), runtime: runtime.clone() });
        let tower = Arc::new(Tower {
            sleep: Mutex::new(sleep),
            waker: Waker::from(bell.clone()),
            bell,
            armed: AtomicBool::new(false),
            pools: Mutex::default(),
        });
        let polled = tower.clone();
        let look_out = poll_fn(move |cx| polled.poll(cx));
        let task = observe::spawn(runtime, format_args!("lookout"), look_out);
        Lookout(Some((tower, task.abort_handle())))
    }

    /// Whether there is one.
    pub(crate) fn exists(&self) -> bool {
        self.0.is_some()
    }

    /// Sees to it that a worker of the runtime looks for work within a moment.
    pub(crate) fn arm(&self) {
        if let Lookout(Some((tower, _))) = self {
            tower.arm();
        }
    }

    /// Looks every moment whether the pool goes on, for as long as the pool says so.
    pub(crate) fn look_after(&self, pool: &Arc<Pool>) {
        if let Lookout(Some((tower, _))) = self {
            lock(&tower.pools).push(Arc::downgrade(pool));
            tower.arm();
        }
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        if let Lookout(Some((_, task))) = self {
            task.abort();
        }
    }
}

struct Tower {
    sleep: Mutex<Pin<Box<Sleep>>>,
    /// What the timer wakes.
    bell: Arc<Bell>,
    waker: Waker,
    /// Whether the timer is set for the next moment; it is set again when that has come.
    armed: AtomicBool,
    pools: Mutex<Vec<Weak<Pool>>>,
}

impl Tower {
    fn arm(&self) {
        // ORDERING: AcqRel with the one in `poll`: what was put before this is seen by the look that follows.
        if !self.armed.swap(true, Ordering::AcqRel) {
            // Only moved, never polled here: the task is who the timer wakes.
            lock(&self.sleep).as_mut().reset(Instant::now() + MOMENT);
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.bell.watchman.register(cx.waker());
        while self.poll_sleep() {
            // ORDERING: AcqRel, see `arm`: who finds it armed is seen to now, who finds it disarmed arms it.
            self.armed.swap(false, Ordering::AcqRel);
            let mut pools = std::mem::take(&mut *lock(&self.pools));
            pools.retain(|pool| pool.upgrade().is_some_and(|pool| pool.look_after()));
            if !pools.is_empty() {
                lock(&self.pools).append(&mut pools);
                self.arm();
            }
        }
        Poll::Pending
    }

    /// Whether the moment has come. Until the next one the timer is set for never.
    fn poll_sleep(&self) -> bool {
        let mut sleep = lock(&self.sleep);
        let came = sleep.as_mut().poll(&mut Context::from_waker(&self.waker)).is_ready();
        if came {
            sleep.as_mut().reset(Instant::now() + NEVER);
        }
        came
    }
}

/// Wakes the task in a way that it cannot miss.
///
/// The worker that looks at the clock would keep the task for itself, as what it runs next, and may then be held
/// up by something else that it takes first. A further task, which does nothing, moves this one on to where the
/// others look.
struct Bell {
    watchman: AtomicWaker,
    runtime: Handle,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.watchman.wake();
        drop(self.runtime.spawn(std::future::ready(())));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The least that tokio's timers can do; it passes only where the gap was met.
const MOMENT: Duration = Duration::from_millis(1);

/// Later than any program runs on.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
