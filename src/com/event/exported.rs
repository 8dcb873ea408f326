//! A portable generator as an `IMFMediaEventGenerator`.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use windows::Win32::Foundation::{E_INVALIDARG, E_POINTER};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFMediaEvent, IMFMediaEventGenerator, IMFMediaEventGenerator_Impl,
    MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{Error, GUID, HRESULT, IUnknown, Interface, Ref, Result};
use windows_core::implement;

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::com::callback::contain;
use crate::com::{Mta, prop_variant};
use crate::contain::drop_contained;
use crate::error::Hresult;
use crate::event::{GetEventFlags, MediaEvent, MediaEventGenerator};
use crate::guid::Guid;

impl From<Arc<dyn MediaEventGenerator>> for Mta<IMFMediaEventGenerator> {
    /// A COM object that sends the generator's events.
    fn from(generator: Arc<dyn MediaEventGenerator>) -> Mta<IMFMediaEventGenerator> {
        Mta::of(Exported { generator: Some(generator), last: Mutex::default() })
    }
}

/// The object. `#[implement]` does not check that what it makes callable from every thread may be: the
/// generator's type does.
#[implement(IMFMediaEventGenerator)]
struct Exported {
    /// Always there, until the drop.
    generator: Option<Arc<dyn MediaEventGenerator>>,
    last: Mutex<Last>,
}

/// What the last request was begun with. The contract asks whether the next is begun with the same objects,
/// so the same must stand for them.
#[derive(Default)]
struct Last {
    callback: Option<(usize, Weak<dyn AsyncCallback>)>,
    state: Option<(usize, Weak<dyn Any + Send + Sync>)>,
}

impl Exported {
    fn call<T>(&self, call: impl FnOnce(&dyn MediaEventGenerator) -> crate::Result<T>) -> Result<T> {
        contain(|| match &self.generator {
            Some(generator) => Ok(call(&**generator)?),
            None => Err(E_POINTER.into()),
        })
    }

    /// The portable objects that stand for these: those of the last request, if it was begun with the same.
    fn same_as_last(
        &self,
        callback: &IMFAsyncCallback,
        state: Option<&IUnknown>,
    ) -> (Arc<dyn AsyncCallback>, Option<Unknown>) {
        let address = callback.as_raw() as usize;
        // While a portable object that stands for a COM one lives, so does the COM one: its address is its own.
        let known = known(&self.last().callback, address);
        let callback = known.unwrap_or_else(|| {
            // SAFETY: callbacks are called by any thread that has an event for them.
            let made = Arc::<dyn AsyncCallback>::from(unsafe { Mta::new(callback.clone()) });
            self.last().callback = Some((address, Arc::downgrade(&made)));
            made
        });
        let state = state.map(|state| {
            let address = state.as_raw() as usize;
            let known = self::known(&self.last().state, address);
            known.unwrap_or_else(|| {
                // SAFETY: a state goes with its result from thread to thread as it is.
                let made = Unknown::from(unsafe { Mta::new(state.clone()) });
                self.last().state = Some((address, Arc::downgrade(&made)));
                made
            })
        });
        (callback, state)
    }

    /// A lock, held for a look or a change: objects are made and dropped outside.
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The object of this address, if it is the last one's and lives.
fn known<T: ?Sized>(last: &Option<(usize, Weak<T>)>, address: usize) -> Option<Arc<T>> {
    last.as_ref().filter(|(of, _)| *of == address)?.1.upgrade()
}

impl IMFMediaEventGenerator_Impl for Exported_Impl {
    fn GetEvent(&self, flags: MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS) -> Result<IMFMediaEvent> {
        let flags = GetEventFlags::from_bits_retain(flags.0);
        self.call(|generator| to_com(&generator.get_event(flags)?))
    }

    fn BeginGetEvent(&self, callback: Ref<'_, IMFAsyncCallback>, state: Ref<'_, IUnknown>) -> Result<()> {
        let callback = callback.ok().map_err(|_| Error::from(E_INVALIDARG))?;
        let (callback, state) = self.same_as_last(callback, state.as_ref());
        match self.call(|generator| generator.begin_get_event(callback, state))? {
            Hresult::S_OK => Ok(()),
            // The generated table turns this back into the code, which is one of success.
            code => Err(Error::from_hresult(code.into())),
        }
    }

    fn EndGetEvent(&self, result: Ref<'_, IMFAsyncResult>) -> Result<IMFMediaEvent> {
        // SAFETY: results go from thread to thread as they are.
        let result = unsafe { Mta::new(result.ok()?.clone()) };
        self.call(|generator| to_com(&generator.end_get_event(&AsyncResult::from(result))?))
    }

    fn QueueEvent(
        &self,
        kind: u32,
        extended: *const GUID,
        status: HRESULT,
        value: *const PROPVARIANT,
    ) -> Result<()> {
        // SAFETY: the caller passes null, or what may be read.
        let (extended, value) = unsafe { (extended.as_ref(), value.as_ref()) };
        let mut event = MediaEvent::new(kind).with_status(Hresult::from(status));
        if let Some(extended) = extended {
            event = event.with_extended_type(Guid::from_u128(extended.to_u128()));
        }
        if let Some(value) = value {
            event = event.with_value(prop_variant::to_value(value).ok_or(E_INVALIDARG)?);
        }
        self.call(|generator| generator.queue_event(event))
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        // A panic must not unwind into the caller of `Release`.
        drop_contained(self.generator.take());
    }
}

fn to_com(event: &MediaEvent) -> crate::Result<IMFMediaEvent> {
    Ok(Mta::<IMFMediaEvent>::try_from(event)?.into_inner())
}
