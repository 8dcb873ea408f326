//! `IMFAsyncResult` and [`AsyncResult`], each as the other; there and back is the same object.

use std::any::Any;
use std::ffi::c_void;
use std::mem::{offset_of, size_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering, fence};
use std::sync::{Arc, LazyLock};

use windows::Win32::Foundation::{E_NOINTERFACE, E_POINTER, E_UNEXPECTED, HANDLE, S_OK};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFAsyncResult_Vtbl, MFInvokeCallback, MFLockPlatform, MFUnlockPlatform,
};
use windows::Win32::System::Com::IAgileObject;
use windows::Win32::System::IO::OVERLAPPED;
use windows::core::{GUID, HRESULT, IUnknown, IUnknown_Vtbl, Interface};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, Unknown};
use crate::com::Mta;
use crate::com::operation::status_of;
use crate::contain::drop_contained;
use crate::error::{Error, Hresult};
use crate::keepalive::Keepalive;

impl From<&AsyncResult> for Mta<IMFAsyncResult> {
    /// The COM result itself when that is what it stands for, with the status of now; else one that stands
    /// for it, which Media Foundation's queues take as their own.
    fn from(result: &AsyncResult) -> Mta<IMFAsyncResult> {
        match standing(result) {
            Some(foreign) => {
                foreign.write_back(result);
                foreign.com.clone()
            }
            None => Object::make(result.clone()),
        }
    }
}

impl From<AsyncResult> for Mta<IMFAsyncResult> {
    fn from(result: AsyncResult) -> Mta<IMFAsyncResult> {
        Mta::from(&result)
    }
}

impl From<Mta<IMFAsyncResult>> for AsyncResult {
    /// The result that the COM object stands for, or one that stands for the COM object: with its status of
    /// now, and its state and private object, to be read as `Mta<IUnknown>` where they are COM objects.
    fn from(com: Mta<IMFAsyncResult>) -> AsyncResult {
        match ours(&com) {
            Some(result) => result.clone(),
            None => standing_for(com, None),
        }
    }
}

/// Invokes a portable callback with a COM result; it does not unwind.
pub(crate) fn invoke(com: &IMFAsyncResult, callback: &Arc<dyn AsyncCallback>) -> windows::core::Result<()> {
    let called = catch_unwind(AssertUnwindSafe(|| match ours(com) {
        Some(result) => callback.invoke(result),
        None => {
            // SAFETY: results go from thread to thread as they are.
            let com = unsafe { Mta::new(com.clone()) };
            let result = standing_for(com, Some(callback.clone()));
            callback.invoke(&result);
            if let Some(foreign) = standing(&result) {
                foreign.write_back(&result);
            }
        }
    }));
    let Err(payload) = called else { return Ok(()) };
    let error = Error::panicked("the callback", payload);
    // It may wake somebody, and a waker may panic.
    let _ = catch_unwind(AssertUnwindSafe(|| callback.fail(&error)));
    drop_contained(error);
    Err(E_UNEXPECTED.into())
}

/// Invokes a portable callback with a state of its own; a panic is the caller's to contain.
pub(crate) fn invoke_with(com: &IMFAsyncResult, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) {
    // SAFETY: results go from thread to thread as they are.
    let com = unsafe { Mta::new(com.clone()) };
    let status = status_of(&com);
    let standing = Arc::new(Foreign::new(com, Some(callback.clone()), status));
    let result = AsyncResult::new(None, Some(standing), state, NOBODYS.clone());
    result.set_status(status);
    let called = catch_unwind(AssertUnwindSafe(|| callback.invoke(&result)));
    if let Err(payload) = called {
        let error = Error::panicked("the callback", payload);
        callback.fail(&error);
    }
}

/// The COM result that a portable one stands for.
pub(crate) fn foreign(result: &AsyncResult) -> Option<&Mta<IMFAsyncResult>> {
    standing(result).map(|foreign| &foreign.com)
}

/// What makes a portable result stand for a COM one.
fn standing(result: &AsyncResult) -> Option<&Foreign> {
    result.callback()?.behind()?.downcast_ref()
}

/// A portable result that stands for a COM one; `callback` is the one it is to invoke, if that is known.
fn standing_for(com: Mta<IMFAsyncResult>, callback: Option<Arc<dyn AsyncCallback>>) -> AsyncResult {
    // SAFETY: the result is alive; what it gives is a reference of its own.
    let (state, object) = unsafe { (com.GetState(), com.GetObject()) };
    // A result that has none says so by an error.
    // SAFETY: state and private object go with their result from thread to thread as they are.
    let unknown =
        |stored: windows::core::Result<IUnknown>| Some(Unknown::from(unsafe { Mta::new(stored.ok()?) }));
    let (state, object) = (unknown(state), unknown(object));
    let status = status_of(&com);
    let foreign = Arc::new(Foreign::new(com, callback, status));
    let result = AsyncResult::new(object, Some(foreign), state, NOBODYS.clone());
    result.set_status(status);
    result
}

