//! What this module hands out keeps Media Foundation started, whatever the order of drops; the last drop may be anywhere and
//! never waits; and a shutdown that is awaited is over. Each case has a process of its own, with no other platform in it.

use std::process::Command;

use crate::support::{any_pcm, media_url, until, within};
use mf_async::com::{self, Mta, Platform, SourceReader, StreamIndex};
use mf_async::{ErrorKind, Hresult, QueueId};
use windows::Win32::Media::MediaFoundation::{
    IMFMediaEvent, MFCreateMediaEvent, MFLockPlatform, MFUnlockPlatform,
};
use windows::Win32::Media::MediaFoundation::{MF_E_SHUTDOWN, MFAllocateWorkQueue, MFUnlockWorkQueue};
use windows::core::GUID;

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
        Ok("sample") => a_sample_is_the_last().await,
        Ok("shutdown") => a_shutdown_is_awaited().await,
        Ok("queue") => the_last_drop_is_on_a_work_queue().await,
        Ok("event") => an_event_is_the_last(),
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

#[test]
fn a_sample_keeps_media_foundation_started() {
    in_a_process_of_its_own("sample");
}

async fn a_sample_is_the_last() {
    let platform = Platform::startup().unwrap();
    let reader = within(SourceReader::open(&platform, media_url("tone.wav"))).await.unwrap();
    reader.set_media_type(StreamIndex::FIRST_AUDIO, &any_pcm()).unwrap();
    let sample = within(reader.read_sample(StreamIndex::FIRST_AUDIO)).await.unwrap();
    let kind = reader.media_type(StreamIndex::FIRST_AUDIO).unwrap();
    let source = reader.as_com().clone();
    drop((reader, platform));
    drop(source);
    assert!(is_started());
    assert!(!sample.to_vec().unwrap().is_empty());
    drop(sample);
    assert!(is_started());
    drop(kind);
    until("it is shut down", || !is_started());
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
    unsafe { windows::Win32::Media::MediaFoundation::MFPutWorkItem(QueueId::MULTITHREADED.0, &*item, None) }
        .unwrap();
    within(is_dropped).await.unwrap();
    unsafe { MFUnlockPlatform() }.unwrap();
    until("it is shut down", || !is_started());
}

fn mta_callback(
    call: impl FnOnce() + Send + 'static,
) -> Mta<windows::Win32::Media::MediaFoundation::IMFAsyncCallback> {
    let call = std::sync::Mutex::new(Some(call));
    let callback: std::sync::Arc<dyn mf_async::AsyncCallback> =
        std::sync::Arc::new(move |_: &mf_async::AsyncResult| {
            if let Some(call) = call.lock().unwrap().take() {
                call();
            }
        });
    Mta::from(callback)
}

#[test]
fn an_event_keeps_media_foundation_started() {
    in_a_process_of_its_own("event");
}

fn an_event_is_the_last() {
    let platform = Platform::startup().unwrap();
    let event = mf_async::MediaEvent::new(1_u32);
    let event = Mta::<IMFMediaEvent>::try_from(&event).unwrap();
    let (callback, mut events) = com::capture_engine_events();
    unsafe {
        let captured = MFCreateMediaEvent(1, &GUID::zeroed(), windows::core::HRESULT(0), None).unwrap();
        callback.OnEvent(&captured).unwrap();
    }
    drop(platform);
    assert!(is_started());
    drop(event);
    assert!(is_started());
    drop(events.try_next().unwrap());
    until("it is shut down", || !is_started());
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
