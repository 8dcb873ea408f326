//! A task's home on a work queue of the platform's: the task itself is the callback of its items.

use std::future::Future;
use std::sync::Arc;

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId};
use crate::error::Result;
use crate::queue::{Queue, Queues, WorkItem, WorkQueue};
use crate::task::{Ending, Home, Task};

/// A work queue of the platform's.
pub(crate) struct OnQueue {
    queues: Arc<Queues>,
    queue: Arc<Queue>,
}

impl OnQueue {
    /// The home, and what keeps the queue open.
    pub(crate) fn new(queue: &WorkQueue) -> (OnQueue, WorkQueue) {
        (OnQueue { queues: queue.queues().clone(), queue: queue.queue().clone() }, queue.unheld())
    }
}

impl Home for OnQueue {
    type Hold = WorkQueue;

    fn queue(&self) -> QueueId {
        self.queue.id
    }

    fn put<F, E>(task: &Arc<Task<F, E, OnQueue>>) -> Result<()>
    where
        F: Future + Send + 'static,
        E: Ending<F::Output> + 'static,
    {
        let OnQueue { queues, queue } = task.home();
        queues.put_on(queue, WorkItem::new(task.clone()))
    }
}

impl<F, E> AsyncCallback for Task<F, E, OnQueue>
where
    F: Future + Send + 'static,
    E: Ending<F::Output> + 'static,
{
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(self.home().queue.id)
    }

    fn invoke(&self, _: &AsyncResult) {
        self.poll();
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<F>()
    }
}
