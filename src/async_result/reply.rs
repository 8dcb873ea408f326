//! `Reply`: the right to reply to a serial queue, apart from the result that the queue waits for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::async_result::{AsyncResult, WeakResult};
use crate::error::{Error, Hresult, Result};
use crate::sync::LockExt;

/// The right to reply to the serial queue that awaits one: what [`AsyncResult::to_reply`] gives.
///
/// It is for a callback that stands for something else, a COM object or a request, and would otherwise keep the result
/// only to invoke it. It owns neither the result nor what that holds. A `Reply` that is dropped replies as well, so that
/// no queue waits for one that is lost.
#[must_use = "dropping it replies"]
pub struct Reply(WeakResult);

impl Reply {
    /// Replies: the queue goes on with its next item, when the callback has returned.
    ///
    /// False if nothing awaits the reply any more: it was given already, or the callback panicked, or the queue has
    /// ended.
    pub fn send(self) -> bool {
        self.give()
    }

    fn give(&self) -> bool {
        // The queue owns the result for as long as it waits.
        let Some(result) = self.0.upgrade() else { return false };
        let Some(queue) = result.take_reply() else { return false };
        queue.replied();
        true
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.give();
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

impl AsyncResult {
    /// The right to reply by something else than this result, inside a callback with the flag
    /// [`REPLY`](crate::CallbackFlags::REPLY) that a serial queue has called; `None` if no queue awaits a reply.
    ///
    /// To invoke the result is still a reply, and the first of the two counts.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mf_async::{AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Platform, QueueId};
    ///
    /// /// Passes each item on; what it is passed to replies.
    /// struct PassOn(std::sync::mpsc::Sender<Option<mf_async::Reply>>);
    ///
    /// impl AsyncCallback for PassOn {
    ///     fn parameters(&self) -> CallbackParameters {
    ///         CallbackParameters::default().with_flags(CallbackFlags::REPLY)
    ///     }
    ///     fn invoke(&self, result: &AsyncResult) {
    ///         self.0.send(result.to_reply()).unwrap();
    ///     }
    /// }
    ///
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # let platform = Platform::startup()?;
    /// let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?;
    /// let (send, passed_on) = std::sync::mpsc::channel();
    /// queue.put(Arc::new(PassOn(send)))?;
    /// let reply = passed_on.recv().unwrap().unwrap();
    /// assert!(reply.send());
    /// # platform.shutdown().await }
    /// ```
    #[doc(alias = "MFASYNC_REPLY_CALLBACK")]
    pub fn to_reply(&self) -> Option<Reply> {
        self.awaits_reply().then(|| Reply(self.downgrade()))
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

/// A serial queue that waits for the reply to its current item.
pub(crate) trait AwaitsReply: Send + Sync {
    fn replied(self: Arc<Self>);
}

#[cold]
fn awaited(doing: &str) -> Error {
    let what = format!("{doing} of a result whose reply a serial queue awaits: `invoke` is the reply");
    Error::new(Hresult::E_ILLEGAL_METHOD_CALL, what)
}
