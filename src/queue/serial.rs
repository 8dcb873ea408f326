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
//! | held | an item runs on the blocking pool, or awaits its reply | the end, or the reply → *waiting* |

#[cfg(all(test, mf_async_loom))]
mod loom;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tokio::runtime::Handle;

use crate::async_result::{AsyncResult, AwaitsReply, CallbackFlags};
use crate::contain::drop_contained;
use crate::observe::{PutSpan, QueueStats, Run, Running};
use crate::queue::backend::Backend;
use crate::queue::blocking::run_blocking;
use crate::queue::budget::{Budget, SAMPLE};
use crate::queue::current_queue::CurrentQueue;
use crate::queue::engine::Engine;
use crate::queue::priority::Priority;
use crate::queue::result_cache::ResultCache;
use crate::queue::waiters::Waiters;
use crate::queue::work_item::{Queued, SerialTurn, Slot, Turn, Work, abandon_turns};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

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

/// What the turn does next.
enum TurnStep {
    Item(Queued),
    /// Nothing is there: first read the clock for the last callbacks, and give the last result back.
    Flush,
    Over,
}

/// What is known of the reply to the current item.
#[derive(Default)]
enum ReplyState {
    /// It needs none.
    #[default]
    None,
    /// Its callback runs, and has not replied yet. The queue holds the result until it does.
    Expected(AsyncResult),
    /// Its callback runs, and the reply came already.
    Came,
    /// Its callback has returned, and the queue waits.
    Awaited(AsyncResult),
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
        let mut open = self.mailbox();
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
        let mut mailbox = self.mailbox();
        mailbox.closed = true;
        if mailbox.turn_is_out { None } else { self.base_lock().take() }
    }

    /// No caller can reply any more: the item that awaits its reply has ended, and so has each that comes.
    pub(crate) fn await_no_replies(self: &Arc<Self>) {
        if self.set_unreplied() {
            self.clone().replied();
        }
    }

    /// The handles and the runtime are gone. What waits for a reply is dropped, because a reply would find no queue;
    /// anything else may still run, if the thread below is one of its own.
    pub(crate) fn abort_if_awaiting_reply(&self) {
        if self.set_unreplied() {
            self.abort();
        }
    }

    pub(crate) fn awaits_reply(&self) -> bool {
        matches!(self.batch().reply, ReplyState::Awaited(_))
    }

    /// Whether an item, or the turn of a queue above, runs or is held.
    pub(crate) fn is_busy(&self) -> bool {
        self.batch().busy
    }

    /// While an item awaits its reply, lets the engine run the turns of queues above, which wait behind it: the reply may
    /// come from those.
    pub(crate) fn lift_turns(&self) {
        let mut turns = Vec::new();
        {
            let mut batch = self.batch();
            if !matches!(batch.reply, ReplyState::Awaited(_)) {
                return;
            }
            let mut mailbox = self.mailbox();
            let mut lift = |items: &mut VecDeque<Queued>| {
                let (above, own): (VecDeque<_>, VecDeque<_>) =
                    std::mem::take(items).into_iter().partition(Queued::is_turn);
                *items = own;
                turns.extend(above.into_iter().map(Queued::into_work));
            };
            lift(&mut batch.items);
            lift(&mut mailbox.items);
        }
        for mut turn in turns {
            self.engine.put(&mut turn, CallbackFlags::empty());
            turn.into_iter().for_each(Work::abandon);
        }
    }

    /// True if an item awaits its reply.
    fn set_unreplied(&self) -> bool {
        let batch = self.batch();
        self.mailbox().unreplied = true;
        matches!(batch.reply, ReplyState::Awaited(_))
    }

    /// Ends a group of callbacks, whose time is added with the last of them, `run`.
    fn flush(&self, run: Option<Run>, budget: &mut Budget) -> Option<Run> {
        let time = budget.flush(self.on.queue);
        match (time, run) {
            (Some(_), Some(run)) => Some(Run { time, ..run }),
            (Some(time), None) => {
                self.batch().stats.timed(time);
                None
            }
            (None, run) => run,
        }
    }

    /// The next item, after what ran before was counted; when there is none the turn is over.
    fn next(&self, ran: &mut Option<Run>, is_flushed: bool, now: Instant) -> TurnStep {
        let mut batch = self.batch();
        let mut mailbox = None;
        if batch.items.is_empty() {
            let mut open = self.mailbox();
            std::mem::swap(&mut batch.items, &mut open.items);
            // ORDERING: Relaxed, a hint for fairness only.
            self.backlog.store(batch.items.len() > 1, Ordering::Relaxed);
            mailbox = Some(open);
        }
        if batch.items.is_empty() && !is_flushed {
            // What it ran counts as running until its time is known, and its result is given back.
            return TurnStep::Flush;
        }
        if let Some(run) = ran.take() {
            batch.stats.add(run);
        }
        let Some(item) = batch.items.pop_front() else {
            (batch.busy, batch.running) = (false, None);
            let lock = mailbox.as_mut().and_then(|mailbox| self.end_turn(mailbox));
            drop((mailbox, batch));
            drop(lock);
            self.waiters.notify();
            return TurnStep::Over;
        };
        drop(mailbox);
        batch.busy = true;
        if let Some(wait) = item.waited(now) {
            batch.stats.waited(wait);
        }
        if item.is_turn() {
            batch.running = None;
        }
        drop(batch);
        self.waiters.notify();
        TurnStep::Item(item)
    }

    /// Prepares for the reply to an item that wants one. If its result was put on another serial queue as well, and that
    /// awaits the reply, this one goes on without.
    fn expect_reply(self: &Arc<Self>, item: &mut Queued, results: &mut ResultCache) {
        if let Some(result) = item.make_result(results).filter(|result| result.await_reply(self.clone())) {
            self.batch().reply = ReplyState::Expected(result);
        }
    }

    /// The current item's callback has returned, or was dropped un-called. True if the next may run; else the item awaits
    /// its reply and keeps the turn. A callback that panicked, or never ran, is not waited for: whether it would reply
    /// cannot be known.
    #[must_use]
    fn has_ended(&self, run: Option<Run>) -> bool {
        let mut batch = self.batch();
        if let Some(run) = run {
            batch.stats.add(run);
        }
        let awaits = run.is_some_and(|run| !run.panicked) && !self.mailbox().unreplied;
        let held = match std::mem::take(&mut batch.reply) {
            ReplyState::Expected(result) if awaits => {
                batch.reply = ReplyState::Awaited(result);
                if let Some(running) = &mut batch.running {
                    running.awaits_reply = true;
                }
                return false;
            }
            held => held,
        };
        (batch.busy, batch.running) = (false, None);
        drop(batch);
        if let ReplyState::Expected(result) = &held {
            drop(result.take_reply());
        }
        drop_contained(held);
        self.waiters.notify();
        true
    }

    /// Puts the turn on the queue below, if there is anything to run; a queue below that is gone aborts this one, too.
    fn put_turn(self: &Arc<Self>) {
        let next = {
            let batch = self.batch();
            let mut mailbox = self.mailbox();
            let first = batch.items.front().or(mailbox.items.front()).map(Queued::priority);
            first.ok_or_else(|| self.end_turn(&mut mailbox))
        };
        match next {
            Ok(priority) => {
                let mut slot = Some(Work::Turn(self.clone(), priority));
                self.base.put(&mut slot);
                slot.into_iter().for_each(Work::abandon);
            }
            Err(lock) => drop(lock),
        }
    }

    /// Nothing is left. Returns the lock on the queue below if this one is closed.
    fn end_turn(&self, mailbox: &mut Mailbox) -> Option<B::BaseLock> {
        mailbox.turn_is_out = false;
        if mailbox.closed { self.base_lock().take() } else { None }
    }

    /// Runs an item on the blocking pool; the turn is kept until it has ended.
    fn run_blocking(self: &Arc<Self>, item: Queued, results: &ResultCache) {
        let this = self.clone();
        self.batch().running = Some(item.running(Instant::now()));
        run_blocking(self.engine.runtime(), item, self.on, results.elsewhere(), move |run| {
            if run.is_none() {
                this.batch().stats.abandoned += 1;
            }
            if this.has_ended(run) {
                this.put_turn();
            }
        });
    }

    /// Lets the engine run the turn of a queue above, which would be nested too deep here. This one's turn is kept until
    /// that has ended; as with an item that blocks, the queue below this one goes on meanwhile.
    fn hand_over_turn(self: Arc<Self>, item: Queued) {
        if let Some(Work::Turn(turn, priority)) = item.into_work() {
            let mut slot = Some(Work::Turn(Arc::new(HandedTurn { turn, below: self.clone() }), priority));
            self.engine.put(&mut slot, CallbackFlags::empty());
            slot.into_iter().for_each(Work::abandon);
        }
    }

    fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn batch(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn base_lock(&self) -> MutexGuard<'_, Option<B::BaseLock>> {
        self.base_lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Base> SerialTurn for Serial<B> {
    fn run(self: Arc<Self>, budget: &mut Budget, results: &mut ResultCache) {
        // What ran last, and is not counted yet; and the name that reports have of it.
        let _entered = self.on.enter();
        let (mut ran, mut published) = (None, None);
        let mut is_flushed = true;
        loop {
            let mut item = match self.next(&mut ran, is_flushed, budget.now()) {
                TurnStep::Item(item) => item,
                TurnStep::Flush => {
                    results.give_token_up();
                    ran = self.flush(ran, budget);
                    is_flushed = true;
                    continue;
                }
                TurnStep::Over => return,
            };
            is_flushed = false;
            // ORDERING: Relaxed, a flag that orders nothing.
            let blocks = (item.flags.contains(CallbackFlags::BLOCKING)
                || self.long_running.load(Ordering::Relaxed))
                && !self.engine.is_one_thread()
                && !item.is_turn();
            let replies = item.flags.contains(CallbackFlags::REPLY) && !item.is_turn();
            if blocks || replies || item.is_timed_alone() {
                // A group of callbacks ends with what is no part of it.
                self.flush(None, budget);
            }
            if item.is_turn() && budget.nesting >= NESTING {
                return self.hand_over_turn(item);
            }
            if replies {
                self.expect_reply(&mut item, results);
            }
            if blocks {
                return self.run_blocking(item, results);
            }
            let name = item.name();
            // Once for a row of callbacks of the same name.
            if let Some(name) = name.filter(|name| published.is_none_or(|other| !std::ptr::eq(other, *name)))
            {
                published = Some(name);
                self.batch().running = Some(Running { name, since: budget.now(), awaits_reply: false });
            }
            budget.nesting += 1;
            let run = item.run(name, self.on, budget, results);
            budget.nesting -= 1;
            let is_over = budget.consume() || budget.has_local || self.base.has_backlog();
            if !replies && !is_over {
                ran = run;
                continue;
            }
            published = None;
            results.give_token_up();
            let run = self.flush(run, budget);
            if !self.has_ended(run) {
                return;
            }
            if is_over {
                return self.put_turn();
            }
        }
    }

    fn abandon(&self) -> Vec<Turn> {
        let (items, reply) = {
            let mut batch = self.batch();
            let mut mailbox = self.mailbox();
            mailbox.aborted = true;
            mailbox.unreplied = true;
            if let ReplyState::Awaited(_) = batch.reply {
                (batch.busy, batch.running) = (false, None);
            }
            let mut items = std::mem::take(&mut batch.items);
            items.append(&mut mailbox.items);
            (items, std::mem::take(&mut batch.reply))
        };
        drop_contained(reply);
        let mut turns = Vec::new();
        for item in items {
            match item.into_work() {
                Some(Work::Turn(turn, _)) => turns.push(turn),
                item => {
                    item.into_iter().for_each(Work::abandon);
                    self.batch().stats.abandoned += 1;
                }
            }
        }
        self.waiters.notify();
        let lock = self.base_lock().take();
        drop(lock);
        turns
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
        self.mailbox().put
    }

    fn mark(&self) -> u64 {
        self.put_count()
    }

    fn passed(&self, mark: u64) -> bool {
        let batch = self.batch();
        // What awaits its reply was counted when its callback returned.
        batch.stats.run + batch.stats.abandoned
            >= mark + u64::from(matches!(batch.reply, ReplyState::Awaited(_)))
    }

    fn is_quiet(&self) -> bool {
        let batch = self.batch();
        !batch.busy && batch.items.is_empty() && self.mailbox().items.is_empty()
    }

    fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    fn stats(&self) -> QueueStats {
        let batch = self.batch();
        let put = self.put_count();
        // Turns of queues above are among the items, and are not counted.
        let pending = (put - batch.stats.run - batch.stats.abandoned) as usize;
        let running = usize::from(batch.running.is_some());
        let awaited = usize::from(batch.running.is_some_and(|running| running.awaits_reply));
        let depth = pending.saturating_sub(running - awaited);
        QueueStats { depth, running: running.min(pending + awaited), put, ..batch.stats }
    }

    fn running(&self) -> Vec<Running> {
        self.batch().running.into_iter().collect()
    }

    fn abort(&self) {
        abandon_turns(self.abandon());
    }
}

impl<B: Base> AwaitsReply for Serial<B> {
    fn replied(self: Arc<Self>) {
        let mut batch = self.batch();
        match std::mem::take(&mut batch.reply) {
            ReplyState::Expected(result) => {
                batch.reply = ReplyState::Came;
                drop(batch);
                drop_contained(result);
            }
            ReplyState::Awaited(result) => {
                (batch.busy, batch.running) = (false, None);
                drop(batch);
                drop_contained(result);
                self.waiters.notify();
                self.put_turn();
            }
            other => batch.reply = other,
        }
    }
}

/// The turn of a queue that lies above another, run by the engine in place of that one.
struct HandedTurn<B: Base> {
    turn: Turn,
    below: Arc<Serial<B>>,
}

impl<B: Base> SerialTurn for HandedTurn<B> {
    fn run(self: Arc<Self>, budget: &mut Budget, results: &mut ResultCache) {
        self.turn.clone().run(budget, results);
        if self.below.has_ended(None) {
            // Here, rather than by all the queues below.
            self.below.clone().run(budget, results);
        }
    }

    fn abandon(&self) -> Vec<Turn> {
        vec![self.turn.clone(), self.below.clone()]
    }
}

/// So many turns run inside each other before one is handed to the engine. Each takes about 1 KiB of stack in a debug
/// build.
const NESTING: u32 = 16;
