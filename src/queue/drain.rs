//! A drain task: the future that runs a pool's items, a fair share at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::async_result::{CallbackFlags, QueueId};
use crate::observe::Run;
use crate::queue::budget::Budget;
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

impl DrainState {
    fn end_group(&mut self, budget: &mut Budget, queue: QueueId) {
        let time = budget.close(queue);
        if let (Some((_, Some(run))), Some(time)) = (&mut self.ran, time) {
            run.time = Some(time);
        }
    }
}

impl Drain {
    /// A new drain task comes to look, so it is searching from the start.
    pub(crate) fn new(pool: Arc<Pool>, number: usize) -> Drain {
        let state = DrainState { number, activity: Activity::Searching, looks: 0, ran: None };
        Drain { pool, state, blocked: None, ended: false }
    }

    /// The queue whose items it runs.
    pub(crate) fn queue(&self) -> QueueId {
        self.pool.place().queue
    }

    /// Hands an item to the blocking pool; a serial pool's task then waits for its end.
    fn hand_over(&mut self, item: Item, slot: usize) {
        let (done, end) = oneshot::channel::<()>();
        if self.pool.is_serial() {
            self.blocked = Some(end);
        }
        let pool = self.pool.clone();
        run_blocking(self.pool.runtime(), item, pool.place(), move |run| {
            pool.finished(slot, run);
            let _ = done.send(());
        });
    }
}

impl Future for Drain {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let drain = &mut *self;
        let mut budget = Budget::from(Instant::now());
        loop {
            if let Some(blocked) = &mut drain.blocked {
                // Either the item has ended or its thread is gone; both mean that the next may run.
                let _ = ready!(Pin::new(blocked).poll(cx));
                drain.blocked = None;
                budget.read();
            }
            let queue = drain.pool.place().queue;
            match drain.pool.take(&mut drain.state, &budget, cx.waker()) {
                Take::Item { item, slot } => {
                    let blocks = item.flags.contains(CallbackFlags::BLOCKING) || drain.pool.is_long_running();
                    // A group of callbacks ends with what is no part of it.
                    if blocks || item.is_timed_alone() {
                        drain.pool.timed(budget.close(queue));
                    }
                    if blocks && !item.is_turn() {
                        drain.hand_over(item, slot);
                        continue;
                    }
                    let run = item.run(drain.pool.place(), &mut budget);
                    drain.state.ran = Some((slot, run));
                    if budget.spend() {
                        drain.state.end_group(&mut budget, queue);
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Take::EndGroup => drain.state.end_group(&mut budget, queue),
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
