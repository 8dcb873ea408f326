//! Promise: a result that the program has made itself is put, invoked, scheduled and cancelled as one of the system's: its
//! callback is read from its head, its status is set by its own method, and it is released.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use windows::Win32::Foundation::{E_NOINTERFACE, E_POINTER, HANDLE, S_OK};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, MF_E_OPERATION_CANCELLED, MFASYNC_CALLBACK_QUEUE_MULTITHREADED,
    MFCancelWorkItem, MFInvokeCallback, MFPutWorkItemEx, MFScheduleWorkItemEx,
};
use windows::core::{GUID, HRESULT, Interface};

use crate::support::{Log, Started, callback, passes, until, waiting};

const MULTITHREADED: u32 = MFASYNC_CALLBACK_QUEUE_MULTITHREADED;

/// A result by hand, as the page *MFASYNCRESULT structure* lays it out.
#[repr(C)]
pub(crate) struct Own {
    table: *const Table,
    overlapped: [u64; 4],
    callback: *mut c_void,
    status: AtomicI32,
    bytes: u32,
    event: *mut c_void,
    count: AtomicU32,
}

#[repr(C)]
struct Table {
    query_interface: unsafe extern "system" fn(*mut c_void, *const GUID, *mut *mut c_void) -> HRESULT,
    add_ref: unsafe extern "system" fn(*mut c_void) -> u32,
    release: unsafe extern "system" fn(*mut c_void) -> u32,
    get_state: unsafe extern "system" fn(*mut c_void, *mut *mut c_void) -> HRESULT,
    get_status: unsafe extern "system" fn(*mut c_void) -> HRESULT,
    set_status: unsafe extern "system" fn(*mut c_void, HRESULT) -> HRESULT,
    get_object: unsafe extern "system" fn(*mut c_void, *mut *mut c_void) -> HRESULT,
    get_state_no_add_ref: unsafe extern "system" fn(*mut c_void) -> *mut c_void,
}

static TABLE: Table = Table {
    query_interface,
    add_ref,
    release,
    get_state: none,
    get_status,
    set_status,
    get_object: none,
    get_state_no_add_ref,
};

/// A result with this callback, which lives as long as the process; the test looks at its count.
pub(crate) fn own(callback: &IMFAsyncCallback) -> &'static Own {
    Box::leak(Box::new(Own {
        table: &raw const TABLE,
        overlapped: [0; 4],
        callback: callback.as_raw(),
        status: AtomicI32::new(0),
        bytes: 0,
        event: null_mut(),
        count: AtomicU32::new(1),
    }))
}

impl Own {
    /// As an interface, with a reference of its own.
    pub(crate) fn interface(&'static self) -> IMFAsyncResult {
        self.count.fetch_add(1, Ordering::SeqCst);
        // SAFETY: it has the layout and the methods of the interface, and a reference was added.
        unsafe { IMFAsyncResult::from_raw(std::ptr::from_ref(self).cast_mut().cast()) }
    }

    fn count(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }
}

unsafe fn this<'a>(this: *mut c_void) -> &'a Own {
    // SAFETY: only such a pointer is passed, and the object is never freed.
    unsafe { &*this.cast::<Own>() }
}

unsafe extern "system" fn query_interface(
    object: *mut c_void,
    id: *const GUID,
    out: *mut *mut c_void,
) -> HRESULT {
    // SAFETY: the page has both pointers valid.
    unsafe {
        if *id != IMFAsyncResult::IID && *id != windows::core::IUnknown::IID {
            *out = null_mut();
            return E_NOINTERFACE;
        }
        add_ref(object);
        *out = object;
    }
    S_OK
}

unsafe extern "system" fn add_ref(object: *mut c_void) -> u32 {
    // SAFETY: see `this`, here and below.
    unsafe { this(object) }.count.fetch_add(1, Ordering::SeqCst) + 1
}

unsafe extern "system" fn release(object: *mut c_void) -> u32 {
    // SAFETY: as above.
    unsafe { this(object) }.count.fetch_sub(1, Ordering::SeqCst) - 1
}

unsafe extern "system" fn get_status(object: *mut c_void) -> HRESULT {
    // SAFETY: as above.
    HRESULT(unsafe { this(object) }.status.load(Ordering::SeqCst))
}

unsafe extern "system" fn set_status(object: *mut c_void, status: HRESULT) -> HRESULT {
    // SAFETY: as above.
    unsafe { this(object) }.status.store(status.0, Ordering::SeqCst);
    S_OK
}

unsafe extern "system" fn none(_: *mut c_void, _: *mut *mut c_void) -> HRESULT {
    E_POINTER
}

unsafe extern "system" fn get_state_no_add_ref(_: *mut c_void) -> *mut c_void {
    null_mut()
}

#[test]
fn it_is_called_with_itself_and_released() {
    passes("foreign::it_is_called_with_itself_and_released", &[], || {
        let _started = Started::new();
        let log = Log::new();
        let told = log.clone();
        let callback = callback(MULTITHREADED, move |result| {
            // SAFETY: a status may be read at any time.
            let status = unsafe { result.GetStatus() }.map_err(|error| error.code());
            told.add((result.as_raw() as usize, status));
        });
        let own = own(&callback);
        let result = own.interface();
        let itself = result.as_raw() as usize;
        let called = |times: usize| {
            until("it is called", || log.all().len() == times);
            until("it is released", || own.count() == 2);
            log.all()[times - 1]
        };
        // SAFETY: it is a result, and lives.
        unsafe {
            MFPutWorkItemEx(MULTITHREADED, &result).unwrap();
            assert_eq!(called(1), (itself, Ok(())));
            MFInvokeCallback(&result).unwrap();
            assert_eq!(called(2), (itself, Ok(())));
            let mut key = 0;
            MFScheduleWorkItemEx(&result, -1, Some(&raw mut key)).unwrap();
            assert_eq!(called(3), (itself, Ok(())));
            MFScheduleWorkItemEx(&result, -3_600_000, Some(&raw mut key)).unwrap();
            assert!(own.count() > 2);
            MFCancelWorkItem(key).unwrap();
            assert_eq!((own.count(), log.all().len()), (2, 3));
            let key = waiting(HANDLE::default(), &result);
            MFCancelWorkItem(key).unwrap();
            assert_eq!(called(4), (itself, Err(MF_E_OPERATION_CANCELLED)));
        }
        drop(result);
        assert_eq!((own.count(), own.bytes, own.overlapped[0], own.event.is_null()), (1, 0, 0, true));
    });
}
