//! `InFlight`: the requests in flight on a stream, which a close or a seek cancels.

use std::sync::{Arc, Weak};

use crate::error::{Error, Hresult};

/// A request that can be ended with an error. It calls back as well.
pub(crate) trait Interrupt: Send + Sync {
    fn interrupt(&self, error: Error);
}

/// The requests in flight on a stream. Each is owned by its performer, not by this list.
#[derive(Default)]
pub(crate) struct InFlight(Vec<Weak<dyn Interrupt>>);

impl InFlight {
    pub(crate) fn push<C: Interrupt + 'static>(&mut self, request: &Arc<C>) {
        if self.0.len() == self.0.capacity() {
            // Full: those that have ended make room, and if none has, the list grows.
            self.0.retain(|request| request.strong_count() > 0);
            self.0.reserve(self.0.len() + 1);
        }
        let request: Weak<C> = Arc::downgrade(request);
        self.0.push(request);
    }

    /// Takes the list, so that [`cancel_all`](InFlight::cancel_all) can be called after unlocking.
    #[must_use = "the requests must be cancelled outside the lock"]
    pub(crate) fn take(&mut self) -> InFlight {
        std::mem::take(self)
    }

    pub(crate) fn cancel_all(self, why: &'static str) {
        for request in self.0.iter().filter_map(Weak::upgrade) {
            request.interrupt(Error::new(Hresult::E_ABORT, why));
        }
    }
}
