//! A serial queue over another: one item at a time, in the order of the puts, on the threads below.
//!
//! It runs nothing by itself. When it has work it puts a *turn* on the queue below, and the turn runs items until the
//! queue is empty, the share of the thread is used up, or something else waits below; then the next turn is put. There is
//! never more than one turn, and that makes it serial. An item that goes on after its callback has returned, because it
//! blocks elsewhere or awaits its reply, keeps the turn until it has ended.
//!
//! | state | means | leaves it by |
//! |---|---|---|
//! | idle | nothing is queued | a put, which puts a turn → *waiting* |
//! | waiting | the turn waits in the queue below | the turn runs → *running* |
//! | running | a thread below runs items | empty → *idle*; share used up → *waiting*; an item that goes on → *held* |
//! | held | an item runs on the blocking pool, or awaits its reply; or the engine runs the turn of a queue above | the end or the reply → *waiting*, or *idle* if nothing is left; the end of that turn → *running* |

#[cfg(all(test, mf_async_loom))]
mod loom;
mod reply;
mod turn;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::runtime::Handle;

use self::reply::ReplyState;
use crate::async_result::CallbackFlags;
use crate::observe::{PutSpan, QueueStats, Running};
use crate::queue::backend::Backend;
use crate::queue::budget::SAMPLE;
use crate::queue::current_queue::CurrentQueue;
use crate::queue::engine::Engine;
use crate::queue::priority::Priority;
use crate::queue::queued::Queued;
use crate::queue::waiters::Waiters;
use crate::queue::work::{SerialTurn, Slot, Work, abandon_turns};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{LockExt, Mutex};

/// What a serial queue can lie over.
pub(crate) trait Base: Send + Sync + 'static {
    /// Keeps it open.
    type BaseLock: Send;

    /// Puts what the slot holds, unless the queue is gone.
    fn put(&self, slot: &mut Slot);

    /// Whether something may be waiting in it, or in the engine.
    fn has_backlog(&self) -> bool;

    /// The engine at the bottom.
    fn engine(&self) -> &Engine;
}

/// A queue that runs its items one after the other on the queue below it.
pub(crate) struct Serial<B: Base> {
    on: CurrentQueue,
    base: Arc<B>,
    engine: Engine,
    /// Keeps the queue below open until this one is closed and empty.
    base_lock: Mutex<Option<B::BaseLock>>,
    long_running: AtomicBool,
    /// Whether something waits, read without the lock.
    backlog: AtomicBool,
    waiters: Waiters,
    mailbox: Mutex<Mailbox>,
    /// Taken before the mailbox's.
    batch: Mutex<Batch>,
}

/// What was put.
#[derive(Default)]
struct Mailbox {
    items: VecDeque<Queued>,
    /// Whether the turn is put, runs, or is kept by an item that has not ended.
    turn_is_out: bool,
    closed: bool,
    aborted: bool,
    /// The platform is gone, and with it every caller that could reply.
    unreplied: bool,
    put: u64,
}

/// What the turn works with.
#[derive(Default)]
struct Batch {
    items: VecDeque<Queued>,
    /// Whether an item, or the turn of a queue above, runs or is held.
    busy: bool,
    running: Option<Running>,
    reply: ReplyState,
    stats: QueueStats,
}

impl<B: Base> Serial<B> {
    pub(crate) fn new(on: CurrentQueue, base: Arc<B>, lock: B::BaseLock) -> Arc<Serial<B>> {
        Arc::new(Serial {
            on,
            engine: base.engine().clone(),
            base,
            base_lock: Mutex::new(Some(lock)),
            long_running: AtomicBool::new(false),
            backlog: AtomicBool::new(false),
            waiters: Waiters::default(),
            mailbox: Mutex::default(),
            batch: Mutex::default(),
        })
    }

    pub(crate) fn base(&self) -> &Arc<B> {
        &self.base
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Queues what the slot holds; `None` if the queue is closed or the runtime is gone. Returns a turn that the caller
    /// must put on the queue below: not by recursion, because queues may be stacked high.
    pub(crate) fn put(self: &Arc<Self>, slot: &mut Slot, flags: CallbackFlags) -> Option<Option<Work>> {
        let (span, priority) = (PutSpan::current(), slot.as_ref().map_or(Priority::Normal, Work::priority));
        let mut open = self.mailbox.locked();
        let mailbox = &mut *open;
        // A serial queue above still runs what it had when this one was closed.
        let is_turn = matches!(slot, Some(Work::Turn(..)));
        if mailbox.aborted || (mailbox.closed && !is_turn) {
            return None;
        }
        let measures = mailbox.items.is_empty() || mailbox.put % SAMPLE == 0;
        mailbox.items.push_back(Queued::take(slot, span));
        if let Some(item) = mailbox.items.back_mut() {
            item.flags = flags;
            if !is_turn {
                if measures {
                    item.measure();
                }
                mailbox.put += 1;
            }
        }
        // ORDERING: Relaxed, a hint for fairness only.
        self.backlog.store(true, Ordering::Relaxed);
        let first = !std::mem::replace(&mut mailbox.turn_is_out, true);
        drop(open);
        Some(first.then(|| Work::Turn(self.clone(), priority)))
    }

    /// Puts are refused from now on. What is queued still runs, then the lock on the queue below is released; it is
    /// returned if nothing is queued now.
    pub(crate) fn close(&self) -> Option<B::BaseLock> {
        let mut mailbox = self.mailbox.locked();
        mailbox.closed = true;
        if mailbox.turn_is_out { None } else { self.base_lock.locked().take() }
    }

    /// Whether an item, or the turn of a queue above, runs or is held.
    pub(crate) fn is_busy(&self) -> bool {
        self.batch.locked().busy
    }
}

impl<B: Base> Backend for Serial<B> {
    fn runtime(&self) -> &Handle {
        self.engine.runtime()
    }

    fn has_backlog(&self) -> bool {
        // ORDERING: Relaxed, a hint for fairness only.
        self.backlog.load(Ordering::Relaxed) || self.engine.has_backlog()
    }

    fn set_long_running(&self, enable: bool) {
        // ORDERING: Relaxed, a flag that orders nothing.
        self.long_running.store(enable, Ordering::Relaxed);
    }

    fn put_count(&self) -> u64 {
        self.mailbox.locked().put
    }

    fn mark(&self) -> u64 {
        self.put_count()
    }

    fn passed(&self, mark: u64) -> bool {
        let batch = self.batch.locked();
        // What awaits its reply was counted when its callback returned.
        batch.stats.run + batch.stats.abandoned
            >= mark + u64::from(matches!(batch.reply, ReplyState::Awaited(_)))
    }

    fn is_quiet(&self) -> bool {
        let batch = self.batch.locked();
        !batch.busy && batch.items.is_empty() && self.mailbox.locked().items.is_empty()
    }

    fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    fn stats(&self) -> QueueStats {
        let batch = self.batch.locked();
        let put = self.put_count();
        // Turns of queues above are among the items, and are not counted.
        let pending = (put - batch.stats.run - batch.stats.abandoned) as usize;
        let running = usize::from(batch.running.is_some());
        let awaited = usize::from(batch.running.is_some_and(|running| running.awaits_reply));
        let depth = pending.saturating_sub(running - awaited);
        QueueStats { depth, running: running.min(pending + awaited), put, ..batch.stats }
    }

    fn running(&self) -> Vec<Running> {
        self.batch.locked().running.into_iter().collect()
    }

    fn abort(&self) {
        abandon_turns(self.abandon());
    }
}
