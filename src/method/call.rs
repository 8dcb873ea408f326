//! What a call of a method is at work with: the body's end, the permit of its order, and how it is cancelled.

use std::future::Future;

use tokio::sync::OwnedSemaphorePermit;

use crate::cancel::Cancel;
use crate::completion::Completer;
use crate::error::{Error, Hresult, Result};
use crate::operation::Promise;
use crate::task::{JoinSink, QueueScheduler, Task};

/// The right to run of a serialized method; calls of others need none.
pub(crate) type OrderPermit = Option<OwnedSemaphorePermit>;

/// How a body ends: with its value, and the permit that goes to the next call.
pub(crate) type BodyEnd<T> = (Result<T>, OrderPermit);

impl<T: Send + 'static> JoinSink<BodyEnd<T>> for Completer<T> {
    fn join(self, ended: Result<BodyEnd<T>>) {
        let (value, permit) = ended.unwrap_or_else(|error| (Err(error), None));
        self.complete(value);
        drop(permit);
    }
}

impl<T: Send + 'static> JoinSink<BodyEnd<T>> for Promise<T> {
    fn join(self, ended: Result<BodyEnd<T>>) {
        let (value, permit) = ended.unwrap_or_else(|error| (Err(error), None));
        self.complete(value);
        drop(permit);
    }
}

impl<T, F, E> Cancel for Task<F, E, QueueScheduler>
where
    T: Send + 'static,
    F: Future<Output = BodyEnd<T>> + Send + 'static,
    E: JoinSink<BodyEnd<T>> + 'static,
{
    fn cancel(&self) -> bool {
        Task::cancel(self, cancelled())
    }
}

pub(crate) fn cancelled() -> Error {
    Error::new(Hresult::E_ABORT, "run the body of a method: it was cancelled")
}
