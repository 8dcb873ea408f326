//! The cancel handles that Begin calls return: [`CancelCookie`] for one call, [`WorkItemKey`] for a timed item.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::stepping;

/// A handle that cancels an operation, as `MFBeginCreateFile` and the source resolver return one.
///
/// Dropping it cancels nothing, and it does not keep the operation alive. Clones cancel the same operation.
#[doc(alias = "MFCancelCreateFile")]
#[doc(alias = "CancelObjectCreation")]
#[derive(Clone)]
pub struct CancelCookie(Weak<dyn Cancel>);

impl CancelCookie {
    pub(crate) fn of<C: Cancel + 'static>(operation: &Arc<C>) -> CancelCookie {
        let operation: Weak<C> = Arc::downgrade(operation);
        CancelCookie(operation)
    }

    /// Cancels the operation; false if it had ended before.
    ///
    /// The operation calls back as well. Its End fails with `E_ABORT`, or returns the value if the operation was
    /// faster.
    pub fn cancel(&self) -> bool {
        stepping::pause();
        stepping::note(|| "cancelled an operation".to_owned());
        let was_cancelled = self.0.upgrade().is_some_and(|operation| operation.cancel());
        stepping::pause();
        was_cancelled
    }
}

impl fmt::Debug for CancelCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CancelCookie")
    }
}

/// An operation that a cookie cancels.
pub(crate) trait Cancel: Send + Sync {
    /// Ends the operation; false if it had ended before. Called with no lock held.
    fn cancel(&self) -> bool;
}

/// The key of a scheduled or waiting work item, for its cancel: `MFWORKITEM_KEY`.
///
/// A key is never used again for another item.
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
