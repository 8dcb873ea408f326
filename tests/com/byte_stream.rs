//! Byte streams cross between this crate and Media Foundation in both directions, byte for byte, with their codes.

use std::io::Cursor;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use mf_async::byte_stream::{
    ByteStreamCapabilities, ByteStreamFromIo, MemoryByteStream, SeekFlags, SeekOrigin,
};
use mf_async::com::{
    self, ComByteStream, Mta, SourceReader, StreamIndex, byte_stream_object, byte_stream_object_with,
};
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
    reader.set_media_type(StreamIndex::FIRST_AUDIO, &any_pcm()).unwrap();
    let samples = reader.samples(StreamIndex::FIRST_AUDIO);
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

/// Zeros that are never touched take no memory.
#[cfg(target_pointer_width = "64")]
#[tokio::test(flavor = "multi_thread")]
async fn what_media_foundation_cannot_count_is_refused() {
    let _theirs = start();
    let ours = Platform::startup().unwrap();
    let stream = ComByteStream::new(&ours, byte_stream_object(MemoryByteStream::new(&ours, vec![1; 10])));
    let mut buffer = vec![0; 1 << 32];
    let code = |error: mf_async::Error| error.hresult();
    assert_eq!(stream.blocking_read(&mut buffer).map_err(code), Err(Hresult::E_INVALIDARG));
    assert_eq!(stream.blocking_write(&buffer).map_err(code), Err(Hresult::E_INVALIDARG));
    assert_eq!(within(stream.read(buffer)).await.unwrap_err().hresult(), Hresult::E_INVALIDARG);
    drop(stream);
    within(ours.shutdown()).await.unwrap();
}

/// A stream that keeps the callback of a read, and refuses the read.
struct Refuses {
    ours: Platform,
    stream: MemoryByteStream,
    kept: Arc<Mutex<Option<Arc<dyn AsyncCallback>>>>,
    how: Refusal,
}

#[derive(Clone, Copy, PartialEq)]
enum Refusal {
    /// By an error, with the callback to be called later.
    Late,
    /// The same, while another thread calls it.
    Meanwhile,
    /// It panics.
    Panic,
    /// After it has called back.
    Called,
}

struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        panic!("in a drop");
    }
}

