//! What a result holds, how that is dropped, and how the items of a queue use its memory again.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::SetOnce;

use crate::async_result::failure::NOT_INVOKED;
use crate::async_result::{AsyncCallback, AsyncResult, AwaitsReply, Dispatch, Token, TokenSource, Unknown};
use crate::contain::{Payload, contain, drop_contained, drop_payload};
use crate::error::{Error, Hresult, Result};
use crate::tracker::{Origin, Tracker};

/// What the clones of a result share.
pub(super) struct Inner {
    pub(super) target: Target,
    pub(super) state: Option<Unknown>,
    pub(super) object: Option<Unknown>,
    pub(super) hides_object: bool,
    pub(super) status: AtomicU32,
    /// One of the three numbers in `failure.rs`.
    pub(super) invoked: AtomicU8,
    /// Whether `rare` has, or had, a value.
    pub(super) has_rare: AtomicBool,
    pub(super) rare: Mutex<Option<Box<Rare>>>,
    /// Held for its drop, which takes the result off the list of reports.
    pub(super) origin: Origin,
    /// The last field, so that a shutdown goes on only after the result's contents are dropped.
    pub(super) token: Option<Token>,
}

/// Fields that few results need.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) reply: Option<Arc<dyn AwaitsReply>>,
    pub(super) failure: Option<Error>,
}

/// What is dispatched with a result.
pub(super) enum Target {
    Callback(Arc<dyn AsyncCallback>),
    /// No callback: the event that `MFASYNCRESULT` has in its place.
    Event(Box<SetOnce<()>>),
    /// Nothing: the result was emptied, and has one owner.
    Nothing,
}

impl Inner {
    #[inline]
    pub(super) fn new(target: Target, state: Option<Unknown>, token: Option<Token>, origin: Origin) -> Inner {
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

impl AsyncResult {
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

impl Parts {
    /// A token for the new result. If it is refused, the contents are dropped here, where a panic of theirs stops.
    #[inline]
    pub(crate) fn token(
        &mut self,
        tracker: &Tracker<Weak<dyn Dispatch>>,
        doing: &'static str,
    ) -> Result<Token> {
        tracker.token(doing).inspect_err(|_| _ = drop_contained(std::mem::take(self)))
    }
}
