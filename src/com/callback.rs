//! The `IMFAsyncCallback` objects: one calls a closure once, one stands for a portable callback; panics of both stop
//! here. And the other way round, a COM callback as a portable one.

use std::sync::{Arc, Mutex};

use windows::Win32::Foundation::{E_POINTER, E_UNEXPECTED};
use windows::Win32::Media::MediaFoundation::{IMFAsyncCallback, IMFAsyncCallback_Impl, IMFAsyncResult};
use windows::core::{Interface, Ref, Result};
use windows_core::implement;

use crate::async_result::{AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, QueueId, Shortcut};
use crate::com::guarded::Guarded;
use crate::com::{Mta, async_result};
use crate::contain::{self, drop_payload};
use crate::sync::LockExt;

/// A callback that is good for one call; further ones do nothing. Released un-called, it drops the closure.
///
/// `#[implement]` does not check that what it makes callable from every thread may be: the bounds do.
#[implement(IMFAsyncCallback)]
pub(crate) struct OnceCallback<F>
where
    F: FnOnce(&IMFAsyncResult) -> Result<()> + Send + 'static,
{
    parameters: CallbackParameters,
    call: Guarded<Mutex<Option<F>>>,
}

impl<F: FnOnce(&IMFAsyncResult) -> Result<()> + Send + 'static> OnceCallback<F> {
    pub(crate) fn create(parameters: CallbackParameters, call: F) -> IMFAsyncCallback {
        let callback = OnceCallback { parameters, call: Guarded::new(Mutex::new(Some(call))) };
        Mta::<IMFAsyncCallback>::of(callback).into_inner()
    }
}

impl<F: FnOnce(&IMFAsyncResult) -> Result<()> + Send + 'static> IMFAsyncCallback_Impl
    for OnceCallback_Impl<F>
{
    fn GetParameters(&self, flags: *mut u32, queue: *mut u32) -> Result<()> {
        write_parameters(self.parameters, flags, queue)
    }

    fn Invoke(&self, result: Ref<'_, IMFAsyncResult>) -> Result<()> {
        let result = result.ok()?;
        // Taken out first: nothing is called with the lock held, and a second call finds nothing.
        let call = self.call.locked().take();
        match call {
            Some(call) => contain(|| call(result)),
            None => Ok(()),
        }
    }
}

impl From<Arc<dyn AsyncCallback>> for Mta<IMFAsyncCallback> {
    /// The COM callback itself when that is what it stands for, else an object that stands for it.
    fn from(callback: Arc<dyn AsyncCallback>) -> Mta<IMFAsyncCallback> {
        let com = match callback.shortcut() {
            Shortcut::Foreign(object) => object.downcast_ref::<Mta<IMFAsyncCallback>>().cloned(),
            _ => None,
        };
        com.unwrap_or_else(|| Mta::of(PortableCallback { callback: Guarded::new(callback) }))
    }
}

impl From<Mta<IMFAsyncCallback>> for Arc<dyn AsyncCallback> {
    /// The callback that the COM object stands for, or one that stands for the COM object.
    fn from(com: Mta<IMFAsyncCallback>) -> Arc<dyn AsyncCallback> {
        match com.cast_object_ref::<PortableCallback>() {
            Ok(portable) => Arc::clone(&portable.callback),
            Err(_) => Arc::new(ComCallback { com }),
        }
    }
}

/// A portable callback as a COM object.
#[implement(IMFAsyncCallback)]
struct PortableCallback {
    callback: Guarded<Arc<dyn AsyncCallback>>,
}

impl IMFAsyncCallback_Impl for PortableCallback_Impl {
    fn GetParameters(&self, flags: *mut u32, queue: *mut u32) -> Result<()> {
        let parameters = contain(|| Ok(self.callback.parameters()))?;
        write_parameters(parameters, flags, queue)
    }

    fn Invoke(&self, result: Ref<'_, IMFAsyncResult>) -> Result<()> {
        async_result::invoke(result.ok()?, &self.callback)
    }
}

/// A COM callback as a portable one.
struct ComCallback {
    com: Mta<IMFAsyncCallback>,
}

impl AsyncCallback for ComCallback {
    fn parameters(&self) -> CallbackParameters {
        let (mut flags, mut queue) = (0, 0);
        // SAFETY: both numbers live here, and are written before the call returns.
        match unsafe { self.com.GetParameters(&raw mut flags, &raw mut queue) } {
            Ok(()) => {
                CallbackParameters { flags: CallbackFlags::from_bits_retain(flags), queue: QueueId(queue) }
            }
            // It has no wishes; most callbacks say so by `E_NOTIMPL`.
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

    fn shortcut(&self) -> Shortcut<'_> {
        Shortcut::Foreign(&self.com)
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

/// Calls without unwinding into foreign code: a panic is `E_UNEXPECTED` for the caller.
pub(crate) fn contain<R: ContainedResult>(call: impl FnOnce() -> R) -> Result<R::Value> {
    match contain::contain(call) {
        Ok(returned) => returned.into_result(),
        Err(payload) => {
            drop_payload(payload);
            Err(E_UNEXPECTED.into())
        }
    }
}

/// What a contained call may return: nothing, or the foreign caller's own result.
pub(crate) trait ContainedResult {
    type Value;

    fn into_result(self) -> Result<Self::Value>;
}

impl ContainedResult for () {
    type Value = ();

    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl<T> ContainedResult for Result<T> {
    type Value = T;

    fn into_result(self) -> Result<T> {
        self
    }
}
