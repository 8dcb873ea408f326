//! Every callback interface of Media Foundation is a stream of its calls, in order, that ends when the
//! object is released.

use futures::StreamExt;
use mf_async::Hresult;
use mf_async::com::{
    ClockStateEvent, Notifications, SampleGrabberEvent, clock_states, grab_samples, grab_samples_with,
    media_engine_events,
};
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::{CLSCTX_INPROC_SERVER, CoCreateInstance};
use windows::core::{BSTR, Interface};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_presentation_clock_tells_its_states() {
    let platform = start();
    let (sink, mut states) = clock_states();
    let clock = unsafe {
        let clock = MFCreatePresentationClock().unwrap();
        clock.SetTimeSource(&MFCreateSystemTimeSource().unwrap()).unwrap();
        clock.AddClockStateSink(&*sink).unwrap();
        clock.Start(5).unwrap();
        clock.Pause().unwrap();
        clock.Start(i64::MAX).unwrap();
        clock.Stop().unwrap();
        clock
    };
    assert!(matches!(within(states.next()).await, Some(ClockStateEvent::Start { offset: 5, .. })));
    assert!(matches!(within(states.next()).await, Some(ClockStateEvent::Pause { .. })));
    assert!(matches!(within(states.next()).await, Some(ClockStateEvent::Restart { .. })));
    assert!(matches!(within(states.next()).await, Some(ClockStateEvent::Stop { .. })));
    unsafe {
        clock.RemoveClockStateSink(&*sink).unwrap();
        sink.OnClockSetRate(1, 2.0).unwrap();
    }
    assert!(matches!(within(states.next()).await, Some(ClockStateEvent::SetRate { rate: 2.0, .. })));
    drop((clock, sink));
    assert!(within(states.next()).await.is_none());
    drop(platform);
}

