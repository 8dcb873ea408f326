//! The right to cancel one request: the cookie that a Begin call hands out, and a stream's list of all
//! that is in flight.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::error::{Error, Hresult};

/// The right to cancel an operation that was begun: the cookie of `MFBeginCreateFile` and of the source
/// resolver.
///
/// Dropping it cancels nothing. A cookie does not keep its operation alive.
#[derive(Clone)]
pub struct CancelCookie(Arc<dyn Fn() + Send + Sync>);

impl CancelCookie {
    /// A cookie that cancels by calling this; it should do nothing when it comes too late.
    pub fn new(cancel: impl Fn() + Send + Sync + 'static) -> CancelCookie {
        CancelCookie(Arc::new(cancel))
    }

    pub(crate) fn of<C: Cancel + 'static>(request: &Arc<C>, what: &'static str) -> CancelCookie {
        let request = Arc::downgrade(request);
        CancelCookie::new(move || {
            if let Some(request) = request.upgrade() {
                request.cancel(Error::new(Hresult::E_ABORT, format!("{what}: cancelled by its caller")));
            }
        })
    }

    /// Asks the operation to end. It calls back all the same, with its value if it was faster, else with
    /// the failure `E_ABORT`.
    pub fn cancel(&self) {
        (self.0)();
    }
}

impl fmt::Debug for CancelCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CancelCookie")
    }
}

/// Something in flight that can be ended with an error; it calls back all the same.
pub(crate) trait Cancel: Send + Sync {
    fn cancel(&self, error: Error);
}

/// What is in flight on a stream. It owns none of it: whoever performs a request does.
#[derive(Default)]
pub(crate) struct InFlight(Vec<Weak<dyn Cancel>>);

impl InFlight {
    pub(crate) fn push<C: Cancel + 'static>(&mut self, request: &Arc<C>) {
        if self.0.len() == self.0.capacity() {
            // Full: what has ended makes room, and if that is not half of it the list grows.
            self.0.retain(|request| request.strong_count() > 0);
            self.0.reserve(self.0.len() + 1);
        }
        let request: Weak<C> = Arc::downgrade(request);
        self.0.push(request);
    }

    /// Takes the list, so that [`cancel_all`](InFlight::cancel_all) can be called after unlocking.
    #[must_use = "what is taken is to be cancelled, outside the lock"]
    pub(crate) fn take(&mut self) -> InFlight {
        std::mem::take(self)
    }

    pub(crate) fn cancel_all(self, why: &'static str) {
        for request in self.0.iter().filter_map(Weak::upgrade) {
            request.cancel(Error::new(Hresult::E_ABORT, why));
        }
    }
}
