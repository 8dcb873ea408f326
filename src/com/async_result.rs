//! `IMFAsyncResult` and [`AsyncResult`], each as the other; there and back is the same object.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::mem::{offset_of, size_of};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering, fence};

use windows::Win32::Foundation::{CloseHandle, E_NOINTERFACE, E_POINTER, E_UNEXPECTED, HANDLE, S_OK};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFAsyncResult_Vtbl, MFInvokeCallback, MFLockPlatform, MFUnlockPlatform,
};
use windows::Win32::System::Com::IAgileObject;
use windows::Win32::System::IO::OVERLAPPED;
use windows::core::{GUID, HRESULT, IUnknown, IUnknown_Vtbl, Interface};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, Parts, Shortcut, Unknown};
use crate::com::Mta;
use crate::com::error::status_of;
use crate::com::guarded::Guarded;
use crate::com::startup::Started;
use crate::contain::{contain, drop_contained, drop_payload};
use crate::error::{Error, Hresult};

impl From<&AsyncResult> for Mta<IMFAsyncResult> {
    /// The COM result itself when that is what it stands for, with the status of now; else one that stands
    /// for it, which Media Foundation's queues take as their own.
    fn from(result: &AsyncResult) -> Mta<IMFAsyncResult> {
        match standing(result) {
            Some(standing) => {
                standing.write_back(result);
                standing.com.clone()
            }
            None => ResultObject::make(result.clone()),
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
    ///
    /// Which callback a COM object invokes only the system's queues know. So a portable queue passes such a result on to them
    /// when its turn has come, and counts that as a run.
    fn from(com: Mta<IMFAsyncResult>) -> AsyncResult {
        match ours(&com) {
            Some(ours) => {
                ours.agree();
                AsyncResult::clone(&ours.result)
            }
            None => standing_for(com, None),
        }
    }
}

/// Invokes a portable callback with a COM result; it does not unwind.
pub(crate) fn invoke(com: &IMFAsyncResult, callback: &Arc<dyn AsyncCallback>) -> windows::core::Result<()> {
    let called = contain(|| match ours(com) {
        Some(ours) => {
            ours.agree();
            let called = call(callback, &ours.result);
            ours.agree();
            called
        }
        None => {
            // SAFETY: results go from thread to thread as they are.
            let com = unsafe { Mta::new(com.clone()) }.keeping(Started::current());
            let result = standing_for(com, Some(callback.clone()));
            let called = call(callback, &result);
            if let Some(standing) = standing(&result) {
                standing.write_back(&result);
            }
            called
        }
    });
    called.unwrap_or_else(|payload| {
        drop_payload(payload);
        Err(E_UNEXPECTED.into())
    })
}

/// Invokes a portable callback with a state of its own; a panic of the callback stops here.
pub(crate) fn invoke_with(com: &IMFAsyncResult, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) {
    // SAFETY: results go from thread to thread as they are.
    let com = unsafe { Mta::new(com.clone()) }.keeping(Started::current());
    let result = ComResult::new(com, Some(callback.clone())).into_result(None, state);
    // Media Foundation ignores what a callback returns.
    let _ = call(&callback, &result);
}

/// Calls the callback. A panic is `E_UNEXPECTED`, and fails the operation whose result is the state.
fn call(callback: &Arc<dyn AsyncCallback>, result: &AsyncResult) -> windows::core::Result<()> {
    let Err(payload) = contain(|| callback.invoke(result)) else { return Ok(()) };
    match result.state::<AsyncResult>() {
        Some(waiting) => waiting.fail(Error::panicked("the callback", payload)),
        None => drop_payload(payload),
    }
    Err(E_UNEXPECTED.into())
}

/// The COM result that a portable one stands for.
pub(crate) fn foreign(result: &AsyncResult) -> Option<&Mta<IMFAsyncResult>> {
    standing(result).map(|standing| &standing.com)
}

/// What makes a portable result stand for a COM one.
fn standing(result: &AsyncResult) -> Option<&ComResult> {
    match result.callback()?.shortcut() {
        Shortcut::Foreign(object) => object.downcast_ref(),
        _ => None,
    }
}

/// A portable result that stands for a COM one; `callback` is the one it is to invoke, if that is known.
fn standing_for(com: Mta<IMFAsyncResult>, callback: Option<Arc<dyn AsyncCallback>>) -> AsyncResult {
    // SAFETY: the result is alive; what it gives is a reference of its own.
    let (state, object) = unsafe { (com.GetState(), com.GetObject()) };
    // A result that has none says so by an error.
    // SAFETY: state and private object go with their result from thread to thread as they are.
    let unknown =
        |stored: windows::core::Result<IUnknown>| Some(Unknown::from(unsafe { com.beside(stored.ok()?) }));
    let (object, state) = (unknown(object), unknown(state));
    ComResult::new(com, callback).into_result(object, state)
}

/// The callback of a result that stands for a COM one: it knows which.
struct ComResult {
    com: Mta<IMFAsyncResult>,
    callback: Option<Arc<dyn AsyncCallback>>,
    /// The status that both results had when they were last compared.
    shared_status: AtomicU32,
}

impl ComResult {
    fn new(com: Mta<IMFAsyncResult>, callback: Option<Arc<dyn AsyncCallback>>) -> ComResult {
        let status = status_of(&com);
        ComResult { com, callback, shared_status: AtomicU32::new(status.0) }
    }

    /// The result that stands for the COM one. It belongs to no platform, so it has no token.
    fn into_result(mut self, object: Option<Unknown>, state: Option<Unknown>) -> AsyncResult {
        let status = Hresult(*self.shared_status.get_mut());
        let callback: Arc<dyn AsyncCallback> = Arc::new(self);
        let parts = Parts { object, callback: Some(callback), state, ..Parts::default() };
        let result = AsyncResult::new(parts, None);
        result.set_status(status);
        result
    }

    /// A status that a portable callback or component has set is set on the COM result, too. Otherwise the COM
    /// result keeps its own, which may have been set meanwhile.
    fn write_back(&self, result: &AsyncResult) {
        let status = result.status();
        // ORDERING: Relaxed, a number that orders nothing: the two results order what is written to them.
        if self.shared_status.swap(status.0, Ordering::Relaxed) != status.0 {
            // SAFETY: takes a number. If the result refuses it, nothing here depends on that.
            let _ = unsafe { self.com.SetStatus(status.into()) };
        }
    }
}

impl AsyncCallback for ComResult {
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
                // SAFETY: the result was made for Media Foundation's queues. If they are shut down, nothing waits.
                let _ = unsafe { MFInvokeCallback(&*self.com) };
            }
        }
    }

    fn name(&self) -> &'static str {
        self.callback.as_ref().map_or("a callback of Media Foundation's", |callback| callback.name())
    }

    fn shortcut(&self) -> Shortcut<'_> {
        Shortcut::Foreign(self)
    }
}

