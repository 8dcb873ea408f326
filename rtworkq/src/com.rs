//! `Com`, a counted pointer to a COM object, and the method tables of the interfaces that are called here.
//!
//! By hand, because the result's methods must be this crate's own and its layout that of the page *MFASYNCRESULT
//! structure*: what follows its table pointer is read and written by its users.

use std::ffi::c_void;
use std::fmt;

use windows_sys::core::{GUID, HRESULT};

/// `IUnknown`.
#[repr(C)]
pub(crate) struct UnknownTable {
    pub(crate) query_interface:
        unsafe extern "system" fn(*mut c_void, *const GUID, *mut *mut c_void) -> HRESULT,
    pub(crate) add_ref: unsafe extern "system" fn(*mut c_void) -> u32,
    pub(crate) release: unsafe extern "system" fn(*mut c_void) -> u32,
}

/// `IRtwqAsyncCallback`, in the order of the page *IRtwqAsyncCallback interface*.
#[repr(C)]
pub(crate) struct CallbackTable {
    base: UnknownTable,
    pub(crate) get_parameters: unsafe extern "system" fn(*mut c_void, *mut u32, *mut u32) -> HRESULT,
    pub(crate) invoke: unsafe extern "system" fn(*mut c_void, *mut c_void) -> HRESULT,
}

/// `IRtwqAsyncResult`.
#[repr(C)]
pub(crate) struct ResultTable {
    pub(crate) base: UnknownTable,
    pub(crate) get_state: unsafe extern "system" fn(*mut c_void, *mut *mut c_void) -> HRESULT,
    pub(crate) get_status: unsafe extern "system" fn(*mut c_void) -> HRESULT,
    pub(crate) set_status: unsafe extern "system" fn(*mut c_void, HRESULT) -> HRESULT,
    pub(crate) get_object: unsafe extern "system" fn(*mut c_void, *mut *mut c_void) -> HRESULT,
    pub(crate) get_state_no_add_ref: unsafe extern "system" fn(*mut c_void) -> *mut c_void,
}

/// `IRtwqPlatformEvents`.
#[repr(C)]
pub(crate) struct EventsTable {
    base: UnknownTable,
    pub(crate) initialization_complete: unsafe extern "system" fn(*mut c_void) -> HRESULT,
    pub(crate) shutdown_start: unsafe extern "system" fn(*mut c_void) -> HRESULT,
    pub(crate) shutdown_complete: unsafe extern "system" fn(*mut c_void) -> HRESULT,
}

pub(crate) const IID_UNKNOWN: GUID = GUID::from_u128(0x00000000_0000_0000_c000_000000000046);
/// `IRtwqAsyncResult`, and `IMFAsyncResult` as well.
pub(crate) const IID_ASYNC_RESULT: GUID = GUID::from_u128(0xac6b7889_0740_4d51_8619_905994a55cc6);

/// Whether both are the same id: `GUID` has no `==` of its own.
pub(crate) fn is_id(one: &GUID, other: &GUID) -> bool {
    (one.data1, one.data2, one.data3, one.data4) == (other.data1, other.data2, other.data3, other.data4)
}

/// A counted reference to a COM object that may be used by any thread.
pub(crate) struct Com(*mut c_void);

// SAFETY: the page *Media Foundation and COM* has every object that is given to a work queue free-threaded: it is called
// and released on the queues' threads, unmarshalled.
unsafe impl Send for Com {}
// SAFETY: as above.
unsafe impl Sync for Com {}

impl Com {
    /// Adds a reference of its own; `None` for null.
    ///
    /// # Safety
    /// `raw` is null or an object that lives during this call, free-threaded.
    pub(crate) unsafe fn add(raw: *mut c_void) -> Option<Com> {
        if raw.is_null() {
            return None;
        }
        // SAFETY: the caller says that it is an object, and every object begins with a pointer to `IUnknown`'s methods.
        unsafe { ((**raw.cast::<*const UnknownTable>()).add_ref)(raw) };
        Some(Com(raw))
    }

    pub(crate) fn raw(&self) -> *mut c_void {
        self.0
    }

    /// The reference, which is the caller's to release.
    pub(crate) fn into_raw(self) -> *mut c_void {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }

    /// Its methods as those of a certain interface.
    ///
    /// # Safety
    /// The pointer is of that interface.
    pub(crate) unsafe fn table<T>(&self) -> &T {
        // SAFETY: the object lives, because this counts; it begins with a pointer to the methods of its interface, which
        // the caller names.
        unsafe { &**self.0.cast::<*const T>() }
    }
}

impl Clone for Com {
    fn clone(&self) -> Com {
        // SAFETY: every object has `IUnknown`'s methods, and this one is counted.
        unsafe { (self.table::<UnknownTable>().add_ref)(self.0) };
        Com(self.0)
    }
}

impl Drop for Com {
    fn drop(&mut self) {
        // SAFETY: as in `clone`; this reference is given back once.
        unsafe { (self.table::<UnknownTable>().release)(self.0) };
    }
}

impl fmt::Debug for Com {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Com({:p})", self.0)
    }
}
