//! A handle of the system as a future: a wait of the system's thread pool ends it.

use std::ffi::c_void;
use std::future::{Future, pending};
use std::ptr::null_mut;

use tokio::sync::oneshot;
use windows_sys::Win32::Foundation::{
    CloseHandle, DUPLICATE_SAME_ACCESS, DuplicateHandle, E_INVALIDARG, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, INFINITE, RegisterWaitForSingleObject, UnregisterWaitEx, WT_EXECUTEINWAITTHREAD,
    WT_EXECUTEONLYONCE,
};

use crate::guard::Answer;

/// Resolves when the handle is signalled. The handle is duplicated, so that its owner may close it. A null handle is a wait
/// as well, and is never signalled.
///
/// The wait is taken back by the drop of the future: what is cancelled must not use up the signal of an event that is
/// reset by a wait.
///
/// # Errors
/// `E_INVALIDARG` for what is no handle that can be waited for.
pub(crate) fn signalled(handle: HANDLE) -> Answer<impl Future<Output = ()> + Send + 'static> {
    let waiting = if handle.is_null() { None } else { Some(Wait::begin(handle)?) };
    Ok(async move {
        match waiting {
            None => pending().await,
            Some((wait, signal)) => {
                // The sender is dropped by the wait alone, which lives.
                let _ = signal.await;
                drop(wait);
            }
        }
    })
}

/// A wait that is registered. Its drop takes it back.
struct Wait {
    wait: HANDLE,
    /// Closed after the wait is unregistered.
    _handle: Duplicate,
    sender: *mut Option<oneshot::Sender<()>>,
}

// SAFETY: handles are numbers, which any thread may use. The sender is touched by the system's wait alone, until that is
// unregistered.
unsafe impl Send for Wait {}

/// A handle that is closed by its drop.
struct Duplicate(HANDLE);

impl Drop for Duplicate {
    fn drop(&mut self) {
        // SAFETY: it was duplicated for this owner.
        unsafe { CloseHandle(self.0) };
    }
}

impl Wait {
    fn begin(handle: HANDLE) -> Answer<(Wait, oneshot::Receiver<()>)> {
        let mut duplicate = null_mut();
        // SAFETY: *DuplicateHandle* takes any number for a handle, and a place for another.
        let duplicated = unsafe {
            let process = GetCurrentProcess();
            DuplicateHandle(process, handle, process, &raw mut duplicate, 0, 0, DUPLICATE_SAME_ACCESS)
        };
        if duplicated == 0 {
            return Err(E_INVALIDARG);
        }
        let handle = Duplicate(duplicate);
        let (sender, signal) = oneshot::channel();
        let sender = Box::into_raw(Box::new(Some(sender)));
        let mut wait = null_mut();
        let flags = WT_EXECUTEINWAITTHREAD | WT_EXECUTEONLYONCE;
        // SAFETY: *RegisterWaitForSingleObject*: the handle and the sender live until the wait is unregistered. `wake`
        // takes no time, as a callback on the wait thread must not.
        let registered = unsafe {
            RegisterWaitForSingleObject(
                &raw mut wait,
                handle.0,
                Some(wake),
                sender.cast::<c_void>(),
                INFINITE,
                flags,
            )
        };
        if registered == 0 {
            // SAFETY: the box was made above, and nobody else has it.
            drop(unsafe { Box::from_raw(sender) });
            return Err(E_INVALIDARG);
        }
        Ok((Wait { wait, _handle: handle, sender }, signal))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // SAFETY: *UnregisterWaitEx* with `INVALID_HANDLE_VALUE` returns when no callback runs and none will. Then the
        // sender is this owner's alone, and the handle may be closed.
        unsafe {
            UnregisterWaitEx(self.wait, INVALID_HANDLE_VALUE);
            drop(Box::from_raw(self.sender));
        }
    }
}

/// On the system's wait thread, once.
unsafe extern "system" fn wake(context: *mut c_void, _timed_out: bool) {
    // SAFETY: the context is the sender, which lives until the wait is unregistered, and is touched by this call alone.
    let sender = unsafe { (*context.cast::<Option<oneshot::Sender<()>>>()).take() };
    if let Some(sender) = sender {
        let _ = sender.send(());
    }
}
