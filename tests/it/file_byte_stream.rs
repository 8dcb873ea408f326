//! Promise: files open by Media Foundation's table, are read and written beside each other at fixed
//! offsets, never by way of STANDARD, and what is cancelled calls back.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use mf_async::byte_stream::{
    AccessMode, ByteStreamCapabilities, FileByteStream, FileFlags, OpenMode, SeekFlags, SeekOrigin,
};
use mf_async::{
    AsyncCallback, AsyncResult, ByteStream, ByteStreamExt, CallbackFlags, CallbackParameters, Hresult,
    Platform, QueueId, Result,
};
use tokio::sync::mpsc;

use AccessMode::{Read, ReadWrite, Write};
use OpenMode::{AppendIfExist, DeleteIfExist, FailIfExist, FailIfNotExist, ResetIfExist};

fn code<T: std::fmt::Debug>(answer: Result<T>) -> Hresult {
    answer.expect_err("an error").hresult()
}

fn open(platform: &Platform, access: AccessMode, mode: OpenMode, path: &Path) -> Result<FileByteStream> {
    platform.create_file(access, mode, FileFlags::empty(), path)
}

fn to_channel() -> (Arc<dyn AsyncCallback>, mpsc::UnboundedReceiver<AsyncResult>) {
    let (send, receive) = mpsc::unbounded_channel();
    (Arc::new(move |result: &AsyncResult| drop(send.send(result.clone()))), receive)
}

/// Holds up whoever passes until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut open = self.0.0.lock().unwrap();
        while !*open {
            open = self.0.1.wait(open).unwrap();
        }
    }
}

/// Blocks at a gate, on the blocking pool.
struct AtGate(Gate);

impl AsyncCallback for AtGate {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::default().with_flags(CallbackFlags::BLOCKING)
    }

    fn invoke(&self, _: &AsyncResult) {
        self.0.pass();
    }
}

#[tokio::test]
async fn the_table_of_open_modes() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let not_found = Err(Hresult::ERROR_FILE_NOT_FOUND);
    let exists = Err(Hresult::ERROR_FILE_EXISTS);
    // (mode, what an existing file of five bytes has then, and a missing one); its start position.
    let table = [
        (FailIfNotExist, Ok(5), not_found, 0),
        (FailIfExist, exists, Ok(0), 0),
        (ResetIfExist, Ok(0), not_found, 0),
        (AppendIfExist, Ok(5), Ok(0), 5),
        (DeleteIfExist, Ok(0), Ok(0), 0),
    ];
    for (mode, if_exists, if_missing, position) in table {
        for access in [Read, Write, ReadWrite] {
            println!("{mode:?} {access:?}");
            let path = folder.path().join(format!("{mode:?}{access:?}"));
            fs::write(&path, b"12345").unwrap();
            let answer = open(&platform, access, mode, &path);
            if (mode, access) == (ResetIfExist, Read) {
                assert_eq!(code(answer), Hresult::E_INVALIDARG);
                assert_eq!(fs::read(&path).unwrap(), b"12345");
            } else {
                if let Ok(file) = &answer {
                    assert_eq!(file.position().unwrap(), position);
                }
                let length = answer.map(|file| file.length().unwrap().unwrap());
                assert_eq!(length.map_err(|error| error.hresult()), if_exists);
                let kept = if if_exists == Ok(0) { &b""[..] } else { b"12345" };
                assert_eq!(fs::read(&path).unwrap(), kept);
            }
            fs::remove_file(&path).unwrap();
            if (mode, access) != (ResetIfExist, Read) {
                let answer = open(&platform, access, mode, &path);
                let length = answer.map(|file| file.length().unwrap().unwrap());
                assert_eq!(length.map_err(|error| error.hresult()), if_missing);
                assert_eq!(path.exists(), if_missing.is_ok());
            }
        }
    }
    assert_eq!(code(open(&platform, Read, FailIfNotExist, folder.path())), Hresult::E_ACCESSDENIED);
    let inside_nothing = folder.path().join("no folder").join("file");
    for mode in [FailIfNotExist, FailIfExist, AppendIfExist, DeleteIfExist] {
        assert!(open(&platform, Read, mode, &inside_nothing).is_err());
    }
    platform.shutdown().await.unwrap();
    let late = open(&platform, Read, AppendIfExist, &folder.path().join("late"));
    assert_eq!(code(late), Hresult::MF_E_SHUTDOWN);
    assert!(!folder.path().join("late").exists());
}

