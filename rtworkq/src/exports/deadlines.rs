//! Deadlines of queues.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mf_async::Hresult;
use mf_async::rtwq::Deadline;
use windows_sys::Win32::Foundation::{E_POINTER, HANDLE};
use windows_sys::core::HRESULT;

use crate::exports;
use crate::guard::{from, give, guard};

pub(crate) unsafe extern "system" fn set_deadline(
    queue: u32,
    deadline: i64,
    request: *mut HANDLE,
) -> HRESULT {
    // SAFETY: the same, with a pre-deadline that is the deadline.
    unsafe { set_deadline2(queue, deadline, deadline, request) }
}

/// In units of 100 ns, as the parameters' names have it; the pages' text says milliseconds. They count from now.
pub(crate) unsafe extern "system" fn set_deadline2(
    queue: u32,
    deadline: i64,
    before: i64,
    request: *mut HANDLE,
) -> HRESULT {
    guard(|| {
        if request.is_null() {
            return Err(E_POINTER);
        }
        let after = |units: i64| Duration::from_nanos(units.unsigned_abs().saturating_mul(100));
        let set = exports::queue(queue)?.set_deadline_with_warning(after(deadline), after(before));
        let mut table = table();
        table.last += 1;
        let number = table.last;
        table.set.insert(number, set);
        drop(table);
        // SAFETY: *RtwqSetDeadline* is given a place for a handle. It is a number that only `cancel_deadline` takes.
        unsafe { give(request, number as HANDLE) }
    })
}

/// `MF_E_NOT_FOUND` for what is no deadline, or was cancelled.
pub(crate) unsafe extern "system" fn cancel_deadline(request: HANDLE) -> HRESULT {
    guard(|| {
        let set = table().set.remove(&(request as usize));
        set.map(drop).ok_or(from(Hresult::MF_E_NOT_FOUND))
    })
}

/// Deadlines end with the platform.
pub(crate) fn forget_deadlines() {
    let set = std::mem::take(&mut table().set);
    drop(set);
}

struct Table {
    last: usize,
    /// By the number that is its handle.
    set: BTreeMap<usize, Deadline>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { last: 0, set: BTreeMap::new() });

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}
