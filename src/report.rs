//! `Report`: what is outstanding on a platform at one moment. Its `Display` is a table.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::async_result::QueueId;
pub use crate::observe::QueueStats;
use crate::queue::Queues;
use crate::register::{Begun, OutstandingEntry};
use crate::timer::Timers;

/// What is queued, running, pending and held on a platform at one moment.
///
/// Its `Display` is a table with a line for each queue that was used, for each callback that runs, and
/// for each operation that has not ended, with its age and the source line that began it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The queues that exist, without the platform queues that were never used.
    pub queues: Vec<QueueReport>,
    /// What was begun and has not ended.
    pub operations: Vec<OperationReport>,
    /// Scheduled items that are not due.
    pub scheduled: usize,
    /// Items that wait for an event.
    pub waiting: usize,
    /// Periodic callbacks.
    pub periodic: usize,
    /// Asynchronous results that are held by any owner, including ready ones that were put. A work item has no result
    /// before it runs.
    pub results: usize,
    /// Callbacks that were invoked after their operation had ended otherwise, by a shutdown.
    pub late_calls: u64,
    /// Callbacks that were invoked again, after their End had run.
    pub double_calls: u64,
    /// Whether the platform accepts new work.
    pub running: bool,
}

/// One queue in a [`Report`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueReport {
    /// Its number.
    pub id: QueueId,
    /// The source line that allocated it; `None` for the platform's own.
    pub allocated: Option<Begun>,
    /// The number of its handles; not counted for the platform's own.
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
    /// How long it has run, in real time.
    pub age: Duration,
    /// The callback has returned, and the serial queue waits for the reply.
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
    /// The time since it was begun, by the runtime's clock.
    pub age: Duration,
}

impl Report {
    pub(crate) fn new(queues: &Queues, timers: &Timers, outstanding: &[OutstandingEntry]) -> Report {
        let now = {
            let _context = queues.runtime().enter();
            Instant::now()
        };
        let all = queues.all();
        let handles: usize = all.iter().map(|queue| queue.handles()).sum();
        let holders = outstanding.iter().filter(|entry| entry.holds_token).count();
        let (late_calls, double_calls) = queues.tracker.handle().extra_calls();
        let (scheduled, waiting, periodic) = timers.pending();
        Report {
            operations: outstanding.iter().filter_map(|entry| OperationReport::new(entry, now)).collect(),
            scheduled,
            waiting,
            periodic,
            results: queues.tracker.tokens().saturating_sub(handles + holders),
            late_calls,
            running: queues.is_running(),
            double_calls,
            queues: all.iter().map(QueueReport::new).collect(),
        }
    }

    /// Whether something was begun and has not ended. Locks and handles do not count.
    #[must_use]
    pub fn has_unfinished_work(&self) -> bool {
        let queued = |queue: &QueueReport| queue.stats.depth > 0 || !queue.running.is_empty();
        self.results > 0
            || self.queues.iter().any(queued)
            || self.operations.iter().any(|operation| operation.what != PLATFORM_LOCK)
    }
}

/// The name of a platform lock in a report.
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
    fn new(entry: &OutstandingEntry, now: Instant) -> Option<OperationReport> {
        let what = entry.describe()?;
        Some(OperationReport {
            what,
            begun: entry.begun,
            age: entry.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<14} {:>8} {:>8} {:>10} {:>10} {:>13} {:>13}",
            "queue", "waiting", "running", "put", "run", "longest wait", "longest run"
        )?;
        self.queues.iter().try_for_each(|queue| writeln!(f, "{queue}"))?;
        for (number, oldest) in self.groups() {
            let times = if number > 1 { format!("{number} × ") } else { String::new() };
            writeln!(
                f,
                "since {:<8} {times}{}, begun at {}",
                format!("{:.1?}", oldest.age),
                short(&oldest.what),
                oldest.begun
            )?;
        }
        write!(
            f,
            "{} held; {} scheduled, {} waiting, {} periodic",
            many(self.results as u64, "result"),
            self.scheduled,
            self.waiting,
            self.periodic
        )?;
        for (calls, how) in [(self.late_calls, "too late"), (self.double_calls, "too many")] {
            if calls > 0 {
                write!(f, "; {} {how}", many(calls, "call"))?;
            }
        }
        if self.running { Ok(()) } else { write!(f, "; shut down") }
    }
}

impl Report {
    /// What has not ended, the oldest first. Operations that are the same and were begun by the same line are grouped,
    /// with their number.
    fn groups(&self) -> Vec<(usize, &OperationReport)> {
        let mut groups: HashMap<_, (usize, &OperationReport)> = HashMap::new();
        for operation in &self.operations {
            let (number, oldest) = groups.entry((&operation.what, operation.begun)).or_insert((0, operation));
            *number += 1;
            if operation.age > oldest.age {
                *oldest = operation;
            }
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_key(|(_, oldest)| (Reverse(oldest.age), oldest.begun.line()));
        groups
    }
}

impl fmt::Display for QueueReport {
    /// A line of the table, and a line for each callback that runs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = &self.stats;
        write!(
            f,
            "{:<14} {:>8} {:>8} {:>10} {:>10} {:>13} {:>13}",
            self.id.to_string(),
            stats.depth,
            stats.running,
            stats.put,
            stats.run,
            format!("{:.1?}", stats.longest_wait),
            format!("{:.1?}", stats.longest_run),
        )?;
        let rare = [
            (stats.cancelled, "cancelled"),
            (stats.abandoned, "abandoned"),
            (stats.panicked, "panicked"),
            (stats.overrun, "took longer than promised"),
            (stats.missed_deadlines, "deadlines missed"),
        ];
        rare.iter()
            .filter(|(number, _)| *number > 0)
            .try_for_each(|(number, what)| write!(f, ", {number} {what}"))?;
        if let Some(at) = self.allocated {
            write!(f, "; {}, allocated at {at}", many(self.handles as u64, "handle"))?;
        }
        for running in &self.running {
            let doing = if running.awaits_reply { "awaits the reply to" } else { "runs" };
            write!(f, "\n  {doing} {} since {:.1?}", short(running.name), running.age)?;
        }
        Ok(())
    }
}

/// A number with its noun, which has an s unless the number is 1.
fn many(number: u64, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

/// The text without the module paths of its types and without `{{closure}}`.
fn short(text: &str) -> String {
    let mut short = String::new();
    let text = text.replace("::{{closure}}", "");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let (path, after) = rest.split_at(end);
        // `::next` after the arguments of a path is not a path of its own, and neither is a lone colon.
        let from = path.rfind("::").filter(|at| *at > 0 && at + 2 < path.len()).map_or(0, |at| at + 2);
        short.push_str(&path[from..]);
        let separator = after.chars().next().map_or(0, char::len_utf8);
        short.push_str(&after[..separator]);
        rest = &after[separator..];
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_their_paths() {
        assert_eq!(
            short("runs a::b::C<d::E>::next<f::g::{{closure}}>::{{closure}} on"),
            "runs C<E>::next<g> on"
        );
        assert_eq!(short("a future on IO: core::pending::Pending<()>"), "a future on IO: Pending<()>");
        assert_eq!(short("é::ü: ::"), "ü: ::");
    }
}
