//! A portable generator as an `IMFMediaEventGenerator`.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use windows::Win32::Foundation::E_INVALIDARG;
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFMediaEvent, IMFMediaEventGenerator, IMFMediaEventGenerator_Impl,
    MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{Error, GUID, HRESULT, IUnknown, Interface, Ref, Result};
use windows_core::implement;

use crate::async_result::{AsyncCallback, AsyncResult, Shortcut, Unknown};
use crate::com::callback::contain;
use crate::com::guarded::Guarded;
use crate::com::startup::Started;
use crate::com::{Mta, prop_variant};
use crate::error::Hresult;
use crate::event::{GetEventFlags, MediaEvent, MediaEventGenerator};
use crate::guid::Guid;

impl From<Arc<dyn MediaEventGenerator>> for Mta<IMFMediaEventGenerator> {
    /// A COM object that sends the generator's events.
    fn from(generator: Arc<dyn MediaEventGenerator>) -> Mta<IMFMediaEventGenerator> {
        Mta::of(Exported { generator: Guarded::new(generator), last: Mutex::default() })
    }
}

/// The object. `#[implement]` does not check that what it makes callable from every thread may be: the
/// generator's type does.
#[implement(IMFMediaEventGenerator)]
struct Exported {
    generator: Guarded<Arc<dyn MediaEventGenerator>>,
    last: Mutex<Last>,
}

/// What stood for the foreign objects that the last request was begun with. The contract asks whether the next is begun
/// with the same objects, so the same must stand for them. Objects of this crate's need nothing: what they stand for
/// is the same each time.
#[derive(Default)]
struct Last {
    callback: Option<(usize, Weak<dyn AsyncCallback>)>,
    state: Option<(usize, Weak<dyn Any + Send + Sync>)>,
}

impl Exported {
    fn call<T>(&self, call: impl FnOnce(&dyn MediaEventGenerator) -> crate::Result<T>) -> Result<T> {
        contain(|| Ok(call(&**self.generator)?))
    }

    /// The portable objects that stand for these: those of the last request, if it was begun with the same.
    fn same_as_last(
        &self,
        callback: &IMFAsyncCallback,
        state: Option<&IUnknown>,
    ) -> (Arc<dyn AsyncCallback>, Option<Unknown>) {
        // SAFETY: callbacks are called by any thread that has an event for them.
        let made =
            Arc::<dyn AsyncCallback>::from(unsafe { Mta::new(callback.clone()) }.keeping(Started::current()));
        let callback = match made.shortcut() {
            // While what stands for a COM object lives, so does the COM object: its address is its own.
            Shortcut::Foreign(object) if object.is::<Mta<IMFAsyncCallback>>() => {
                same(|last| &mut last.callback, &mut self.last(), callback.as_raw() as usize, &made)
            }
            _ => made,
        };
        let state = state.map(|state| {
            // SAFETY: a state goes with its result from thread to thread as it is.
            let made = Unknown::from(unsafe { Mta::new(state.clone()) }.keeping(Started::current()));
            if made.is::<Mta<IUnknown>>() {
                same(|last| &mut last.state, &mut self.last(), state.as_raw() as usize, &made)
            } else {
                made
            }
        });
        (callback, state)
    }

    /// A lock, held for a look or a change: objects are made and dropped outside.
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The portable object that stood for the COM object of this address last, if it lives; else the one that was made,
/// which does from now on.
fn same<T: ?Sized>(
    of: impl FnOnce(&mut Last) -> &mut Option<(usize, Weak<T>)>,
    last: &mut Last,
    address: usize,
    made: &Arc<T>,
) -> Arc<T> {
    let last = of(last);
    let known = last.as_ref().filter(|(of, _)| *of == address).and_then(|(_, known)| known.upgrade());
    known.unwrap_or_else(|| {
        *last = Some((address, Arc::downgrade(made)));
        made.clone()
    })
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
        let result = unsafe { Mta::new(result.ok()?.clone()) }.keeping(Started::current());
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
            event = event
                .with_value(prop_variant::to_value(value, Started::current().as_ref()).ok_or(E_INVALIDARG)?);
        }
        self.call(|generator| generator.queue_event(event))
    }
}

fn to_com(event: &MediaEvent) -> crate::Result<IMFMediaEvent> {
    Ok(Mta::<IMFMediaEvent>::try_from(event)?.into_inner())
}
