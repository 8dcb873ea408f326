//! Timers: work items that wait for a time, a period or an event, and the keys that cancel them.
//!
//! A platform has one heap of scheduled items and one task that waits for the first of them.

mod event;
mod pending;
mod table;

use std::cmp::Reverse;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::RuntimeFlavor;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::event::AwaitedEvent;
pub(crate) use self::pending::{TimedItem, TimedKind};
use self::table::{TimerTable, Waits};
use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId};
use crate::cancel::WorkItemKey;
use crate::contain::{Contained, contain, drop_contained, drop_payload};
use crate::error::{Error, Hresult, Result};
use crate::observe;
use crate::queue::{Job, Priority, Queues, Waiters, WorkItem};
use crate::stepping;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{LockExt, Mutex};
use crate::tracker::{Begun, Loss, closed};

/// Names a periodic callback, to remove it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeriodicKey(
    /// The number, as Windows headers have it.
    pub u32,
);

/// The period of periodic callbacks, as in Media Foundation.
pub(crate) const PERIOD: Duration = Duration::from_millis(10);

/// The scheduled items, waiting items and periodic callbacks of a platform.
pub(crate) struct Timers {
    queues: Arc<Queues>,
    /// Deadlines are nanoseconds since this time.
    start: Instant,
    table: Mutex<TimerTable>,
    /// Wakes the driver: something is due earlier than it knows.
    earlier: Notify,
    /// Number of waiting items that have not called back.
    waits: AtomicUsize,
    wait_ended: Waiters,
}

impl Timers {
    pub(crate) fn new(queues: Arc<Queues>) -> Arc<Timers> {
        let _context = queues.runtime().enter();
        Arc::new(Timers {
            start: Instant::now(),
            table: Mutex::default(),
            earlier: Notify::new(),
            waits: AtomicUsize::new(0),
            wait_ended: Waiters::default(),
            queues: queues.clone(),
        })
    }

    /// Runs a work item after `delay`.
    pub(crate) fn schedule(
        self: &Arc<Self>,
        item: WorkItem,
        delay: Duration,
        begun: Begun,
    ) -> Result<WorkItemKey> {
        const DOING: &str = "schedule a work item";
        let job = Contained::new(item.into_job().0);
        stepping::pause();
        self.queues.admit_new(DOING)?;
        check_replied(&job, DOING)?;
        let queue = self.queues.check(&job)?.queue;
        stepping::note(|| format!("scheduled an item for queue {queue} in {delay:?}"));
        self.add(Some(self.after(delay)), begun, Waits::Scheduled(job.take(), queue), DOING)
    }

    /// Invokes the result's callback when `event` resolves, or with `MF_E_OPERATION_CANCELLED`.
    pub(crate) fn wait_for(
        self: &Arc<Self>,
        event: impl Future<Output = ()> + Send + 'static,
        item: WorkItem,
        begun: Begun,
    ) -> Result<WorkItemKey> {
        const DOING: &str = "put a waiting work item";
        let event = Arc::new(AwaitedEvent::new(event));
        let (job, priority) = item.into_job();
        let job = Contained::new(job);
        self.queues.admit_new(DOING)?;
        check_replied(&job, DOING)?;
        let parameters = self.queues.check(&job)?;
        if matches!(parameters.queue, QueueId::IO | QueueId::LONG_FUNCTION | QueueId::RT | QueueId::TIMER) {
            let what = format!(
                "put a waiting work item for queue {}, which takes none: let its callback name another",
                parameters.queue
            );
            return Err(Error::new(Hresult::MF_E_INVALID_WORKQUEUE, what));
        }
        let result = Contained::new(job.take().into_result(|| self.queues.token(DOING))?);
        // Counted before it is in the table, so that a shutdown which finds it there waits for it.
        let counted = WaitCount::new(self.clone());
        let named = result.callback().map(Arc::downgrade);
        let waits = Waits::ForEvent(event.clone(), parameters.queue, named);
        let key = self.add(None, begun, waits, DOING)?;
        let waiting = WaitTask { event, result, key, priority, counted };
        observe::detach(self.queues.runtime(), format_args!("a waiting item"), waiting.run());
        Ok(key)
    }

    /// Calls `callback` every [`PERIOD`] on the TIMER queue.
    pub(crate) fn add_periodic(
        self: &Arc<Self>,
        callback: Box<dyn Fn() + Send + Sync>,
        begun: Begun,
    ) -> Result<PeriodicKey> {
        let callback = Contained::new(callback);
        let busy = Arc::new(AtomicBool::new(false));
        let tick: Arc<dyn AsyncCallback> = Arc::new(Tick { callback, busy: busy.clone() });
        let result = self.queues.create_result(tick, None)?;
        let at = self.after(PERIOD);
        // ORDERING: Relaxed, because only the number's uniqueness matters. No two platforms of the process share one.
        let number = PERIODIC.fetch_add(1, std::sync::atomic::Ordering::Relaxed).wrapping_add(1);
        self.add(Some(at), begun, Waits::Periodic { number, result, busy }, "add a periodic callback")?;
        Ok(PeriodicKey(number))
    }

