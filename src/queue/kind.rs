//! `Queue`: an engine or a serial queue, with its number, its counters and the counted locks that keep it open.

use std::future::Future;
use std::sync::{Arc, Mutex, Weak};

use tokio::runtime::Handle;

use crate::async_result::{CallbackFlags, QueueId, Token};
use crate::error::{Error, Hresult, Result};
use crate::mmcss::Mmcss;
use crate::observe::{self, QueueStats, Running};
use crate::queue::backend::Backend;
use crate::queue::engine::{Engine, Start};
use crate::queue::serial::{Base, Serial};
use crate::queue::work::{Slot, Work};
use crate::stepping;
use crate::sync::LockExt;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::tracker::Begun;

/// One queue, of any kind.
pub(crate) struct Queue {
    pub(crate) id: QueueId,
    pub(crate) allocated: Begun,
    pub(super) kind: QueueKind,
    locks: AtomicUsize,
    handles: AtomicUsize,
    missed_deadlines: AtomicU64,
    cancelled: AtomicU64,
    mmcss: Mutex<Mmcss>,
    /// Locks left on it by number.
    left: Mutex<Vec<QueueLock>>,
    table: Weak<dyn OnLastUnlock>,
}

pub(super) enum QueueKind {
    Engine(Engine),
    Serial(Arc<Serial<Queue>>),
}

/// The table that a private queue leaves when its last lock is released.
pub(super) trait OnLastUnlock: Send + Sync {
    /// The queue has no lock. Returns the lock on the queue below that this one gives up, if it ends now.
    fn last_unlock(&self, queue: &Arc<Queue>) -> Option<QueueLock>;
}

impl Queue {
    pub(super) fn new(
        id: QueueId,
        kind: QueueKind,
        table: Weak<dyn OnLastUnlock>,
        allocated: Begun,
    ) -> Arc<Queue> {
        Arc::new(Queue {
            id,
            allocated,
            kind,
            locks: AtomicUsize::new(0),
            handles: AtomicUsize::new(0),
            missed_deadlines: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            mmcss: Mutex::new(Mmcss::none()),
            left: Mutex::default(),
            table,
        })
    }

    /// Puts what the slot holds; false if the queue is closed or the runtime is gone.
    #[inline(always)]
    pub(super) fn put(&self, slot: &mut Slot, flags: CallbackFlags) -> bool {
        stepping::pause();
        stepping::put(|| (self.id.0, slot.as_ref().map_or("", Work::name)));
        let is_put = self.put_now(slot, flags);
        stepping::pause();
        is_put
    }

    #[inline(always)]
    fn put_now(&self, slot: &mut Slot, flags: CallbackFlags) -> bool {
        match &self.kind {
            QueueKind::Engine(engine) => engine.put(slot, flags),
            QueueKind::Serial(serial) => {
                let Some(turn) = serial.put(slot, flags) else { return false };
                if let Some(turn) = turn {
                    put_turn(serial, turn);
                }
                true
            }
        }
    }

    /// Whether the queue takes callbacks with these flags.
    #[inline]
    pub(super) fn allows(&self, flags: CallbackFlags) -> Result<()> {
        let quick = CallbackFlags::FAST_IO_PROCESSING | CallbackFlags::SIGNAL;
        if flags.intersects(quick) && !matches!(self.id, QueueId::IO | QueueId::TIMER) {
            let what = format!(
                "queue {} does not take callbacks with the flags FAST_IO_PROCESSING or SIGNAL, only IO and TIMER do",
                self.id
            );
            return Err(Error::new(Hresult::MF_E_INVALID_WORKQUEUE, what));
        }
        Ok(())
    }

    fn backend(&self) -> &dyn Backend {
        match &self.kind {
            QueueKind::Engine(engine) => engine,
            QueueKind::Serial(serial) => &**serial,
        }
    }

    pub(crate) fn runtime(&self) -> &Handle {
        self.backend().runtime()
    }

