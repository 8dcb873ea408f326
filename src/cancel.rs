//! The rights to cancel that Begin calls hand out: [`CancelCookie`] for one call, [`WorkItemKey`] for a timed item.

use std::fmt;
use std::sync::{Arc, Weak};

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

/// What a cookie cancels.
pub(crate) trait Cancel: Send + Sync {
    /// Ends the operation, with no lock held; true if it had not ended.
    fn cancel(&self) -> bool;
}

/// Names a scheduled or waiting work item, to cancel it by: `MFWORKITEM_KEY`.
///
/// A key is never used for another item again.
#[doc(alias = "MFWORKITEM_KEY")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkItemKey(
    /// The number, as Windows headers have it.
    pub u64,
);

impl fmt::Display for WorkItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
