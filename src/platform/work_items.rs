//! The platform's functions that put work: now, after a time, every 10 ms, or when something happens.

use std::future::Future;
use std::time::Duration;

use crate::async_result::QueueId;
use crate::cancel::WorkItemKey;
use crate::error::{Error, Hresult, Result};
use crate::platform::Platform;
use crate::queue::WorkItem;
use crate::timer::{self, PeriodicKey};

impl Platform {
    /// Puts a work item on a queue: a callback, a callback with a state and a priority ([`WorkItem`]), or a ready
    /// result.
    ///
    /// The item goes to `queue`, not to the queue that the callback names; the callback's flags count. The same result
    /// may be put again when it has run.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when `queue` is not open, or does not allow the callback's flags;
    /// `MF_E_SHUTDOWN` when the platform is shut down. Nothing is queued then, and nothing kept.
    #[doc(alias = "MFPutWorkItem")]
    #[doc(alias = "MFPutWorkItem2")]
    #[doc(alias = "MFPutWorkItemEx")]
    #[doc(alias = "MFPutWorkItemEx2")]
    #[doc(alias = "RtwqPutWorkItem")]
    pub fn put(&self, queue: impl Into<QueueId>, item: impl Into<WorkItem>) -> Result<()> {
        self.queues().put(queue.into(), item.into())
    }

    /// Runs a work item after `delay`, on the queue that its callback names.
    ///
    /// Not earlier, and with the granularity of tokio's timers, 1 ms. With tokio's clock paused it is
    /// exact, and takes no time. The item's priority is not used.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when that queue is not open, or does not allow the callback's flags;
    /// `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFScheduleWorkItem")]
    #[doc(alias = "MFScheduleWorkItemEx")]
    #[doc(alias = "RtwqScheduleWorkItem")]
    pub fn schedule(&self, item: impl Into<WorkItem>, delay: Duration) -> Result<WorkItemKey> {
        self.0.timers.schedule(item.into(), delay)
    }

    /// As [`schedule`](Platform::schedule), with Media Foundation's own timeout: negative milliseconds, -5000 for five
    /// seconds; 0 is as soon as possible.
    ///
    /// # Errors
    /// `E_INVALIDARG` for a positive number, of which no page says what it means; else as
    /// [`schedule`](Platform::schedule).
    #[doc(alias = "MFScheduleWorkItemEx")]
    #[doc(alias = "RtwqScheduleWorkItem")]
    pub fn schedule_ms(&self, item: impl Into<WorkItem>, timeout: i64) -> Result<WorkItemKey> {
        if timeout > 0 {
            let what = format!("schedule a work item with the timeout {timeout} ms, which is to be negative");
            return Err(Error::new(Hresult::E_INVALIDARG, what));
        }
        self.schedule(item, Duration::from_millis(timeout.unsigned_abs()))
    }

    /// Cancels a scheduled or waiting item by its key.
    ///
    /// A scheduled one is dropped, and its callback never called. A waiting one's callback *is* called,
    /// with the status `MF_E_OPERATION_CANCELLED`. One that is already on its queue runs.
    ///
    /// Where [`begin_end`](Platform::begin_end) awaits the item, its key is the operation's canceller, and this call is
    /// not needed.
    ///
    /// # Errors
    /// `MF_E_NOT_FOUND` when nothing is pending under this key; `MF_E_SHUTDOWN` when the platform is
    /// shut down.
    #[doc(alias = "MFCancelWorkItem")]
    #[doc(alias = "RtwqCancelWorkItem")]
    pub fn cancel_work_item(&self, key: WorkItemKey) -> Result<()> {
        self.0.timers.cancel(key)
    }

    /// Runs a work item when `event` resolves, on the queue that its callback names.
    ///
    /// `event` stands for the handle: any future will do, a `Notify`, a cancellation token, a channel.
    /// Nothing blocks a thread meanwhile. Cancelled by its key the item calls back
    /// with the status `MF_E_OPERATION_CANCELLED`, and if `event` panics with `E_UNEXPECTED`.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # use std::sync::Arc;
    /// # use mf_async::Platform;
    /// # let platform = Platform::startup()?;
    /// let door = Arc::new(tokio::sync::Notify::new());
    /// let open = door.clone();
    /// let opened = platform.begin_end(
    ///     &(),
    ///     |(), callback| platform.put_waiting(async move { open.notified().await }, callback),
    ///     |(), result| result.status().ok(),
    /// );
    /// door.notify_one();
    /// opened.await?;
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when the callback names IO, LONG_FUNCTION, RT or TIMER, a queue that
    /// is not open, or one that does not allow its flags; `MF_E_SHUTDOWN` when the platform is shut
    /// down.
    #[doc(alias = "MFPutWaitingWorkItem")]
    #[doc(alias = "RtwqPutWaitingWorkItem")]
    pub fn put_waiting(
        &self,
        event: impl Future<Output = ()> + Send + 'static,
        item: impl Into<WorkItem>,
    ) -> Result<WorkItemKey> {
        self.0.timers.wait_for(event, item.into())
    }

    /// Calls `callback` every 10 ms on the TIMER queue until it is removed.
    ///
    /// Calls never overlap, and those that were missed are not made up for.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFAddPeriodicCallback")]
    #[doc(alias = "RtwqAddPeriodicCallback")]
    #[doc(alias = "MFPERIODICCALLBACK")]
    pub fn add_periodic_callback(&self, callback: impl Fn() + Send + Sync + 'static) -> Result<PeriodicKey> {
        self.0.timers.add_periodic(Box::new(callback))
    }

    /// Removes a periodic callback. A call that is on its way may still come.
    ///
    /// # Errors
    /// `MF_E_NOT_FOUND` when there is none under this key; `MF_E_SHUTDOWN` when the platform is shut
    /// down.
    #[doc(alias = "MFRemovePeriodicCallback")]
    #[doc(alias = "RtwqRemovePeriodicCallback")]
    pub fn remove_periodic_callback(&self, key: PeriodicKey) -> Result<()> {
        self.0.timers.remove_periodic(key)
    }

    /// How often periodic callbacks are called: every 10 ms.
    #[doc(alias = "MFGetTimerPeriodicity")]
    #[must_use]
    pub fn timer_periodicity(&self) -> Duration {
        timer::PERIOD
    }
}