    pub(super) fn set_long_running(&self, enable: bool) {
        self.backend().set_long_running(enable);
    }

    pub(super) fn put_count(&self) -> u64 {
        self.backend().put_count()
    }

    /// A mark: what was put before this call.
    pub(super) fn mark(&self) -> u64 {
        self.backend().mark()
    }

    /// Waits until everything that was put before `mark` has run or was dropped.
    pub(super) fn until_passed(&self, mark: u64) -> impl Future<Output = ()> {
        self.until(move |backend| backend.passed(mark))
    }

    /// Waits until nothing is queued and nothing runs.
    pub(crate) fn until_quiet(&self) -> impl Future<Output = ()> {
        self.until(|backend| backend.is_quiet())
    }

    async fn until(&self, condition: impl Fn(&dyn Backend) -> bool) {
        self.backend().waiters().until(|| condition(self.backend())).await;
    }

    /// Whether nothing is queued and nothing runs.
    pub(crate) fn is_quiet(&self) -> bool {
        self.backend().is_quiet()
    }

    /// Whether nothing runs on it, and what is queued waits for the reply to an item of this queue or of one below.
    pub(super) fn waits_for_reply(&self) -> bool {
        let QueueKind::Serial(serial) = &self.kind else { return false };
        if serial.awaits_reply() {
            return true;
        }
        let mut base = serial.base();
        while let (false, QueueKind::Serial(below)) = (serial.is_busy(), &base.kind) {
            if below.awaits_reply() {
                return true;
            }
            base = below.base();
        }
        false
    }

    /// Lets queues above go on that wait for the reply to an item of this one.
    pub(super) fn lift_turns(&self) {
        if let QueueKind::Serial(serial) = &self.kind {
            serial.lift_turns();
        }
    }

    /// How many handles users have.
    pub(crate) fn handles(&self) -> usize {
        // ORDERING: Relaxed, a counter for reports.
        self.handles.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self) -> QueueStats {
        // ORDERING: Relaxed, twice: counters that order nothing.
        QueueStats {
            missed_deadlines: self.missed_deadlines.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
            ..self.backend().stats()
        }
    }

    pub(super) fn count_missed_deadline(&self) {
        // ORDERING: Relaxed, a counter that orders nothing.
        self.missed_deadlines.fetch_add(1, Ordering::Relaxed);
        observe::warn_missed_deadline(self.id);
    }

    pub(crate) fn mmcss(&self) -> Mmcss {
        self.mmcss.locked().clone()
    }

    pub(crate) fn set_mmcss(&self, mmcss: Mmcss) {
        *self.mmcss.locked() = mmcss;
    }

    #[inline]
    pub(crate) fn count_cancelled(&self) {
        // ORDERING: Relaxed, a counter that orders nothing.
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn running(&self) -> Vec<Running> {
        self.backend().running()
    }

    /// Starts a future on the thread of a window queue.
    pub(crate) fn start_local(&self, start: Start) -> Result<()> {
        if matches!(&self.kind, QueueKind::Engine(engine) if engine.spawn_local(start)) {
            return Ok(());
        }
        let what = format!(
            "spawn a local future on queue {}, which is no window queue, or is closed: allocate one of `WorkQueueType::Window`",
            self.id
        );
        Err(Error::new(Hresult::MF_E_INVALID_WORKQUEUE, what))
    }

    /// Drops what is queued.
    pub(crate) fn abort(&self) {
        self.backend().abort();
    }

    /// Puts are refused from now on. Returns the lock on the queue below that a serial queue gives up.
    pub(super) fn close(&self) -> Option<QueueLock> {
        match &self.kind {
            QueueKind::Engine(engine) => {
                engine.close();
                None
            }
            QueueKind::Serial(serial) => serial.close(),
        }
    }

    /// No queue waits for a reply any more.
    pub(super) fn await_no_replies(&self) {
        if let QueueKind::Serial(serial) = &self.kind {
            serial.await_no_replies();
        }
    }

    pub(super) fn is_locked(&self) -> bool {
        // ORDERING: Acquire: locks by id are taken under the table's lock, which the caller holds.
        self.locks.load(Ordering::Acquire) > 0
    }

    /// A lock that was left by number.
    pub(super) fn take_left(&self) -> Option<QueueLock> {
        self.left.locked().pop()
    }

    /// All of them.
    pub(super) fn take_all_left(&self) -> Vec<QueueLock> {
        std::mem::take(&mut *self.left.locked())
    }
}

/// Puts a turn on the queue below, which may have to do the same.
fn put_turn(serial: &Serial<Queue>, turn: Work) {
    let (mut slot, mut base) = (Some(turn), serial.base());
    let flags = CallbackFlags::empty();
    loop {
        match &base.kind {
            QueueKind::Engine(engine) => {
                engine.put(&mut slot, flags);
                break;
            }
            QueueKind::Serial(serial) => match serial.put(&mut slot, flags) {
                Some(Some(next)) => (slot, base) = (Some(next), serial.base()),
                Some(None) | None => break,
            },
        }
    }
    // A queue below that is gone ends those above.
    slot.into_iter().for_each(Work::abandon);
}

impl Base for Queue {
    type BaseLock = QueueLock;

