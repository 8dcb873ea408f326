//! A source reader gives every sample of what the system can decode, once, in order, to the next read;
//! no dropped read loses one, and nothing waits for ever.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt};
use mf_async::com::{Platform, SampleFlags, SourceReader, StreamIndex};
use mf_async::{ErrorKind, Hresult, Result};
use windows::Win32::Foundation::E_FAIL;
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{BOOL, GUID, HRESULT, OutRef, Ref, implement};

use crate::support::*;
use tokio::sync::mpsc;

// Wine's sources may wait for ever for a thread of theirs when they are shut down in the middle of a sample. So real
// files are read to their end, and what becomes of reads in flight is asked of a reader made for it, below.

async fn open(platform: &Platform, file: &str) -> Gently {
    let reader = within(SourceReader::open(platform, media_url(file))).await.unwrap();
    reader.set_media_type(StreamIndex::FIRST_AUDIO, &any_pcm()).unwrap();
    Gently::new(reader)
}

async fn sound(reader: &SourceReader) -> Result<Vec<u8>> {
    let samples = reader.samples(StreamIndex::FIRST_AUDIO);
    within(samples.try_fold(Vec::new(), async |mut all, sample| {
        all.extend(sample.to_vec()?);
        Ok(all)
    }))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wav_file_comes_out_byte_for_byte() {
    let platform = start();
    let reader = open(&platform, "tone.wav").await;
    let file = std::fs::read(media("tone.wav")).unwrap();
    assert_eq!(sound(&reader).await.unwrap(), wav_data(&file));
    // After the end, every read says so.
    let after = within(reader.read_sample(StreamIndex::FIRST_AUDIO)).await.unwrap();
    assert!(after.is_end_of_stream() && after.sample.is_none());
}

#[tokio::test]
async fn a_runtime_of_one_thread_will_do() {
    let platform = start();
    let reader = open(&platform, "tone.wav").await;
    assert_eq!(sound(&reader).await.unwrap().len(), 352_800);
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_sound_is_decoded() {
    if !has_compressed() {
        return;
    }
    let platform = start();
    for (file, frames) in
        [("tone.flac", 88_200..=88_200), ("tone.mp3", 88_200..=92_000), ("tone.mp4", 40_000..=92_000)]
    {
        let reader = open(&platform, file).await;
        let kind = reader.media_type(StreamIndex::FIRST_AUDIO).unwrap();
        let align = unsafe { kind.GetUINT32(&MF_MT_AUDIO_BLOCK_ALIGNMENT) }.unwrap() as usize;
        let bytes = sound(&reader).await.unwrap();
        assert!(frames.contains(&(bytes.len() / align)), "{file}: {} bytes of {align} a frame", bytes.len());
        assert!(bytes.iter().any(|&byte| byte != 0), "{file}: a tone is not silent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_and_sound_may_be_read_side_by_side() {
    if !has_compressed() {
        return;
    }
    let platform = start();
    let reader = open(&platform, "tone.mp4").await;
    let nv12 = media_type(MFMediaType_Video, MFVideoFormat_NV12);
    reader.set_media_type(StreamIndex::FIRST_VIDEO, &nv12).unwrap();
    let pictures =
        reader.samples(StreamIndex::FIRST_VIDEO).try_fold(BTreeSet::new(), async |mut times, sample| {
            times.extend(sample.sample.is_some().then_some(sample.timestamp));
            Ok(times)
        });
    let (pictures, bytes) = within(async { tokio::join!(pictures, sound(&reader)) }).await;
    assert_eq!(pictures.unwrap().len(), 50, "two seconds at 25 a second");
    assert!(!bytes.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_reads_lose_no_sample() {
    let platform = start();
    let reader = open(&platform, "tone.wav").await;
    let mut all = Vec::new();
    let mut turn = 0;
    loop {
        turn += 1;
        let mut read = reader.read_sample(StreamIndex::FIRST_AUDIO);
        // Every second one is dropped at some stage: before it is polled, polled, answered.
        match turn % 6 {
            1 => drop(read),
            3 => assert!((&mut read).now_or_never().is_none_or(|sample| {
                all.extend(sample.unwrap().to_vec().unwrap());
                true
            })),
            5 => {
                if let Some(sample) = (&mut read).now_or_never() {
                    all.extend(sample.unwrap().to_vec().unwrap());
                }
                drop(read);
                let behind = reader.read_sample(StreamIndex::FIRST_AUDIO);
                all.extend(within(behind).await.unwrap().to_vec().unwrap());
            }
            _ => {
                let sample = within(read).await.unwrap();
                all.extend(sample.to_vec().unwrap());
                if sample.is_end_of_stream() {
                    break;
                }
            }
        }
    }
    let file = std::fs::read(media("tone.wav")).unwrap();
    assert!(all == wav_data(&file), "{} bytes", all.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_ends_the_reads_in_flight_and_a_seek_starts_over() {
    let platform = start();
    let reader = open(&platform, "tone.wav").await;
    assert_eq!(reader.duration().unwrap(), 20_000_000);
    let first = within(reader.read_sample(0)).await.unwrap();
    let pending: Vec<_> = (0..3).map(|_| reader.read_sample(0)).collect();
    let flush = reader.flush(StreamIndex::ANY);
    for read in pending {
        // One that was faster than the flush is void too.
        let error = within(read).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.hresult()),
            (ErrorKind::Cancelled, Hresult::MF_E_OPERATION_CANCELLED)
        );
    }
    within(flush).await.unwrap();
    // Wine's reader counts for a moment longer what it had asked its source for.
    until("the seek is taken", || match reader.seek(0) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.hresult(), Hresult::MF_E_INVALIDREQUEST);
            false
        }
    });
    // It may also deliver first what the source had sent before.
    let again = loop {
        let again = within(reader.read_sample(0)).await.unwrap();
        assert!(!again.is_end_of_stream());
        if again.timestamp == first.timestamp {
            break again;
        }
    };
    assert_eq!(again.to_vec().unwrap(), first.to_vec().unwrap());
    sound(&reader).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_keep_their_code() {
    let platform = start();
    let missing = within(SourceReader::open(&platform, media_url("no such file.wav"))).await.unwrap_err();
    assert_eq!(missing.hresult(), Hresult::ERROR_FILE_NOT_FOUND);
    let reader = open(&platform, "tone.wav").await;
    let stream = reader.media_type(7).unwrap_err();
    assert_eq!(stream.hresult(), Hresult::MF_E_INVALIDSTREAMNUMBER);
    let stream = within(reader.read_sample(7)).await.unwrap_err();
    assert_eq!(stream.hresult(), Hresult::MF_E_INVALIDSTREAMNUMBER);
    let pictures = within(reader.read_sample(StreamIndex::FIRST_VIDEO)).await.unwrap_err();
    assert_eq!(pictures.hresult(), Hresult::MF_E_INVALIDSTREAMNUMBER);
    sound(&reader).await.unwrap();
}

/// A reader that does what the test asks for, and nothing by itself.
#[implement(IMFSourceReader)]
struct Puppet {
    callback: IMFSourceReaderCallback,
    calls: Arc<std::sync::atomic::AtomicUsize>,
    /// Closes when the reader is released.
    _alive: Option<mpsc::Sender<()>>,
}

impl IMFSourceReader_Impl for Puppet_Impl {
    fn GetStreamSelection(&self, _: u32) -> windows::core::Result<BOOL> {
        Ok(true.into())
    }
    fn SetStreamSelection(&self, _: u32, _: BOOL) -> windows::core::Result<()> {
        Ok(())
    }
    fn GetNativeMediaType(&self, _: u32, _: u32) -> windows::core::Result<IMFMediaType> {
        Err(MF_E_INVALIDSTREAMNUMBER.into())
    }
    fn GetCurrentMediaType(&self, _: u32) -> windows::core::Result<IMFMediaType> {
        Err(MF_E_INVALIDSTREAMNUMBER.into())
    }
    fn SetCurrentMediaType(
        &self,
        _: u32,
        _: *const u32,
        _: Ref<'_, IMFMediaType>,
    ) -> windows::core::Result<()> {
        Ok(())
    }
    fn SetCurrentPosition(&self, _: *const GUID, _: *const PROPVARIANT) -> windows::core::Result<()> {
        Ok(())
    }
    fn ReadSample(
        &self,
        stream: u32,
        _: u32,
        _: *mut u32,
        _: *mut u32,
        _: *mut i64,
        _: OutRef<'_, IMFSample>,
    ) -> windows::core::Result<()> {
        self.calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if stream == 9 { Err(E_FAIL.into()) } else { Ok(()) }
    }
    fn Flush(&self, stream: u32) -> windows::core::Result<()> {
        // On the stack of the call, which must not matter.
        unsafe { self.callback.OnFlush(stream) }
    }
    fn GetServiceForStream(
        &self,
        _: u32,
        _: *const GUID,
        _: *const GUID,
        _: *mut *mut core::ffi::c_void,
    ) -> windows::core::Result<()> {
        Err(E_FAIL.into())
    }
    fn GetPresentationAttribute(&self, _: u32, _: *const GUID) -> windows::core::Result<PROPVARIANT> {
        Err(E_FAIL.into())
    }
}

struct Strings {
    callback: IMFSourceReaderCallback,
    calls: Arc<std::sync::atomic::AtomicUsize>,
}

impl Strings {
    fn answer(&self, stream: u32, time: i64) {
        unsafe { self.callback.OnReadSample(HRESULT(0), stream, 0, time, None) }.unwrap();
    }

    fn calls(&self) -> usize {
        self.calls.load(std::sync::atomic::Ordering::SeqCst)
    }
}

fn puppet(platform: &Platform) -> (SourceReader, Strings) {
    let mut strings = None;
    let reader = SourceReader::create_with(platform, |attributes| unsafe {
        let callback: IMFSourceReaderCallback = attributes.GetUnknown(&MF_SOURCE_READER_ASYNC_CALLBACK)?;
        let calls = Arc::default();
        strings = Some(Strings { callback: callback.clone(), calls: Arc::clone(&calls) });
        Ok(mta(Puppet { callback, calls, _alive: None }.into()))
    });
    (reader.unwrap(), strings.unwrap())
}

// Wine's reader forgets one of two calls when a sample comes between them; hence no real one for several reads.
#[tokio::test]
async fn reads_in_flight_are_answered_in_order() {
    let platform = start();
    let (reader, strings) = puppet(&platform);
    let reads: Vec<_> = (0..8).map(|_| reader.read_sample(0)).collect();
    let other = reader.read_sample(1);
    for time in 0..8 {
        strings.answer(0, time);
    }
    strings.answer(1, 100);
    // Awaited from behind, each has its own.
    for (time, read) in reads.into_iter().enumerate().rev() {
        assert_eq!(within(read).await.unwrap().timestamp, time as i64);
    }
    assert_eq!(within(other).await.unwrap().timestamp, 100);
}

#[tokio::test]
async fn a_dropped_reads_answer_needs_no_second_call() {
    let platform = start();
    let (reader, strings) = puppet(&platform);
    drop(reader.read_sample(0));
    let second = reader.read_sample(0);
    assert_eq!(strings.calls(), 1);
    let third = reader.read_sample(0);
    assert_eq!(strings.calls(), 2);
    strings.answer(0, 1);
    strings.answer(0, 2);
    assert_eq!(within(third).await.unwrap().timestamp, 2);
    assert_eq!(within(second).await.unwrap().timestamp, 1);
    // An answer without a request is for no read.
    strings.answer(0, 3);
    assert!(reader.read_sample(0).now_or_never().is_none());
}

#[tokio::test]
async fn a_reader_that_nobody_waits_for_is_released() {
    let platform = start();
    let (alive, mut released) = mpsc::channel(1);
    let (go, gate) = std::sync::mpsc::channel();
    let opening = SourceReader::open_with(&platform, move |attributes| unsafe {
        gate.recv().unwrap();
        let callback = attributes.GetUnknown(&MF_SOURCE_READER_ASYNC_CALLBACK)?;
        Ok(mta(Puppet { callback, calls: Arc::default(), _alive: Some(alive) }.into()))
    });
    drop(opening);
    go.send(()).unwrap();
    assert!(within(released.recv()).await.is_none());

    let panics = SourceReader::open_with(&platform, |_| panic!("on purpose"));
    assert_eq!(within(panics).await.unwrap_err().kind(), ErrorKind::Panicked);
}

#[tokio::test]
async fn a_refused_read_is_told_at_once_and_a_failed_one_when_it_fails() {
    let platform = start();
    let (reader, strings) = puppet(&platform);
    assert_eq!(reader.read_sample(9).await.unwrap_err().hresult(), Hresult::E_FAIL);
    let read = reader.read_sample(0);
    unsafe { strings.callback.OnReadSample(MF_E_SHUTDOWN, 0, SampleFlags::ERROR.bits(), 0, None) }.unwrap();
    assert_eq!(within(read).await.unwrap_err().kind(), ErrorKind::Shutdown);
}

#[tokio::test]
async fn when_the_callback_is_let_go_reads_and_streams_end() {
    let platform = start();
    let (reader, strings) = puppet(&platform);
    let (read, mut events) = (reader.read_sample(0), reader.events());
    let waiting = tokio::spawn(read);
    drop(reader);
    drop(strings);
    assert_eq!(within(waiting).await.unwrap().unwrap_err().kind(), ErrorKind::Abandoned);
    assert!(within(events.next()).await.is_none());
}

#[tokio::test]
async fn events_are_a_stream() {
    let platform = start();
    let (reader, strings) = puppet(&platform);
    let mut events = reader.events();
    unsafe {
        let event =
            MFCreateMediaEvent(MEBufferingStarted.0 as u32, &GUID::zeroed(), HRESULT(0), None).unwrap();
        strings.callback.OnEvent(u32::MAX, &event).unwrap();
    }
    let told = within(events.next()).await.unwrap();
    assert_eq!(told.stream_index, u32::MAX);
    assert_eq!(unsafe { told.event.GetType() }.unwrap(), MEBufferingStarted.0 as u32);
    // A later stream takes over.
    let _later = reader.events();
    assert!(within(events.next()).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn releasing_in_any_order_leaves_nothing_behind() {
    let platform = start();
    for reader_first in [true, false] {
        let reader = open(&platform, "tone.wav").await;
        let com = reader.as_com().clone();
        let held = refs(&*com);
        let sample = within(reader.read_sample(0)).await.unwrap();
        assert!(sample.sample.is_some());
        drop(sample);
        sound(&reader).await.unwrap();
        until("a read keeps no reference to the reader", || refs(&*com) == held);
        let reader = reader.into_inner();
        if reader_first {
            drop(reader);
            assert_eq!(refs(&*com), 1, "the reader is ours alone");
            drop(com);
        } else {
            drop(com);
            assert_eq!(refs(&**reader.as_com()), 1);
            drop(reader);
        }
    }
}

#[tokio::test]
async fn dropping_the_reader_ends_what_is_in_flight() {
    let platform = start();
    let (reader, strings) = puppet(&platform);
    let (read, flush, mut events) = (reader.read_sample(0), reader.flush(1), reader.events());
    let com = reader.as_com().clone();
    drop(reader);
    // Although the object lives on, and has its callback.
    assert_eq!(within(read).await.unwrap_err().kind(), ErrorKind::Abandoned);
    within(flush).await.unwrap();
    assert!(within(events.next()).await.is_none());
    // What comes late is for no read.
    strings.answer(0, 1);
    let callback = refs(&strings.callback);
    drop(com);
    assert_eq!(refs(&strings.callback), callback - 1, "the reader has released its callback");
    drop(strings);
}