    pub(crate) fn remove_periodic(&self, key: PeriodicKey) -> Result<()> {
        stepping::pause();
        let mut table = self.table.locked();
        table.open("remove a periodic callback")?;
        let found = table.entries.iter().find_map(|(at, entry)| match entry.waits {
            Waits::Periodic { number, .. } if number == key.0 => Some(at),
            _ => None,
        });
        let removed = found.map(|at| table.remove(at));
        drop(table);
        match removed {
            Some(entry) => {
                drop_contained(entry);
                Ok(())
            }
            None => Err(not_found("remove a periodic callback", u64::from(key.0))),
        }
    }

    pub(crate) fn cancel(&self, key: WorkItemKey) -> Result<()> {
        stepping::pause();
        let mut table = self.table.locked();
        table.open("cancel a work item")?;
        let found = table.find(key);
        // The entry of a periodic callback has a number as well, but no caller has it as a key.
        let found = found.filter(|at| !matches!(table.entries[*at].waits, Waits::Periodic { .. }));
        let Some(at) = found else { return Err(not_found("cancel a work item", key.0)) };
        let entry = table.remove(at);
        drop(table);
        match entry.waits {
            Waits::Scheduled(due, queue) => {
                stepping::note(|| "cancelled a scheduled item".to_owned());
                self.queues.count_cancelled(queue);
                // An operation that awaits the item ends as cancelled.
                self.queues.tracker.handle().lose(Loss::Cancel, || drop_contained(due));
            }
            Waits::ForEvent(event, queue, _) => {
                if !event.cancel() {
                    // It has happened, and its item is on the way to its queue.
                    return Err(not_found("cancel a work item", key.0));
                }
                stepping::note(|| "cancelled a waiting item".to_owned());
                self.queues.count_cancelled(queue);
            }
            Waits::Periodic { .. } => {}
        }
        stepping::pause();
        Ok(())
    }

    /// Closes the table. Scheduled items are dropped without a call; waiting items are cancelled and call back.
    pub(crate) fn shut_down(&self) {
        let entries = {
            let mut table = self.table.locked();
            table.closed = true;
            table.due.clear();
            table.counts.clear();
            std::mem::take(&mut table.entries)
        };
        self.earlier.notify_one();
        for (_, entry) in entries {
            match entry.waits {
                Waits::ForEvent(event, ..) => _ = event.cancel(),
                other => _ = drop_contained(other),
            }
        }
    }

    /// Resolves when every waiting item, cancelled or not, has called back.
    pub(crate) async fn waits_ended(&self) {
        // ORDERING: SeqCst, see `WaitCount`.
        self.wait_ended.until(|| self.waits.load(Ordering::SeqCst) == 0).await;
    }

    fn add(
        self: &Arc<Self>,
        at: Option<u64>,
        begun: Begun,
        waits: Waits,
        doing: &'static str,
    ) -> Result<WorkItemKey> {
        // A shutdown that has begun is about to close the table.
        if !self.queues.is_running() {
            return Err(closed(doing));
        }
        let mut table = self.table.locked();
        table.open(doing)?;
        let (key, earliest) = table.insert(at, begun, waits);
        let first = at.is_some() && !std::mem::replace(&mut table.driven, true);
        drop(table);
        if first {
            let driver = TimerDriver(Arc::downgrade(self));
            observe::detach(self.queues.runtime(), format_args!("timers"), driver.run());
        } else if earliest {
            self.earlier.notify_one();
        }
        stepping::pause();
        Ok(key)
    }

