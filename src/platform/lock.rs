//! `PlatformLock`: it keeps a platform open.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::async_result::Token;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::register::{Begun, Outstanding, Registration};
use crate::report::PLATFORM_LOCK;

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

impl Platform {
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
