//! The promise: the events of a COM object come through a stream once each and in order, and whenever the stream goes,
//! the object can be used again and nothing is kept; and a portable generator is to C++ what one of its own is.

use std::sync::{Arc, Mutex, mpsc};

use crate::support::{LIMIT, mta, refs, token, until, within};
use mf_async::com::{self, EventGenerator, Mta};
use mf_async::event::{GetEventFlags, MediaEventValue};
use mf_async::event_stream::{DropOldest, Latest, Lossless};
use mf_async::{
    AsyncCallback, AsyncResult, CallbackParameters, Error, EventStream, Guid, Hresult, MediaEvent,
    MediaEventGenerator, MediaEventType, Platform, QueueId, Unknown,
};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFMediaEvent, IMFMediaEventGenerator, IMFMediaEventGenerator_Impl,
    IMFMediaEventQueue, IMFShutdown, IMFShutdown_Impl, MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS,
    MF_EVENT_FLAG_NO_WAIT, MFCreateEventQueue, MFSHUTDOWN_COMPLETED, MFSHUTDOWN_STATUS,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HRESULT, IUnknown, Interface, Ref};
use windows_core::implement;

/// A component with an event queue of Media Foundation's own.
#[implement(IMFMediaEventGenerator, IMFShutdown)]
struct Component {
    queue: IMFMediaEventQueue,
    /// What is done, once, when a request is about to be ended, was ended, or an event was taken.
    before_end: Arc<Hook>,
    on_end: Arc<Hook>,
    on_get: Arc<Hook>,
    _alive: Arc<()>,
}

type Hook = Mutex<Option<Box<dyn FnOnce() + Send>>>;

fn run(hook: &Hook) {
    let hook = hook.lock().unwrap().take();
    if let Some(hook) = hook {
        hook();
    }
}

impl IMFMediaEventGenerator_Impl for Component_Impl {
    fn GetEvent(&self, flags: MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS) -> windows::core::Result<IMFMediaEvent> {
        let event = unsafe { self.queue.GetEvent(flags.0) };
        run(&self.on_get);
        event
    }

    fn BeginGetEvent(
        &self,
        callback: Ref<'_, IMFAsyncCallback>,
        state: Ref<'_, IUnknown>,
    ) -> windows::core::Result<()> {
        let raw = |object: Option<&IUnknown>| object.map_or(std::ptr::null_mut(), Interface::as_raw);
        let callback = callback.as_ref().map_or(std::ptr::null_mut(), Interface::as_raw);
        let code = unsafe {
            (self.queue.vtable().BeginGetEvent)(self.queue.as_raw(), callback, raw(state.as_ref()))
        };
        if code == HRESULT(0) { Ok(()) } else { Err(windows::core::Error::from_hresult(code)) }
    }

    fn EndGetEvent(&self, result: Ref<'_, IMFAsyncResult>) -> windows::core::Result<IMFMediaEvent> {
        run(&self.before_end);
        let event = unsafe { self.queue.EndGetEvent(result.as_ref()) };
        run(&self.on_end);
        event
    }

    fn QueueEvent(
        &self,
        kind: u32,
        extended: *const GUID,
        status: HRESULT,
        value: *const PROPVARIANT,
    ) -> windows::core::Result<()> {
        unsafe { self.queue.QueueEventParamVar(kind, extended, status, value) }
    }
}

impl IMFShutdown_Impl for Component_Impl {
    fn Shutdown(&self) -> windows::core::Result<()> {
        unsafe { self.queue.Shutdown() }
    }

    fn GetShutdownStatus(&self) -> windows::core::Result<MFSHUTDOWN_STATUS> {
        Ok(MFSHUTDOWN_COMPLETED)
    }
}

fn component() -> (Mta<IMFMediaEventGenerator>, Arc<()>) {
    let (component, alive, ..) = hooked();
    (component, alive)
}

fn hooked() -> (Mta<IMFMediaEventGenerator>, Arc<()>, [Arc<Hook>; 3]) {
    let (alive, hooks) = (Arc::new(()), <[Arc<Hook>; 3]>::default());
    let [before_end, on_end, on_get] = hooks.clone();
    let queue = unsafe { MFCreateEventQueue() }.unwrap();
    let component = Component { queue, before_end, on_end, on_get, _alive: alive.clone() };
    (mta(component.into()), alive, hooks)
}

