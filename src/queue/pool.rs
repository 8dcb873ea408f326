//! A pool: a queue whose items are run by a bounded number of drain tasks, in order.
//!
//! A put locks the *inbox*. A drain task takes items out of it into its own *hand* and runs them one after
//! the other: a single one while callbacks take their time, a group of them once they have proved quick. So
//! producers and consumers meet once per group, not once per item, and what is taken out is first in, first
//! out within its priority. What lies in the hand of a drain task that is held up can be taken by the others.
//!
//! A drain task is in one of three states, and the counts of two of them are under the inbox's lock:
//!
//! * *running*: it runs items, one after the other;
//! * *searching*: it was woken, or found nothing and looks again once; while anyone searches, a put wakes
//!   nobody, since the searcher will see the item;
//! * *idle*: its waker lies in the inbox.
//!
//! A put that finds nobody searching wakes an idle task; a searcher that takes an item while others
//! wait wakes the next. So an item does not wait while a drain task is idle, even if every callback
//! blocks, and in a flood nobody is woken at all. There is one exception: whoever runs quick callbacks will
//! be back in less time than it takes to wake another, so nobody is woken beside it. Should one of those
//! callbacks block after all, the runtime's look-out sees within two moments that the pool does not go on.

mod hand;
mod host;
mod inbox;
#[cfg(all(test, mf_async_loom))]
pub(super) mod loom;
#[cfg(feature = "test-util")]
mod manual;
mod take;

