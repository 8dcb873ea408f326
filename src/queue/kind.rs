//! One queue, whatever its kind, and the counted locks that keep it open.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::Handle;

use crate::async_result::{CallbackFlags, QueueId, Token};
use crate::error::{Error, Hresult, Result};
use crate::mmcss::Mmcss;
use crate::observe::{self, QueueStats, Running};
use crate::queue::item::Item;
use crate::queue::pool::Pool;
use crate::queue::private::Private;
use crate::queue::serial::Serial;
use crate::queue::window;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::tracker::Begun;

/// One queue, whatever its kind.
pub(crate) struct Queue {
    pub(crate) id: QueueId,
    pub(crate) allocated: Begun,
    pub(super) kind: Kind,
    pub(super) locks: AtomicUsize,
    handles: AtomicUsize,
    missed_deadlines: AtomicU64,
    cancelled: AtomicU64,
    mmcss: Mutex<Mmcss>,
    /// Locks left on it by number.
    pub(super) left: Mutex<Vec<Lock>>,
    table: Weak<Private>,
}

pub(super) enum Kind {
    Pool(Arc<Pool>),
    Serial(Arc<Serial>),
}

impl Queue {
    pub(super) fn new(id: QueueId, kind: Kind, table: Weak<Private>, allocated: Begun) -> Arc<Queue> {
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

    /// Puts an item; gives it back when the queue is closed or the runtime is gone.
    #[allow(
        clippy::result_large_err,
        reason = "with tracing an item has a span; it is given back once in a queue's life"
    )]
    #[inline]
    pub(super) fn put(&self, item: Item) -> Result<(), Item> {
        match &self.kind {
            Kind::Pool(pool) => pool.put(item),
            Kind::Serial(serial) => serial.put(item),
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

    pub(super) fn has_backlog(&self) -> bool {
        match &self.kind {
            Kind::Pool(pool) => pool.has_backlog(),
            Kind::Serial(serial) => serial.has_backlog(),
        }
    }

    pub(super) fn runtime(&self) -> &Handle {
        match &self.kind {
            Kind::Pool(pool) => pool.runtime(),
            Kind::Serial(serial) => serial.runtime(),
        }
    }

    pub(super) fn next_ticket(&self) -> u64 {
        match &self.kind {
            Kind::Pool(pool) => pool.next_ticket(),
            Kind::Serial(serial) => serial.next_ticket(),
        }
    }

    pub(super) async fn until_passed(&self, ticket: u64) {
        match &self.kind {
            Kind::Pool(pool) => pool.until_passed(ticket).await,
            Kind::Serial(serial) => serial.until_passed(ticket).await,
        }
    }

    pub(crate) async fn until_quiet(&self) {
        match &self.kind {
            Kind::Pool(pool) => pool.until_quiet().await,
            Kind::Serial(serial) => serial.until_quiet().await,
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        match &self.kind {
            Kind::Pool(pool) => pool.is_quiet(),
            Kind::Serial(serial) => serial.is_quiet(),
        }
    }

    /// How many handles users have.
    pub(crate) fn handles(&self) -> usize {
        // ORDERING: Relaxed, a counter for reports.
        self.handles.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self) -> QueueStats {
        let stats = match &self.kind {
            Kind::Pool(pool) => pool.stats(),
            Kind::Serial(serial) => serial.stats(),
        };
        // ORDERING: Relaxed, twice: counters that order nothing.
        QueueStats {
            missed_deadlines: self.missed_deadlines.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
            ..stats
        }
    }

    pub(super) fn count_missed_deadline(&self) {
        // ORDERING: Relaxed, a counter that orders nothing.
        self.missed_deadlines.fetch_add(1, Ordering::Relaxed);
        observe::tell_missed_deadline(self.id);
    }

    pub(crate) fn mmcss(&self) -> Mmcss {
        self.mmcss.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_mmcss(&self, mmcss: Mmcss) {
        *self.mmcss.lock().unwrap_or_else(PoisonError::into_inner) = mmcss;
    }

    #[inline]
    pub(crate) fn count_cancelled(&self) {
        // ORDERING: Relaxed, a counter that orders nothing.
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn running(&self) -> Vec<Running> {
        match &self.kind {
            Kind::Pool(pool) => pool.running(),
            Kind::Serial(serial) => serial.running().into_iter().collect(),
        }
    }

    /// Starts a future on the thread of a window queue.
    pub(crate) fn start_local(&self, start: window::Start) -> Result<()> {
        if let Kind::Pool(pool) = &self.kind {
            if pool.start_local(start) {
                return Ok(());
            }
        }
        let what = format!(
            "spawn a local future on queue {}, which is no window queue, or is closed: allocate one of `WorkQueueType::Window`",
            self.id
        );
        Err(Error::new(Hresult::MF_E_INVALID_WORKQUEUE, what))
    }

    /// Lets go of what is queued.
    pub(crate) fn kill(&self) {
        match &self.kind {
            Kind::Pool(pool) => pool.kill(),
            Kind::Serial(serial) => serial.kill(),
        }
    }

    pub(super) fn close(&self) {
        match &self.kind {
            Kind::Pool(pool) => pool.close(),
            Kind::Serial(serial) => serial.close(),
        }
    }

    pub(super) fn take_left(&self) -> Option<Lock> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // While it awaits a reply somebody owns it: the platform, or a task, so these are gone. What is
        // awaited owns the serial queue in turn, which would stay for ever.
        if let Kind::Serial(serial) = &self.kind {
            serial.forsake();
        }
    }
}

/// A counted lock on a queue; the last one to go closes a private queue.
pub(crate) struct Lock(Arc<Queue>);

impl Lock {
    pub(super) fn new(queue: &Arc<Queue>) -> Lock {
        // ORDERING: Relaxed: whoever locks holds the table's lock or another lock on the queue.
        queue.locks.fetch_add(1, Ordering::Relaxed);
        Lock(queue.clone())
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.0
    }

    /// Leaves one more lock on the queue, to be taken off by number.
    pub(super) fn leave(&self) {
        self.0.left.lock().unwrap_or_else(PoisonError::into_inner).push(self.clone());
    }
}

impl Clone for Lock {
    fn clone(&self) -> Lock {
        Lock::new(&self.0)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // ORDERING: AcqRel: the last unlock comes after all that the others did.
        if self.0.locks.fetch_sub(1, Ordering::AcqRel) == 1 {
            if let Some(table) = self.0.table.upgrade() {
                table.let_go(&self.0);
            }
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
