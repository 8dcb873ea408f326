//! Media Foundation itself, started: `MFStartup` and the multithreaded apartment, given back in order.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use windows::Win32::Media::MediaFoundation::{
    MF_VERSION, MFSTARTUP_FULL, MFSTARTUP_LITE, MFShutdown, MFStartup,
};
use windows::Win32::System::Com::{CO_MTA_USAGE_COOKIE, CoDecrementMTAUsage, CoIncrementMTAUsage};

use crate::error::{Error, Result};
use crate::keepalive::{Keepalive, Lender};

/// The operating system's Media Foundation, started.
///
/// Clones share it. The last one to go fails what its [queues](crate::com::WorkQueue) still have
/// pending with `MF_E_SHUTDOWN`, calls `MFShutdown`, then gives up the apartment. Release COM objects before
/// that: one that is released after `MFShutdown` may crash the process. Do not let the last one go on a
/// thread of Media Foundation's, whose end `MFShutdown` may wait for.
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
    started: Arc<Started>,
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
        Ok(Platform { started: Arc::new(Started { lender: Lender::new(), _apartment: apartment }) })
    }

    /// What an operation holds that ends, at the latest, with the platform.
    pub(crate) fn lend(&self) -> Result<Keepalive> {
        let ended = || Error::shutdown("begin an operation on a Media Foundation that is shut down");
        self.started.lender.lend().ok_or_else(ended)
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("com::Platform")
    }
}

/// One `MFStartup`; its drop is the `MFShutdown`, and the apartment goes after it, being a field.
struct Started {
    lender: Lender,
    _apartment: Apartment,
}

impl Drop for Started {
    #[doc(alias = "MFShutdown")]
    fn drop(&mut self) {
        self.lender
            .shut_down(&Error::shutdown("wait for an operation of a Media Foundation that was shut down"));
        let _turn = turn();
        // SAFETY: there was one successful `MFStartup` for this, and there is no other shutdown for it. An
        // error would mean that Media Foundation is shut down already, which is what is wanted.
        let _ = unsafe { MFShutdown() };
    }
}

/// Held while Media Foundation is started or shut down: it counts, but where the last shutdown and a new start meet
/// on two threads, the one may take down what the other has just set up.
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

// SAFETY: the cookie is a number to everybody but the system, and COM lets any thread give it back.
unsafe impl Send for Apartment {}
// SAFETY: nothing can be done with it by a shared reference.
unsafe impl Sync for Apartment {}
