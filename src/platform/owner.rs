//! `Owner`: what a platform consists of, how it ends, and the handles that keep it.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::SetOnce;
use tokio::task::AbortHandle;

use crate::error::{Error, Result};
use crate::platform::events::Listeners;
use crate::queue::Queues;
use crate::report::{Report, ShutdownReport};
use crate::timer::Timers;
use crate::tracker::OutstandingEntry;

/// What all clones of a platform share. Its drop is the moment when no handle is left, and so no reply to a serial queue
/// can come any more. A shutdown that is on its way goes on with the owner.
pub(super) struct Handles {
    pub(super) owner: Arc<Owner>,
}

impl Deref for Handles {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.owner
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.owner.queues.orphan();
    }
}

/// The platform itself: the handles own it, and so does a shutdown on its way.
pub(super) struct Owner {
    pub(super) queues: Arc<Queues>,
    pub(super) timers: Arc<Timers>,
    pub(super) deadline: Duration,
    pub(super) events: Listeners,
    pub(super) ended: SetOnce<Result<()>>,
    /// How the shutdown went, once it has ended.
    pub(super) went: OnceLock<ShutdownReport>,
    /// Ends the platform when its runtime ends.
    pub(super) sentinel: OnceLock<AbortHandle>,
    /// The platform's own, if it has one. Dropped by `shutdown_background`: a plain drop would wait for
    /// its threads, and this may be one of them.
    pub(super) runtime: Option<Runtime>,
}

impl Owner {
    pub(super) fn report(&self, entered: &[OutstandingEntry]) -> Report {
        Report::new(&self.queues, &self.timers, entered, self.went.get())
    }

    /// Waits until cancelled waits have called back and queued items have run.
    pub(super) async fn drained(&self) {
        self.timers.waits_ended().await;
        self.queues.drained().await;
    }

    /// Ends everything at once, because the runtime is gone.
    pub(super) fn abort(&self) {
        self.close();
        self.drop_queues();
        let _ =
            self.ended.set(Err(Error::shutdown("shut the platform down: its runtime went away meanwhile")));
    }

    /// Nothing is taken any more, and what is armed fails.
    pub(super) fn close(&self) {
        self.queues.call_out(|| {
            self.timers.shut_down();
            let error = Error::shutdown("wait for an operation of a platform that was shut down");
            self.queues.tracker.close(&error);
            self.queues.close();
            self.queues.tracker.drop_own();
        });
    }

    /// Drops what is still queued, and the private queues.
    pub(super) fn drop_queues(&self) {
        self.queues.call_out(|| {
            self.queues.kill();
            self.queues.forget();
        });
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.queues.call_out(|| self.queues.start_draining());
        self.close();
        self.queues.call_out(|| self.queues.forget());
        if let Some(sentinel) = self.sentinel.get() {
            sentinel.abort();
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