    fn put(&self, slot: &mut Slot) {
        self.put_now(slot, CallbackFlags::empty());
    }

    fn has_backlog(&self) -> bool {
        self.backend().has_backlog()
    }

    fn engine(&self) -> &Engine {
        match &self.kind {
            QueueKind::Engine(engine) => engine,
            QueueKind::Serial(serial) => serial.engine(),
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // While an item awaits its reply the platform or a task owns the queue, so these are gone. The awaited result owns
        // the serial queue in turn, which would stay for ever.
        if let QueueKind::Serial(serial) = &self.kind {
            serial.abort_if_awaiting_reply();
        }
    }
}

/// A counted lock on a queue; the last one that is released closes a private queue.
pub(crate) struct QueueLock(Option<Arc<Queue>>);

impl QueueLock {
    pub(super) fn new(queue: &Arc<Queue>) -> QueueLock {
        // ORDERING: Relaxed: the caller holds the table's lock or another lock on the queue.
        queue.locks.fetch_add(1, Ordering::Relaxed);
        QueueLock(Some(queue.clone()))
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        self.0.as_ref().expect("only its drop takes it")
    }

    /// Leaves one more lock on the queue, to be released by number.
    pub(super) fn leave(&self) {
        self.queue().left.locked().push(self.clone());
    }
}

impl Clone for QueueLock {
    fn clone(&self) -> QueueLock {
        QueueLock::new(self.queue())
    }
}

impl Drop for QueueLock {
    fn drop(&mut self) {
        // A serial queue that ends releases its lock on the queue below. Not by recursion, as with turns.
        let mut released = self.0.take();
        while let Some(queue) = released {
            // ORDERING: AcqRel: the last release comes after all that the others did.
            let last = queue.locks.fetch_sub(1, Ordering::AcqRel) == 1;
            let table = if last { queue.table.upgrade() } else { None };
            released = table.and_then(|table| table.last_unlock(&queue)).and_then(|mut lock| lock.0.take());
        }
    }
}

/// A user's handle to a private queue, which shutdown waits for, and reports count.
pub(super) struct Held {
    queue: Arc<Queue>,
    token: Token,
}

impl Held {
    pub(super) fn new(queue: &Arc<Queue>, token: Token) -> Held {
        // ORDERING: Relaxed, a counter for reports.
        queue.handles.fetch_add(1, Ordering::Relaxed);
        Held { queue: queue.clone(), token }
    }
}

impl Clone for Held {
    fn clone(&self) -> Held {
        Held::new(&self.queue, self.token.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // ORDERING: Relaxed, a counter for reports.
        self.queue.handles.fetch_sub(1, Ordering::Relaxed);
    }
}
