//! Dispatch: how results and work items come to the queue that they name, or are put on.

use std::sync::Arc;

use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Dispatch, QueueId, Shortcut,
};
use crate::contain::{Payload, contain, drop_contained};
use crate::error::{Error, Result};
use crate::queue::kind::Queue;
use crate::queue::priority::Priority;
use crate::queue::table::Queues;
use crate::queue::work::{Slot, Work};
use crate::queue::work_item::{IntoWorkItem, Job, WorkItem};
use crate::tracker::{Begun, closed};

impl Queues {
    /// `MFInvokeCallback`: a reply if a serial queue awaits one, else the callback, on the queue that it names.
    #[inline]
    pub(crate) fn invoke(&self, result: &AsyncResult) -> Result<()> {
        if let Some(serial) = result.take_reply() {
            serial.replied();
            return Ok(());
        }
        self.admit("invoke a callback")?;
        self.invoke_late(Priority::Normal, result)
    }

    /// Invokes a callback that was accepted before: a timer's, or a wait's.
    #[inline]
    pub(crate) fn invoke_late(&self, priority: Priority, result: &AsyncResult) -> Result<()> {
        let Some(callback) = result.callback() else {
            result.signal();
            return Ok(());
        };
        // An operation takes one end by itself.
        if matches!(callback.shortcut(), Shortcut::HandOver(_)) {
            result.set_invoked();
        } else if !result.claim_invoke() {
            return Ok(());
        }
        self.send(priority, result, callback)
    }

    /// Hands the result to its callback, or puts it on the queue that the callback names.
    #[inline]
    fn send(
        &self,
        priority: Priority,
        result: &AsyncResult,
        callback: &Arc<dyn AsyncCallback>,
    ) -> Result<()> {
        let own = if let Shortcut::HandOver(own) = callback.shortcut() { Some(own) } else { None };
        if own.is_some_and(|own| own.hand_over(result)) {
            return Ok(());
        }
        let parameters = ask(callback)?;
        let mut slot = Some(Work::Item(WorkItem::from_result(result).priority(priority)));
        let queued = self
            .resolve(parameters.queue, |queue| enqueue(queue, &mut slot, parameters.flags))
            .and_then(|queued| queued);
        if queued.as_ref().is_err_and(Error::is_shutdown) && own.is_some_and(|own| own.hand_over_last(result))
        {
            return Ok(());
        }
        queued
    }

    /// Puts a work item on the queue of this id: `MFPutWorkItem` and its kin.
    ///
    /// A ready result goes along: when it has run before this returns, nothing of it is left here whose drop could be the
    /// last. `begun` is the line that reports name; `None` for an item of this crate, which reports name otherwise.
    #[inline]
    pub(crate) fn put(&self, queue: QueueId, item: WorkItem, begun: Option<Begun>) -> Result<()> {
        let mut slot = Some(Work::Item(item));
        let put = |queue: &Arc<Queue>| self.put_item(queue, &mut slot, begun);
        let put = self.admit(PUT).and_then(|()| self.resolve(queue, put)?);
        if put.is_err() {
            drop_refused(&mut slot);
        }
        put
    }

    /// Puts a work item on the queue that its callback names. A ready result is invoked.
    pub(crate) fn invoke_item(&self, mut item: WorkItem, begun: Option<Begun>) -> Result<()> {
        if let Some(result) = item.ready() {
            let result = result.clone();
            drop_contained(item);
            return self.invoke(&result);
        }
        let asked =
            self.admit("invoke a callback").and_then(|()| contain(|| item.job().parameters()).map_err(asked));
        match asked {
            Ok(CallbackParameters { queue, flags }) => {
                item.put_by(begun, queue, &self.tracker);
                let mut slot = Some(Work::Item(item));
                let put = self.resolve(queue, |queue| enqueue(queue, &mut slot, flags));
                drop_refused(&mut slot);
                put?
            }
            Err(error) => {
                drop_contained(item);
                Err(error)
            }
        }
    }

    /// The same on a queue that the caller holds.
    #[inline(always)]
    pub(crate) fn put_on(
        &self,
        queue: &Arc<Queue>,
        item: impl IntoWorkItem,
        begun: Option<Begun>,
    ) -> Result<()> {
        let mut slot = Some(Work::Item(item.into_work_item()));
        let put = self.admit(PUT).and_then(|()| self.put_item(queue, &mut slot, begun));
        if put.is_err() {
            drop_refused(&mut slot);
        }
        put
    }

