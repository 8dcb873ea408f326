//! `BeginStatus`: what a Begin call may return: nothing, a success code, or a handle that cancels what it began.

use crate::cancel::{CancelCookie, WorkItemKey};
use crate::contain::{Contained, contain, drop_payload};
use crate::error::{Hresult, Result};

/// What a Begin call may return.
///
/// | Begin returns | the operation |
/// |---|---|
/// | `Result<()>` | began with `S_OK` |
/// | `Result<Hresult>` | began with that success code, which [`Outcome::begin`](crate::Outcome) keeps |
/// | `Result<CancelCookie>`, `Result<WorkItemKey>` | is cancelled by it: when it is dropped, by `cancel`, `timeout` and `cancel_on` |
#[diagnostic::on_unimplemented(
    message = "a Begin call cannot return `{Self}`",
    label = "Begin returns this",
    note = "it may return `mf_async::Result` of `()`, an `Hresult`, a `CancelCookie` or a `WorkItemKey`"
)]
pub trait BeginStatus {
    /// The code and the canceller of the operation, or the error because of which nothing was begun. `by_key` makes what
    /// cancels by a work item's key; most Begin calls need none.
    ///
    /// # Errors
    /// Begin's own.
    #[doc(hidden)]
    fn begin_status<K>(self, by_key: impl FnOnce() -> K) -> Result<Begin>
    where
        K: Fn(WorkItemKey) + Send + 'static;
}

impl BeginStatus for Result<()> {
    #[inline]
    fn begin_status<K>(self, _: impl FnOnce() -> K) -> Result<Begin>
    where
        K: Fn(WorkItemKey) + Send + 'static,
    {
        self.map(|()| Begin::with_code(Hresult::S_OK))
    }
}

impl BeginStatus for Result<Hresult> {
    #[inline]
    fn begin_status<K>(self, _: impl FnOnce() -> K) -> Result<Begin>
    where
        K: Fn(WorkItemKey) + Send + 'static,
    {
        self.and_then(Hresult::ok).map(Begin::with_code)
    }
}

impl BeginStatus for Result<CancelCookie> {
    #[inline]
    fn begin_status<K>(self, _: impl FnOnce() -> K) -> Result<Begin>
    where
        K: Fn(WorkItemKey) + Send + 'static,
    {
        self.map(|cookie| Begin::cancelled_by(Canceller::Cookie(cookie)))
    }
}

impl BeginStatus for Result<WorkItemKey> {
    fn begin_status<K>(self, by_key: impl FnOnce() -> K) -> Result<Begin>
    where
        K: Fn(WorkItemKey) + Send + 'static,
    {
        self.map(|key| {
            let cancel = by_key();
            Begin::cancelled_by(Canceller::new(move || cancel(key)))
        })
    }
}

/// A Begin call that succeeded.
#[doc(hidden)]
pub struct Begin {
    pub(crate) code: Hresult,
    pub(crate) canceller: Option<Canceller>,
}

impl Begin {
    #[inline]
    pub(crate) fn with_code(code: Hresult) -> Begin {
        Begin { code, canceller: None }
    }

    fn cancelled_by(canceller: Canceller) -> Begin {
        Begin { code: Hresult::S_OK, canceller: Some(canceller) }
    }
}

/// Asks a component to stop. A closure is user code, and its panic is caught here.
pub(crate) enum Canceller {
    Closure(Contained<Box<dyn FnOnce() + Send>>),
    Cookie(CancelCookie),
}

impl Canceller {
    pub(crate) fn new(cancel: impl FnOnce() + Send + 'static) -> Canceller {
        Canceller::Closure(Contained::new(Box::new(cancel)))
    }

    pub(crate) fn call(self) {
        let called = contain(|| match self {
            Canceller::Closure(cancel) => cancel.take()(),
            Canceller::Cookie(cookie) => _ = cookie.cancel(),
        });
        if let Err(payload) = called {
            drop_payload(payload);
        }
    }
}
