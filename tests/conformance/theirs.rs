//! The subject *theirs*: the system's own Media Foundation, its functions called as C++ calls them.
//!
//! Callbacks and objects are made by `com`, so that what it makes is what Media Foundation calls and releases.
#![allow(unsafe_code, reason = "Media Foundation is called here")]

mod callback;
mod events;
mod mmcss;
pub(crate) mod process;
mod rtwq;
mod services;
mod streams;
mod transforms;

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::sync::{Arc, OnceLock};

use mf_async::com::Mta;
use mf_async::{Hresult, Unknown};
use windows::Win32::Foundation::{HANDLE, WAIT_OBJECT_0};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, MFASYNC_WORKQUEUE_TYPE, MFAddPeriodicCallback,
    MFAllocateSerialWorkQueue, MFAllocateWorkQueue, MFAllocateWorkQueueEx, MFCancelWorkItem,
    MFCreateAsyncResult, MFGetTimerPeriodicity, MFInvokeCallback, MFLockPlatform, MFLockSharedWorkQueue,
    MFLockWorkQueue, MFPutWaitingWorkItem, MFPutWorkItem, MFPutWorkItem2, MFPutWorkItemEx, MFPutWorkItemEx2,
    MFRemovePeriodicCallback, MFScheduleWorkItem, MFScheduleWorkItemEx, MFShutdown, MFStartup,
    MFUnlockPlatform, MFUnlockWorkQueue,
};
use windows::Win32::System::Com::{
    APTTYPE, APTTYPE_MTA, APTTYPE_STA, APTTYPEQUALIFIER, APTTYPEQUALIFIER_NONE, CoGetApartmentType,
    CoIncrementMTAUsage,
};
use windows::Win32::System::IO::OVERLAPPED;
use windows::Win32::System::Threading::{CreateEventW, SetEvent, WaitForSingleObject};
use windows::core::{HRESULT, HSTRING, IUnknown, Interface, PCWSTR};

use crate::subject::{Answer, Kind, Parameters, Subject};

/// Media Foundation is one for the process, so there is nothing to keep.
#[derive(Clone)]
pub(crate) struct Theirs;

/// `MF_VERSION`.
const VERSION: u32 = 0x0002_0070;

/// What a function returned, its code as ours.
pub(crate) fn answer<T>(result: windows::core::Result<T>) -> Answer<T> {
    result.map_err(|error| error.code().into())
}

pub(crate) fn code(code: HRESULT) -> Hresult {
    code.into()
}

/// What every result begins with: the page MFASYNCRESULT says so.
#[repr(C)]
struct Layout {
    table: *const c_void,
    overlapped: OVERLAPPED,
    callback: *mut c_void,
    status: HRESULT,
    bytes: u32,
    event: HANDLE,
}

/// The event of a result; one is given to a result that has none.
fn event_of(result: &IMFAsyncResult) -> HANDLE {
    let layout = result.as_raw().cast::<Layout>();
    // SAFETY: the result is Media Foundation's own, and begins with this layout. Nobody dispatches it while the
    // cases call this for the first time.
    unsafe {
        if (*layout).event.is_invalid() {
            (*layout).event = CreateEventW(None, true, false, None).expect("an event");
        }
        (*layout).event
    }
}

impl Subject for Theirs {
    type Object = Mta<IUnknown>;
    type Callback = Mta<IMFAsyncCallback>;
    type Result = Mta<IMFAsyncResult>;
    type Signal = OwnedHandle;

    fn new() -> Theirs {
        // SAFETY: needs no initialised apartment. It is never given back: the process ends with the case.
        let _cookie = unsafe { CoIncrementMTAUsage() }.expect("the multithreaded apartment");
        Theirs
    }

    fn kind() -> Kind {
        static KIND: OnceLock<Kind> = OnceLock::new();
        *KIND.get_or_init(|| match (is_drop_in(), is_wine()) {
            (true, false) => Kind::DropIn,
            (true, true) => Kind::WineDropIn,
            (false, true) => Kind::Wine,
            (false, false) => Kind::Windows,
        })
    }

