//! `Unknown`: any shared object, the type of a result's state and of its private object.

use std::any::Any;
use std::sync::Arc;

use crate::async_result::AsyncResult;
use crate::error::{Error, Hresult, Result};

/// Any shared object, as `IUnknown` in Media Foundation: the type of states and private objects.
#[doc(alias = "IUnknown")]
pub type Unknown = Arc<dyn Any + Send + Sync>;

/// What can be a state or a private object: an `Arc` of anything, a result, or nothing.
pub trait IntoUnknown {
    /// The shared object, if there is one.
    fn into_unknown(self) -> Option<Unknown>;
}

impl<T: Any + Send + Sync> IntoUnknown for Arc<T> {
    fn into_unknown(self) -> Option<Unknown> {
        Some(self)
    }
}

impl IntoUnknown for Unknown {
    fn into_unknown(self) -> Option<Unknown> {
        Some(self)
    }
}

impl<T: IntoUnknown> IntoUnknown for Option<T> {
    fn into_unknown(self) -> Option<Unknown> {
        self?.into_unknown()
    }
}

impl IntoUnknown for AsyncResult {
    fn into_unknown(self) -> Option<Unknown> {
        Some(Arc::new(self))
    }
}

/// A stored object as a `T`, or the error why it is none.
pub(super) fn require<'a, T: Any>(stored: Option<&'a Unknown>, what: &str) -> Result<&'a T> {
    let wanted = std::any::type_name::<T>();
    let Some(stored) = stored else {
        return Err(Error::new(
            Hresult::E_POINTER,
            format!("read the {what} of a result, as {wanted}: it has none"),
        ));
    };
    stored.downcast_ref().ok_or_else(|| {
        let what = format!("read the {what} of a result, as {wanted}: it is of another type");
        Error::new(Hresult::E_NOINTERFACE, what)
    })
}
