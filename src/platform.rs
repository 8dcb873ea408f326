//! The platform: what is started, what is shut down, and Media Foundation's functions as its methods.

mod builder;
mod registration;
#[cfg(all(test, mf_async_shuttle))]
mod schedules;
mod sentinel;
mod shutdown;
mod weak;
mod work_items;
mod work_queues;

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::SetOnce;
use tokio::task::AbortHandle;

pub use self::builder::PlatformBuilder;
use self::shutdown::Shutdown;
pub use self::weak::WeakPlatform;
use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId, ResultBuilder, Token};
use crate::contain::{Contained, contain, drop_contained, drop_payload};
use crate::error::{Error, Result};
use crate::event::MediaEventQueue;
use crate::method::Method;
use crate::observe;
use crate::operation::{BeginStatus, Operation};
use crate::queue::Queues;
use crate::report::{PLATFORM_LOCK, Report, ShutdownReport};
use crate::stepping;
use crate::timer::Timers;
use crate::tokio_quirks::GuardedFuture;
use crate::tracker::{Begun, Outstanding, OutstandingEntry, Registration};

/// A Media Foundation work-queue platform on a tokio runtime.
///
/// It is a value: as many as one likes live beside each other, and each test has its own. Clones are
/// the same platform. [`shutdown`](Platform::shutdown) ends it in order. If the last clone is dropped without that, or
/// the runtime is dropped, the platform ends all the same: what is outstanding fails with `MF_E_SHUTDOWN`, and so does
/// every later call.
///
/// ```
/// use std::sync::Arc;
/// use mf_async::{AsyncResult, Platform, QueueId, WorkItem};
///
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// let platform = Platform::startup()?;
/// let (send, receive) = tokio::sync::oneshot::channel();
/// let send = std::sync::Mutex::new(Some(send));
/// let callback = Arc::new(move |result: &AsyncResult| {
///     let send = send.lock().unwrap().take().unwrap();
///     send.send(*result.state::<i32>().unwrap()).unwrap();
/// });
/// platform.put(QueueId::MULTITHREADED, WorkItem::new(callback).state(Arc::new(7)))?;
/// assert_eq!(receive.await, Ok(7));
/// platform.shutdown().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Platform(Arc<Handles>);

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

    /// Makes the result of an operation that will invoke `callback`: what Begin prepares and End reads. The
    /// component's object and its caller's state are added, then `build` makes it.
    #[doc(alias = "MFCreateAsyncResult")]
    #[doc(alias = "RtwqCreateAsyncResult")]
    #[inline]
    pub fn result(&self, callback: Arc<dyn AsyncCallback>) -> ResultBuilder<'_> {
        ResultBuilder::new(&self.queues().tracker, Some(callback))
    }

    /// Makes a result without a callback: what invokes it signals its event, see [`AsyncResult::signaled`].
    #[doc(alias = "MFCreateAsyncResult")]
    pub fn event_result(&self) -> ResultBuilder<'_> {
        ResultBuilder::new(&self.queues().tracker, None)
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
        stepping::pause();
        let invoked = self.queues().invoke(result);
        stepping::pause();
        invoked
    }

    /// Begins an asynchronous operation at once; awaiting what it returns gives what End returns.
    ///
    /// `begin` is handed `object` and the callback that the component is to invoke; `end` is handed a clone of
    /// `object` and the result that the callback was invoked with. Where there is no object, `&()` will do.
    /// The operation ends exactly once: with the value or error of `end`; with the error of `begin`; or, when the
    /// callback is dropped without being invoked, when something panics, or when the platform or its runtime ends,
    /// with an error that says so.
    ///
    /// No queue is named, and so none is needed: when the callback is invoked the awaiting task is woken, and End
    /// runs when it polls, in the task, never on the stack of the component. If the operation is not polled any more,
    /// because it was dropped or detached or because the platform shuts down, End runs on
    /// [`QueueId::MULTITHREADED`]. [`begin_end_with`](Platform::begin_end_with) names a queue.
    ///
    /// What Begin may return is listed at [`BeginStatus`]: nothing, a success code, or the right to cancel.
    ///
    /// ```
    /// use mf_async::{Platform, Result};
    ///
    /// # #[tokio::main] async fn main() -> Result<()> {
    /// let platform = Platform::startup()?;
    /// let answer = platform.begin_end(
    ///     &(),
    ///     |(), callback| platform.result(callback).build()?.invoke(),
    ///     |(), result| result.status().ok().map(|_| 42),
    /// );
    /// assert_eq!(answer.await?, 42);
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// None here: an error of `begin` is the operation's, and so is `MF_E_SHUTDOWN` when the platform is shut down.
    ///
    /// # Cancel safety
    /// As [`Operation`].
    #[inline]
    #[track_caller]
    pub fn begin_end<O, T, B, E>(
        &self,
        object: &O,
        begin: impl FnOnce(&O, Arc<dyn AsyncCallback>) -> B,
        end: E,
    ) -> Operation<T>
    where
        O: Clone + Send + 'static,
        T: Send + 'static,
        B: BeginStatus,
        E: FnOnce(&O, &AsyncResult) -> Result<T> + Send + 'static,
    {
        self.start(CallbackParameters::on(QueueId::MULTITHREADED), false, object, begin, end)
    }

    /// As [`begin_end`](Platform::begin_end), with a callback that names this queue and has these flags: End runs
    /// there, in the queue's order, and is counted there.
    ///
    /// # Errors
    /// As [`begin_end`](Platform::begin_end).
    ///
    /// # Cancel safety
    /// As [`Operation`].
    #[track_caller]
    pub fn begin_end_with<O, T, B, E>(
        &self,
        parameters: CallbackParameters,
        object: &O,
        begin: impl FnOnce(&O, Arc<dyn AsyncCallback>) -> B,
        end: E,
    ) -> Operation<T>
    where
        O: Clone + Send + 'static,
        T: Send + 'static,
        B: BeginStatus,
        E: FnOnce(&O, &AsyncResult) -> Result<T> + Send + 'static,
    {
        self.start(parameters, true, object, begin, end)
    }

    #[inline]
    #[track_caller]
    fn start<O, T, B, E>(
        &self,
        parameters: CallbackParameters,
        is_queue_named: bool,
        object: &O,
        begin: impl FnOnce(&O, Arc<dyn AsyncCallback>) -> B,
        end: E,
    ) -> Operation<T>
    where
        O: Clone + Send + 'static,
        T: Send + 'static,
        B: BeginStatus,
        E: FnOnce(&O, &AsyncResult) -> Result<T> + Send + 'static,
    {
        // A clone is user code.
        let ends = self.queues().admit_new("begin an operation").and_then(|()| {
            contain(|| object.clone()).map_err(|payload| Error::panicked("the clone of the object", payload))
        });
        let ends = match ends {
            Ok(ends) => ends,
            Err(error) => {
                drop_contained(begin);
                drop_contained(end);
                return Operation::failed(error);
            }
        };
        let begin = |callback| {
            begin(object, callback).begin_status(|| {
                let timers = Arc::downgrade(&self.0.timers);
                // An item that has run, or a platform that is gone, needs no cancelling.
                move |key| _ = timers.upgrade().map(|timers| timers.cancel(key))
            })
        };
        let end = move |result: &AsyncResult| end(&ends, result);
        Operation::begin(self.queues().tracker.handle(), parameters, is_queue_named, begin, end)
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
        let holder: Arc<dyn Outstanding> = Arc::new(Holder);
        let begun = Location::caller();
        let token = self.queues().token("lock the platform")?;
        let registration = token.tracker().register_holder(Arc::downgrade(&holder), begun)?;
        Ok(PlatformLock { begun, _registration: registration, _holder: holder, _token: token })
    }

    /// Registers a listener for the platform's shutdown. `initialization_complete` is called at once, because it is.
    ///
    /// Dropping what this returns unregisters.
    #[doc(alias = "RtwqRegisterPlatformEvents")]
    #[doc(alias = "RtwqUnregisterPlatformEvents")]
    #[must_use = "dropping it unregisters"]
    pub fn register_platform_events(&self, events: Arc<dyn PlatformEvents>) -> PlatformEventsGuard {
        if let Err(payload) = contain(|| events.initialization_complete()) {
            drop_payload(payload);
        }
        let registered = Arc::new(Registered(Contained::new(events)));
        let mut all = self.0.events.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&registered));
        PlatformEventsGuard { _registered: registered }
    }

    /// Shuts the platform down, in order.
    ///
    /// New work is refused with `MF_E_SHUTDOWN`. Exception: a callback that is still running may put further items, to
    /// finish what it began. Pending timers are dropped; waits are cancelled, which calls back; queued items run; what
    /// is still armed then fails with `MF_E_SHUTDOWN`; and running callbacks, results, locks and handles to private
    /// queues are waited for. All of that has 5 s, or the builder's
    /// [`shutdown_deadline`](PlatformBuilder::shutdown_deadline); [`shutdown_within`](Platform::shutdown_within) takes
    /// another deadline. A second shutdown waits for the same end.
    ///
    /// # Errors
    /// `ERROR_TIMEOUT` when work was not ended at the deadline: the text says what is stuck, on which
    /// queue, since when, and where it was begun. The platform is shut down all the same, and what was
    /// queued is dropped. Locks and handles alone do not make it fail, as in Media Foundation.
    /// `ERROR_POSSIBLE_DEADLOCK` when called, or awaited, in a callback of this platform, in a [`PlatformEvents`]
    /// listener, or in the `Drop` of something that this very shutdown drops: it would wait for that.
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
        let owner = self.0.owner.clone();
        GuardedFuture::new(async move {
            begun?;
            let mut ended = pin!(owner.ended.wait());
            poll_fn(|cx| match ended.as_mut().poll(cx) {
                Poll::Ready(ended) => Poll::Ready(ended.clone()),
                Poll::Pending => match owner.queues.check_may_wait(SHUT_DOWN) {
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Err(error)),
                },
            })
            .await
        })
    }

    /// A handle that does not keep the platform alive, for a component that keeps one.
    #[must_use]
    pub fn downgrade(&self) -> WeakPlatform {
        WeakPlatform::of(self)
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
        self.0.report(&self.0.queues.tracker.handle().outstanding())
    }

    pub(crate) fn queues(&self) -> &Arc<Queues> {
        &self.0.queues
    }

    fn begin_shutdown(&self, deadline: Duration) -> Result<()> {
        self.queues().check_may_wait(SHUT_DOWN)?;
        if self.queues().call_out(|| self.queues().start_draining()) {
            stepping::note(|| "began the platform's shutdown".to_owned());
            let shutdown = Shutdown::new(self.0.owner.clone());
            observe::detach(self.queues().runtime(), format_args!("shutdown"), shutdown.run(deadline));
        }
        Ok(())
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("running", &self.queues().is_running()).finish_non_exhaustive()
    }
}

