//! The platform: what is started, what is shut down, and Media Foundation's functions as its methods.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::SetOnce;
use tokio::time::Instant;

use crate::async_result::{AsyncCallback, AsyncResult, Begun, CallbackParameters, QueueId, Unknown};
use crate::error::{Error, Hresult, Result};
use crate::event::MediaEventQueue;
use crate::keepalive::{Armed, Entry, Outstanding};
use crate::method::Method;
use crate::mmcss::Mmcss;
use crate::operation::{self, BeginStatus, Operation};
use crate::queue::{Priority, Queues, WorkQueue, WorkQueueType, let_go};
use crate::report::{PLATFORM_LOCK, Report};
use crate::timer::{self, PeriodicKey, Timers, WorkItemKey};

/// A Media Foundation work-queue platform on a tokio runtime.
///
/// It is a value: as many as one likes live beside each other, and each test has its own. Clones are
/// the same platform. [`shutdown`](Platform::shutdown) ends it in order; if the last clone is dropped
/// without that, what is outstanding is failed with `MF_E_SHUTDOWN` all the same.
///
/// ```
/// use std::sync::Arc;
/// use mf_async::{AsyncResult, Platform, QueueId};
///
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// let platform = Platform::startup()?;
/// let (send, receive) = tokio::sync::oneshot::channel();
/// let send = std::sync::Mutex::new(Some(send));
/// let callback = Arc::new(move |result: &AsyncResult| {
///     let send = send.lock().unwrap().take().unwrap();
///     send.send(*result.state::<i32>().unwrap()).unwrap();
/// });
/// platform.put_work_item(QueueId::MULTITHREADED, callback, Some(Arc::new(7)))?;
/// assert_eq!(receive.await, Ok(7));
/// platform.shutdown().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Platform(Arc<Owner>);

impl Platform {
    /// Starts a platform on the current tokio runtime.
    ///
    /// Each call starts another, and each is to be shut down.
    ///
    /// # Errors
    /// `MF_E_PLATFORM_NOT_INITIALIZED` when there is no current runtime; [`Platform::builder`] takes
    /// a handle to one, or makes one.
    #[doc(alias = "MFStartup")]
    #[doc(alias = "RtwqStartup")]
    pub fn startup() -> Result<Platform> {
        Platform::builder().startup()
    }

    /// What to start, in detail.
    #[must_use]
    pub fn builder() -> PlatformBuilder {
        PlatformBuilder::default()
    }

    /// Makes the result of an operation: what Begin prepares and End reads.
    ///
    /// `object` is the component's own, `callback` and `state` are its caller's. A result without a
    /// callback is allowed; see [`AsyncResult::signaled`].
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFCreateAsyncResult")]
    #[doc(alias = "RtwqCreateAsyncResult")]
    pub fn create_async_result(
        &self,
        object: Option<Unknown>,
        callback: Option<Arc<dyn AsyncCallback>>,
        state: Option<Unknown>,
    ) -> Result<AsyncResult> {
        self.queues().create_result(object, callback, state)
    }

