//! A sink writer's markers and its end are futures that end exactly once, with the code Media Foundation has for
//! them, also if the writer fails.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures::{FutureExt, StreamExt};
use mf_async::com::{Mta, Platform, SinkWriter, SinkWriterEvent, StreamIndex, grab_samples};
use mf_async::{ErrorKind, Hresult};
use windows::Win32::Foundation::{E_FAIL, E_NOTIMPL};
use windows::Win32::Media::MediaFoundation::*;
use windows::core::{GUID, HRESULT, Interface, Ref, Result, implement};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_comes_after_the_samples_before_it() {
    let platform = start();
    let (callback, mut grabbed) = grab_samples();
    let activate = unsafe { MFCreateSampleGrabberSinkActivate(&*pcm(), &*callback) }.unwrap();
    unsafe { activate.SetUINT32(&MF_SAMPLEGRABBERSINK_IGNORE_CLOCK, 1) }.unwrap();
    let sink: Mta<IMFMediaSink> = mta(unsafe { activate.ActivateObject() }.unwrap());
    let writer = within(SinkWriter::to_media_sink(&platform, &sink)).await.unwrap();
    // Wine's writer does not convert and says so.
    let typed = within(writer.set_input_media_type(0, &pcm())).await;
    assert!(typed.is_ok() || typed.is_err_and(|error| error.hresult() == Hresult::E_NOTIMPL));
    within(writer.begin_writing()).await.unwrap();
    for index in 0..5 {
        writer.write_sample(0, &sample(index)).unwrap();
    }
    let marker = writer.place_marker(0);
    let mut samples = 0;
    while samples < 5 {
        if let mf_async::com::SampleGrabberEvent::Sample(grabbed) = within(grabbed.next()).await.unwrap() {
            assert_eq!((grabbed.time, grabbed.bytes.len()), (samples * 1_000_000, 17_640));
            samples += 1;
        }
    }
    within(marker).await.unwrap();
    // Wine's writer cannot finalize and says so.
    let finalized = within(writer.finalize()).await;
    assert!(finalized.is_ok() || finalized.is_err_and(|error| error.hresult() == Hresult::E_NOTIMPL));
    drop(writer);
    let _ = unsafe { activate.ShutdownObject() };
    drop((sink, activate, callback));
}

#[tokio::test]
async fn a_container_that_is_not_known_is_an_error() {
    let platform = start();
    let path = std::env::temp_dir().join("mf-async.nosuchcontainer");
    let error = within(SinkWriter::create(&platform, path.as_os_str())).await.unwrap_err();
    assert!(error.hresult().is_failure());
}

/// A writer that does what the test asks for, and nothing by itself.
#[implement(IMFSinkWriter)]
struct Puppet {
    markers: Arc<Mutex<Vec<usize>>>,
    finalized: Arc<AtomicU32>,
}

