//! `Promise`: it completes an operation without a callback, for what this crate itself runs.

use std::sync::Arc;

use crate::async_result::{AsyncResult, CallbackParameters, QueueId};
use crate::error::{Error, Hresult, Result};
use crate::operation::cell::{OwnCallback, UNANSWERED};
use crate::operation::{Operation, Source};
use crate::register::Outstanding;
use crate::tracker::TrackerHandle;

/// Completes an operation directly, for what this crate itself runs. Dropped before that, it ends the operation: with
/// `MF_E_SHUTDOWN` if the platform is gone, otherwise as abandoned.
pub(crate) struct Promise<T: Send + 'static> {
    pub(super) callback: Arc<OwnCallback<T, NoEnd<T>>>,
    tracker: Option<TrackerHandle>,
}

impl<T: Send + 'static> Promise<T> {
    /// An operation, and the promise that completes it. It is not registered: the holder of the promise ends it at a
    /// shutdown.
    pub(crate) fn new(queue: QueueId, tracker: Option<&TrackerHandle>) -> (Promise<T>, Operation<T>) {
        let no_end: NoEnd<T> = |_| Err(Error::abandoned(UNANSWERED));
        let callback = OwnCallback::new(no_end, CallbackParameters::on(queue), true);
        let operation = Operation::new(Source::Cell(callback.keep_itself()));
        (Promise { callback, tracker: tracker.cloned() }, operation)
    }

    /// The operation as the register takes it.
    #[cfg(windows)]
    pub(crate) fn outstanding(&self) -> std::sync::Weak<dyn Outstanding> {
        let callback: std::sync::Weak<OwnCallback<T, NoEnd<T>>> = Arc::downgrade(&self.callback);
        callback
    }

    /// Ends the operation with a value or an error, and the result's status.
    pub(crate) fn complete_with_status(self, value: Result<T>, status: Hresult) {
        self.callback.finish(value, status);
    }

    pub(crate) fn complete(self, value: Result<T>) {
        let status = value.as_ref().map_or_else(Error::hresult, |_| Hresult::S_OK);
        self.complete_with_status(value, status);
    }
}

impl<T: Send + 'static> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.callback.has_ended() {
            let error = match &self.tracker {
                Some(tracker) => tracker.lost(UNANSWERED),
                None => Error::abandoned(UNANSWERED),
            };
            let status = error.hresult();
            self.callback.finish(Err(error), status);
        }
    }
}

/// The End of an operation without one.
type NoEnd<T> = fn(&AsyncResult) -> Result<T>;
