//! Promise: a byte stream, whatever is below it, keeps the contract of `IMFByteStream`: one position, End
//! once and only for its own, errors instead of panics, cancelled requests that still call back.

use crate::support::both_runtimes;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use mf_async::byte_stream::{
    AccessMode, ByteStreamCapabilities, ByteStreamFromIo, FileFlags, MemoryByteStream, OpenMode, SeekFlags,
    SeekOrigin,
};
use mf_async::{AsyncCallback, AsyncResult, ByteStream, ByteStreamExt, ErrorKind, Hresult, Platform, Result};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

/// A callback that hands the result on.
fn to_channel() -> (Arc<dyn AsyncCallback>, mpsc::UnboundedReceiver<AsyncResult>) {
    let (send, receive) = mpsc::unbounded_channel();
    (Arc::new(move |result: &AsyncResult| drop(send.send(result.clone()))), receive)
}

fn code<T: std::fmt::Debug>(answer: Result<T>) -> Hresult {
    answer.expect_err("an error").hresult()
}

/// One stream of every kind that seeks, each holding "0123456789".
async fn all_kinds(
    platform: &Platform,
    folder: &std::path::Path,
) -> Vec<(&'static str, Arc<dyn ByteStream>)> {
    let path = folder.join("digits");
    std::fs::write(&path, b"0123456789").unwrap();
    let file = platform
        .create_file(AccessMode::ReadWrite, OpenMode::FailIfNotExist, FileFlags::empty(), &path)
        .unwrap();
    let from_io = ByteStreamFromIo::seekable(platform, Cursor::new(b"0123456789".to_vec())).await.unwrap();
    vec![
        ("file", Arc::new(file)),
        ("memory", Arc::new(MemoryByteStream::new(platform, b"0123456789".to_vec()))),
        ("tokio::io", Arc::new(from_io)),
    ]
}

