//! `Platform`: what is started and shut down, with Media Foundation's functions as its methods.

mod begin_end;
mod builder;
mod events;
mod lock;
mod owner;
#[cfg(all(test, mf_async_shuttle))]
mod schedules;
mod sentinel;
mod shared_queue;
mod shutdown;
mod weak;
mod work_items;
mod work_queues;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

pub use self::builder::PlatformBuilder;
pub use self::events::{PlatformEvents, PlatformEventsGuard};
pub use self::lock::PlatformLock;
pub use self::weak::WeakPlatform;

use self::owner::{Handles, Owner};
use self::shutdown::Shutdown;
use crate::async_result::{AsyncCallback, AsyncResult, ResultBuilder};
use crate::error::Result;
use crate::event::MediaEventQueue;
use crate::method::Method;
use crate::observe;
use crate::queue::Queues;
use crate::report::Report;
use crate::stepping;
use crate::tokio_quirks::GuardedFuture;

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

const SHUT_DOWN: &str = "shut the platform down";
