//! `Reply`: the right to reply to a serial queue, apart from the result that the queue waits for.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::async_result::{AsyncResult, Inner};

/// The right to reply to the serial queue that awaits one: what [`AsyncResult::to_reply`] gives.
///
/// It is for a callback that stands for something else, a COM object or a request, and would otherwise keep the result
/// only to invoke it. It owns neither the result nor what that holds. A `Reply` that is dropped replies as well, so that
/// no queue waits for one that is lost.
#[must_use = "dropping it replies"]
pub struct Reply(Weak<Inner>);

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
        let Some(result) = self.0.upgrade().map(AsyncResult) else { return false };
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
        self.awaits_reply().then(|| Reply(Arc::downgrade(&self.0)))
    }
}
