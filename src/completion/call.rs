//! `Call`: a call that this crate serves, with the value on its way from the body to End, and the duty to call back.

#[cfg(all(test, mf_async_loom))]
mod loom;

use std::sync::{Arc, Weak};

use crate::async_result::{AsyncCallback, AsyncResult, Dispatch, Parts, Token, Unknown};
use crate::completion::Cell;
use crate::contain::drop_contained;
use crate::error::{Error, Hresult, Result};
use crate::sync::{LockExt, Mutex};
use crate::tracker::{Tracker, closed};

/// What End must belong to: the object that Begin was called on. It is kept alive by its calls.
#[derive(Clone)]
pub(crate) struct Identity(Unknown);

impl Identity {
    pub(crate) fn of<T: Send + Sync + 'static>(object: &Arc<T>) -> Identity {
        Identity(object.clone())
    }

    fn is(&self, other: &Identity) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The value of one call; it lies in the call's result, where users do not see it.
pub(crate) struct Call<T> {
    of: Identity,
    what: &'static str,
    cell: Mutex<Cell<Result<T>>>,
}

impl<T: Send + 'static> Call<T> {
    /// End: the value of the call that `result` belongs to.
    ///
    /// # Errors
    /// The call's own; `E_INVALIDARG` when the result is of another call or object; `E_FAIL` when it was ended before.
    pub(crate) fn end(of: &Identity, what: &'static str, result: &AsyncResult) -> Result<T> {
        let call = result.hidden_object::<Call<T>>().filter(|call| call.of.is(of) && call.what == what);
        let Some(call) = call else {
            let what = format!(
                "end {what}: the result is of another call or object; take the one that its callback was invoked with"
            );
            return Err(Error::new(Hresult::E_INVALIDARG, what));
        };
        let value = call.cell.locked().take(what);
        value?
    }
}

/// The duty to complete a call. Dropped before, it completes: with `MF_E_SHUTDOWN` if the platform is gone, else as
/// abandoned.
pub(crate) struct Completer<T: Send + 'static> {
    result: AsyncResult,
    call: Arc<Call<T>>,
}

impl<T: Send + 'static> Completer<T> {
    /// A call whose callback can be invoked.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when the callback's queue is not open or does not allow its flags; `MF_E_SHUTDOWN`
    /// when the platform is shut down. Nothing has begun then.
    pub(crate) fn new(
        tracker: &Tracker<Weak<dyn Dispatch>>,
        of: Identity,
        what: &'static str,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Completer<T>> {
        let call = Arc::new(Call { of, what, cell: Mutex::default() });
        let object: Option<Unknown> = Some(call.clone());
        let mut parts =
            Parts { object, hides_object: true, callback: Some(callback), state, ..Parts::default() };
        let token = parts.token(tracker, what)?;
        let result = AsyncResult::new(parts, Some(token));
        let completer = Completer { result, call };
        let checked =
            completer.result.dispatcher().and_then(|dispatcher| dispatcher.check(&completer.result));
        match checked {
            Ok(()) => Ok(completer),
            Err(error) => {
                completer.withdraw();
                drop_contained(completer);
                Err(error)
            }
        }
    }

    /// Ends the call, and invokes its callback; false if it has ended before. The call was accepted when it began,
    /// so it may come home while the platform is being shut down.
    pub(crate) fn complete(&self, value: Result<T>) -> bool {
        match self.settle(value) {
            Ok(()) => {
                self.call_back();
                true
            }
            Err(late) => {
                drop_contained(late);
                false
            }
        }
    }

    /// Ends the call. The caller that has ended it then invokes the callback by [`call_back`](Completer::call_back). Gives the value back if
    /// the call has ended before. Runs nothing of the user's.
    pub(crate) fn settle(&self, value: Result<T>) -> std::result::Result<(), Result<T>> {
        let status = value.as_ref().map_or_else(Error::hresult, |_| Hresult::S_OK);
        let mut cell = self.call.cell.locked();
        if cell.is_pending() {
            self.result.set_status(status);
        }
        cell.end(value).map(drop)
    }

    /// Invokes the callback of a call that was settled.
    pub(crate) fn call_back(&self) {
        // If the callback's queue is gone the callback is dropped with the result, and what awaits it ends.
        let _ = self.result.dispatcher().and_then(|dispatcher| dispatcher.invoke_accepted(&self.result));
    }

    /// Ends the call from within Begin, which then fails if the callback cannot be invoked.
    pub(crate) fn complete_at_once(&self, value: Result<T>) -> Result<()> {
        match self.settle(value) {
            Ok(()) => self.result.invoke(),
            Err(late) => {
                drop_contained(late);
                Ok(())
            }
        }
    }

    /// Begin fails: the callback is not invoked.
    pub(crate) fn withdraw(&self) {
        let withdrawn = self.call.cell.locked().detach();
        drop_contained(withdrawn);
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.call.cell.locked().is_pending()
    }

    /// The token of the call's platform.
    pub(crate) fn token(&self) -> Result<Token> {
        self.result.token().cloned().ok_or_else(|| closed(self.call.what))
    }

    pub(crate) fn what(&self) -> &'static str {
        self.call.what
    }
}

impl<T: Send + 'static> Drop for Completer<T> {
    fn drop(&mut self) {
        if self.is_pending() {
            let lost = "the callback of a call whose body is gone, and will never end";
            let error =
                self.result.tracker().map_or_else(|| Error::abandoned(lost), |tracker| tracker.lost(lost));
            self.complete(Err(error));
        }
    }
}