    /// Completes an operation: the result's callback will be invoked, on the queue that it names.
    ///
    /// Never on the stack of this call, and possibly before it returns. `Ok` means that the call is
    /// queued. A result without a callback signals its event instead; one whose serial queue awaits a
    /// reply is that reply.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when the callback names a queue that is not open, or one that does
    /// not allow its flags; `MF_E_SHUTDOWN` when the platform is shut down. The callback is not called
    /// then, and nothing is kept.
    #[doc(alias = "MFInvokeCallback")]
    #[doc(alias = "RtwqInvokeCallback")]
    pub fn invoke_callback(&self, result: &AsyncResult) -> Result<()> {
        self.queues().invoke(result)
    }

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
        let result = self.queues().create_result(None, Some(callback), state)?;
        self.queues().put(queue.into(), priority.into(), &result)
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
        self.queues().put(queue.into(), priority.into(), result)
    }

    /// Allocates a private queue; the handle is its first lock.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down; for a window queue the system's error, when it
    /// gives no thread.
    #[doc(alias = "MFAllocateWorkQueue")]
    #[doc(alias = "MFAllocateWorkQueueEx")]
    #[doc(alias = "RtwqAllocateWorkQueue")]
    #[track_caller]
    pub fn allocate_work_queue(&self, kind: WorkQueueType) -> Result<WorkQueue> {
        self.queues().allocate(kind)
    }

    /// Allocates a serial queue over another queue, on whose threads it runs its items one at a time.
    ///
    /// It keeps the queue below open. Any queue may be below, a serial one as well.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when `base` is not open; `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFAllocateSerialWorkQueue")]
    #[doc(alias = "RtwqAllocateSerialWorkQueue")]
    #[track_caller]
    pub fn allocate_serial_work_queue(&self, base: impl Into<QueueId>) -> Result<WorkQueue> {
        self.queues().allocate_serial(base.into())
    }

    /// A handle to a queue that is open, by its number: another lock on it.
    ///
    /// For the platform's own queues the handle locks nothing, as in Media Foundation.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when the queue is not open; `MF_E_SHUTDOWN` when the platform is shut
    /// down.
    #[doc(alias = "MFLockWorkQueue")]
    #[doc(alias = "RtwqLockWorkQueue")]
    pub fn lock_work_queue(&self, queue: impl Into<QueueId>) -> Result<WorkQueue> {
        self.queues().handle(queue.into())
    }

    /// Takes off a lock that [`WorkQueue::into_id`] left on a queue.
    ///
    /// For the platform's own queues it does nothing and succeeds.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when the queue is not open, or has no such lock.
    #[doc(alias = "MFUnlockWorkQueue")]
    #[doc(alias = "RtwqUnlockWorkQueue")]
    pub fn unlock_work_queue(&self, queue: impl Into<QueueId>) -> Result<()> {
        self.queues().unlock(queue.into())
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
        let result = self.queues().create_result(None, Some(callback), state)?;
        self.schedule_result(&result, delay)
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

    /// Locks the parallel queue that everybody shares who names this MMCSS class, and tells its task id.
    ///
    /// `task_id` is that of a task group to join, or `None` (or 0) for the class's own. The empty class is
    /// a queue without MMCSS, the same at every call while it is open. With the feature `realtime` a
    /// shared queue of a class has threads of its own, and they are raised; if the system refuses that,
    /// it is told once, and they run as they are.
    ///
    /// # Errors
    /// `E_INVALIDARG` for the empty class with a task id or a priority, or for a priority outside -2 to 2;
    /// `ERROR_INVALID_TASK_NAME` for a class that MMCSS does not know; `ERROR_INVALID_TASK_INDEX` for a
    /// task id of another class or of none; `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFLockSharedWorkQueue")]
    #[doc(alias = "RtwqLockSharedWorkQueue")]
    #[track_caller]
    pub fn lock_shared_work_queue(
        &self,
        class: &str,
        base_priority: i32,
        task_id: Option<u32>,
    ) -> Result<(WorkQueue, u32)> {
        self.queues().lock_shared(class, base_priority, task_id)
    }

    /// Registers a queue with an MMCSS class, on the queue's own threads; gives the task id.
    ///
    /// `task_id` 0 asks for a new task group. A queue that is registered already is registered anew.
    ///
    /// # Errors
    /// The operation's: `MF_E_INVALID_WORKQUEUE` when the queue is not open, and those of
    /// [`lock_shared_work_queue`](Platform::lock_shared_work_queue).
    ///
    /// # Cancel safety
    /// As [`Operation`].
    #[doc(alias = "MFBeginRegisterWorkQueueWithMMCSS")]
    #[doc(alias = "MFBeginRegisterWorkQueueWithMMCSSEx")]
    #[doc(alias = "MFEndRegisterWorkQueueWithMMCSS")]
    #[doc(alias = "RtwqBeginRegisterWorkQueueWithMMCSS")]
    #[doc(alias = "RtwqEndRegisterWorkQueueWithMMCSS")]
    #[track_caller]
    pub fn register_work_queue_with_mmcss(
        &self,
        queue: impl Into<QueueId>,
        class: &str,
        task_id: u32,
        base_priority: i32,
    ) -> Operation<u32> {
        self.queues().register(queue.into(), class, task_id, base_priority)
    }

    /// Takes a queue's registration with MMCSS back.
    ///
    /// # Errors
    /// The operation's: `MF_E_INVALID_WORKQUEUE` when the queue is not open; `MF_E_SHUTDOWN` when the
    /// platform is shut down.
    ///
    /// # Cancel safety
    /// As [`Operation`].
    #[doc(alias = "MFBeginUnregisterWorkQueueWithMMCSS")]
    #[doc(alias = "MFEndUnregisterWorkQueueWithMMCSS")]
    #[doc(alias = "RtwqBeginUnregisterWorkQueueWithMMCSS")]
    #[doc(alias = "RtwqEndUnregisterWorkQueueWithMMCSS")]
    #[track_caller]
    pub fn unregister_work_queue_with_mmcss(&self, queue: impl Into<QueueId>) -> Operation<()> {
        self.queues().unregister(queue.into())
    }

    /// What a queue is registered as with MMCSS: an empty class, task id 0 and priority 0 if it is not.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when the queue is not open.
    #[doc(alias = "MFGetWorkQueueMMCSSClass")]
    #[doc(alias = "MFGetWorkQueueMMCSSTaskId")]
    #[doc(alias = "MFGetWorkQueueMMCSSPriority")]
    #[doc(alias = "RtwqGetWorkQueueMMCSSClass")]
    #[doc(alias = "RtwqGetWorkQueueMMCSSTaskId")]
    #[doc(alias = "RtwqGetWorkQueueMMCSSPriority")]
    pub fn work_queue_mmcss(&self, queue: impl Into<QueueId>) -> Result<Mmcss> {
        self.queues().mmcss(queue.into())
    }

    /// Registers all of the platform's own queues with an MMCSS class; gives the task id.
    ///
    /// # Errors
    /// As [`lock_shared_work_queue`](Platform::lock_shared_work_queue).
    #[doc(alias = "MFRegisterPlatformWithMMCSS")]
    #[doc(alias = "RtwqRegisterPlatformWithMMCSS")]
    pub fn register_platform_with_mmcss(&self, class: &str, task_id: u32, base_priority: i32) -> Result<u32> {
        self.queues().register_all(class, task_id, base_priority)
    }

    /// Takes the registration of the platform's own queues back.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFUnregisterPlatformFromMMCSS")]
    #[doc(alias = "RtwqUnregisterPlatformFromMMCSS")]
    pub fn unregister_platform_from_mmcss(&self) -> Result<()> {
        self.queues().set_platform_mmcss(&Mmcss::none())
    }

    /// As [`begin_end`](crate::begin_end), and this platform knows of the operation from the start: a
    /// shutdown ends it even if the component has not made a result for it yet.
    ///
    /// # Cancel safety
    /// As [`Operation`].
    #[track_caller]
    pub fn begin_end<T, B, E>(&self, begin: impl FnOnce(Arc<dyn AsyncCallback>) -> B, end: E) -> Operation<T>
    where
        T: Send + 'static,
        B: BeginStatus,
        E: FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
    {
        match self.queues().lend("begin an operation") {
            Ok(keepalive) => {
                let parameters = CallbackParameters::on(QueueId::MULTITHREADED);
                operation::start(Some(&keepalive), parameters, begin, end)
            }
            Err(error) => Operation::failed(error),
        }
    }

    /// One asynchronous method of a component, which is to be implemented: see [`Method`].
    #[must_use]
    pub fn method<T: Send + 'static>(&self) -> Method<T> {
        Method::new(self.queues().clone())
    }

    /// Makes a queue for a component to send its events through.
    ///
    /// A shutdown of the platform shuts it down.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFCreateEventQueue")]
    #[track_caller]
    pub fn create_event_queue(&self) -> Result<MediaEventQueue> {
        MediaEventQueue::new(self.queues())
    }

    /// Keeps the platform open: shutdown waits for the lock, up to its deadline.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFLockPlatform")]
    #[doc(alias = "RtwqLockPlatform")]
    #[track_caller]
    pub fn lock(&self) -> Result<PlatformLock> {
        let holder: Arc<dyn Armed> = Arc::new(Holder);
        let begun = Location::caller();
        let entry = self.queues().lend("lock the platform")?.enter(Arc::downgrade(&holder), begun)?;
        Ok(PlatformLock { begun, _entry: entry, _holder: holder })
    }

    /// Hears of the platform's shutdown; `InitializationComplete` is called at once, since it is.
    ///
    /// Dropping what this returns unregisters.
    #[doc(alias = "RtwqRegisterPlatformEvents")]
    #[doc(alias = "RtwqUnregisterPlatformEvents")]
    #[must_use = "dropping it unregisters"]
    pub fn register_platform_events(&self, events: Arc<dyn PlatformEvents>) -> PlatformEventsGuard {
        events.initialization_complete();
        let registered = Arc::new(Registered(events));
        let mut all = self.0.events.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&registered));
        PlatformEventsGuard { _registered: registered }
    }

    /// Shuts the platform down, in order.
    ///
    /// From now on new work is refused with `MF_E_SHUTDOWN`, save from callbacks of this platform,
    /// whose operations may need another hop. Pending timers are dropped; waits are cancelled, which
    /// calls back; queued items run; what is still armed then fails with `MF_E_SHUTDOWN`; and
    /// running callbacks, results, locks and handles to private queues are waited for. All of that has
    /// 5 s, or what the builder was told; [`shutdown_within`](Platform::shutdown_within) takes another
    /// deadline. A second shutdown waits for the same end.
    ///
    /// # Errors
    /// `ERROR_TIMEOUT` when work was not ended at the deadline: the text says what is stuck, on which
    /// queue, since when, and where it was begun. The platform is shut down all the same, and what was
    /// queued is let go. Locks and handles alone do not make it fail, as in Media Foundation.
    /// `E_ILLEGAL_METHOD_CALL` when called from a callback of this platform, which it would wait for.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop the shutdown, which was begun by the call.
    #[doc(alias = "MFShutdown")]
    #[doc(alias = "RtwqShutdown")]
    pub fn shutdown(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        self.shutdown_within(self.0.deadline)
    }

    /// As [`shutdown`](Platform::shutdown), with a deadline of its own.
    ///
    /// # Errors
    /// As [`shutdown`](Platform::shutdown).
    ///
    /// # Cancel safety
    /// As [`shutdown`](Platform::shutdown).
    pub fn shutdown_within(&self, deadline: Duration) -> impl Future<Output = Result<()>> + Send + use<> {
        let begun = self.begin_shutdown(deadline);
        let owner = self.0.clone();
        async move {
            begun?;
            owner.ended.wait().await.clone()
        }
    }

    /// What is queued, runs, is armed and is held at this moment, as a table for people.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # let platform = mf_async::Platform::startup()?;
    /// println!("{}", platform.report());
    /// # platform.shutdown().await }
    /// ```
    #[must_use]
    pub fn report(&self) -> Report {
        self.0.report(&self.0.queues.lender.entered())
    }

    pub(crate) fn queues(&self) -> &Arc<Queues> {
        &self.0.queues
    }

    fn begin_shutdown(&self, deadline: Duration) -> Result<()> {
        if let Some(queue) = self.queues().runs_here() {
            let what =
                format!("shut the platform down from a callback on queue {queue}, which it would wait for");
            return Err(Error::new(Hresult::E_ILLEGAL_METHOD_CALL, what));
        }
        if self.queues().start_draining() {
            let shutdown = Shutdown { owner: self.0.clone(), ended: false };
            drop(self.queues().runtime().spawn(shutdown.run(deadline)));
        }
        Ok(())
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("running", &self.queues().is_running()).finish_non_exhaustive()
    }
}

