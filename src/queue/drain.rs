//! Draining: how the queues of a platform become empty and end, when it is shut down.

use std::cmp::Reverse;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::select;

use crate::queue::kind::Queue;
use crate::queue::table::Queues;

impl Queues {
    /// From now on only callbacks of this platform may put.
    pub(crate) fn start_draining(&self) -> bool {
        self.tracker.start_draining()
    }

    /// Waits until every queue is empty and nothing runs.
    ///
    /// When all that is left waits for replies, the queues above those that await one go on: a reply may come from there.
    pub(crate) async fn drained(&self) {
        select(pin!(self.all_quiet()), pin!(self.lift_what_waits())).await;
    }

    async fn lift_what_waits(&self) {
        let (mut tick, mut last) = (REPLY_TICK, None);
        loop {
            tokio::time::sleep(tick).await;
            let all = self.all();
            let before = self.made_and_put(&all);
            let mut waits = all.iter().filter(|queue| !queue.is_quiet());
            if waits.all(|queue| queue.waits_for_reply()) && self.made_and_put(&all) == before {
                all.iter().for_each(|queue| queue.lift_turns());
            }
            // Where nothing happens, ever more rarely: a paused clock would go through millions of ticks at once.
            let changed = last.replace(before) != Some(before);
            tick = if changed { REPLY_TICK } else { (2 * tick).min(LONGEST_REPLY_TICK) };
        }
    }

    async fn all_quiet(&self) {
        loop {
            for queue in self.all() {
                queue.until_quiet().await;
            }
            // A callback may have put on a queue that was looked at before, or on a new one. If nothing
            // was made and put from before the first look to after the last, all of them were quiet at
            // the same time.
            let all = self.all();
            let before = self.made_and_put(&all);
            if all.iter().all(|queue| queue.is_quiet()) && self.made_and_put(&all) == before {
                return;
            }
        }
    }

    fn made_and_put(&self, queues: &[Arc<Queue>]) -> (u32, usize, u64) {
        // ORDERING: Acquire: a thread that sees a callback's queue quiet sees what the callback allocated.
        let private = self.private.allocated.load(Ordering::Acquire);
        let platform = self.platform.iter().filter_map(OnceLock::get).count();
        (private, platform, queues.iter().map(|queue| queue.put_count()).sum())
    }

    /// No more puts at all; queues end when they are empty.
    pub(crate) fn close(&self) {
        for queue in self.all() {
            drop(queue.close());
        }
    }

    /// The platform is gone: no queue waits for a reply any more.
    pub(crate) fn orphan(&self) {
        self.all().iter().for_each(|queue| queue.await_no_replies());
    }

    /// Drops everything that is still queued.
    pub(crate) fn kill(&self) {
        self.all().iter().for_each(|queue| queue.abort());
    }

    /// Drops the private queues. The table owns serial queues, which own locks on those below, and a lock left by number
    /// is a ring of a queue and itself.
    pub(crate) fn forget(&self) {
        let mut forgotten: Vec<_> = std::mem::take(&mut *self.private.lock_write()).into_values().collect();
        // The youngest first: none of them owns another then, whose drop would be nested in its own.
        forgotten.sort_by_key(|queue| Reverse(queue.id));
        for queue in forgotten {
            drop(queue.take_all_left());
        }
    }
}

/// So often a shutdown looks whether all that is left waits for replies.
const REPLY_TICK: Duration = Duration::from_millis(1);

/// The longest time between two looks, when nothing happens.
const LONGEST_REPLY_TICK: Duration = Duration::from_millis(100);