/// What is lent to results that belong to no platform: nothing waits for it to be back.
static NOBODYS: LazyLock<Keepalive> = LazyLock::new(Keepalive::alone);

/// The callback of a result that stands for a COM one: it knows which.
struct Foreign {
    com: Mta<IMFAsyncResult>,
    callback: Option<Arc<dyn AsyncCallback>>,
    /// The status of the portable result that the COM one was last told, or that was read from it.
    told: AtomicU32,
}

impl Foreign {
    fn new(com: Mta<IMFAsyncResult>, callback: Option<Arc<dyn AsyncCallback>>, status: Hresult) -> Foreign {
        Foreign { com, callback, told: AtomicU32::new(status.0) }
    }

    /// The status that a portable callback or component has set is the COM result's, too. If they have set
    /// none, the COM result keeps its own, which somebody else may have set meanwhile.
    fn write_back(&self, result: &AsyncResult) {
        let status = result.status();
        // ORDERING: Relaxed, a number that orders nothing: the two results order what is written to them.
        if self.told.swap(status.0, Ordering::Relaxed) != status.0 {
            // SAFETY: takes a number. That a result refuses it changes nothing for anybody here.
            let _ = unsafe { self.com.SetStatus(status.into()) };
        }
    }
}

impl AsyncCallback for Foreign {
    fn parameters(&self) -> CallbackParameters {
        self.callback.as_ref().map_or_else(CallbackParameters::default, |callback| callback.parameters())
    }

    fn invoke(&self, result: &AsyncResult) {
        match &self.callback {
            Some(callback) => {
                callback.invoke(result);
                self.write_back(result);
            }
            None => {
                self.write_back(result);
                // SAFETY: whoever made the result made it for Media Foundation's queues. When they are shut
                // down there is nobody left to be told.
                let _ = unsafe { MFInvokeCallback(&*self.com) };
            }
        }
    }

    fn name(&self) -> &'static str {
        self.callback.as_ref().map_or("a callback of Media Foundation's", |callback| callback.name())
    }

    fn lent(&self, keepalive: &Keepalive) {
        if let Some(callback) = &self.callback {
            callback.lent(keepalive);
        }
    }

    fn fail(&self, error: &Error) {
        if let Some(callback) = &self.callback {
            callback.fail(error);
        }
    }

    fn behind(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(self)
    }
}

/// The callback of a result that has none: invoked, it signals the result's event.
struct Signal;

impl AsyncCallback for Signal {
    fn invoke(&self, result: &AsyncResult) {
        result.signal();
    }
}

/// `MFASYNCRESULT` as the system's headers lay it out: its queues read the callback from here.
#[repr(C)]
struct Head {
    table: *const IMFAsyncResult_Vtbl,
    overlapped: OVERLAPPED,
    callback: Option<IMFAsyncCallback>,
    status: AtomicI32,
    bytes: u32,
    event: HANDLE,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(
    size_of::<Head>() == 64
        && offset_of!(Head, callback) == 40
        && offset_of!(Head, status) == 48
        && offset_of!(Head, event) == 56
);

/// A COM result that stands for a portable one.
///
/// It is written by hand because the queues demand that the fields of [`Head`] follow the table's pointer.
#[repr(C)]
struct Object {
    head: Head,
    count: AtomicU32,
    state: Option<IUnknown>,
    object: Option<IUnknown>,
    result: AsyncResult,
    /// Whether the platform was open to be locked, and so is to be unlocked.
    locked: bool,
}

/// Its address also tells our objects from others.
static TABLE: IMFAsyncResult_Vtbl = IMFAsyncResult_Vtbl {
    base__: IUnknown_Vtbl {
        QueryInterface: Object::query_interface,
        AddRef: Object::add_ref,
        Release: Object::release,
    },
    GetState: Object::get_state,
    GetStatus: Object::get_status,
    SetStatus: Object::set_status,
    GetObject: Object::get_object,
    GetStateNoAddRef: Object::get_state_no_add_ref,
};

/// The portable result that a COM one stands for.
fn ours(com: &IMFAsyncResult) -> Option<&AsyncResult> {
    let this = com.as_raw();
    // SAFETY: every COM object starts with the pointer to its table.
    let table = unsafe { *this.cast::<*const IMFAsyncResult_Vtbl>() };
    // SAFETY: only an `Object` has this table, and the reference to it lives as long as the answer.
    std::ptr::eq(table, &TABLE).then(|| unsafe { &(*this.cast::<Object>()).result })
}

impl Object {
    #[doc(alias = "MFASYNCRESULT")]
    fn make(result: AsyncResult) -> Mta<IMFAsyncResult> {
        let callback = result.callback().cloned().unwrap_or_else(|| Arc::new(Signal));
        let unknown = |stored: Option<&Unknown>| Some(Mta::<IUnknown>::from(stored?.clone()).into_inner());
        let object = Box::new(Object {
            head: Head {
                table: &TABLE,
                overlapped: OVERLAPPED::default(),
                callback: Some(Mta::<IMFAsyncCallback>::from(callback).into_inner()),
                status: AtomicI32::new(HRESULT::from(result.status()).0),
                bytes: 0,
                event: HANDLE::default(),
            },
            count: AtomicU32::new(1),
            state: unknown(result.unknown_state()),
            object: unknown(result.unknown_object()),
            result,
            // SAFETY: takes nothing. A result may outlive the platform; then there is nothing to lock.
            locked: unsafe { MFLockPlatform() }.is_ok(),
        });
        // SAFETY: it starts with the table of this very interface, and its count is one. It may be used by every
        // thread: it counts atomically, changes by atomics alone, and what it holds may be used so, too.
        unsafe { Mta::new(IMFAsyncResult::from_raw(Box::into_raw(object).cast())) }
    }

