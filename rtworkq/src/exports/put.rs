//! Results, made, put and invoked.

use windows_sys::Win32::Foundation::{E_INVALIDARG, E_POINTER};
use windows_sys::core::HRESULT;

use mf_async::{Priority, QueueId, WorkItem};

use crate::callback;
use crate::com::Com;
use crate::exports::with;
use crate::functions::Raw;
use crate::guard::{Answer, guard};
use crate::result::{self, Made};
use crate::step;

/// It needs no start: the page names none.
pub(crate) unsafe extern "system" fn create_async_result(
    object: Raw,
    callback: Raw,
    state: Raw,
    out: *mut Raw,
) -> HRESULT {
    guard(|| {
        if out.is_null() {
            return Err(E_INVALIDARG);
        }
        // SAFETY: *RtwqCreateAsyncResult* is given objects, which any thread may use, or null; and a place for one.
        unsafe { *out = Made::new(Com::add(object), Com::add(callback), Com::add(state)).into_raw() };
        Ok(())
    })
}

/// A reply if a serial queue waits for one by this result; otherwise the callback, on the queue that it names.
pub(crate) unsafe extern "system" fn invoke_callback(result: Raw) -> HRESULT {
    guard(|| {
        if callback::reply(result) {
            return Ok(());
        }
        // SAFETY: *RtwqInvokeCallback* is given a result.
        match unsafe { item(result) }? {
            Some(item) => with(|platform| platform.invoke_item(item)),
            None => Ok(()),
        }
    })
}

pub(crate) unsafe extern "system" fn put_work_item(queue: u32, priority: i32, result: Raw) -> HRESULT {
    // SAFETY: *RtwqPutWorkItem* is given a result.
    guard(|| unsafe { put(QueueId(queue), priority, result) })
}

/// # Safety
/// As for [`item`].
pub(crate) unsafe fn put(queue: QueueId, priority: i32, result: Raw) -> Answer {
    // SAFETY: the caller says so.
    match unsafe { item(result) }? {
        Some(item) => {
            with(|platform| platform.put(step::queue(queue), item.priority(Priority::from(priority))))
        }
        None => Ok(()),
    }
}

/// The result as a work item. One without a callback has nobody to be put for: its event is signalled here and now.
///
/// # Safety
/// `result` is null or a result that lives during this call.
unsafe fn item(result: Raw) -> Answer<Option<WorkItem>> {
    if result.is_null() {
        return Err(E_POINTER);
    }
    // SAFETY: the caller says so, here and below.
    unsafe {
        if result::callback_of(result).is_null() {
            crate::lifetime::platform()?;
            result::signal(result);
            return Ok(None);
        }
        Ok(Some(WorkItem::new(callback::shared(result)?)))
    }
}
