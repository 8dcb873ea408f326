//! The functions of `rtworkq.dll`, each as its page has it.

mod deadlines;
mod mmcss;
mod put;
mod queues;
mod start;
mod timed;

use crate::guard::Answer;

pub(crate) use self::deadlines::*;
pub(crate) use self::mmcss::*;
pub(crate) use self::put::*;
pub(crate) use self::queues::*;
pub(crate) use self::start::*;
pub(crate) use self::timed::*;

pub(crate) use self::{
    not_described as cancel_multiple_waiting_work_item, not_described as debug_get_outstanding_refs,
    not_described as debug_set_clean_shutdown, not_described as get_platform,
    not_described as put_multiple_waiting_work_item,
};

/// No page describes it, and no header declares it: what it takes and gives is not known.
pub(crate) unsafe extern "system" fn not_described(
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
) -> windows_sys::core::HRESULT {
    windows_sys::Win32::Foundation::E_NOTIMPL
}

/// Calls with the platform; an error of its is a code.
fn with<T>(call: impl FnOnce(&mf_async::Platform) -> mf_async::Result<T>) -> Answer<T> {
    call(&crate::lifetime::platform()?).map_err(crate::guard::code)
}

/// The queue of this number, which is open as long as the handle lives.
fn queue(number: u32) -> Answer<mf_async::WorkQueue> {
    with(|platform| platform.queue(mf_async::QueueId(number)))
}

/// A wide string that ends with 0, as C has it.
///
/// # Errors
/// `E_POINTER` for null.
///
/// # Safety
/// `wide` is null or such a string.
unsafe fn text(wide: *const u16) -> Answer<String> {
    if wide.is_null() {
        return Err(windows_sys::Win32::Foundation::E_POINTER);
    }
    // SAFETY: the caller says that it ends with 0, and nothing behind that is read.
    let length = (0..).take_while(|&at| unsafe { *wide.add(at) } != 0).count();
    // SAFETY: so many were just read.
    Ok(String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(wide, length) }))
}
