//! `WeakGenerator`: the generator of a stream, which the pump calls and does not keep alive.

use std::sync::{Arc, Weak};

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::contain::{Payload, contain, drop_contained};
use crate::error::{Error, Hresult, Result};
use crate::event::{MediaEvent, MediaEventGenerator, drop_events};

/// The generator, not kept alive, of any type. What it panics with comes back as an error.
pub(crate) trait WeakGenerator: Send + Sync {
    fn exists(&self) -> bool;
    fn begin(&self, callback: Arc<dyn AsyncCallback>, state: Unknown) -> Result<Hresult>;
    fn end(&self, result: &AsyncResult) -> Result<MediaEvent>;
    /// Queues an event again that was taken and not read.
    fn put_back(&self, event: MediaEvent);
}

impl<G: MediaEventGenerator + ?Sized> WeakGenerator for Weak<G> {
    fn exists(&self) -> bool {
        self.strong_count() > 0
    }

    fn begin(&self, callback: Arc<dyn AsyncCallback>, state: Unknown) -> Result<Hresult> {
        let generator = self.upgrade().ok_or_else(generator_gone)?;
        let begun = contain(|| generator.begin_get_event(callback, Some(state)));
        drop_contained(generator);
        begun.unwrap_or_else(|payload| panicked("begin_get_event", payload))
    }

    fn end(&self, result: &AsyncResult) -> Result<MediaEvent> {
        let generator = self.upgrade().ok_or_else(generator_gone)?;
        let ended = contain(|| generator.end_get_event(result));
        drop_contained(generator);
        ended.unwrap_or_else(|payload| panicked("end_get_event", payload))
    }

    fn put_back(&self, event: MediaEvent) {
        let Some(generator) = self.upgrade() else { return drop_events([event]) };
        // A generator that is shut down does not take it.
        let queued = contain(|| generator.queue_event(event));
        drop_contained((queued, generator));
    }
}

fn panicked<T>(call: &str, payload: Payload) -> Result<T> {
    Err(Error::panicked(&format!("the {call} of a generator"), payload))
}

/// The error of a stream whose generator was dropped.
pub(crate) fn generator_gone() -> Error {
    Error::abandoned("wait for an event of a generator that was dropped")
}
