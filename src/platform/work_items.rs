//! The platform's functions that put work: now, after a time, every 10 ms, or when something happens.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::async_result::{AsyncCallback, AsyncResult, QueueId, Unknown};
use crate::cancel::WorkItemKey;
use crate::error::{Error, Hresult, Result};
use crate::platform::Platform;
use crate::queue::{Priority, WorkItem};
use crate::timer::{self, PeriodicKey};

impl Platform {
    /// Puts a work item on a queue: `callback` will be invoked once, with a result that has `state`.
    ///
    /// `queue` decides, whatever queue the callback names; its flags count.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when `queue` is not open, or does not allow the callback's flags;
    /// `MF_E_SHUTDOWN` when the platform is shut down. Nothing is queued then, and nothing kept.
    #[doc(alias = "MFPutWorkItem")]
    pub fn put_work_item(
        &self,
        queue: impl Into<QueueId>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        self.put_work_item_with_priority(queue, Priority::Normal, callback, state)
    }

    /// Puts a work item that goes before or after others that wait.
    ///
    /// # Errors
    /// As [`put_work_item`](Platform::put_work_item).
    #[doc(alias = "MFPutWorkItem2")]
    pub fn put_work_item_with_priority(
        &self,
        queue: impl Into<QueueId>,
        priority: impl Into<Priority>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        self.queues().put(queue.into(), WorkItem::of(callback, state).priority(priority))
    }

    /// Puts a ready result on a queue: its callback will be invoked once with it.
    ///
    /// The same result may be put again when it has run.
    ///
    /// # Errors
    /// As [`put_work_item`](Platform::put_work_item).
    #[doc(alias = "MFPutWorkItemEx")]
    pub fn put_result(&self, queue: impl Into<QueueId>, result: &AsyncResult) -> Result<()> {
        self.put_result_with_priority(queue, Priority::Normal, result)
    }

    /// Puts a ready result that goes before or after others that wait.
    ///
    /// # Errors
    /// As [`put_work_item`](Platform::put_work_item).
    #[doc(alias = "MFPutWorkItemEx2")]
    #[doc(alias = "RtwqPutWorkItem")]
    pub fn put_result_with_priority(
        &self,
        queue: impl Into<QueueId>,
        priority: impl Into<Priority>,
        result: &AsyncResult,
    ) -> Result<()> {
        self.queues().put(queue.into(), WorkItem::from_result(result).priority(priority))
    }

    /// Puts a work item that is to run after `delay`, on the queue that the callback names.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when that queue is not open, or does not allow the callback's flags;
    /// `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFScheduleWorkItem")]
    pub fn schedule_work_item(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
        delay: Duration,
    ) -> Result<WorkItemKey> {
        self.0.timers.schedule_call(callback, state, delay)
    }

    /// Invokes a ready result's callback after `delay`, on the queue that it names.
    ///
    /// Not earlier, and with the granularity of tokio's timers, 1 ms. With tokio's clock paused it is
    /// exact, and takes no time.
    ///
    /// # Errors
    /// As [`schedule_work_item`](Platform::schedule_work_item).
    #[doc(alias = "MFScheduleWorkItemEx")]
    #[doc(alias = "RtwqScheduleWorkItem")]
    pub fn schedule_result(&self, result: &AsyncResult, delay: Duration) -> Result<WorkItemKey> {
        self.0.timers.schedule(result, delay)
    }

    /// As [`schedule_result`](Platform::schedule_result), with Media Foundation's own timeout: negative
    /// milliseconds, -5000 for five seconds; 0 is as soon as possible.
    ///
    /// # Errors
    /// `E_INVALIDARG` for a positive number, of which no page says what it means; else as
    /// [`schedule_work_item`](Platform::schedule_work_item).
    #[doc(alias = "MFScheduleWorkItemEx")]
    #[doc(alias = "RtwqScheduleWorkItem")]
    pub fn schedule_result_ms(&self, result: &AsyncResult, timeout: i64) -> Result<WorkItemKey> {
        if timeout > 0 {
            let what = format!("schedule a work item with the timeout {timeout} ms, which is to be negative");
            return Err(Error::new(Hresult::E_INVALIDARG, what));
        }
        self.schedule_result(result, Duration::from_millis(timeout.unsigned_abs()))
    }

    /// Cancels a scheduled or waiting item by its key.
    ///
    /// A scheduled one is let go, and its callback never called. A waiting one's callback *is* called,
    /// with the status `MF_E_OPERATION_CANCELLED`. One that is already on its queue runs.
    ///
    /// # Errors
    /// `MF_E_NOT_FOUND` when nothing is pending under this key; `MF_E_SHUTDOWN` when the platform is
    /// shut down.
    #[doc(alias = "MFCancelWorkItem")]
    #[doc(alias = "RtwqCancelWorkItem")]
    pub fn cancel_work_item(&self, key: WorkItemKey) -> Result<()> {
        self.0.timers.cancel(key)
    }

    /// Invokes a result's callback when `event` resolves, on the queue that the callback names.
    ///
    /// `event` stands for the handle: any future will do, a `Notify`, a cancellation token, a channel.
    /// Nothing blocks a thread meanwhile. The item keeps the result; cancelled by its key it calls back
    /// with the status `MF_E_OPERATION_CANCELLED`, and if `event` panics with `E_UNEXPECTED`.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # use mf_async::{AsyncResult, Hresult, Platform, Priority, begin_end};
    /// # use std::sync::Arc;
    /// # let platform = Platform::startup()?;
    /// let door = Arc::new(tokio::sync::Notify::new());
    /// let opened = begin_end(
    ///     |callback| {
    ///         let result = platform.create_async_result(None, Some(callback), None)?;
    ///         let open = door.clone();
    ///         let wait = async move { open.notified().await };
    ///         platform.put_waiting_work_item(wait, Priority::Normal, &result).map(|_| Hresult::S_OK)
    ///     },
    ///     |result: &AsyncResult| result.status().ok(),
    /// );
    /// door.notify_one();
    /// assert_eq!(opened.await?, Hresult::S_OK);
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when the callback names IO, LONG_FUNCTION, RT or TIMER, a queue that
    /// is not open, or one that does not allow its flags; `MF_E_SHUTDOWN` when the platform is shut
    /// down.
    #[doc(alias = "MFPutWaitingWorkItem")]
    #[doc(alias = "RtwqPutWaitingWorkItem")]
    pub fn put_waiting_work_item(
        &self,
        event: impl Future<Output = ()> + Send + 'static,
        priority: impl Into<Priority>,
        result: &AsyncResult,
    ) -> Result<WorkItemKey> {
        self.0.timers.wait_for(event, priority.into(), result)
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