use std::sync::{Arc, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Instant;

use tokio::runtime::Handle;

use self::hand::Hand;
use self::inbox::{Inbox, Phase, Summon};
use crate::async_result::TokenSource;
use crate::observe::{QueueStats, Run, Running, Time};
use crate::queue::drain::{Drain, DrainState};
use crate::queue::item::{Item, Place};
use crate::queue::lanes::Priority;
use crate::queue::watch::Watch;
use crate::queue::window::{Hold, Start};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

pub(crate) use self::host::Host;
#[cfg(feature = "test-util")]
pub(crate) use self::manual::Manual;
pub(crate) use self::take::Take;

/// A queue that drain tasks empty: one of them for a serial pool, several for a parallel one.
pub(crate) struct Pool {
    place: Place,
    tokens: TokenSource,
    /// At most so many items run at the same time, the blocking ones of a parallel pool not counted.
    width: usize,
    /// Whether an item waits for the end of the one before, wherever that runs. A parallel pool on a
    /// runtime of one worker has one drain task as well, but is not held up by what blocks elsewhere.
    serial: bool,
    host: Host,
    /// Whether every item goes to the blocking pool.
    long_running: AtomicBool,
    /// Whether the inbox holds something of high priority.
    urgent: AtomicBool,
    /// Whether something waits in the inbox, as far as a glance can tell.
    backlog: AtomicBool,
    /// Whether callbacks take less time than waking somebody does.
    quick: AtomicBool,
    /// Whether the look-out has an eye on the pool.
    looked_after: AtomicBool,
    /// Who waits for some of the items, and is told of every one.
    watch: Watch,
    /// Who waits for all of them.
    quiet: Watch,
    /// Holds tokio's paused clock while a thread of its own works.
    hold: Hold,
    inbox: Mutex<Inbox>,
    /// One for every drain task that there may be, once there is any. Two of these locks are held at the same
    /// time only under the inbox's, and none is held when that is taken.
    hands: OnceLock<Box<[Mutex<Hand>]>>,
}

impl Pool {
    /// A pool that runs one item at a time.
    pub(crate) fn serial(place: Place, tokens: TokenSource, host: Host) -> Arc<Pool> {
        Pool::new(place, tokens, 1, true, host)
    }

    /// A pool that runs up to `width` items at the same time, and more that block.
    pub(crate) fn parallel(place: Place, tokens: TokenSource, width: usize, host: Host) -> Arc<Pool> {
        Pool::new(place, tokens, width.max(1), false, host)
    }

    fn new(place: Place, tokens: TokenSource, width: usize, serial: bool, host: Host) -> Arc<Pool> {
        Arc::new(Pool {
            place,
            tokens,
            width,
            serial,
            host,
            long_running: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            backlog: AtomicBool::new(false),
            quick: AtomicBool::new(false),
            looked_after: AtomicBool::new(false),
            watch: Watch::default(),
            quiet: Watch::default(),
            hold: Hold::default(),
            inbox: Mutex::default(),
            hands: OnceLock::new(),
        })
    }

    /// Puts an item; gives it back when the pool is closed or its runtime is gone.
    #[allow(
        clippy::result_large_err,
        reason = "with tracing an item has a span; it is given back once in a queue's life"
    )]
    #[inline]
    pub(crate) fn put(self: &Arc<Self>, mut item: Item) -> Result<(), Item> {
        // ORDERING: Relaxed, a hint for what to measure. What finds the queue empty is what tells how fast it
        // wakes; a sample of the others will do, and of what quick callbacks find.
        if !self.quick.load(Ordering::Relaxed) && !self.has_backlog() {
            item.put_at = Some(Instant::now());
        }
        let priority = item.priority;
        let here = this_thread();
        let mut inbox = self.inbox();
        // A serial queue above still runs what it had when this one was closed.
        if inbox.phase == Phase::Dead || (inbox.phase == Phase::Closing && !item.is_turn()) {
            return Err(item);
        }
        // A turn has the number of the put that comes next: whoever waits for what was put before
        // waits for it, too, and it is not counted.
        item.ticket = inbox.put;
        inbox.put += u64::from(!item.is_turn());
        if item.put_at.is_none() && item.ticket % SAMPLE == 0 {
            item.put_at = Some(Instant::now());
        }
        inbox.put_by = here;
        inbox.lanes.push(priority, item);
        // ORDERING: Relaxed, twice. Both are hints, and both are stored under the lock that the next
        // look into the inbox takes; `urgent` only moves that look to before the next item.
        if priority == Priority::High {
            self.urgent.store(true, Ordering::Relaxed);
        }
        if !self.has_backlog() {
            self.backlog.store(true, Ordering::Relaxed);
        }
        let call = self.call(&mut inbox);
        drop(inbox);
        self.answer(call, Place::is_any);
        Ok(())
    }

    /// Whether something may be waiting; a glance, without a lock.
    #[inline]
    pub(crate) fn has_backlog(&self) -> bool {
        // ORDERING: Relaxed, a hint for fairness only.
        self.backlog.load(Ordering::Relaxed)
    }

    /// From now on every item goes to the blocking pool, or no longer does.
    pub(crate) fn set_long_running(&self, enable: bool) {
        // ORDERING: Relaxed, since nothing but the flag itself is told.
        self.long_running.store(enable, Ordering::Relaxed);
    }

    pub(crate) fn is_long_running(&self) -> bool {
        // ORDERING: as in `set_long_running`.
        self.long_running.load(Ordering::Relaxed)
    }

    /// Whether items run one at a time.
    pub(crate) fn is_serial(&self) -> bool {
        self.serial
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn tokens(&self) -> TokenSource {
        self.tokens.clone()
    }

    pub(crate) fn runtime(&self) -> &Handle {
        self.host.runtime()
    }

    /// Starts a future on the pool's own thread; false if it has none, or is closed.
    pub(crate) fn start_local(&self, start: Start) -> bool {
        match &self.host {
            Host::Thread { start: starts, .. } if self.inbox().phase == Phase::Open => {
                starts.send(start).is_ok()
            }
            _ => false,
        }
    }

    /// No put any more: what is queued still runs, then the drain tasks end.
    pub(crate) fn close(&self) {
        let idle = {
            let mut inbox = self.inbox();
            if inbox.phase == Phase::Open {
                inbox.phase = Phase::Closing;
            }
            inbox.rouse()
        };
        idle.into_iter().for_each(Waker::wake);
    }

    /// Lets go of everything queued, un-called, and refuses puts.
    pub(crate) fn kill(&self) {
        let (queued, mut put, idle) = {
            let mut inbox = self.inbox();
            inbox.phase = Phase::Dead;
            let mut queued = Vec::new();
            self.each_hand(|hand| queued.append(&mut hand.items.drain(..).collect()));
            (queued, std::mem::take(&mut inbox.lanes), inbox.rouse())
        };
        idle.into_iter().for_each(Waker::wake);
        let mut abandoned: u64 = queued.into_iter().map(Item::abandon).sum();
        while let Some(item) = put.pop(Priority::Low) {
            abandoned += item.abandon();
        }
        self.inbox().stats.abandoned += abandoned;
        self.tell_all();
    }

    /// How many items were put so far: the ticket that the next one gets.
    pub(crate) fn next_ticket(&self) -> u64 {
        self.inbox().put
    }

    /// Waits until every item with a ticket below `ticket` has run or was let go.
    pub(crate) async fn until_passed(&self, ticket: u64) {
        let passed = || {
            // Under this lock nothing moves but from running to ended.
            let inbox = self.inbox();
            let mut passed = inbox.lanes.fronts().all(|item| item.ticket >= ticket)
                && inbox.running().all(|running| running.ticket >= ticket);
            self.each_hand(|hand| passed &= hand.tickets().all(|other| other >= ticket));
            passed
        };
        self.watch.until(passed).await;
    }

    /// Waits until nothing is queued and nothing runs.
    pub(crate) async fn until_quiet(&self) {
        self.quiet.until(|| self.is_quiet()).await;
    }

    /// Whether nothing is queued and nothing runs.
    pub(crate) fn is_quiet(&self) -> bool {
        let inbox = self.inbox();
        let mut quiet = inbox.lanes.is_empty() && inbox.running().next().is_none();
        self.each_hand(|hand| quiet &= hand.running.is_none() && hand.items.is_empty());
        quiet
    }

    pub(crate) fn stats(&self) -> QueueStats {
        let inbox = self.inbox();
        let (depth, running) = (inbox.lanes.len(), inbox.running().count());
        let mut stats = QueueStats { depth, running, put: inbox.put, ..inbox.stats };
        self.each_hand(|hand| {
            stats.merge(&hand.stats);
            stats.depth += hand.items.len();
            stats.running += usize::from(hand.running.is_some());
        });
        stats
    }

    /// What runs now.
    pub(crate) fn running(&self) -> Vec<Running> {
        let inbox = self.inbox();
        let mut running: Vec<_> = inbox.running().copied().collect();
        self.each_hand(|hand| running.extend(hand.running));
        running
    }

    /// Whether nothing more is there for a drain task, as far as a glance can tell.
    #[inline]
    pub(crate) fn is_bare(&self, drain: &DrainState) -> bool {
        !drain.holds && !self.has_backlog()
    }

    /// A group of callbacks has ended whose time was not told with the last of them.
    pub(crate) fn timed(&self, drain: &DrainState, time: Option<Time>) {
        if let Some(time) = time {
            self.hand(drain.number).stats.timed(time);
        }
    }

    /// What callbacks take, from what the last ones took.
    #[inline]
    pub(crate) fn set_quick(&self, quick: bool) {
        // ORDERING: Relaxed, twice: a hint. Whoever errs wakes somebody in vain, or leaves it to the look-out.
        if self.quick.load(Ordering::Relaxed) != quick {
            self.quick.store(quick, Ordering::Relaxed);
        }
    }

    /// A drain task goes, and does not come to take the next: what it ran last is written down.
    pub(crate) fn settle(&self, drain: &mut DrainState) {
        self.finish(&mut self.inbox(), drain);
        self.tell_all();
    }

    /// What a drain task has just taken runs on the blocking pool: it gets a place to be reported by.
    pub(crate) fn hand_over(&self, drain: &DrainState) -> Option<usize> {
        let mut inbox = self.inbox();
        let running = if drain.in_hand {
            self.hand(drain.number).running.take()
        } else {
            inbox.direct[drain.number].take()
        };
        running.map(|running| inbox.blocking.insert(running))
    }

    /// An item that was handed to the blocking pool has ended; no `run` if it never ran.
    pub(crate) fn finished(&self, slot: Option<usize>, run: Option<Run>) {
        {
            let mut inbox = self.inbox();
            match run {
                Some(run) => inbox.stats.add(run),
                None => inbox.stats.abandoned += 1,
            }
            if let Some(slot) = slot {
                inbox.blocking.remove(slot);
            }
        }
        self.tell_all();
    }

    /// Whether the pool goes on; if something waits and nothing has run since the last look, somebody is
    /// summoned. False if there is no need to look again.
    pub(crate) fn look_after(self: &Arc<Self>) -> bool {
        let mut inbox = self.inbox();
        let (mut waits, mut progress) = (!inbox.lanes.is_empty(), inbox.stats.run);
        self.each_hand(|hand| {
            waits |= !hand.items.is_empty();
            progress += hand.stats.run;
        });
        if !waits || inbox.is_at_its_limit(self.width) {
            // ORDERING: Relaxed; it is set under the same lock.
            self.looked_after.store(false, Ordering::Relaxed);
            return false;
        }
        let before = std::mem::replace(&mut inbox.progress, progress);
        let summon = if before == progress { inbox.summon(self.width) } else { None };
        drop(inbox);
        if let Some(summon) = summon {
            self.answer(Call::Summon(summon), || true);
        }
        true
    }

    #[inline]
    fn tell_all(&self) {
        self.watch.tell();
        self.quiet.tell();
    }

    /// Something waits: who is to come, if anybody must.
    #[inline]
    fn call(&self, inbox: &mut Inbox) -> Call {
        if inbox.is_searched() {
            if inbox.summoned_here && inbox.lanes.len() >= STRANDED {
                inbox.summoned_here = false;
                return Call::MoveOn;
            }
            return Call::Nobody;
        }
        // ORDERING: Relaxed, for `quick` a hint, for `looked_after` since it is under the inbox's lock.
        if self.quick.load(Ordering::Relaxed) && inbox.is_drained() && self.host.looks_out() {
            if self.width == 1 || self.looked_after.load(Ordering::Relaxed) {
                return Call::Nobody;
            }
            self.looked_after.store(true, Ordering::Relaxed);
            return Call::LookAfter;
        }
        match inbox.summon(self.width) {
            Some(summon) => {
                inbox.summoned_here = true;
                Call::Summon(summon)
            }
            None => Call::Nobody,
        }
    }

    /// Calls who is to come. On a thread that runs callbacks it sees to it that the drain task can be taken
    /// over by another thread: see [`Host::make_stealable`].
    #[inline]
    fn answer(self: &Arc<Self>, call: Call, from_callback: impl FnOnce() -> bool) {
        let summon = match call {
            Call::Nobody => return,
            Call::MoveOn => return self.host.make_stealable(),
            Call::LookAfter => {
                self.host.look_after(self);
                // This worker may be held up in a moment, and another must look at the clock meanwhile.
                return self.host.make_stealable();
            }
            Call::Summon(summon) => summon,
        };
        if matches!(self.host, Host::Thread { .. }) {
            self.hold.hold(self.host.runtime());
        }
        match summon {
            Summon::Wake(waker) => waker.wake(),
            Summon::Start(number) => self.host.start(Drain::new(self.clone(), number)),
        }
        let from_callback = from_callback();
        if from_callback {
            self.host.make_stealable();
        }
        if from_callback || tokio::task::try_id().is_none() {
            self.host.look_out();
        }
    }

    #[inline]
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn hand(&self, number: usize) -> MutexGuard<'_, Hand> {
        let hands = self.hands.get_or_init(|| (0..self.width).map(|_| Mutex::default()).collect());
        hands[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks into every hand, one after the other.
    fn each_hand(&self, mut look: impl FnMut(&mut Hand)) {
        for hand in self.hands.get().into_iter().flatten() {
            look(&mut hand.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// What a drain task does, as the inbox counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    Running,
    Searching,
    Idle,
}

/// What is to be done about something that waits; when no lock is held.
enum Call {
    Nobody,
    Summon(Summon),
    /// Let somebody look from time to time.
    LookAfter,
    /// Who was summoned does not come: another worker shall take over.
    MoveOn,
}

/// The current thread, as a number that no other has while it lives.
#[inline]
fn this_thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| std::ptr::from_ref(here) as usize)
}

/// Of the items that find others waiting, every so many-th has its wait measured.
pub(crate) const SAMPLE: u64 = 16;

/// When so many items wait for a drain task that was summoned on this worker, another worker is worth waking.
const STRANDED: usize = 32;