async fn contract() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (kind, stream) in all_kinds(&platform, folder.path()).await {
        println!("{kind}");
        assert!(stream.capabilities().contains(
            ByteStreamCapabilities::READABLE
                | ByteStreamCapabilities::WRITABLE
                | ByteStreamCapabilities::SEEKABLE
        ));
        assert_eq!(stream.length().unwrap(), Some(10));

        // The position moves at Begin, by what there is, and each read has its own part.
        let first = stream.read(vec![0; 4]);
        assert_eq!(stream.position().unwrap(), 4);
        let second = stream.read(vec![0; 4]);
        let third = stream.read(vec![0; 4]);
        assert_eq!(stream.position().unwrap(), 10);
        assert!(stream.is_end_of_stream().unwrap());
        let fourth = stream.read(vec![0; 4]);
        assert_eq!(fourth.await.unwrap(), b"");
        assert_eq!(third.await.unwrap(), b"89");
        assert_eq!(second.await.unwrap(), b"4567");
        assert_eq!(first.await.unwrap(), b"0123");

        // A buffer without room is filled at once, and is not the end.
        stream.set_position(3).unwrap();
        assert_eq!(stream.read(Vec::new()).await.unwrap(), b"");
        assert!(!stream.is_end_of_stream().unwrap());
        assert_eq!(stream.position().unwrap(), 3);
        assert_eq!(stream.write(Vec::new()).await.unwrap(), (0, Vec::new()));

        // Writes grow it, and the buffer comes back as it was.
        assert_eq!(stream.seek(SeekOrigin::Current, 5, SeekFlags::empty()).unwrap(), 8);
        assert_eq!(stream.write(b"abcd".to_vec()).await.unwrap(), (4, b"abcd".to_vec()));
        assert_eq!(stream.length().unwrap(), Some(12));
        assert_eq!(stream.seek(SeekOrigin::Begin, 6, SeekFlags::empty()).unwrap(), 6);
        assert_eq!(stream.read_exact(vec![0; 6]).await.unwrap(), b"67abcd");
        assert_eq!(code(stream.read_exact(vec![0; 6]).await), Hresult::ERROR_HANDLE_EOF);
        stream.flush().unwrap();

        // Closed, it says so, as often as one likes.
        stream.close().unwrap();
        stream.close().unwrap();
        for answer in [
            stream.position().map(drop),
            stream.length().map(drop),
            stream.set_position(0),
            stream.is_end_of_stream().map(drop),
            stream.seek(SeekOrigin::Begin, 0, SeekFlags::empty()).map(drop),
            stream.flush(),
            stream.set_length(0),
            stream.read(vec![0; 4]).await.map(drop),
            stream.write(vec![0; 4]).await.map(drop),
        ] {
            assert_eq!(code(answer), Hresult::MF_E_INVALIDREQUEST);
        }
    }
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn contract_on_one_thread() {
    contract().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_on_many_threads() {
    contract().await;
}

#[tokio::test]
async fn hostile_positions_are_errors() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (kind, stream) in all_kinds(&platform, folder.path()).await {
        println!("{kind}");
        stream.set_position(5).unwrap();
        for offset in [i64::MIN, i64::MIN + 1, -6] {
            let answer = stream.seek(SeekOrigin::Current, offset, SeekFlags::empty());
            assert_eq!(code(answer), Hresult::E_INVALIDARG);
        }
        assert_eq!(code(stream.seek(SeekOrigin::Begin, -1, SeekFlags::all())), Hresult::E_INVALIDARG);
        assert_eq!(code(stream.seek(SeekOrigin::Current, i64::MAX, SeekFlags::all())), Hresult::E_INVALIDARG);
        assert_eq!(code(stream.set_position(u64::MAX)), Hresult::E_INVALIDARG);
        assert_eq!(code(stream.set_position(1 << 63)), Hresult::E_INVALIDARG);
        assert!(stream.set_length(u64::MAX).is_err());
        assert_eq!(stream.position().unwrap(), 5, "a refused seek moves nothing");

        // Past the end is a matter of files alone.
        let past = stream.set_position(11);
        if kind == "file" {
            past.unwrap();
            assert!(stream.is_end_of_stream().unwrap());
            assert_eq!(stream.read(vec![0; 4]).await.unwrap(), b"");
            assert_eq!(stream.position().unwrap(), 11);
            stream.set_position(i64::MAX as u64).unwrap();
            assert_eq!(code(stream.write(vec![0; 4]).await), Hresult::E_INVALIDARG);
            assert_eq!(stream.position().unwrap(), i64::MAX as u64);
        } else {
            assert_eq!(code(past), Hresult::E_INVALIDARG);
        }
    }
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn end_is_for_its_own_result_and_once() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let other = MemoryByteStream::new(&platform, vec![1; 4]);
    for (kind, stream) in all_kinds(&platform, folder.path()).await {
        println!("{kind}");
        let (callback, mut results) = to_channel();
        stream.begin_read(vec![0; 2], callback, Some(Arc::new("state"))).unwrap();
        let result = results.recv().await.unwrap();
        assert_eq!(result.state::<&str>(), Some(&"state"));
        assert_eq!(result.status(), Hresult::S_OK);
        assert!(result.unknown_object().is_none());
        assert_eq!(code(result.require_object::<u8>()), Hresult::E_POINTER);
        assert_eq!(code(other.end_read(&result)), Hresult::E_INVALIDARG);
        assert_eq!(code(stream.end_write(&result)), Hresult::E_INVALIDARG);
        assert_eq!(code(platform.end_create_file(&result)), Hresult::E_INVALIDARG);
        assert_eq!(stream.end_read(&result).unwrap(), b"01");
        assert_eq!(code(stream.end_read(&result)), Hresult::E_FAIL);

        let mine = platform.event_result().object(Arc::new(5)).build().unwrap();
        assert_eq!(code(stream.end_read(&mine)), Hresult::E_INVALIDARG);
    }
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_begin_that_fails_starts_nothing() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let streams = all_kinds(&platform, folder.path()).await;
    platform.shutdown().await.unwrap();
    for (kind, stream) in streams {
        println!("{kind}");
        let (callback, mut results) = to_channel();
        assert_eq!(code(stream.begin_read(vec![0; 2], callback.clone(), None)), Hresult::MF_E_SHUTDOWN);
        assert_eq!(code(stream.begin_write(vec![0; 2], callback, None)), Hresult::MF_E_SHUTDOWN);
        assert!(results.recv().await.is_none(), "the callback was let go, un-called");
        stream.close().unwrap();
    }
}

