//! `Private`: the private queues of a platform. It knows which ids are valid, and which closed queues still run items.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::async_result::QueueId;
use crate::error::{Error, Hresult, Result};
use crate::observe;
use crate::queue::kind::{OnLastUnlock, Queue, QueueLock};
use crate::sync::{LockExt, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The private queues by their ids.
#[derive(Default)]
pub(super) struct Private {
    queues: RwLock<HashMap<QueueId, Arc<Queue>>>,
    /// Queues whose id is no longer valid. While one runs what was queued, a task owns it.
    /// Changed under the write lock of the table, so that no queue is ever in neither.
    ending: Mutex<Vec<Weak<Queue>>>,
    ids: Mutex<Ids>,
    /// How many were allocated.
    pub(super) allocated: AtomicU32,
}

/// The ids of a platform. No two platforms of the process share one, so an id of another is refused.
#[derive(Default)]
struct Ids {
    /// What was taken of the process's numbers, without gaps between neighbours.
    blocks: Vec<Range<u32>>,
    /// How many of the last block are not handed out.
    left: u32,
}

impl Ids {
    fn next(&mut self) -> Option<u32> {
        if self.left == 0 {
            // ORDERING: Relaxed, because only the numbers' uniqueness matters.
            let begin = NEXT_BLOCK
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                    next.checked_add(BLOCK).filter(|end| *end < QueueId::ALL.0)
                })
                .ok()?;
            match self.blocks.last_mut() {
                Some(last) if last.end == begin => last.end += BLOCK,
                _ => self.blocks.push(begin..begin + BLOCK),
            }
            self.left = BLOCK;
        }
        self.left -= 1;
        self.blocks.last().map(|last| last.end - self.left - 1)
    }

    fn handed_out(&self, id: u32) -> bool {
        let end = self.blocks.last().map_or(0, |last| last.end - self.left);
        id < end && self.blocks.iter().any(|block| block.contains(&id))
    }
}

impl Private {
    /// An id that was never handed out before, and never will be again.
    pub(super) fn new_id(&self) -> Result<QueueId> {
        let id = self.ids.locked().next();
        // ORDERING: Release pairs with the Acquire in `Queues::made_and_put`.
        self.allocated.fetch_add(1, Ordering::Release);
        id.map(QueueId)
            .ok_or_else(|| Error::new(Hresult::E_FAIL, "allocate a work queue: every id has been used"))
    }

    pub(super) fn find(&self, id: QueueId) -> Option<Arc<Queue>> {
        self.lock_read().get(&id).cloned()
    }

    /// Why there is no queue of this id.
    pub(super) fn not_open(&self, id: QueueId) -> Error {
        let ours = self.ids.locked().handed_out(id.0);
        let why = if ours {
            "its last handle was dropped; keep a clone of the `WorkQueue`"
        } else {
            "it was not allocated here"
        };
        let what = format!("queue {id} is not open on this platform: {why}");
        Error::new(Hresult::MF_E_INVALID_WORKQUEUE, what)
    }

    /// Those in the table, and those that are ending.
    pub(super) fn all(&self) -> Vec<Arc<Queue>> {
        let table = self.lock_read();
        let ending = self.ending.locked();
        table.values().cloned().chain(ending.iter().filter_map(Weak::upgrade)).collect()
    }

    pub(super) fn lock_read(&self) -> RwLockReadGuard<'_, HashMap<QueueId, Arc<Queue>>> {
        self.queues.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_write(&self) -> RwLockWriteGuard<'_, HashMap<QueueId, Arc<Queue>>> {
        self.queues.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnLastUnlock for Private {
    /// The id becomes invalid, unless the queue was locked again meanwhile.
    fn last_unlock(&self, queue: &Arc<Queue>) -> Option<QueueLock> {
        let removed = {
            let mut table = self.lock_write();
            let removed = if queue.is_locked() { None } else { table.remove(&queue.id) };
            if removed.is_some() {
                let mut ending = self.ending.locked();
                if ending.len() == ending.capacity() {
                    ending.retain(|queue| queue.strong_count() > 0);
                }
                ending.push(Arc::downgrade(queue));
            }
            removed
        };
        let queue = removed?;
        let lock = queue.close();
        if !queue.is_quiet() {
            let runtime = queue.runtime().clone();
            let id = queue.id;
            let ending = async move { queue.until_quiet().await };
            observe::detach(&runtime, format_args!("the end of queue {id}"), ending);
        }
        lock
    }
}

/// The first id that no platform has taken. Private ids count up from here; none is used twice in a process.
static NEXT_BLOCK: AtomicU32 = AtomicU32::new(0x0010_0001);

/// So many ids a platform takes at a time.
const BLOCK: u32 = 64;