impl IMFSinkWriter_Impl for Puppet_Impl {
    fn AddStream(&self, _: Ref<'_, IMFMediaType>) -> Result<u32> {
        Ok(0)
    }
    fn SetInputMediaType(&self, _: u32, _: Ref<'_, IMFMediaType>, _: Ref<'_, IMFAttributes>) -> Result<()> {
        Ok(())
    }
    fn BeginWriting(&self) -> Result<()> {
        Ok(())
    }
    fn WriteSample(&self, _: u32, _: Ref<'_, IMFSample>) -> Result<()> {
        Ok(())
    }
    fn SendStreamTick(&self, _: u32, _: i64) -> Result<()> {
        Ok(())
    }
    fn PlaceMarker(&self, stream: u32, context: *const c_void) -> Result<()> {
        if stream == 9 {
            return Err(E_FAIL.into());
        }
        self.markers.lock().unwrap().push(context as usize);
        Ok(())
    }
    fn NotifyEndOfSegment(&self, _: u32) -> Result<()> {
        Ok(())
    }
    fn Flush(&self, _: u32) -> Result<()> {
        Ok(())
    }
    fn Finalize(&self) -> Result<()> {
        self.finalized.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    fn GetServiceForStream(&self, _: u32, _: *const GUID, _: *const GUID, _: *mut *mut c_void) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn GetStatistics(&self, _: u32, _: *mut MF_SINK_WRITER_STATISTICS) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
}

struct Strings {
    callback: IMFSinkWriterCallback,
    markers: Arc<Mutex<Vec<usize>>>,
    finalized: Arc<AtomicU32>,
}

impl Strings {
    fn pass(&self, index: usize) {
        let context = self.markers.lock().unwrap()[index];
        unsafe { self.callback.OnMarker(0, context as *const c_void) }.unwrap();
    }
}

fn puppet(platform: &Platform) -> (SinkWriter, Strings) {
    let mut strings = None;
    let writer = SinkWriter::create_with(platform, |attributes| unsafe {
        assert_eq!(attributes.GetUINT32(&MF_SINK_WRITER_DISABLE_THROTTLING)?, 1);
        let callback = attributes.GetUnknown(&MF_SINK_WRITER_ASYNC_CALLBACK)?;
        let (markers, finalized) = (Arc::default(), Arc::default());
        let held = (Arc::clone(&markers), Arc::clone(&finalized));
        strings = Some(Strings { callback, markers: held.0, finalized: held.1 });
        Ok(Mta::of(Puppet { markers, finalized }))
    });
    (writer.unwrap(), strings.unwrap())
}

#[tokio::test]
async fn markers_are_told_apart() {
    let platform = start();
    let (writer, strings) = puppet(&platform);
    let [first, second, third] = [(); 3].map(|()| writer.place_marker(0));
    strings.pass(1);
    within(second).await.unwrap();
    assert!(!first.is_ended());
    // Nobody waits for it; passing it, even twice, is harmless.
    drop(third);
    strings.pass(2);
    strings.pass(2);
    strings.pass(0);
    within(first).await.unwrap();
    assert_eq!(writer.place_marker(9).await.unwrap_err().hresult(), Hresult::E_FAIL);
}

#[tokio::test]
async fn markers_whose_context_is_lost_come_in_their_streams_order() {
    let platform = start();
    let (writer, strings) = puppet(&platform);
    let [first, second] = [(); 2].map(|()| writer.place_marker(0));
    let other = writer.place_marker(1);
    // As Wine's writer does it: the stream is right, the context is not what was given.
    let reach = |stream, context: usize| {
        unsafe { strings.callback.OnMarker(stream, context as *const c_void) }.unwrap();
    };
    reach(0, 0);
    within(first).await.unwrap();
    assert!(!second.is_ended() && !other.is_ended());
    reach(0, usize::MAX);
    within(second).await.unwrap();
    // Nothing of that stream is out any more.
    reach(0, 0);
    assert!(!other.is_ended());
    reach(1, 0);
    within(other).await.unwrap();
}

#[tokio::test]
async fn finalize_has_the_code_that_the_callback_was_told() {
    let platform = start();
    let (writer, strings) = puppet(&platform);
    let mut end = writer.finalize();
    assert!((&mut end).now_or_never().is_none());
    unsafe { strings.callback.OnFinalize(HRESULT(0)) }.unwrap();
    within(end).await.unwrap();

    let end = writer.finalize();
    unsafe { strings.callback.OnFinalize(MF_E_SHUTDOWN) }.unwrap();
    assert_eq!(within(end).await.unwrap_err().kind(), ErrorKind::Shutdown);
}

#[tokio::test]
async fn who_asks_for_the_end_again_waits_for_the_same() {
    let platform = start();
    let (writer, strings) = puppet(&platform);
    let [first, second] = [(); 2].map(|()| writer.finalize());
    assert_eq!(strings.finalized.load(Ordering::SeqCst), 1);
    unsafe { strings.callback.OnFinalize(E_FAIL) }.unwrap();
    for end in [first, second] {
        assert_eq!(within(end).await.unwrap_err().hresult(), Hresult::E_FAIL);
    }
}

#[tokio::test]
async fn an_encoding_error_ends_the_streams_markers_and_is_told() {
    let platform = start();
    let (writer, strings) = puppet(&platform);
    let mut events = writer.events();
    let (here, there) = (writer.place_marker(0), writer.place_marker(1));
    let callback: IMFSinkWriterCallback2 = strings.callback.cast().unwrap();
    unsafe { callback.OnStreamError(0, E_FAIL) }.unwrap();
    assert_eq!(within(here).await.unwrap_err().hresult(), Hresult::E_FAIL);
    assert!(!there.is_ended());
    match within(events.next()).await.unwrap() {
        SinkWriterEvent::StreamError { stream, error } => {
            assert_eq!((stream, error.hresult()), (StreamIndex(0), Hresult::E_FAIL));
        }
        other => panic!("{other:?}"),
    }
    unsafe { callback.OnTransformChange() }.unwrap();
    assert!(matches!(within(events.next()).await, Some(SinkWriterEvent::TransformChange)));
}

#[tokio::test]
async fn a_flush_ends_the_streams_markers() {
    let platform = start();
    let (writer, _strings) = puppet(&platform);
    let marker = writer.place_marker(0);
    writer.flush(0).unwrap();
    assert!(within(marker).await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_flush_of_all_streams_ends_all_markers() {
    let platform = start();
    let (writer, _strings) = puppet(&platform);
    for all in [StreamIndex::ALL, StreamIndex::from(0xFFFF_FFFE)] {
        let markers = [0, 1].map(|stream| writer.place_marker(stream));
        writer.flush(all).unwrap();
        for marker in markers {
            assert!(within(marker).await.unwrap_err().is_cancelled());
        }
    }
    writer.end_segment(StreamIndex::ALL).unwrap();
}

#[tokio::test]
async fn a_drop_ends_what_is_in_flight_although_others_hold_the_callback() {
    let platform = start();
    let (writer, strings) = puppet(&platform);
    let (marker, end, mut events) = (writer.place_marker(0), writer.finalize(), writer.events());
    drop(writer);
    assert_eq!(within(marker).await.unwrap_err().kind(), ErrorKind::Abandoned);
    assert_eq!(within(end).await.unwrap_err().kind(), ErrorKind::Abandoned);
    assert!(within(events.next()).await.is_none());
    unsafe { strings.callback.OnFinalize(HRESULT(0)) }.unwrap();
}

#[tokio::test]
async fn when_the_callback_is_let_go_everything_ends() {
    let platform = start();
    let (writer, strings) = puppet(&platform);
    let (marker, end, mut events) = (writer.place_marker(0), writer.finalize(), writer.events());
    drop(writer);
    drop(strings);
    assert_eq!(within(marker).await.unwrap_err().kind(), ErrorKind::Abandoned);
    assert_eq!(within(end).await.unwrap_err().kind(), ErrorKind::Abandoned);
    assert!(within(events.next()).await.is_none());
}
