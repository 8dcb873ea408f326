//! `WorkItem`, what is put on a queue, and what a queue makes of it: a queued item, and how it runs.
//!
//! Panics of user code stop here: of a callback, its name, and the drop of what the item held.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, IntoUnknown, QueueId, Token, Unknown,
};
use crate::contain::{contain, drop_contained, drop_payload};
use crate::error::{self, Error};
use crate::observe::{Run, Running, Span};
use crate::queue::budget::{Budget, Stamp, is_timed_alone};
use crate::queue::current_queue::CurrentQueue;
use crate::queue::priority::Priority;
use crate::queue::result_cache::{Invocation, ResultCache};
use crate::stepping;

/// What is put on a work queue: a callback with a state, or a ready result; and its priority.
///
/// ```
/// use std::sync::Arc;
/// use mf_async::{AsyncResult, Priority, WorkItem};
///
/// let callback = Arc::new(|result: &AsyncResult| assert_eq!(result.state(), Some(&7)));
/// let item = WorkItem::new(callback).state(Arc::new(7)).priority(Priority::High);
/// ```
pub struct WorkItem(pub(crate) Queued);

impl WorkItem {
    /// A work item that calls `callback` once, with a result made for it.
    #[must_use]
    pub fn new(callback: Arc<dyn AsyncCallback>) -> WorkItem {
        WorkItem::of(callback, None)
    }

    #[inline(always)]
    pub(crate) fn of(callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> WorkItem {
        WorkItem(Queued::new(QueuedWork::Invocation(Invocation { callback, state }), Priority::Normal))
    }

    /// A work item that calls the callback of a ready result once, with that result.
    #[must_use]
    pub fn from_result(result: &AsyncResult) -> WorkItem {
        result.clone().into()
    }

    /// The state of the result that the callback is called with. A ready result keeps its own.
    #[must_use]
    pub fn state(mut self, state: impl IntoUnknown) -> WorkItem {
        if let QueuedWork::Invocation(invocation) = &mut self.0.work {
            invocation.state = state.into_unknown();
        }
        self
    }

    /// Before or after which others of the queue it goes.
    #[must_use]
    #[inline(always)]
    pub fn priority(mut self, priority: impl Into<Priority>) -> WorkItem {
        self.0.priority = priority.into();
        self
    }
}

impl WorkItem {
    /// What it calls, and its priority, for what is put later or by another.
    pub(crate) fn into_job(self) -> (Job, Priority) {
        let job = match self.0.work {
            QueuedWork::Invocation(invocation) => Job::Invocation(invocation),
            QueuedWork::Ready(result) => Job::Ready(result),
            // No work item is a turn: those are made inside the queues.
            QueuedWork::Turn(_) => {
                Job::Invocation(Invocation { callback: Arc::new(|_: &AsyncResult| ()), state: None })
            }
        };
        (job, self.0.priority)
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
            Job::Invocation(Invocation { callback, state }) => {
                Ok(AsyncResult::of_item(callback, state, Some(token()?)))
            }
        }
    }

    /// The parameters of the callback; the default ones of a ready result without a callback.
    #[inline]
    pub(crate) fn parameters(&self) -> CallbackParameters {
        match self {
            Job::Invocation(invocation) => invocation.callback.parameters(),
            Job::Ready(result) => {
                result.callback().map_or_else(CallbackParameters::default, |callback| callback.parameters())
            }
        }
    }
}

impl From<Job> for WorkItem {
    fn from(job: Job) -> WorkItem {
        match job {
            Job::Invocation(Invocation { callback, state }) => WorkItem::of(callback, state),
            Job::Ready(result) => result.into(),
        }
    }
}

impl std::fmt::Debug for WorkItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkItem").field("priority", &self.0.priority).finish_non_exhaustive()
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
        WorkItem(Queued::new(QueuedWork::Ready(result), Priority::Normal))
    }
}

impl From<&AsyncResult> for WorkItem {
    fn from(result: &AsyncResult) -> WorkItem {
        WorkItem::from_result(result)
    }
}

/// An item that waits in a queue.
pub(crate) struct Queued {
    work: QueuedWork,
    /// When it was put; the queue decides for which items that is measured.
    put_at: Option<Stamp>,
    pub(crate) flags: CallbackFlags,
    pub(crate) priority: Priority,
    /// Which barriers wait for it: see the engine's generations.
    pub(crate) generation: u8,
    span: Span,
}

enum QueuedWork {
    Invocation(Invocation),
    Ready(AsyncResult),
    Turn(Arc<dyn SerialTurn>),
}

