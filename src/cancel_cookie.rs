//! The right to cancel one operation: what a Begin call hands out beside the callback that will come.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::error::{Hresult, Result};
use crate::operation::BeginStatus;

/// The right to cancel an operation that was begun, as `MFBeginCreateFile` and the source resolver hand one
/// out.
///
/// Dropping it cancels nothing, and it does not keep the operation alive. Clones cancel the same one.
#[doc(alias = "MFCancelCreateFile")]
#[doc(alias = "CancelObjectCreation")]
#[derive(Clone)]
pub struct CancelCookie(Weak<dyn Cancel>);

impl CancelCookie {
    pub(crate) fn of<C: Cancel + 'static>(operation: &Arc<C>) -> CancelCookie {
        let operation: Weak<C> = Arc::downgrade(operation);
        CancelCookie(operation)
    }

    /// Asks the operation to end. It calls back all the same: End gives `E_ABORT`, or its value if it was
    /// faster.
    ///
    /// True if it came in time; false when the operation had ended, and nothing changed.
    pub fn cancel(&self) -> bool {
        self.0.upgrade().is_some_and(|operation| operation.cancel())
    }
}

impl fmt::Debug for CancelCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CancelCookie")
    }
}

/// For callers that do not want the cookie.
impl BeginStatus for Result<CancelCookie> {
    fn begin_status(self) -> Result<Hresult> {
        self.map(|_| Hresult::S_OK)
    }
}

/// What a cookie cancels.
pub(crate) trait Cancel: Send + Sync {
    /// Ends the operation, with no lock held; true if it had not ended.
    fn cancel(&self) -> bool;
}
