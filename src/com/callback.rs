//! The `IMFAsyncCallback` object: names a queue, calls a closure once, and contains whatever that does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use windows::Win32::Foundation::{E_POINTER, E_UNEXPECTED};
use windows::Win32::Media::MediaFoundation::{IMFAsyncCallback, IMFAsyncCallback_Impl, IMFAsyncResult};
use windows::core::{Ref, Result};
use windows_core::implement;

use crate::async_result::CallbackParameters;

/// A callback that is good for one call; further ones do nothing. Released un-called, it drops the closure.
///
/// `#[implement]` does not check that what it makes callable from every thread may be: `new` does.
#[implement(IMFAsyncCallback)]
pub(crate) struct Once<F>
where
    F: FnOnce(&IMFAsyncResult) + Send + 'static,
{
    parameters: CallbackParameters,
    call: Mutex<Option<F>>,
}

impl<F: FnOnce(&IMFAsyncResult) + Send + 'static> Once<F> {
    pub(crate) fn new(parameters: CallbackParameters, call: F) -> IMFAsyncCallback {
        Once { parameters, call: Mutex::new(Some(call)) }.into()
    }
}

impl<F: FnOnce(&IMFAsyncResult) + Send + 'static> IMFAsyncCallback_Impl for Once_Impl<F> {
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
pub(crate) fn contain(call: impl FnOnce()) -> Result<()> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(()) => Ok(()),
        Err(payload) => {
            crate::queue::let_go(payload);
            Err(E_UNEXPECTED.into())
        }
    }
}
