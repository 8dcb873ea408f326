//! Byte streams cross between this crate and Media Foundation in both directions, byte for byte, with their codes.
#![cfg(windows)]
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "all it does is call objects that live for the call"
)]

use std::io::Cursor;

use futures::TryStreamExt;
use mf_async::com::{self, ComByteStream, Mta, SourceReader, SourceStream, byte_stream_object};
use mf_async::{
    ByteStream, ByteStreamCapabilities, ByteStreamExt, ByteStreamFromIo, ErrorKind, Hresult,
    MemoryByteStream, Platform,
};
use windows::Win32::Foundation::{E_INVALIDARG, E_POINTER};
use windows::Win32::Media::MediaFoundation::*;
use windows::core::HSTRING;

use com_support::*;

mod com_support;

async fn sound(platform: &com::Platform, stream: Mta<IMFByteStream>) -> Vec<u8> {
    let reader = Gently::new(within(SourceReader::from_byte_stream(platform, stream)).await.unwrap());
    reader.set_media_type(SourceStream::FirstAudio, &any_pcm()).unwrap();
    let samples = reader.samples(SourceStream::FirstAudio);
    let all = samples.try_fold(Vec::new(), async |mut all, sample| {
        all.extend(sample.to_vec()?);
        Ok(all)
    });
    within(all).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn media_foundation_reads_from_memory() {
    let theirs = start();
    let ours = Platform::startup().unwrap();
    for file in ["tone.wav", "tone.flac", "tone.mp3", "tone.mp4"] {
        let bytes = std::fs::read(media(file)).unwrap();
        let stream = MemoryByteStream::new(&ours, bytes.clone());
        let decoded = sound(&theirs, byte_stream_object(stream)).await;
        if file == "tone.wav" {
            assert_eq!(decoded, wav_data(&bytes));
        } else {
            assert!(decoded.len() > 100_000, "{file}: {} bytes", decoded.len());
        }
    }
    within(ours.shutdown()).await.unwrap();
}

#[tokio::test]
async fn media_foundation_reads_from_tokio_io_even_on_a_runtime_of_one_thread() {
    let theirs = start();
    let ours = Platform::startup().unwrap();
    let bytes = std::fs::read(media("tone.wav")).unwrap();
    let stream = ByteStreamFromIo::seekable_reader(&ours, Cursor::new(bytes.clone())).await.unwrap();
    assert_eq!(sound(&theirs, byte_stream_object(stream)).await, wav_data(&bytes));
    within(ours.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_ours_taken_back_is_the_same_stream() {
    let _theirs = start();
    let ours = Platform::startup().unwrap();
    let memory = MemoryByteStream::new(&ours, b"0123456789".to_vec());
    let stream = ComByteStream::new(&ours, byte_stream_object(memory.clone()));
    assert_eq!(stream.capabilities(), memory.capabilities());
    assert!(stream.capabilities().contains(ByteStreamCapabilities::SEEKABLE));
    assert_eq!(stream.length().unwrap(), Some(10));
    assert_eq!(within(stream.read(vec![0; 4])).await.unwrap(), b"0123");
    assert_eq!(stream.position().unwrap(), 4);
    stream.set_position(8).unwrap();
    assert_eq!(within(stream.read(vec![0; 4])).await.unwrap(), b"89");
    assert!(stream.is_end_of_stream().unwrap());
    assert!(within(stream.read(vec![0; 4])).await.unwrap().is_empty());
    let (written, buffer) = within(stream.write(b"ab".to_vec())).await.unwrap();
    assert_eq!((written, &buffer[..]), (2, &b"ab"[..]));
    assert_eq!(memory.to_vec(), b"0123456789ab");
    let mut some = [0; 3];
    stream.set_position(9).unwrap();
    assert_eq!((stream.blocking_read(&mut some).unwrap(), &some), (3, b"9ab"));
    assert_eq!(stream.set_position(99).unwrap_err().hresult(), Hresult::E_INVALIDARG);
    stream.close().unwrap();
    let closed = within(stream.read(vec![0; 4])).await.unwrap_err();
    assert_eq!(closed.hresult(), Hresult::MF_E_INVALIDREQUEST);
    drop(stream);
    within(ours.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_media_foundations_is_a_stream() {
    let _theirs = start();
    let ours = Platform::startup().unwrap();
    let bytes = std::fs::read(media("tone.wav")).unwrap();
    let url = HSTRING::from(media("tone.wav").as_os_str());
    let file =
        unsafe { MFCreateFile(MF_ACCESSMODE_READ, MF_OPENMODE_FAIL_IF_NOT_EXIST, MF_FILEFLAGS_NONE, &url) };
    let stream = ComByteStream::new(&ours, mta(file.unwrap()));
    assert_eq!(stream.length().unwrap(), Some(bytes.len() as u64));
    assert_eq!(within(stream.read_exact(vec![0; 1000])).await.unwrap(), &bytes[..1000]);
    let before = refs(&**stream.as_com());
    drop(within(stream.read(vec![0; 1000])).await.unwrap());
    assert!(refs(&**stream.as_com()) <= before + 1, "at most the callback that is just being released");
    drop(stream);
    within(ours.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_by_code() {
    let _theirs = start();
    let ours = Platform::startup().unwrap();
    let object = byte_stream_object(MemoryByteStream::new(&ours, vec![1; 10]));
    unsafe {
        assert_eq!(object.EndRead(None).unwrap_err().code(), E_POINTER);
        let stranger = MFCreateAsyncResult(None, None, None).unwrap();
        assert_eq!(object.EndRead(&stranger).unwrap_err().code(), E_INVALIDARG);
        assert_eq!(object.EndWrite(&stranger).unwrap_err().code(), E_INVALIDARG);
        assert_eq!(object.Seek(MFBYTESTREAM_SEEK_ORIGIN(7), 0, 0).unwrap_err().code(), E_INVALIDARG);
    }
    within(ours.shutdown()).await.unwrap();
    // The platform is gone: reads say so, nothing waits.
    let reads = ComByteStream::new(&Platform::startup().unwrap(), object);
    let error = within(reads.read(vec![0; 4])).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shutdown | ErrorKind::Abandoned), "{error:?}");
}
