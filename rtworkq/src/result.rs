//! The result that `RtwqCreateAsyncResult` makes: a COM object in an `Arc`, so that to put it allocates nothing more.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering};

use windows_sys::Win32::Foundation::{CloseHandle, E_NOINTERFACE, E_POINTER, HANDLE, S_OK};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::Threading::SetEvent;
use windows_sys::core::{GUID, HRESULT};

use crate::com::{Com, IID_ASYNC_RESULT, IID_UNKNOWN, ResultTable, UnknownTable, is_id};
use crate::guard::{contain, give, guard};
use crate::lifetime;

/// `RTWQASYNCRESULT`, the same as `MFASYNCRESULT`: what every result begins with that is given to a queue, this crate's and
/// those of others. The page *MFASYNCRESULT structure* has "any custom implementation" inherit it.
#[repr(C)]
pub(crate) struct Head {
    table: *const ResultTable,
    /// The system's, while input or output is under way.
    _overlapped: UnsafeCell<OVERLAPPED>,
    callback: AtomicPtr<c_void>,
    status: AtomicI32,
    bytes: AtomicU32,
    event: AtomicPtr<c_void>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(
    size_of::<Head>() == 64
        && offset_of!(Head, callback) == 40
        && offset_of!(Head, status) == 48
        && offset_of!(Head, bytes) == 52
        && offset_of!(Head, event) == 56
);

/// A result of this crate's.
#[repr(C)]
pub(crate) struct Made {
    head: Head,
    /// The address by which C knows it: what `Arc::into_raw` gave, with the right to all of the `Arc`'s memory.
    this: AtomicPtr<c_void>,
    callback: Option<Com>,
    object: Option<Com>,
    state: Option<Com>,
}

// SAFETY: what is not atomic is written only before the result is shared, or by the system: see `_overlapped`. The table
// is a static.
unsafe impl Send for Made {}
// SAFETY: as above.
unsafe impl Sync for Made {}

static TABLE: ResultTable = ResultTable {
    base: UnknownTable { query_interface, add_ref, release },
    get_state,
    get_status,
    set_status: set_status_method,
    get_object,
    get_state_no_add_ref,
};

impl Made {
    pub(crate) fn new(object: Option<Com>, callback: Option<Com>, state: Option<Com>) -> Arc<Made> {
        lifetime::result_made();
        let made = Arc::new(Made {
            head: Head {
                table: &raw const TABLE,
                // SAFETY: `OVERLAPPED` is numbers and handles, for which zero is a value.
                _overlapped: UnsafeCell::new(unsafe { std::mem::zeroed() }),
                callback: AtomicPtr::new(callback.as_ref().map_or(null_mut(), Com::raw)),
                status: AtomicI32::new(S_OK),
                bytes: AtomicU32::new(0),
                event: AtomicPtr::new(null_mut()),
            },
            this: AtomicPtr::new(null_mut()),
            callback,
            object,
            state,
        });
        // ORDERING: Relaxed: it is written before the result is shared.
        made.this.store(Arc::as_ptr(&made).cast_mut().cast(), Ordering::Relaxed);
        made
    }

    /// The pointer that C gets: one reference, which is the caller's to release.
    pub(crate) fn into_raw(self: Arc<Made>) -> *mut c_void {
        Arc::into_raw(self).cast_mut().cast()
    }

    /// The pointer that C knows it by.
    pub(crate) fn raw(&self) -> *mut c_void {
        // ORDERING: Relaxed, see `new`.
        self.this.load(Ordering::Relaxed)
    }

    /// A number that the result carries from Begin to End.
    pub(crate) fn set_bytes(&self, bytes: u32) {
        // ORDERING: Release and Acquire, so that End reads what was written before the callback was invoked.
        self.head.bytes.store(bytes, Ordering::Release);
    }

    pub(crate) fn bytes(&self) -> u32 {
        self.head.bytes.load(Ordering::Acquire)
    }

    pub(crate) fn set_status(&self, status: HRESULT) {
        // ORDERING: Release pairs with the Acquire in `status`: who reads a status sees what was done before it was set.
        self.head.status.store(status, Ordering::Release);
    }

