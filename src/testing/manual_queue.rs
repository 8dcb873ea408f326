//! `ManualQueue`: a work queue that runs an item only when it is stepped.

use std::fmt;

use crate::async_result::QueueId;
use crate::error::Result;
use crate::platform::Platform;
use crate::queue::{Manual, WorkQueue};

/// A private work queue stepped by hand.
///
/// Its id can be used as that of any queue: a callback may name it, a serial queue may be over it, futures may be
/// spawned on it. Items run one at a time on the thread that steps, also items that may block.
///
/// A shutdown waits for its items, as for those of any queue: step until none is left, or drop the queue first, which
/// drops its items without a call.
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
    /// Allocates a queue that only steps run.
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

    /// A handle as to any other queue. A shutdown does not wait for it.
    #[must_use]
    pub fn handle(&self) -> &WorkQueue {
        &self.queue
    }

    /// Runs the next item on this thread; false if none is queued.
    ///
    /// The next item is the first of those with the highest priority. Of a serial queue over this one, each step runs
    /// one item; one more step finds that queue empty.
    pub fn step(&self) -> bool {
        self.manual.step()
    }

    /// Steps until no item is queued, and returns the number of steps.
    ///
    /// It never returns if each item puts another.
    pub fn run_until_idle(&self) -> usize {
        std::iter::repeat_with(|| self.step()).take_while(|&ran| ran).count()
    }

    /// The number of items that wait.
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
