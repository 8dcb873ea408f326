//! `TimerDriver`: the task that waits for the next due item, and puts it on its queue.

use std::cmp::Reverse;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::queue::{Job, Priority};
use crate::sync::LockExt;
use crate::timer::Timers;
use crate::tokio_quirks::leave_lifo_slot;

/// The task that waits for the next due item. When its runtime drops it, the platform ends, and the timers with it.
pub(super) struct TimerDriver(Weak<Timers>);

impl TimerDriver {
    pub(super) fn new(timers: &Arc<Timers>) -> TimerDriver {
        TimerDriver(Arc::downgrade(timers))
    }

    pub(super) async fn run(self) {
        let mut due = Vec::with_capacity(BATCH);
        while let Some(timers) = self.0.upgrade() {
            let earlier = timers.earlier.notified();
            let next = timers.take_due(&mut due);
            let fired = !due.is_empty();
            for job in due.drain(..) {
                timers.dispatch(|queues| queues.dispatch(job, Priority::Normal));
            }
            if fired {
                // This worker runs next what was just dispatched, which may take long. Another takes over the clock.
                leave_lifo_slot(timers.queues.runtime());
            }
            match next {
                NextDue::End => return,
                NextDue::More => tokio::task::yield_now().await,
                NextDue::Nothing => earlier.await,
                NextDue::At(at) => {
                    let wait = Duration::from_nanos(at).min(timers.start.elapsed() + LONGEST_SLEEP);
                    // Both outcomes lead to another look at the table.
                    let _ = tokio::time::timeout_at(timers.start + wait, earlier).await;
                }
            }
        }
    }
}

enum NextDue {
    At(u64),
    Nothing,
    More,
    End,
}

impl Timers {
    /// Takes up to [`BATCH`] due items into `due`, and returns when the next is due.
    fn take_due(&self, due: &mut Vec<Job>) -> NextDue {
        let now = self.now();
        let mut table = self.table.locked();
        if table.closed {
            return NextDue::End;
        }
        while let Some(Reverse(first)) = table.due.peek() {
            if first.at > now {
                return NextDue::At(first.at);
            }
            if due.len() == BATCH {
                return NextDue::More;
            }
            let Some(Reverse(first)) = table.due.pop() else { break };
            let Some(at) = table.find(first.key) else {
                table.stale -= 1;
                continue;
            };
            table.take_one(at, first, now, due);
        }
        NextDue::Nothing
    }
}

/// Largest number of items that are taken under one lock of the table.
const BATCH: usize = 256;

/// One year. Tokio's timers reach about two years, so longer waits are made of several.
const LONGEST_SLEEP: Duration = Duration::from_secs(365 * 24 * 3600);
