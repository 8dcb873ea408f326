//! `AsyncResult` and `AsyncCallback`: the result of an asynchronous call, and the callback that is invoked with it.
//!
//! They are two halves of one contract, like a sender and a receiver: a result holds the callback, and the callback
//! receives the result. A callback *names* its queue by a [`QueueId`], which is only a number; the platform finds the
//! queue.

mod builder;
mod parameters;
mod reply;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::SetOnce;

pub use self::builder::ResultBuilder;
pub use self::parameters::{CallbackFlags, CallbackParameters, QueueId};
pub use self::reply::Reply;
use crate::contain::{Payload, contain, drop_contained, drop_payload};
use crate::error::{Error, Hresult, Result};
use crate::stepping;
use crate::sync::LockExt;
use crate::tokio_quirks::GuardedFuture;
use crate::tracker::{self, Begun, Origin, TrackedWait, TrackerHandle};

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
    /// It should not wait for anything, because its thread serves other items ([`CallbackFlags`] says how long it may
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

    /// The result of a work item, made when the item runs.
    #[inline]
    pub(crate) fn of_item(
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
        token: Option<Token>,
        origin: Origin,
    ) -> AsyncResult {
        AsyncResult(Arc::new(Inner::new(Target::Callback(callback), state, token, origin)))
    }

    /// The same in the memory of a result that was [emptied](AsyncResult::empty).
    #[inline]
    pub(crate) fn refill(
        mut self,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
        origin: Origin,
        tokens: &TokenSource,
    ) -> AsyncResult {
        let Some(inner) = Arc::get_mut(&mut self.0) else {
            return AsyncResult::of_item(callback, state, tokens.token(), origin);
        };
        inner.target = Target::Callback(callback);
        inner.state = state;
        inner.origin = origin;
        if inner.token.is_none() {
            inner.token = tokens.token();
        }
        self
    }

    /// Gives up the token of a result that was [emptied](AsyncResult::empty): no shutdown waits for it.
    pub(crate) fn give_token_up(&mut self) {
        let token = Arc::get_mut(&mut self.0).and_then(|inner| inner.token.take());
        drop(token);
    }

    /// Drops this owner; true if that was the last, and something that the result held has panicked.
    pub(crate) fn drop_owner(mut self) -> bool {
        let panicked = Arc::get_mut(&mut self.0).and_then(Inner::drop_held).map(drop_payload).is_some();
        drop_contained(self) | panicked
    }

    /// Drops all that it holds except its token; `None` if it has another owner.
    #[inline]
    pub(crate) fn empty(mut self) -> Option<AsyncResult> {
        let inner = Arc::get_mut(&mut self.0)?;
        if let Some(payload) = inner.drop_held() {
            // It counts as a panic of the item.
            std::panic::resume_unwind(payload);
        }
        inner.hides_object = false;
        inner.origin = Origin::default();
        (*inner.status.get_mut(), *inner.invoked.get_mut()) = (Hresult::S_OK.0, NOT_INVOKED);
        if std::mem::take(inner.has_rare.get_mut()) {
            inner.rare = Mutex::default();
        }
        Some(self)
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
        if may_be_reply || !self.tracker().is_some_and(tracker::TrackerHandle::is_running) {
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
    pub(crate) fn tracker(&self) -> Option<&tracker::TrackerHandle> {
        self.token().map(tracker::Token::tracker)
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

    /// Completes the result in place of its component, which has failed: invokes the callback with the error's code,
    /// unless it was invoked before. An operation that awaits the result ends with `error` itself.
    pub(crate) fn fail(&self, error: Error) {
        // ORDERING: AcqRel, so that exactly one of this and of `claim_invoke` invokes it.
        let claimed =
            self.0.invoked.compare_exchange(NOT_INVOKED, FAILED, Ordering::AcqRel, Ordering::Acquire);
        if claimed.is_err() {
            return;
        }
        self.set_status(error.hresult());
        self.0.rare.locked().get_or_insert_default().failure = Some(error);
        // ORDERING: Release pairs with the Acquire in `take_failure`.
        self.0.has_rare.store(true, Ordering::Release);
        if let Ok(dispatcher) = self.dispatcher() {
            // If the callback's queue is gone, the callback is dropped with the result, and its operation ends.
            let _ = dispatcher.invoke_failed(self);
        }
    }

    /// The error that [`fail`](AsyncResult::fail) has set, once.
    #[inline]
    pub(crate) fn take_failure(&self) -> Option<Error> {
        // ORDERING: Acquire pairs with the Release in `fail`.
        if !self.0.has_rare.load(Ordering::Acquire) {
            return None;
        }
        self.0.rare.locked().as_mut()?.failure.take()
    }

    /// The callback is about to be invoked: from now on [`fail`](AsyncResult::fail) does not invoke it.
    #[inline]
    pub(crate) fn set_invoked(&self) {
        // ORDERING: Relaxed to look: what has failed stays so, until `claim_invoke`. Release, see `fail`.
        if self.0.invoked.load(Ordering::Relaxed) == NOT_INVOKED {
            self.0.invoked.store(INVOKED, Ordering::Release);
        }
    }

    /// Whether [`fail`](AsyncResult::fail) has invoked the callback.
    #[inline]
    pub(crate) fn has_failed(&self) -> bool {
        // ORDERING: Relaxed, before `claim_invoke`.
        self.0.invoked.load(Ordering::Relaxed) == FAILED
    }

    /// The callback is about to be invoked; false if [`fail`](AsyncResult::fail) has invoked it in place of this.
    #[inline]
    pub(crate) fn claim_invoke(&self) -> bool {
        // ORDERING: AcqRel, see `fail`.
        self.0.invoked.swap(INVOKED, Ordering::AcqRel) != FAILED
    }

    /// Its identity, for a holder that must recognise it later without owning it.
    pub(crate) fn downgrade(&self) -> WeakResult {
        WeakResult(Arc::downgrade(&self.0))
    }

    /// From now on, invoking this result is a reply to `to`. False if another serial queue awaits that already: the result
    /// was put on both.
    #[must_use]
    pub(crate) fn await_reply(&self, to: Arc<dyn AwaitsReply>) -> bool {
        let mut rare = self.0.rare.locked();
        let reply = &mut rare.get_or_insert_default().reply;
        if reply.is_some() {
            return false;
        }
        *reply = Some(to);
        drop(rare);
        // ORDERING: Release pairs with the Acquire in `take_reply`: a thread that sees the flag finds the slot
        // filled. The lock guards the slot; the flag only saves that lock for the many results without a reply.
        self.0.has_rare.store(true, Ordering::Release);
        true
    }

    /// Whether a serial queue awaits a reply by this result.
    #[inline]
    pub(crate) fn awaits_reply(&self) -> bool {
        // ORDERING: Acquire, as in `take_reply`.
        self.0.has_rare.load(Ordering::Acquire)
            && self.0.rare.locked().as_ref().is_some_and(|rare| rare.reply.is_some())
    }

    /// Refuses a result that a serial queue awaits as a reply: its callback has been called, and only an invoke replies.
    #[inline]
    pub(crate) fn check_not_awaited(&self, doing: &str) -> Result<()> {
        if self.awaits_reply() { Err(awaited(doing)) } else { Ok(()) }
    }

    /// Takes the serial queue that awaits a reply by this result.
    #[inline]
    pub(crate) fn take_reply(&self) -> Option<Arc<dyn AwaitsReply>> {
        // ORDERING: Acquire pairs with the Release in `await_reply`.
        if !self.0.has_rare.load(Ordering::Acquire) {
            return None;
        }
        self.0.rare.locked().as_mut()?.reply.take()
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

/// The contents of a new result.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) object: Option<Unknown>,
    /// Whether the object is this crate's own, which users of the result do not see.
    pub(crate) hides_object: bool,
    pub(crate) callback: Option<Arc<dyn AsyncCallback>>,
    pub(crate) state: Option<Unknown>,
    pub(crate) origin: Origin,
}

/// The identity of a result: its address, without its contents.
pub(crate) struct WeakResult(Weak<Inner>);

impl WeakResult {
    /// Whether `result` has this identity.
    pub(crate) fn is(&self, result: &AsyncResult) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&result.0))
    }
}