/// What to start a platform with.
#[derive(Default)]
pub struct PlatformBuilder {
    handle: Option<Handle>,
    workers: Option<usize>,
    deadline: Option<Duration>,
}

impl PlatformBuilder {
    /// Runs on this runtime rather than on the current one. Its timers must be enabled.
    #[must_use]
    pub fn handle(mut self, handle: Handle) -> PlatformBuilder {
        self.handle = Some(handle);
        self
    }

    /// Owns a runtime with so many worker threads: for callbacks that are not welcome elsewhere, and for
    /// programs that have no runtime. It goes with the platform.
    #[must_use]
    pub fn worker_threads(mut self, workers: usize) -> PlatformBuilder {
        self.workers = Some(workers);
        self
    }

    /// How long a shutdown waits for what is outstanding; 5 s if nothing is said.
    #[must_use]
    pub fn shutdown_deadline(mut self, deadline: Duration) -> PlatformBuilder {
        self.deadline = Some(deadline);
        self
    }

    /// Starts the platform.
    ///
    /// # Errors
    /// `MF_E_PLATFORM_NOT_INITIALIZED` when there is no runtime to start on; `E_INVALIDARG` for no
    /// worker threads, or more than 1024; the system's error, when it gives no driver.
    #[doc(alias = "MFStartup")]
    pub fn startup(self) -> Result<Platform> {
        let runtime = match self.workers {
            None => None,
            Some(workers) if workers == 0 || workers > MOST_WORKERS => {
                let what =
                    format!("start a platform with {workers} worker threads: 1 to {MOST_WORKERS} can be");
                return Err(Error::new(Hresult::E_INVALIDARG, what));
            }
            Some(workers) => Some(
                tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(workers)
                    .thread_name("mf-async")
                    .enable_all()
                    .build()
                    .map_err(|error| Error::io("start the platform's own runtime", error))?,
            ),
        };
        let handle = match (&runtime, self.handle) {
            (Some(runtime), _) => runtime.handle().clone(),
            (None, Some(handle)) => handle,
            (None, None) => Handle::try_current().map_err(|_| {
                Error::new(
                    Hresult::MF_E_PLATFORM_NOT_INITIALIZED,
                    "start a platform outside a tokio runtime: give the builder a handle or worker threads",
                )
            })?,
        };
        let queues = Queues::new(handle);
        Ok(Platform(Arc::new(Owner {
            timers: Timers::new(queues.clone()),
            queues,
            deadline: self.deadline.unwrap_or(DEADLINE),
            events: Mutex::default(),
            ended: SetOnce::new(),
            runtime,
        })))
    }
}

