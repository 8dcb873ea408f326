//! `Dispatch`: a platform's queues as a result sees them, and the token by which a result finds them.

use std::sync::Weak;

use crate::async_result::AsyncResult;
use crate::error::Result;
use crate::tracker;

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

/// A result's token: a shutdown waits for it, and it leads to the platform's queues.
pub(crate) type Token = tracker::Token<Weak<dyn Dispatch>>;

/// Makes the tokens for the results of the items that a queue runs.
pub(crate) type TokenSource = tracker::TokenSource<Weak<dyn Dispatch>>;
