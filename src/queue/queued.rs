//! `Queued`: an item that waits in a queue, and how it runs.
//!
//! Panics of user code stop here: of a callback, its name, and the drop of what the item held.

use std::time::{Duration, Instant};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackFlags, QueueId, name_of};
use crate::contain::{contain, drop_payload};
use crate::error::Error;
use crate::observe::{PutSpan, Run, Running};
use crate::queue::budget::{Budget, Stamp, is_timed_alone};
use crate::queue::current_queue::CurrentQueue;
use crate::queue::priority::Priority;
use crate::queue::result_cache::ResultCache;
use crate::queue::work::{Slot, Work};
use crate::queue::work_item::{Job, WorkItem};
use crate::stepping;

/// An item that waits in a queue.
pub(crate) struct Queued {
    /// `None` once it has run.
    work: Slot,
    /// When it was put; the queue decides for which items that is measured.
    put_at: Option<Stamp>,
    pub(crate) flags: CallbackFlags,
    /// Which barriers wait for it: see the engine's generations.
    pub(crate) generation: u32,
    span: PutSpan,
}

impl Queued {
    /// Takes what is put. Its flags and generation, and whether its wait is measured, are set in the queue.
    #[inline(always)]
    pub(crate) fn take(slot: &mut Slot, span: PutSpan) -> Queued {
        Queued { work: slot.take(), put_at: None, flags: CallbackFlags::empty(), generation: 0, span }
    }

    /// Its priority; the usual one once it has run.
    pub(crate) fn priority(&self) -> Priority {
        self.work.as_ref().map_or(Priority::Normal, Work::priority)
    }

    /// The callback that it calls; none if it is a turn, or a result without a callback.
    #[inline]
    fn callback(&self) -> Option<&dyn AsyncCallback> {
        if let Some(Work::Item(item)) = &self.work { item.callback() } else { None }
    }

    /// It is put now, and its wait is measured.
    #[inline]
    pub(crate) fn measure(&mut self) {
        self.put_at = Some(Stamp::now());
    }

    #[inline]
    pub(crate) fn is_turn(&self) -> bool {
        matches!(self.work, Some(Work::Turn(..)))
    }

    /// What was put, unless it has run.
    pub(crate) fn into_work(self) -> Slot {
        self.work
    }

    /// The callback's name, which is the callback's own code: ask for it under no lock.
    #[inline]
    pub(crate) fn name(&self) -> Option<&'static str> {
        self.callback().map(name_of)
    }

    /// What a report says while the item runs.
    pub(crate) fn running(&self, since: Instant) -> Running {
        Running { name: self.name().unwrap_or_default(), since, awaits_reply: false }
    }

    /// Makes the item's result, and returns it; a turn has none.
    pub(crate) fn make_result(&mut self, results: &mut ResultCache) -> Option<AsyncResult> {
        let Some(Work::Item(item)) = &mut self.work else { return None };
        if let Job::Ready(result) = &item.job {
            return Some(result.clone());
        }
        let Some(Work::Item(WorkItem { job: Job::Invocation(invocation), priority })) = self.work.take()
        else {
            return None;
        };
        invocation.origin.leave_queue();
        let result = results.make(invocation);
        self.work = Some(Work::Item(WorkItem { job: Job::Ready(result.clone()), priority }));
        Some(result)
    }

    /// Whether the clock is read right before it runs, too.
    #[inline]
    pub(crate) fn is_timed_alone(&self) -> bool {
        self.is_turn() || is_timed_alone(self.flags)
    }

    /// How long it has waited, if that is measured.
    #[inline]
    pub(crate) fn waited(&self, now: Instant) -> Option<Duration> {
        self.put_at.map(|put_at| put_at.until(now))
    }

    /// Runs the item, whose callback has this name, and drops what it held. The caller has entered the queue.
    ///
    /// Returns what it adds to the counters: nothing for a turn, whose items are counted by the serial queue.
    #[inline(always)]
    pub(crate) fn run(
        &mut self,
        name: Option<&'static str>,
        on: CurrentQueue,
        budget: &mut Budget,
        results: &mut ResultCache,
    ) -> Option<Run> {
        let name = name.unwrap_or_default();
        let panicked = match self.work.take()? {
            Work::Turn(turn, _) => {
                turn.run(budget, results);
                return None;
            }
            Work::Item(WorkItem { job: Job::Invocation(invocation), .. }) => {
                invocation.origin.leave_queue();
                let result = results.make(invocation);
                let panicked = self.invoke(&result, name, on);
                panicked | contain(|| results.take_back(result)).map_err(drop_payload).is_err()
            }
            Work::Item(WorkItem { job: Job::Ready(result), .. }) => {
                self.invoke(&result, name, on) | result.drop_owner()
            }
        };
        Some(Run { panicked, time: budget.record(on.queue, self.flags, name) })
    }

    /// Calls the callback, inside the span of the put; true if it panicked.
    #[inline(always)]
    fn invoke(&self, result: &AsyncResult, name: &'static str, on: CurrentQueue) -> bool {
        let Some(callback) = result.callback() else { return false };
        self.span.enter(on.platform, on.queue, name, || invoke(&**callback, result, name, on.queue))
    }
}

/// Calls the callback; true if it panicked. A panic fails what depends on the result.
#[inline]
fn invoke(callback: &dyn AsyncCallback, result: &AsyncResult, name: &'static str, queue: QueueId) -> bool {
    result.set_invoked();
    stepping::has_begun(|| (queue.0, name));
    let Err(payload) = contain(|| callback.invoke(result)) else { return false };
    // A component's own item carries its caller's result as state: what awaits that one fails now, instead of being
    // abandoned later.
    match result.state::<AsyncResult>() {
        Some(waiting) => waiting.fail(Error::panicked(&format!("callback {name} on queue {queue}"), payload)),
        None => drop_payload(payload),
    }
    true
}