impl fmt::Debug for PlatformBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformBuilder")
            .field("worker_threads", &self.workers)
            .field("shutdown_deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Keeps the platform open: while it lives, shutdown waits, up to its deadline. Dropped, it unlocks.
#[doc(alias = "MFLockPlatform")]
#[doc(alias = "MFUnlockPlatform")]
#[doc(alias = "RtwqUnlockPlatform")]
#[must_use = "dropping it unlocks"]
pub struct PlatformLock {
    begun: Begun,
    _entry: Entry,
    _holder: Arc<dyn Armed>,
}

/// What the register knows of a platform lock: it is there, and a shutdown cannot end it.
struct Holder;

impl Armed for Holder {
    fn shut_down(&self, _: &Error) {}

    fn describe(&self) -> String {
        PLATFORM_LOCK.to_owned()
    }
}

impl fmt::Debug for PlatformLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlatformLock({})", self.begun)
    }
}

/// Hears of a platform's beginning and end: `IRtwqPlatformEvents`.
#[doc(alias = "IRtwqPlatformEvents")]
pub trait PlatformEvents: Send + Sync {
    /// The platform is ready.
    fn initialization_complete(&self) {}
    /// A shutdown begins.
    fn shutdown_start(&self) {}
    /// The shutdown has ended.
    fn shutdown_complete(&self) {}
}

