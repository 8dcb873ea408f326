//! `CallSink`: where the end of a method's body goes, with the call's place in the order; and how a call is cancelled.

use std::future::Future;

use crate::cancel::Cancel;
use crate::completion::Completer;
use crate::error::{Error, Hresult, Result};
use crate::method::order::{CallPlace, CallTurn};
use crate::operation::Promise;
use crate::task::{JoinSink, QueueScheduler, Task};

/// How a body ends: with its value, and the turn that goes to the next call.
pub(crate) type BodyEnd<T> = (Result<T>, Option<CallTurn>);

/// The receiver of a call's end, with its place in the order of the method.
pub(crate) struct CallSink<S>(pub(crate) S, pub(crate) CallPlace);

impl<T: Send + 'static> JoinSink<BodyEnd<T>> for CallSink<Completer<T>> {
    fn join(self, ended: Result<BodyEnd<T>>) {
        let (value, turn) = ended.unwrap_or_else(|error| (Err(error), None));
        self.0.complete(value);
        drop(turn);
    }

    fn describe(&self) -> Option<String> {
        self.1.describe()
    }
}

impl<T: Send + 'static> JoinSink<BodyEnd<T>> for CallSink<Promise<T>> {
    fn join(self, ended: Result<BodyEnd<T>>) {
        let (value, turn) = ended.unwrap_or_else(|error| (Err(error), None));
        self.0.complete(value);
        drop(turn);
    }

    fn describe(&self) -> Option<String> {
        self.1.describe()
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
