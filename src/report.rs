//! `Report`: what is outstanding on a platform at one moment. Its `Display` is a table.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::async_result::QueueId;
pub use crate::observe::QueueStats;
use crate::queue::Queues;
use crate::register::{Begun, OutstandingEntry};
use crate::timer::{TimedItem, TimedKind, Timers};
use crate::tracker::Known;

/// What is queued, running, pending and held on a platform at one moment.
///
/// Its `Display` is a table with a line for each queue that was used and for each callback that runs, and a line for
/// what has not ended, with the source line that began it: operations, closures, futures, locks, scheduled and waiting
/// items.
///
/// Work items and results are too frequent for that. They are counted, and named as well in builds with debug assertions:
/// that is the profile `dev`, and every profile with `debug-assertions = true`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The queues that exist, without the platform queues that were never used.
    pub queues: Vec<QueueReport>,
    /// What was begun and has not ended.
    pub operations: Vec<OperationReport>,
    /// The scheduled items, the waiting items and the periodic callbacks, each with its name and its line.
    pub pending: Vec<PendingReport>,
    /// The number of scheduled items that are not due.
    pub scheduled: usize,
    /// The number of items that wait for an event.
    pub waiting: usize,
    /// The number of periodic callbacks.
    pub periodic: usize,
    /// Asynchronous results that are held by any owner, including ready ones that were put. A work item has no result
    /// before it runs.
    pub results: usize,
    /// The work items that were put and have not ended, and the results that are held. Empty in builds without debug
    /// assertions.
    pub items: Vec<ItemReport>,
    /// Callbacks that were invoked after their operation had ended otherwise, by a shutdown.
    pub late_calls: u64,
    /// Callbacks that were invoked again, after their End had run.
    pub double_calls: u64,
    /// Whether the platform accepts new work.
    pub running: bool,
    /// How the shutdown went; `None` before its end, and for a platform that ended without one.
    pub shutdown: Option<ShutdownReport>,
}

/// A timed item that is pending, in a [`Report`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PendingReport {
    /// The callback's name.
    pub name: &'static str,
    /// The queue on which it will run.
    pub queue: QueueId,
    /// The source line that scheduled it, put it or added it.
    pub begun: Begun,
    /// The time until it is due, by the runtime's clock; `None` for an item that waits for an event.
    pub due: Option<Duration>,
}

/// A work item or a result, in a [`Report`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ItemReport {
    /// The callback's name.
    pub name: &'static str,
    /// The source line that put the item, or made the result.
    pub begun: Begun,
    /// The queue in which the item waits; `None` for a result, and for an item that runs or whose result is held.
    pub queued: Option<QueueId>,
}