/// The permit of a serial queue to run items on the queue below it. There is one at a time.
pub(crate) trait SerialTurn: Send + Sync {
    /// Runs items of the serial queue, on a thread of the queue below.
    fn run(self: Arc<Self>, budget: &mut Budget, results: &mut ResultCache);

    /// The turn will not come: drops what the serial queue has. Returns the turns of queues above that were among it.
    fn abandon(&self) -> Vec<Arc<dyn SerialTurn>>;
}

/// Abandons turns, and those of the queues above. Not by recursion, because queues may be stacked high.
pub(crate) fn abandon_turns(mut turns: Vec<Arc<dyn SerialTurn>>) {
    while let Some(turn) = turns.pop() {
        turns.append(&mut turn.abandon());
    }
}

impl Queued {
    #[inline(always)]
    fn new(work: QueuedWork, priority: Priority) -> Queued {
        let flags = CallbackFlags::empty();
        Queued { work, put_at: None, flags, priority, generation: 0, span: Span::current() }
    }

    pub(crate) fn turn(of: Arc<dyn SerialTurn>, priority: Priority) -> Queued {
        Queued::new(QueuedWork::Turn(of), priority)
    }

    /// The result, if it is a ready one.
    pub(crate) fn ready(&self) -> Option<&AsyncResult> {
        if let QueuedWork::Ready(result) = &self.work { Some(result) } else { None }
    }

    /// The callback that it calls; none if it is a turn, or a result without a callback.
    #[inline]
    pub(crate) fn callback(&self) -> Option<&dyn AsyncCallback> {
        match &self.work {
            QueuedWork::Invocation(invocation) => Some(&*invocation.callback),
            QueuedWork::Ready(result) => result.callback().map(|callback| &**callback),
            QueuedWork::Turn(_) => None,
        }
    }

    /// It is put now, and its wait is measured.
    #[inline]
    pub(crate) fn measure(&mut self) {
        self.put_at = Some(Stamp::now());
    }

    #[inline]
    pub(crate) fn is_turn(&self) -> bool {
        matches!(self.work, QueuedWork::Turn(_))
    }

    /// The turn, if it is one, or the item.
    pub(crate) fn into_turn(self) -> Result<Arc<dyn SerialTurn>, Queued> {
        match self.work {
            QueuedWork::Turn(turn) => Ok(turn),
            _ => Err(self),
        }
    }

    /// Its callback's name, as far as it has one. That is the callback's own code: ask under no lock.
    pub(crate) fn name(&self) -> &'static str {
        self.callback().map_or("", name_of)
    }

    /// What a report says while the item runs. The name is the callback's own code: ask for it under no lock.
    pub(crate) fn running(&self, since: Instant) -> Running {
        Running { name: self.name(), since, awaits_reply: false }
    }

    /// The item with its result made, and the result; a turn has none.
    pub(crate) fn with_result(self, results: &mut ResultCache) -> (Queued, Option<AsyncResult>) {
        let result = match self.work {
            QueuedWork::Invocation(invocation) => results.make(invocation),
            QueuedWork::Ready(result) => result,
            QueuedWork::Turn(_) => return (self, None),
        };
        (Queued { work: QueuedWork::Ready(result.clone()), ..self }, Some(result))
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

    /// Runs the item and drops what it held. `publish` gets the callback's name before it is called.
    ///
    /// Returns what it adds to the counters: nothing for a turn, whose items are counted by the serial queue.
    #[inline(always)]
    pub(crate) fn run(
        self,
        on: CurrentQueue,
        budget: &mut Budget,
        results: &mut ResultCache,
        publish: impl FnOnce(&'static str),
    ) -> Option<Run> {
        let (span, flags) = (self.span, self.flags);
        let mut name = "";
        let invoke = |result: &AsyncResult| {
            let Some(callback) = result.callback() else { return false };
            name = name_of(&**callback);
            publish(name);
            span.enter(on.queue, name, || invoke(&**callback, result, name, on.queue))
        };
        let panicked = match self.work {
            QueuedWork::Turn(turn) => {
                on.enter(|| turn.run(budget, results));
                return None;
            }
            QueuedWork::Invocation(invocation) => {
                let result = results.make(invocation);
                on.enter(|| {
                    invoke(&result) | contain(|| results.take_back(result)).map_err(drop_payload).is_err()
                })
            }
            QueuedWork::Ready(result) => on.enter(|| invoke(&result) | drop_contained(result)),
        };
        Some(Run { panicked, time: budget.record(on.queue, flags, name) })
    }
}

/// The callback's name. One that panics when it is asked has none.
#[inline]
fn name_of(callback: &dyn AsyncCallback) -> &'static str {
    contain(|| callback.name()).map_err(drop_payload).unwrap_or("a callback whose name panics")
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
