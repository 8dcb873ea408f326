//! A handle of the system as a future: a wait of the system's thread pool ends it.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::future::{Future, pending};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

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
/// The wait is taken back by the drop of the future, and by [`take_back`], which does not wait for that drop: what is
/// cancelled must not use up the signal of an event that is reset by a wait.
///
/// # Errors
/// `E_INVALIDARG` for what is no handle that can be waited for.
pub(crate) fn signalled(
    handle: HANDLE,
) -> Answer<(impl Future<Output = ()> + Send + 'static, Option<Weak<Slot>>)> {
    let waiting = if handle.is_null() { None } else { Some(Wait::begin(handle)?) };
    let waiting = waiting.map(|(wait, signal)| (Arc::new(Slot(Mutex::new(Some(wait)))), signal));
    let slot = waiting.as_ref().map(|(slot, _)| Arc::downgrade(slot));
    let signal = async move {
        let Some((slot, signal)) = waiting else { return pending().await };
        if signal.await.is_err() {
            // Taken back: the platform's cancel ends this.
            pending::<()>().await;
        }
        drop(slot);
    };
    Ok((signal, slot))
}

/// Notes by which key a wait is cancelled.
pub(crate) fn note(key: u64, slot: Option<Weak<Slot>>) {
    let Some(slot) = slot else { return };
    let mut noted = noted();
    if noted.by_key.len() >= noted.prune_at {
        noted.by_key.retain(|_, slot| slot.strong_count() > 0);
        noted.prune_at = 2 * noted.by_key.len() + 64;
    }
    noted.by_key.insert(key, slot);
}

/// Takes back the wait of this key, if it is one. From now on it takes no signal.
pub(crate) fn take_back(key: u64) {
    let slot = noted().by_key.remove(&key).and_then(|slot| slot.upgrade());
    if let Some(slot) = slot {
        let wait = slot.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(wait);
    }
}

/// A wait, until it is taken back.
pub(crate) struct Slot(Mutex<Option<Wait>>);

/// The waits by their keys. Those that are over are taken off now and then.
struct Noted {
    by_key: BTreeMap<u64, Weak<Slot>>,
    prune_at: usize,
}

static NOTED: Mutex<Noted> = Mutex::new(Noted { by_key: BTreeMap::new(), prune_at: 64 });

fn noted() -> MutexGuard<'static, Noted> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wait that is registered. Its drop takes it back.
pub(crate) struct Wait {
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
