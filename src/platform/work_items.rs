//! The platform's functions that put work: now, after a time, every 10 ms, or when something happens.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use crate::async_result::QueueId;
use crate::cancel::WorkItemKey;
use crate::error::{Error, Hresult, Result};
use crate::platform::Platform;
use crate::queue::IntoWorkItem;
use crate::timer::{self, PeriodicKey};

impl Platform {
    /// Puts a work item on a queue: a callback, a callback with a state and a priority ([`WorkItem`](crate::WorkItem)), or a ready
    /// result.
    ///
    /// `queue` counts, not the queue that the callback names; the callback's flags count as well. The same result may be
    /// put again after it has run.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when `queue` is not open, or does not allow the callback's flags;
    /// `E_ILLEGAL_METHOD_CALL` when the item is a result whose reply a serial queue awaits; `MF_E_SHUTDOWN` when the
    /// platform is shut down. Nothing is queued or kept then.
    #[doc(alias = "MFPutWorkItem")]
    #[doc(alias = "MFPutWorkItem2")]
    #[doc(alias = "MFPutWorkItemEx")]
    #[doc(alias = "MFPutWorkItemEx2")]
    #[doc(alias = "RtwqPutWorkItem")]
    #[track_caller]
    pub fn put(&self, queue: impl Into<QueueId>, item: impl IntoWorkItem) -> Result<()> {
        self.queues().put(queue.into(), item.into_work_item(), Some(Location::caller()))
    }

    /// Puts a work item on the queue that its callback names, which is asked once: what
    /// [`invoke_callback`](Platform::invoke_callback) does with a result, for a callback that needs none of its own.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # use std::sync::Arc;
    /// # use mf_async::{AsyncResult, Platform};
    /// # let platform = Platform::startup()?;
    /// let (send, called) = std::sync::mpsc::channel();
    /// platform.invoke_item(Arc::new(move |_: &AsyncResult| send.send(()).unwrap()))?;
    /// called.recv().unwrap();
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// As [`put`](Platform::put), for the queue that the callback names.
    #[doc(alias = "MFInvokeCallback")]
    #[doc(alias = "RtwqInvokeCallback")]
    #[track_caller]
    pub fn invoke_item(&self, item: impl IntoWorkItem) -> Result<()> {
        self.queues().invoke_item(item.into_work_item(), Some(Location::caller()))
    }

    /// Runs a work item after `delay`, on the queue that its callback names.
    ///
    /// It never runs earlier; the granularity is 1 ms, that of tokio's timers. With tokio's clock paused it is exact,
    /// and takes no time. The item's priority is not used.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when that queue is not open, or does not allow the callback's flags;
    /// `E_ILLEGAL_METHOD_CALL` when the item is a result whose reply a serial queue awaits; `MF_E_SHUTDOWN` when the
    /// platform is shut down.
    #[doc(alias = "MFScheduleWorkItem")]
    #[doc(alias = "MFScheduleWorkItemEx")]
    #[doc(alias = "RtwqScheduleWorkItem")]
    #[track_caller]
    pub fn schedule(&self, item: impl IntoWorkItem, delay: Duration) -> Result<WorkItemKey> {
        self.0.timers.schedule(item.into_work_item(), delay, Location::caller())
    }

    /// As [`schedule`](Platform::schedule), with Media Foundation's own timeout: negative milliseconds, -5000 for five
    /// seconds; 0 is as soon as possible.
    ///
    /// # Errors
    /// `E_INVALIDARG` for a positive number, which no page of Media Foundation defines; otherwise as
    /// [`schedule`](Platform::schedule).
    #[doc(alias = "MFScheduleWorkItemEx")]
    #[doc(alias = "RtwqScheduleWorkItem")]
    #[track_caller]
    pub fn schedule_ms(&self, item: impl IntoWorkItem, timeout: i64) -> Result<WorkItemKey> {
        if timeout > 0 {
            let what = format!("schedule a work item with the timeout {timeout} ms, which is to be negative");
            return Err(Error::new(Hresult::E_INVALIDARG, what));
        }
        self.schedule(item, Duration::from_millis(timeout.unsigned_abs()))
    }

    /// Cancels a scheduled or waiting item by its key.
    ///
    /// A scheduled item is dropped without a call of its callback. The callback of a waiting item *is* called, with the
    /// status `MF_E_OPERATION_CANCELLED`, and its event is dropped before this returns. An item that is already on its
    /// queue runs. The key of another platform's item is not found here.
    ///
    /// If another thread polls the event at that moment, it is dropped when the poll returns. If that poll finds that the
    /// event has happened, the callback's status is `S_OK`: a signal that was used up is never reported as cancelled.
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
    /// `event` takes the place of the handle. It can be any future: of a `Notify`, a cancellation token, a channel. The
    /// wait blocks no thread. If the item is cancelled by its key, its callback is called with the status
    /// `MF_E_OPERATION_CANCELLED`; if `event` panics, with `E_UNEXPECTED`.
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
    /// is not open, or one that does not allow its flags; `E_ILLEGAL_METHOD_CALL` when the item is a result whose reply
    /// a serial queue awaits; `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFPutWaitingWorkItem")]
    #[doc(alias = "RtwqPutWaitingWorkItem")]
    #[track_caller]
    pub fn put_waiting(
        &self,
        event: impl Future<Output = ()> + Send + 'static,
        item: impl IntoWorkItem,
    ) -> Result<WorkItemKey> {
        self.0.timers.wait_for(event, item.into_work_item(), Location::caller())
    }

    /// Calls `callback` every 10 ms on the TIMER queue until it is removed.
    ///
    /// Calls never overlap, and missed calls are skipped.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFAddPeriodicCallback")]
    #[doc(alias = "RtwqAddPeriodicCallback")]
    #[doc(alias = "MFPERIODICCALLBACK")]
    #[track_caller]
    pub fn add_periodic_callback(&self, callback: impl Fn() + Send + Sync + 'static) -> Result<PeriodicKey> {
        self.0.timers.add_periodic(Box::new(callback), Location::caller())
    }

    /// Removes a periodic callback. A call that is already queued may still come.
    ///
    /// # Errors
    /// `MF_E_NOT_FOUND` when there is none under this key; `MF_E_SHUTDOWN` when the platform is shut
    /// down.
    #[doc(alias = "MFRemovePeriodicCallback")]
    #[doc(alias = "RtwqRemovePeriodicCallback")]
    pub fn remove_periodic_callback(&self, key: PeriodicKey) -> Result<()> {
        self.0.timers.remove_periodic(key)
    }

    /// The period of periodic callbacks: 10 ms.
    #[doc(alias = "MFGetTimerPeriodicity")]
    #[must_use]
    pub fn timer_periodicity(&self) -> Duration {
        timer::PERIOD
    }
}
