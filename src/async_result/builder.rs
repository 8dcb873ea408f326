//! `ResultBuilder`: makes an asynchronous result from its parts.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};

use crate::async_result::{AsyncCallback, AsyncResult, Dispatch, IntoUnknown, Parts, list_origin};
use crate::error::Result;
use crate::tracker::Tracker;

/// Makes an [`AsyncResult`]: what [`Platform::result`](crate::Platform::result) returns.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// # use std::sync::Arc;
/// # use mf_async::{AsyncResult, Platform};
/// # let platform = Platform::startup()?;
/// let callback = Arc::new(|result: &AsyncResult| println!("{:?}", result.state::<i32>()));
/// let result = platform.result(callback).state(Arc::new(7)).build()?;
/// assert_eq!(result.state::<i32>(), Some(&7));
/// # drop(result);
/// # platform.shutdown().await }
/// ```
#[must_use = "`build` makes the result"]
pub struct ResultBuilder<'a> {
    tracker: &'a Tracker<Weak<dyn Dispatch>>,
    parts: Parts,
}

impl<'a> ResultBuilder<'a> {
    pub(crate) fn new(
        tracker: &'a Tracker<Weak<dyn Dispatch>>,
        callback: Option<Arc<dyn AsyncCallback>>,
    ) -> ResultBuilder<'a> {
        ResultBuilder { tracker, parts: Parts { callback, ..Parts::default() } }
    }

    /// Sets the component's private object, which its End reads.
    pub fn object(mut self, object: impl IntoUnknown) -> ResultBuilder<'a> {
        self.parts.object = object.into_unknown();
        self
    }

    /// Sets the caller's state, which the caller's callback reads.
    pub fn state(mut self, state: impl IntoUnknown) -> ResultBuilder<'a> {
        self.parts.state = state.into_unknown();
        self
    }

    /// Makes the result.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down.
    #[inline]
    #[track_caller]
    pub fn build(mut self) -> Result<AsyncResult> {
        let token = self.parts.token(self.tracker, "create an asynchronous result")?;
        self.parts.origin =
            list_origin(self.tracker.handle(), Location::caller(), None, self.parts.callback.as_ref());
        Ok(AsyncResult::new(self.parts, Some(token)))
    }
}

impl fmt::Debug for ResultBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultBuilder").finish_non_exhaustive()
    }
}