#[tokio::test]
async fn a_grabber_sinks_calls_are_events_in_order() {
    let _platform = start();
    let (callback, mut events) = grab_samples();
    let bytes = [1, 2, 3];
    unsafe {
        callback.OnSetPresentationClock(None).unwrap();
        callback.OnClockStart(1, 2).unwrap();
        callback.OnProcessSample(&MFMediaType_Audio, 4, 5, 6, &bytes).unwrap();
        callback.OnProcessSample(&MFMediaType_Audio, 0, 0, 0, &[]).unwrap();
        callback.OnShutdown().unwrap();
    }
    assert!(matches!(within(events.next()).await, Some(SampleGrabberEvent::PresentationClock(None))));
    assert!(matches!(
        within(events.next()).await,
        Some(SampleGrabberEvent::Clock(ClockStateEvent::Start { system_time: 1, offset: 2 }))
    ));
    match within(events.next()).await {
        Some(SampleGrabberEvent::Sample(sample)) => {
            assert_eq!((sample.major_type, sample.flags), (MFMediaType_Audio, 4));
            assert_eq!((sample.time, sample.duration, &sample.bytes[..]), (5, 6, &bytes[..]));
        }
        other => panic!("{other:?}"),
    }
    assert!(
        matches!(within(events.next()).await, Some(SampleGrabberEvent::Sample(empty)) if empty.bytes.is_empty())
    );
    assert!(matches!(within(events.next()).await, Some(SampleGrabberEvent::Shutdown)));
    drop(callback);
    assert!(within(events.next()).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_engine_tells_what_it_does() {
    let platform = start();
    let (callback, mut events) = media_engine_events();
    let engine = unsafe {
        let factory: IMFMediaEngineClassFactory =
            CoCreateInstance(&CLSID_MFMediaEngineClassFactory, None, CLSCTX_INPROC_SERVER).unwrap();
        let mut attributes = None;
        MFCreateAttributes(&mut attributes, 1).unwrap();
        let attributes = attributes.unwrap();
        attributes.SetUnknown(&MF_MEDIA_ENGINE_CALLBACK, &*callback).unwrap();
        let engine = factory.CreateInstance(MF_MEDIA_ENGINE_AUDIOONLY.0 as u32, &attributes).unwrap();
        engine.SetSource(&BSTR::from(media("tone.wav").to_string_lossy().as_ref())).unwrap();
        engine
    };
    drop(callback);
    loop {
        let event = within(events.next()).await.expect("an event");
        assert!(event.error().is_none(), "{event:?}");
        if event.event == MF_MEDIA_ENGINE_EVENT_LOADEDMETADATA {
            break;
        }
    }
    assert!((unsafe { engine.GetDuration() } - 2.0).abs() < 0.1);
    unsafe { engine.Shutdown() }.unwrap();
    drop(engine);
    drop(platform);
}

#[tokio::test]
async fn a_media_engines_error_keeps_its_code() {
    let _platform = start();
    let (callback, mut events) = media_engine_events();
    unsafe {
        let code = MF_E_UNSUPPORTED_BYTESTREAM_TYPE.0 as u32;
        callback.EventNotify(MF_MEDIA_ENGINE_EVENT_ERROR.0 as u32, 4, code).unwrap();
        callback.EventNotify(MF_MEDIA_ENGINE_EVENT_ENDED.0 as u32, 0, 0).unwrap();
    }
    let error = within(events.next()).await.unwrap().error().unwrap();
    assert_eq!(error.hresult(), Hresult::MF_E_UNSUPPORTED_BYTESTREAM_TYPE);
    assert!(within(events.next()).await.unwrap().error().is_none());
}

#[tokio::test]
async fn who_does_not_listen_holds_nobody_up() {
    let _platform = start();
    let (sink, mut states) = clock_states();
    let many = Notifications::<ClockStateEvent>::CAPACITY as i64 + 10;
    for time in 0..many {
        unsafe { sink.OnClockStop(time) }.unwrap();
    }
    assert_eq!(states.dropped(), 10);
    assert_eq!(states.try_next(), Some(ClockStateEvent::Stop { system_time: 10 }));
    drop(states);
    // Nobody is there any more; the object does not mind.
    unsafe { sink.OnClockStop(0) }.unwrap();
    assert_eq!(refs(&*sink), 1);
}

#[tokio::test]
async fn the_objects_are_what_they_say() {
    let _platform = start();
    let (grabber, _events) = grab_samples();
    assert!(Interface::cast::<IMFClockStateSink>(&*grabber).is_ok());
    assert!(Interface::cast::<IMFMediaSink>(&*grabber).is_err());
}

#[tokio::test]
async fn an_engine_that_waits_for_a_stable_state_goes_on_at_once() {
    use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
    use windows::Win32::Foundation::{HANDLE, WAIT_OBJECT_0};
    use windows::Win32::System::Threading::{CreateEventW, WaitForSingleObject};
    let (notify, mut events) = media_engine_events();
    let event = unsafe { OwnedHandle::from_raw_handle(CreateEventW(None, false, false, None).unwrap().0) };
    let handle = HANDLE(event.as_raw_handle());
    let stable = MF_MEDIA_ENGINE_EVENT_NOTIFYSTABLESTATE;
    unsafe { notify.EventNotify(stable.0 as u32, handle.0 as usize, 0) }.unwrap();
    // The engine's thread waits for it, and nothing has read the stream.
    assert_eq!(unsafe { WaitForSingleObject(handle, 0) }, WAIT_OBJECT_0);
    let told = within(events.next()).await.unwrap();
    assert_eq!((told.event, told.param1), (stable, 0), "the handle is not passed on");
}

#[tokio::test]
async fn samples_that_are_not_taken_have_a_limit_and_notices_stay() {
    let (callback, mut events) = grab_samples_with(1000);
    let sample = |size: usize| {
        let bytes = vec![0; size];
        unsafe { callback.OnProcessSample(&MFMediaType_Video, 0, size as i64, 0, &bytes) }.unwrap();
    };
    unsafe { callback.OnClockStart(1, 2) }.unwrap();
    sample(400);
    sample(401);
    unsafe { callback.OnClockStop(3) }.unwrap();
    sample(402);
    assert_eq!(events.dropped(), 1);
    // One that alone is too large is the only one.
    sample(5000);
    assert_eq!(events.dropped(), 3);
    assert!(matches!(events.try_next(), Some(SampleGrabberEvent::Clock(ClockStateEvent::Start { .. }))));
    assert!(matches!(events.try_next(), Some(SampleGrabberEvent::Clock(ClockStateEvent::Stop { .. }))));
    assert!(matches!(events.try_next(), Some(SampleGrabberEvent::Sample(sample)) if sample.time == 5000));
    sample(10);
    assert!(matches!(within(events.next()).await, Some(SampleGrabberEvent::Sample(_))));

    // By default it is no more than some pictures.
    let (callback, events) = grab_samples();
    let picture = vec![0; 1920 * 1080 * 4];
    for time in 0..20 {
        unsafe { callback.OnProcessSample(&MFMediaType_Video, 0, time, 0, &picture) }.unwrap();
    }
    assert_eq!(events.dropped(), 12);
}
