//! The private queues of a platform: which ids are valid, and which queues still run what they had.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::async_result::QueueId;
use crate::error::{Error, Hresult, Result};
use crate::observe;
use crate::queue::kind::{OnLastUnlock, Queue, QueueLock};
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The private queues by their ids.
#[derive(Default)]
pub(super) struct Private {
    queues: RwLock<HashMap<QueueId, Arc<Queue>>>,
    /// Queues whose id is no longer valid. While one runs what was queued, a task owns it.
    /// Changed under the write lock of the table, so that no queue is ever in neither.
    ending: Mutex<Vec<Weak<Queue>>>,
    pub(super) allocated: AtomicU32,
}

impl Private {
    /// An id that was never handed out before, and never will be again.
    pub(super) fn new_id(&self) -> Result<QueueId> {
        let limit = QueueId::ALL.0 - FIRST_PRIVATE;
        // ORDERING: Relaxed, because only the number's uniqueness matters.
        self.allocated
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < limit).then_some(count + 1))
            .map(|count| QueueId(FIRST_PRIVATE + count))
            .map_err(|_| Error::new(Hresult::E_FAIL, "allocate a work queue: every id has been used"))
    }

    pub(super) fn find(&self, id: QueueId) -> Option<Arc<Queue>> {
        self.lock_read().get(&id).cloned()
    }

    /// Why there is no queue of this id.
    pub(super) fn not_open(&self, id: QueueId) -> Error {
        // ORDERING: Relaxed, because an id from here was handed over together with its count.
        let allocated = self.allocated.load(Ordering::Relaxed);
        let ours = (FIRST_PRIVATE..FIRST_PRIVATE.saturating_add(allocated)).contains(&id.0);
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
        let ending = self.lock_ending();
        table.values().cloned().chain(ending.iter().filter_map(Weak::upgrade)).collect()
    }

    fn lock_ending(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Queue>>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
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
                let mut ending = self.lock_ending();
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

/// Private ids start here and count up; none is used twice.
const FIRST_PRIVATE: u32 = 0x0010_0001;
