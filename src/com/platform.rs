//! Media Foundation itself, started: `MFStartup` and the multithreaded apartment, given back in order.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

use windows::Win32::Media::MediaFoundation::{
    MF_VERSION, MFSTARTUP_FULL, MFSTARTUP_LITE, MFShutdown, MFStartup,
};
use windows::Win32::System::Com::{CO_MTA_USAGE_COOKIE, CoDecrementMTAUsage, CoIncrementMTAUsage};

use crate::async_result::{Dispatch, QueueId, Token};
use crate::error::{Error, Result};
use crate::operation::{Operation, Promise};
use crate::queue::Queues;
use crate::tracker::Tracker;

/// The operating system's Media Foundation, started.
///
/// Clones share it. When the last one is dropped, operations that were begun with it and have not ended fail with
/// `MF_E_SHUTDOWN`, then `MFShutdown` is called, then the apartment is given back. Release COM objects before
/// that: one that is released after `MFShutdown` may crash the process. Do not drop the last one on a thread of
/// Media Foundation's, whose end `MFShutdown` may wait for.
///
/// The multithreaded apartment is kept for the whole process by `CoIncrementMTAUsage`, so no thread of an
/// async runtime needs to initialise COM, and no guard is bound to a thread.
///
/// ```no_run
/// # fn main() -> mf_async::Result<()> {
/// let platform = mf_async::com::Platform::startup()?;
/// // … use Media Foundation, release its objects …
/// drop(platform);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Platform {
    startup: Arc<Startup>,
}

impl Platform {
    /// Starts Media Foundation, sockets included.
    ///
    /// # Errors
    /// `MF_E_BAD_STARTUP_VERSION`, `MF_E_DISABLED_IN_SAFEMODE`, or `E_NOTIMPL` where the system has no media
    /// components.
    #[doc(alias = "MFStartup")]
    pub fn startup() -> Result<Platform> {
        Platform::start(MFSTARTUP_FULL)
    }

    /// Starts Media Foundation without the sockets library.
    ///
    /// # Errors
    /// As [`startup`](Platform::startup).
    #[doc(alias = "MFSTARTUP_LITE")]
    pub fn startup_lite() -> Result<Platform> {
        Platform::start(MFSTARTUP_LITE)
    }

    fn start(flags: u32) -> Result<Platform> {
        let apartment = Apartment::keep()?;
        let _turn = turn();
        // SAFETY: takes two numbers; a failed call is not counted and needs no shutdown.
        unsafe { MFStartup(MF_VERSION, flags) }?;
        // The system's queues are reached by its own functions, so a token leads to none.
        let no_queues: Weak<Queues> = Weak::new();
        let tracker: Tracker<Weak<dyn Dispatch>> = Tracker::new(no_queues, None);
        Ok(Platform { startup: Arc::new(Startup { tracker, _apartment: apartment }) })
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

/// One `MFStartup`; its drop is the `MFShutdown`, and the apartment goes after it, being a field.
struct Startup {
    tracker: Tracker<Weak<dyn Dispatch>>,
    _apartment: Apartment,
}

impl Drop for Startup {
    #[doc(alias = "MFShutdown")]
    fn drop(&mut self) {
        self.tracker
            .close(&Error::shutdown("wait for an operation of a Media Foundation that was shut down"));
        let _turn = turn();
        // SAFETY: there was one successful `MFStartup` for this, and there is no other shutdown for it. An
        // error would mean that Media Foundation is shut down already, which is what is wanted.
        let _ = unsafe { MFShutdown() };
    }
}

/// Held while Media Foundation is started or shut down. It counts its starts, but where the last shutdown and a new
/// start meet on two threads, the shutdown may take down what the start has just set up.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the process's multithreaded apartment.
struct Apartment(CO_MTA_USAGE_COOKIE);

impl Apartment {
    fn keep() -> Result<Apartment> {
        // SAFETY: needs no initialised apartment, and may be called from any thread.
        Ok(Apartment(unsafe { CoIncrementMTAUsage() }?))
    }
}

impl Drop for Apartment {
    fn drop(&mut self) {
        // SAFETY: the cookie is from `CoIncrementMTAUsage`, and is given back once; any thread may do so.
        let _ = unsafe { CoDecrementMTAUsage(self.0) };
    }
}

// SAFETY: the cookie is a number to all but the system, and COM lets any thread give it back.
unsafe impl Send for Apartment {}
// SAFETY: nothing can be done with it by a shared reference.
unsafe impl Sync for Apartment {}
