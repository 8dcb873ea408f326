//! A pool without drain tasks: whoever holds it takes its items out, one by one.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::error::{Error, Hresult, Result};
use crate::queue::budget::Budget;
use crate::queue::kind::Kind;
use crate::queue::lanes::Priority;
use crate::queue::pool::{Host, Pool};
use crate::queue::results::Results;
use crate::queue::window::Start;
use crate::queue::{Queues, WorkQueue};

/// The right to run a pool's items. Dropped, it ends the pool: what is queued is let go.
pub(crate) struct Manual {
    pool: Arc<Pool>,
    /// The drain tasks that would run the items; here they wait, and with this they are dropped.
    _drains: UnboundedReceiver<Start>,
}

impl Queues {
    /// A private queue whose items run when they are told to.
    #[track_caller]
    pub(crate) fn allocate_manual(self: &Arc<Self>) -> Result<(WorkQueue, Manual)> {
        self.admit("allocate a work queue")?;
        let (start, drains) = unbounded_channel();
        let host = Host::Manual { runtime: self.runtime().clone(), start };
        let begun = Location::caller();
        let mut made = None;
        let queue = self.add(begun, |id| {
            let pool = Pool::serial(self.place(id), self.tracker.token_source(), host);
            made = Some(pool.clone());
            Ok(Kind::Pool(pool))
        })?;
        // `add` has called the closure, or failed.
        let pool = made.ok_or_else(|| {
            let what = format!("step queue {} by hand: it is no pool", queue.id());
            Error::new(Hresult::MF_E_INVALID_WORKQUEUE, what)
        })?;
        Ok((queue, Manual { pool, _drains: drains }))
    }
}

impl Manual {
    /// Runs the next item on this thread; false if there is none.
    pub(crate) fn step(&self) -> bool {
        let pool = &*self.pool;
        let now = Instant::now();
        let item = {
            let mut inbox = pool.inbox();
            let Some(item) = inbox.lanes.pop(Priority::Low) else { return false };
            // ORDERING: Relaxed, a hint for fairness only.
            pool.backlog.store(!inbox.lanes.is_empty(), Ordering::Relaxed);
            inbox.start(ONLY, &item, now);
            item
        };
        let run = item.run(pool.place, &mut Budget::single(now), &mut Results::new(pool.tokens()));
        pool.inbox().finish(ONLY, run);
        pool.tell_all();
        true
    }
}

/// The number of whoever steps.
const ONLY: usize = 0;