#[tokio::test]
async fn memory_grows_and_shrinks() {
    let platform = Platform::startup().unwrap();
    let stream = MemoryByteStream::new(&platform, Vec::new());
    stream.write_all(b"abcdef".to_vec()).await.unwrap();
    stream.set_length(2).unwrap();
    assert_eq!(stream.position().unwrap(), 6);
    assert!(stream.is_end_of_stream().unwrap());
    assert_eq!(stream.read(vec![9; 3]).await.unwrap(), b"");
    stream.write_all(b"g".to_vec()).await.unwrap();
    assert_eq!(stream.to_vec(), b"ab\0\0\0\0g");
    stream.set_position(1).unwrap();
    let mut two = [0; 2];
    assert_eq!(stream.blocking_read(&mut two).unwrap(), 2);
    assert_eq!(&two, b"b\0");
    assert_eq!(stream.blocking_write(b"xy").unwrap(), 2);
    assert_eq!(stream.take(), b"ab\0xy\0g");
    assert_eq!(code(stream.length()), Hresult::MF_E_INVALIDREQUEST);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_cannot_seek_counts_what_was_read() {
    let platform = Platform::startup().unwrap();
    let stream = ByteStreamFromIo::reader(&platform, &b"0123456789"[..]);
    assert_eq!(stream.capabilities(), ByteStreamCapabilities::READABLE);
    assert_eq!(stream.length().unwrap(), None);
    let (first, second) = (stream.read(vec![0; 4]), stream.read(vec![0; 4]));
    assert_eq!(second.await.unwrap(), b"4567", "in the order of the Begin calls");
    assert_eq!(first.await.unwrap(), b"0123");
    assert_eq!(stream.position().unwrap(), 8);
    stream.set_position(8).unwrap();
    assert_eq!(code(stream.set_position(0)), Hresult::MF_E_BYTESTREAM_NOT_SEEKABLE);
    assert_eq!(code(stream.write(vec![0; 4]).await), Hresult::E_ACCESSDENIED);
    assert!(!stream.is_end_of_stream().unwrap());
    assert_eq!(stream.read(vec![0; 4]).await.unwrap(), b"89");
    assert_eq!(stream.read(vec![0; 4]).await.unwrap(), b"");
    assert!(stream.is_end_of_stream().unwrap());
    platform.shutdown().await.unwrap();
}

async fn cancelled_reads_call_back(how: impl Fn(&dyn ByteStream)) -> Vec<Hresult> {
    let platform = Platform::startup().unwrap();
    let (ours, _theirs) = tokio::io::duplex(16);
    let stream = ByteStreamFromIo::reader(&platform, ours);
    let (callback, mut results) = to_channel();
    stream.begin_read(vec![0; 4], callback.clone(), None).unwrap();
    stream.begin_read(vec![0; 4], callback.clone(), None).unwrap();
    how(&stream);
    let mut codes = Vec::new();
    for _ in 0..2 {
        let result = results.recv().await.unwrap();
        assert!(result.status().is_failure());
        codes.push(code(stream.end_read(&result)));
    }
    drop(callback);
    drop(stream);
    platform.shutdown().await.unwrap();
    assert!(results.recv().await.is_none(), "each once, and no more");
    codes
}

#[tokio::test]
async fn close_cancels_what_waits() {
    let codes = cancelled_reads_call_back(|stream| stream.close().unwrap()).await;
    assert_eq!(codes, [Hresult::E_ABORT; 2]);
}

#[tokio::test]
async fn a_seek_cancels_what_waits_if_told_to() {
    let codes = cancelled_reads_call_back(|stream| {
        stream.seek(SeekOrigin::Current, 0, SeekFlags::CANCEL_PENDING_IO).unwrap();
    })
    .await;
    assert_eq!(codes, [Hresult::E_ABORT; 2]);
}

#[tokio::test]
async fn after_a_cancelled_read_the_next_one_gets_the_bytes() {
    let platform = Platform::startup().unwrap();
    let (ours, mut theirs) = tokio::io::duplex(16);
    let stream = ByteStreamFromIo::duplex(&platform, ours);
    let read = stream.read(vec![0; 4]);
    tokio::task::yield_now().await;
    stream.seek(SeekOrigin::Current, 0, SeekFlags::CANCEL_PENDING_IO).unwrap();
    assert!(read.await.unwrap_err().is_cancelled());
    stream.write_all(b"ping".to_vec()).await.unwrap();
    let mut four = [0; 4];
    tokio::io::AsyncReadExt::read_exact(&mut theirs, &mut four).await.unwrap();
    assert_eq!(&four, b"ping");
    tokio::io::AsyncWriteExt::write_all(&mut theirs, b"pong").await.unwrap();
    assert_eq!(stream.read(vec![0; 9]).await.unwrap(), b"pong");
    platform.shutdown().await.unwrap();
}

async fn shutdown_ends_what_waits() {
    let platform = Platform::startup().unwrap();
    let (ours, _theirs) = tokio::io::duplex(16);
    let stream = ByteStreamFromIo::reader(&platform, ours);
    let read = stream.read(vec![0; 4]);
    let (callback, mut results) = to_channel();
    stream.begin_read(vec![0; 4], callback, None).unwrap();
    let seen = tokio::spawn(async move {
        let mut codes = Vec::new();
        while let Some(result) = results.recv().await {
            codes.push(result.status());
        }
        codes
    });
    platform.shutdown().await.unwrap();
    assert_eq!(read.await.unwrap_err().kind(), ErrorKind::Shutdown);
    assert_eq!(seen.await.unwrap(), [Hresult::MF_E_SHUTDOWN], "Begin promised a callback");
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_what_waits_on_one_thread() {
    shutdown_ends_what_waits().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_ends_what_waits_on_many_threads() {
    tokio::time::timeout(Duration::from_secs(60), shutdown_ends_what_waits()).await.unwrap();
}

/// Reads by panicking.
struct Panics(Arc<AtomicUsize>);

impl AsyncRead for Panics {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        panic!("the device is on fire")
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_device_that_panics_fails_its_readers_and_closes() {
    let platform = Platform::startup().unwrap();
    let drops = Arc::new(AtomicUsize::new(0));
    let stream = ByteStreamFromIo::reader(&platform, Panics(drops.clone()));
    let (first, second) = (stream.read(vec![0; 4]), stream.read(vec![0; 4]));
    assert!(first.await.is_err());
    assert!(second.await.is_err());
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert_eq!(code(stream.read(vec![0; 4]).await), Hresult::MF_E_INVALIDREQUEST);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_callback_may_use_the_stream() {
    // Begin inside Invoke, as every pump does: no lock is held there.
    struct Pump {
        stream: MemoryByteStream,
        read: Mutex<Vec<u8>>,
        done: mpsc::UnboundedSender<Vec<u8>>,
        this: std::sync::Weak<Pump>,
    }
    impl AsyncCallback for Pump {
        fn invoke(&self, result: &AsyncResult) {
            let part = self.stream.end_read(result).unwrap();
            if part.is_empty() {
                self.done.send(self.read.lock().unwrap().clone()).unwrap();
                return;
            }
            self.read.lock().unwrap().extend(part);
            self.stream.begin_read(vec![0; 3], self.this.upgrade().unwrap(), None).unwrap();
        }
    }
    let platform = Platform::startup().unwrap();
    let stream = MemoryByteStream::new(&platform, b"0123456789".to_vec());
    let (done, mut read) = mpsc::unbounded_channel();
    let pump = Arc::new_cyclic(|this| Pump {
        stream: stream.clone(),
        read: Mutex::default(),
        done,
        this: this.clone(),
    });
    stream.begin_read(vec![0; 3], pump, None).unwrap();
    assert_eq!(read.recv().await.unwrap(), b"0123456789");
    platform.shutdown().await.unwrap();
}

#[test]
fn what_is_said_of_an_object_that_cannot_seek_is_answered() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let stream = ByteStreamFromIo::reader(&platform, &b"0123456789"[..]);
        assert_eq!((stream.length().unwrap(), stream.content_type()), (None, None));
        // Longer than the content: the content ends where the object ends.
        let stream = stream.with_length(20).with_content_type("audio/wav");
        assert_eq!(stream.length().unwrap(), Some(20));
        assert_eq!(stream.content_type().as_deref(), Some("audio/wav"));
        assert_eq!(stream.set_position(5).unwrap_err().hresult(), Hresult::MF_E_BYTESTREAM_NOT_SEEKABLE);
        assert_eq!(stream.read(vec![0; 16]).await.unwrap(), b"0123456789");
        assert_eq!(stream.read(vec![0; 16]).await.unwrap(), b"");
        // What is measured counts.
        let measured = ByteStreamFromIo::seekable_reader(&platform, std::io::Cursor::new(b"12345"));
        assert_eq!(measured.await.unwrap().with_length(20).length().unwrap(), Some(5));
        drop(stream);
        platform.shutdown().await.unwrap();
    });
}
