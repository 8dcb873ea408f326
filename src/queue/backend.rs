//! `Backend`: what an engine and a serial queue have in common: counters, marks and ends.

use tokio::runtime::Handle;

use crate::observe::{QueueStats, Running};
use crate::queue::waiters::Waiters;

/// A queue's machinery: an engine, or a serial queue over another queue.
pub(crate) trait Backend {
    fn runtime(&self) -> &Handle;

    /// Whether something may be waiting, read without the lock.
    fn has_backlog(&self) -> bool;

    /// From now on every item runs on the blocking pool, or no longer does.
    fn set_long_running(&self, enable: bool);

    /// How many items were put so far.
    fn put_count(&self) -> u64;

    /// A mark: what was put before this call.
    fn mark(&self) -> u64;

    /// Whether everything that was put before `mark` has run or was dropped.
    fn passed(&self, mark: u64) -> bool;

    /// Whether nothing is queued and nothing runs.
    fn is_quiet(&self) -> bool;

    /// The tasks that wait for a mark to be passed, or for quiet.
    fn waiters(&self) -> &Waiters;

    fn stats(&self) -> QueueStats;

    /// What runs now, or awaits its reply.
    fn running(&self) -> Vec<Running>;

    /// Drops everything queued, un-called, and refuses puts.
    fn abort(&self);
}
