//! Registration with the Multimedia Class Scheduler Service (MMCSS).

use std::sync::Arc;

use mf_async::rtwq::Mmcss;
use mf_async::{Operation, QueueId, WorkItem};
use windows_sys::Win32::Foundation::{E_INVALIDARG, E_POINTER, S_OK};
use windows_sys::core::HRESULT;

use crate::com::Com;
use crate::exports::{self, text, with};
use crate::functions::Raw;
use crate::guard::{Answer, give, guard};
use crate::lifetime;
use crate::result::{self, Made};

/// `RTWQ_E_BUFFERTOOSMALL`.
const BUFFER_TOO_SMALL: HRESULT = 0xC00D_36B1_u32 as HRESULT;

pub(crate) unsafe extern "system" fn begin_register(
    queue: u32,
    class: *const u16,
    task: u32,
    priority: i32,
    callback: Raw,
    state: Raw,
) -> HRESULT {
    guard(|| {
        // SAFETY: *RtwqBeginRegisterWorkQueueWithMMCSS* is given a string, a callback, and an object or null.
        let class = unsafe { text(class) }?;
        let operation = |platform: &mf_async::Platform| {
            platform.register_work_queue_with_mmcss(QueueId(queue), &class, task, priority)
        };
        // SAFETY: as above.
        unsafe { begin(operation, |task| task, callback, state) }
    })
}

pub(crate) unsafe extern "system" fn end_register(result: Raw, task: *mut u32) -> HRESULT {
    guard(|| {
        // SAFETY: *RtwqEndRegisterWorkQueueWithMMCSS* is given the result, and a place for the task id.
        let made = unsafe { ended(result) }?;
        // SAFETY: as above.
        unsafe { give(task, made.bytes()) }
    })
}

pub(crate) unsafe extern "system" fn begin_unregister(queue: u32, callback: Raw, state: Raw) -> HRESULT {
    guard(|| {
        let operation =
            |platform: &mf_async::Platform| platform.unregister_work_queue_with_mmcss(QueueId(queue));
        // SAFETY: *RtwqBeginUnregisterWorkQueueWithMMCSS* is given a callback, and an object or null.
        unsafe { begin(operation, |()| 0, callback, state) }
    })
}

pub(crate) unsafe extern "system" fn end_unregister(result: Raw) -> HRESULT {
    // SAFETY: *RtwqEndUnregisterWorkQueueWithMMCSS* is given the result.
    guard(|| unsafe { ended(result) }.map(drop))
}

/// Begins the operation. The callback is invoked with its status, and with what End gives in `dwBytesTransferred`.
///
/// # Safety
/// `callback` is an `IRtwqAsyncCallback`, and `state` an object or null.
unsafe fn begin<T: Send + 'static>(
    operation: impl FnOnce(&mf_async::Platform) -> Operation<T>,
    value: fn(T) -> u32,
    callback: Raw,
    state: Raw,
) -> Answer {
    // SAFETY: the caller says so.
    let (callback, state) = unsafe { (Com::add(callback).ok_or(E_POINTER)?, Com::add(state)) };
    let made = Made::new(None, Some(callback), state);
    let platform = lifetime::platform()?;
    let operation = operation(&platform);
    let weak = platform.downgrade();
    let waits = async move {
        match operation.await {
            Ok(ended) => made.set_bytes(value(ended)),
            Err(error) => made.set_status(crate::guard::code(error)),
        }
        if let Ok(platform) = weak.upgrade() {
            // If the callback names no queue that is open, nobody can be told.
            let _ = platform.invoke_item(WorkItem::new(made));
        }
    };
    exports::queue(QueueId::MULTITHREADED.0).map(|queue| queue.spawn(waits).detach())
}

/// The result of a registration that has ended well.
///
/// # Errors
/// Its status if that is a failure; `E_INVALIDARG` for a result that no Begin of this crate has made.
///
/// # Safety
/// `result` is null or a result that lives during this call.
unsafe fn ended(result: Raw) -> Answer<Arc<Made>> {
    if result.is_null() {
        return Err(E_POINTER);
    }
    // SAFETY: the caller says so.
    let made = unsafe { result::own(result) }.ok_or(E_INVALIDARG)?;
    match made.status() {
        S_OK => Ok(made),
        code => Err(code),
    }
}

pub(crate) unsafe extern "system" fn register_platform(
    class: *const u16,
    task: *mut u32,
    priority: i32,
) -> HRESULT {
    guard(|| {
        if task.is_null() {
            return Err(E_POINTER);
        }
        // SAFETY: *RtwqRegisterPlatformWithMMCSS* is given a string, and a task id in and out.
        unsafe {
            let class = text(class)?;
            let given = with(|platform| platform.register_platform_with_mmcss(&class, *task, priority))?;
            give(task, given)
        }
    })
}

pub(crate) unsafe extern "system" fn unregister_platform() -> HRESULT {
    guard(|| with(|platform| platform.unregister_platform_from_mmcss()))
}

/// The buffer may be missing: then only its size is asked for, in characters and with the 0 at the end.
pub(crate) unsafe extern "system" fn get_class(queue: u32, class: *mut u16, length: *mut u32) -> HRESULT {
    guard(|| {
        if length.is_null() {
            return Err(E_POINTER);
        }
        let name: Vec<u16> = of(queue)?.class.encode_utf16().chain([0]).collect();
        // SAFETY: *RtwqGetWorkQueueMMCSSClass* is given the size of the buffer, in and out, and a buffer of that size or
        // null.
        unsafe {
            let room = *length as usize;
            *length = name.len() as u32;
            if !class.is_null() {
                if room < name.len() {
                    return Err(BUFFER_TOO_SMALL);
                }
                class.copy_from_nonoverlapping(name.as_ptr(), name.len());
            }
        }
        Ok(())
    })
}

pub(crate) unsafe extern "system" fn get_task_id(queue: u32, task: *mut u32) -> HRESULT {
    // SAFETY: *RtwqGetWorkQueueMMCSSTaskId* is given a place for it.
    guard(|| unsafe { give(task, of(queue)?.task_id) })
}

pub(crate) unsafe extern "system" fn get_priority(queue: u32, priority: *mut i32) -> HRESULT {
    // SAFETY: *RtwqGetWorkQueueMMCSSPriority* is given a place for it.
    guard(|| unsafe { give(priority, of(queue)?.base_priority) })
}

fn of(queue: u32) -> Answer<Mmcss> {
    with(|platform| platform.work_queue_mmcss(QueueId(queue)))
}
