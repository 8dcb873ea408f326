//! A source reader's reads and flushes end as the pages say: `samples` of any stream with the last of them, everything
//! with the error flag, and a flush by whichever number it is answered with.

use std::sync::atomic::Ordering::SeqCst;

use futures::{FutureExt, StreamExt};
use mf_async::com::StreamIndex;
use mf_async::{ErrorKind, Hresult};
use windows::Win32::Media::MediaFoundation::*;
use windows::core::HRESULT;

use crate::support::reader::page_reader;
use crate::support::*;

const ANY: u32 = 0xFFFF_FFFE;
const END: i32 = MF_SOURCE_READERF_ENDOFSTREAM.0;

#[tokio::test]
async fn the_samples_of_any_stream_end_with_the_last_stream() {
    let platform = start();
    let (reader, strings) = page_reader(&platform, 2);
    let mut samples = reader.samples(StreamIndex::ANY);
    for (stream, flags, time) in [(0, 0, 1), (1, 0, 2)] {
        assert!(samples.next().now_or_never().is_none());
        strings.answer(stream, flags, time);
        let sample = within(samples.next()).await.unwrap().unwrap();
        assert_eq!((sample.stream_index, sample.timestamp), (StreamIndex(stream), time));
    }
    // The sound ends, and the pictures go on.
    assert!(samples.next().now_or_never().is_none());
    strings.answer(0, END, 3);
    assert!(samples.next().now_or_never().is_none());
    strings.answer(1, 0, 4);
    assert_eq!(within(samples.next()).await.unwrap().unwrap().timestamp, 4);
    // A reader that says it again holds up nothing: the other stream is asked for by its number.
    assert!(samples.next().now_or_never().is_none());
    strings.answer(0, END, 5);
    assert!(samples.next().now_or_never().is_none());
    assert_eq!(strings.reads().last(), Some(&1));
    strings.answer(1, END, 6);
    assert!(within(samples.next()).await.is_none());
    assert!(within(samples.next()).await.is_none());
    assert_eq!(strings.reads(), [ANY, ANY, ANY, ANY, ANY, 1]);
}

#[tokio::test]
async fn the_samples_of_one_stream_end_with_it() {
    let platform = start();
    let (reader, strings) = page_reader(&platform, 2);
    let mut samples = reader.samples(0);
    assert!(samples.next().now_or_never().is_none());
    strings.answer(0, END, 0);
    assert!(within(samples.next()).await.is_none());
}

#[tokio::test]
async fn the_error_flag_ends_every_read_and_nothing_is_asked_for_after_it() {
    let platform = start();
    let failed = MF_SOURCE_READERF_ERROR.0;
    for status in [HRESULT(0), MF_E_UNSUPPORTED_FORMAT] {
        let code = if status.is_ok() { Hresult::E_FAIL } else { status.into() };
        let (reader, strings) = page_reader(&platform, 2);
        let dropped = reader.read_sample(0);
        let before = reader.read_sample(0);
        strings.answer(0, 0, 1);
        strings.answer(0, 0, 2);
        drop(dropped);
        let reads: Vec<_> = [0, 0, 1].map(|stream| reader.read_sample(stream)).into();
        let flush = reader.flush(1);
        // One answer, and the callback is not called any more.
        unsafe { strings.callback.OnReadSample(status, 0, failed as u32, 0, None) }.unwrap();
        assert_eq!(within(before).await.unwrap().timestamp, 1, "what came before is to be had");
        let mut ends = Vec::new();
        for read in reads {
            ends.push(within(read).await.map(|sample| sample.timestamp).map_err(|error| error.hresult()));
        }
        let flushed = Hresult::MF_E_OPERATION_CANCELLED;
        // The first takes the sample that the dropped read has left behind; the third was flushed, or failed.
        assert_eq!(ends[..2], [Ok(2), Err(code)]);
        assert!(ends[2] == Err(code) || ends[2] == Err(flushed), "{ends:?}");
        assert_eq!(within(flush).await.unwrap_err().hresult(), code);

        let asked = (strings.reads(), strings.flushes(), strings.seeks());
        assert_eq!(within(reader.read_sample(0)).await.unwrap_err().hresult(), code);
        assert_eq!(within(reader.flush(0)).await.unwrap_err().hresult(), code);
        assert_eq!(reader.seek(0).unwrap_err().hresult(), code);
        let mut samples = reader.samples(0);
        assert_eq!(within(samples.next()).await.unwrap().unwrap_err().hresult(), code);
        assert!(within(samples.next()).await.is_none());
        assert_eq!((strings.reads(), strings.flushes(), strings.seeks()), asked, "no call of the reader");
    }
}

#[tokio::test]
async fn a_flush_that_is_answered_with_the_streams_number_ends() {
    let platform = start();
    let (reader, strings) = page_reader(&platform, 0);
    let first = reader.flush(StreamIndex::FIRST_AUDIO);
    let other = reader.flush(3);
    assert_eq!(strings.flushes(), [0xFFFF_FFFD, 3]);
    unsafe { strings.callback.OnFlush(3) }.unwrap();
    within(other).await.unwrap();
    assert!(!first.is_ended());
    unsafe { strings.callback.OnFlush(0) }.unwrap();
    within(first).await.unwrap();
    assert_eq!(reader.read_sample(StreamIndex::FIRST_AUDIO).now_or_never().map(|_| ()), None);
}

#[tokio::test]
async fn a_stream_that_comes_later_is_known_by_its_kind() {
    let platform = start();
    let (reader, strings) = page_reader(&platform, 1);
    strings.streams.store(0, SeqCst);
    let (reader_of_none, none) = page_reader(&platform, 0);
    drop(reader);
    let read = reader_of_none.read_sample(StreamIndex::ANY);
    none.streams.store(1, SeqCst);
    none.answer(0, MF_SOURCE_READERF_NEWSTREAM.0, 0);
    within(read).await.unwrap();
    let _read = reader_of_none.read_sample(StreamIndex::FIRST_AUDIO);
    assert_eq!(none.reads(), [ANY, 0]);
}

#[tokio::test]
async fn a_reader_that_is_gone_abandons_and_one_that_failed_does_not() {
    let platform = start();
    let (reader, strings) = page_reader(&platform, 1);
    let read = reader.read_sample(0);
    drop(reader);
    assert_eq!(within(read).await.unwrap_err().kind(), ErrorKind::Abandoned);
    strings.answer(0, 0, 1);
}
