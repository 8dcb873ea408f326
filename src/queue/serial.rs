//! A serial queue over another: one item at a time, in the order of the puts, on the threads below.
//!
//! It never runs anything by itself. When it has work it puts a *turn* on the queue below, and the turn
//! runs items until the queue is empty, the share of the thread is used up, or somebody else waits
//! below; then the next turn is put. There is never more than one turn, and that is what makes it
//! serial. An item that goes on after its callback returned, because it blocks elsewhere or awaits its
//! reply, keeps the turn until it has ended.

#[cfg(all(test, mf_async_loom))]
mod loom;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tokio::runtime::Handle;

use crate::async_result::{AsyncResult, AwaitsReply, CallbackFlags};
use crate::contain::drop_contained;
use crate::observe::{QueueStats, Run, Running};
use crate::queue::budget::Budget;
use crate::queue::item::{Item, Place, run_blocking};
use crate::queue::kind::{Lock, Queue};
use crate::queue::lanes::Priority;
use crate::queue::pool::SAMPLE;
use crate::queue::results::Results;
use crate::queue::watch::Watch;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// A queue that runs its items one after the other on the queue below it.
pub(crate) struct Serial {
    place: Place,
    base: Arc<Queue>,
    /// Keeps the queue below open until this one is closed and empty.
    base_lock: Mutex<Option<Lock>>,
    /// Whether every item goes to the blocking pool.
    long_running: AtomicBool,
    /// Whether something waits, as far as a glance can tell.
    backlog: AtomicBool,
    watch: Watch,
    inbox: Mutex<Inbox>,
    turn: Mutex<Turn>,
}

#[derive(Default)]
struct Inbox {
    items: VecDeque<Item>,
    /// Whether a turn is put, runs, or is kept by an item that has not ended.
    turn_is_out: bool,
    closed: bool,
    dead: bool,
    /// The platform is gone, and with it whoever could reply.
    orphaned: bool,
    put: u64,
}

/// What the holder of the turn works with. Its lock is taken before the inbox's.
#[derive(Default)]
struct Turn {
    items: VecDeque<Item>,
    running: Option<Running>,
    reply: Reply,
    stats: QueueStats,
}

/// What the holder of the turn does next.
enum Next {
    Item(Item),
    /// Nothing is there: first say how long the last callbacks took.
    EndGroup,
    Nothing,
}

/// Where the current item is with its reply.
#[derive(Default)]
enum Reply {
    /// It needs none.
    #[default]
    None,
    /// Its callback runs, and has not replied yet. The queue holds the result until it does.
    Expected(AsyncResult),
    /// Its callback runs, and the reply came already.
    Came,
    /// Its callback is back, and the queue waits.
    Awaited(AsyncResult),
}

impl Serial {
    pub(crate) fn new(place: Place, base: Lock) -> Arc<Serial> {
        Arc::new(Serial {
            place,
            base: base.queue().clone(),
            base_lock: Mutex::new(Some(base)),
            long_running: AtomicBool::new(false),
            backlog: AtomicBool::new(false),
            watch: Watch::default(),
            inbox: Mutex::default(),
            turn: Mutex::default(),
        })
    }

