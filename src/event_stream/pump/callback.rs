//! `PumpCallback`: the one callback of an event stream.

use std::sync::{Arc, Weak};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, HandOver, QueueId, Shortcut};
use crate::contain::wake_contained;
use crate::event_stream::pump::EventPump;
use crate::event_stream::state::{Failure, State, StreamRequest};
use crate::tracker::{Outstanding, TrackerHandle};

/// The callback: one object for as long as the stream lives, and always the same to the generator.
///
/// While a request is outstanding only the generator owns it, so that its drop shows when it drops the request.
pub(super) struct PumpCallback {
    this: Weak<PumpCallback>,
    pump: Arc<EventPump>,
}

impl PumpCallback {
    pub(super) fn make(pump: Arc<EventPump>) -> Arc<dyn AsyncCallback> {
        Arc::new_cyclic(|this| PumpCallback { this: this.clone(), pump })
    }

    /// Keeps the result for the driver. Returns the callback that is not needed.
    fn keep(&self, state: &mut State, result: &AsyncResult) -> Option<Arc<dyn AsyncCallback>> {
        state.request = StreamRequest::Called(result.clone());
        let this: Option<Arc<dyn AsyncCallback>> = match self.this.upgrade() {
            Some(this) => Some(this),
            None => None,
        };
        if state.is_closed { this } else { std::mem::replace(&mut state.callback, this) }
    }
}

impl AsyncCallback for PumpCallback {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(QueueId::MULTITHREADED)
    }

    fn invoke(&self, result: &AsyncResult) {
        if let Some(tracker) = result.tracker() {
            self.pump.register(tracker);
        }
        let mut state = self.pump.state();
        let was_left = state.take_queued(result);
        let mut spare = None;
        if !was_left && state.awaits(result) {
            spare = self.keep(&mut state, result);
        } else if !matches!(&state.request, StreamRequest::Called(called) if was_left && called.ptr_eq(result))
        {
            drop(state);
            if !was_left {
                // It is not the request that is outstanding: a call too many.
                if let Some(tracker) = result.tracker() {
                    tracker.count_double_call();
                }
            }
            return;
        }
        let is_claimed = state.claim();
        drop(state);
        drop(spare);
        if is_claimed {
            self.pump.run();
        }
    }

    fn name(&self) -> &'static str {
        "an event stream"
    }

    fn shortcut(&self) -> Shortcut<'_> {
        Shortcut::HandOver(self)
    }
}

impl HandOver for PumpCallback {
    fn hand_over(&self, result: &AsyncResult) -> bool {
        let is_direct = self.pump.direct_queue().is_some();
        let tracker = result.tracker();
        if let (Some(tracker), false) = (tracker, is_direct) {
            self.pump.register(tracker);
        }
        let is_running = tracker.is_some_and(TrackerHandle::is_running);
        let mut state = self.pump.state();
        let is_left = is_direct || is_running || state.is_driven;
        if state.is_closed || state.is_tired || !is_left || !state.awaits(result) {
            return false;
        }
        let spare = self.keep(&mut state, result);
        let is_driver = is_direct && state.claim();
        if is_driver || state.is_driven {
            drop(state);
            drop(spare);
            if is_driver {
                self.pump.run();
            }
            return true;
        }
        let is_lossless = state.buffer.is_lossless();
        if !is_lossless {
            state.add_queued(result);
        }
        let waker = state.waker.take();
        drop(state);
        drop(spare);
        wake_contained(waker);
        // A shutdown that has begun meanwhile has released what was in hand, and does not come again.
        if is_lossless && !tracker.is_some_and(TrackerHandle::is_running) {
            self.pump.release();
        }
        is_lossless
    }
}

impl Drop for PumpCallback {
    fn drop(&mut self) {
        let mut state = self.pump.state();
        if !matches!(state.request, StreamRequest::Outstanding) {
            return;
        }
        state.request = StreamRequest::None;
        state.failure = Some(Failure::Dropped);
        let waker = state.waker.take();
        drop(state);
        wake_contained(waker);
    }
}
