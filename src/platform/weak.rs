//! `WeakPlatform`: a handle for components, which does not keep the platform alive.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::error::{Error, Result};
use crate::platform::{Handles, Platform};

/// A handle to a platform that does not keep it alive: what [`Platform::downgrade`] makes.
///
/// A component that keeps a `Platform`, and is kept by its own callback or queue item, would keep itself alive. It
/// keeps this instead.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// # use mf_async::{Hresult, Platform};
/// let platform = Platform::startup()?;
/// let weak = platform.downgrade();
/// platform.shutdown().await?;
/// drop(platform);
/// assert_eq!(weak.upgrade().unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct WeakPlatform(Weak<Handles>);

impl WeakPlatform {
    pub(super) fn of(platform: &Platform) -> WeakPlatform {
        WeakPlatform(Arc::downgrade(&platform.0))
    }

    /// The platform, while another handle to it lives.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the last handle was dropped.
    pub fn upgrade(&self) -> Result<Platform> {
        self.0
            .upgrade()
            .map(Platform)
            .ok_or_else(|| Error::shutdown("use a platform whose last handle was dropped"))
    }
}

impl fmt::Debug for WeakPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakPlatform")
    }
}
