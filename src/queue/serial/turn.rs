//! The turn of a serial queue: it runs the queue's items on a thread of the queue below, and puts the next turn.

use std::sync::Arc;
use std::time::Instant;

use crate::async_result::CallbackFlags;
use crate::contain::drop_contained;
use crate::observe::{Run, Running};
use crate::queue::backend::Backend;
use crate::queue::blocking::run_blocking;
use crate::queue::budget::Budget;
use crate::queue::queued::Queued;
use crate::queue::result_cache::ResultCache;
use crate::queue::serial::reply::ReplyState;
use crate::queue::serial::{Base, Mailbox, Serial};
use crate::queue::work::{SerialTurn, Turn, Work};
use crate::sync::LockExt;
use crate::sync::atomic::Ordering;

/// What the turn does next.
enum TurnStep {
    Item(Queued),
    /// Nothing is there: first read the clock for the last callbacks, and give the last result back.
    Flush,
    Over,
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
                self.batch.locked().running =
                    Some(Running { name, since: budget.now(), awaits_reply: false });
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
            let mut batch = self.batch.locked();
            let mut mailbox = self.mailbox.locked();
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
                    self.batch.locked().stats.abandoned += 1;
                }
            }
        }
        self.waiters.notify();
        let lock = self.base_lock.locked().take();
        drop(lock);
        turns
    }
}

impl<B: Base> Serial<B> {
    /// Ends a group of callbacks, whose time is added with the last of them, `run`.
    fn flush(&self, run: Option<Run>, budget: &mut Budget) -> Option<Run> {
        let time = budget.flush(self.on.queue);
        match (time, run) {
            (Some(_), Some(run)) => Some(Run { time, ..run }),
            (Some(time), None) => {
                self.batch.locked().stats.timed(time);
                None
            }
            (None, run) => run,
        }
    }

    /// The next item, after what ran before was counted; when there is none the turn is over.
    fn next(&self, ran: &mut Option<Run>, is_flushed: bool, now: Instant) -> TurnStep {
        let mut batch = self.batch.locked();
        let mut mailbox = None;
        if batch.items.is_empty() {
            let mut open = self.mailbox.locked();
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

    /// Puts the turn on the queue below, if there is anything to run; a queue below that is gone aborts this one, too.
    pub(super) fn put_turn(self: &Arc<Self>) {
        let next = {
            let batch = self.batch.locked();
            let mut mailbox = self.mailbox.locked();
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
        if mailbox.closed { self.base_lock.locked().take() } else { None }
    }

    /// Runs an item on the blocking pool; the turn is kept until it has ended.
    fn run_blocking(self: &Arc<Self>, item: Queued, results: &ResultCache) {
        let this = self.clone();
        self.batch.locked().running = Some(item.running(Instant::now()));
        run_blocking(self.engine.runtime(), item, self.on, results.elsewhere(), move |run| {
            if run.is_none() {
                this.batch.locked().stats.abandoned += 1;
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