    fn after(&self, delay: Duration) -> u64 {
        let now = self.now();
        now.saturating_add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The runtime's time. Entering the runtime makes a paused clock count, also on a thread outside it.
    fn now(&self) -> u64 {
        let _context = self.queues.runtime().enter();
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Takes up to [`BATCH`] due items into `due`, and returns when the next is due.
    fn take_due(&self, due: &mut Vec<Job>) -> NextDue {
        let now = self.now();
        let mut table = self.table.locked();
        if table.closed {
            return NextDue::End;
        }
        while let Some(Reverse(first)) = table.due.peek() {
            if first.at > now {
                return NextDue::At(first.at);
            }
            if due.len() == BATCH {
                return NextDue::More;
            }
            let Some(Reverse(first)) = table.due.pop() else { break };
            let Some(at) = table.find(first.key) else {
                table.stale -= 1;
                continue;
            };
            table.take_one(at, first, now, due);
        }
        NextDue::Nothing
    }
}

enum NextDue {
    At(u64),
    Nothing,
    More,
    End,
}

/// The task that waits for the next due item. When its runtime drops it, the platform ends, and the timers with it.
struct TimerDriver(Weak<Timers>);

impl TimerDriver {
    async fn run(self) {
        let mut due = Vec::with_capacity(BATCH);
        while let Some(timers) = self.0.upgrade() {
            let earlier = timers.earlier.notified();
            let next = timers.take_due(&mut due);
            let fired = !due.is_empty();
            for job in due.drain(..) {
                timers.dispatch(|queues| queues.dispatch(job, Priority::Normal));
            }
            if fired {
                timers.wake_other_worker();
            }
            match next {
                NextDue::End => return,
                NextDue::More => tokio::task::yield_now().await,
                NextDue::Nothing => earlier.await,
                NextDue::At(at) => {
                    let wait = Duration::from_nanos(at).min(timers.start.elapsed() + LONGEST_SLEEP);
                    // Both outcomes lead to another look at the table.
                    let _ = tokio::time::timeout_at(timers.start + wait, earlier).await;
                }
            }
        }
    }
}

impl Timers {
    /// Invokes a callback whose time has come. If its queue was closed meanwhile, the result is dropped.
    fn dispatch(&self, invoke: impl FnOnce(&Queues) -> Result<()>) {
        // `parameters` is user code, and may panic.
        if let Err(payload) = contain(|| observe::as_timer(|| invoke(&self.queues))) {
            drop_payload(payload);
        }
    }

    /// Wakes another worker of the runtime, which takes over the clock.
    ///
    /// This worker runs next what was just dispatched, which may take long. Tokio wakes another worker only for a
    /// second task, so this spawns an empty one.
    fn wake_other_worker(&self) {
        let runtime = self.queues.runtime();
        if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
            drop(runtime.spawn(std::future::ready(())));
        }
    }
}

/// A waiting item's task.
struct WaitTask {
    event: Arc<AwaitedEvent>,
    result: Contained<AsyncResult>,
    key: WorkItemKey,
    priority: Priority,
    /// The last field, so that a shutdown goes on only after the result is dropped.
    counted: WaitCount,
}

impl WaitTask {
    async fn run(self) {
        let queues = &self.counted.0.queues;
        let happened = poll_fn(|cx| self.event.poll(queues, cx)).await;
        let entry = {
            let mut table = self.counted.0.table.locked();
            table.find(self.key).map(|at| table.remove(at))
        };
        drop(entry);
        if let Err(code) = happened {
            self.result.set_status(code);
        }
        self.counted.0.dispatch(|queues| queues.dispatch_result(self.priority, &self.result));
        self.counted.0.wake_other_worker();
    }
}

/// Counts one waiting item until it is dropped; a shutdown waits for the count to be 0.
struct WaitCount(Arc<Timers>);

impl WaitCount {
    fn new(timers: Arc<Timers>) -> WaitCount {
        // ORDERING: SeqCst pairs with the load in `waits_ended`, which comes after `closed` was set.
        timers.waits.fetch_add(1, Ordering::SeqCst);
        WaitCount(timers)
    }
}

impl Drop for WaitCount {
    fn drop(&mut self) {
        // ORDERING: SeqCst, as in `new`.
        self.0.waits.fetch_sub(1, Ordering::SeqCst);
        self.0.wait_ended.notify();
    }
}

/// One tick of a periodic callback.
struct Tick {
    callback: Contained<Box<dyn Fn() + Send + Sync>>,
    busy: Arc<AtomicBool>,
}

impl AsyncCallback for Tick {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(QueueId::TIMER)
    }

    fn invoke(&self, _: &AsyncResult) {
        /// Allows the next tick, also after a panic.
        struct Free<'a>(&'a AtomicBool);
        impl Drop for Free<'_> {
            fn drop(&mut self) {
                // ORDERING: Release pairs with the AcqRel in `take_one`.
                self.0.store(false, Ordering::Release);
            }
        }
        let _free = Free(&self.busy);
        (self.callback)();
    }

    fn name(&self) -> &'static str {
        "a periodic callback"
    }
}

/// Refuses a result that a serial queue awaits as a reply.
fn check_replied(job: &Job, doing: &str) -> Result<()> {
    if let Job::Ready(result) = job { result.check_not_awaited(doing) } else { Ok(()) }
}

/// The number of the last periodic callback of the process.
static PERIODIC: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

fn not_found(doing: &str, key: u64) -> Error {
    let what = format!("{doing}: no pending item has the key {key:#x}; it has run, or was cancelled");
    Error::new(Hresult::MF_E_NOT_FOUND, what)
}

/// Largest number of items that are taken under one lock of the table.
const BATCH: usize = 256;

/// One year. Tokio's timers reach about two years, so longer waits are made of several.
const LONGEST_SLEEP: Duration = Duration::from_secs(365 * 24 * 3600);
