//! Byte streams cross between this crate and Media Foundation in both directions, byte for byte, with their codes.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::TryStreamExt;
use mf_async::byte_stream::{
    ByteStreamCapabilities, ByteStreamFromIo, MemoryByteStream, SeekFlags, SeekOrigin,
};
use mf_async::com::{self, ComByteStream, Mta, SourceReader, SourceStream, byte_stream_object};
use mf_async::{
    AsyncCallback, AsyncResult, ByteStream, ByteStreamExt, Error, ErrorKind, Hresult, Platform, Result,
    Unknown,
};
use windows::Win32::Foundation::{E_INVALIDARG, E_POINTER};
use windows::Win32::Media::MediaFoundation::*;
use windows::core::HSTRING;

use crate::support::*;

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
    let files = ["tone.wav", "tone.flac", "tone.mp3", "tone.mp4"];
    for file in &files[..if has_compressed() { 4 } else { 1 }] {
        let bytes = std::fs::read(media(file)).unwrap();
        let stream = MemoryByteStream::new(&ours, bytes.clone());
        let decoded = sound(&theirs, byte_stream_object(stream)).await;
        if *file == "tone.wav" {
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
    drop(within(stream.read(vec![0; 1000])).await.unwrap());
    until("this is the only reference to the file", || refs(&**stream.as_com()) == 1);
    drop(stream);
    within(ours.shutdown()).await.unwrap();
}

/// A stream that refuses reads, or gives more than it is asked for.
struct Unruly {
    stream: MemoryByteStream,
    refuses: bool,
}

impl ByteStream for Unruly {
    fn capabilities(&self) -> ByteStreamCapabilities {
        self.stream.capabilities()
    }
    fn length(&self) -> Result<Option<u64>> {
        self.stream.length()
    }
    fn set_length(&self, length: u64) -> Result<()> {
        self.stream.set_length(length)
    }
    fn position(&self) -> Result<u64> {
        self.stream.position()
    }
    fn set_position(&self, position: u64) -> Result<()> {
        self.stream.set_position(position)
    }
    fn is_end_of_stream(&self) -> Result<bool> {
        self.stream.is_end_of_stream()
    }
    fn begin_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        if self.refuses {
            return Err(Error::new(Hresult::MF_E_NOT_FOUND, "refuse to read"));
        }
        self.stream.begin_read(buffer, callback, state)
    }
    fn end_read(&self, result: &AsyncResult) -> Result<Vec<u8>> {
        let mut read = self.stream.end_read(result)?;
        read.extend([0xEE; 100]);
        Ok(read)
    }
    fn begin_write(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        self.stream.begin_write(buffer, callback, state)
    }
    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        self.stream.end_write(result)
    }
    fn seek(&self, origin: SeekOrigin, offset: i64, flags: SeekFlags) -> Result<u64> {
        self.stream.seek(origin, offset, flags)
    }
    fn flush(&self) -> Result<()> {
        self.stream.flush()
    }
    fn close(&self) -> Result<()> {
        self.stream.close()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_gives_too_much_fills_no_more_than_there_is_room_for() {
    let _theirs = start();
    let ours = Platform::startup().unwrap();
    let stream = MemoryByteStream::new(&ours, b"0123456789".to_vec());
    let object = byte_stream_object(Unruly { stream, refuses: false });
    let room = tokio::task::spawn_blocking({
        let object = object.clone();
        move || {
            let (mut room, mut read) = ([0; 8], 0);
            unsafe { object.Read(&mut room[..4], &mut read) }.unwrap();
            (room, read)
        }
    });
    assert_eq!(within(room).await.unwrap(), (*b"0123\0\0\0\0", 4));
    let stream = ComByteStream::new(&ours, object);
    assert_eq!(within(stream.read(vec![0; 3])).await.unwrap(), b"456");
    drop(stream);
    within(ours.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_begin_that_fails_is_not_called_back() {
    let _theirs = start();
    let ours = Platform::startup().unwrap();
    let stream = MemoryByteStream::new(&ours, vec![1; 10]);
    let object = byte_stream_object(Unruly { stream, refuses: true });
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let mut kept = None;
    let mut room = [0; 4];
    let refused = com::begin_end(
        &object,
        |object, callback| {
            kept = Some(mta(callback.clone()));
            unsafe { object.BeginRead(&mut room, callback, None) }
        },
        move |_, _| Ok(counted.fetch_add(1, Ordering::SeqCst)),
    );
    assert_eq!(within(refused).await.unwrap_err().hresult(), Hresult::MF_E_NOT_FOUND);
    let kept = kept.unwrap();
    until("this is the only reference to the callback", || refs(&*kept) == 1);
    drop(kept);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert_eq!(refs(&*object), 1);
    drop(object);
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
