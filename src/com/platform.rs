//! Media Foundation itself, started: `MFStartup` and the multithreaded apartment.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use tokio::time::Instant;

use windows::Win32::Foundation::FreeLibrary;
use windows::Win32::System::Com::CoIncrementMTAUsage;
use windows::Win32::System::LibraryLoader::LoadLibraryW;
use windows::core::{Interface, w};

use crate::async_result::{Dispatch, QueueId, Token};
use crate::com::startup::{Started, shut_down};
use crate::com::{Mta, given_back};
use crate::error::Result;
use crate::operation::{Operation, Promise};
use crate::queue::Queues;
use crate::tracker::Tracker;

/// The operating system's Media Foundation, started.
///
/// Clones share it. When the last one is dropped, operations that were begun with it and have not ended fail with
/// `MF_E_SHUTDOWN`. Everything that this module hands out keeps Media Foundation started as well, so it may be dropped in
/// any order. `MFShutdown` is called when the last of all that is gone, on a thread of its own: it may wait for seconds, while
/// an asynchronous result lives, and must not be called on a work-queue thread. So the last drop may be anywhere, and
/// never waits. To wait for the end, await [`shutdown`](Platform::shutdown).
///
/// The multithreaded apartment is kept by `CoIncrementMTAUsage`, so no thread of an async runtime needs to initialise
/// COM, and no guard is bound to a thread. It is never given back: with it COM unloads the DLLs of objects that may be
/// released later.
///
/// ```no_run
/// # async fn run() -> mf_async::Result<()> {
/// let platform = mf_async::com::Platform::startup()?;
/// // … use Media Foundation …
/// platform.shutdown().await
/// # }
/// ```
#[derive(Clone)]
pub struct Platform {
    startup: Arc<Startup>,
}

impl Platform {
    /// Starts Media Foundation, sockets included.
    ///
    /// If the last shutdown is under way, this waits for its end: await [`shutdown`](Platform::shutdown) before you
    /// start again.
    ///
    /// # Errors
    /// `MF_E_BAD_STARTUP_VERSION`, `MF_E_DISABLED_IN_SAFEMODE`. Where the system has no Media Foundation a process whose
    /// DLLs are not delay-loaded does not start at all: see [`is_available`](Platform::is_available).
    #[doc(alias = "MFStartup")]
    pub fn startup() -> Result<Platform> {
        Platform::start(true)
    }

    /// Starts Media Foundation without the sockets library.
    ///
    /// # Errors
    /// As [`startup`](Platform::startup).
    #[doc(alias = "MFSTARTUP_LITE")]
    pub fn startup_lite() -> Result<Platform> {
        Platform::start(false)
    }

    fn start(full: bool) -> Result<Platform> {
        keep_apartment()?;
        let started = Started::start(full)?;
        // The system's queues are reached by its own functions, so a token leads to none.
        let no_queues: Weak<Queues> = Weak::new();
        let tracker: Tracker<Weak<dyn Dispatch>> = Tracker::new(no_queues, None);
        // ORDERING: Relaxed: a number that orders nothing.
        PLATFORMS.fetch_add(1, Ordering::Relaxed);
        Ok(Platform { startup: Arc::new(Startup { tracker, started }) })
    }

    /// Whether the system has Media Foundation: the DLLs `mfplat.dll`, `mfreadwrite.dll` and `mf.dll`.
    ///
    /// Editions N and KN of Windows without the *Media Feature Pack*, and servers without the feature *Media Foundation*,
    /// have not. There a program that imports these DLLs is not started by the system, so that it could ask nothing. To
    /// ask, it must load them late. Microsoft's linker does so by these arguments, in the program's `build.rs`:
    ///
    /// ```
    /// for dll in ["mf.dll", "mfplat.dll", "mfreadwrite.dll"] {
    ///     println!("cargo::rustc-link-arg-bins=/DELAYLOAD:{dll}");
    /// }
    /// println!("cargo::rustc-link-arg-bins=delayimp.lib");
    /// ```
    ///
    /// MinGW's linker needs libraries made for it. The repository's folder `late_loading` holds a program whose `build.rs` serves
    /// both linkers.
    ///
    /// Then nothing of this module may be called where this is false.
    #[must_use]
    pub fn is_available() -> bool {
        [w!("mfplat.dll"), w!("mfreadwrite.dll"), w!("mf.dll")].into_iter().all(|name| {
            // SAFETY: the name ends with a zero. These are the system's own DLLs, whose entry points do no harm.
            let loaded = unsafe { LoadLibraryW(name) };
            // SAFETY: it was loaded once more just now, and nothing of it was used.
            loaded.map(|module| unsafe { FreeLibrary(module) }).is_ok()
        })
    }

