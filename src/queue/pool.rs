//! A pool: a queue whose items are run by a bounded number of drain tasks, batched, in order.
//!
//! A put locks the *inbox*, a drain task the *outbox*; when the outbox is empty, or something more
//! urgent came in, the drain task moves the whole inbox over, which for an empty outbox is a swap. So
//! producers and consumers meet once per burst, not once per item, and what is taken out is strictly
//! first in, first out within its priority.
//!
//! A drain task is in one of three states, and the counts of two of them are under the inbox's lock:
//!
//! * *running*: it runs items, one after the other;
//! * *searching*: it was woken, or found nothing and looks again a few times; while anyone searches, a
//!   put wakes nobody, since the searcher will see the item;
//! * *idle*: its waker lies in the inbox.
//!
//! A put that finds nobody searching wakes an idle task; a searcher that takes an item while others
//! wait wakes the next. So an item never waits while a drain task is idle, even if every callback
//! blocks, and in a flood nobody is woken at all.

#[cfg(all(test, mf_async_loom))]
pub(super) mod loom;
#[cfg(feature = "test-util")]
mod manual;

use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::Instant;

use slab::Slab;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::observe::{self, QueueStats, Run, Running, Time};
use crate::queue::budget::Budget;
use crate::queue::drain::{Drain, DrainState};
use crate::queue::item::{Item, Place};
use crate::queue::lanes::{Lanes, Priority};
use crate::queue::lookout::Lookout;
use crate::queue::realtime::Own;
use crate::queue::window::{Hold, Start};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

#[cfg(feature = "test-util")]
pub(crate) use self::manual::Manual;

/// A queue that drain tasks empty: one of them for a serial pool, several for a parallel one.
pub(crate) struct Pool {
    place: Place,
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
    /// Whether something waits, as far as a glance can tell.
    backlog: AtomicBool,
    /// Whether the last summons came from a thread that runs no task.
    from_outside: AtomicBool,
    watch: Watch,
    /// Holds tokio's paused clock while a thread of its own works.
    hold: Hold,
    inbox: Mutex<Inbox>,
    outbox: Mutex<Outbox>,
}

/// Where drain tasks live.
pub(crate) enum Host {
    /// On the runtime's workers.
    Runtime(Handle, Arc<Lookout>),
    /// On the workers of a runtime that the queue has to itself.
    #[cfg_attr(
        not(feature = "realtime"),
        expect(dead_code, reason = "only raised threads are a queue's own")
    )]
    Own(Own),
    /// On a thread of their own, which `start` hands them to.
    Thread { runtime: Handle, start: UnboundedSender<Start> },
    /// Nowhere: what `start` is handed is kept and never polled, and the items are run by hand. The clock,
    /// when it is paused, is not held meanwhile.
    #[cfg_attr(not(feature = "test-util"), expect(dead_code, reason = "only tests step by hand"))]
    Manual { runtime: Handle, start: UnboundedSender<Start> },
}

impl Host {
    fn runtime(&self) -> &Handle {
        match self {
            Host::Runtime(runtime, _) | Host::Thread { runtime, .. } | Host::Manual { runtime, .. } => {
                runtime
            }
            Host::Own(own) => own.handle(),
        }
    }

    fn start(&self, drain: Drain) {
        match self {
            // Nobody awaits a drain task; a runtime that is gone drops it, and its `Drop` tells the pool.
            Host::Runtime(..) | Host::Own(_) => {
                drop(observe::spawn(self.runtime(), format_args!("queue {}", drain.queue()), drain))
            }
            Host::Thread { start, .. } | Host::Manual { start, .. } => {
                drop(start.send(Box::new(|| Box::pin(drain))))
            }
        }
    }

    /// Whether the current thread is none of the workers: waking one of them from here takes long.
    fn is_outside(&self) -> bool {
        let one_thread = self.runtime().runtime_flavor() == RuntimeFlavor::CurrentThread;
        tokio::task::try_id().is_none() && !one_thread
    }

    /// A task that a worker wakes goes to that worker's own next-task slot, which no other worker takes
    /// from; if the worker is then busy with a callback, the task waits for it, and with it the item that
    /// another worker was to run. A further task, which does nothing, moves it on to where others look.
    fn make_stealable(&self) {
        if self.has_workers() {
            drop(self.runtime().spawn(std::future::ready(())));
        }
    }

    /// A worker that fell asleep while a drain task was summoned is to look again.
    fn look_out(&self) {
        if let Host::Runtime(_, lookout) = self {
            lookout.arm();
        }
    }

