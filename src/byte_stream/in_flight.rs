//! What is in flight on a stream, so that closing it or seeking can end it.

use std::sync::{Arc, Weak};

use crate::error::{Error, Hresult};

/// Something in flight that can be ended with an error; it calls back all the same.
pub(crate) trait Interrupt: Send + Sync {
    fn interrupt(&self, error: Error);
}

/// What is in flight on a stream. It owns none of it: whoever performs a request does.
#[derive(Default)]
pub(crate) struct InFlight(Vec<Weak<dyn Interrupt>>);

impl InFlight {
    pub(crate) fn push<C: Interrupt + 'static>(&mut self, request: &Arc<C>) {
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
            request.interrupt(Error::new(Hresult::E_ABORT, why));
        }
    }
}
