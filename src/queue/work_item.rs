//! `WorkItem`: what a user puts on a work queue, and the job that it is for.

use std::sync::Arc;

use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackParameters, IntoUnknown, QueueId, Token, Unknown, list_origin,
};
use crate::error;
use crate::queue::priority::Priority;
use crate::queue::result_cache::{Invocation, ItemState};
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
    pub(super) job: Job,
    pub(super) priority: Priority,
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