    /// Whether drain tasks live on workers that take over from each other.
    fn has_workers(&self) -> bool {
        let one_thread = self.runtime().runtime_flavor() == RuntimeFlavor::CurrentThread;
        !one_thread && matches!(self, Host::Runtime(..) | Host::Own(_))
    }
}

impl Pool {
    /// A pool that runs one item at a time.
    pub(crate) fn serial(place: Place, host: Host) -> Arc<Pool> {
        Pool::new(place, 1, true, host)
    }

    /// A pool that runs up to `width` items at the same time, and more that block.
    pub(crate) fn parallel(place: Place, width: usize, host: Host) -> Arc<Pool> {
        Pool::new(place, width.max(1), false, host)
    }

    fn new(place: Place, width: usize, serial: bool, host: Host) -> Arc<Pool> {
        Arc::new(Pool {
            place,
            width,
            serial,
            host,
            long_running: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            backlog: AtomicBool::new(false),
            from_outside: AtomicBool::new(false),
            watch: Watch::default(),
            hold: Hold::default(),
            inbox: Mutex::default(),
            outbox: Mutex::default(),
        })
    }

    /// Puts an item; gives it back when the pool is closed or its runtime is gone.
    pub(crate) fn put(self: &Arc<Self>, mut item: Item) -> Result<(), Item> {
        // What finds the queue empty is what tells how fast it wakes; a sample of the others will do.
        if !self.has_backlog() {
            item.put_at = Some(Instant::now());
        }
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
        let priority = item.priority;
        inbox.lanes.push(priority, item);
        // ORDERING: Relaxed, twice. Both are hints, and both are stored under the lock that the next
        // look into the inbox takes; `urgent` only moves that look to before the next item.
        if priority == Priority::High {
            self.urgent.store(true, Ordering::Relaxed);
        }
        self.backlog.store(true, Ordering::Relaxed);
        let summon = inbox.summon(self.width);
        drop(inbox);
        if summon.is_some() {
            // ORDERING: Relaxed, a hint for how long to go on looking.
            self.from_outside.store(self.host.is_outside(), Ordering::Relaxed);
            self.answer(summon, Place::current().is_some());
        }
        Ok(())
    }

