//! `Queues`: the table of a platform's queues, which turns an id into a queue.

use std::panic::Location;
use std::sync::{Arc, OnceLock, Weak};

use tokio::runtime::Handle;

use crate::async_result::{AsyncCallback, AsyncResult, Dispatch, Parts, QueueId, Token, Unknown};
use crate::error::{Error, Hresult, Result};
use crate::mmcss::{Groups, Mmcss};
use crate::queue::calling_out::CallingOut;
use crate::queue::current_queue::CurrentQueue;
use crate::queue::engine::{Engine, Monitor, Spawner};
use crate::queue::kind::{Held, OnLastUnlock, Queue, QueueKind, QueueLock};
use crate::queue::private::Private;
use crate::stepping;
use crate::tokio_quirks;
use crate::tracker::{Begun, Phase, Tracker, closed};

/// The table of a platform's queues. Everything that dispatches shares it.
pub(crate) struct Queues {
    pub(crate) tracker: Tracker<Weak<dyn Dispatch>>,
    runtime: Handle,
    monitor: Arc<Monitor>,
    /// How many items a parallel queue runs at the same time: one per worker.
    width: usize,
    pub(super) platform: [OnceLock<Arc<Queue>>; 8],
    pub(super) private: Arc<Private>,
    groups: Groups,
}