/// A result's token: a shutdown waits for it, and it leads to the platform's queues.
pub(crate) type Token = tracker::Token<Weak<dyn Dispatch>>;

/// Makes the tokens for the results of the items that a queue runs.
pub(crate) type TokenSource = tracker::TokenSource<Weak<dyn Dispatch>>;

/// The platform's queues, as a result sees them.
pub(crate) trait Dispatch: Send + Sync {
    /// `MFInvokeCallback`.
    fn invoke(&self, result: &AsyncResult) -> Result<()>;

    /// The same for what was accepted before the platform began to shut down.
    fn invoke_accepted(&self, result: &AsyncResult) -> Result<()>;

    /// The same for a result whose component has failed, by [`AsyncResult::fail`].
    fn invoke_failed(&self, result: &AsyncResult) -> Result<()>;

    /// Puts what was accepted before on the queue MULTITHREADED, also if the callback names another.
    fn put_accepted(&self, result: &AsyncResult) -> Result<()>;

    /// Checks that the callback could be invoked now: its queue is open and allows its flags.
    fn check(&self, result: &AsyncResult) -> Result<()>;
}

/// A serial queue that waits for the reply to its current item.
pub(crate) trait AwaitsReply: Send + Sync {
    fn replied(self: Arc<Self>);
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

struct Inner {
    target: Target,
    state: Option<Unknown>,
    object: Option<Unknown>,
    hides_object: bool,
    status: AtomicU32,
    /// One of the three numbers below.
    invoked: AtomicU8,
    /// Whether `rare` has, or had, a value.
    has_rare: AtomicBool,
    rare: Mutex<Option<Box<Rare>>>,
    /// Held for its drop, which takes the result off the list of reports.
    origin: Origin,
    /// The last field, so that a shutdown goes on only after the result's contents are dropped.
    token: Option<Token>,
}

const SIGNAL: &str = "a wait for the event of a result";

/// Nothing has invoked the callback yet.
const NOT_INVOKED: u8 = 0;
/// Its component, or a queue that the result was put on, has.
const INVOKED: u8 = 1;
/// It was invoked in place of its component, which has failed.
const FAILED: u8 = 2;

/// Fields that few results need.
#[derive(Default)]
struct Rare {
    reply: Option<Arc<dyn AwaitsReply>>,
    failure: Option<Error>,
}

impl Inner {
    #[inline]
    fn new(target: Target, state: Option<Unknown>, token: Option<Token>, origin: Origin) -> Inner {
        Inner {
            target,
            state,
            object: None,
            hides_object: false,
            status: AtomicU32::new(Hresult::S_OK.0),
            invoked: AtomicU8::new(NOT_INVOKED),
            has_rare: AtomicBool::new(false),
            rare: Mutex::default(),
            origin,
            token,
        }
    }
}

impl Inner {
    /// Drops what it holds, each by itself: of two that panic at once, the second would end the process. Returns the first
    /// panic. What it holds is not that of the thread which drops it last.
    #[inline]
    fn drop_held(&mut self) -> Option<Payload> {
        if self.state.is_some() || self.object.is_some() {
            return self.drop_each();
        }
        match std::mem::replace(&mut self.target, Target::Nothing) {
            Target::Callback(callback) => contain(|| drop(callback)).err(),
            Target::Event(_) | Target::Nothing => None,
        }
    }

    fn drop_each(&mut self) -> Option<Payload> {
        let (state, object) = (self.state.take(), self.object.take());
        let target = std::mem::replace(&mut self.target, Target::Nothing);
        let dropped = [contain(|| drop(state)), contain(|| drop(object)), contain(|| drop(target))];
        let mut payloads = dropped.into_iter().filter_map(std::result::Result::err);
        let first = payloads.next();
        payloads.for_each(drop_payload);
        first
    }
}

impl Drop for Inner {
    #[inline]
    fn drop(&mut self) {
        self.drop_held().into_iter().for_each(drop_payload);
    }
}

/// What is dispatched with a result.
enum Target {
    Callback(Arc<dyn AsyncCallback>),
    /// No callback: the event that `MFASYNCRESULT` has in its place.
    Event(Box<SetOnce<()>>),
    /// Nothing: the result was emptied, and has one owner.
    Nothing,
}

#[cold]
fn awaited(doing: &str) -> Error {
    let what = format!("{doing} of a result whose reply a serial queue awaits: `invoke` is the reply");
    Error::new(Hresult::E_ILLEGAL_METHOD_CALL, what)
}

fn require<'a, T: Any>(stored: Option<&'a Unknown>, what: &str) -> Result<&'a T> {
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
