//! `ResultCache`: makes the results of work items, each when its item runs, in the memory of the one before.

use std::sync::Arc;

use crate::async_result::{AsyncCallback, AsyncResult, TokenSource, Unknown};
use crate::contain::drop_contained;
use crate::tracker::Origin;

/// A callback and the state that its result will have.
pub(crate) struct Invocation {
    pub(crate) callback: Arc<dyn AsyncCallback>,
    pub(crate) state: ItemState,
    /// The line of its put, for reports.
    pub(crate) origin: Origin,
}

/// The state of an item, which is dropped by itself: were it and the callback to panic at once, the process would end.
pub(crate) struct ItemState(Option<Unknown>);

impl ItemState {
    #[inline(always)]
    pub(crate) fn new(state: Option<Unknown>) -> ItemState {
        ItemState(state)
    }

    #[inline(always)]
    pub(crate) fn take(mut self) -> Option<Unknown> {
        self.0.take()
    }
}

impl Drop for ItemState {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.is_some() {
            drop_contained(self.0.take());
        }
    }
}

/// Makes the results that a worker's callbacks are called with.
///
/// A result that no callback has kept is emptied and filled again, with its token still in it: a flood of items
/// neither allocates nor counts tokens. A worker that pauses gives the token up, because a shutdown waits for it, and
/// keeps the memory.
pub(crate) struct ResultCache {
    tokens: TokenSource,
    spare: Option<AsyncResult>,
}

impl ResultCache {
    pub(crate) fn new(tokens: TokenSource) -> ResultCache {
        ResultCache { tokens, spare: None }
    }

    /// The result that the callback is called with.
    #[inline(always)]
    pub(crate) fn make(&mut self, Invocation { callback, state, origin }: Invocation) -> AsyncResult {
        match self.spare.take() {
            Some(spare) => spare.refill(callback, state.take(), origin, &self.tokens),
            None => AsyncResult::of_item(callback, state.take(), self.tokens.token(), origin),
        }
    }

    /// Drops what the result holds, and keeps its memory if no callback has kept the result.
    #[inline(always)]
    pub(crate) fn take_back(&mut self, result: AsyncResult) {
        if let Some(spare) = result.empty() {
            self.spare = Some(spare);
        }
    }

    /// Gives the token up until the next result is made.
    #[inline]
    pub(crate) fn give_token_up(&mut self) {
        if let Some(spare) = &mut self.spare {
            spare.give_token_up();
        }
    }

    pub(crate) fn tokens(&self) -> TokenSource {
        self.tokens.clone()
    }

    /// A cache for an item that runs on another thread.
    pub(crate) fn elsewhere(&self) -> ResultCache {
        ResultCache::new(self.tokens.clone())
    }
}
