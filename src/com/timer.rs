//! Scheduled, waiting and periodic items of the system's Media Foundation.

use std::fmt;
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use windows::Win32::Foundation::HANDLE;
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, MFAddPeriodicCallback, MFCreateAsyncResult, MFPutWaitingWorkItem,
    MFRemovePeriodicCallback, MFScheduleWorkItemEx,
};
use windows::Win32::System::Com::{IAgileObject, IAgileObject_Impl};
use windows::core::{IUnknown, Interface, Ref};
use windows_core::implement;

use crate::async_result::CallbackParameters;
use crate::cancel::WorkItemKey;
use crate::com::callback::contain;
use crate::com::error::status_of;
use crate::com::guarded::Guarded;
use crate::com::{Mta, Platform, WorkQueue, operation};
use crate::contain::drop_contained;
use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::sync::LockExt;

impl WorkQueue {
    /// Waits for a time, on Media Foundation's own timer; the operation ends on this queue.
    ///
    /// The delay is rounded up to milliseconds.
    ///
    /// # Errors
    /// The operation's: `MF_E_OPERATION_CANCELLED` when it is [cancelled](Operation::cancel),
    /// `MF_E_SHUTDOWN` when the platform is shut down before its time.
    ///
    /// # Cancel safety
    /// Dropping the operation cancels the item.
    #[doc(alias = "MFScheduleWorkItem")]
    #[doc(alias = "MFScheduleWorkItemEx")]
    #[doc(alias = "MFCancelWorkItem")]
    #[track_caller]
    pub fn schedule(&self, delay: Duration) -> Operation<()> {
        let milliseconds = delay.as_nanos().div_ceil(1_000_000);
        // Media Foundation counts on in units of 100 ns, which must not overflow.
        let timeout = i64::try_from(milliseconds).unwrap_or(i64::MAX).min(i64::MAX / 10_000);
        self.pending(None, |result, key| {
            // SAFETY: the result is Media Foundation's own; the key is written before the call returns.
            unsafe { MFScheduleWorkItemEx(result, -timeout, Some(key)) }
        })
    }

    /// Waits until a handle is signalled: an event, a semaphore, a process, a thread; the operation ends on
    /// this queue.
    ///
    /// The handle is duplicated, so the caller's may be closed at once. An auto-reset event is reset by the
    /// wait.
    ///
    /// # Errors
    /// The operation's: `E_HANDLE` when the handle is not valid, `MF_E_OPERATION_CANCELLED` when it is
    /// [cancelled](Operation::cancel), `MF_E_SHUTDOWN` when the platform is shut down before.
    ///
    /// # Cancel safety
    /// Dropping the operation cancels the wait. A signal that came before is consumed all the same.
    #[doc(alias = "MFPutWaitingWorkItem")]
    #[doc(alias = "MFCancelWorkItem")]
    #[track_caller]
    pub fn wait_for(&self, handle: impl AsHandle) -> Operation<()> {
        let handle = match handle.as_handle().try_clone_to_owned() {
            Ok(handle) => handle,
            Err(error) => {
                return Operation::failed(Error::io("duplicate the handle to be waited for", error));
            }
        };
        let raw = HANDLE(handle.as_raw_handle());
        self.pending(Some(handle), |result, key| {
            // SAFETY: the callback keeps the handle until it is called or released, a cancelled item's, too, so that
            // no wait has a handle that is closed; the result is Media Foundation's own, and the key is written
            // before the call returns.
            unsafe { MFPutWaitingWorkItem(raw, 0, result, Some(key)) }
        })
    }

    #[track_caller]
    fn pending(
        &self,
        handle: Option<OwnedHandle>,
        put: impl FnOnce(&IMFAsyncResult, *mut u64) -> windows::core::Result<()>,
    ) -> Operation<()> {
        let promised = match self.platform().promise(self.id()) {
            Ok(promised) => promised,
            Err(error) => return Operation::failed(error),
        };
        let begin = |callback: &IMFAsyncCallback| {
            let mut key = 0;
            // SAFETY: the callback is this module's own, which may be called from any thread.
            let result = unsafe { MFCreateAsyncResult(None, callback, None) }?;
            put(&result, &raw mut key).map(|()| WorkItemKey(key))
        };
        let end = move |result: &IMFAsyncResult| {
            drop(handle);
            status_of(result).ok().map(drop)
        };
        operation::start(promised, self.lock().clone(), CallbackParameters::on(self.id()), begin, end)
    }
}

impl Platform {
    /// Calls `callback` every 10 ms until the guard is dropped.
    ///
    /// It is called on a thread of Media Foundation's. It may take no longer than a timer callback should: a
    /// few milliseconds. A panic in it is contained, and no more than that.
    ///
    /// # Errors
    /// Media Foundation's own, `MF_E_SHUTDOWN` for example.
    #[doc(alias = "MFAddPeriodicCallback")]
    #[doc(alias = "MFPERIODICCALLBACK")]
    pub fn add_periodic_callback<F>(&self, callback: F) -> Result<PeriodicCallback>
    where
        F: Fn() + Send + Sync + 'static,
    {
        let call: SharedCall = Arc::new(Mutex::new(Some(Arc::new(callback))));
        let context: Mta<IUnknown> =
            Mta::<IAgileObject>::of(Ticker { call: Guarded::new(call.clone()) }).cast()?;
        let mut key = 0;
        // SAFETY: `tick` is of the demanded type, and is only given the context that is passed with it,
        // which Media Foundation holds a reference to; the key is written before the call returns.
        unsafe { MFAddPeriodicCallback(Some(tick), &*context, Some(&raw mut key)) }?;
        Ok(PeriodicCallback { key, call, _platform: self.clone() })
    }
}

/// A callback that is called every 10 ms; dropping this removes it.
///
/// What it captured is dropped with it, except while a call is running: then the call drops it.
#[doc(alias = "MFRemovePeriodicCallback")]
#[must_use = "the callback is removed when this is dropped"]
pub struct PeriodicCallback {
    key: u32,
    call: SharedCall,
    _platform: Platform,
}

type SharedCall = Arc<Mutex<Option<Arc<dyn Fn() + Send + Sync>>>>;

impl Drop for PeriodicCallback {
    fn drop(&mut self) {
        // SAFETY: takes a number. An error says that Media Foundation has dropped the callback already.
        let _ = unsafe { MFRemovePeriodicCallback(self.key) };
        // Media Foundation may hold the context for a while longer, so it is emptied.
        let call = self.call.locked().take();
        drop_contained(call);
    }
}

impl fmt::Debug for PeriodicCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeriodicCallback").field(&self.key).finish()
    }
}

/// The context of a periodic callback.
#[implement(IAgileObject)]
struct Ticker {
    call: Guarded<SharedCall>,
}

impl IAgileObject_Impl for Ticker_Impl {}

unsafe extern "system" fn tick(context: Ref<'_, IUnknown>) {
    let Some(context) = context.as_ref() else { return };
    let Ok(ticker) = context.cast_object_ref::<Ticker>() else { return };
    let call = ticker.call.locked().clone();
    if let Some(call) = call {
        let _ = contain(|| call());
        // This may be the last of it, also after a panic.
        drop_contained(call);
    }
}