#[tokio::test]
async fn access_and_flags_show_in_the_capabilities() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let flags = FileFlags::NOBUFFERING | FileFlags::ALLOW_WRITE_SHARING;
    let file = platform.open_file(Read, FailIfExist, flags, &path).await.unwrap();
    let always = ByteStreamCapabilities::SEEKABLE | ByteStreamCapabilities::DOES_NOT_USE_NETWORK;
    let expected = always | ByteStreamCapabilities::READABLE | ByteStreamCapabilities::SHARE_WRITE;
    assert_eq!(file.capabilities(), expected);
    assert_eq!(code(file.write(vec![1]).await), Hresult::E_ACCESSDENIED);
    assert_eq!(code(file.blocking_write(&[1])), Hresult::E_ACCESSDENIED);
    assert_eq!(code(file.set_length(1)), Hresult::E_ACCESSDENIED);
    assert_eq!(file.path(), path);
    drop(file);

    let file = platform.open_file(Write, FailIfNotExist, FileFlags::empty(), &path).await.unwrap();
    assert_eq!(file.capabilities(), always | ByteStreamCapabilities::WRITABLE);
    assert_eq!(code(file.read(vec![0]).await), Hresult::E_ACCESSDENIED);
    assert_eq!(code(file.blocking_read(&mut [0])), Hresult::E_ACCESSDENIED);
    assert_eq!(file.blocking_write(b"abc").unwrap(), 3);
    file.set_length(2).unwrap();
    assert_eq!(file.position().unwrap(), 3);
    assert_eq!(fs::read(&path).unwrap(), b"ab");
    platform.shutdown().await.unwrap();
}

async fn many_in_flight() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let file = platform.open_file(ReadWrite, DeleteIfExist, FileFlags::empty(), &path).await.unwrap();
    let parts: Vec<Vec<u8>> = (0..100u8).map(|number| vec![number; 1 + usize::from(number) * 7]).collect();
    let writes: Vec<_> = parts.iter().map(|part| file.write(part.clone())).collect();
    let total: usize = parts.iter().map(Vec::len).sum();
    assert_eq!(file.position().unwrap(), total as u64);
    for (write, part) in writes.into_iter().zip(&parts).rev() {
        assert_eq!(&write.await.unwrap(), &(part.len(), part.clone()));
    }
    assert_eq!(fs::read(&path).unwrap(), parts.concat());

    file.set_position(0).unwrap();
    let reads: Vec<_> = parts.iter().map(|part| file.read(vec![0; part.len()])).collect();
    assert!(file.is_end_of_stream().unwrap());
    for (read, part) in reads.into_iter().zip(&parts).rev() {
        assert_eq!(&read.await.unwrap(), part);
    }
    drop(file);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn many_in_flight_on_one_thread() {
    many_in_flight().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_in_flight_on_many_threads() {
    many_in_flight().await;
}

#[tokio::test]
async fn standard_is_never_needed() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let gate = Gate::default();
    platform.put(QueueId::STANDARD, Arc::new(AtGate(gate.clone()))).unwrap();
    let standard = platform.queue(QueueId::STANDARD).unwrap();
    let behind = standard.run(|| ());
    let file = platform.open_file(ReadWrite, FailIfExist, FileFlags::empty(), &path).await.unwrap();
    file.write_all(b"abc".to_vec()).await.unwrap();
    file.set_position(0).unwrap();
    assert_eq!(file.read(vec![0; 8]).await.unwrap(), b"abc");
    assert!(!behind.is_ended(), "STANDARD was blocked all the time");
    gate.open();
    behind.await.unwrap();
    platform.shutdown().await.unwrap();
}

#[test]
fn an_opening_that_waits_can_be_cancelled() {
    with_one_blocking_thread(async |platform, gate| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let (callback, mut results) = to_channel();
        let state: mf_async::Unknown = Arc::new(7);
        let flags = FileFlags::empty();
        let cookie =
            platform.begin_create_file(Write, FailIfExist, flags, &path, callback, Some(state)).unwrap();
        let awaited = platform.open_file(Write, FailIfExist, flags, &path);

        assert!(cookie.cancel());
        assert!(!cookie.cancel());
        let result = results.recv().await.unwrap();
        assert_eq!(result.status(), Hresult::E_ABORT);
        assert_eq!(result.state::<i32>(), Some(&7));
        assert_eq!(code(platform.end_create_file(&result)), Hresult::E_ABORT);
        assert_eq!(code(platform.end_create_file(&result)), Hresult::E_FAIL);
        assert_eq!(awaited.cancel().await.unwrap_err().kind(), mf_async::ErrorKind::Cancelled);

        gate.open();
        drop(result);
        platform.shutdown().await.unwrap();
        assert!(results.recv().await.is_none(), "called back once");
        assert!(!path.exists());
    });
}