fn send(generator: &IMFMediaEventGenerator, kind: u32) {
    let value = PROPVARIANT::default();
    unsafe { generator.QueueEvent(kind, &GUID::zeroed(), HRESULT(0), &raw const value) }.unwrap();
}

fn shut_down(generator: &IMFMediaEventGenerator) {
    unsafe { generator.cast::<IMFShutdown>().unwrap().Shutdown() }.unwrap();
}

async fn types(events: &mut EventStream, count: usize) -> Vec<u32> {
    let mut types = Vec::new();
    for _ in 0..count {
        types.push(within(events.next()).await.unwrap().unwrap().event_type().0);
    }
    types
}

/// Sends every result that it is invoked with.
struct Telling(tokio::sync::mpsc::UnboundedSender<AsyncResult>);

impl AsyncCallback for Telling {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(QueueId::MULTITHREADED)
    }

    fn invoke(&self, result: &AsyncResult) {
        let _ = self.0.send(result.clone());
    }
}

fn telling() -> (Arc<dyn AsyncCallback>, tokio::sync::mpsc::UnboundedReceiver<AsyncResult>) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    (Arc::new(Telling(sender)), receiver)
}

fn code<T>(result: Result<T, Error>) -> Hresult {
    result.map_or_else(|error| error.hresult(), |_| Hresult::S_OK)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_comes_once_and_in_order() {
    let platform = com::Platform::startup().unwrap();
    let (generator, alive) = component();
    let before = refs(&*generator);
    (1..=10).for_each(|kind| send(&generator, kind));
    let mut events = com::event_stream(generator.clone()).unwrap();
    assert_eq!(types(&mut events, 10).await, (1..=10).collect::<Vec<_>>());
    let sender = generator.clone();
    let thread = std::thread::spawn(move || (1..=2000).for_each(|kind| send(&sender, kind)));
    assert_eq!(types(&mut events, 2000).await, (1..=2000).collect::<Vec<_>>());
    thread.join().unwrap();
    assert_eq!(events.dropped(), 0);
    drop(events);
    send(&generator, 7);
    until("the request that was left behind is ended", || refs(&*generator) == before);
    shut_down(&generator);
    drop(generator);
    until("the object is released", || Arc::strong_count(&alive) == 1);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_event_carries_comes_along_both_ways() {
    let platform = com::Platform::startup().unwrap();
    let key = Guid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888);
    let (object, _alive) = token();
    let values = [
        MediaEventValue::Empty,
        true.into(),
        (-3_i32).into(),
        7_u32.into(),
        (-40_i64).into(),
        41_u64.into(),
        1.5_f32.into(),
        2.5_f64.into(),
        key.into(),
        "text, \u{e9}\u{1f3b5}".into(),
        vec![1_u8, 2, 3].into(),
        Vec::<u8>::new().into(),
    ];
    let (generator, _) = component();
    let mut events = com::event_stream(generator.clone()).unwrap();
    let portable = EventGenerator::new(generator.clone());
    for value in values {
        let sent =
            MediaEvent::extended(key).with_status(Hresult::MF_S_MULTIPLE_BEGIN).with_value(value.clone());
        portable.queue_event(sent).unwrap();
        let event = within(events.next()).await.unwrap().unwrap();
        assert_eq!(event.event_type(), MediaEventType::MEExtendedType);
        assert_eq!(event.extended_type(), key);
        assert_eq!(event.status(), Hresult::MF_S_MULTIPLE_BEGIN);
        assert_eq!(*event.value(), value);
        let raw = com::raw_event(&event).unwrap();
        assert_eq!(unsafe { raw.GetType() }.unwrap(), 2);
        let same = Mta::<IMFMediaEvent>::try_from(&event).unwrap();
        assert!(same == *raw, "there and back is the same event");
    }
    // Objects: of COM, and of this crate.
    let com_object: Unknown = Arc::new(mta(object.clone()));
    for (value, portable_object) in [(com_object, None), (Arc::new(5_u8) as Unknown, Some(5_u8))] {
        portable.queue_event(MediaEvent::new(1_u32).with_value(value)).unwrap();
        let event = within(events.next()).await.unwrap().unwrap();
        match portable_object {
            Some(_) => assert_eq!(event.value().as_object::<u8>(), portable_object.as_ref()),
            None => assert!(**event.value().as_object::<Mta<IUnknown>>().unwrap() == object),
        }
    }
    // Attributes.
    let event = MediaEvent::new(1_u32).with_attribute(key, 9_u32).with_attribute(Guid::from_u128(1), "x");
    let made = Mta::<IMFMediaEvent>::try_from(&event).unwrap();
    assert_eq!(unsafe { made.GetUINT32(&GUID::from_u128(key.to_u128())) }.unwrap(), 9);
    let read = MediaEvent::try_from(&made).unwrap();
    assert_eq!(read.attribute(key), Some(&9_u32.into()));
    assert_eq!(read.attribute(Guid::from_u128(1)), Some(&"x".into()));
    drop((events, portable, made, read));
    shut_down(&generator);
    drop(generator);
    drop(platform);
}

/// The facts of the contract, for any generator. It is left shut down.
async fn keeps_the_contract(name: &str, generator: &dyn MediaEventGenerator, shut_down: impl FnOnce()) {
    let event = || MediaEvent::new(MediaEventType::MEMediaSample);
    let no_wait = || generator.get_event(GetEventFlags::NO_WAIT);
    assert_eq!(code(no_wait()), Hresult::MF_E_NO_EVENTS_AVAILABLE, "{name}");
    let (callback, mut told) = telling();
    let (other, _none) = telling();
    let state: Unknown = Arc::new(());
    let begin = |callback: &Arc<dyn AsyncCallback>, state: Option<&Unknown>| {
        generator.begin_get_event(callback.clone(), state.cloned())
    };
    assert_eq!(begin(&callback, Some(&state)).unwrap(), Hresult::S_OK, "{name}");
    assert_eq!(begin(&callback, Some(&state)).unwrap(), Hresult::MF_S_MULTIPLE_BEGIN, "{name}");
    assert_eq!(code(begin(&callback, None)), Hresult::MF_E_MULTIPLE_BEGIN, "{name}");
    assert_eq!(code(begin(&other, Some(&state))), Hresult::MF_E_MULTIPLE_SUBSCRIBERS, "{name}");
    assert_eq!(code(no_wait()), Hresult::MF_E_MULTIPLE_SUBSCRIBERS, "{name}");

    generator.queue_event(event()).unwrap();
    let result = within(told.recv()).await.unwrap();
    assert!(Arc::ptr_eq(result.unknown_state().unwrap(), &state), "{name}");
    assert_eq!(code(no_wait()), Hresult::MF_E_MULTIPLE_SUBSCRIBERS, "{name}: until End");
    assert_eq!(begin(&callback, Some(&state)).unwrap(), Hresult::MF_S_MULTIPLE_BEGIN, "{name}: until End");
    let ended = generator.end_get_event(&result).unwrap();
    assert_eq!(ended.event_type(), MediaEventType::MEMediaSample, "{name}");
    assert_eq!(code(generator.end_get_event(&result)), Hresult::E_FAIL, "{name}: twice");
    drop(result);

    (1..=3_u32).for_each(|kind| generator.queue_event(MediaEvent::new(kind)).unwrap());
    assert_eq!(begin(&callback, None).unwrap(), Hresult::S_OK, "{name}");
    let result = within(told.recv()).await.unwrap();
    assert_eq!(generator.end_get_event(&result).unwrap().event_type().0, 1, "{name}");
    assert_eq!(no_wait().unwrap().event_type().0, 2, "{name}");
    assert_eq!(no_wait().unwrap().event_type().0, 3, "{name}");
    drop(result);

    shut_down();
    assert_eq!(code(no_wait()), Hresult::MF_E_SHUTDOWN, "{name}");
    assert_eq!(code(begin(&callback, None)), Hresult::MF_E_SHUTDOWN, "{name}");
    assert_eq!(code(generator.queue_event(event())), Hresult::MF_E_SHUTDOWN, "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_that_of_media_foundation() {
    let system = com::Platform::startup().unwrap();
    let platform = Platform::startup().unwrap();

    let (generator, alive) = component();
    let adapted = EventGenerator::new(generator.clone());
    keeps_the_contract("a COM object", &adapted, || shut_down(&generator)).await;
    drop((adapted, generator));
    until("the object is released", || Arc::strong_count(&alive) == 1);

    let queue = Arc::new(platform.create_event_queue().unwrap());
    keeps_the_contract("a portable one", &*queue, || queue.shutdown()).await;

    let queue = Arc::new(platform.create_event_queue().unwrap());
    let portable: Arc<dyn MediaEventGenerator> = queue.clone();
    let there_and_back = EventGenerator::new(Mta::<IMFMediaEventGenerator>::from(portable));
    keeps_the_contract("a portable one as a COM object", &there_and_back, || queue.shutdown()).await;
    drop((there_and_back, queue));
    within(platform.shutdown()).await.unwrap();
    drop(system);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portable_generator_is_a_com_object() {
    let system = com::Platform::startup().unwrap();
    let platform = Platform::startup().unwrap();
    let queue = Arc::new(platform.create_event_queue().unwrap());
    let portable: Arc<dyn MediaEventGenerator> = queue.clone();
    let com = Mta::<IMFMediaEventGenerator>::from(portable);
    let mut held = None;
    let first = com::begin_end(
        &com,
        |com, callback| {
            held = Some(mta(callback.clone()));
            begin(com, Some(callback))
        },
        |com, result| unsafe { com.EndGetEvent(result)?.GetType() },
    );
    let held = held.unwrap();
    assert_eq!(begin(&com, Some(&held)).0, 0x000D_36D8, "the success code is kept");
    assert_eq!(begin(&com, None).0 as u32, Hresult::E_INVALIDARG.0);
    send(&com, 33);
    assert_eq!(within(first).await.unwrap(), 33);
    queue.queue_event(MediaEvent::new(34_u32).with_value(5_i64)).unwrap();
    let event = unsafe { com.GetEvent(MF_EVENT_FLAG_NO_WAIT) }.unwrap();
    assert_eq!(i64::try_from(&unsafe { event.GetValue() }.unwrap()).unwrap(), 5);
    queue.shutdown();
    assert_eq!(
        unsafe { com.GetEvent(MF_EVENT_FLAG_NO_WAIT) }.unwrap_err().code().0 as u32,
        Hresult::MF_E_SHUTDOWN.0
    );
    drop((event, held, com));
    until("the generator is released", || Arc::strong_count(&queue) == 1);
    drop(queue);
    within(platform.shutdown()).await.unwrap();
    drop(system);
}

fn begin(com: &IMFMediaEventGenerator, callback: Option<&IMFAsyncCallback>) -> HRESULT {
    let callback = callback.map_or(std::ptr::null_mut(), Interface::as_raw);
    unsafe { (com.vtable().BeginGetEvent)(com.as_raw(), callback, std::ptr::null_mut()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_goes_leaves_the_object_usable() {
    let platform = com::Platform::startup().unwrap();
    let (com, _alive) = component();
    // To the next stream of the same generator.
    let generator = Arc::new(EventGenerator::new(com.clone()));
    let mut first = EventStream::lossless(&generator).unwrap();
    assert!(futures::poll!(Box::pin(first.next())).is_pending());
    drop(first);
    let mut second = EventStream::new(&generator, Lossless).unwrap();
    assert!(EventStream::lossless(&generator).is_err(), "one at a time");
    send(&com, 1);
    assert_eq!(types(&mut second, 1).await, [1]);
    assert!(futures::poll!(Box::pin(second.next())).is_pending());
    drop(second);
    // To the next, though the event came while there was none.
    send(&com, 2);
    send(&com, 3);
    let mut third = EventStream::new(&generator, Lossless).unwrap();
    assert_eq!(types(&mut third, 2).await, [2, 3]);
    assert!(futures::poll!(Box::pin(third.next())).is_pending());
    drop((third, generator));
    // To the next that asks the object.
    send(&com, 4);
    until("the request is ended and its event back", || {
        unsafe { com.GetEvent(MF_EVENT_FLAG_NO_WAIT) }
            .is_ok_and(|event| unsafe { event.GetType() }.unwrap() == 4)
    });
    shut_down(&com);
    drop(com);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_come_and_go_lose_nothing() {
    let platform = com::Platform::startup().unwrap();
    let (com, _alive) = component();
    let generator = Arc::new(EventGenerator::new(com.clone()));
    let sender = com.clone();
    let thread = std::thread::spawn(move || (1..=500).for_each(|kind| send(&sender, kind)));
    let mut seen = Vec::new();
    while seen.len() < 500 {
        let mut events = EventStream::new(&generator, Lossless).unwrap();
        seen.extend(types(&mut events, 1).await);
        let _ = futures::poll!(Box::pin(events.next())).map(|event| {
            seen.extend(event.map(|event| event.unwrap().event_type().0));
        });
    }
    assert_eq!(seen, (1..=500).collect::<Vec<_>>());
    thread.join().unwrap();
    shut_down(&com);
    drop((generator, com));
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_stream_takes_over_where_the_former_is_at_work() {
    let platform = com::Platform::startup().unwrap();
    let (com, _alive, hooks) = hooked();
    let generator = Arc::new(EventGenerator::new(com.clone()));
    // Before its End, in it, then in the fetch that follows that.
    for hook in hooks {
        let former = EventStream::new(&generator, DropOldest(8)).unwrap();
        let (arrives, there) = mpsc::channel();
        let (back, waits) = mpsc::channel::<()>();
        *hook.lock().unwrap() = Some(Box::new(move || {
            arrives.send(()).unwrap();
            waits.recv_timeout(LIMIT).unwrap();
        }));
        send(&com, 1);
        there.recv_timeout(LIMIT).unwrap();
        assert!(EventStream::lossless(&generator).is_err(), "the former stream lives");
        drop(former);
        send(&com, 2);
        let passing = EventStream::new(&generator, Latest).unwrap();
        drop(passing);
        let mut events = EventStream::lossless(&generator).unwrap();
        assert!(EventStream::lossless(&generator).is_err(), "of two, the second");
        send(&com, 3);
        assert!(futures::poll!(Box::pin(events.next())).is_pending());
        assert!(generator.get_event(GetEventFlags::NO_WAIT).is_err(), "it is not read out of turn");
        back.send(()).unwrap();
        assert_eq!(types(&mut events, 3).await, [1, 2, 3]);
        send(&com, 4);
        assert_eq!(types(&mut events, 1).await, [4]);
        drop(events);
        assert_eq!(code(generator.get_event(GetEventFlags::NO_WAIT)), Hresult::MF_E_NO_EVENTS_AVAILABLE);
    }
    shut_down(&com);
    drop((generator, com));
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_the_events_to_itself_while_it_lives() {
    let platform = com::Platform::startup().unwrap();
    let (com, _alive) = component();
    let generator = Arc::new(EventGenerator::new(com.clone()));
    let (callback, _none) = telling();
    let refused = || {
        let got = generator.get_event(GetEventFlags::NO_WAIT);
        assert_eq!(code(got), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
        let begun = generator.begin_get_event(callback.clone(), None);
        assert_eq!(code(begun), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
    };
    let mut events = EventStream::lossless(&generator).unwrap();
    refused();
    (1..=3).for_each(|kind| send(&com, kind));
    refused();
    // Whatever is outstanding between two events.
    for kind in 1..=3 {
        assert_eq!(types(&mut events, 1).await, [kind]);
        refused();
    }
    send(&com, 4);
    drop(events);
    until("what was not read is back", || {
        generator.get_event(GetEventFlags::NO_WAIT).is_ok_and(|event| event.event_type().0 == 4)
    });
    shut_down(&com);
    drop((generator, com));
    drop(platform);
}

/// A generator that wraps another, and sends its calls of the callback to be made later.
struct Holding {
    generator: Arc<EventGenerator>,
    held: mpsc::Sender<Held>,
}

type Held = Box<dyn Fn() + Send>;

impl MediaEventGenerator for Holding {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent, Error> {
        self.generator.get_event(flags)
    }

    fn begin_get_event(
        &self,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Hresult, Error> {
        let callback = HeldCallback { callback, held: self.held.clone() };
        self.generator.begin_get_event(Arc::new(callback), state)
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent, Error> {
        self.generator.end_get_event(result)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<(), Error> {
        self.generator.queue_event(event)
    }
}

struct HeldCallback {
    callback: Arc<dyn AsyncCallback>,
    held: mpsc::Sender<Held>,
}

impl AsyncCallback for HeldCallback {
    fn invoke(&self, result: &AsyncResult) {
        let (callback, result) = (self.callback.clone(), result.clone());
        let _ = self.held.send(Box::new(move || callback.invoke(&result)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_stream_waits_for_the_end_that_a_former_subscriber_owes() {
    let platform = com::Platform::startup().unwrap();
    let (com, _alive) = component();
    let generator = Arc::new(EventGenerator::new(com.clone()));
    // Its callback is called, and gets no further before it goes.
    let (held, calls) = mpsc::channel();
    let holding = Arc::new(Holding { generator: generator.clone(), held });
    let former = EventStream::lossless(&holding).unwrap();
    send(&com, 1);
    let late = calls.recv_timeout(LIMIT).unwrap();
    drop(former);
    // The object takes no other request before that is ended.
    let mut events = EventStream::lossless(&generator).unwrap();
    send(&com, 2);
    assert!(futures::poll!(Box::pin(events.next())).is_pending());
    late();
    assert_eq!(types(&mut events, 2).await, [1, 2]);
    shut_down(&com);
    drop((events, late, holding, generator, com));
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_the_stream_that_waits() {
    let platform = com::Platform::startup().unwrap();
    let (com, alive) = component();
    let mut events = com::event_stream(com.clone()).unwrap();
    assert!(futures::poll!(Box::pin(events.next())).is_pending());
    shut_down(&com);
    assert!(within(events.next()).await.is_none());
    assert_eq!(events.end_cause().unwrap().hresult(), Hresult::MF_E_SHUTDOWN);
    assert_eq!(com::event_stream(com.clone()).unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
    drop((events, com));
    until("the object is released", || Arc::strong_count(&alive) == 1);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_never_shut_down_is_released_with_its_stream() {
    let platform = com::Platform::startup().unwrap();
    let (com, alive) = component();
    let mut events = com::event_stream(com).unwrap();
    assert!(futures::poll!(Box::pin(events.next())).is_pending());
    drop(events);
    until("the object is released", || Arc::strong_count(&alive) == 1);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_policy_works_on_a_com_object() {
    let platform = com::Platform::startup().unwrap();
    let (com, _alive) = component();
    let generator = Arc::new(EventGenerator::new(com.clone()));
    let mut newest = EventStream::new(&generator, Latest).unwrap();
    (1..=50).for_each(|kind| send(&com, kind));
    let mut seen = Vec::new();
    while seen.last() != Some(&50) {
        seen.push(within(newest.next()).await.unwrap().unwrap().event_type().0);
    }
    assert!(seen.is_sorted());
    assert_eq!(seen.len() as u64 + newest.dropped(), 50);
    drop(newest);

    let until_60 = EventStream::new(&generator, DropOldest(100)).unwrap();
    let mut until_60 = until_60.only(&[MediaEventType(55), MediaEventType(60)]).until(60_u32);
    (51..=60).for_each(|kind| send(&com, kind));
    assert_eq!(within(until_60.next()).await.unwrap().unwrap().event_type().0, 55);
    assert_eq!(within(until_60.wait_for(60_u32)).await.unwrap().event_type().0, 60);
    assert!(within(until_60.next()).await.is_none());
    drop(until_60);
    shut_down(&com);
    drop((generator, com));
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_another_is_not_disturbed() {
    let platform = com::Platform::startup().unwrap();
    let (com, _alive) = component();
    let theirs = com::begin_end(
        &com,
        |com, callback| unsafe { com.BeginGetEvent(callback, None) },
        |com, result| unsafe { com.EndGetEvent(result)?.GetType() },
    );
    let refused = com::event_stream(com.clone()).unwrap_err();
    assert_eq!(refused.hresult(), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
    send(&com, 8);
    assert_eq!(within(theirs).await.unwrap(), 8);
    let mut events = com::event_stream(com.clone()).unwrap();
    send(&com, 9);
    assert_eq!(types(&mut events, 1).await, [9]);
    drop(events);
    shut_down(&com);
    drop(com);
    drop(platform);
}

/// An event with an attribute that says which it is.
fn send_with_attribute(queue: &IMFMediaEventQueue, kind: u32, number: u32) {
    let event = MediaEvent::new(kind).with_attribute(ATTRIBUTE, number).with_value(i64::from(number));
    let event = Mta::<IMFMediaEvent>::try_from(&event).unwrap();
    unsafe { queue.QueueEvent(&*event) }.unwrap();
}

const ATTRIBUTE: Guid = Guid::from_u128(0x4444);

async fn attributes(events: &mut EventStream, count: usize) -> Vec<Option<MediaEventValue>> {
    let mut all = Vec::new();
    for _ in 0..count {
        let event = within(events.next()).await.unwrap().unwrap();
        assert_eq!(event.extended_type(), Guid::from_u128(0));
        all.push(event.attribute(ATTRIBUTE).cloned());
    }
    all
}

fn with_queue() -> (Mta<IMFMediaEventGenerator>, IMFMediaEventQueue, Arc<()>) {
    let (alive, [before_end, on_end, on_get]) = (Arc::new(()), <[Arc<Hook>; 3]>::default());
    let queue = unsafe { MFCreateEventQueue() }.unwrap();
    let component = Component { queue: queue.clone(), before_end, on_end, on_get, _alive: alive.clone() };
    (mta(component.into()), queue, alive)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_stream_of_an_object_takes_over_the_request_of_the_former() {
    let platform = com::Platform::startup().unwrap();
    let (com, queue, alive) = with_queue();
    // Made again by the function, which knows of no generator.
    for number in 0..3 {
        let mut events = com::event_stream(com.clone()).unwrap();
        assert!(futures::poll!(Box::pin(events.next())).is_pending());
        assert!(com::event_stream(com.clone()).is_err(), "one at a time");
        drop(events);
        let mut events = com::event_stream(com.clone()).unwrap();
        send_with_attribute(&queue, 1, number);
        assert_eq!(attributes(&mut events, 1).await, [Some(number.into())]);
        assert!(futures::poll!(Box::pin(events.next())).is_pending());
    }
    shut_down(&com);
    drop((com, queue));
    until("the object is released", || Arc::strong_count(&alive) == 1);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_came_while_there_was_no_stream_has_its_attributes_and_its_place() {
    let platform = com::Platform::startup().unwrap();
    let (com, queue, alive) = with_queue();
    let before = refs(&*com);
    for round in 0..20 {
        let mut events = com::event_stream(com.clone()).unwrap();
        assert!(futures::poll!(Box::pin(events.next())).is_pending());
        drop(events);
        (0..3).for_each(|number| send_with_attribute(&queue, 1, number));
        if round % 2 == 0 {
            until("the request that was left behind is ended", || refs(&*com) == before);
        }
        let mut events = com::event_stream(com.clone()).unwrap();
        let expected: Vec<_> = (0..3_u32).map(|number| Some(number.into())).collect();
        assert_eq!(attributes(&mut events, 3).await, expected, "round {round}");
        drop(events);
        send_with_attribute(&queue, 1, 9);
        until("the request that was left behind is ended", || refs(&*com) == before);
        // What asks by hand gets it with its value.
        let by_hand = unsafe { com.GetEvent(MF_EVENT_FLAG_NO_WAIT) }.unwrap();
        assert_eq!(i64::try_from(&unsafe { by_hand.GetValue() }.unwrap()).unwrap(), 9);
    }
    shut_down(&com);
    drop((com, queue));
    until("the object is released", || Arc::strong_count(&alive) == 1);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_generator_calls_the_callback_that_it_was_given_last() {
    let system = com::Platform::startup().unwrap();
    let platform = Platform::startup().unwrap();
    let queue = Arc::new(platform.create_event_queue().unwrap());
    let com = Mta::<IMFMediaEventGenerator>::from(queue.clone() as Arc<dyn MediaEventGenerator>);
    // Callbacks of this crate's, at addresses that are used again, and states of it.
    let mut addresses = std::collections::HashMap::new();
    for round in 0..200_usize {
        let (callback, mut told) = telling();
        let portable = Mta::<IMFAsyncCallback>::from(callback.clone());
        let state = Mta::<IUnknown>::from(Arc::new(round) as Unknown);
        *addresses.entry(portable.as_raw() as usize).or_insert(0) += 1;
        unsafe { com.BeginGetEvent(&*portable, &*state) }.unwrap();
        drop((portable, state));
        queue.queue_event(MediaEvent::new(1)).unwrap();
        let result = within(told.recv()).await.unwrap();
        assert_eq!(result.state::<usize>(), Some(&round));
        let result = Mta::<IMFAsyncResult>::from(&result);
        unsafe { com.EndGetEvent(&*result) }.unwrap();
        // The former callback lives on, as one does that is used elsewhere.
        std::mem::forget(callback);
    }
    assert!(addresses.values().any(|&times| times > 1), "no address was used twice");
    drop(com);
    queue.shutdown();
    drop(queue);
    within(platform.shutdown()).await.unwrap();
    drop(system);
}