impl Queues {
    pub(crate) fn new(runtime: Handle) -> Arc<Queues> {
        let width = runtime.metrics().num_workers().max(1);
        Arc::new_cyclic(|this: &Weak<Queues>| Queues {
            tracker: Tracker::new(this.clone(), Some(runtime.clone())),
            monitor: Arc::default(),
            runtime,
            width,
            platform: Default::default(),
            private: Arc::default(),
            groups: Groups::default(),
        })
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// How many items a parallel queue runs at the same time, unless they are held up.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// A result that keeps the platform open.
    pub(crate) fn create_result(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<AsyncResult> {
        let mut parts = Parts { callback: Some(callback), state, ..Parts::default() };
        let token = parts.token(&self.tracker, "create an asynchronous result")?;
        Ok(AsyncResult::new(parts, Some(token)))
    }

    /// A token for something new.
    #[inline]
    pub(crate) fn token(&self, doing: &'static str) -> Result<Token> {
        self.tracker.token(doing)
    }

    /// Whether the platform has not been closed.
    #[inline]
    pub(crate) fn admit_new(&self, doing: &'static str) -> Result<()> {
        if self.phase() == Phase::Closed { Err(closed(doing)) } else { Ok(()) }
    }

    /// What a queue is registered as with MMCSS.
    pub(crate) fn mmcss(&self, queue: QueueId) -> Result<Mmcss> {
        self.resolve(queue, |queue| queue.mmcss())
    }

    /// Registers every platform queue.
    pub(crate) fn set_platform_mmcss(&self, mmcss: &Mmcss) -> Result<()> {
        self.admit("register the platform with MMCSS")?;
        for id in [1, 2, 3, 4, 5, 7] {
            self.resolve(QueueId(id), |queue| queue.set_mmcss(mmcss.clone()))?;
        }
        Ok(())
    }

    /// Releases a lock that was left by number.
    pub(crate) fn unlock(&self, id: QueueId) -> Result<()> {
        if !id.is_private() {
            return Ok(());
        }
        let queue = self.private.find(id).ok_or_else(|| self.not_open(id))?;
        queue.take_left().map(drop).ok_or_else(|| {
            let what = format!("unlock queue {id}: it has no lock that was left on it by number");
            Error::new(Hresult::MF_E_INVALID_WORKQUEUE, what)
        })
    }

    /// Where callbacks of this queue run.
    pub(crate) fn place(&self, queue: QueueId) -> CurrentQueue {
        CurrentQueue { platform: self.address(), queue }
    }

    /// Calls the user's code on behalf of the platform's end. A wait for that end is refused there.
    pub(crate) fn call_out<T>(&self, call: impl FnOnce() -> T) -> T {
        CallingOut::enter(self.address(), call)
    }

    /// Fails where a wait for the end of this platform, or for its queues, would wait for itself: in its callbacks, and
    /// in code of the user's that its shutdown calls.
    pub(crate) fn check_may_wait(&self, doing: &str) -> Result<()> {
        let what = match self.runs_here() {
            Some(queue) => {
                format!("{doing} from a callback on queue {queue}, which it would wait for: do it in a task")
            }
            None if self.is_calling_out() => {
                format!(
                    "{doing} from what the platform's shutdown drops or calls, and waits for: do it in a task"
                )
            }
            None => return Ok(()),
        };
        Err(Error::new(Hresult::ERROR_POSSIBLE_DEADLOCK, what))
    }

    /// Whether the end of this platform calls on the current thread.
    pub(crate) fn is_calling_out(&self) -> bool {
        CallingOut::is_of(self.address())
    }

    /// Whether the current thread runs a callback of this platform.
    pub(crate) fn runs_here(&self) -> Option<QueueId> {
        CurrentQueue::current().filter(|place| place.platform == self.address()).map(|place| place.queue)
    }

    /// Every queue that exists: those that are open, and those that still run what was queued.
    pub(crate) fn all(&self) -> Vec<Arc<Queue>> {
        let mut all: Vec<_> = self.platform.iter().filter_map(OnceLock::get).cloned().collect();
        let mut private = self.private.all();
        private.sort_by_key(|queue| queue.id);
        all.append(&mut private);
        all
    }

    /// An item for this queue was cancelled.
    #[inline]
    pub(crate) fn count_cancelled(&self, id: QueueId) {
        let _ = self.resolve(id, |queue| queue.count_cancelled());
    }

    pub(crate) fn is_running(&self) -> bool {
        self.tracker.handle().is_running()
    }

    /// Whether something new may be put from here, now.
    #[inline]
    pub(crate) fn admit(&self, doing: &'static str) -> Result<()> {
        match self.phase() {
            Phase::Running => Ok(()),
            // An operation that has begun may need another hop to complete.
            Phase::Draining if self.runs_here().is_some() => Ok(()),
            _ => Err(closed(doing)),
        }
    }

    /// Calls `with` with the queue of this id. Numbers without a private bit that name no queue mean
    /// STANDARD, as observed on Windows.
    #[inline]
    pub(super) fn resolve<T>(&self, id: QueueId, with: impl FnOnce(&Arc<Queue>) -> T) -> Result<T> {
        if id.is_private() {
            return Ok(with(&self.private.find(id).ok_or_else(|| self.not_open(id))?));
        }
        let named = match id {
            QueueId::RT | QueueId::IO | QueueId::TIMER | QueueId::MULTITHREADED | QueueId::LONG_FUNCTION => {
                id
            }
            _ => QueueId::STANDARD,
        };
        Ok(with(self.platform[named.0 as usize].get_or_init(|| self.platform_queue(named))))
    }

    /// Why there is no private queue of this id. A shutdown drops them all, after it has closed the platform; a call that was
    /// admitted before may find them gone, and says the same as one that comes after.
    #[cold]
    fn not_open(&self, id: QueueId) -> Error {
        match self.phase() {
            Phase::Closed => closed(&format!("use the private queue {id}")),
            _ => self.private.not_open(id),
        }
    }

    fn platform_queue(&self, id: QueueId) -> Arc<Queue> {
        let engine = match id {
            QueueId::IO | QueueId::MULTITHREADED | QueueId::LONG_FUNCTION => {
                self.parallel(id, self.spawner())
            }
            _ => self.serial(id, self.spawner()),
        };
        let queue = Queue::new(id, QueueKind::Engine(engine), Weak::<Private>::new(), Location::caller());
        queue.set_long_running(id == QueueId::LONG_FUNCTION);
        if self.phase() == Phase::Closed && tokio_quirks::is_shut_down(&self.runtime) {
            queue.abort();
        }
        queue
    }

    pub(super) fn serial(&self, id: QueueId, spawner: Spawner) -> Engine {
        self.engine(id, spawner, None)
    }

    pub(super) fn parallel(&self, id: QueueId, spawner: Spawner) -> Engine {
        self.engine(id, spawner, Some(self.width))
    }

    fn engine(&self, id: QueueId, spawner: Spawner, width: Option<usize>) -> Engine {
        Engine::new(self.place(id), self.tracker.token_source(), spawner, self.monitor.clone(), width)
    }

    pub(super) fn spawner(&self) -> Spawner {
        let runtime = self.runtime.clone();
        if stepping::is_on() {
            Spawner::Stepped { runtime, is_window: false }
        } else {
            Spawner::Runtime(runtime)
        }
    }

    pub(super) fn lock(&self, id: QueueId) -> Result<QueueLock> {
        if id.is_private() {
            // Under the table's lock, which the last unlock takes for writing: no queue is locked that is just ending.
            let table = self.private.lock_read();
            return table.get(&id).map(QueueLock::new).ok_or_else(|| self.not_open(id));
        }
        self.resolve(id, QueueLock::new)
    }

    /// Adds a private queue. Returns the first lock on it, and what its handle holds.
    pub(super) fn add(
        &self,
        begun: Begun,
        make: impl FnOnce(QueueId) -> Result<QueueKind>,
    ) -> Result<(QueueLock, Held)> {
        let token = self.token("allocate a work queue")?;
        let id = self.private.new_id()?;
        let queue = Queue::new(id, make(id)?, self.table(), begun);
        let lock = QueueLock::new(&queue);
        let held = Held::new(&queue, token);
        self.private.lock_write().insert(id, queue);
        Ok((lock, held))
    }

    fn table(&self) -> Weak<dyn OnLastUnlock> {
        let table: Weak<Private> = Arc::downgrade(&self.private);
        table
    }

    #[inline]
    fn phase(&self) -> Phase {
        self.tracker.handle().phase()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}
