//! Events: what one says, and what comes of it on the way through a queue.

use mf_async::Hresult;

use crate::case::Family;
use crate::events::{EXTENDED_TYPE, SESSION_ENDED, SOURCE_STARTED, queue};
use crate::facts::{code, life, name};
use crate::subject::{Events, Value};

pub(crate) fn cases<S: Events>() -> Family<S> {
    let mut values = Family::<S>::new("event_values");
    values.case(
        "what_an_event_says",
        "MFCreateMediaEvent: type, extended type, status and value",
        "107 0 E_FAIL empty",
        |mf| {
            let event = mf.create_event(SESSION_ENDED, 0, Hresult::E_FAIL, None);
            let value = if matches!(mf.event_value(&event), Value::Empty) { "empty" } else { "something" };
            let status = name(mf.event_status(&event));
            format!("{} {} {status} {value}", mf.event_type(&event), mf.extended_type(&event))
        },
    );
    values.case(
        "an_extended_type",
        "IMFMediaEvent::GetExtendedType: the name of an MEExtendedType event",
        "2, its name, 7",
        |mf| {
            const NAME: u128 = 0x1234_5678_9ABC_DEF0_1122_3344_5566_7788;
            let event = mf.create_event(EXTENDED_TYPE, NAME, Hresult::S_OK, Some(7));
            let value = if let Value::I64(number) = mf.event_value(&event) { number } else { -1 };
            let kind = if mf.extended_type(&event) == NAME { "its name" } else { "another name" };
            format!("{}, {kind}, {value}", mf.event_type(&event))
        },
    );
    values.case(
        "the_event_itself",
        "IMFMediaEventQueue::QueueEvent: what is taken is what was queued",
        "S_OK: 2 with its name, MF_E_NOT_FOUND, 7",
        |mf| {
            let queue = queue(mf);
            let event = mf.create_event(EXTENDED_TYPE, 77, Hresult::MF_E_NOT_FOUND, Some(7));
            let queued = code(&mf.queue_event(&queue, &event));
            let Ok(taken) = mf.get_event(&queue, false) else { return format!("{queued}: nothing") };
            let value = if let Value::I64(number) = mf.event_value(&taken) { number } else { -1 };
            let kind = if mf.extended_type(&taken) == 77 { "its name" } else { "another name" };
            let status = name(mf.event_status(&taken));
            format!("{queued}: {} with {kind}, {status}, {value}", mf.event_type(&taken))
        },
    );
    values.case(
        "param_var",
        "IMFMediaEventQueue::QueueEventParamVar: an event of type, status and value",
        "S_OK: 201 MF_S_MULTIPLE_BEGIN -5",
        |mf| {
            let queue = queue(mf);
            let queued = code(&mf.queue_event_var(&queue, SOURCE_STARTED, Hresult::MF_S_MULTIPLE_BEGIN, -5));
            let Ok(taken) = mf.get_event(&queue, false) else { return format!("{queued}: nothing") };
            let value = if let Value::I64(number) = mf.event_value(&taken) { number } else { 0 };
            format!("{queued}: {} {} {value}", mf.event_type(&taken), name(mf.event_status(&taken)))
        },
    );
    values.case(
        "param_unk",
        "IMFMediaEventQueue::QueueEventParamUnk: an event that carries an object",
        "S_OK: 201 the object, kept, then released",
        |mf| {
            let (queue, (kept, life)) = (queue(mf), life());
            let object = mf.object(kept);
            let queued = code(&mf.queue_event_unk(&queue, SOURCE_STARTED, Hresult::S_OK, &object));
            let Ok(taken) = mf.get_event(&queue, false) else { return format!("{queued}: nothing") };
            let same = match mf.event_value(&taken) {
                Value::Object(carried) if mf.same_object(&carried, &object) => "the object",
                _ => "another",
            };
            drop(object);
            let before = life.now();
            let kind = mf.event_type(&taken);
            drop(taken);
            format!("{queued}: {kind} {same}, {before}, then {}", life.now())
        },
    );
    values
}
