//! One call of a method: its value on the way from the body to End, and the duty to call back.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

use crate::async_result::AsyncResult;
use crate::cancel_cookie::Cancel;
use crate::error::{Error, Hresult, Result};
use crate::queue::Queues;
use crate::task::{Ending, OnQueue, Task};

/// A call's place among those of its object; `None` where nothing is serialised.
pub(crate) type Turn = Option<OwnedSemaphorePermit>;

/// What a body ends with: its value, and its turn, which goes to the next when the value is told.
pub(crate) type Ended<T> = (Result<T>, Turn);

/// The private object of a method's results.
pub(crate) struct Call<T> {
    identity: Arc<()>,
    value: Mutex<Value<T>>,
}

enum Value<T> {
    Awaited,
    There(Result<T>),
    Taken,
}

impl<T> Call<T> {
    /// A call of the method of this identity, whose value is not there yet.
    pub(crate) fn new(identity: &Arc<()>) -> Call<T> {
        Call { identity: identity.clone(), value: Mutex::new(Value::Awaited) }
    }

    pub(crate) fn is_of(&self, identity: &Arc<()>) -> bool {
        Arc::ptr_eq(&self.identity, identity)
    }

    /// Takes the value out, once.
    pub(crate) fn take(&self) -> Result<T> {
        let mut value = self.value();
        match std::mem::replace(&mut *value, Value::Taken) {
            Value::There(taken) => taken,
            Value::Taken => {
                Err(Error::new(Hresult::E_FAIL, "end a call that was ended before: End gives the value once"))
            }
            Value::Awaited => {
                *value = Value::Awaited;
                Err(Error::new(
                    Hresult::E_PENDING,
                    "end a call that has not finished: call End when the callback is invoked",
                ))
            }
        }
    }

    fn set(&self, value: Result<T>) {
        *self.value() = Value::There(value);
    }

    fn value(&self) -> MutexGuard<'_, Value<T>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right and the duty to complete a call's result.
pub(crate) struct Reply<T: Send + 'static> {
    queues: Arc<Queues>,
    result: Option<AsyncResult>,
    value: PhantomData<fn() -> T>,
}

impl<T: Send + 'static> Reply<T> {
    pub(crate) fn new(queues: Arc<Queues>, result: AsyncResult) -> Reply<T> {
        Reply { queues, result: Some(result), value: PhantomData }
    }

    /// Nothing was begun, so nobody is called.
    pub(crate) fn withdraw(mut self) {
        self.result = None;
    }

    fn complete(&mut self, value: Result<T>) {
        let Some(result) = self.result.take() else { return };
        result.set_status(value.as_ref().map_or_else(Error::hresult, |_| Hresult::S_OK));
        if let Some(call) = result.object::<Call<T>>() {
            call.set(value);
        }
        if let (Err(error), Some(callback)) = (self.queues.invoke(&result), result.callback()) {
            callback.fail(&error);
        }
    }
}

impl<T: Send + 'static> Ending<Ended<T>> for Reply<T> {
    fn ended(mut self, ended: Result<Ended<T>>) {
        let (value, turn) = ended.unwrap_or_else(|error| (Err(error), None));
        self.complete(value);
        drop(turn);
    }
}

impl<T: Send + 'static> Drop for Reply<T> {
    fn drop(&mut self) {
        self.complete(Err(Error::abandoned(LET_GO)));
    }
}

impl<T, F> Cancel for Task<F, Reply<T>, OnQueue>
where
    T: Send + 'static,
    F: Future<Output = Ended<T>> + Send + 'static,
{
    fn cancel(&self) -> bool {
        Task::cancel(self, cancelled())
    }
}

/// Why a call that was cancelled has ended.
pub(crate) fn cancelled() -> Error {
    Error::new(Hresult::E_ABORT, "run the body of a method: it was cancelled")
}

const LET_GO: &str = "the body of a method waits for something that is gone, and will never end";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_once_and_not_before_it_is_there() {
        let call = Call::new(&Arc::default());
        assert_eq!(call.take().map_err(Hresult::from), Err(Hresult::E_PENDING));
        assert_eq!(call.take().map_err(Hresult::from), Err(Hresult::E_PENDING));
        call.set(Ok(3));
        assert_eq!(call.take().map_err(Hresult::from), Ok(3));
        assert_eq!(call.take().map_err(Hresult::from), Err(Hresult::E_FAIL));
    }
}
