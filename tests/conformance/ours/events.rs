//! Ours: events and their queues.

use std::sync::Arc;

use mf_async::event::{GetEventFlags, MediaEventValue};
use mf_async::{
    AsyncCallback, AsyncResult, Guid, Hresult, MediaEvent, MediaEventQueue, MediaEventType, Unknown,
};

use crate::ours::{Ours, answer, not_in_rust};
use crate::subject::{Answer, Events, Value};

impl Events for Ours {
    type EventQueue = Arc<MediaEventQueue>;
    type Event = MediaEvent;

    fn create_event_queue(&self) -> Answer<Arc<MediaEventQueue>> {
        answer(self.platform().create_event_queue()).map(Arc::new)
    }

    fn create_event(&self, kind: u32, extended: u128, status: Hresult, number: Option<i64>) -> MediaEvent {
        let event = MediaEvent::new(MediaEventType(kind)).with_status(status);
        let event = event.with_extended_type(Guid::from_u128(extended));
        match number {
            Some(number) => event.with_value(number),
            None => event,
        }
    }

    fn event_type(&self, event: &MediaEvent) -> u32 {
        event.event_type().0
    }

    fn extended_type(&self, event: &MediaEvent) -> u128 {
        event.extended_type().to_u128()
    }

    fn event_status(&self, event: &MediaEvent) -> Hresult {
        event.status()
    }

    fn event_value(&self, event: &MediaEvent) -> Value<Unknown> {
        match event.value() {
            MediaEventValue::Empty => Value::Empty,
            MediaEventValue::I8(number) => Value::I64(*number),
            MediaEventValue::Unknown(object) => Value::Object(object.clone()),
            _ => Value::Other,
        }
    }

    fn get_event(&self, queue: &Arc<MediaEventQueue>, wait: bool) -> Answer<MediaEvent> {
        answer(queue.get_event(if wait { GetEventFlags::empty() } else { GetEventFlags::NO_WAIT }))
    }

    fn begin_get_event(
        &self,
        queue: &Arc<MediaEventQueue>,
        callback: Option<&Arc<dyn AsyncCallback>>,
        state: Option<&Unknown>,
    ) -> Hresult {
        let callback = callback.unwrap_or_else(|| not_in_rust("a missing callback"));
        let begun = queue.begin_get_event(callback.clone(), state.cloned());
        begun.unwrap_or_else(|error| error.hresult())
    }

    fn end_get_event(&self, queue: &Arc<MediaEventQueue>, result: &AsyncResult) -> Answer<MediaEvent> {
        answer(queue.end_get_event(result))
    }

    fn queue_event(&self, queue: &Arc<MediaEventQueue>, event: &MediaEvent) -> Answer {
        answer(queue.queue_event(event.clone()))
    }

    fn queue_event_var(
        &self,
        queue: &Arc<MediaEventQueue>,
        kind: u32,
        status: Hresult,
        value: i64,
    ) -> Answer {
        answer(queue.queue_event_param_var(kind, status, value))
    }

    fn queue_event_unk(
        &self,
        queue: &Arc<MediaEventQueue>,
        kind: u32,
        status: Hresult,
        object: &Unknown,
    ) -> Answer {
        answer(queue.queue_event_param_unk(kind, status, object.clone()))
    }

    fn shut_down_events(&self, queue: &Arc<MediaEventQueue>) -> Answer {
        queue.shutdown();
        Ok(())
    }
}
