//! `AsyncResult`: the result of an asynchronous call, which holds the callback that is invoked with it.
//!
//! The two are halves of one contract, like a sender and a receiver. A callback *names* its queue by a [`QueueId`], which is
//! only a number; the platform finds the queue.

mod builder;
mod callback;
mod contents;
mod dispatch;
mod failure;
mod parameters;
mod reply;
mod unknown;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

pub use self::builder::ResultBuilder;
pub use self::callback::{AsyncCallback, callback};
pub(crate) use self::callback::{HandOver, Shortcut, list_origin, name_of};
pub(crate) use self::contents::Parts;
pub(crate) use self::dispatch::{Dispatch, Token, TokenSource};
pub use self::parameters::{CallbackFlags, CallbackParameters, QueueId};
pub(crate) use self::reply::AwaitsReply;
pub use self::reply::Reply;
pub use self::unknown::{IntoUnknown, Unknown};

use self::contents::{Inner, Target};
use self::unknown::require;
use crate::error::{Error, Hresult, Result};
use crate::stepping;
use crate::tokio_quirks::GuardedFuture;
use crate::tracker::{self, TrackedWait, TrackerHandle};

/// The result of an asynchronous operation, on its way from Begin to End: `IMFAsyncResult`.
///
/// It holds the callback to be invoked, the caller's state, the component's private object and the
/// status. Clones are the same result; making one is as cheap as cloning an [`Arc`]. While any clone
/// lives, the platform's shutdown waits for it (up to its deadline).
///
/// Made by [`Platform::result`](crate::Platform::result); this is the Rust
/// side of the page *IMFAsyncResult interface*.
#[doc(alias = "IMFAsyncResult")]
#[doc(alias = "IRtwqAsyncResult")]
#[doc(alias = "MFASYNCRESULT")]
#[derive(Clone)]
pub struct AsyncResult(Arc<Inner>);

impl AsyncResult {
    #[inline]
    pub(crate) fn new(parts: Parts, token: Option<Token>) -> AsyncResult {
        let Parts { object, hides_object, callback, state, origin } = parts;
        let target = match callback {
            Some(callback) => Target::Callback(callback),
            None => Target::Event(Box::default()),
        };
        let mut inner = Inner::new(target, state, token, origin);
        (inner.object, inner.hides_object) = (object, hides_object);
        AsyncResult(Arc::new(inner))
    }

    /// Completes the operation: the callback will be invoked on the queue that it names. This is
    /// [`Platform::invoke_callback`](crate::Platform::invoke_callback) for a component without a platform.
    ///
    /// # Errors
    /// As [`Platform::invoke_callback`](crate::Platform::invoke_callback); `MF_E_SHUTDOWN` also when the platform
    /// is gone.
    #[doc(alias = "MFInvokeCallback")]
    #[doc(alias = "RtwqInvokeCallback")]
    pub fn invoke(&self) -> Result<()> {
        stepping::pause();
        let invoked = if self.hand_over() {
            Ok(())
        } else {
            self.dispatcher().and_then(|dispatcher| dispatcher.invoke(self))
        };
        stepping::pause();
        invoked
    }

    /// Hands the result to a callback that needs no queue: the same as the way through the platform's queues, without
    /// counting an owner of theirs. False if that way is to be gone.
    #[inline]
    fn hand_over(&self) -> bool {
        let Some(Shortcut::HandOver(own)) = self.callback().map(|callback| callback.shortcut()) else {
            return false;
        };
        // ORDERING: Acquire, as in `take_reply`: a serial queue may await this result as a reply.
        let may_be_reply = self.0.has_rare.load(Ordering::Acquire);
        if may_be_reply || !self.tracker().is_some_and(TrackerHandle::is_running) {
            return false;
        }
        self.set_invoked();
        own.hand_over(self)
    }

    /// The operation's status: `S_OK` until another is set.
    #[doc(alias = "GetStatus")]
    #[must_use]
    #[inline]
    pub fn status(&self) -> Hresult {
        // ORDERING: Acquire pairs with the Release in `set_status`, so that a thread which reads a status also sees
        // what was written before it was set, even without a queue in between.
        Hresult(self.0.status.load(Ordering::Acquire))
    }

    /// Sets the operation's status; the last one set is read.
    ///
    /// A component sets it before it invokes the caller's callback.
    #[doc(alias = "SetStatus")]
    pub fn set_status(&self, status: Hresult) {
        // ORDERING: Release pairs with the Acquire in `status`.
        self.0.status.store(status.0, Ordering::Release);
    }

