//! The `IMFAsyncCallback` objects: one calls a closure once, one stands for a portable callback; both contain
//! whatever that does. And the other way round, a COM callback as a portable one.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use windows::Win32::Foundation::{E_POINTER, E_UNEXPECTED};
use windows::Win32::Media::MediaFoundation::{IMFAsyncCallback, IMFAsyncCallback_Impl, IMFAsyncResult};
use windows::core::{Interface, Ref, Result};
use windows_core::implement;

use crate::async_result::{AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, QueueId};
use crate::com::{Mta, async_result};
use crate::contain::drop_contained;

/// A callback that is good for one call; further ones do nothing. Released un-called, it drops the closure.
///
/// `#[implement]` does not check that what it makes callable from every thread may be: the bounds do.
#[implement(IMFAsyncCallback)]
pub(crate) struct Once<F>
where
    F: FnOnce(&IMFAsyncResult) -> Result<()> + Send + 'static,
{
    parameters: CallbackParameters,
    call: Mutex<Option<F>>,
}

impl<F: FnOnce(&IMFAsyncResult) -> Result<()> + Send + 'static> Once<F> {
    pub(crate) fn callback(parameters: CallbackParameters, call: F) -> IMFAsyncCallback {
        Once { parameters, call: Mutex::new(Some(call)) }.into()
    }
}

impl<F: FnOnce(&IMFAsyncResult) -> Result<()> + Send + 'static> Drop for Once<F> {
    fn drop(&mut self) {
        // Whoever releases the callback must not be unwound into.
        drop_contained(self.call.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl<F: FnOnce(&IMFAsyncResult) -> Result<()> + Send + 'static> IMFAsyncCallback_Impl for Once_Impl<F> {
    fn GetParameters(&self, flags: *mut u32, queue: *mut u32) -> Result<()> {
        write_parameters(self.parameters, flags, queue)
    }

    fn Invoke(&self, result: Ref<'_, IMFAsyncResult>) -> Result<()> {
        let result = result.ok()?;
        // Taken out first: nothing is called with the lock held, and a second call finds nothing.
        let call = self.call.lock().unwrap_or_else(PoisonError::into_inner).take();
        match call {
            Some(call) => contain(|| call(result)),
            None => Ok(()),
        }
    }
}

impl From<Arc<dyn AsyncCallback>> for Mta<IMFAsyncCallback> {
    /// The COM callback itself when that is what it stands for, else an object that stands for it.
    fn from(callback: Arc<dyn AsyncCallback>) -> Mta<IMFAsyncCallback> {
        match callback.behind().and_then(<dyn Any + Send + Sync>::downcast_ref::<Mta<IMFAsyncCallback>>) {
            Some(com) => com.clone(),
            None => Mta::of(Portable { callback: Some(callback) }),
        }
    }
}

impl From<Mta<IMFAsyncCallback>> for Arc<dyn AsyncCallback> {
    /// The callback that the COM object stands for, or one that stands for the COM object.
    fn from(com: Mta<IMFAsyncCallback>) -> Arc<dyn AsyncCallback> {
        match com.cast_object_ref::<Portable>().ok().and_then(|portable| portable.callback.clone()) {
            Some(callback) => callback,
            None => Arc::new(Foreign { com }),
        }
    }
}

/// A portable callback as a COM object.
#[implement(IMFAsyncCallback)]
struct Portable {
    /// Always there, until the drop.
    callback: Option<Arc<dyn AsyncCallback>>,
}

impl IMFAsyncCallback_Impl for Portable_Impl {
    fn GetParameters(&self, flags: *mut u32, queue: *mut u32) -> Result<()> {
        let parameters = contain(|| {
            Ok(self.callback.as_ref().map_or_else(Default::default, |callback| callback.parameters()))
        })?;
        write_parameters(parameters, flags, queue)
    }

    fn Invoke(&self, result: Ref<'_, IMFAsyncResult>) -> Result<()> {
        let result = result.ok()?;
        match &self.callback {
            Some(callback) => async_result::invoke(result, callback),
            None => Ok(()),
        }
    }
}

impl Drop for Portable {
    fn drop(&mut self) {
        drop_contained(self.callback.take());
    }
}

/// A COM callback as a portable one.
struct Foreign {
    com: Mta<IMFAsyncCallback>,
}

impl AsyncCallback for Foreign {
    fn parameters(&self) -> CallbackParameters {
        let (mut flags, mut queue) = (0, 0);
        // SAFETY: both numbers live here, and are written before the call returns.
        match unsafe { self.com.GetParameters(&raw mut flags, &raw mut queue) } {
            Ok(()) => {
                CallbackParameters { flags: CallbackFlags::from_bits_retain(flags), queue: QueueId(queue) }
            }
            // It has no wishes; most say so by `E_NOTIMPL`.
            Err(_) => CallbackParameters::default(),
        }
    }

    fn invoke(&self, result: &AsyncResult) {
        let result = Mta::from(result);
        // SAFETY: both may be called from any thread, as `Mta` says. Media Foundation, too, ignores what a
        // callback returns.
        let _ = unsafe { self.com.Invoke(&*result) };
    }

    fn name(&self) -> &'static str {
        "a callback of Media Foundation's"
    }

    fn behind(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&self.com)
    }
}

/// Answers `GetParameters`.
pub(crate) fn write_parameters(
    parameters: CallbackParameters,
    flags: *mut u32,
    queue: *mut u32,
) -> Result<()> {
    if flags.is_null() || queue.is_null() {
        return Err(E_POINTER.into());
    }
    // SAFETY: not null, and the caller of `GetParameters` passes pointers to two numbers to be written.
    unsafe {
        *flags = parameters.flags.bits();
        *queue = parameters.queue.0;
    }
    Ok(())
}

/// Calls without unwinding into foreign code: a panic is `E_UNEXPECTED` for whoever called.
pub(crate) fn contain<A: Answer>(call: impl FnOnce() -> A) -> Result<A::Value> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(returned) => returned.answer(),
        Err(payload) => {
            drop_contained(payload);
            Err(E_UNEXPECTED.into())
        }
    }
}

/// What a contained call may return: nothing, or what the foreign caller is to be told.
pub(crate) trait Answer {
    type Value;

    fn answer(self) -> Result<Self::Value>;
}

impl Answer for () {
    type Value = ();

    fn answer(self) -> Result<()> {
        Ok(())
    }
}

impl<T> Answer for Result<T> {
    type Value = T;

    fn answer(self) -> Result<T> {
        self
    }
}
