//! What runs later: after a time, when a handle is signalled, every 10 ms.

use std::ptr::null_mut;

use mf_async::rtwq::PeriodicKey;
use mf_async::{Priority, WorkItem, WorkItemKey};
use windows_sys::Win32::Foundation::{E_POINTER, HANDLE};
use windows_sys::core::HRESULT;

use crate::callback;
use crate::com::Com;
use crate::exports::with;
use crate::functions::{PeriodicCallback, Raw};
use crate::guard::{code, give_if_wanted, guard};
use crate::{inside, lifetime, timed, wait};

/// `timeout` is negative milliseconds. `E_INVALIDARG` for a positive number, which no page defines.
pub(crate) unsafe extern "system" fn schedule_work_item(result: Raw, timeout: i64, key: *mut u64) -> HRESULT {
    guard(|| {
        // SAFETY: *RtwqScheduleWorkItem* is given a result, and null or a place for a key.
        unsafe {
            let item = callback::shared(result)?;
            let scheduled = timed::put(item, |item| with(|platform| platform.schedule_ms(item, timeout)))?;
            give_if_wanted(key, scheduled.0)
        }
    })
}

/// A scheduled item is released, uncalled, when this returns. One that waits for a handle is called, with the status
/// `MF_E_OPERATION_CANCELLED`, and its wait is taken back when this returns.
pub(crate) unsafe extern "system" fn cancel_work_item(key: u64) -> HRESULT {
    guard(|| {
        wait::take_back(key);
        with(|platform| platform.cancel_work_item(WorkItemKey(key)))
    })
}

pub(crate) unsafe extern "system" fn put_waiting_work_item(
    event: HANDLE,
    priority: i32,
    result: Raw,
    key: *mut u64,
) -> HRESULT {
    guard(|| {
        // SAFETY: *RtwqPutWaitingWorkItem* is given a result, and null or a place for a key.
        unsafe {
            let item = callback::shared(result)?;
            let platform = lifetime::platform()?;
            let (signal, slot) = wait::signalled(event)?;
            let waits = timed::put(item, |item| {
                let item = WorkItem::new(item).priority(Priority::from(priority));
                platform.put_waiting(signal, item).map_err(code)
            })?;
            wait::note(waits.0, slot);
            give_if_wanted(key, waits.0)
        }
    })
}

pub(crate) unsafe extern "system" fn add_periodic_callback(
    callback: PeriodicCallback,
    context: Raw,
    key: *mut u32,
) -> HRESULT {
    guard(|| {
        let callback = callback.ok_or(E_POINTER)?;
        // SAFETY: *RtwqAddPeriodicCallback* is given an object or null, which its callback gets on a queue's thread.
        let context = unsafe { Com::add(context) };
        let start = lifetime::start();
        let added = with(|platform| {
            platform.add_periodic_callback(move || {
                if lifetime::start() == start {
                    let context = context.as_ref().map_or(null_mut(), Com::raw);
                    // SAFETY: the callback is called as the page says, with its context, which lives.
                    inside::enter(|| unsafe { callback(context) });
                }
            })
        })?;
        timed::added(added);
        // SAFETY: null or a place for a key.
        unsafe { give_if_wanted(key, added.0) }
    })
}

pub(crate) unsafe extern "system" fn remove_periodic_callback(key: u32) -> HRESULT {
    guard(|| {
        let key = PeriodicKey(key);
        with(|platform| platform.remove_periodic_callback(key))?;
        timed::removed(key);
        Ok(())
    })
}
