//! What this module hands out keeps Media Foundation started, whatever the order of drops; the last drop may be anywhere and
//! never waits; a shutdown that is awaited is over, and leaves the multithreaded apartment. Each case has a process of its
//! own, with no other platform in it.

use std::any::Any;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};

use crate::support::{LIMIT, any_pcm, media_url, mta, until, within};
use mf_async::com::{self, Mta, Platform, SourceReader, StreamIndex};
use mf_async::{AsyncCallback, AsyncResult, ErrorKind, Hresult, MediaEvent, QueueId, Unknown};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFMediaEvent, MF_E_SHUTDOWN, MFAllocateWorkQueue, MFCreateAsyncResult,
    MFCreateMediaEvent, MFInvokeCallback, MFLockPlatform, MFPutWorkItem, MFUnlockPlatform, MFUnlockWorkQueue,
};
use windows::Win32::System::Com::{APTTYPE, APTTYPE_MTA, APTTYPEQUALIFIER, CoGetApartmentType};
use windows::core::{GUID, IUnknown, Interface};

/// Tells the process which case it is.
const CASE: &str = "MF_ASYNC_PLATFORM";

/// Whether Media Foundation is started.
fn is_started() -> bool {
    match unsafe { MFAllocateWorkQueue() } {
        Ok(queue) => {
            // A shutdown may come in between, and refuse this.
            _ = unsafe { MFUnlockWorkQueue(queue) };
            true
        }
        Err(error) => {
            assert_eq!(error.code(), MF_E_SHUTDOWN);
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn child() {
    match std::env::var(CASE).as_deref() {
        Ok("shutdown") => a_shutdown_is_awaited().await,
        Ok("queue") => the_last_drop_is_on_a_work_queue().await,
        Ok("apartment") => the_apartment_stays().await,
        Ok(what) if KEPT.contains(&what) => one_thing_is_the_last(what).await,
        _ => {}
    }
}

fn in_a_process_of_its_own(case: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", "platform::child", "--test-threads=1"]).env(CASE, case);
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{case} ended with {:?}: {said}", output.status);
}

/// What safe code can keep.
const KEPT: [&str; 10] = [
    "a sample",
    "a media type",
    "a reader's object",
    "an event that was made",
    "an event that was told",
    "an object in an event",
    "a result",
    "a result's state",
    "a result's object",
    "a queued state",
];

#[test]
fn everything_keeps_media_foundation_started() {
    KEPT.into_iter().for_each(in_a_process_of_its_own);
}

async fn one_thing_is_the_last(what: &str) {
    let platform = Platform::startup().unwrap();
    let kept = keep(what, &platform).await;
    // Were it the last that keeps Media Foundation started, it would be shut down when this is over.
    within(platform.shutdown()).await.unwrap();
    assert!(is_started(), "{what}");
    drop(kept);
    until("it is shut down", || !is_started());
}

/// One thing that is handed out, with all else that came with it gone.
async fn keep(what: &str, platform: &Platform) -> Box<dyn Any> {
    // Objects that keep nothing by themselves.
    let bare = || platform.create_attributes().unwrap().into_inner().cast::<IUnknown>().unwrap();
    match what {
        "a sample" | "a media type" | "a reader's object" => {
            let reader = within(SourceReader::open(platform, media_url("tone.wav"))).await.unwrap();
            reader.set_media_type(StreamIndex::FIRST_AUDIO, &any_pcm()).unwrap();
            match what {
                "a sample" => Box::new(within(reader.read_sample(StreamIndex::FIRST_AUDIO)).await.unwrap()),
                "a media type" => Box::new(reader.media_type(StreamIndex::FIRST_AUDIO).unwrap()),
                _ => Box::new(reader.as_com().clone()),
            }
        }
        "an event that was made" => {
            Box::new(Mta::<IMFMediaEvent>::try_from(&MediaEvent::new(1_u32)).unwrap())
        }
        "an event that was told" => {
            let (callback, mut events) = com::capture_engine_events();
            unsafe {
                let told = MFCreateMediaEvent(1, &GUID::zeroed(), windows::core::HRESULT(0), None).unwrap();
                callback.OnEvent(&told).unwrap();
            }
            Box::new(events.try_next().unwrap())
        }
        "an object in an event" => {
            let event = MediaEvent::new(1_u32).with_value(Arc::new(mta(bare())) as Unknown);
            let event = Mta::<IMFMediaEvent>::try_from(&event).unwrap();
            Box::new(MediaEvent::try_from(&event).unwrap().value().clone())
        }
        "a queued state" => {
            let (callback, told) = telling();
            let gone = Arc::downgrade(&callback);
            let callback = Mta::<IMFAsyncCallback>::from(callback);
            unsafe { MFPutWorkItem(QueueId::MULTITHREADED.0, &*callback, &bare()) }.unwrap();
            let state = told.recv_timeout(LIMIT).unwrap().unknown_state().cloned();
            drop((callback, told));
            until("the queue has released it", || gone.strong_count() == 0);
            Box::new(state.unwrap())
        }
        _ => {
            let (callback, told) = telling();
            let gone = Arc::downgrade(&callback);
            let callback = Mta::<IMFAsyncCallback>::from(callback);
            let result = unsafe { MFCreateAsyncResult(&bare(), &*callback, &bare()) }.unwrap();
            unsafe { MFInvokeCallback(&result) }.unwrap();
            let told = told.recv_timeout(LIMIT).unwrap();
            drop((callback, result));
            let (state, object) = (told.unknown_state().cloned(), told.unknown_object().cloned());
            if what == "a result" {
                return Box::new(told);
            }
            drop(told);
            until("the queue has released it", || gone.strong_count() == 0);
            Box::new(if what == "a result's state" { state.unwrap() } else { object.unwrap() })
        }
    }
}

/// A callback that sends the results that it is called with.
fn telling() -> (Arc<dyn AsyncCallback>, mpsc::Receiver<AsyncResult>) {
    let (sender, told) = mpsc::channel();
    let callback = move |result: &AsyncResult| drop(sender.send(result.clone()));
    (Arc::new(callback), told)
}

#[test]
fn the_multithreaded_apartment_is_kept_for_good() {
    in_a_process_of_its_own("apartment");
}

async fn the_apartment_stays() {
    let apartment = || {
        let (mut kind, mut qualifier) = (APTTYPE::default(), APTTYPEQUALIFIER::default());
        unsafe { CoGetApartmentType(&mut kind, &mut qualifier) }.map(|()| kind)
    };
    assert!(apartment().is_err(), "no thread has initialised COM");
    within(Platform::startup().unwrap().shutdown()).await.unwrap();
    assert_eq!(std::thread::spawn(apartment).join().unwrap(), Ok(APTTYPE_MTA));
}

#[test]
fn a_shutdown_that_is_awaited_is_over_and_one_may_start_again() {
    in_a_process_of_its_own("shutdown");
}

async fn a_shutdown_is_awaited() {
    for _ in 0..3 {
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        // Something could wake it: one that nothing can wake ends when it was polled, if that comes first.
        let (_gate, opened) = tokio::sync::oneshot::channel::<()>();
        let pending = queue.spawn(async move { _ = opened.await });
        let clone = platform.clone();
        drop(queue);
        within(platform.shutdown()).await.unwrap();
        assert!(is_started(), "a clone uses it");
        assert_eq!(within(pending).await.unwrap_err().kind(), ErrorKind::Shutdown);
        let refused = clone.queue(QueueId::MULTITHREADED).unwrap().run(|| ());
        assert_eq!(within(refused).await.unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        let kept = clone.create_attributes().unwrap();
        within(clone.shutdown()).await.unwrap();
        assert!(is_started(), "an object keeps it");
        drop(kept);
        until("it is shut down", || !is_started());

        let platform = Platform::startup_lite().unwrap();
        assert!(is_started());
        within(platform.shutdown()).await.unwrap();
        assert!(!is_started());
    }
}

#[test]
fn the_last_drop_may_be_on_a_work_queues_thread() {
    in_a_process_of_its_own("queue");
}

async fn the_last_drop_is_on_a_work_queue() {
    let platform = Platform::startup().unwrap();
    let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
    // Media Foundation waits for what is locked, so that a drop that waited for it would never return.
    unsafe { MFLockPlatform() }.unwrap();
    let (dropped, is_dropped) = tokio::sync::oneshot::channel();
    let item = mta_callback(move || {
        drop((queue, platform));
        dropped.send(()).unwrap();
    });
    unsafe { MFPutWorkItem(QueueId::MULTITHREADED.0, &*item, None) }.unwrap();
    within(is_dropped).await.unwrap();
    unsafe { MFUnlockPlatform() }.unwrap();
    until("it is shut down", || !is_started());
}

fn mta_callback(call: impl FnOnce() + Send + 'static) -> Mta<IMFAsyncCallback> {
    let call = Mutex::new(Some(call));
    let callback: Arc<dyn AsyncCallback> = Arc::new(move |_: &AsyncResult| {
        if let Some(call) = call.lock().unwrap().take() {
            call();
        }
    });
    Mta::from(callback)
}

#[test]
fn the_objects_that_media_foundation_makes_need_no_unsafe_code() {
    let platform = crate::support::start();
    let sample = platform.create_sample(&[1, 2, 3], 5, 6).unwrap();
    unsafe {
        assert_eq!((sample.GetSampleTime().unwrap(), sample.GetSampleDuration().unwrap()), (5, 6));
        assert_eq!(sample.GetTotalLength().unwrap(), 3);
    }
    assert!(platform.create_memory_buffer(&[]).is_ok());
    assert_eq!(unsafe { platform.create_attributes().unwrap().GetCount() }.unwrap(), 0);
    assert!(platform.create_event_queue().is_ok() && platform.create_source_resolver().is_ok());
    let session = platform.create_media_session().unwrap();
    unsafe { session.Shutdown() }.unwrap();
    assert!(Platform::is_available());
}

#[tokio::test]
async fn a_file_is_opened_as_a_byte_stream() {
    let platform = crate::support::start();
    let file = within(platform.open_file(media_url("tone.wav"))).await.unwrap();
    assert!(unsafe { file.GetLength() }.unwrap() > 44);
    let missing = within(platform.open_file("no such file.wav")).await.unwrap_err();
    assert_eq!(missing.hresult(), Hresult::ERROR_FILE_NOT_FOUND);
}