/// A registration of [`PlatformEvents`]; dropping it unregisters.
pub struct PlatformEventsGuard {
    _registered: Arc<Registered>,
}

/// What a guard owns alone, whoever else has the listener.
struct Registered(Arc<dyn PlatformEvents>);

impl fmt::Debug for PlatformEventsGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlatformEventsGuard")
    }
}

/// What all clones of a platform share.
struct Owner {
    queues: Arc<Queues>,
    timers: Arc<Timers>,
    deadline: Duration,
    events: Mutex<Vec<Weak<Registered>>>,
    ended: SetOnce<Result<()>>,
    /// The platform's own, if it has one. Dropped by `shutdown_background`: a plain drop would wait for
    /// its threads, and this may be one of them.
    runtime: Option<Runtime>,
}

impl Owner {
    fn report(&self, entered: &[Outstanding]) -> Report {
        Report::new(&self.queues, &self.timers, entered)
    }

    fn tell(&self, what: impl Fn(&dyn PlatformEvents)) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in events.iter().filter_map(Weak::upgrade) {
            // A listener that panics stops neither the shutdown nor the others.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| what(&*listener.0))) {
                let_go(payload);
            }
            let_go(listener);
        }
    }

    /// Waits until cancelled waits have called back and queued items have run.
    async fn drained(&self) {
        self.timers.waits_ended().await;
        self.queues.drained().await;
    }

    /// Nothing is taken any more, and what is armed fails.
    fn close(&self) {
        self.timers.shut_down();
        self.queues
            .lender
            .shut_down(&Error::shutdown("wait for an operation of a platform that was shut down"));
        self.queues.close();
        self.queues.lender.give_up();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
        self.queues.orphan();
        self.queues.forget();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A shutdown on its way. Dropped with its runtime before the end, it ends at once.
struct Shutdown {
    owner: Arc<Owner>,
    ended: bool,
}

impl Shutdown {
    async fn run(mut self, deadline: Duration) {
        let owner = self.owner.clone();
        let until = Instant::now().checked_add(deadline);
        owner.tell(|events| events.shutdown_start());
        owner.timers.shut_down();
        let drained = by(until, owner.drained()).await;
        // What is armed is failed now; what of it somebody holds on to even so is told at the deadline.
        let entered = owner.queues.lender.entered();
        let undrained = if drained { None } else { Some(owner.report(&entered)) };
        owner.close();
        let all_back = by(until, owner.queues.lender.all_back()).await;
        let stuck = match undrained {
            None if all_back => None,
            None => Some(owner.report(&entered)).filter(Report::has_unfinished_work),
            undrained => undrained,
        };
        owner.queues.kill();
        owner.queues.forget();
        owner.tell(|events| events.shutdown_complete());
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
            self.owner.close();
            self.owner.queues.kill();
            self.owner.queues.forget();
            self.end(Err(Error::shutdown("shut the platform down: its runtime went away meanwhile")));
        }
    }
}

/// Waits for `what` until then; true if it came.
async fn by(until: Option<Instant>, what: impl Future<Output = ()>) -> bool {
    match until {
        Some(until) => tokio::time::timeout_at(until, what).await.is_ok(),
        None => {
            what.await;
            true
        }
    }
}

/// More threads than any machine has use for; the runtime would panic when the system gives no more.
const MOST_WORKERS: usize = 1024;

/// How long a shutdown waits if nothing is said: what one of Media Foundation's pages says.
const DEADLINE: Duration = Duration::from_secs(5);
