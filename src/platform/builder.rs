//! `PlatformBuilder`: the runtime of a platform, or the threads of its own, and the deadline of its shutdown.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::SetOnce;

use crate::error::{Error, Hresult, Result};
use crate::platform::events::Listeners;
use crate::platform::{Handles, Owner, Platform, sentinel};
use crate::queue::Queues;
use crate::timer::Timers;

/// The settings of a platform before it starts.
#[derive(Default)]
pub struct PlatformBuilder {
    handle: Option<Handle>,
    runtime: Option<Runtime>,
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

    /// Gives the platform a runtime of its own with this number of worker threads: for callbacks that should not run on
    /// another runtime, and for programs without one. It ends with the platform.
    #[must_use]
    pub fn worker_threads(mut self, workers: usize) -> PlatformBuilder {
        self.workers = Some(workers);
        self
    }

    /// Gives the platform this runtime for its own: for threads that need a start of their own (a name, a COM apartment,
    /// an affinity), which tokio's builder has hooks for. It ends with the platform, without waiting for its threads. Its
    /// timers must be enabled. The number of [`worker_threads`](PlatformBuilder::worker_threads) does not count then.
    ///
    /// The thread of a window queue is not the runtime's, and its hooks do not see it.
    ///
    /// ```
    /// use mf_async::{Platform, QueueId};
    ///
    /// let runtime = tokio::runtime::Builder::new_multi_thread()
    ///     .worker_threads(2)
    ///     .on_thread_start(|| println!("a thread that callbacks run on"))
    ///     .enable_time()
    ///     .build()?;
    /// let handle = runtime.handle().clone();
    /// let platform = Platform::builder().runtime(runtime).startup()?;
    /// let queue = platform.queue(QueueId::MULTITHREADED)?;
    /// assert_eq!(handle.block_on(queue.run(|| 6 * 7))?, 42);
    /// # Ok::<(), mf_async::Error>(())
    /// ```
    #[must_use]
    pub fn runtime(mut self, runtime: Runtime) -> PlatformBuilder {
        self.runtime = Some(runtime);
        self
    }

    /// Sets how long a shutdown waits for what is outstanding; 5 s by default.
    #[must_use]
    pub fn shutdown_deadline(mut self, deadline: Duration) -> PlatformBuilder {
        self.deadline = Some(deadline);
        self
    }

    /// Starts the platform.
    ///
    /// # Errors
    /// `MF_E_PLATFORM_NOT_INITIALIZED` when there is no runtime to start on; `MF_E_SHUTDOWN` when the runtime is shut
    /// down; `E_INVALIDARG` for 0 worker threads or more than 1024; the system's error when it has no I/O driver for
    /// the runtime.
    #[doc(alias = "MFStartup")]
    pub fn startup(self) -> Result<Platform> {
        let runtime = match (self.runtime, self.workers) {
            (None, None) => None,
            (Some(runtime), _) => Some(runtime),
            (None, Some(workers)) if workers == 0 || workers > MOST_WORKERS => {
                let what =
                    format!("start a platform with {workers} worker threads: 1 to {MOST_WORKERS} can be");
                return Err(Error::new(Hresult::E_INVALIDARG, what));
            }
            (None, Some(workers)) => Some(
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
        let owner = Arc::new(Owner {
            timers: Timers::new(queues.clone()),
            queues,
            deadline: self.deadline.unwrap_or(DEADLINE),
            events: Listeners::default(),
            ended: SetOnce::new(),
            went: OnceLock::new(),
            sentinel: OnceLock::new(),
            runtime,
        });
        sentinel::post(&owner);
        if !owner.queues.is_running() {
            let what = "start a platform on a runtime that is shut down";
            return Err(Error::shutdown(what));
        }
        Ok(Platform(Arc::new(Handles { owner })))
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

/// Largest number of worker threads. A runtime panics when the system refuses it a thread.
const MOST_WORKERS: usize = 1024;

/// Default deadline of a shutdown, as on one of Media Foundation's pages.
const DEADLINE: Duration = Duration::from_secs(5);
