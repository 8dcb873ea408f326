//! `QueueScheduler`: it polls a task on a work queue of the platform. The task itself is the callback of its items.

use std::future::Future;
use std::sync::Arc;

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId};
use crate::error::Result;
use crate::queue::{Queue, Queues, WorkItem, WorkQueue};
use crate::task::{JoinSink, Schedule, Task};

/// Puts the polls of a task on a work queue.
pub(crate) struct QueueScheduler {
    queues: Arc<Queues>,
    queue: Arc<Queue>,
}

impl QueueScheduler {
    /// The scheduler of a task, and the handle that keeps the queue open for it.
    pub(crate) fn new(queue: WorkQueue) -> (QueueScheduler, WorkQueue) {
        (QueueScheduler { queues: queue.queues().clone(), queue: queue.queue().clone() }, queue)
    }
}

impl Schedule for QueueScheduler {
    type Hold = WorkQueue;

    fn queue(&self) -> QueueId {
        self.queue.id
    }

    fn put<F, E>(task: &Arc<Task<F, E, QueueScheduler>>) -> Result<()>
    where
        F: Future + Send + 'static,
        E: JoinSink<F::Output> + 'static,
    {
        let QueueScheduler { queues, queue } = task.scheduler();
        queues.put_on(queue, WorkItem::new(task.clone()), None)
    }
}

impl<F, E> AsyncCallback for Task<F, E, QueueScheduler>
where
    F: Future + Send + 'static,
    E: JoinSink<F::Output> + 'static,
{
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(self.scheduler().queue.id)
    }

    fn invoke(&self, _: &AsyncResult) {
        self.poll();
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<F>()
    }
}