/// The callback of a result that has none: invoked, it signals the result's event.
struct Signal;

impl AsyncCallback for Signal {
    fn invoke(&self, result: &AsyncResult) {
        result.signal();
    }
}

/// `MFASYNCRESULT` as the system's headers lay it out. Its queues read the callback from here. They and components that
/// know the layout also write here, at any time: what they write to is behind a cell or an atomic.
#[repr(C)]
struct Head {
    table: *const IMFAsyncResult_Vtbl,
    /// The queues' own, to queue the item by. Nothing here touches it.
    _overlapped: UnsafeCell<OVERLAPPED>,
    callback: Option<IMFAsyncCallback>,
    /// What `GetStatus` gives. A completion port writes to it, and so may a component.
    status: AtomicI32,
    /// The queues' own. Nothing here touches it.
    _bytes: UnsafeCell<u32>,
    /// An event that a component puts here is the result's, which closes it.
    event: AtomicPtr<c_void>,
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
struct ResultObject {
    head: Head,
    count: AtomicU32,
    state: Option<IUnknown>,
    object: Option<IUnknown>,
    result: Guarded<AsyncResult>,
    /// The status that the head and the portable result had when they were last compared.
    agreed: AtomicU32,
    /// Whether the platform was open to be locked, and so is to be unlocked.
    locked: bool,
}

/// By its address our objects are known among others.
static TABLE: IMFAsyncResult_Vtbl = IMFAsyncResult_Vtbl {
    base__: IUnknown_Vtbl {
        QueryInterface: ResultObject::query_interface,
        AddRef: ResultObject::add_ref,
        Release: ResultObject::release,
    },
    GetState: ResultObject::get_state,
    GetStatus: ResultObject::get_status,
    SetStatus: ResultObject::set_status,
    GetObject: ResultObject::get_object,
    GetStateNoAddRef: ResultObject::get_state_no_add_ref,
};

/// The object, if a COM result is one of this crate's.
fn ours(com: &IMFAsyncResult) -> Option<&ResultObject> {
    let this = com.as_raw();
    // SAFETY: every COM object starts with the pointer to its table.
    let table = unsafe { *this.cast::<*const IMFAsyncResult_Vtbl>() };
    // SAFETY: only a `ResultObject` has this table, and the reference to it lives as long as the answer. What others
    // change in it meanwhile is behind a cell or an atomic.
    std::ptr::eq(table, &TABLE).then(|| unsafe { &*this.cast::<ResultObject>() })
}

impl ResultObject {
    #[doc(alias = "MFASYNCRESULT")]
    fn make(result: AsyncResult) -> Mta<IMFAsyncResult> {
        let callback = result.callback().cloned().unwrap_or_else(|| Arc::new(Signal));
        let unknown = |stored: Option<&Unknown>| Some(Mta::<IUnknown>::from(stored?.clone()).into_inner());
        let status = result.status();
        let object = Box::new(ResultObject {
            head: Head {
                table: &TABLE,
                _overlapped: UnsafeCell::new(OVERLAPPED::default()),
                callback: Some(Mta::<IMFAsyncCallback>::from(callback).into_inner()),
                status: AtomicI32::new(HRESULT::from(status).0),
                _bytes: UnsafeCell::new(0),
                event: AtomicPtr::new(std::ptr::null_mut()),
            },
            count: AtomicU32::new(1),
            state: unknown(result.unknown_state()),
            object: unknown(result.unknown_object()),
            result: Guarded::new(result),
            agreed: AtomicU32::new(status.0),
            // SAFETY: takes nothing. A result may outlive the platform; then there is nothing to lock.
            locked: unsafe { MFLockPlatform() }.is_ok(),
        });
        // SAFETY: it starts with the table of this very interface, and its count is one. It may be used by every
        // thread: it counts atomically; this module changes nothing in it but atomics, the rest that changes is behind
        // cells that only the system's queues touch; and what it holds may be used by every thread, too.
        unsafe { Mta::new(IMFAsyncResult::from_raw(Box::into_raw(object).cast())) }
    }

