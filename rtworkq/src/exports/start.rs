//! Starting, shutting down, locking, and who hears of it.

use windows_sys::Win32::Foundation::{E_POINTER, S_OK};
use windows_sys::core::HRESULT;

use crate::com::Com;
use crate::functions::Raw;
use crate::guard::guard;
use crate::lifetime;

pub(crate) unsafe extern "system" fn startup() -> HRESULT {
    guard(lifetime::startup)
}

/// From a callback the last one answers `E_ILLEGAL_METHOD_CALL`: its page forbids that, and it would wait for itself.
pub(crate) unsafe extern "system" fn shutdown() -> HRESULT {
    guard(lifetime::shutdown)
}

pub(crate) unsafe extern "system" fn lock_platform() -> HRESULT {
    lifetime::lock();
    S_OK
}

pub(crate) unsafe extern "system" fn unlock_platform() -> HRESULT {
    lifetime::unlock();
    S_OK
}

pub(crate) unsafe extern "system" fn register_platform_events(events: Raw) -> HRESULT {
    guard(|| {
        // SAFETY: *RtwqRegisterPlatformEvents* is given an object or null. It is called from any thread.
        lifetime::register(unsafe { Com::add(events) }.ok_or(E_POINTER)?);
        Ok(())
    })
}

pub(crate) unsafe extern "system" fn unregister_platform_events(events: Raw) -> HRESULT {
    guard(|| if events.is_null() { Err(E_POINTER) } else { lifetime::unregister(events) })
}