    pub(crate) fn status(&self) -> HRESULT {
        self.head.status.load(Ordering::Acquire)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let event = *self.head.event.get_mut();
        if !event.is_null() {
            // SAFETY: the result owns the event that was stored in its field `hEvent`, and closes it at its last release.
            unsafe { CloseHandle(event) };
        }
        // The objects go before a shutdown is told that the result is gone.
        drop((self.callback.take(), self.object.take(), self.state.take()));
        lifetime::result_gone();
    }
}

/// This crate's own result behind the pointer, with a reference of its own; `None` if it is an object of others.
///
/// # Safety
/// `raw` is a result that lives during this call.
pub(crate) unsafe fn own(raw: *mut c_void) -> Option<Arc<Made>> {
    // SAFETY: every result begins with `RTWQASYNCRESULT`, as its page says.
    if !std::ptr::eq(unsafe { (*raw.cast::<Head>()).table }, &raw const TABLE) {
        return None;
    }
    // SAFETY: only this crate's results have its table, and their pointer is that of `Arc::into_raw`.
    unsafe {
        Arc::increment_strong_count(raw.cast::<Made>());
        Some(Arc::from_raw(raw.cast::<Made>()))
    }
}

/// The callback of any result: the field `pCallback`, which its page says is read by the queue. Null if there is none.
///
/// # Safety
/// `raw` is a result that lives.
pub(crate) unsafe fn callback_of(raw: *mut c_void) -> *mut c_void {
    // SAFETY: every result begins with `RTWQASYNCRESULT`. Relaxed, since it is set before the result is put.
    unsafe { (*raw.cast::<Head>()).callback.load(Ordering::Relaxed) }
}

/// What dispatching means for a result without a callback: the event in its field `hEvent` is signalled.
///
/// # Safety
/// `raw` is a result that lives.
pub(crate) unsafe fn signal(raw: *mut c_void) {
    // SAFETY: as above. The field is a handle of the program's, or null.
    let event: HANDLE = unsafe { (*raw.cast::<Head>()).event.load(Ordering::Acquire) };
    if !event.is_null() {
        // SAFETY: a handle that is no event is refused.
        unsafe { SetEvent(event) };
    }
}

/// The result whose head has this `OVERLAPPED`.
///
/// # Safety
/// It is that of a result.
pub(crate) unsafe fn of_overlapped(overlapped: *mut OVERLAPPED) -> *mut c_void {
    // SAFETY: the caller says so.
    unsafe { overlapped.byte_sub(offset_of!(Head, _overlapped)) }.cast()
}

/// Input or output that was begun with any result has ended: its head has places for what came of it.
///
/// # Safety
/// `raw` is a result that lives.
pub(crate) unsafe fn has_ended(raw: *mut c_void, status: HRESULT, bytes: u32) {
    // SAFETY: every result begins with `RTWQASYNCRESULT`. ORDERING: Release, as in `Made::set_status`.
    unsafe {
        (*raw.cast::<Head>()).status.store(status, Ordering::Release);
        (*raw.cast::<Head>()).bytes.store(bytes, Ordering::Release);
    }
}

/// Sets the status of any result, by its own method.
///
/// # Safety
/// `raw` is a result that lives.
pub(crate) unsafe fn set_status(raw: *mut c_void, status: HRESULT) {
    // SAFETY: a result begins with a pointer to the methods of `IRtwqAsyncResult`.
    unsafe { ((*(*raw.cast::<Head>()).table).set_status)(raw, status) };
}

/// # Safety
/// `this` is a result of this crate's that lives, as for every method of a COM object.
unsafe fn made<'a>(this: *mut c_void) -> &'a Made {
    // SAFETY: the caller says so.
    unsafe { &*this.cast::<Made>() }
}

unsafe extern "system" fn query_interface(
    this: *mut c_void,
    id: *const GUID,
    out: *mut *mut c_void,
) -> HRESULT {
    if id.is_null() || out.is_null() {
        return E_POINTER;
    }
    // SAFETY: neither is null, and *IUnknown::QueryInterface* has them an id and a place for a pointer.
    unsafe {
        if is_id(&*id, &IID_UNKNOWN) || is_id(&*id, &IID_ASYNC_RESULT) {
            add_ref(this);
            *out = this;
            return S_OK;
        }
        *out = null_mut();
    }
    E_NOINTERFACE
}

unsafe extern "system" fn add_ref(this: *mut c_void) -> u32 {
    // SAFETY: the pointer is that of `Arc::into_raw`, and its caller has a reference. The `Arc` made here is that
    // caller's, and is not dropped; the number is for tests only, as the page *IUnknown::AddRef* says.
    unsafe {
        Arc::increment_strong_count(this.cast::<Made>());
        let all = std::mem::ManuallyDrop::new(Arc::from_raw(this.cast::<Made>()));
        Arc::strong_count(&all) as u32
    }
}

unsafe extern "system" fn release(this: *mut c_void) -> u32 {
    // SAFETY: the caller gives its reference back, as *IUnknown::Release* has it.
    let own = unsafe { Arc::from_raw(this.cast::<Made>()) };
    let left = Arc::strong_count(&own) as u32 - 1;
    contain(|| drop(own));
    left
}

/// Gives a stored object with a reference, or `E_POINTER` if there is none; then the place is left alone.
///
/// # Safety
/// `out` is null or a place for a pointer.
unsafe fn give_stored(stored: Option<&Com>, out: *mut *mut c_void) -> HRESULT {
    let Some(stored) = stored else { return E_POINTER };
    if out.is_null() {
        return E_POINTER;
    }
    // SAFETY: the caller says so.
    guard(|| unsafe { give(out, stored.clone().into_raw()) })
}

unsafe extern "system" fn get_state(this: *mut c_void, out: *mut *mut c_void) -> HRESULT {
    // SAFETY: *IRtwqAsyncResult::GetState* is called on a result that lives.
    unsafe { give_stored(made(this).state.as_ref(), out) }
}

unsafe extern "system" fn get_object(this: *mut c_void, out: *mut *mut c_void) -> HRESULT {
    // SAFETY: as above, *IRtwqAsyncResult::GetObject*.
    unsafe { give_stored(made(this).object.as_ref(), out) }
}

unsafe extern "system" fn get_status(this: *mut c_void) -> HRESULT {
    // SAFETY: as above, *IRtwqAsyncResult::GetStatus*.
    unsafe { made(this) }.status()
}

unsafe extern "system" fn set_status_method(this: *mut c_void, status: HRESULT) -> HRESULT {
    // SAFETY: as above, *IRtwqAsyncResult::SetStatus*.
    unsafe { made(this) }.set_status(status);
    S_OK
}

unsafe extern "system" fn get_state_no_add_ref(this: *mut c_void) -> *mut c_void {
    // SAFETY: as above, *IRtwqAsyncResult::GetStateNoAddRef*.
    unsafe { made(this) }.state.as_ref().map_or(null_mut(), Com::raw)
}
