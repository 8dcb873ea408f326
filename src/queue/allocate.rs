//! Opening queues: a handle comes from allocating a queue, or from locking one that is open.

use std::panic::Location;
use std::sync::Arc;

use crate::async_result::QueueId;
use crate::error::Result;
use crate::mmcss::Mmcss;
use crate::queue::engine::Spawner;
use crate::queue::handle::{WorkQueue, WorkQueueType};
use crate::queue::kind::{Held, QueueKind, QueueLock};
use crate::queue::serial::Serial;
use crate::queue::table::Queues;
use crate::queue::{realtime, window};
use crate::stepping;

impl Queues {
    #[track_caller]
    pub(crate) fn allocate(self: &Arc<Self>, kind: WorkQueueType) -> Result<WorkQueue> {
        self.admit("allocate a work queue")?;
        let added = self.add(Location::caller(), |id| {
            Ok(QueueKind::Engine(match kind {
                WorkQueueType::Standard => self.serial(id, self.spawner()),
                WorkQueueType::Multithreaded => self.parallel(id, self.spawner()),
                WorkQueueType::Window => self.serial(id, self.window_spawner(id)?),
            }))
        })?;
        Ok(self.work_queue(added))
    }

    /// A thread of its own, unless a stepper runs the items.
    fn window_spawner(&self, id: QueueId) -> Result<Spawner> {
        if stepping::is_on() {
            return Ok(Spawner::Stepped { runtime: self.runtime().clone(), is_window: true });
        }
        window::spawner(self.runtime(), id)
    }

    /// A parallel queue for all callers that name an MMCSS class, on raised threads of its own where that is asked for and
    /// possible.
    #[track_caller]
    pub(crate) fn allocate_shared(self: &Arc<Self>, mmcss: &Mmcss) -> Result<WorkQueue> {
        self.admit("lock a shared work queue")?;
        let added = self.add(Location::caller(), |id| {
            let spawner = if stepping::is_on() { None } else { realtime::spawner(mmcss, self.width(), id)? };
            let spawner = spawner.unwrap_or_else(|| self.spawner());
            Ok(QueueKind::Engine(self.parallel(id, spawner)))
        })?;
        Ok(self.work_queue(added))
    }

    #[track_caller]
    pub(crate) fn allocate_serial(self: &Arc<Self>, base: QueueId) -> Result<WorkQueue> {
        self.admit("allocate a serial work queue")?;
        let base = self.lock(base)?;
        let added = self.add(Location::caller(), |id| {
            Ok(QueueKind::Serial(Serial::new(self.place(id), base.queue().clone(), base)))
        })?;
        Ok(self.work_queue(added))
    }

    /// Another handle to a queue, by its id.
    pub(crate) fn handle(self: &Arc<Self>, id: QueueId) -> Result<WorkQueue> {
        self.admit("lock a work queue")?;
        let lock = self.lock(id)?;
        let held = if id.is_private() {
            Some(Held::new(lock.queue(), self.token("lock a work queue")?))
        } else {
            None
        };
        Ok(WorkQueue::new(lock, self.clone(), held))
    }

    pub(super) fn work_queue(self: &Arc<Self>, (lock, held): (QueueLock, Held)) -> WorkQueue {
        WorkQueue::new(lock, self.clone(), Some(held))
    }
}