    /// The caller's state; `None` if there is none or it is not a `T`.
    #[doc(alias = "GetState")]
    #[doc(alias = "GetStateNoAddRef")]
    #[must_use]
    pub fn state<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.state.as_deref()?.downcast_ref()
    }

    /// The caller's state, or an error if there is none or it is not a `T`.
    ///
    /// # Errors
    /// `E_POINTER` when there is no state, `E_NOINTERFACE` when it is not a `T`.
    #[doc(alias = "GetState")]
    pub fn require_state<T: Any + Send + Sync>(&self) -> Result<&T> {
        require(self.0.state.as_ref(), "state")
    }

    /// The component's private object; `None` if there is none or it is not a `T`.
    #[doc(alias = "GetObject")]
    #[must_use]
    pub fn object<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.unknown_object()?.downcast_ref()
    }

    /// The component's private object, or an error if there is none or it is not a `T`.
    ///
    /// # Errors
    /// `E_POINTER` when there is no object, `E_NOINTERFACE` when it is not a `T`.
    #[doc(alias = "GetObject")]
    pub fn require_object<T: Any + Send + Sync>(&self) -> Result<&T> {
        require(self.unknown_object(), "object")
    }

    /// The caller's state as it was passed, of any type.
    #[must_use]
    pub fn unknown_state(&self) -> Option<&Unknown> {
        self.0.state.as_ref()
    }

    /// The component's private object as it was passed, of any type.
    #[must_use]
    pub fn unknown_object(&self) -> Option<&Unknown> {
        self.0.object.as_ref().filter(|_| !self.0.hides_object)
    }

    /// This crate's own object in the result, if it is a `T`.
    pub(crate) fn hidden_object<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.object.as_ref().filter(|_| self.0.hides_object)?.downcast_ref()
    }

    /// The callback of this result, if it has one.
    #[must_use]
    #[inline]
    pub fn callback(&self) -> Option<&Arc<dyn AsyncCallback>> {
        match &self.0.target {
            Target::Callback(callback) => Some(callback),
            Target::Event(_) | Target::Nothing => None,
        }
    }

    /// Whether both are clones of one result.
    #[must_use]
    pub fn ptr_eq(&self, other: &AsyncResult) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Waits until a result *without a callback* is dispatched, as by its `hEvent` in Media Foundation.
    ///
    /// Once dispatched, it stays so. For a result with a callback the wait fails at once.
    ///
    /// # Errors
    /// `E_INVALIDARG` when the result has a callback; `MF_E_SHUTDOWN` when the platform ends before it is dispatched.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future changes nothing, and the result can be awaited again.
    #[doc(alias = "hEvent")]
    #[track_caller]
    pub fn signaled(&self) -> impl Future<Output = Result<()>> + Send + '_ {
        let begun = Location::caller();
        async move {
            let Target::Event(event) = &self.0.target else {
                let what = "wait for the event of a result that has a callback: only a result without one signals it";
                return Err(Error::new(Hresult::E_INVALIDARG, what));
            };
            let waited = match self.tracker() {
                Some(tracker) => TrackedWait::until(SIGNAL, tracker, begun, event.wait()).await,
                None => Ok(GuardedFuture::new(event.wait()).await),
            };
            // Once signaled it stays so, even after the platform.
            if event.get().is_some() { Ok(()) } else { waited.map(drop) }
        }
    }

    /// Signals the event of a result that has no callback.
    pub(crate) fn signal(&self) {
        if let Target::Event(event) = &self.0.target {
            let _ = event.set(());
        }
    }

    #[inline]
    pub(crate) fn token(&self) -> Option<&Token> {
        self.0.token.as_ref()
    }

    /// The platform's phase and register; `None` for a result that no platform made.
    pub(crate) fn tracker(&self) -> Option<&TrackerHandle> {
        self.token().map(Token::tracker)
    }

    /// The way to the platform's queues.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is gone.
    pub(crate) fn dispatcher(&self) -> Result<Arc<dyn Dispatch>> {
        self.token()
            .and_then(|token| token.context().upgrade())
            .ok_or_else(|| tracker::closed("invoke a callback"))
    }

    /// Its identity, for a holder that must recognise it later without owning it.
    pub(crate) fn downgrade(&self) -> WeakResult {
        WeakResult(Arc::downgrade(&self.0))
    }
}

impl fmt::Debug for AsyncResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncResult")
            .field("status", &self.status())
            .field("callback", &self.callback().map(|callback| callback.name()))
            .field("has_state", &self.0.state.is_some())
            .field("has_object", &self.unknown_object().is_some())
            .finish()
    }
}

/// The identity of a result: its address, without its contents.
pub(crate) struct WeakResult(Weak<Inner>);

impl WeakResult {
    /// The result, while another owner of it lives.
    fn upgrade(&self) -> Option<AsyncResult> {
        self.0.upgrade().map(AsyncResult)
    }

    /// Whether `result` has this identity.
    pub(crate) fn is(&self, result: &AsyncResult) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&result.0))
    }
}

const SIGNAL: &str = "a wait for the event of a result";