    fn startup(&self) -> Answer {
        self.startup_with(VERSION, 0)
    }

    fn startup_with(&self, version: u32, flags: u32) -> Answer {
        // SAFETY: takes two numbers.
        answer(unsafe { MFStartup(version, flags) })
    }

    fn shutdown(&self) -> Answer {
        // SAFETY: takes nothing. The cases release their objects before.
        answer(unsafe { MFShutdown() })
    }

    fn lock_platform(&self) -> Answer {
        // SAFETY: takes nothing.
        answer(unsafe { MFLockPlatform() })
    }

    fn unlock_platform(&self) -> Answer {
        // SAFETY: takes nothing.
        answer(unsafe { MFUnlockPlatform() })
    }

    fn object<T: Send + Sync + 'static>(&self, keeps: T) -> Mta<IUnknown> {
        let object: Unknown = Arc::new(keeps);
        Mta::from(object)
    }

    fn same_object(&self, one: &Mta<IUnknown>, other: &Mta<IUnknown>) -> bool {
        one == other
    }

    fn callback(
        &self,
        parameters: Parameters,
        invoke: impl Fn(&Mta<IMFAsyncResult>) + Send + Sync + 'static,
    ) -> Mta<IMFAsyncCallback> {
        callback::of(parameters, invoke)
    }

    fn failing_callback(
        &self,
        invoke: impl Fn(&Mta<IMFAsyncResult>) + Send + Sync + 'static,
    ) -> Mta<IMFAsyncCallback> {
        callback::raw(windows::Win32::Foundation::E_FAIL, invoke)
    }

    fn same_result(&self, one: &Mta<IMFAsyncResult>, other: &Mta<IMFAsyncResult>) -> bool {
        one == other
    }

    fn create_result(
        &self,
        object: Option<&Mta<IUnknown>>,
        callback: Option<&Mta<IMFAsyncCallback>>,
        state: Option<&Mta<IUnknown>>,
    ) -> Answer<Mta<IMFAsyncResult>> {
        // SAFETY: all three are free-threaded, or missing; what is made is Media Foundation's own.
        let result = unsafe {
            MFCreateAsyncResult(object.map(|o| &**o), callback.map(|c| &**c), state.map(|s| &**s))
                .map(|result| Mta::new(result))
        };
        let result = answer(result)?;
        if callback.is_none() {
            event_of(&result);
        }
        Ok(result)
    }

    fn status(&self, result: &Mta<IMFAsyncResult>) -> Hresult {
        // SAFETY: the table is that of the object's own interface. Called by it, since the wrapper loses the
        // codes of success.
        code(unsafe { (result.vtable().GetStatus)(result.as_raw()) })
    }

    fn set_status(&self, result: &Mta<IMFAsyncResult>, status: Hresult) -> Answer {
        // SAFETY: takes a number.
        answer(unsafe { result.SetStatus(HRESULT::from(status)) })
    }

    fn state(&self, result: &Mta<IMFAsyncResult>) -> Answer<Mta<IUnknown>> {
        // SAFETY: what is given is a reference of its own to an object of the cases.
        answer(unsafe { result.GetState().map(|state| Mta::new(state)) })
    }

    fn borrowed_state(&self, result: &Mta<IMFAsyncResult>) -> Option<Mta<IUnknown>> {
        // SAFETY: the state is the result's, which is alive. What the function gives is no reference, so it is
        // not released; the clone is one.
        unsafe {
            let state = ManuallyDrop::new((result.vtable().GetStateNoAddRef)(result.as_raw()));
            (*state).clone().map(|state| Mta::new(state))
        }
    }

    fn object_of(&self, result: &Mta<IMFAsyncResult>) -> Answer<Mta<IUnknown>> {
        // SAFETY: what is given is a reference of its own to an object of the cases.
        answer(unsafe { result.GetObject().map(|object| Mta::new(object)) })
    }

    fn is_signalled(&self, result: &Mta<IMFAsyncResult>) -> bool {
        // SAFETY: the handle is the result's, which is alive; it does not wait.
        unsafe { WaitForSingleObject(event_of(result), 0) == WAIT_OBJECT_0 }
    }

    fn invoke(&self, result: &Mta<IMFAsyncResult>) -> Answer {
        // SAFETY: the result is Media Foundation's own.
        answer(unsafe { MFInvokeCallback(&**result) })
    }

    fn put(&self, queue: u32, callback: &Self::Callback, state: Option<&Mta<IUnknown>>) -> Answer {
        // SAFETY: both are free-threaded.
        answer(unsafe { MFPutWorkItem(queue, &**callback, state.map(|s| &**s)) })
    }

    fn put2(
        &self,
        queue: u32,
        priority: i32,
        callback: &Self::Callback,
        state: Option<&Mta<IUnknown>>,
    ) -> Answer {
        // SAFETY: both are free-threaded.
        answer(unsafe { MFPutWorkItem2(queue, priority, &**callback, state.map(|s| &**s)) })
    }

    fn put_ex(&self, queue: u32, result: &Mta<IMFAsyncResult>) -> Answer {
        // SAFETY: the result is Media Foundation's own.
        answer(unsafe { MFPutWorkItemEx(queue, &**result) })
    }

    fn put_ex2(&self, queue: u32, priority: i32, result: &Mta<IMFAsyncResult>) -> Answer {
        // SAFETY: the result is Media Foundation's own.
        answer(unsafe { MFPutWorkItemEx2(queue, priority, &**result) })
    }

    fn allocate(&self) -> Answer<u32> {
        // SAFETY: gives a number.
        answer(unsafe { MFAllocateWorkQueue() })
    }

    fn allocate_ex(&self, kind: u32) -> Answer<u32> {
        // SAFETY: takes a number, which may be any, and gives one.
        answer(unsafe { MFAllocateWorkQueueEx(MFASYNC_WORKQUEUE_TYPE(kind as i32)) })
    }

    fn allocate_serial(&self, base: u32) -> Answer<u32> {
        // SAFETY: takes a number, which may be any, and gives one.
        answer(unsafe { MFAllocateSerialWorkQueue(base) })
    }

    fn lock_queue(&self, queue: u32) -> Answer {
        // SAFETY: takes a number, which may be any.
        answer(unsafe { MFLockWorkQueue(queue) })
    }

    fn unlock_queue(&self, queue: u32) -> Answer {
        // SAFETY: takes a number, which may be any.
        answer(unsafe { MFUnlockWorkQueue(queue) })
    }

    fn lock_shared(&self, class: Option<&str>, priority: i32, task: Option<u32>) -> Answer<(u32, u32)> {
        let name = class.map(HSTRING::from);
        let name = name.as_ref().map_or(PCWSTR::null(), |name| PCWSTR(name.as_ptr()));
        let (mut id, mut number) = (0, task.unwrap_or(0));
        let wanted = if task.is_some() { &raw mut number } else { std::ptr::null_mut() };
        // SAFETY: the name ends with a zero, or is missing; the numbers live here, and are written before the
        // call returns.
        answer(unsafe { MFLockSharedWorkQueue(name, priority, wanted, &raw mut id) })?;
        Ok((id, number))
    }

    fn schedule(
        &self,
        callback: &Self::Callback,
        state: Option<&Mta<IUnknown>>,
        timeout: i64,
    ) -> Answer<u64> {
        let mut key = 0;
        // SAFETY: both are free-threaded; the key is written before the call returns.
        answer(unsafe { MFScheduleWorkItem(&**callback, state.map(|s| &**s), timeout, Some(&raw mut key)) })?;
        Ok(key)
    }

    fn schedule_ex(&self, result: &Mta<IMFAsyncResult>, timeout: i64) -> Answer<u64> {
        let mut key = 0;
        // SAFETY: the result is Media Foundation's own; the key is written before the call returns.
        answer(unsafe { MFScheduleWorkItemEx(&**result, timeout, Some(&raw mut key)) })?;
        Ok(key)
    }

    fn cancel(&self, key: u64) -> Answer {
        // SAFETY: takes a number, which may be any.
        answer(unsafe { MFCancelWorkItem(key) })
    }

    fn signal(&self, stays_set: bool) -> OwnedHandle {
        // SAFETY: the new handle is owned here alone.
        unsafe {
            let event = CreateEventW(None, stays_set, false, None).expect("an event");
            OwnedHandle::from_raw_handle(event.0)
        }
    }

    fn set(&self, signal: &OwnedHandle) {
        // SAFETY: the handle is open.
        unsafe { SetEvent(HANDLE(signal.as_raw_handle())) }.expect("the event is set");
    }

    fn put_waiting(&self, signal: &OwnedHandle, priority: i32, result: &Mta<IMFAsyncResult>) -> Answer<u64> {
        let mut key = 0;
        // SAFETY: the handle is open; the key is written before the call returns.
        answer(unsafe {
            MFPutWaitingWorkItem(HANDLE(signal.as_raw_handle()), priority, &**result, Some(&raw mut key))
        })?;
        Ok(key)
    }

    fn add_periodic(
        &self,
        call: impl Fn() + Send + Sync + 'static,
        context: Option<&Mta<IUnknown>>,
    ) -> Answer<u32> {
        let context = callback::ticker(call, context.cloned());
        let mut key = 0;
        // SAFETY: the function is of the demanded type, and is only given the context that is passed with it;
        // the key is written before the call returns.
        answer(unsafe { MFAddPeriodicCallback(Some(callback::tick), &*context, Some(&raw mut key)) })?;
        Ok(key)
    }

    fn remove_periodic(&self, key: u32) -> Answer {
        // SAFETY: takes a number, which may be any.
        answer(unsafe { MFRemovePeriodicCallback(key) })
    }

    fn periodicity(&self) -> Answer<u32> {
        // SAFETY: gives a number.
        answer(unsafe { MFGetTimerPeriodicity() })
    }

    fn in_mta(&self) -> bool {
        apartment() == (APTTYPE_MTA, APTTYPEQUALIFIER_NONE)
    }

    fn in_sta(&self) -> bool {
        apartment().0 == APTTYPE_STA
    }
}

