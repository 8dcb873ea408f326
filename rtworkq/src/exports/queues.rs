//! Queues, allocated, locked and unlocked.

use mf_async::{QueueId, WorkQueueType};
use windows_sys::Win32::Foundation::{E_INVALIDARG, E_POINTER, HANDLE};
use windows_sys::core::{BOOL, HRESULT};

use crate::exports::{self, text, with};
use crate::guard::{Answer, give, guard};
use crate::join;

pub(crate) unsafe extern "system" fn allocate_work_queue(kind: i32, queue: *mut u32) -> HRESULT {
    guard(|| {
        let kind = match kind {
            0 => WorkQueueType::Standard,
            1 => WorkQueueType::Window,
            2 => WorkQueueType::Multithreaded,
            _ => return Err(E_INVALIDARG),
        };
        present(queue)?;
        let id = with(|platform| platform.allocate_work_queue(kind))?.into_id();
        // SAFETY: *RtwqAllocateWorkQueue* is given a place for an id.
        unsafe { give(queue, id.0) }
    })
}

/// The page's `E_FAIL` does not come: there are as many queues as there is memory for.
pub(crate) unsafe extern "system" fn allocate_serial_work_queue(base: u32, queue: *mut u32) -> HRESULT {
    guard(|| {
        present(queue)?;
        let id = with(|platform| platform.allocate_serial_work_queue(QueueId(base)))?.into_id();
        // SAFETY: *RtwqAllocateSerialWorkQueue* is given a place for an id.
        unsafe { give(queue, id.0) }
    })
}

pub(crate) unsafe extern "system" fn lock_work_queue(queue: u32) -> HRESULT {
    guard(|| exports::queue(queue).map(|queue| _ = queue.into_id()))
}

pub(crate) unsafe extern "system" fn unlock_work_queue(queue: u32) -> HRESULT {
    guard(|| with(|platform| platform.unlock_work_queue(QueueId(queue))))
}

/// The empty class is a queue without MMCSS, and has no task id and no priority, as the page says.
pub(crate) unsafe extern "system" fn lock_shared_work_queue(
    class: *const u16,
    priority: i32,
    task: *mut u32,
    queue: *mut u32,
) -> HRESULT {
    guard(|| {
        present(queue)?;
        // SAFETY: *RtwqLockSharedWorkQueue* is given a string or null, null or a task id, and a place for an id.
        unsafe {
            let class = text(class)?;
            let asked = if task.is_null() { None } else { Some(*task) };
            let (locked, given) = with(|platform| platform.lock_shared_work_queue(&class, priority, asked))?;
            if !task.is_null() {
                *task = given;
            }
            give(queue, locked.into_id().0)
        }
    })
}

pub(crate) unsafe extern "system" fn set_long_running(queue: u32, enable: BOOL) -> HRESULT {
    guard(|| exports::queue(queue).map(|queue| queue.set_long_running(enable != 0)))
}

pub(crate) unsafe extern "system" fn join_work_queue(
    queue: u32,
    file: HANDLE,
    cookie: *mut HANDLE,
) -> HRESULT {
    guard(|| {
        present(cookie)?;
        let queue = exports::queue(queue)?;
        // SAFETY: *RtwqJoinWorkQueue* is given a place for a handle. It is a number that only `unjoin_work_queue` takes.
        unsafe { give(cookie, join::join(queue, file)? as HANDLE) }
    })
}

pub(crate) unsafe extern "system" fn unjoin_work_queue(queue: u32, cookie: HANDLE) -> HRESULT {
    guard(|| join::unjoin(QueueId(queue), cookie as usize))
}

/// Nothing is allocated for a caller that has no place for it.
fn present<T>(place: *mut T) -> Answer {
    if place.is_null() { Err(E_POINTER) } else { Ok(()) }
}