    /// Ends this platform: operations that were begun with it, by whichever clone, and have not ended fail with
    /// `MF_E_SHUTDOWN`, and new ones are refused with it. Begins at once.
    ///
    /// If nothing else uses Media Foundation, it is shut down, on a thread of its own, and the operation ends when that
    /// is over: after some seconds at the most, if asynchronous results live. As `MFShutdown` is counted, the operation
    /// ends at once if other platforms, or objects that came from this one, keep Media Foundation started; the last
    /// of them shuts it down.
    ///
    /// # Errors
    /// None here; the operation's are Media Foundation's own, and an error of the kind
    /// [`Abandoned`](crate::ErrorKind::Abandoned) if there is no thread to be had for it.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches, and the shutdown goes on.
    #[doc(alias = "MFShutdown")]
    #[track_caller]
    pub fn shutdown(self) -> Operation<()> {
        let (promise, operation) = Promise::new(QueueId::MULTITHREADED, None);
        self.startup.tracker.close(&shut_down());
        let started = self.startup.started.clone();
        drop(self);
        started.end(promise);
        operation
    }

    /// The same object, which keeps Media Foundation started from now on, as all does that this module hands out.
    #[must_use]
    pub fn keep<I: Interface>(&self, object: Mta<I>) -> Mta<I> {
        object.keeping(Some(self.startup.started.clone()))
    }

    /// What the objects of a callback object keep, which must not keep it itself.
    pub(crate) fn started(&self) -> &Arc<Started> {
        &self.startup.started
    }

    /// What a future on a queue holds until it has ended.
    pub(crate) fn token(&self, doing: &'static str) -> Result<Token> {
        self.startup.tracker.token(doing)
    }

    /// An operation of this platform, and the right to end it. The end of the platform ends it if nothing else does.
    #[track_caller]
    pub(crate) fn promise<T: Send + 'static>(&self, queue: QueueId) -> Result<(Promise<T>, Operation<T>)> {
        let tracker = self.startup.tracker.handle();
        let (promise, operation) = Promise::new(queue, Some(tracker));
        let registration =
            tracker.register(promise.outstanding(), Location::caller(), Some(Instant::now()))?;
        Ok((promise, operation.with_registration(registration)))
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("com::Platform")
    }
}

/// One platform: what was begun with it, and its share of what is started.
struct Startup {
    tracker: Tracker<Weak<dyn Dispatch>>,
    started: Arc<Started>,
}

impl Drop for Startup {
    fn drop(&mut self) {
        self.tracker.close(&shut_down());
        // ORDERING: Relaxed: a number that orders nothing.
        if PLATFORMS.fetch_sub(1, Ordering::Relaxed) == 1 {
            // What waits for the next stream of an object would keep Media Foundation started.
            given_back::forget();
        }
    }
}

/// How many platforms there are.
static PLATFORMS: AtomicUsize = AtomicUsize::new(0);

/// Keeps the process's multithreaded apartment, for good.
fn keep_apartment() -> Result<()> {
    static KEPT: OnceLock<()> = OnceLock::new();
    if KEPT.get().is_none() {
        // SAFETY: needs no initialised apartment, and may be called from any thread. The cookie is not needed: it is
        // not given back. Where two threads come here at once, there are two counts, which is no harm.
        let _cookie = unsafe { CoIncrementMTAUsage() }?;
        let _ = KEPT.set(());
    }
    Ok(())
}
