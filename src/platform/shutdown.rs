//! `Shutdown`: the steps of a shutdown in their order, its deadline, and the report of what is stuck.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Hresult, Result};
use crate::platform::Owner;
use crate::report::Report;

/// A shutdown under way. Dropped with its runtime before its end, it aborts the platform.
pub(crate) struct Shutdown {
    owner: Arc<Owner>,
    ended: bool,
}

impl Shutdown {
    pub(crate) fn new(owner: Arc<Owner>) -> Shutdown {
        Shutdown { owner, ended: false }
    }

    pub(crate) async fn run(mut self, deadline: Duration) {
        let owner = self.owner.clone();
        let until = Instant::now().checked_add(deadline);
        owner.notify_events(|events| events.shutdown_start());
        owner.queues.call_out(|| owner.timers.shut_down());
        let drained = by(until, owner.drained()).await;
        // `close` fails these. Those whose results are still held at the deadline are reported.
        let outstanding = owner.queues.tracker.handle().outstanding();
        let undrained = if drained { None } else { Some(owner.report(&outstanding)) };
        owner.close();
        // A put that began before the close may have queued an item after the first wait.
        let empty = by(until, owner.queues.drained()).await;
        let is_idle = by(until, owner.queues.tracker.none_left()).await && empty;
        let stuck = match undrained {
            None if is_idle => None,
            None => Some(owner.report(&outstanding)).filter(Report::has_unfinished_work),
            undrained => undrained,
        };
        owner.drop_queues();
        owner.notify_events(|events| events.shutdown_complete());
        self.end(match stuck {
            None => Ok(()),
            Some(report) => Err(Error::new(
                Hresult::ERROR_TIMEOUT,
                format!("shut the platform down: not everything had ended after {deadline:?}\n{report}"),
            )),
        });
    }

    fn end(&mut self, outcome: Result<()>) {
        self.ended = true;
        let _ = self.owner.ended.set(outcome);
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        if !self.ended {
            self.owner.abort();
        }
    }
}

/// Waits for `what` until the time `until`; false if the time came first.
async fn by(until: Option<Instant>, what: impl Future<Output = ()>) -> bool {
    match until {
        Some(until) => tokio::time::timeout_at(until, what).await.is_ok(),
        None => {
            what.await;
            true
        }
    }
}