/// Keeps the platform open: while it lives, shutdown waits, up to its deadline. Its drop unlocks.
#[doc(alias = "MFLockPlatform")]
#[doc(alias = "MFUnlockPlatform")]
#[doc(alias = "RtwqUnlockPlatform")]
#[must_use = "dropping it unlocks"]
pub struct PlatformLock {
    begun: Begun,
    _registration: Registration,
    _holder: Arc<dyn Outstanding>,
    _token: Token,
}

/// A platform lock's entry in the register: a shutdown cannot end it.
struct Holder;

impl Outstanding for Holder {
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

/// A listener for a platform's beginning and end: `IRtwqPlatformEvents`.
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

/// What a guard owns alone, though others may own the listener.
struct Registered(Contained<Arc<dyn PlatformEvents>>);

impl fmt::Debug for PlatformEventsGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlatformEventsGuard")
    }
}

/// What all clones of a platform share. Its drop is the moment when no handle is left, and so no reply to a serial queue
/// can come any more. A shutdown that is on its way goes on with the owner.
struct Handles {
    owner: Arc<Owner>,
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
struct Owner {
    queues: Arc<Queues>,
    timers: Arc<Timers>,
    deadline: Duration,
    events: Mutex<Vec<Weak<Registered>>>,
    ended: SetOnce<Result<()>>,
    /// How the shutdown went, once it has ended.
    went: OnceLock<ShutdownReport>,
    /// Ends the platform when its runtime ends.
    sentinel: OnceLock<AbortHandle>,
    /// The platform's own, if it has one. Dropped by `shutdown_background`: a plain drop would wait for
    /// its threads, and this may be one of them.
    runtime: Option<Runtime>,
}

impl Owner {
    fn report(&self, entered: &[OutstandingEntry]) -> Report {
        Report::new(&self.queues, &self.timers, entered, self.went.get())
    }

