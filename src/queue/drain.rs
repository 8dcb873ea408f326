//! A drain task: the future that runs a pool's items, a fair share at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::async_result::{CallbackFlags, QueueId};
use crate::observe::Run;
use crate::queue::budget::{Budget, Pace};
use crate::queue::item::{Item, run_blocking};
use crate::queue::pool::{Activity, Pool, Take};
use crate::queue::results::Results;
use crate::sync::MODELLED;

/// A task that runs a pool's items until the pool ends. Dropped before that, as a runtime that shuts
/// down does, it ends the pool: what is queued is let go, so that whoever waits for it hears of it.
pub(crate) struct Drain {
    pool: Arc<Pool>,
    state: DrainState,
    results: Results,
    /// The end of an item that a serial pool waits for, since it runs on the blocking pool.
    blocked: Option<oneshot::Receiver<()>>,
    ended: bool,
}

/// What the pool knows of a drain task.
pub(crate) struct DrainState {
    /// Which hand is its own.
    pub(crate) number: usize,
    pub(crate) activity: Activity,
    /// Whether there may be something in its hand.
    pub(crate) holds: bool,
    /// Whether what it runs came out of its hand.
    pub(crate) in_hand: bool,
    /// How many items it has run, in this poll, since it last waited for more without resting.
    pub(crate) since_spin: u32,
    /// Whether it took all that there was, while another thread puts more.
    pub(crate) chases: bool,
    /// What it ran last, not yet written down.
    pub(crate) ran: Option<Run>,
    /// How quick callbacks were so far.
    pace: Pace,
}

impl Drain {
    /// A new drain task comes to look, so it is searching from the start.
    pub(crate) fn new(pool: Arc<Pool>, number: usize) -> Drain {
        let activity = Activity::Searching;
        let state = DrainState {
            number,
            activity,
            holds: false,
            in_hand: false,
            since_spin: 0,
            chases: false,
            ran: None,
            pace: Pace::default(),
        };
        let results = Results::new(pool.tokens());
        Drain { pool, state, results, blocked: None, ended: false }
    }

    /// The queue whose items it runs.
    pub(crate) fn queue(&self) -> QueueId {
        self.pool.place().queue
    }

    /// Nothing more comes for now: gives up the last result, and says how long the callbacks took that have run
    /// since the last time.
    fn end_group(&mut self, budget: &mut Budget) {
        self.results.rest();
        let time = budget.close(self.queue());
        match (&mut self.state.ran, time) {
            (Some(run), Some(time)) => run.time = Some(time),
            (_, time) => self.pool.timed(&self.state, time),
        }
    }

    /// Hands an item to the blocking pool; a serial pool's task then waits for its end.
    fn hand_over(&mut self, item: Item) {
        let (done, end) = oneshot::channel::<()>();
        if self.pool.is_serial() {
            self.blocked = Some(end);
        }
        let pool = self.pool.clone();
        let slot = pool.hand_over(&self.state);
        self.results.rest();
        let results = self.results.elsewhere();
        run_blocking(self.pool.runtime(), item, pool.place(), results, move |run| {
            pool.finished(slot, run);
            let _ = done.send(());
        });
    }

    /// Runs what there is, until the share is used up or nothing is left.
    fn run(&mut self, budget: &mut Budget, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(blocked) = &mut self.blocked {
                // Either the item has ended or its thread is gone; both mean that the next may run.
                let _ = ready!(Pin::new(blocked).poll(cx));
                self.blocked = None;
                budget.read();
            }
            match self.pool.take(&mut self.state, budget, &self.results, cx.waker()) {
                Take::Item(item) => {
                    self.state.since_spin += 1;
                    let blocks = item.flags.contains(CallbackFlags::BLOCKING) || self.pool.is_long_running();
                    // A group of callbacks ends with what is no part of it.
                    if blocks || item.is_timed_alone() {
                        self.pool.timed(&self.state, budget.close(self.queue()));
                    }
                    if blocks && !item.is_turn() {
                        self.hand_over(item);
                        continue;
                    }
                    self.state.ran = item.run(self.pool.place(), budget, &mut self.results);
                    let is_over = budget.spend();
                    if is_over || self.pool.is_bare(&self.state) {
                        self.end_group(budget);
                    }
                    self.pool.set_quick(budget.is_quick());
                    if is_over {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Take::EndGroup => self.end_group(budget),
                Take::Gather => spin(GATHER),
                Take::Spin => {
                    let came = || self.pool.has_backlog();
                    if (0..SPINS).any(|_| {
                        spin(1);
                        came()
                    }) {
                        spin(GATHER);
                    }
                }
                Take::Rest => return Poll::Pending,
                Take::End => {
                    self.ended = true;
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl Future for Drain {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let drain = &mut *self;
        drain.state.since_spin = 0;
        let mut budget = Budget::new(Instant::now(), drain.state.pace);
        let poll = drain.run(&mut budget, cx);
        drain.state.pace = budget.pace();
        poll
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if !self.ended {
            self.pool.settle(&mut self.state);
            self.pool.kill();
        }
    }
}

/// Waits for something that another thread does, less long than it would take to be woken by it.
fn spin(times: u32) {
    if !MODELLED {
        (0..times).for_each(|_| std::hint::spin_loop());
    }
}

/// So many take some microseconds, which is what waking a drain task costs.
const SPINS: u32 = if MODELLED { 1 } else { 100 };

/// So many take about a microsecond, in which another thread puts a dozen items.
const GATHER: u32 = 24;
