//! Theirs: events and their queues.

use mf_async::Hresult;
use mf_async::com::Mta;
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFMediaEvent, IMFMediaEventQueue, MFCreateEventQueue,
    MFCreateMediaEvent,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::Win32::System::Variant::{VT_EMPTY, VT_I8, VT_UNKNOWN};
use windows::core::{GUID, HRESULT, IUnknown, Interface};

use crate::subject::{Answer, Events, Value};
use crate::theirs::{Theirs, answer, code};

const NO_WAIT: u32 = 1;

impl Events for Theirs {
    type EventQueue = Mta<IMFMediaEventQueue>;
    type Event = Mta<IMFMediaEvent>;

    fn create_event_queue(&self) -> Answer<Mta<IMFMediaEventQueue>> {
        // SAFETY: what is made is Media Foundation's own, as are events.
        answer(unsafe { MFCreateEventQueue().map(|queue| Mta::new(queue)) })
    }

    fn create_event(
        &self,
        kind: u32,
        extended: u128,
        status: Hresult,
        number: Option<i64>,
    ) -> Mta<IMFMediaEvent> {
        let value = number.map(PROPVARIANT::from);
        let (name, status) = (GUID::from_u128(extended), HRESULT::from(status));
        // SAFETY: name and value live here, and are copied.
        let event = unsafe {
            MFCreateMediaEvent(kind, &raw const name, status, value.as_ref().map(std::ptr::from_ref))
                .map(|event| Mta::new(event))
        };
        event.expect("an event")
    }

    fn event_type(&self, event: &Mta<IMFMediaEvent>) -> u32 {
        // SAFETY: gives a number.
        unsafe { event.GetType() }.expect("a type")
    }

    fn extended_type(&self, event: &Mta<IMFMediaEvent>) -> u128 {
        // SAFETY: gives a number.
        unsafe { event.GetExtendedType() }.expect("an extended type").to_u128()
    }

    fn event_status(&self, event: &Mta<IMFMediaEvent>) -> Hresult {
        // SAFETY: gives a number.
        code(unsafe { event.GetStatus() }.expect("a status"))
    }

    fn event_value(&self, event: &Mta<IMFMediaEvent>) -> Value<Mta<IUnknown>> {
        // SAFETY: the type says which field is set; the object is one of the cases', and is cloned.
        unsafe {
            let value = event.GetValue().expect("a value");
            let inner = &value.Anonymous.Anonymous;
            match inner.vt {
                VT_EMPTY => Value::Empty,
                VT_I8 => Value::I64(inner.Anonymous.hVal),
                VT_UNKNOWN => match inner.Anonymous.punkVal.as_ref() {
                    Some(object) => Value::Object(Mta::new(object.clone())),
                    None => Value::Other,
                },
                _ => Value::Other,
            }
        }
    }

    fn get_event(&self, queue: &Mta<IMFMediaEventQueue>, wait: bool) -> Answer<Mta<IMFMediaEvent>> {
        // SAFETY: takes a number; the event is Media Foundation's own.
        answer(unsafe { queue.GetEvent(if wait { 0 } else { NO_WAIT }).map(|event| Mta::new(event)) })
    }

    fn begin_get_event(
        &self,
        queue: &Mta<IMFMediaEventQueue>,
        callback: Option<&Mta<IMFAsyncCallback>>,
        state: Option<&Mta<IUnknown>>,
    ) -> Hresult {
        let callback = callback.map_or(std::ptr::null_mut(), |callback| callback.as_raw());
        let state = state.map_or(std::ptr::null_mut(), |state| state.as_raw());
        // SAFETY: the table is that of the object's own interface; both pointers are of live objects, or null.
        // Called by the table, since the wrapper loses the codes of success.
        code(unsafe { (queue.vtable().BeginGetEvent)(queue.as_raw(), callback, state) })
    }

    fn end_get_event(
        &self,
        queue: &Mta<IMFMediaEventQueue>,
        result: &Mta<IMFAsyncResult>,
    ) -> Answer<Mta<IMFMediaEvent>> {
        // SAFETY: the result is Media Foundation's own, and so is the event.
        answer(unsafe { queue.EndGetEvent(&**result).map(|event| Mta::new(event)) })
    }

    fn queue_event(&self, queue: &Mta<IMFMediaEventQueue>, event: &Mta<IMFMediaEvent>) -> Answer {
        // SAFETY: the event is Media Foundation's own.
        answer(unsafe { queue.QueueEvent(&**event) })
    }

    fn queue_event_var(
        &self,
        queue: &Mta<IMFMediaEventQueue>,
        kind: u32,
        status: Hresult,
        value: i64,
    ) -> Answer {
        let (value, name) = (PROPVARIANT::from(value), GUID::zeroed());
        let status = HRESULT::from(status);
        // SAFETY: name and value live here, and are copied.
        answer(unsafe { queue.QueueEventParamVar(kind, &raw const name, status, &raw const value) })
    }

    fn queue_event_unk(
        &self,
        queue: &Mta<IMFMediaEventQueue>,
        kind: u32,
        status: Hresult,
        object: &Mta<IUnknown>,
    ) -> Answer {
        let (name, status) = (GUID::zeroed(), HRESULT::from(status));
        // SAFETY: the name lives here, and is copied; the object is free-threaded.
        answer(unsafe { queue.QueueEventParamUnk(kind, &raw const name, status, &**object) })
    }

    fn shut_down_events(&self, queue: &Mta<IMFMediaEventQueue>) -> Answer {
        // SAFETY: takes nothing.
        answer(unsafe { queue.Shutdown() })
    }
}
