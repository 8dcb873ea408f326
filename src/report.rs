//! The dead-man report: everything that is outstanding on a platform, as a table for people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::async_result::{Begun, QueueId};
use crate::keepalive::Outstanding;
use crate::observe::QueueStats;
use crate::queue::Queues;
use crate::timer::Timers;

/// What is queued, runs, is armed and is held, at one moment.
///
/// Its `Display` is a table with a line for each queue that was used, for each callback that runs, and
/// for each operation that has not ended, with its age and the source line that began it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The queues that exist, platform queues that were never used left out.
    pub queues: Vec<QueueReport>,
    /// What has been begun and has not ended.
    pub operations: Vec<OperationReport>,
    /// Scheduled items that are not due.
    pub scheduled: usize,
    /// Items that wait for an event.
    pub waiting: usize,
    /// Periodic callbacks.
    pub periodic: usize,
    /// Asynchronous results that somebody still holds, queued ones included.
    pub results: usize,
    /// Callbacks that were invoked once more than their operation needed: after the first call, or after
    /// the operation was dropped.
    pub extra_calls: u64,
}

/// One queue in a [`Report`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueReport {
    /// Its number.
    pub id: QueueId,
    /// Where it was allocated; `None` for the platform's own.
    pub allocated: Option<Begun>,
    /// How many handles to it exist; for the platform's own this is not counted.
    pub handles: usize,
    /// Its counters.
    pub stats: QueueStats,
    /// The callbacks that run on it.
    pub running: Vec<RunningReport>,
}

/// A callback that runs, or a result whose reply is awaited, in a [`Report`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunningReport {
    /// The callback's name.
    pub name: &'static str,
    /// Since when, in real time.
    pub age: Duration,
    /// The callback is back, and the serial queue waits for the reply.
    pub awaits_reply: bool,
}

/// Something that was begun and has not ended, in a [`Report`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OperationReport {
    /// What it is, and where its callback is to run.
    pub what: String,
    /// The source line that began it.
    pub begun: Begun,
    /// Since when, in the runtime's time.
    pub age: Duration,
}

impl Report {
    pub(crate) fn new(queues: &Queues, timers: &Timers, entered: &[Outstanding]) -> Report {
        let now = {
            let _context = queues.runtime().enter();
            Instant::now()
        };
        let all = queues.all();
        let handles: usize = all.iter().map(|queue| queue.handles()).sum();
        let (scheduled, waiting, periodic) = timers.pending();
        Report {
            operations: entered.iter().filter_map(|entry| OperationReport::new(entry, now)).collect(),
            scheduled,
            waiting,
            periodic,
            results: queues.lender.out().saturating_sub(handles + queues.lender.entered().len()),
            extra_calls: queues.lender.extra_calls(),
            queues: all.iter().map(QueueReport::new).collect(),
        }
    }

    /// Whether something was begun and has not ended; locks and handles are not that.
    #[must_use]
    pub fn has_unfinished_work(&self) -> bool {
        let queued = |queue: &QueueReport| queue.stats.depth > 0 || !queue.running.is_empty();
        self.results > 0
            || self.queues.iter().any(queued)
            || self.operations.iter().any(|operation| operation.what != PLATFORM_LOCK)
    }
}

/// How a platform lock is called in a report.
pub(crate) const PLATFORM_LOCK: &str = "a platform lock";

impl QueueReport {
    fn new(queue: &Arc<crate::queue::Queue>) -> QueueReport {
        let running = queue.running().into_iter().map(|running| RunningReport {
            name: running.name,
            age: running.since.elapsed(),
            awaits_reply: running.awaits_reply,
        });
        QueueReport {
            id: queue.id,
            allocated: queue.id.is_private().then_some(queue.allocated),
            handles: queue.handles(),
            stats: queue.stats(),
            running: running.collect(),
        }
    }
}

impl OperationReport {
    fn new(entry: &Outstanding, now: Instant) -> Option<OperationReport> {
        let what = entry.describe()?;
        Some(OperationReport { what, begun: entry.begun, age: now.saturating_duration_since(entry.since) })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "queue            depth  running        put        run  abandoned  panicked  longest wait   longest run"
        )?;
        for queue in &self.queues {
            let stats = &queue.stats;
            write!(
                f,
                "{:<15} {:>6} {:>8} {:>10} {:>10} {:>10} {:>9} {:>13} {:>13}",
                queue.id.to_string(),
                stats.depth,
                stats.running,
                stats.put,
                stats.run,
                stats.abandoned,
                stats.panicked,
                format!("{:.1?}", stats.longest_wait),
                format!("{:.1?}", stats.longest_run),
            )?;
            match queue.allocated {
                Some(at) => writeln!(f, "  {} handle(s), allocated at {at}", queue.handles)?,
                None => writeln!(f)?,
            }
            for running in &queue.running {
                let doing = if running.awaits_reply { "awaits the reply to" } else { "runs" };
                writeln!(f, "  {doing} {} since {:.1?}", running.name, running.age)?;
            }
        }
        for operation in &self.operations {
            writeln!(f, "{}, since {:.1?}, begun at {}", operation.what, operation.age, operation.begun)?;
        }
        write!(
            f,
            "{} result(s) held; {} scheduled, {} waiting, {} periodic; {} callback(s) called once too often",
            self.results, self.scheduled, self.waiting, self.periodic, self.extra_calls
        )
    }
}
