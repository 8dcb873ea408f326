//! `ManualQueue`: a work queue that runs an item when it is told to, and not before.

use std::fmt;

use crate::async_result::QueueId;
use crate::error::Result;
use crate::platform::Platform;
use crate::queue::{Manual, WorkQueue};

/// A private work queue stepped by hand.
///
/// Its id goes wherever a queue's does: a callback may name it, a serial queue may lie over it, futures
/// may be spawned on it. Items run one at a time, on the thread that steps, those that may block too.
///
/// A shutdown waits for what is queued here, as everywhere: step until nothing is left, or drop the
/// queue first, which lets go of it un-called.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use mf_async::Platform;
/// use mf_async::testing::ManualQueue;
///
/// let platform = Platform::startup()?;
/// let queue = ManualQueue::new(&platform)?;
/// let first = queue.handle().run(|| 1);
/// let second = queue.handle().run(|| 2);
/// assert!(queue.step());
/// assert!(first.is_ended() && !second.is_ended());
/// assert_eq!(queue.run_until_idle(), 1);
/// assert_eq!(second.await?, 2);
/// assert!(!queue.step());
/// # drop(queue);
/// # platform.shutdown().await }
/// ```
pub struct ManualQueue {
    queue: WorkQueue,
    manual: Manual,
}

impl ManualQueue {
    /// Allocates a queue that is stepped by hand.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down.
    #[track_caller]
    pub fn new(platform: &Platform) -> Result<ManualQueue> {
        let (queue, manual) = platform.queues().allocate_manual()?;
        Ok(ManualQueue { queue: queue.unheld(), manual })
    }

    /// The queue's number.
    #[must_use]
    pub fn id(&self) -> QueueId {
        self.queue.id()
    }

    /// The queue as any other. A shutdown does not wait for this handle.
    #[must_use]
    pub fn handle(&self) -> &WorkQueue {
        &self.queue
    }

    /// Runs the next item, here and now; false if nothing is queued.
    ///
    /// The next is the first of those with the highest priority. Of a serial queue over this one, a
    /// step runs one item; its last step finds that no more is there.
    pub fn step(&self) -> bool {
        self.manual.step()
    }

    /// Steps until nothing is queued, and says how many steps that took.
    ///
    /// An item that puts another each time makes this go on for ever.
    pub fn run_until_idle(&self) -> usize {
        std::iter::repeat_with(|| self.step()).take_while(|&ran| ran).count()
    }

    /// How many items wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.queue.stats().depth
    }
}

impl From<&ManualQueue> for QueueId {
    fn from(queue: &ManualQueue) -> QueueId {
        queue.id()
    }
}

impl fmt::Debug for ManualQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualQueue").field("id", &self.id()).field("depth", &self.depth()).finish()
    }
}