    /// # Safety
    /// `this` is an interface pointer to an `Object`, as every function of the table is called with.
    unsafe fn get<'a>(this: *mut c_void) -> &'a Object {
        // SAFETY: the caller says so, and whoever calls by a pointer holds a reference. All that changes in
        // an object is atomic, and all that it holds may be used by every thread.
        unsafe { &*this.cast::<Object>() }
    }

    unsafe extern "system" fn query_interface(
        this: *mut c_void,
        iid: *const GUID,
        out: *mut *mut c_void,
    ) -> HRESULT {
        if iid.is_null() || out.is_null() {
            return E_POINTER;
        }
        // SAFETY: neither is null, and the caller of `QueryInterface` passes pointers to a GUID and to a
        // pointer; of the interfaces named, two have no methods but those that all have.
        unsafe {
            if [IUnknown::IID, IMFAsyncResult::IID, IAgileObject::IID].contains(&*iid) {
                Object::add_ref(this);
                *out = this;
                S_OK
            } else {
                *out = std::ptr::null_mut();
                E_NOINTERFACE
            }
        }
    }

    unsafe extern "system" fn add_ref(this: *mut c_void) -> u32 {
        // SAFETY: called by the table.
        let object = unsafe { Object::get(this) };
        // ORDERING: Relaxed: whoever adds a reference has one, which orders what it sees.
        object.count.fetch_add(1, Ordering::Relaxed) + 1
    }

    unsafe extern "system" fn release(this: *mut c_void) -> u32 {
        // SAFETY: called by the table.
        let object = unsafe { Object::get(this) };
        // ORDERING: Release pairs with the fence below: who lets go last sees what all others did.
        let left = object.count.fetch_sub(1, Ordering::Release) - 1;
        if left == 0 {
            fence(Ordering::Acquire);
            let locked = object.locked;
            // SAFETY: it was made by `Box::into_raw`, and this was the last reference to it. What is let go
            // with it may be let go by any thread, and does not unwind into whoever released it.
            drop_contained(unsafe { Box::from_raw(this.cast::<Object>()) });
            if locked {
                // SAFETY: takes nothing; for this there was one successful lock.
                let _ = unsafe { MFUnlockPlatform() };
            }
        }
        left
    }

    unsafe extern "system" fn get_state(this: *mut c_void, out: *mut *mut c_void) -> HRESULT {
        // SAFETY: called by the table, with a pointer to be written.
        unsafe { give(&Object::get(this).state, out) }
    }

    unsafe extern "system" fn get_object(this: *mut c_void, out: *mut *mut c_void) -> HRESULT {
        // SAFETY: called by the table, with a pointer to be written.
        unsafe { give(&Object::get(this).object, out) }
    }

    unsafe extern "system" fn get_status(this: *mut c_void) -> HRESULT {
        // SAFETY: called by the table.
        unsafe { Object::get(this) }.result.status().into()
    }

    unsafe extern "system" fn set_status(this: *mut c_void, status: HRESULT) -> HRESULT {
        // SAFETY: called by the table.
        let object = unsafe { Object::get(this) };
        object.result.set_status(status.into());
        // ORDERING: Relaxed: nobody here reads it; it is kept as true as the layout promises.
        object.head.status.store(status.0, Ordering::Relaxed);
        S_OK
    }

    unsafe extern "system" fn get_state_no_add_ref(this: *mut c_void) -> Option<IUnknown> {
        // SAFETY: called by the table. The type says that the pointer is owned, the contract that it is
        // borrowed: a copy of its bits that is not counted is what the contract demands.
        unsafe { std::mem::transmute_copy(&Object::get(this).state) }
    }
}

/// Gives a counted pointer, or `E_POINTER` when there is none, as Media Foundation's own results do.
///
/// # Safety
/// `out` is null or may be written.
unsafe fn give(stored: &Option<IUnknown>, out: *mut *mut c_void) -> HRESULT {
    match stored {
        Some(stored) if !out.is_null() => {
            // SAFETY: not null, so it may be written.
            unsafe { *out = stored.clone().into_raw() };
            S_OK
        }
        _ => E_POINTER,
    }
}