/// Opening a pipe waits until its other side is opened, which may never be.
#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_never_waited_for() {
    with_one_blocking_thread(async |platform, gate| {
        gate.open();
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for path in [&pipe, &link] {
            for (access, mode) in [
                (Read, FailIfNotExist),
                (Write, FailIfNotExist),
                (Write, ResetIfExist),
                (Read, AppendIfExist),
                (Write, AppendIfExist),
                (Write, DeleteIfExist),
            ] {
                let error = platform.open_file(access, mode, FileFlags::empty(), path).await.unwrap_err();
                assert_eq!(error.hresult(), Hresult::E_INVALIDARG, "{error}");
                assert!(error.to_string().contains("ByteStreamFromIo"), "{error}");
            }
            let error = platform.open_file(Read, FailIfExist, FileFlags::empty(), path).await.unwrap_err();
            assert_eq!(error.hresult(), Hresult::ERROR_FILE_EXISTS);
        }
        platform.shutdown().await.unwrap();
    });
}

/// Such a file says that it is empty, and is not.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_hides_its_length_is_refused() {
    let platform = Platform::startup().unwrap();
    let flags = FileFlags::empty();
    let hides = Path::new("/proc/self/status");
    let error = platform.open_file(Read, FailIfNotExist, flags, hides).await.unwrap_err();
    assert_eq!(error.hresult(), Hresult::E_INVALIDARG, "{error}");
    assert!(error.to_string().contains("ByteStreamFromIo"), "{error}");
    let resolver = platform.create_source_resolver();
    let stream = mf_async::source_resolver::ResolutionFlags::BYTE_STREAM;
    let resolved = resolver.create_object("/proc/self/status", stream).await;
    assert_eq!(code(resolved), Hresult::E_INVALIDARG);

    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, b"").unwrap();
    let file = platform.open_file(Read, FailIfNotExist, flags, &empty).await.unwrap();
    assert_eq!(file.read(vec![0; 9]).await.unwrap(), b"", "what is empty is not refused");
    drop((file, resolver));
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_no_file_says_so_by_its_code() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for mode in [FailIfNotExist, AppendIfExist, DeleteIfExist] {
        for access in [Read, Write, ReadWrite] {
            assert_eq!(code(open(&platform, access, mode, folder.path())), Hresult::E_ACCESSDENIED);
        }
    }
    assert_eq!(code(open(&platform, Write, ResetIfExist, folder.path())), Hresult::E_ACCESSDENIED);
    assert_eq!(code(open(&platform, Write, FailIfExist, folder.path())), Hresult::ERROR_FILE_EXISTS);

    let file = folder.path().join("file");
    fs::write(&file, b"12345").unwrap();
    for mode in [FailIfNotExist, FailIfExist, AppendIfExist, DeleteIfExist] {
        for access in [Read, Write, ReadWrite] {
            let through = open(&platform, access, mode, &file.join("inside"));
            assert_eq!(code(through), Hresult::ERROR_PATH_NOT_FOUND, "{mode:?} {access:?}");
        }
    }
    platform.shutdown().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_nothing_is_a_file_that_does_not_exist() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert_eq!(code(open(&platform, Read, FailIfNotExist, &link)), Hresult::ERROR_FILE_NOT_FOUND);
    for access in [Read, Write, ReadWrite] {
        for mode in [AppendIfExist, DeleteIfExist] {
            open(&platform, access, mode, &link).unwrap();
            fs::remove_file(&target).unwrap();
        }
    }
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_creation_callback_has_no_object() {
    let platform = Platform::startup().unwrap();
    let other = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let (callback, mut results) = to_channel();
    platform
        .begin_create_file(Write, FailIfExist, FileFlags::empty(), &path, callback.clone(), None)
        .unwrap();
    let result = results.recv().await.unwrap();
    assert!(result.unknown_object().is_none());
    assert_eq!(code(result.require_object::<FileByteStream>()), Hresult::E_POINTER);
    assert_eq!(code(other.end_create_file(&result)), Hresult::E_INVALIDARG);
    let file = platform.end_create_file(&result).unwrap();
    assert_eq!(code(platform.end_create_file(&result)), Hresult::E_FAIL);
    assert!(format!("{file:?}").contains("open: true"));

    // A creation that fails calls back, too.
    platform.begin_create_file(Write, FailIfExist, FileFlags::empty(), &path, callback, None).unwrap();
    let failed = results.recv().await.unwrap();
    assert_eq!(failed.status(), Hresult::ERROR_FILE_EXISTS);
    assert_eq!(code(platform.end_create_file(&failed)), Hresult::ERROR_FILE_EXISTS);
    drop((result, failed));
    platform.shutdown().await.unwrap();
    other.shutdown().await.unwrap();
}

