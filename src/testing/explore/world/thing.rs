//! `Thing`: one of the things that may happen in a run, and what the world keeps of each.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::stepping::{LocalTask, SteppedQueue};
use crate::testing::explore::parts::Part;
use crate::testing::explore::wakes::TaskWake;

/// A task that the world polls.
pub(super) struct WorldTask {
    pub(super) name: Arc<str>,
    pub(super) number: u64,
    pub(super) stays: Stays,
    /// `None` while it is polled.
    pub(super) future: Option<LocalTask>,
    pub(super) wake: Arc<TaskWake>,
}

pub(super) struct WorldQueue {
    pub(super) queue: Arc<dyn SteppedQueue>,
    pub(super) number: u64,
    /// When it last began to have something that may be next.
    pub(super) since: Cell<u64>,
    pub(super) was_ready: Cell<bool>,
}

/// An item that blocks, and has not ended.
pub(super) struct BlockedItem {
    pub(super) since: u64,
    pub(super) work: Box<dyn FnOnce() + Send>,
}

/// An item that was left in the middle.
pub(super) struct WorldPart {
    pub(super) part: Part,
    pub(super) queue: Rc<WorldQueue>,
    /// The step that it began in, and what it is as an actor.
    pub(super) step: usize,
    pub(super) number: u64,
    pub(super) since: u64,
}

/// Whether a task belongs to the thread of a window queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stays {
    OnAnyThread,
    OnItsThread,
}

/// One of the things that may happen next.
#[derive(Clone, Copy)]
pub(super) struct Offer {
    pub(super) thing: Thing,
    pub(super) since: u64,
}

#[derive(Clone, Copy)]
pub(super) enum Thing {
    Task(usize),
    /// A queue, and which of the items that may be next.
    Queue(usize, usize),
    Blocking(usize),
    /// An item that was left in the middle goes on.
    Part(usize),
    /// A task that was spawned on the runtime itself.
    Runtime,
    /// Time passes although something else may happen.
    Clock,
}
