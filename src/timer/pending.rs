//! `TimedItem`: what is pending in the table of timers, by name and line, for reports.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::async_result::{AsyncCallback, QueueId, name_of};
use crate::cancel::WorkItemKey;
use crate::contain::drop_contained;
use crate::queue::Job;
use crate::sync::LockExt;
use crate::timer::Timers;
use crate::timer::table::{TimerEntry, Waits};
use crate::tracker::Begun;

/// A pending item or a periodic callback, for reports.
pub(crate) struct TimedItem {
    pub(crate) kind: TimedKind,
    /// The callback's name.
    pub(crate) name: &'static str,
    pub(crate) queue: QueueId,
    pub(crate) begun: Begun,
    /// The time until it is due; `None` for one that waits for an event.
    pub(crate) due: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimedKind {
    Scheduled,
    Waiting,
    Periodic,
}

impl Timers {
    /// What is pending, for reports. The names are user code, so they are asked for after the table is unlocked.
    pub(crate) fn pending(&self) -> Vec<TimedItem> {
        type Named = Option<Arc<dyn AsyncCallback>>;
        let now = self.now();
        let found: Vec<(TimedItem, Named)> = {
            let table = self.table.locked();
            let mut due: HashMap<WorkItemKey, u64> = HashMap::new();
            due.extend(table.due.iter().map(|Reverse(entry)| (entry.key, entry.at)));
            let pending = |(index, entry): (usize, &TimerEntry)| {
                let (kind, named, queue): (_, Named, _) = match &entry.waits {
                    Waits::Scheduled(Job::Invocation(item), queue) => {
                        (TimedKind::Scheduled, Some(item.callback.clone()), *queue)
                    }
                    Waits::Scheduled(Job::Ready(result), queue) => {
                        (TimedKind::Scheduled, result.callback().cloned(), *queue)
                    }
                    Waits::ForEvent(_, queue, callback) => {
                        (TimedKind::Waiting, callback.as_ref().and_then(Weak::upgrade), *queue)
                    }
                    Waits::Periodic { result, .. } => {
                        (TimedKind::Periodic, result.callback().cloned(), QueueId::TIMER)
                    }
                };
                let due = table.key(index).and_then(|key| due.get(&key));
                let due = due.map(|at| Duration::from_nanos(at.saturating_sub(now)));
                (TimedItem { kind, name: "", queue, begun: entry.begun, due }, named)
            };
            table.entries.iter().map(pending).collect()
        };
        let name = |(pending, callback): (TimedItem, Named)| {
            let name = callback.as_deref().map_or("a result without a callback", name_of);
            drop_contained(callback);
            TimedItem { name, ..pending }
        };
        found.into_iter().map(name).collect()
    }
}