/// Fills the blocking pool of its runtime, so that no read can run.
fn with_one_blocking_thread(test: impl AsyncFn(Platform, Gate)) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let platform = Platform::startup().unwrap();
        let gate = Gate::default();
        platform.put(QueueId::IO, Arc::new(AtGate(gate.clone()))).unwrap();
        test(platform, gate).await;
    });
}

#[test]
fn what_has_not_run_is_cancelled_and_never_runs() {
    type Cancel = fn(&FileByteStream);
    let by_close: Cancel = |file| file.close().unwrap();
    let by_seek: Cancel = |file| {
        let flags = SeekFlags::CANCEL_PENDING_IO;
        assert_eq!(file.seek(SeekOrigin::Begin, 1, flags).unwrap(), 1);
    };
    for cancel in [by_close, by_seek] {
        with_one_blocking_thread(async |platform, gate| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            fs::write(&path, b"old").unwrap();
            let file = open(&platform, ReadWrite, FailIfNotExist, &path).unwrap();
            let (callback, mut results) = to_channel();
            file.begin_read(vec![0; 3], callback.clone(), None).unwrap();
            file.set_position(0).unwrap();
            file.begin_write(b"new".to_vec(), callback, None).unwrap();
            // A request that was taken back by a seek that fails is not.
            assert!(file.seek(SeekOrigin::Begin, -1, SeekFlags::CANCEL_PENDING_IO).is_err());
            assert!(results.try_recv().is_err());
            cancel(&file);
            let (read, write) = (results.recv().await.unwrap(), results.recv().await.unwrap());
            assert_eq!(read.status(), Hresult::E_ABORT);
            assert_eq!(code(file.end_read(&read)), Hresult::E_ABORT);
            assert_eq!(code(file.end_write(&write)), Hresult::E_ABORT);
            gate.open();
            drop((read, write, file));
            platform.shutdown().await.unwrap();
            assert!(results.recv().await.is_none());
            assert_eq!(fs::read(&path).unwrap(), b"old");
        });
    }
}

#[test]
fn dropping_the_operation_cancels_an_opening() {
    with_one_blocking_thread(async |platform, gate| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        drop(platform.open_file(Write, FailIfExist, FileFlags::empty(), &path));
        gate.open();
        platform.shutdown().await.unwrap();
        assert!(!path.exists());
    });
}

#[test]
fn shutdown_lets_a_queued_read_run() {
    with_one_blocking_thread(async |platform, gate| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"abc").unwrap();
        let file = open(&platform, Read, FailIfNotExist, &path).unwrap();
        let read = file.read(vec![0; 3]);
        let shutdown = platform.shutdown();
        gate.open();
        assert_eq!(read.await.unwrap(), b"abc");
        shutdown.await.unwrap();
    });
}

#[tokio::test]
async fn two_streams_of_one_file_have_two_positions() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, b"abcdef").unwrap();
    let sharing = FileFlags::ALLOW_WRITE_SHARING;
    let one = platform.open_file(Read, FailIfNotExist, sharing, &path).await.unwrap();
    let two = platform.open_file(ReadWrite, AppendIfExist, sharing, &path).await.unwrap();
    assert_eq!(one.read(vec![0; 3]).await.unwrap(), b"abc");
    two.write_all(b"ghi".to_vec()).await.unwrap();
    assert_eq!(one.length().unwrap(), Some(9));
    let clone = one.clone();
    assert_eq!(clone.read(vec![0; 9]).await.unwrap(), b"defghi");
    assert!(one.is_end_of_stream().unwrap(), "clones are one stream");
    platform.shutdown().await.unwrap();
}
