//! `WaitTask`: the task of a waiting item, which calls back when its event has happened or was cancelled.

use std::future::poll_fn;
use std::sync::Arc;

use crate::async_result::AsyncResult;
use crate::cancel::WorkItemKey;
use crate::contain::Contained;
use crate::queue::Priority;
use crate::sync::LockExt;
use crate::sync::atomic::Ordering;
use crate::timer::Timers;
use crate::timer::event::AwaitedEvent;
use crate::tokio_quirks::leave_lifo_slot;

/// A waiting item's task.
pub(super) struct WaitTask {
    pub(super) event: Arc<AwaitedEvent>,
    pub(super) result: Contained<AsyncResult>,
    pub(super) key: WorkItemKey,
    pub(super) priority: Priority,
    /// The last field, so that a shutdown goes on only after the result is dropped.
    pub(super) counted: WaitCount,
}

impl WaitTask {
    pub(super) async fn run(self) {
        let queues = &self.counted.0.queues;
        let happened = poll_fn(|cx| self.event.poll(queues, cx)).await;
        let entry = {
            let mut table = self.counted.0.table.locked();
            table.find(self.key).map(|at| table.remove(at))
        };
        drop(entry);
        if let Err(code) = happened {
            self.result.set_status(code);
        }
        self.counted.0.dispatch(|queues| queues.dispatch_result(self.priority, &self.result));
        // As in `TimerDriver`.
        leave_lifo_slot(queues.runtime());
    }
}

/// Counts one waiting item until it is dropped; a shutdown waits for the count to be 0.
pub(super) struct WaitCount(Arc<Timers>);

impl WaitCount {
    pub(super) fn new(timers: Arc<Timers>) -> WaitCount {
        // ORDERING: SeqCst pairs with the load in `waits_ended`, which comes after `closed` was set.
        timers.waits.fetch_add(1, Ordering::SeqCst);
        WaitCount(timers)
    }
}

impl Drop for WaitCount {
    fn drop(&mut self) {
        // ORDERING: SeqCst, as in `new`.
        self.0.waits.fetch_sub(1, Ordering::SeqCst);
        self.0.wait_ended.notify();
    }
}
