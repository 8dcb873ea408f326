//! `CancelCookie`: the right to cancel one call of a method.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};

use crate::error::{Error, Hresult, Result};
use crate::method::call::{Ended, Reply};
use crate::operation::BeginStatus;
use crate::task::Task;

/// The right to cancel one call of a method; dropping it does not.
///
/// It keeps nothing alive, and is worth nothing when the call has ended. Clones are the same right.
#[doc(alias = "MFCancelCreateFile")]
#[doc(alias = "CancelObjectCreation")]
#[derive(Clone)]
pub struct CancelCookie(Weak<dyn Cancel>);

impl CancelCookie {
    pub(crate) fn new(call: Arc<dyn Cancel>) -> CancelCookie {
        CancelCookie(Arc::downgrade(&call))
    }

    /// Cancels the call: its body is dropped, its callback comes, and End gives `E_ABORT`.
    ///
    /// True if it came in time; false when the call had ended, and nothing changed.
    pub fn cancel(&self) -> bool {
        self.0.upgrade().is_some_and(|call| call.cancel())
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

/// A call, for its cookie.
pub(crate) trait Cancel: Send + Sync {
    fn cancel(&self) -> bool;
}

impl<T, F> Cancel for Task<F, Reply<T>>
where
    T: Send + 'static,
    F: Future<Output = Ended<T>> + Send + 'static,
{
    fn cancel(&self) -> bool {
        Task::cancel(self, cancelled())
    }
}

/// Why a call that was cancelled has ended.
pub(crate) fn cancelled() -> Error {
    Error::new(Hresult::E_ABORT, "run the body of a method: it was cancelled")
}
