//! `AsyncCallback`: what a work queue calls, with the result of an asynchronous call.

use std::any::Any;
use std::sync::Arc;

use crate::async_result::{AsyncResult, CallbackParameters, QueueId};
use crate::contain::{contain, drop_contained, drop_payload};
use crate::tracker::{Begun, Origin, TrackerHandle};

/// What a work queue calls: Media Foundation's `IMFAsyncCallback`.
///
/// Every `Fn(&AsyncResult) + Send + Sync` is one:
///
/// ```
/// use std::sync::Arc;
/// use mf_async::{AsyncCallback, AsyncResult};
///
/// let callback: Arc<dyn AsyncCallback> = Arc::new(|result: &AsyncResult| println!("{}", result.status()));
/// ```
///
/// [`callback`] makes one of a closure whose argument's type is not written.
///
/// The queue may call it on any thread, and for two results at the same time; `Send + Sync` makes that sound. Two
/// callbacks are the same if they are the same object, by [`Arc::ptr_eq`].
///
/// This is the Rust side of the page *IMFAsyncCallback interface*.
#[doc(alias = "IMFAsyncCallback")]
#[doc(alias = "IRtwqAsyncCallback")]
#[doc(alias = "IMFAsyncCallbackLogging")]
#[doc(alias = "IMFRemoteAsyncCallback")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a callback",
    label = "this does not implement `AsyncCallback`",
    note = "a closure is a callback if it is `Fn(&AsyncResult) + Send + Sync`: `mf_async::callback(|result| ..)`"
)]
pub trait AsyncCallback: Send + Sync {
    /// The queue to be invoked on, and what this callback promises of itself.
    ///
    /// It is called on the thread that puts or invokes, once for each such call, and its value is not kept. The default
    /// is no flags and [`QueueId::STANDARD`], as for a COM object that returns `E_NOTIMPL`.
    #[doc(alias = "GetParameters")]
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::default()
    }

    /// Called when an operation has ended, or to perform a queued item.
    ///
    /// It should not wait for anything, because its thread serves other items ([`CallbackFlags`](crate::CallbackFlags) says how long it may
    /// take). The queue catches a panic, fails the operation of the result with its payload, and counts it.
    #[doc(alias = "Invoke")]
    fn invoke(&self, result: &AsyncResult);

    /// The callback's name in reports; by default the type's.
    #[doc(alias = "GetObjectTag")]
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// What a callback of this crate offers beside `invoke`. It only makes things faster: a callback that wraps another
    /// need not forward it.
    #[doc(hidden)]
    #[inline]
    fn shortcut(&self) -> Shortcut<'_> {
        Shortcut::None
    }
}

impl<F> AsyncCallback for F
where
    F: Fn(&AsyncResult) + Send + Sync,
{
    fn invoke(&self, result: &AsyncResult) {
        self(result);
    }
}

/// Makes a callback of a closure.
///
/// It is `Arc::new(closure)`, but the type of the argument need not be written.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// # use mf_async::{Platform, QueueId};
/// # let platform = Platform::startup()?;
/// platform.put(QueueId::STANDARD, mf_async::callback(|result| println!("{}", result.status())))?;
/// # platform.shutdown().await }
/// ```
pub fn callback(call: impl Fn(&AsyncResult) + Send + Sync + 'static) -> Arc<dyn AsyncCallback> {
    Arc::new(call)
}

/// What a callback of this crate offers beside `invoke`.
#[doc(hidden)]
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Shortcut<'a> {
    /// Nothing: it is queued and invoked.
    None,
    /// It takes a result without a queue.
    HandOver(&'a dyn HandOver),
    /// It stands for a COM object.
    Foreign(&'a (dyn Any + Send + Sync)),
}

/// A callback that takes a result without a queue: that of an operation or of an event stream.
#[doc(hidden)]
pub trait HandOver {
    /// Takes the result; false if it must be queued and invoked. It calls no user code but a waker.
    fn hand_over(&self, result: &AsyncResult) -> bool;

    /// Takes the result because its queue is gone, and nothing will invoke it any more.
    fn hand_over_last(&self, _result: &AsyncResult) -> bool {
        false
    }
}

/// The callback's name. One that panics when it is asked has none.
#[inline]
pub(crate) fn name_of(callback: &dyn AsyncCallback) -> &'static str {
    contain(|| callback.name()).map_err(drop_payload).unwrap_or("a callback whose name panics")
}

/// Lists a new item or result with the line that made it, for reports.
#[inline(always)]
pub(crate) fn list_origin(
    tracker: &TrackerHandle,
    begun: Begun,
    queued: Option<QueueId>,
    callback: Option<&Arc<dyn AsyncCallback>>,
) -> Origin {
    tracker.origins().list(begun, queued.map(|queue| queue.0), || {
        let callback = callback.map(Arc::downgrade);
        move || match &callback {
            Some(callback) => {
                let Some(callback) = callback.upgrade() else { return "" };
                let name = name_of(&*callback);
                drop_contained(callback);
                name
            }
            None => "a result without a callback",
        }
    })
}