    /// Whether something may be waiting; a glance, without a lock.
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
        let (mut queued, idle) = {
            let mut outbox = self.outbox();
            let mut inbox = self.inbox();
            inbox.phase = Phase::Dead;
            let mut queued = std::mem::take(&mut outbox.lanes);
            queued.append(&mut inbox.lanes);
            (queued, inbox.rouse())
        };
        idle.into_iter().for_each(Waker::wake);
        let mut abandoned = 0;
        while let Some(item) = queued.pop(Priority::Low) {
            abandoned += item.abandon();
        }
        self.outbox().stats.abandoned += abandoned;
        self.watch.tell();
    }

    /// How many items were put so far: the ticket that the next one gets.
    pub(crate) fn next_ticket(&self) -> u64 {
        self.inbox().put
    }

    /// Whether every item with a ticket below `ticket` has run or was let go.
    pub(crate) fn passed(&self, ticket: u64) -> bool {
        let outbox = self.outbox();
        let inbox = self.inbox();
        let queued = outbox.lanes.fronts().chain(inbox.lanes.fronts()).map(|item| item.ticket);
        let running = outbox.running.iter().map(|(_, running)| running.ticket);
        queued.chain(running).all(|other| other >= ticket)
    }

    /// Whether nothing is queued and nothing runs.
    pub(crate) fn is_quiet(&self) -> bool {
        let outbox = self.outbox();
        outbox.running.is_empty() && outbox.lanes.is_empty() && self.inbox().lanes.is_empty()
    }

    /// Waits until `condition` holds; it is looked at whenever an item has ended.
    pub(crate) async fn until(&self, condition: impl Fn(&Pool) -> bool) {
        self.watch.until(|| condition(self)).await;
    }

    pub(crate) fn stats(&self) -> QueueStats {
        let outbox = self.outbox();
        let inbox = self.inbox();
        QueueStats {
            depth: outbox.lanes.len() + inbox.lanes.len(),
            running: outbox.running.len(),
            put: inbox.put,
            ..outbox.stats
        }
    }

    pub(crate) fn count_cancelled(&self) {
        self.outbox().stats.cancelled += 1;
    }

    /// What runs now.
    pub(crate) fn running(&self) -> Vec<Running> {
        self.outbox().running.iter().map(|(_, running)| *running).collect()
    }

    /// The next item for a drain task, after what it ran before is written down.
    pub(crate) fn take(self: &Arc<Self>, drain: &mut DrainState, budget: &Budget, waker: &Waker) -> Take {
        let of_its_own = matches!(self.host, Host::Thread { .. });
        let summons = if of_its_own { self.hold.summons() } else { 0 };
        let mut outbox = self.outbox();
        let next = self.next(&mut outbox, drain, budget.is_group_open(), waker);
        if let Next::Nothing(Take::EndGroup) = next {
            // What it ran counts as running until its time is known.
            return Take::EndGroup;
        }
        if let Some((slot, run)) = drain.ran.take() {
            outbox.finish(slot, run);
        }
        let (take, summon) = match next {
            Next::Nothing(take) => (take, None),
            Next::Item(item, summon) => {
                let now = budget.now();
                let running = item.running(now);
                let slot = outbox.running.insert(running);
                if let (Some(put_at), false) = (item.put_at, item.is_turn()) {
                    outbox.stats.waited(now.saturating_duration_since(put_at));
                }
                (Take::Item { item, slot }, summon)
            }
        };
        drop(outbox);
        self.answer(summon, true);
        self.watch.tell();
        // Last: the clock may go on when everybody who waited for this has been told.
        if of_its_own && matches!(take, Take::Rest | Take::End) {
            self.hold.let_go(summons);
        }
        take
    }

    /// A group of callbacks has ended whose time was not told with the last of them.
    pub(crate) fn timed(&self, time: Option<Time>) {
        if let Some(time) = time {
            self.outbox().stats.timed(time);
        }
    }

    /// What a drain task ran last, and will not write down at its next take; a turn, too, which has no `run`.
    pub(crate) fn has_run(&self, slot: usize, run: Option<Run>) {
        self.outbox().finish(slot, run);
        self.watch.tell();
    }

    /// An item that a drain task had handed to the blocking pool has ended; `None` if it never ran.
    pub(crate) fn finished(&self, slot: usize, run: Option<Run>) {
        {
            let mut outbox = self.outbox();
            outbox.stats.abandoned += u64::from(run.is_none());
            outbox.finish(slot, run);
        }
        self.watch.tell();
    }

    /// Decides under both locks, the inbox's only when it must be looked into.
    fn next(&self, outbox: &mut Outbox, drain: &mut DrainState, group: bool, waker: &Waker) -> Next {
        // ORDERING: Relaxed, see `put`: something urgent that comes in just now is taken next.
        let least = if self.urgent.load(Ordering::Relaxed) { Priority::High } else { Priority::Normal };
        if drain.activity == Activity::Running {
            if let Some(item) = outbox.lanes.pop(least) {
                return Next::Item(item, None);
            }
        }
        let mut inbox = self.inbox();
        inbox.woken(drain);
        outbox.lanes.append(&mut inbox.lanes);
        self.urgent.store(false, Ordering::Relaxed);
        let item = outbox.lanes.pop(Priority::Low);
        self.backlog.store(!outbox.lanes.is_empty(), Ordering::Relaxed);
        let Some(item) = item else {
            if group {
                return Next::Nothing(Take::EndGroup);
            }
            return Next::Nothing(inbox.rest(drain, waker, self.from_outside.load(Ordering::Relaxed)));
        };
        if drain.activity == Activity::Searching {
            drain.activity = Activity::Running;
            inbox.searching -= 1;
        }
        drain.looks = 0;
        let summon = if outbox.lanes.is_empty() { None } else { inbox.summon(self.width) };
        Next::Item(item, summon)
    }

    /// Calls who was summoned. On a thread that runs callbacks, `from_callback`, it sees to it that the
    /// drain task can be taken over by another thread: see [`Host::make_stealable`].
    fn answer(self: &Arc<Self>, summon: Option<Summon>, from_callback: bool) {
        if summon.is_some() && matches!(self.host, Host::Thread { .. }) {
            self.hold.hold(self.host.runtime());
        }
        match summon {
            None => return,
            Some(Summon::Wake(waker)) => waker.wake(),
            Some(Summon::Start(number)) => self.host.start(Drain::new(self.clone(), number)),
        }
        if from_callback {
            self.host.make_stealable();
        }
        if from_callback || tokio::task::try_id().is_none() {
            self.host.look_out();
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Taken before the inbox's lock where both are needed.
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a drain task is told to do.
pub(crate) enum Take {
    /// Run this, and say so at the next take.
    Item { item: Item, slot: usize },
    /// Nothing is there: first say how long the last callbacks took.
    EndGroup,
    /// Nothing is there; come again soon.
    LookAgain,
    /// Nothing is there; a put wakes you.
    Rest,
    /// The pool is closed and empty.
    End,
}

/// What a drain task does, as the inbox counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    Running,
    Searching,
    Idle,
}

enum Next {
    Item(Item, Option<Summon>),
    Nothing(Take),
}

/// Who is to come and look; answered when no lock is held.
enum Summon {
    Wake(Waker),
    Start(usize),
}

#[derive(Default)]
struct Inbox {
    lanes: Lanes<Item>,
    /// The drain tasks that rest, each with its number.
    idle: Vec<(usize, Waker)>,
    searching: usize,
    /// How many drain tasks exist.
    drains: usize,
    put: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// No put any more, save for turns; drain tasks end when nothing is left.
    Closing,
    /// What was queued is gone; drain tasks end.
    Dead,
}

impl Inbox {
    /// Something waits: finds a drain task for it, unless one is on its way.
    #[must_use]
    fn summon(&mut self, width: usize) -> Option<Summon> {
        if self.searching > 0 {
            return None;
        }
        if let Some((_, waker)) = self.idle.pop() {
            self.searching = 1;
            return Some(Summon::Wake(waker));
        }
        if self.drains == width {
            return None;
        }
        self.drains += 1;
        self.searching = 1;
        Some(Summon::Start(self.drains))
    }

    /// A drain task that rested is here: summoned, or woken for some reason of its own.
    fn woken(&mut self, drain: &mut DrainState) {
        if drain.activity != Activity::Idle {
            return;
        }
        drain.activity = Activity::Searching;
        if let Some(at) = self.idle.iter().position(|(number, _)| *number == drain.number) {
            self.idle.swap_remove(at);
            self.searching += 1;
        }
    }

    /// A drain task has found nothing.
    fn rest(&mut self, drain: &mut DrainState, waker: &Waker, outside: bool) -> Take {
        if drain.activity == Activity::Running {
            drain.activity = Activity::Searching;
            self.searching += 1;
        }
        if self.phase != Phase::Open {
            self.searching -= 1;
            self.drains -= 1;
            return Take::End;
        }
        if drain.looks < LOOKS && outside {
            drain.looks += 1;
            return Take::LookAgain;
        }
        drain.looks = 0;
        drain.activity = Activity::Idle;
        self.searching -= 1;
        self.idle.push((drain.number, waker.clone()));
        Take::Rest
    }

    /// Calls every drain task that rests.
    fn rouse(&mut self) -> Vec<Waker> {
        self.searching += self.idle.len();
        self.idle.drain(..).map(|(_, waker)| waker).collect()
    }
}

#[derive(Default)]
struct Outbox {
    lanes: Lanes<Item>,
    /// What the drain tasks run, and what the blocking pool runs for this queue.
    running: Slab<Running>,
    stats: QueueStats,
}

impl Outbox {
    fn finish(&mut self, slot: usize, run: Option<Run>) {
        self.running.remove(slot);
        if let Some(run) = run {
            self.stats.add(run);
        }
    }
}

/// Lets others wait for a moment in a queue's life; costs one load per item while nobody does.
#[derive(Default)]
pub(crate) struct Watch {
    watchers: AtomicUsize,
    moved: Notify,
}

impl Watch {
    /// Something has changed that a watcher may wait for.
    pub(crate) fn tell(&self) {
        // ORDERING: SeqCst pairs with the increment in `until`. The change was made under a lock that
        // the watcher's look takes as well: either that look comes later and sees the change, or the
        // increment came before this load.
        if self.watchers.load(Ordering::SeqCst) > 0 {
            self.moved.notify_waiters();
        }
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, condition: impl Fn() -> bool) {
        struct Gone<'a>(&'a AtomicUsize);
        impl Drop for Gone<'_> {
            fn drop(&mut self) {
                // ORDERING: SeqCst as its counterpart; a late decrement only costs a notification.
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        // ORDERING: SeqCst, see `tell`.
        self.watchers.fetch_add(1, Ordering::SeqCst);
        let _gone = Gone(&self.watchers);
        loop {
            // Register, then look: `notified` counts from its creation.
            let moved = self.moved.notified();
            if condition() {
                return;
            }
            moved.await;
        }
    }
}

/// Of the items that find others waiting, every so many-th has its wait measured.
pub(crate) const SAMPLE: u64 = 16;

/// How often a drain task that found nothing looks again before it rests. Each look is one turn of the
/// runtime's own queue, about 100 ns; waking a resting task from outside the runtime takes microseconds.
const LOOKS: u32 = 4;
