//! `Deadline`: a time by which a queue is to have run what was put before. A miss is counted and reported.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::select;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Result};
use crate::observe;
use crate::queue::handle::WorkQueue;
use crate::queue::kind::Queue;
use crate::tokio_quirks::GuardedFuture;

/// A deadline that was set on a queue. Dropping it cancels it.
#[doc(alias = "RtwqCancelDeadline")]
#[must_use = "dropping it cancels the deadline"]
pub struct Deadline {
    status: watch::Receiver<DeadlineStatus>,
    /// Dropped with the deadline, which ends the watching.
    _cancel: tokio::sync::oneshot::Sender<()>,
}

/// How a queue stands with its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeadlineStatus {
    /// There is still time.
    Pending,
    /// The pre-deadline has passed, and work is left.
    Warning,
    /// Everything had run in time.
    Met,
    /// The deadline has passed, and work was left.
    Missed,
}

impl WorkQueue {
    /// Sets a deadline: everything that was put so far is to have run within `within`.
    ///
    /// A miss is counted in [`QueueStats::missed_deadlines`](crate::report::QueueStats::missed_deadlines), reported
    /// with the feature `tracing`, and read from the [`Deadline`]. To change a deadline set another and
    /// drop the first. (Media Foundation's unit is 100 ns; here it is a [`Duration`] in the runtime's
    /// time.)
    #[doc(alias = "RtwqSetDeadline")]
    pub fn set_deadline(&self, within: Duration) -> Deadline {
        self.set_deadline_with_warning(within, within)
    }

    /// Sets a deadline and a pre-deadline, after which the status is [`DeadlineStatus::Warning`].
    #[doc(alias = "RtwqSetDeadline2")]
    pub fn set_deadline_with_warning(&self, within: Duration, warn_after: Duration) -> Deadline {
        let runtime = self.queues().runtime();
        let now = {
            let _context = runtime.enter();
            Instant::now()
        };
        let (report, status) = watch::channel(DeadlineStatus::Pending);
        let (cancel, cancelled) = tokio::sync::oneshot::channel();
        let watched = Watched {
            queue: self.queue().clone(),
            mark: self.queue().mark(),
            near: now.checked_add(warn_after.min(within)),
            over: now.checked_add(within),
            report,
        };
        let watch = select(Box::pin(watched.run()), cancelled).map(drop);
        observe::detach(runtime, format_args!("a deadline of queue {}", self.id()), watch);
        Deadline { status, _cancel: cancel }
    }
}

impl Deadline {
    /// How the queue stands with it now.
    #[must_use]
    pub fn status(&self) -> DeadlineStatus {
        *self.status.borrow()
    }

    /// Waits until it is met or missed, and says which.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the runtime goes away before that.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future changes nothing.
    pub async fn ended(&mut self) -> Result<DeadlineStatus> {
        let ended = |status: &DeadlineStatus| matches!(status, DeadlineStatus::Met | DeadlineStatus::Missed);
        match GuardedFuture::new(self.status.wait_for(ended)).await {
            Ok(status) => Ok(*status),
            Err(_) => Err(Error::shutdown("wait for a deadline of a platform whose runtime is gone")),
        }
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deadline({:?})", self.status())
    }
}

struct Watched {
    queue: Arc<Queue>,
    mark: u64,
    /// `None` is later than any time.
    near: Option<Instant>,
    over: Option<Instant>,
    report: watch::Sender<DeadlineStatus>,
}

impl Watched {
    async fn run(self) {
        let mut status = DeadlineStatus::Warning;
        for until in [self.near, self.over] {
            let passed = self.queue.until_passed(self.mark);
            let in_time = match until {
                Some(until) => timeout_at(until, passed).await.is_ok(),
                None => {
                    passed.await;
                    true
                }
            };
            if in_time {
                self.report.send_replace(DeadlineStatus::Met);
                return;
            }
            self.report.send_replace(status);
            status = DeadlineStatus::Missed;
        }
        self.queue.count_missed_deadline();
    }
}
