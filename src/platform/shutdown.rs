//! `Shutdown`: the steps of a shutdown in their order, its deadline, and the report of what is stuck.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Hresult, Result};
use crate::observe;
use crate::platform::Owner;
use crate::report::{Report, ShutdownReport};

/// A shutdown under way. Dropped with its runtime before its end, it aborts the platform.
pub(crate) struct Shutdown {
    owner: Arc<Owner>,
    ended: bool,
    /// What it had to wait for so far.
    waited_for: Vec<String>,
}

impl Shutdown {
    pub(crate) fn new(owner: Arc<Owner>) -> Shutdown {
        Shutdown { owner, ended: false, waited_for: Vec::new() }
    }

    pub(crate) async fn run(mut self, deadline: Duration) {
        let owner = self.owner.clone();
        let start = Instant::now();
        let until = start.checked_add(deadline);
        owner.events.notify(&owner.queues, |events| events.shutdown_start());
        owner.queues.call_out(|| owner.timers.shut_down());
        let drained = self.wait(until, owner.drained(), Report::queued_and_running).await;
        // `close` fails these. Those whose results are still held at the deadline are reported.
        let outstanding = owner.queues.tracker.handle().outstanding();
        let undrained = if drained { None } else { Some(owner.report(&outstanding)) };
        owner.close();
        // A put that began before the close may have queued an item after the first wait.
        let empty = self.wait(until, owner.queues.drained(), Report::queued_and_running).await;
        let is_idle = self.wait(until, owner.queues.tracker.none_left(), Report::held).await && empty;
        let stuck = match undrained {
            None if is_idle => None,
            None => Some(owner.report(&outstanding)).filter(Report::has_unfinished_work),
            undrained => undrained,
        };
        owner.drop_queues();
        let waited_for = std::mem::take(&mut self.waited_for);
        let went = ShutdownReport { took: start.elapsed(), waited_for };
        observe::shut_down(went.took, &went.waited_for);
        let _ = owner.went.set(went);
        owner.events.notify(&owner.queues, |events| events.shutdown_complete());
        self.end(match stuck {
            None => Ok(()),
            Some(report) => Err(Error::new(
                Hresult::ERROR_TIMEOUT,
                format!("shut the platform down: not everything had ended after {deadline:?}\n{report}"),
            )),
        });
    }

    /// Waits for `what` until the time `until`; false if the time came first. If it is not over at once, notes what the
    /// report of this moment has of it.
    async fn wait(
        &mut self,
        until: Option<Instant>,
        what: impl Future<Output = ()>,
        culprits: impl Fn(&Report) -> Vec<String>,
    ) -> bool {
        let mut what = pin!(what);
        if poll_fn(|cx| Poll::Ready(what.as_mut().poll(cx).is_ready())).await {
            return true;
        }
        let outstanding = self.owner.queues.tracker.handle().outstanding();
        self.waited_for.append(&mut culprits(&self.owner.report(&outstanding)));
        match until {
            Some(until) => tokio::time::timeout_at(until, what).await.is_ok(),
            None => {
                what.await;
                true
            }
        }
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