    /// Puts an item; gives it back when the queue is closed or the runtime is gone.
    #[allow(
        clippy::result_large_err,
        reason = "with tracing an item has a span; it is given back once in a queue's life"
    )]
    pub(crate) fn put(self: &Arc<Self>, mut item: Item) -> Result<(), Item> {
        let mut inbox = self.inbox();
        // A serial queue above still runs what it had when this one was closed.
        if inbox.dead || (inbox.closed && !item.is_turn()) {
            return Err(item);
        }
        item.ticket = inbox.put;
        inbox.put += u64::from(!item.is_turn());
        // As in a pool.
        if inbox.items.is_empty() || item.ticket % SAMPLE == 0 {
            item.put_at = Some(Instant::now());
        }
        let priority = item.priority;
        inbox.items.push_back(item);
        // ORDERING: Relaxed, a hint for fairness only.
        self.backlog.store(true, Ordering::Relaxed);
        let first = !std::mem::replace(&mut inbox.turn_is_out, true);
        drop(inbox);
        if first {
            self.put_turn(priority);
        }
        Ok(())
    }

    /// Whether something may be waiting, here or below; a glance, without a lock.
    pub(crate) fn has_backlog(&self) -> bool {
        // ORDERING: Relaxed, a hint for fairness only.
        self.backlog.load(Ordering::Relaxed) || self.base.has_backlog()
    }

    /// From now on every item goes to the blocking pool, or no longer does.
    pub(crate) fn set_long_running(&self, enable: bool) {
        // ORDERING: Relaxed, since nothing but the flag itself is told.
        self.long_running.store(enable, Ordering::Relaxed);
    }

    pub(crate) fn runtime(&self) -> &Handle {
        self.base.runtime()
    }

    /// No put any more: what is queued still runs, then the queue below is let go.
    pub(crate) fn close(&self) {
        let base = {
            let mut inbox = self.inbox();
            inbox.closed = true;
            if inbox.turn_is_out { None } else { self.base_lock().take() }
        };
        drop(base);
    }

    /// Nobody can reply any more: the item that awaits its reply has ended, and so has each that comes.
    pub(crate) fn orphan(self: &Arc<Self>) {
        let awaits_reply = {
            let turn = self.turn();
            self.inbox().orphaned = true;
            matches!(turn.reply, Reply::Awaited(_))
        };
        if awaits_reply {
            self.clone().replied();
        }
    }

    /// Its handles and its runtime are gone. What waits for a reply is let go, since a reply would come to
    /// nobody; anything else may still run, if the thread below is one of its own.
    pub(crate) fn forsake(&self) {
        let awaits_reply = {
            let turn = self.turn();
            self.inbox().orphaned = true;
            matches!(turn.reply, Reply::Awaited(_))
        };
        if awaits_reply {
            self.kill();
        }
    }

    /// Lets go of everything queued, un-called, and refuses puts.
    pub(crate) fn kill(&self) {
        let (items, more, reply) = {
            let mut turn = self.turn();
            let mut inbox = self.inbox();
            inbox.dead = true;
            inbox.orphaned = true;
            if let Reply::Awaited(_) = turn.reply {
                turn.running = None;
            }
            (
                std::mem::take(&mut turn.items),
                std::mem::take(&mut inbox.items),
                std::mem::take(&mut turn.reply),
            )
        };
        drop_contained(reply);
        let abandoned: u64 = items.into_iter().chain(more).map(Item::abandon).sum();
        self.turn().stats.abandoned += abandoned;
        self.watch.tell();
        drop(self.base_lock().take());
    }

    /// How many items were put so far: the ticket that the next one gets.
    pub(crate) fn next_ticket(&self) -> u64 {
        self.inbox().put
    }

    fn passed(&self, ticket: u64) -> bool {
        let turn = self.turn();
        let inbox = self.inbox();
        let running = turn.running.map(|running| running.ticket);
        let queued = turn.items.front().or(inbox.items.front()).map(|item| item.ticket);
        running.into_iter().chain(queued).all(|other| other >= ticket)
    }

    /// Whether nothing is queued and nothing runs.
    pub(crate) fn is_quiet(&self) -> bool {
        let turn = self.turn();
        turn.running.is_none() && turn.items.is_empty() && self.inbox().items.is_empty()
    }

    /// Waits until every item with a ticket below `ticket` has run or was let go.
    pub(crate) async fn until_passed(&self, ticket: u64) {
        self.watch.until(|| self.passed(ticket)).await;
    }

    /// Waits until nothing is queued and nothing runs.
    pub(crate) async fn until_quiet(&self) {
        self.watch.until(|| self.is_quiet()).await;
    }

    pub(crate) fn stats(&self) -> QueueStats {
        let turn = self.turn();
        let inbox = self.inbox();
        QueueStats {
            depth: turn.items.len() + inbox.items.len(),
            running: usize::from(turn.running.is_some()),
            put: inbox.put,
            ..turn.stats
        }
    }

    /// What runs now, or awaits its reply.
    pub(crate) fn running(&self) -> Option<Running> {
        self.turn().running
    }

    /// Runs items in order. Called on a thread of the queue below, by the one turn that is out.
    pub(crate) fn run_turn(self: &Arc<Self>, budget: &mut Budget, results: &mut Results) {
        // What ran last, and is not yet written down.
        let mut ran = None;
        loop {
            let item = match self.take(&mut ran, budget, results) {
                Next::Item(item) => item,
                Next::EndGroup => {
                    results.rest();
                    ran = self.end_group(ran, budget);
                    continue;
                }
                Next::Nothing => return,
            };
            // ORDERING: Relaxed, see `set_long_running`.
            let blocks =
                self.long_running.load(Ordering::Relaxed) || item.flags.contains(CallbackFlags::BLOCKING);
            let replies = item.flags.contains(CallbackFlags::REPLY) && !item.is_turn();
            let item = if replies { self.expect_reply(item, results) } else { item };
            // A group of callbacks ends with what is no part of it.
            if blocks || replies || item.is_timed_alone() {
                self.end_group(None, budget);
            }
            if blocks && !item.is_turn() {
                let this = self.clone();
                run_blocking(self.runtime(), item, self.place, results.elsewhere(), move |run| {
                    if run.is_none() {
                        this.turn().stats.abandoned += 1;
                    }
                    if this.has_ended(run, replies) {
                        this.put_turn(this.next_priority());
                    }
                });
                return;
            }
            let run = item.run(self.place, budget, results);
            let is_over = budget.spend() || self.base.has_backlog();
            if !replies && !is_over {
                ran = run;
                continue;
            }
            let run = self.end_group(run, budget);
            if !self.has_ended(run, replies) {
                return;
            }
            if is_over {
                self.put_turn(self.next_priority());
                return;
            }
        }
    }

    /// Ends a group of callbacks, whose time is then told with the last of them, `run`.
    fn end_group(&self, run: Option<Run>, budget: &mut Budget) -> Option<Run> {
        match (budget.close(self.place.queue), run) {
            (Some(time), Some(run)) => Some(Run { time: Some(time), ..run }),
            (Some(time), None) => {
                self.turn().stats.timed(time);
                None
            }
            (None, run) => run,
        }
    }

    /// The next item, after what ran before is written down; when there is none the turn is over.
    fn take(&self, ran: &mut Option<Run>, budget: &Budget, results: &Results) -> Next {
        let mut turn = self.turn();
        let mut inbox = None;
        if turn.items.is_empty() {
            let mut open = self.inbox();
            std::mem::swap(&mut turn.items, &mut open.items);
            // ORDERING: Relaxed, a hint for fairness only.
            self.backlog.store(turn.items.len() > 1, Ordering::Relaxed);
            inbox = Some(open);
        }
        if turn.items.is_empty() && (budget.is_group_open() || results.has_spare()) {
            // What it ran counts as running until its time is known, and its result is back.
            return Next::EndGroup;
        }
        if let Some(run) = ran.take() {
            turn.stats.add(run);
        }
        turn.running = None;
        let Some(item) = turn.items.pop_front() else {
            let base = inbox.as_mut().and_then(|inbox| {
                inbox.turn_is_out = false;
                if inbox.closed { self.base_lock().take() } else { None }
            });
            drop((inbox, turn));
            drop(base);
            self.watch.tell();
            return Next::Nothing;
        };
        drop(inbox);
        let now = budget.now();
        turn.running = Some(item.running(now));
        if let Some(wait) = item.waited(now) {
            turn.stats.waited(wait);
        }
        drop(turn);
        self.watch.tell();
        Next::Item(item)
    }

    /// Prepares for the reply to an item that wants one.
    fn expect_reply(self: &Arc<Self>, item: Item, results: &mut Results) -> Item {
        let (item, result) = item.with_result(results);
        if let Some(result) = result {
            result.await_reply(self.clone());
            self.turn().reply = Reply::Expected(result);
        }
        item
    }

    /// The current item's callback is back, or was dropped un-called. True if the next may run; else the
    /// item awaits its reply and keeps the turn. A callback that panicked, or never ran, is not waited
    /// for: nobody can say whether it would reply.
    #[must_use]
    fn has_ended(&self, run: Option<Run>, replies: bool) -> bool {
        let mut turn = self.turn();
        if let Some(run) = run {
            turn.stats.add(run);
        }
        if replies && run.is_some_and(|run| !run.panicked) && !self.inbox().orphaned {
            if let Reply::Expected(result) = std::mem::take(&mut turn.reply) {
                turn.reply = Reply::Awaited(result);
                if let Some(running) = &mut turn.running {
                    running.awaits_reply = true;
                }
                return false;
            }
        }
        let held = std::mem::take(&mut turn.reply);
        turn.running = None;
        drop(turn);
        if let Reply::Expected(result) = &held {
            drop(result.take_reply());
        }
        drop_contained(held);
        self.watch.tell();
        true
    }

    fn next_priority(&self) -> Priority {
        let turn = self.turn();
        let inbox = self.inbox();
        turn.items.front().or(inbox.items.front()).map_or(Priority::Normal, |item| item.priority)
    }

    /// Puts the one turn on the queue below; a queue below that is gone ends this one, too.
    fn put_turn(self: &Arc<Self>, priority: Priority) {
        if self.base.put(Item::turn(self.clone(), priority)).is_err() {
            self.kill();
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn base_lock(&self) -> MutexGuard<'_, Option<Lock>> {
        self.base_lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AwaitsReply for Serial {
    fn replied(self: Arc<Self>) {
        let mut turn = self.turn();
        match std::mem::take(&mut turn.reply) {
            Reply::Expected(result) => {
                turn.reply = Reply::Came;
                drop(turn);
                drop_contained(result);
            }
            Reply::Awaited(result) => {
                turn.running = None;
                drop(turn);
                drop_contained(result);
                self.watch.tell();
                self.put_turn(self.next_priority());
            }
            other => turn.reply = other,
        }
    }
}
