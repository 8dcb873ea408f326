//! Queues that are joined with handles of input and output (I/O): a read that has ended there is dispatched on the queue.
//!
//! Two pages together say how. *RtwqJoinWorkQueue* redirects a handle into a queue. By *MFASYNCRESULT structure* a result
//! begins with an `OVERLAPPED`, and has a place for the status and one for the number of bytes that come of an I/O completion
//! port. So a read is begun with the `OVERLAPPED` of a result, and when it has ended that result is put on the queue.
//!
//! Two things no page says. Who owns the result meanwhile: here the one who begins the read, until the callback has been
//! called; the queue adds a reference of its own when the read has ended. And what becomes of a read that ends after
//! `RtwqUnjoinWorkQueue`: here it is not dispatched.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use mf_async::{QueueId, WorkQueue};
use windows_sys::Win32::Foundation::{
    E_FAIL, E_INVALIDARG, E_OUTOFMEMORY, GetLastError, HANDLE, INVALID_HANDLE_VALUE, S_OK,
};
use windows_sys::Win32::System::IO::{CreateIoCompletionPort, GetQueuedCompletionStatus, OVERLAPPED};
use windows_sys::Win32::System::Threading::INFINITE;
use windows_sys::core::HRESULT;

use crate::guard::{Answer, contain};
use crate::{exports, result};

/// Redirects the handle into the queue, which stays open. The number of the join.
///
/// # Errors
/// The system's, for what is no handle that can be overlapped, or one that has a completion port already: it keeps that
/// until it is closed, so that a handle can be joined once.
pub(crate) fn join(queue: WorkQueue, file: HANDLE) -> Answer<usize> {
    let port = port()?;
    let mut joins = joins();
    joins.last += 1;
    let number = joins.last;
    joins.queues.insert(number, queue);
    // SAFETY: *CreateIoCompletionPort* takes any number for a handle.
    let bound = unsafe { CreateIoCompletionPort(file, port as HANDLE, number, 0) };
    if !bound.is_null() {
        return Ok(number);
    }
    let code = last_error();
    let queue = joins.queues.remove(&number);
    drop(joins);
    drop(queue);
    Err(if code < 0 { code } else { E_FAIL })
}

/// Ends a join of this queue.
///
/// # Errors
/// `E_INVALIDARG` when there is none of this number.
pub(crate) fn unjoin(queue: QueueId, number: usize) -> Answer {
    let mut joins = joins();
    if joins.queues.get(&number).is_none_or(|joined| joined.id() != queue) {
        return Err(E_INVALIDARG);
    }
    let queue = joins.queues.remove(&number);
    drop(joins);
    drop(queue);
    Ok(())
}

/// Joins end with the platform, which waits for the queues that are kept open.
pub(crate) fn forget_joins() {
    let queues = std::mem::take(&mut joins().queues);
    drop(queues);
}

struct Joins {
    last: usize,
    /// By the number, which is the key that the port gives with what has ended.
    queues: BTreeMap<usize, WorkQueue>,
}

static JOINS: Mutex<Joins> = Mutex::new(Joins { last: 0, queues: BTreeMap::new() });

fn joins() -> MutexGuard<'static, Joins> {
    JOINS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The port of the process, with the thread that waits for it. Both stay, since handles stay bound to it.
fn port() -> Answer<usize> {
    static PORT: OnceLock<Answer<usize>> = OnceLock::new();
    *PORT.get_or_init(|| {
        // SAFETY: *CreateIoCompletionPort* without a handle makes a port.
        let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, 1) } as usize;
        if port == 0 {
            return Err(E_OUTOFMEMORY);
        }
        let thread = std::thread::Builder::new().name("rtworkq-io".to_owned());
        thread.spawn(move || wait_for_all(port)).map_err(|_| E_OUTOFMEMORY)?;
        Ok(port)
    })
}

/// The port's thread. It calls no callback but to ask for its parameters, as every put does.
fn wait_for_all(port: usize) {
    loop {
        let (mut bytes, mut key, mut overlapped) = (0, 0, null_mut());
        // SAFETY: the port stays, and the places live here.
        let ended = unsafe {
            GetQueuedCompletionStatus(
                port as HANDLE,
                &raw mut bytes,
                &raw mut key,
                &raw mut overlapped,
                INFINITE,
            )
        };
        let status = if ended != 0 { S_OK } else { last_error() };
        if !overlapped.is_null() {
            // SAFETY: *RtwqJoinWorkQueue*: a handle is joined for reads and writes that are begun with the `OVERLAPPED` of a
            // result. It lives until its callback has been called: see the module.
            contain(|| unsafe { dispatch(key, overlapped, status, bytes) });
        }
    }
}

/// Puts the result that has this `OVERLAPPED` on the queue of this join.
///
/// # Safety
/// It is that of a result that lives.
unsafe fn dispatch(number: usize, overlapped: *mut OVERLAPPED, status: HRESULT, bytes: u32) {
    let Some(queue) = joins().queues.get(&number).map(WorkQueue::id) else { return };
    // SAFETY: the caller says so.
    unsafe {
        let raw: *mut c_void = result::of_overlapped(overlapped);
        result::has_ended(raw, status, bytes);
        // A queue that refuses it is one of a platform that is shut down.
        let _ = exports::put(queue, 0, raw);
    }
}

/// The last error of this thread as a code: the page of the macro *HRESULT_FROM_WIN32*.
fn last_error() -> HRESULT {
    // SAFETY: it needs nothing.
    let error = unsafe { GetLastError() };
    if error == 0 { E_FAIL } else { (error & 0xFFFF | 0x8007_0000) as HRESULT }
}