/// How a shutdown went, in a [`Report`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How long it took, by the runtime's clock.
    pub took: Duration,
    /// What it had to wait for, a line for each; empty if everything had ended before.
    pub waited_for: Vec<String>,
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
    pub(crate) fn new(
        queues: &Queues,
        timers: &Timers,
        outstanding: &[OutstandingEntry],
        shutdown: Option<&ShutdownReport>,
    ) -> Report {
        let now = {
            let _context = queues.runtime().enter();
            Instant::now()
        };
        let all = queues.all();
        let handles: usize = all.iter().map(|queue| queue.handles()).sum();
        let holders = outstanding.iter().filter(|entry| entry.holds_token).count();
        let (late_calls, double_calls) = queues.tracker.handle().extra_calls();
        let pending = timers.pending();
        let number_of = |kind| pending.iter().filter(|pending| pending.kind == kind).count();
        Report {
            operations: outstanding.iter().filter_map(|entry| OperationReport::new(entry, now)).collect(),
            scheduled: number_of(TimedKind::Scheduled),
            waiting: number_of(TimedKind::Waiting),
            periodic: number_of(TimedKind::Periodic),
            pending: pending.into_iter().map(PendingReport::new).collect(),
            items: queues.tracker.handle().origins().known().into_iter().map(ItemReport::new).collect(),
            results: queues.tracker.tokens().saturating_sub(handles + holders),
            late_calls,
            running: queues.is_running(),
            double_calls,
            shutdown: shutdown.cloned(),
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

impl PendingReport {
    fn new(TimedItem { name, queue, begun, due, .. }: TimedItem) -> PendingReport {
        PendingReport { name, queue, begun, due }
    }
}

impl ItemReport {
    fn new(Known { name, begun, queued }: Known) -> ItemReport {
        ItemReport { name, begun, queued: queued.map(QueueId) }
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
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))?;
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
        if !self.running {
            write!(f, "; shut down")?;
        }
        let Some(ShutdownReport { took, waited_for }) = &self.shutdown else { return Ok(()) };
        write!(f, " in {took:.1?}")?;
        if !waited_for.is_empty() {
            write!(f, ", which waited for")?;
        }
        waited_for.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl Report {
    /// A line for each operation, pending item, work item and result. Those that are the same and were begun by the same
    /// line are grouped, with their number.
    fn lines(&self) -> Vec<String> {
        let mut operations = groups(
            &self.operations,
            |operation| (&operation.what, operation.begun),
            |operation| Reverse(operation.age),
        );
        operations.sort_by_key(|(_, oldest)| (Reverse(oldest.age), oldest.begun.line()));
        let operations = operations.into_iter().map(|(number, oldest)| {
            let since = format!("since {:.1?}", oldest.age);
            format!("{since:<14} {}{}, begun at {}", times(number), short(&oldest.what), oldest.begun)
        });
        let mut pending = groups(&self.pending, |p| (p.name, p.queue, p.begun, p.due.is_some()), |p| p.due);
        pending.sort_by_key(|(_, first)| (first.due.is_none(), first.due, first.begun.line()));
        let pending = pending.into_iter().map(|(number, PendingReport { name, queue, begun, due })| {
            let (when, how) = match due {
                Some(due) => (format!("due in {due:.1?}"), "scheduled"),
                None => ("waits".to_owned(), "put"),
            };
            format!("{when:<14} {}{} on {queue}, {how} at {begun}", times(number), short(name))
        });
        let mut items = groups(&self.items, |item| (item.queued, item.name, item.begun), |_| ());
        items.sort_by_key(|(_, item)| (item.queued.is_none(), item.queued, item.begun.line()));
        let items = items.into_iter().map(|(number, ItemReport { name, begun, queued })| match queued {
            Some(queue) => {
                format!("{:<14} {}{} on {queue}, put at {begun}", "queued", times(number), short(name))
            }
            None => format!("{:<14} {}{}, made at {begun}", "held", times(number), short(name)),
        });
        operations.chain(pending).chain(items).collect()
    }

    /// The queues that have something to run, a line for each: what a shutdown waits for first.
    pub(crate) fn queued_and_running(&self) -> Vec<String> {
        let busy = self.queues.iter().filter(|queue| queue.stats.depth > 0 || !queue.running.is_empty());
        let line = |queue: &QueueReport| {
            let running: Vec<_> = queue.running.iter().map(|running| format!(", {running}")).collect();
            let queued = many(queue.stats.depth as u64, "item");
            format!("queue {}: {queued} queued{}", queue.id, running.concat())
        };
        busy.map(line).collect()
    }

    /// What is held, a line for each: what a shutdown waits for after it has ended all that it can.
    pub(crate) fn held(&self) -> Vec<String> {
        let queues = self.queues.iter().filter_map(|queue| {
            let at = queue.allocated.filter(|_| queue.handles > 0)?;
            Some(format!("{} to queue {}, allocated at {at}", many(queue.handles as u64, "handle"), queue.id))
        });
        let results = (self.results > 0).then(|| format!("{} held", many(self.results as u64, "result")));
        queues.chain(self.lines()).chain(results).collect()
    }
}

/// Those of the same key, by their number and the first of them by `order`.
fn groups<'a, T, K: Hash + Eq, O: Ord>(
    all: &'a [T],
    key: impl Fn(&'a T) -> K,
    order: impl Fn(&'a T) -> O,
) -> Vec<(usize, &'a T)> {
    let mut groups: HashMap<K, (usize, &T)> = HashMap::new();
    for one in all {
        let (number, first) = groups.entry(key(one)).or_insert((0, one));
        *number += 1;
        if order(one) < order(first) {
            *first = one;
        }
    }
    groups.into_values().collect()
}

fn times(number: usize) -> String {
    if number > 1 { format!("{number} × ") } else { String::new() }
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
            write!(f, "\n  {running}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RunningReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doing = if self.awaits_reply { "awaits the reply to" } else { "runs" };
        write!(f, "{doing} {} since {:.1?}", short(self.name), self.age)
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
