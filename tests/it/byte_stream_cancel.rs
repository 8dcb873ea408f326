//! Promise: one read is cancelled by itself, by `cancel`, a timeout or its drop. The others go on, and it takes no bytes
//! from the next.

use std::io::Cursor;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use mf_async::byte_stream::{
    AccessMode, ByteStreamFromIo, ByteStreamIo, FileFlags, MemoryByteStream, OpenMode, SeekFlags, SeekOrigin,
};
use mf_async::{
    AsyncCallback, AsyncResult, ByteStream, ByteStreamExt, CallbackFlags, CallbackParameters, ErrorKind,
    Hresult, Operation, Platform, QueueId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How the read is given up.
#[derive(Clone, Copy, Debug)]
enum How {
    Cancelled,
    Dropped,
    TimedOut,
}

const ALL: [How; 3] = [How::Cancelled, How::Dropped, How::TimedOut];

async fn give_up(how: How, read: Operation<Vec<u8>>) {
    match how {
        How::Cancelled => {
            let error = read.cancel().await.unwrap_err();
            assert_eq!((error.kind(), error.hresult()), (ErrorKind::Cancelled, Hresult::E_ABORT));
        }
        How::Dropped => drop(read),
        How::TimedOut => {
            let error = read.timeout(Duration::ZERO).await.unwrap_err();
            assert_eq!(error.hresult(), Hresult::ERROR_TIMEOUT);
        }
    }
}

async fn over_a_pipe(is_begun: bool) {
    let platform = Platform::startup().unwrap();
    for how in ALL {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let stream = ByteStreamFromIo::reader(&platform, ours);
        let read = stream.read(vec![0; 4]);
        if is_begun {
            tokio::task::yield_now().await;
        }
        let other = stream.read(vec![0; 4]);
        give_up(how, read).await;
        theirs.write_all(b"ping").await.unwrap();
        assert_eq!(other.await.unwrap(), b"ping", "{how:?}: the other went on, and got the bytes");
        assert_eq!(stream.position().unwrap(), 4);
    }
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_read_over_a_pipe() {
    over_a_pipe(true).await;
    over_a_pipe(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_over_a_pipe_on_many_threads() {
    over_a_pipe(true).await;
    over_a_pipe(false).await;
}

#[tokio::test]
async fn a_read_of_what_seeks_gives_its_bytes_back() {
    let platform = Platform::startup().unwrap();
    for how in ALL {
        let cursor = Cursor::new(b"0123456789".to_vec());
        let stream = ByteStreamFromIo::seekable_reader(&platform, cursor).await.unwrap();
        assert_eq!(stream.read(vec![0; 2]).await.unwrap(), b"01");
        let first = stream.read(vec![0; 2]);
        let second = stream.read(vec![0; 3]);
        assert_eq!(stream.position().unwrap(), 7);
        // A timeout of zero would let a task run first.
        if matches!(how, How::TimedOut) {
            continue;
        }
        give_up(how, second).await;
        assert_eq!(stream.position().unwrap(), 4, "{how:?}");
        assert_eq!(first.await.unwrap(), b"23", "{how:?}");
        assert_eq!(stream.read(vec![0; 3]).await.unwrap(), b"456", "{how:?}");

        // A position that was set meanwhile stays.
        let read = stream.read(vec![0; 2]);
        stream.set_position(9).unwrap();
        give_up(how, read).await;
        assert_eq!(stream.position().unwrap(), 9, "{how:?}");
        // What another read has gone on from stays as well.
        stream.set_position(0).unwrap();
        let (early, late) = (stream.read(vec![0; 2]), stream.read(vec![0; 2]));
        give_up(how, early).await;
        assert_eq!(late.await.unwrap(), b"23", "{how:?}");
        assert_eq!(stream.position().unwrap(), 4, "{how:?}");
    }
    platform.shutdown().await.unwrap();
}

/// Blocks the blocking pool until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

impl AsyncCallback for Gate {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::default().with_flags(CallbackFlags::BLOCKING)
    }

    fn invoke(&self, _: &AsyncResult) {
        let mut open = self.0.0.lock().unwrap();
        while !*open {
            open = self.0.1.wait(open).unwrap();
        }
    }
}

#[test]
fn a_read_of_a_file_gives_its_bytes_back() {
    for how in ALL {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let platform = Platform::startup().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            std::fs::write(&path, b"0123456789").unwrap();
            let file = platform
                .create_file(AccessMode::Read, OpenMode::FailIfNotExist, FileFlags::empty(), &path)
                .unwrap();
            // No read can run before the gate opens.
            let gate = Gate::default();
            platform.put(QueueId::IO, Arc::new(gate.clone())).unwrap();
            let first = file.read(vec![0; 2]);
            let second = file.read(vec![0; 3]);
            assert_eq!(file.position().unwrap(), 5);
            give_up(how, second).await;
            assert_eq!(file.position().unwrap(), 2, "{how:?}");
            let third = file.read(vec![0; 4]);
            gate.open();
            assert_eq!(first.await.unwrap(), b"01", "{how:?}");
            assert_eq!(third.await.unwrap(), b"2345", "{how:?}");
            drop(file);
            platform.shutdown().await.unwrap();
        });
    }
}

#[tokio::test]
async fn a_cookie_cancels_its_own_read() {
    let platform = Platform::startup().unwrap();
    let (ours, mut theirs) = tokio::io::duplex(16);
    let stream = ByteStreamFromIo::reader(&platform, ours);
    let (send, mut results) = tokio::sync::mpsc::unbounded_channel();
    let callback: Arc<dyn AsyncCallback> =
        Arc::new(move |result: &AsyncResult| drop(send.send(result.clone())));
    // An `Arc` of a stream forwards it.
    let shared: Arc<dyn ByteStream> = Arc::new(stream.clone());
    let first = shared.begin_cancellable_read(vec![0; 4], callback.clone(), None).unwrap().unwrap();
    let second = shared.begin_cancellable_read(vec![0; 4], callback, None).unwrap().unwrap();
    assert!(first.cancel());
    assert!(!first.cancel());
    let result = results.recv().await.unwrap();
    assert_eq!(stream.end_read(&result).unwrap_err().hresult(), Hresult::E_ABORT);
    drop(result);
    theirs.write_all(b"ping").await.unwrap();
    let result = results.recv().await.unwrap();
    assert_eq!(stream.end_read(&result).unwrap(), b"ping");
    assert!(!second.cancel(), "it has ended");
    drop(result);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_read_that_has_ended_is_not_undone() {
    let platform = Platform::startup().unwrap();
    let stream = MemoryByteStream::new(&platform, b"0123".to_vec());
    drop(stream.read(vec![0; 2]));
    assert_eq!(stream.read(vec![0; 2]).cancel().await.unwrap(), b"23");
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_write_that_is_dropped_goes_on() {
    let platform = Platform::startup().unwrap();
    let (ours, mut theirs) = tokio::io::duplex(2);
    let stream = ByteStreamFromIo::writer(&platform, ours);
    drop(stream.write(b"0123".to_vec()));
    let mut four = [0; 4];
    theirs.read_exact(&mut four).await.unwrap();
    assert_eq!(&four, b"0123");
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn reading_ahead_that_is_dropped_takes_nothing() {
    let platform = Platform::startup().unwrap();
    let (ours, mut theirs) = tokio::io::duplex(16);
    let stream = ByteStreamFromIo::reader(&platform, ours);
    let mut io = ByteStreamIo::new(&platform, stream.clone());
    let mut four = [0; 4];
    assert!(futures::poll!(Box::pin(io.read(&mut four))).is_pending());
    drop(io);
    theirs.write_all(b"ping").await.unwrap();
    assert_eq!(stream.read(vec![0; 4]).await.unwrap(), b"ping");
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_seek_that_stays_cancels_all_even_where_nothing_can_be_sought() {
    let platform = Platform::startup().unwrap();
    let (ours, _theirs) = tokio::io::duplex(16);
    let stream = ByteStreamFromIo::reader(&platform, ours);
    let reads = [stream.read(vec![0; 4]), stream.read(vec![0; 4])];
    stream.seek(SeekOrigin::Current, 0, SeekFlags::CANCEL_PENDING_IO).unwrap();
    for read in reads {
        assert_eq!(read.await.unwrap_err().hresult(), Hresult::E_ABORT);
    }
    let error = stream.seek(SeekOrigin::Begin, 1, SeekFlags::CANCEL_PENDING_IO).unwrap_err();
    assert_eq!(error.hresult(), Hresult::MF_E_BYTESTREAM_NOT_SEEKABLE);
    platform.shutdown().await.unwrap();
}