    /// Puts an item. A ready result without a callback signals its event instead.
    #[inline(always)]
    fn put_item(&self, queue: &Queue, slot: &mut Slot, begun: Option<Begun>) -> Result<()> {
        let Some(Work::Item(item)) = slot else { return Ok(()) };
        let Some(flags) = item.callback().map(ask_flags).transpose()? else {
            item.ready().inspect(|result| result.signal());
            return Ok(());
        };
        if let Some(result) = item.ready() {
            result.check_not_awaited(PUT)?;
            if result.has_failed() && !result.claim_invoke() {
                return Ok(());
            }
            result.set_invoked();
        }
        item.put_by(begun, queue.id, &self.tracker);
        enqueue(queue, slot, flags)
    }

    /// Dispatches what was accepted before, on the queue that its callback names, which is asked again.
    pub(crate) fn dispatch(&self, job: Job, priority: Priority) -> Result<()> {
        match job {
            Job::Ready(result) => {
                let dispatched = self.dispatch_result(priority, &result);
                drop_contained(result);
                dispatched
            }
            Job::Invocation(_) => {
                let parameters = job.parameters();
                let mut slot = Some(Work::Item(WorkItem::from(job).priority(priority)));
                self.resolve(parameters.queue, |queue| enqueue(queue, &mut slot, parameters.flags))?
            }
        }
    }

    /// The same for a result. If a serial queue awaits a reply by it, this is the reply.
    pub(crate) fn dispatch_result(&self, priority: Priority, result: &AsyncResult) -> Result<()> {
        if let Some(serial) = result.take_reply() {
            serial.replied();
            return Ok(());
        }
        self.invoke_late(priority, result)
    }

    /// Whether the callback could be dispatched now: its queue is open and allows its flags.
    pub(crate) fn check(&self, job: &Job) -> Result<CallbackParameters> {
        let parameters = contain(|| job.parameters()).map_err(asked)?;
        self.resolve(parameters.queue, |queue| queue.allows(parameters.flags))??;
        Ok(parameters)
    }
}

impl Dispatch for Queues {
    fn invoke(&self, result: &AsyncResult) -> Result<()> {
        Queues::invoke(self, result)
    }

    fn invoke_accepted(&self, result: &AsyncResult) -> Result<()> {
        self.invoke_late(Priority::Normal, result)
    }

    fn invoke_failed(&self, result: &AsyncResult) -> Result<()> {
        result.callback().map_or(Ok(()), |callback| self.send(Priority::Normal, result, callback))
    }

    fn put_accepted(&self, result: &AsyncResult) -> Result<()> {
        let Some(callback) = result.callback() else { return Ok(()) };
        let flags = ask(callback)?.flags;
        let mut slot = Some(Work::Item(WorkItem::from_result(result)));
        self.resolve(QueueId::MULTITHREADED, |queue| enqueue(queue, &mut slot, flags))?
    }

    fn check(&self, result: &AsyncResult) -> Result<()> {
        Queues::check(self, &Job::Ready(result.clone())).map(drop)
    }
}

/// The parameters of a callback that another than its author invokes: a panic there is an error here.
#[inline]
fn ask(callback: &Arc<dyn AsyncCallback>) -> Result<CallbackParameters> {
    contain(|| callback.parameters()).map_err(asked)
}

/// The same of a callback that its author puts.
#[inline]
fn ask_flags(callback: &dyn AsyncCallback) -> Result<CallbackFlags> {
    contain(|| callback.parameters().flags).map_err(asked)
}

#[cold]
fn asked(payload: Payload) -> Error {
    Error::panicked("a callback that was asked for its queue", payload)
}

/// Drops an item that was refused.
#[cold]
fn drop_refused(slot: &mut Slot) {
    slot.take().into_iter().for_each(Work::abandon);
}

/// Puts an item whose callback has these flags.
#[inline(always)]
fn enqueue(queue: &Queue, slot: &mut Slot, flags: CallbackFlags) -> Result<()> {
    queue.allows(flags)?;
    if queue.put(slot, flags) {
        return Ok(());
    }
    drop_refused(slot);
    Err(closed("put a work item on a queue whose platform or runtime is gone"))
}

const PUT: &str = "put a work item";
