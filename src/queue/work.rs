//! `Work`: what is put on a queue, a work item or the turn of a serial queue above.

use std::sync::Arc;

use crate::async_result::name_of;
use crate::contain::drop_contained;
use crate::queue::budget::Budget;
use crate::queue::priority::Priority;
use crate::queue::result_cache::ResultCache;
use crate::queue::work_item::WorkItem;

pub(crate) enum Work {
    Item(WorkItem),
    Turn(Turn, Priority),
}

impl Work {
    #[inline]
    pub(crate) fn priority(&self) -> Priority {
        match self {
            Work::Item(item) => item.priority,
            Work::Turn(_, priority) => *priority,
        }
    }

    /// The callback's name; a turn has none.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Work::Item(item) => item.callback().map_or("", name_of),
            Work::Turn(..) => "",
        }
    }

    /// Drops what was refused; a turn is abandoned, with those above.
    pub(crate) fn abandon(self) {
        match self {
            Work::Item(item) => _ = drop_contained(item),
            Work::Turn(turn, _) => abandon_turns(vec![turn]),
        }
    }
}

/// What is put on a queue: a job, or the turn of a serial queue. The queue that accepts it takes it out of the slot that
/// it is put from, and one that refuses it leaves it there; so it is moved once, and not at every step of the way.
pub(crate) type Slot = Option<Work>;

/// The turn of a serial queue.
pub(crate) type Turn = Arc<dyn SerialTurn>;

/// The permit of a serial queue to run items on the queue below it. There is one at a time.
pub(crate) trait SerialTurn: Send + Sync {
    /// Runs items of the serial queue, on a thread of the queue below.
    fn run(self: Arc<Self>, budget: &mut Budget, results: &mut ResultCache);

    /// The turn will not come: drops what the serial queue has. Returns the turns of queues above that were among it.
    fn abandon(&self) -> Vec<Turn>;
}

/// Abandons turns, and those of the queues above. Not by recursion, because queues may be stacked high.
pub(crate) fn abandon_turns(mut turns: Vec<Turn>) {
    while let Some(turn) = turns.pop() {
        turns.append(&mut turn.abandon());
    }
}
