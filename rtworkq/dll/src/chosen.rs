//! Which functions the exports call.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use mf_async_rtworkq::{Functions, Settings, is_started, own_functions};
use windows_sys::Win32::Foundation::{E_INVALIDARG, E_POINTER, S_OK};

use crate::system;

/// Null until the first call, or until the program has installed some.
static CHOSEN: AtomicPtr<Functions> = AtomicPtr::new(null_mut());

/// The functions to call.
pub(crate) fn functions() -> &'static Functions {
    // ORDERING: Acquire pairs with the Release of the two below: a table that is seen is filled.
    let chosen = CHOSEN.load(Ordering::Acquire);
    if chosen.is_null() {
        return choose();
    }
    // SAFETY: what is stored is a static, or what `install` was told stays.
    unsafe { &*chosen }
}

#[cold]
fn choose() -> &'static Functions {
    // The environment is read once. Two threads that come here at once choose the same.
    let functions = if Settings::of_environment().system { system::functions() } else { own_functions() };
    let chosen = std::ptr::from_ref(functions).cast_mut();
    match CHOSEN.compare_exchange(null_mut(), chosen, Ordering::Release, Ordering::Acquire) {
        Ok(_) => functions,
        // SAFETY: as above.
        Err(other) => unsafe { &*other },
    }
}

/// See `MfAsyncInstall`.
///
/// # Safety
/// `functions` is null or a table that stays.
pub(crate) unsafe fn install(functions: *const Functions) -> i32 {
    if functions.is_null() {
        return E_POINTER;
    }
    // SAFETY: every version of the table begins with its size.
    if unsafe { functions.cast::<usize>().read() } != size_of::<Functions>() || is_started() {
        return E_INVALIDARG;
    }
    CHOSEN.store(functions.cast_mut(), Ordering::Release);
    S_OK
}
