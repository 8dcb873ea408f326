//! Timers: work items that wait for a time, a period or an event, and the keys that cancel them.
//!
//! A platform has one heap of scheduled items and one task that waits for the first of them.

mod driver;
mod event;
mod pending;
mod periodic;
mod table;
mod wait;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use self::driver::TimerDriver;
use self::event::AwaitedEvent;
pub(crate) use self::pending::{TimedItem, TimedKind};
use self::table::{TimerTable, Waits};
use self::wait::{WaitCount, WaitTask};
use crate::async_result::QueueId;
use crate::cancel::WorkItemKey;
use crate::contain::{Contained, contain, drop_contained, drop_payload};
use crate::error::{Error, Hresult, Result};
use crate::observe;
use crate::queue::{Job, Queues, Waiters, WorkItem};
use crate::stepping;
use crate::sync::atomic::{AtomicUsize, Ordering};
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
            let driver = TimerDriver::new(self);
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

    /// Invokes a callback whose time has come. If its queue was closed meanwhile, the result is dropped.
    fn dispatch(&self, invoke: impl FnOnce(&Queues) -> Result<()>) {
        // `parameters` is user code, and may panic.
        if let Err(payload) = contain(|| observe::as_timer(|| invoke(&self.queues))) {
            drop_payload(payload);
        }
    }
}

/// Refuses a result that a serial queue awaits as a reply.
fn check_replied(job: &Job, doing: &str) -> Result<()> {
    if let Job::Ready(result) = job { result.check_not_awaited(doing) } else { Ok(()) }
}

fn not_found(doing: &str, key: u64) -> Error {
    let what = format!("{doing}: no pending item has the key {key:#x}; it has run, or was cancelled");
    Error::new(Hresult::MF_E_NOT_FOUND, what)
}