    /// # Safety
    /// `this` is an interface pointer to a `ResultObject`, as every function of the table is called with.
    unsafe fn get<'a>(this: *mut c_void) -> &'a ResultObject {
        // SAFETY: the caller says so, and the caller of a method holds a reference. What is changed in an object while
        // such references live is behind a cell or an atomic, and all that it holds may be used by every thread.
        unsafe { &*this.cast::<ResultObject>() }
    }

    /// The status: that of the head, or that of the portable result if only this has changed since they were last
    /// compared. Both have it from now on.
    fn agree(&self) -> Hresult {
        // ORDERING: Relaxed for all: numbers that order nothing. The two results order what is written to them.
        let agreed = self.agreed.load(Ordering::Relaxed);
        let (head, portable) =
            (Hresult(self.head.status.load(Ordering::Relaxed) as u32), self.result.status());
        if head.0 != agreed {
            self.result.set_status(head);
            self.agreed.store(head.0, Ordering::Relaxed);
            return head;
        }
        if portable.0 != agreed {
            self.head.status.store(portable.0 as i32, Ordering::Relaxed);
            self.agreed.store(portable.0, Ordering::Relaxed);
        }
        portable
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
                ResultObject::add_ref(this);
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
        let object = unsafe { ResultObject::get(this) };
        // ORDERING: Relaxed: the caller has a reference, which orders what it sees.
        object.count.fetch_add(1, Ordering::Relaxed) + 1
    }

    unsafe extern "system" fn release(this: *mut c_void) -> u32 {
        // SAFETY: called by the table.
        let object = unsafe { ResultObject::get(this) };
        // ORDERING: Release pairs with the fence below: the last release sees what all others did.
        let left = object.count.fetch_sub(1, Ordering::Release) - 1;
        if left == 0 {
            fence(Ordering::Acquire);
            let locked = object.locked;
            let event = HANDLE(object.head.event.load(Ordering::Relaxed));
            if !event.is_invalid() {
                // SAFETY: a handle that a component has put there, as the layout has it, is the result's to close; this
                // is its end, so that it is closed once.
                let _ = unsafe { CloseHandle(event) };
            }
            // SAFETY: it was made by `Box::into_raw`, and this was the last reference to it. What it holds may be
            // dropped by any thread, and a panic of that does not unwind into the caller of `Release`.
            drop_contained(unsafe { Box::from_raw(this.cast::<ResultObject>()) });
            if locked {
                // SAFETY: takes nothing; for this there was one successful lock.
                let _ = unsafe { MFUnlockPlatform() };
            }
        }
        left
    }

    unsafe extern "system" fn get_state(this: *mut c_void, out: *mut *mut c_void) -> HRESULT {
        // SAFETY: called by the table, with a pointer to be written.
        unsafe { give(&ResultObject::get(this).state, out) }
    }

    unsafe extern "system" fn get_object(this: *mut c_void, out: *mut *mut c_void) -> HRESULT {
        // SAFETY: called by the table, with a pointer to be written.
        unsafe { give(&ResultObject::get(this).object, out) }
    }

    unsafe extern "system" fn get_status(this: *mut c_void) -> HRESULT {
        // SAFETY: called by the table.
        unsafe { ResultObject::get(this) }.agree().into()
    }

    unsafe extern "system" fn set_status(this: *mut c_void, status: HRESULT) -> HRESULT {
        // SAFETY: called by the table.
        let object = unsafe { ResultObject::get(this) };
        object.result.set_status(status.into());
        // ORDERING: Relaxed, as in `agree`.
        object.head.status.store(status.0, Ordering::Relaxed);
        object.agreed.store(status.0 as u32, Ordering::Relaxed);
        S_OK
    }

    unsafe extern "system" fn get_state_no_add_ref(this: *mut c_void) -> Option<IUnknown> {
        // SAFETY: called by the table. The type says that the pointer is owned, the contract that it is
        // borrowed: a copy of its bits that is not counted is what the contract demands.
        unsafe { std::mem::transmute_copy(&ResultObject::get(this).state) }
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
