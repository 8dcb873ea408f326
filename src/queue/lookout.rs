//! A look-out: makes a runtime look for work again a moment after a drain task was summoned.
//!
//! tokio wakes a sleeping worker for new work unless one is awake that will find it. A worker that is just
//! falling asleep counts as awake, and does not always look again. With ordinary tasks that only costs a
//! moment, since the worker that has the work comes back to it. A callback may keep that worker, and may even
//! wait for the very item that nobody looks at. So a task that does nothing is woken by a timer a little
//! later; the worker that wakes up for it looks for more.

use std::future::{Future, poll_fn};
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::observe;

/// The one timer of a platform, and the task that it wakes. A runtime of one thread has nobody to wake.
pub(crate) struct Lookout(Option<(Arc<Timer>, AbortHandle)>);

type Timer = Mutex<Pin<Box<Sleep>>>;

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
        let timer = Arc::new(Mutex::new(sleep));
        let polled = timer.clone();
        let look_out = poll_fn(move |cx| {
            let mut sleep = lock(&polled);
            while sleep.as_mut().poll(cx).is_ready() {
                sleep.as_mut().reset(Instant::now() + NEVER);
            }
            Poll::<()>::Pending
        });
        let task = observe::spawn(runtime, format_args!("lookout"), look_out);
        Lookout(Some((timer, task.abort_handle())))
    }

    /// Sees to it that a worker of the runtime looks for work within a moment.
    pub(crate) fn arm(&self) {
        if let Lookout(Some((timer, _))) = self {
            // Only moved, never polled here: the task is who the timer wakes.
            lock(timer).as_mut().reset(Instant::now() + MOMENT);
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

fn lock(timer: &Timer) -> MutexGuard<'_, Pin<Box<Sleep>>> {
    timer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The least that tokio's timers can do; it passes only where the gap was met.
const MOMENT: Duration = Duration::from_millis(1);

/// Later than any program runs on.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
