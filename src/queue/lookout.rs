//! A look-out: makes a runtime look for work again a moment after a drain task was summoned.
//!
//! tokio wakes a sleeping worker for new work unless one is awake that will find it. A worker that is just
//! falling asleep counts as awake, and does not always look again. With ordinary tasks that only costs a
//! moment, since the worker that has the work comes back to it. A callback may keep that worker, and may even
//! wait for the very item that nobody looks at. So a timer that is due a little later starts a task that does
//! nothing; the worker that is woken for it looks for more.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

/// The one timer of a pool; armed again and again it is only moved.
pub(crate) struct Lookout {
    alarm: Waker,
    sleep: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl Lookout {
    pub(crate) fn new(runtime: &Handle) -> Lookout {
        Lookout { alarm: Waker::from(Arc::new(Alarm(runtime.clone()))), sleep: Mutex::default() }
    }

    /// Sees to it that a worker of the runtime looks for work within a moment.
    pub(crate) fn arm(&self, runtime: &Handle) {
        let _context = runtime.enter();
        let at = Instant::now() + MOMENT;
        let mut sleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        sleep.as_mut().reset(at);
        // Polled only to leave the alarm with the timer.
        let mut polled = std::pin::pin!(tokio::task::unconstrained(sleep.as_mut()));
        let _ = polled.as_mut().poll(&mut Context::from_waker(&self.alarm));
    }
}

/// What a timer that is due wakes: it gives the worker that noticed it something to do.
struct Alarm(Handle);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        drop(self.0.spawn(std::future::ready(())));
    }
}

/// The least that tokio's timers can do; it passes only where the gap was met.
const MOMENT: Duration = Duration::from_millis(1);