    fn notify_events(&self, what: impl Fn(&dyn PlatformEvents)) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in events.iter().filter_map(Weak::upgrade) {
            // A listener that panics stops neither the shutdown nor the others.
            if let Err(payload) = contain(|| self.queues.call_out(|| what(&**listener.0))) {
                drop_payload(payload);
            }
            self.queues.call_out(|| drop_contained(listener));
        }
    }

    /// Waits until cancelled waits have called back and queued items have run.
    async fn drained(&self) {
        self.timers.waits_ended().await;
        self.queues.drained().await;
    }

    /// Ends everything at once, because the runtime is gone.
    fn abort(&self) {
        self.close();
        self.drop_queues();
        let _ =
            self.ended.set(Err(Error::shutdown("shut the platform down: its runtime went away meanwhile")));
    }

    /// Nothing is taken any more, and what is armed fails.
    fn close(&self) {
        self.queues.call_out(|| self.close_all());
    }

    fn close_all(&self) {
        self.timers.shut_down();
        let error = Error::shutdown("wait for an operation of a platform that was shut down");
        self.queues.tracker.close(&error);
        self.queues.close();
        self.queues.tracker.drop_own();
    }

    /// Drops what is still queued, and the private queues.
    fn drop_queues(&self) {
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

const SHUT_DOWN: &str = "shut the platform down";
