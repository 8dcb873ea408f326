//! The results of work items: each made when its item runs, out of what the one before has left.

use crate::async_result::{AsyncResult, TokenSource};
use crate::queue::item::Call;

/// Makes results on a thread that runs items, one after the other.
///
/// A result that nobody has kept is emptied and filled again, with the keepalive still in it: a flood of items
/// then neither allocates nor counts. Who rests gives it up, since a shutdown waits for it.
pub(crate) struct Results {
    tokens: TokenSource,
    spare: Option<AsyncResult>,
}

impl Results {
    pub(crate) fn new(tokens: TokenSource) -> Results {
        Results { tokens, spare: None }
    }

    /// The result that the callback is called with.
    #[inline]
    pub(crate) fn make(&mut self, Call { callback, state }: Call) -> AsyncResult {
        match self.spare.take() {
            Some(spare) => spare.refill(callback, state),
            None => AsyncResult::of_item(callback, state, self.tokens.token()),
        }
    }

    /// A result has done its work. What it holds is let go, whatever else becomes of it.
    #[inline]
    pub(crate) fn take_back(&mut self, result: AsyncResult) {
        if let Some(spare) = result.empty() {
            self.spare = Some(spare);
        }
    }

    /// Whether there is something to give up.
    #[inline]
    pub(crate) fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// Nothing more is to be run for now.
    #[inline]
    pub(crate) fn rest(&mut self) {
        self.spare = None;
    }

    /// For whoever runs an item elsewhere.
    pub(crate) fn elsewhere(&self) -> Results {
        Results::new(self.tokens.clone())
    }
}
