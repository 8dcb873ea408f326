//! A drain task: the future that runs a pool's items, a fair share at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::async_result::CallbackFlags;
use crate::observe::{Run, Running};
use crate::queue::item::{Item, run_blocking};
use crate::queue::pool::{Activity, Pool, Take};

/// A task that runs a pool's items until the pool ends. Dropped before that, as a runtime that shuts
/// down does, it ends the pool: what is queued is let go, so that whoever waits for it hears of it.
pub(crate) struct Drain {
    pool: Arc<Pool>,
    state: DrainState,
    /// The end of an item that a serial pool waits for, since it runs on the blocking pool.
    blocked: Option<oneshot::Receiver<()>>,
    ended: bool,
}

/// What the pool knows of a drain task.
pub(crate) struct DrainState {
    pub(crate) number: usize,
    pub(crate) activity: Activity,
    /// How often it has looked in vain.
    pub(crate) looks: u32,
    /// What it ran last, not yet written down.
    pub(crate) ran: Option<(usize, Option<Run>)>,
}

impl Drain {
    /// A new drain task comes to look, so it is searching from the start.
    pub(crate) fn new(pool: Arc<Pool>, number: usize) -> Drain {
        let state = DrainState { number, activity: Activity::Searching, looks: 0, ran: None };
        Drain { pool, state, blocked: None, ended: false }
    }

    /// Hands an item to the blocking pool; a serial pool's task then waits for its end.
    fn hand_over(&mut self, item: Item, slot: usize, running: Running) {
        let (done, end) = oneshot::channel::<()>();
        if self.pool.is_serial() {
            self.blocked = Some(end);
        }
        let pool = self.pool.clone();
        run_blocking(self.pool.runtime(), item, pool.place(), running, move |run| {
            pool.finished(slot, run);
            let _ = done.send(());
        });
    }
}

impl Future for Drain {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let drain = &mut *self;
        let mut now = Instant::now();
        let mut budget = Budget::from(now);
        loop {
            if let Some(blocked) = &mut drain.blocked {
                // Either the item has ended or its thread is gone; both mean that the next may run.
                let _ = ready!(Pin::new(blocked).poll(cx));
                drain.blocked = None;
                now = Instant::now();
            }
            match drain.pool.take(&mut drain.state, now, cx.waker()) {
                Take::Item { item, slot, running } => {
                    let blocks = item.flags.contains(CallbackFlags::BLOCKING) || drain.pool.is_long_running();
                    if blocks && !item.is_turn() {
                        drain.hand_over(item, slot, running);
                        continue;
                    }
                    let (run, end) = item.run(drain.pool.place(), &running, &mut budget);
                    drain.state.ran = Some((slot, run));
                    now = end;
                    if budget.spend(now) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Take::LookAgain => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Take::Rest => return Poll::Pending,
                Take::End => {
                    drain.ended = true;
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if let Some((slot, run)) = self.state.ran.take() {
            self.pool.has_run(slot, run);
        }
        if !self.ended {
            self.pool.kill();
        }
    }
}

/// What a drain task may do before it lets others have their turn on its thread.
pub(crate) struct Budget {
    items: u32,
    until: Instant,
}

impl Budget {
    pub(crate) fn from(now: Instant) -> Budget {
        Budget { items: ITEMS, until: now + SLICE }
    }

    /// For one item, whatever it takes.
    #[cfg(feature = "test-util")]
    pub(crate) fn single(now: Instant) -> Budget {
        Budget { items: 1, until: now + SLICE }
    }

    /// One item has ended at `now`; true if it was the last for this turn.
    pub(crate) fn spend(&mut self, now: Instant) -> bool {
        self.items = self.items.saturating_sub(1);
        self.items == 0 || now >= self.until
    }
}

/// At most so many items in a row: at about 100 ns each they take less than `SLICE`.
const ITEMS: u32 = 256;

/// At most so long in a row, save for the callback that is just running.
const SLICE: Duration = match cfg!(all(test, mf_async_loom)) {
    false => Duration::from_micros(100),
    // A model must take the same steps however long they take.
    true => Duration::from_secs(3600),
};
