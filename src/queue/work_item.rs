//! `WorkItem`, what is put on a queue, and what a queue makes of it: a queued item, and how it runs.
//!
//! Panics of user code stop here: of a callback, its name, and the drop of what the item held.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, IntoUnknown, QueueId, Token, Unknown,
    list_origin, name_of,
};
use crate::contain::{contain, drop_contained, drop_payload};
use crate::error::{self, Error};
use crate::observe::{PutSpan, Run, Running};
use crate::queue::budget::{Budget, Stamp, is_timed_alone};
use crate::queue::current_queue::CurrentQueue;
use crate::queue::priority::Priority;
use crate::queue::result_cache::{Invocation, ItemState, ResultCache};
use crate::stepping;
use crate::tracker::{Begun, Origin, Tracker};

/// What is put on a work queue: a callback with a state, or a ready result; and its priority.
///
/// ```
/// use std::sync::Arc;
/// use mf_async::{AsyncResult, Priority, WorkItem};
///
/// let callback = Arc::new(|result: &AsyncResult| assert_eq!(result.state(), Some(&7)));
/// let item = WorkItem::new(callback).state(Arc::new(7)).priority(Priority::High);
/// ```
pub struct WorkItem {
    job: Job,
    priority: Priority,
}

impl WorkItem {
    /// A work item that calls `callback` once, with a result made for it.
    #[must_use]
    pub fn new(callback: Arc<dyn AsyncCallback>) -> WorkItem {
        WorkItem::of(callback, None)
    }

    #[inline(always)]
    pub(crate) fn of(callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> WorkItem {
        let state = ItemState::new(state);
        let job = Job::Invocation(Invocation { callback, state, origin: Origin::default() });
        WorkItem { job, priority: Priority::Normal }
    }

    /// A work item that calls the callback of a ready result once, with that result.
    #[must_use]
    pub fn from_result(result: &AsyncResult) -> WorkItem {
        result.clone().into()
    }

    /// The state of the result that the callback is called with. A ready result keeps its own.
    #[must_use]
    pub fn state(mut self, state: impl IntoUnknown) -> WorkItem {
        if let Job::Invocation(invocation) = &mut self.job {
            invocation.state = ItemState::new(state.into_unknown());
        }
        self
    }

    /// Before or after which others of the queue it goes.
    #[must_use]
    #[inline(always)]
    pub fn priority(mut self, priority: impl Into<Priority>) -> WorkItem {
        self.priority = priority.into();
        self
    }

    /// The callback that it calls; none if it is a result without one.
    #[inline]
    pub(crate) fn callback(&self) -> Option<&dyn AsyncCallback> {
        self.job.callback()
    }

    /// The ready result that it is, if it is one.
    pub(crate) fn ready(&self) -> Option<&AsyncResult> {
        if let Job::Ready(result) = &self.job { Some(result) } else { None }
    }

    /// It is put on this queue now, by the line `begun`: reports say so.
    #[inline(always)]
    pub(crate) fn put_by<C>(&mut self, begun: Option<Begun>, queue: QueueId, tracker: &Tracker<C>) {
        // A ready result has its own origin: the line that made it.
        if let (Job::Invocation(invocation), Some(begun)) = (&mut self.job, begun) {
            invocation.origin = list_origin(tracker.handle(), begun, Some(queue), Some(&invocation.callback));
        }
    }

    /// What it calls.
    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    /// What it calls, and its priority.
    pub(crate) fn into_job(self) -> (Job, Priority) {
        (self.job, self.priority)
    }
}

/// What a work item calls.
pub(crate) enum Job {
    Invocation(Invocation),
    Ready(AsyncResult),
}

impl Job {
    /// The result that it calls back with, made with a token if there is none yet.
    pub(crate) fn into_result(
        self,
        token: impl FnOnce() -> error::Result<Token>,
    ) -> error::Result<AsyncResult> {
        match self {
            Job::Ready(result) => Ok(result),
            Job::Invocation(Invocation { callback, state, origin }) => {
                Ok(AsyncResult::of_item(callback, state.take(), Some(token()?), origin))
            }
        }
    }

    /// The callback that it calls; none if it is a result without one.
    #[inline]
    fn callback(&self) -> Option<&dyn AsyncCallback> {
        match self {
            Job::Invocation(invocation) => Some(&*invocation.callback),
            Job::Ready(result) => result.callback().map(|callback| &**callback),
        }
    }

    /// The parameters of the callback; the default ones of a ready result without a callback.
    #[inline]
    pub(crate) fn parameters(&self) -> CallbackParameters {
        self.callback().map_or_else(CallbackParameters::default, AsyncCallback::parameters)
    }
}

impl From<Job> for WorkItem {
    fn from(job: Job) -> WorkItem {
        match job {
            Job::Invocation(_) => WorkItem { job, priority: Priority::Normal },
            Job::Ready(result) => result.into(),
        }
    }
}

impl std::fmt::Debug for WorkItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkItem").field("priority", &self.priority).finish_non_exhaustive()
    }
}

/// What can be put on a queue: a callback, a ready result, or a [`WorkItem`] made of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be put on a work queue",
    label = "this is no callback in an `Arc`, no `AsyncResult` and no `WorkItem`",
    note = "a callback is an `Arc` of an `AsyncCallback`; `mf_async::callback(|result| ..)` makes one of a closure",
    note = "for a closure without arguments there is `WorkQueue::run`"
)]
pub trait IntoWorkItem {
    /// The work item.
    fn into_work_item(self) -> WorkItem;
}

impl IntoWorkItem for WorkItem {
    #[inline(always)]
    fn into_work_item(self) -> WorkItem {
        self
    }
}

impl IntoWorkItem for Arc<dyn AsyncCallback> {
    #[inline(always)]
    fn into_work_item(self) -> WorkItem {
        self.into()
    }
}

impl<C: AsyncCallback + 'static> IntoWorkItem for Arc<C> {
    #[inline(always)]
    fn into_work_item(self) -> WorkItem {
        self.into()
    }
}

impl IntoWorkItem for AsyncResult {
    #[inline(always)]
    fn into_work_item(self) -> WorkItem {
        self.into()
    }
}

impl IntoWorkItem for &AsyncResult {
    #[inline(always)]
    fn into_work_item(self) -> WorkItem {
        self.into()
    }
}

impl From<Arc<dyn AsyncCallback>> for WorkItem {
    fn from(callback: Arc<dyn AsyncCallback>) -> WorkItem {
        WorkItem::new(callback)
    }
}

impl<C: AsyncCallback + 'static> From<Arc<C>> for WorkItem {
    fn from(callback: Arc<C>) -> WorkItem {
        WorkItem::new(callback)
    }
}

impl From<AsyncResult> for WorkItem {
    #[inline]
    fn from(result: AsyncResult) -> WorkItem {
        WorkItem { job: Job::Ready(result), priority: Priority::Normal }
    }
}

impl From<&AsyncResult> for WorkItem {
    fn from(result: &AsyncResult) -> WorkItem {
        WorkItem::from_result(result)
    }
}

/// What is put on a queue: a job, or the turn of a serial queue. The queue that accepts it takes it out of the slot that
/// it is put from, and one that refuses it leaves it there; so it is moved once, and not at every step of the way.
pub(crate) type Slot = Option<Work>;

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
