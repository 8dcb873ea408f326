//! A media source of one's own does what the page *Writing a Custom Media Source* asks for, and Media Foundation's own reader
//! plays it.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};

use futures::{StreamExt, TryStreamExt, stream};
use mf_async::com::{
    self, MediaSourceBuilder, Mta, SourceReader, StreamIndex, StreamStart, media_source,
    media_source_activate, raw_event,
};
use mf_async::{Error, EventStream, Hresult, MediaEvent, MediaEventType};
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, IUnknown, Interface};

use crate::support::*;

/// Samples of 0.1 s, `count` of them, from the one at `start` on.
fn samples(start: i64, count: i64) -> stream::BoxStream<'static, mf_async::Result<Mta<IMFSample>>> {
    stream::iter((start / 1_000_000..count).map(|index| Ok(sample(index)))).boxed()
}

fn seekable(platform: &com::Platform, count: i64, opened: &Arc<AtomicU32>) -> Mta<IMFMediaSource> {
    let opened = opened.clone();
    let open = move |start: StreamStart| {
        opened.fetch_add(1, SeqCst);
        samples(start.position, count)
    };
    let source = MediaSourceBuilder::new(platform).stream(&[pcm()], open).duration(count * 1_000_000);
    source.build().unwrap()
}

/// Leaves a reader to the end of the process.
///
/// Wine's reader, released a moment after an answer, may be released last by the thread of its own work queue that has just
/// answered. That thread then waits for itself with a lock that every work queue needs. Sources of this crate's are so quick
/// that this happens.
fn left(reader: SourceReader) {
    std::mem::forget(reader);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_plays_a_source_of_samples() {
    let platform = start();
    let source = media_source(&platform, &pcm(), samples(0, 30)).unwrap();
    let reader = within(SourceReader::from_media_source(&platform, &source)).await.unwrap();
    let played = reader.samples(StreamIndex::FIRST_AUDIO);
    let times: Vec<_> = within(played.map_ok(|sample| sample.timestamp).try_collect()).await.unwrap();
    assert_eq!(times, (0..30).map(|index| index * 1_000_000).collect::<Vec<_>>());
    let after = within(reader.read_sample(0)).await.unwrap();
    assert!(after.is_end_of_stream());
    left(reader);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_seeks_in_a_source() {
    let platform = start();
    let opened = Arc::new(AtomicU32::new(0));
    let source = seekable(&platform, 20, &opened);
    let reader = within(SourceReader::from_media_source(&platform, &source)).await.unwrap();
    assert_eq!(reader.duration().unwrap(), 20_000_000);
    // Wine's reader starts the source again, at zero, as long as it has not heard that it has started.
    for _ in 0..4 {
        assert!(within(reader.read_sample(0)).await.unwrap().sample.is_some());
    }
    reader.seek(15_000_000).unwrap();
    let played = reader.samples(StreamIndex::FIRST_AUDIO);
    let times: Vec<_> = within(played.map_ok(|sample| sample.timestamp).try_collect()).await.unwrap();
    // The requests of those further starts may be answered after the seek, and Wine's reader passes that on.
    let stale = times.iter().take_while(|time| **time < 15_000_000).count();
    assert!(stale == 0 || is_wine(), "{stale} samples are from before the seek: {times:?}");
    assert_eq!(times[stale..], (15..20).map(|index| index * 1_000_000).collect::<Vec<_>>());
    assert!(opened.load(SeqCst) >= 2);
    left(reader);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_streams_end_when_both_have() {
    let platform = start();
    let video = media_type(MFMediaType_Video, MFVideoFormat_RGB32);
    unsafe { video.SetUINT64(&MF_MT_FRAME_SIZE, 16 << 32 | 16) }.unwrap();
    let source = MediaSourceBuilder::new(&platform);
    let source = source.once(&pcm(), samples(0, 3)).once(&video, samples(0, 7)).build().unwrap();
    let reader = within(SourceReader::from_media_source(&platform, &source)).await.unwrap();
    let all: Vec<_> = within(reader.samples(StreamIndex::ANY).try_collect()).await.unwrap();
    let of =
        |stream| all.iter().filter(|sample| sample.stream_index == stream && sample.sample.is_some()).count();
    assert_eq!((of(0), of(1)), (3, 7));
    left(reader);
}

/// A source driven by hand, as the pipeline does.
struct Driven {
    source: Mta<IMFMediaSource>,
    events: EventStream,
}

impl Driven {
    fn new(source: Mta<IMFMediaSource>) -> Driven {
        let events = com::event_stream(source.cast().unwrap()).unwrap();
        Driven { source, events }
    }

    fn start(&self, position: PROPVARIANT) -> windows::core::Result<()> {
        unsafe {
            let presentation = self.source.CreatePresentationDescriptor()?;
            self.source.Start(&presentation, std::ptr::null(), &position)
        }
    }

    async fn event(&mut self) -> MediaEvent {
        within(self.events.next()).await.unwrap().unwrap()
    }

    async fn expect(&mut self, kind: MediaEventType) -> MediaEvent {
        let event = self.event().await;
        assert_eq!(event.event_type(), kind);
        event
    }

    /// The stream of an event of the source, and its events.
    async fn stream(&mut self, kind: MediaEventType) -> (Mta<IMFMediaStream>, EventStream) {
        let event = self.expect(kind).await;
        let object = event.value().as_object::<Mta<IUnknown>>().unwrap().cast::<IMFMediaStream>().unwrap();
        let events = com::event_stream(object.cast().unwrap()).unwrap();
        (object, events)
    }
}

async fn expect(events: &mut EventStream, kind: MediaEventType) -> MediaEvent {
    let event = within(events.next()).await.unwrap().unwrap();
    assert_eq!(event.event_type(), kind);
    event
}

fn at(position: i64) -> PROPVARIANT {
    PROPVARIANT::from(position)
}

fn go_on() -> PROPVARIANT {
    PROPVARIANT::default()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_the_order_of_the_page_and_tokens_with_their_samples() {
    let platform = start();
    let opened = Arc::new(AtomicU32::new(0));
    let mut driven = Driven::new(seekable(&platform, 5, &opened));
    driven.start(go_on()).unwrap();
    let (stream, mut events) = driven.stream(MediaEventType::MENewStream).await;
    let started = driven.expect(MediaEventType::MESourceStarted).await;
    let raw = raw_event(&started).unwrap();
    assert_eq!(unsafe { raw.GetUINT64(&MF_EVENT_SOURCE_ACTUAL_START) }.unwrap(), 0);
    expect(&mut events, MediaEventType::MEStreamStarted).await;
    assert!(unsafe { stream.GetMediaSource() }.unwrap() == *driven.source);
    assert_eq!(unsafe { stream.GetStreamDescriptor().unwrap().GetStreamIdentifier() }.unwrap(), 0);

    // One sample for each request, with its token.
    let (token, alive) = token();
    unsafe { stream.RequestSample(&token) }.unwrap();
    let event = expect(&mut events, MediaEventType::MEMediaSample).await;
    let delivered = event.value().as_object::<Mta<IUnknown>>().unwrap().cast::<IMFSample>().unwrap();
    let given: IUnknown = unsafe { delivered.GetUnknown(&MFSampleExtension_Token) }.unwrap();
    assert!(given == token);
    drop((event, delivered, given, token));
    until("the token is released", || Arc::strong_count(&alive) == 1);

    // What is asked for while it is paused comes when it goes on.
    unsafe { driven.source.Pause() }.unwrap();
    driven.expect(MediaEventType::MESourcePaused).await;
    expect(&mut events, MediaEventType::MEStreamPaused).await;
    let refused = unsafe { driven.source.Pause() }.unwrap_err();
    assert_eq!(refused.code(), MF_E_INVALID_STATE_TRANSITION);
    unsafe { stream.RequestSample(None) }.unwrap();
    driven.start(go_on()).unwrap();
    driven.expect(MediaEventType::MEUpdatedStream).await;
    let started = driven.expect(MediaEventType::MESourceStarted).await;
    let raw = raw_event(&started).unwrap();
    assert_eq!(unsafe { raw.GetUINT64(&MF_EVENT_SOURCE_ACTUAL_START) }.unwrap(), 1_000_000);
    expect(&mut events, MediaEventType::MEStreamStarted).await;
    expect(&mut events, MediaEventType::MEMediaSample).await;

    // A seek, then the end.
    driven.start(at(4_000_000)).unwrap();
    driven.expect(MediaEventType::MEUpdatedStream).await;
    let seeked = driven.expect(MediaEventType::MESourceSeeked).await;
    assert_eq!(*seeked.value(), 4_000_000_i64.into());
    expect(&mut events, MediaEventType::MEStreamSeeked).await;
    let (token, alive) = crate::support::token();
    unsafe { stream.RequestSample(None).unwrap() };
    let last = expect(&mut events, MediaEventType::MEMediaSample).await;
    let last = last.value().as_object::<Mta<IUnknown>>().unwrap().cast::<IMFSample>().unwrap();
    assert_eq!(unsafe { last.GetSampleTime() }.unwrap(), 4_000_000);
    unsafe { stream.RequestSample(&token) }.unwrap();
    drop(token);
    expect(&mut events, MediaEventType::MEEndOfStream).await;
    driven.expect(MediaEventType::MEEndOfPresentation).await;
    until("the token of a request without a sample is released", || Arc::strong_count(&alive) == 1);
    assert_eq!(unsafe { stream.RequestSample(None) }.unwrap_err().code(), MF_E_END_OF_STREAM);

    // After a stop it begins at zero.
    unsafe { driven.source.Stop() }.unwrap();
    driven.expect(MediaEventType::MESourceStopped).await;
    expect(&mut events, MediaEventType::MEStreamStopped).await;
    assert_eq!(unsafe { stream.RequestSample(None) }.unwrap_err().code(), MF_E_MEDIA_SOURCE_WRONGSTATE);
    driven.start(go_on()).unwrap();
    driven.expect(MediaEventType::MEUpdatedStream).await;
    driven.expect(MediaEventType::MESourceStarted).await;
    expect(&mut events, MediaEventType::MEStreamStarted).await;
    unsafe { stream.RequestSample(None) }.unwrap();
    let first = expect(&mut events, MediaEventType::MEMediaSample).await;
    let first = first.value().as_object::<Mta<IUnknown>>().unwrap().cast::<IMFSample>().unwrap();
    assert_eq!(unsafe { first.GetSampleTime() }.unwrap(), 0);
    assert_eq!(opened.load(SeqCst), 3);

    unsafe { driven.source.Shutdown() }.unwrap();
    assert!(within(events.next()).await.is_none());
    assert!(within(driven.events.next()).await.is_none());
    assert_eq!(unsafe { stream.RequestSample(None) }.unwrap_err().code(), MF_E_SHUTDOWN);
    assert_eq!(unsafe { stream.GetMediaSource() }.unwrap_err().code(), MF_E_SHUTDOWN);
    for refused in
        [driven.start(go_on()), unsafe { driven.source.Stop() }, unsafe { driven.source.Shutdown() }]
    {
        assert_eq!(refused.unwrap_err().code(), MF_E_SHUTDOWN);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_not_valid_raises_no_event() {
    let platform = start();
    let opened = Arc::new(AtomicU32::new(0));
    let mut driven = Driven::new(seekable(&platform, 5, &opened));
    let code = |done: windows::core::Result<()>| done.unwrap_err().code();
    assert_eq!(code(driven.start(at(6_000_000))), MF_E_INVALIDREQUEST, "behind the end");
    assert_eq!(code(driven.start(at(-1))), MF_E_INVALIDREQUEST);
    assert_eq!(code(driven.start(PROPVARIANT::from(1_u32))), MF_E_UNSUPPORTED_TIME_FORMAT);
    let presentation = unsafe { driven.source.CreatePresentationDescriptor() }.unwrap();
    let format = GUID::from_u128(1);
    let position = go_on();
    let begun = unsafe { driven.source.Start(&presentation, &format, &position) };
    assert_eq!(code(begun), MF_E_UNSUPPORTED_TIME_FORMAT);
    unsafe { presentation.DeselectStream(0) }.unwrap();
    let begun = unsafe { driven.source.Start(&presentation, std::ptr::null(), &position) };
    assert!(begun.is_err(), "nothing is selected");
    assert!(futures::poll!(Box::pin(driven.events.next())).is_pending());
    assert_eq!(unsafe { driven.source.Pause() }.unwrap_err().code(), MF_E_INVALID_STATE_TRANSITION);

    // One that plays once cannot seek, and says so.
    let once = media_source(&platform, &pcm(), samples(0, 3)).unwrap();
    let can = |source: &Mta<IMFMediaSource>| unsafe { source.GetCharacteristics() }.unwrap();
    assert_eq!(can(&once), MFMEDIASOURCE_CAN_PAUSE.0 as u32);
    assert_eq!(can(&driven.source), (MFMEDIASOURCE_CAN_PAUSE.0 | MFMEDIASOURCE_CAN_SEEK.0) as u32);
    let mut once = Driven::new(once);
    assert_eq!(code(once.start(at(5))), MF_E_INVALIDREQUEST);
    // At zero it may be started twice: it goes on.
    for kind in [MediaEventType::MENewStream, MediaEventType::MEUpdatedStream] {
        once.start(at(0)).unwrap();
        once.expect(kind).await;
        once.expect(MediaEventType::MESourceStarted).await;
    }
    assert_eq!(code(once.start(at(5))), MF_E_INVALIDREQUEST);
    assert!(MediaSourceBuilder::new(&platform).build().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_and_a_panic_end_the_source_with_an_event() {
    let platform = start();
    for panics in [false, true] {
        let failing = stream::iter([Ok(sample(0))]).chain(stream::once(async move {
            assert!(!panics, "on purpose");
            Err(Error::new(Hresult::ERROR_FILE_NOT_FOUND, "read a picture"))
        }));
        let mut driven = Driven::new(media_source(&platform, &pcm(), failing).unwrap());
        driven.start(go_on()).unwrap();
        let (stream, mut events) = driven.stream(MediaEventType::MENewStream).await;
        driven.expect(MediaEventType::MESourceStarted).await;
        expect(&mut events, MediaEventType::MEStreamStarted).await;
        let (token, alive) = token();
        unsafe { stream.RequestSample(None) }.unwrap();
        unsafe { stream.RequestSample(&token) }.unwrap();
        drop(token);
        expect(&mut events, MediaEventType::MEMediaSample).await;
        let error = within(driven.events.next()).await.unwrap();
        let status = error.map_or_else(|error| error.hresult(), |event| event.status());
        assert_eq!(status, if panics { Hresult::E_UNEXPECTED } else { Hresult::ERROR_FILE_NOT_FOUND });
        until("the token is released", || Arc::strong_count(&alive) == 1);
        unsafe { driven.source.Shutdown() }.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deselected_stream_is_shut_down_and_a_selected_one_is_new() {
    let platform = start();
    let source = MediaSourceBuilder::new(&platform);
    let source = source.once(&pcm(), samples(0, 3)).once(&pcm(), samples(0, 3)).live().build().unwrap();
    let mut driven = Driven::new(source);
    driven.start(go_on()).unwrap();
    let (first, mut first_events) = driven.stream(MediaEventType::MENewStream).await;
    let (second, _) = driven.stream(MediaEventType::MENewStream).await;
    driven.expect(MediaEventType::MESourceStarted).await;
    let presentation = unsafe { driven.source.CreatePresentationDescriptor() }.unwrap();
    let position = go_on();
    unsafe {
        presentation.DeselectStream(0).unwrap();
        driven.source.Start(&presentation, std::ptr::null(), &position).unwrap();
    }
    driven.expect(MediaEventType::MEUpdatedStream).await;
    driven.expect(MediaEventType::MESourceStarted).await;
    expect(&mut first_events, MediaEventType::MEStreamStarted).await;
    assert!(within(first_events.next()).await.is_none());
    assert_eq!(unsafe { first.RequestSample(None) }.unwrap_err().code(), MF_E_SHUTDOWN);
    driven.start(go_on()).unwrap();
    let (again, _) = driven.stream(MediaEventType::MENewStream).await;
    assert!(*again != *first);
    unsafe { again.RequestSample(None) }.unwrap();
    unsafe { second.RequestSample(None) }.unwrap();
    let extended: Mta<IMFMediaSourceEx> = driven.source.cast().unwrap();
    unsafe {
        extended.GetSourceAttributes().unwrap();
        extended.GetStreamAttributes(1).unwrap();
        assert!(extended.GetStreamAttributes(2).is_err());
        extended.SetD3DManager(None).unwrap();
    }
    unsafe { driven.source.Shutdown() }.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_selected_again_gets_nothing_of_its_former_playback() {
    let platform = start();
    let ((arrives, arrived), (open, gate)) = (mpsc::channel(), mpsc::channel::<()>());
    let (first, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(gate)));
    let ours = move |start: StreamStart| {
        if first.fetch_add(1, SeqCst) > 0 {
            return samples(start.position, 3);
        }
        // It is at work until after the next has begun.
        let (arrives, gate) = (arrives.clone(), gate.clone());
        let held = move || {
            arrives.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            Ok(sample(77))
        };
        stream::once(async move { held() }).boxed()
    };
    let source = MediaSourceBuilder::new(&platform).stream(&[pcm()], ours);
    let source = source.once(&pcm(), samples(0, 3)).build().unwrap();
    let mut driven = Driven::new(source);
    driven.start(at(0)).unwrap();
    let (former, _) = driven.stream(MediaEventType::MENewStream).await;
    driven.expect(MediaEventType::MENewStream).await;
    driven.expect(MediaEventType::MESourceStarted).await;
    unsafe { former.RequestSample(None) }.unwrap();
    arrived.recv_timeout(LIMIT).unwrap();

    let presentation = unsafe { driven.source.CreatePresentationDescriptor() }.unwrap();
    unsafe {
        presentation.DeselectStream(0).unwrap();
        driven.source.Start(&presentation, std::ptr::null(), &go_on()).unwrap();
    }
    driven.expect(MediaEventType::MEUpdatedStream).await;
    driven.expect(MediaEventType::MESourceStarted).await;
    driven.start(go_on()).unwrap();
    let (again, mut events) = driven.stream(MediaEventType::MENewStream).await;
    expect(&mut events, MediaEventType::MEStreamStarted).await;
    drop(open);
    for time in 0..3 {
        unsafe { again.RequestSample(None) }.unwrap();
        let event = expect(&mut events, MediaEventType::MEMediaSample).await;
        let sample = event.value().as_object::<Mta<IUnknown>>().unwrap().cast::<IMFSample>().unwrap();
        assert_eq!(unsafe { sample.GetSampleTime() }.unwrap(), time * 1_000_000);
    }
    unsafe { driven.source.Shutdown() }.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_released_without_a_shutdown_leaves_nothing() {
    struct Alive(Arc<()>);
    let platform = start();
    let alive = Arc::new(());
    let kept = Alive(alive.clone());
    let endless = stream::repeat_with(move || {
        assert!(Arc::strong_count(&kept.0) > 0);
        Ok(sample(0))
    });
    let mut driven = Driven::new(media_source(&platform, &pcm(), endless).unwrap());
    driven.start(go_on()).unwrap();
    let (stream, mut events) = driven.stream(MediaEventType::MENewStream).await;
    driven.expect(MediaEventType::MESourceStarted).await;
    expect(&mut events, MediaEventType::MEStreamStarted).await;
    unsafe { stream.RequestSample(None) }.unwrap();
    expect(&mut events, MediaEventType::MEMediaSample).await;
    drop(driven);
    assert!(within(events.next()).await.is_none());
    drop((stream, events));
    until("everything is released", || Arc::strong_count(&alive) == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_object_gives_one_source_until_it_is_shut_down() {
    let platform = start();
    let made = Arc::new(AtomicU32::new(0));
    let (kept, count) = ((*platform).clone(), made.clone());
    let activate = media_source_activate(&platform, move || {
        count.fetch_add(1, SeqCst);
        media_source(&kept, &pcm(), samples(0, 2))
    });
    let activate = activate.unwrap();
    unsafe {
        activate.SetUINT32(&GUID::from_u128(1), 2).unwrap();
        assert_eq!(activate.GetUINT32(&GUID::from_u128(1)).unwrap(), 2);
        let first: IMFMediaSource = activate.ActivateObject().unwrap();
        let second: IMFMediaSource = activate.ActivateObject().unwrap();
        assert!(first == second);
        assert!(activate.ActivateObject::<IMFByteStream>().is_err());
        activate.ShutdownObject().unwrap();
        assert_eq!(first.GetCharacteristics().unwrap_err().code(), MF_E_SHUTDOWN);
        let third: IMFMediaSource = activate.ActivateObject().unwrap();
        assert!(third != first && third.GetCharacteristics().is_ok());
        activate.DetachObject().unwrap();
        assert!(third.GetCharacteristics().is_ok());
        assert_eq!(made.load(SeqCst), 2);
        let _ = third.cast::<IUnknown>();
    }
}