impl ByteStream for Refuses {
    fn capabilities(&self) -> ByteStreamCapabilities {
        std::panic::panic_any(Dropped)
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
    fn begin_read(&self, _: Vec<u8>, callback: Arc<dyn AsyncCallback>, _: Option<Unknown>) -> Result<()> {
        let result = || self.ours.result(callback.clone()).build().unwrap();
        match self.how {
            Refusal::Late => *self.kept.lock().unwrap() = Some(callback),
            Refusal::Panic => {
                *self.kept.lock().unwrap() = Some(callback);
                panic!("on purpose");
            }
            Refusal::Called => callback.invoke(&result()),
            Refusal::Meanwhile => {
                let result = result();
                std::thread::spawn(move || callback.invoke(&result));
            }
        }
        Err(Error::new(Hresult::E_FAIL, "refuse"))
    }
    fn end_read(&self, _: &AsyncResult) -> Result<Vec<u8>> {
        Ok(vec![0xAA; 8])
    }
    fn begin_write(&self, _: Vec<u8>, _: Arc<dyn AsyncCallback>, _: Option<Unknown>) -> Result<()> {
        Err(Error::new(Hresult::E_FAIL, "refuse"))
    }
    fn end_write(&self, _: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        Err(Error::new(Hresult::E_FAIL, "refuse"))
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
async fn a_read_that_is_refused_has_no_right_to_the_buffer_any_more() {
    let _theirs = start();
    let ours = Platform::startup().unwrap();
    let (sender, mut called) = tokio::sync::mpsc::unbounded_channel();
    let callback: Arc<dyn AsyncCallback> =
        Arc::new(move |_: &AsyncResult| sender.send(()).unwrap_or_default());
    let callback = Mta::<IMFAsyncCallback>::from(callback);
    for how in [Refusal::Late, Refusal::Panic, Refusal::Meanwhile, Refusal::Called] {
        for _ in 0..if how == Refusal::Meanwhile { 200 } else { 1 } {
            let kept = Arc::default();
            let stream = MemoryByteStream::new(&ours, vec![0; 8]);
            let object =
                byte_stream_object(Refuses { ours: ours.clone(), stream, kept: Arc::clone(&kept), how });
            let mut buffer = [0_u8; 8];
            let begun = unsafe { object.BeginRead(&mut buffer, &*callback, None) };
            let at_once = buffer;
            if let Some(kept) = kept.lock().unwrap().take() {
                kept.invoke(&ours.result(kept.clone()).build().unwrap());
            }
            match begun {
                // It was answered all the same, so it has begun, and the callback comes.
                Ok(()) => {
                    assert_eq!(at_once, [0xAA; 8]);
                    assert!(matches!(how, Refusal::Called | Refusal::Meanwhile));
                    within(called.recv()).await.unwrap();
                }
                Err(_) => {
                    assert!(how != Refusal::Called);
                    std::thread::yield_now();
                    assert_eq!(buffer, [0; 8], "nothing is written after Begin has failed");
                }
            }
        }
    }
    assert!(called.try_recv().is_err(), "a refused read is not answered");
    within(ours.shutdown()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn panics_of_a_stream_and_of_what_it_leaves_behind_end_nothing() {
    struct Bomb(MemoryByteStream);
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    let _theirs = start();
    let ours = Platform::startup().unwrap();
    let stream = MemoryByteStream::new(&ours, vec![0; 8]);
    let object =
        byte_stream_object(Refuses { ours: ours.clone(), stream, kept: Arc::default(), how: Refusal::Late });
    let error = unsafe { object.GetCapabilities() }.unwrap_err();
    assert_eq!(Hresult::from(error.code()), Hresult::E_UNEXPECTED);
    let before = com::live_objects();
    let bomb: com::Mta<windows::core::IUnknown> = {
        let bomb: Unknown = Arc::new(Bomb(MemoryByteStream::new(&ours, Vec::new())));
        let Some(held) = bomb.downcast_ref::<Bomb>() else { unreachable!() };
        assert!(held.0.to_vec().is_empty());
        Mta::from(bomb)
    };
    drop(bomb);
    until("the object is gone", || com::live_objects() <= before);
    drop(object);
    within(ours.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_stream_says_what_it_is() {
    let _theirs = start();
    let ours = Platform::startup().unwrap();
    let text = |object: &Mta<IMFByteStream>, key: &windows::core::GUID| {
        let attributes = object.cast::<IMFAttributes>().unwrap();
        let mut place = [0; 64];
        unsafe { attributes.GetString(key, &mut place, None) }.ok()?;
        Some(String::from_utf16_lossy(&place).trim_end_matches('\0').to_owned())
    };
    let stream = MemoryByteStream::new(&ours, b"ID3".to_vec());
    let object = byte_stream_object_with(stream.clone(), Some("audio/mpeg"), Some("tone.mp3"));
    assert_eq!(text(&object, &MF_BYTESTREAM_CONTENT_TYPE).as_deref(), Some("audio/mpeg"));
    assert_eq!(text(&object, &MF_BYTESTREAM_ORIGIN_NAME).as_deref(), Some("tone.mp3"));
    // Taken back, it is known to this crate, too, and from there to the next object.
    let taken = ComByteStream::new(&ours, object.clone());
    assert_eq!(taken.content_type().as_deref(), Some("audio/mpeg"));
    let again = byte_stream_object(taken);
    assert_eq!(text(&again, &MF_BYTESTREAM_CONTENT_TYPE).as_deref(), Some("audio/mpeg"));
    assert_eq!(text(&byte_stream_object(stream), &MF_BYTESTREAM_CONTENT_TYPE), None);

    // All kinds of them, as in any store.
    let store = object.cast::<IMFAttributes>().unwrap();
    let key = windows::core::GUID::from_u128(7);
    unsafe {
        store.SetUINT32(&key, 1).unwrap();
        assert_eq!((store.GetUINT32(&key).unwrap(), store.GetCount().unwrap()), (1, 3));
        assert_eq!(store.GetItemType(&key).unwrap(), MF_ATTRIBUTE_UINT32);
        store.SetUINT64(&key, 2).unwrap();
        assert_eq!(store.GetUINT64(&key).unwrap(), 2);
        store.SetDouble(&key, 0.5).unwrap();
        assert_eq!(store.GetDouble(&key).unwrap(), 0.5);
        store.SetGUID(&key, &key).unwrap();
        assert_eq!(store.GetGUID(&key).unwrap(), key);
        store.SetBlob(&key, &[1, 2, 3]).unwrap();
        assert_eq!(store.GetBlobSize(&key).unwrap(), 3);
        store.SetUnknown(&key, &store.cast::<windows::core::IUnknown>().unwrap().into_inner()).unwrap();
        let _: IMFByteStream = store.GetUnknown(&key).unwrap();
        let copy = {
            let mut copy = None;
            MFCreateAttributes(&mut copy, 4).unwrap();
            copy.unwrap()
        };
        store.DeleteItem(&key).unwrap();
        store.CopyAllItems(&copy).unwrap();
        assert!(store.Compare(&copy, MF_ATTRIBUTES_MATCH_ALL_ITEMS).unwrap().as_bool());
        store.LockStore().unwrap();
        store.UnlockStore().unwrap();
        store.DeleteAllItems().unwrap();
        assert_eq!(store.GetCount().unwrap(), 0);
    }
    drop((object, again, store));
    within(ours.shutdown()).await.unwrap();
}
