//! The inbox: what was put and not taken out yet, and which drain tasks there are to take it.

use std::task::Waker;
use std::time::Instant;

use slab::Slab;

use crate::observe::{QueueStats, Run, Running};
use crate::queue::drain::DrainState;
use crate::queue::item::Item;
use crate::queue::lanes::Lanes;
use crate::queue::pool::{Activity, Take};

#[derive(Default)]
pub(super) struct Inbox {
    pub(super) lanes: Lanes,
    /// The drain tasks that rest, each with its number.
    idle: Vec<(usize, Waker)>,
    searching: usize,
    /// How many drain tasks exist.
    drains: usize,
    /// The numbers of drain tasks that have ended.
    free: Vec<usize>,
    pub(super) put: u64,
    /// The thread of the last put.
    pub(super) put_by: usize,
    /// A drain task was summoned by a thread that is one of the runtime's, and may not come before that thread
    /// has done with something else.
    pub(super) summoned_here: bool,
    /// How much had run when somebody looked whether the pool goes on.
    pub(super) progress: u64,
    /// The hand that is looked into next, and what had run from it when it was looked into last.
    pub(super) suspect: (usize, u64),
    pub(super) phase: Phase,
    /// How many drain tasks have something in their hands.
    pub(super) holders: usize,
    /// What drain tasks run that they took out of here one by one, by their numbers.
    pub(super) direct: Vec<Option<Running>>,
    /// What the blocking pool runs for this queue.
    pub(super) blocking: Slab<Running>,
    /// What of both has run, and what was let go.
    pub(super) stats: QueueStats,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Open,
    /// No put any more, save for turns; drain tasks end when nothing is left.
    Closing,
    /// What was queued is gone; drain tasks end.
    Dead,
}

/// Who is to come and look; answered when no lock is held.
pub(super) enum Summon {
    Wake(Waker),
    Start(usize),
}

impl Inbox {
    /// Whether a drain task is on its way to look.
    #[inline]
    pub(super) fn is_searched(&self) -> bool {
        self.searching > 0
    }

    /// Whether a drain task runs something.
    #[inline]
    pub(super) fn is_drained(&self) -> bool {
        self.drains > self.idle.len() + self.searching
    }

    /// Whether there is nobody that could be summoned.
    pub(super) fn is_at_its_limit(&self, width: usize) -> bool {
        self.idle.is_empty() && self.drains == width
    }

    /// Something waits: finds a drain task for it, unless one is on its way.
    #[must_use]
    #[inline]
    pub(super) fn summon(&mut self, width: usize) -> Option<Summon> {
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
        let number = self.free.pop().unwrap_or(self.drains);
        self.drains += 1;
        self.direct.resize(self.direct.len().max(number + 1), None);
        self.searching = 1;
        Some(Summon::Start(number))
    }

    /// A drain task is here: summoned, woken for some reason of its own, or come back from an item.
    #[inline]
    pub(super) fn arrived(&mut self, drain: &mut DrainState) {
        self.summoned_here = false;
        if drain.activity != Activity::Idle {
            return;
        }
        drain.activity = Activity::Searching;
        if let Some(at) = self.idle.iter().position(|(number, _)| *number == drain.number) {
            self.idle.swap_remove(at);
            self.searching += 1;
        }
    }

    /// What runs and did not come out of a hand.
    pub(super) fn running(&self) -> impl Iterator<Item = &Running> {
        self.direct.iter().flatten().chain(self.blocking.iter().map(|(_, running)| running))
    }

    /// An item is about to run.
    #[inline]
    pub(super) fn start(&mut self, number: usize, item: &Item, now: Instant) {
        self.direct[number] = Some(item.running(now));
        if let Some(wait) = item.waited(now) {
            self.stats.waited(wait);
        }
    }

    /// What a drain task ran last has ended; no `run` if it ran nothing, or a turn, whose items are counted
    /// elsewhere.
    #[inline]
    pub(super) fn finish(&mut self, number: usize, run: Option<Run>) {
        self.direct[number] = None;
        if let Some(run) = run {
            self.stats.add(run);
        }
    }

    /// A drain task has found an item.
    #[inline]
    pub(super) fn found(&mut self, drain: &mut DrainState) {
        if drain.activity == Activity::Searching {
            drain.activity = Activity::Running;
            self.searching -= 1;
        }
    }

    /// A drain task has found nothing. It `may_spin` before it rests.
    #[inline]
    pub(super) fn rest(&mut self, drain: &mut DrainState, waker: &Waker, may_spin: bool) -> Take {
        if drain.activity == Activity::Running {
            drain.activity = Activity::Searching;
            self.searching += 1;
        }
        if self.phase != Phase::Open {
            self.searching -= 1;
            self.drains -= 1;
            self.free.push(drain.number);
            return Take::End;
        }
        if may_spin && drain.since_spin >= FLOOD {
            drain.since_spin = 0;
            return Take::Spin;
        }
        drain.activity = Activity::Idle;
        self.searching -= 1;
        self.idle.push((drain.number, waker.clone()));
        Take::Rest
    }

    /// Calls every drain task that rests.
    pub(super) fn rouse(&mut self) -> Vec<Waker> {
        self.searching += self.idle.len();
        self.idle.drain(..).map(|(_, waker)| waker).collect()
    }
}

/// After so many items it is worth to wait for more without resting. After fewer it is not: what the last one
/// woke may be waiting for this very worker.
pub(super) const FLOOD: u32 = 4;