/// The current thread's apartment, and how it came to be in it.
fn apartment() -> (APTTYPE, APTTYPEQUALIFIER) {
    let (mut kind, mut how) = (APTTYPE(-2), APTTYPEQUALIFIER(-2));
    // SAFETY: both live here, and are written before the call returns. A thread in no apartment is an error.
    let _ = unsafe { CoGetApartmentType(&raw mut kind, &raw mut how) };
    (kind, how)
}

/// Whether the work queues are our own: that DLL has a function that the system's has not.
fn is_drop_in() -> bool {
    windows_core::link!("kernel32.dll" "system" fn LoadLibraryA(name: *const u8) -> *mut c_void);
    windows_core::link!("kernel32.dll" "system" fn GetProcAddress(module: *mut c_void, name: *const u8) -> *mut c_void);
    // SAFETY: both names end with a zero; the module is the one that Media Foundation has loaded, and stays.
    unsafe {
        let module = LoadLibraryA(c"rtworkq.dll".as_ptr().cast());
        !module.is_null() && !GetProcAddress(module, c"MfAsyncInstall".as_ptr().cast()).is_null()
    }
}

/// Whether the system is Wine, which has a function that says so.
fn is_wine() -> bool {
    windows_core::link!("kernel32.dll" "system" fn GetModuleHandleA(name: *const u8) -> *mut c_void);
    windows_core::link!("kernel32.dll" "system" fn GetProcAddress(module: *mut c_void, name: *const u8) -> *mut c_void);
    // SAFETY: both names end with a zero; the module is one that every process has.
    unsafe {
        let module = GetModuleHandleA(c"ntdll.dll".as_ptr().cast());
        !module.is_null() && !GetProcAddress(module, c"wine_get_version".as_ptr().cast()).is_null()
    }
}
