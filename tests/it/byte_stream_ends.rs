//! Promise: whatever ends a request to a byte stream or a resolver, a shutdown or a panic of the code below it, the
//! request says so itself, with its own code, and a plain callback comes once; and never when Begin has failed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use mf_async::byte_stream::{AccessMode, ByteStreamFromIo, FileFlags, MemoryByteStream, OpenMode};
use mf_async::source_resolver::{ByteStreamHandler, ResolutionFlags, ResolvedObject, SchemeHandler};
use mf_async::{
    AsyncCallback, AsyncResult, ByteStream, ByteStreamExt, Error, ErrorKind, Hresult, Platform, Result,
    Unknown,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::mpsc;

fn to_channel() -> (Arc<dyn AsyncCallback>, mpsc::UnboundedReceiver<AsyncResult>) {
    let (send, receive) = mpsc::unbounded_channel();
    (Arc::new(move |result: &AsyncResult| drop(send.send(result.clone()))), receive)
}

/// Notes the status of each call, and keeps no result, which would hold up a shutdown.
fn to_statuses() -> (Arc<dyn AsyncCallback>, mpsc::UnboundedReceiver<Hresult>) {
    let (send, receive) = mpsc::unbounded_channel();
    (Arc::new(move |result: &AsyncResult| _ = send.send(result.status())), receive)
}

/// What came until the callback was gone.
async fn all(mut statuses: mpsc::UnboundedReceiver<Hresult>) -> Vec<Hresult> {
    let mut all = Vec::new();
    while let Some(status) = statuses.recv().await {
        all.push(status);
    }
    all
}

async fn reads_end_with_the_shutdown(earlier: usize) {
    let platform = Platform::startup().unwrap();
    let (ours, mut theirs) = tokio::io::duplex(64);
    let stream = ByteStreamFromIo::reader(&platform, ours);
    for _ in 0..earlier {
        theirs.write_all(b"x").await.unwrap();
        assert_eq!(stream.read(vec![0; 1]).await.unwrap(), b"x");
    }
    let read = stream.read(vec![0; 1]);
    let (callback, statuses) = to_statuses();
    stream.begin_read(vec![0; 1], callback, None).unwrap();
    platform.shutdown().await.unwrap();
    let error = read.await.unwrap_err();
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Shutdown, Hresult::MF_E_SHUTDOWN), "{earlier}");
    assert_eq!(all(statuses).await, [Hresult::MF_E_SHUTDOWN], "{earlier}");
}

async fn writes_end_with_the_shutdown(earlier: usize) {
    let platform = Platform::startup().unwrap();
    let (ours, mut theirs) = tokio::io::duplex(1);
    let stream = ByteStreamFromIo::writer(&platform, ours);
    for _ in 0..earlier {
        stream.write(b"x".to_vec()).await.unwrap();
        assert_eq!(theirs.read_u8().await.unwrap(), b'x');
    }
    let write = stream.write(b"too much".to_vec());
    let (callback, statuses) = to_statuses();
    stream.begin_write(b"x".to_vec(), callback, None).unwrap();
    platform.shutdown().await.unwrap();
    let error = write.await.unwrap_err();
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Shutdown, Hresult::MF_E_SHUTDOWN), "{earlier}");
    assert_eq!(all(statuses).await, [Hresult::MF_E_SHUTDOWN], "{earlier}");
}

async fn resolutions_end_with_the_shutdown(earlier: usize) {
    let platform = Platform::startup().unwrap();
    let resolver = platform.create_source_resolver();
    resolver.register_scheme_handler("never", Arc::new(Handler(Answer::Never)));
    resolver.register_scheme_handler("at-once", Arc::new(Handler(Answer::AtOnce)));
    for _ in 0..earlier {
        resolver.create_object("at-once:", ResolutionFlags::MEDIA_SOURCE).await.unwrap();
    }
    let making = resolver.create_object("never:", ResolutionFlags::MEDIA_SOURCE);
    let (callback, statuses) = to_statuses();
    let flags = ResolutionFlags::MEDIA_SOURCE;
    resolver.begin_create_object_from_url("never:", flags, None, callback, None).unwrap();
    platform.shutdown().await.unwrap();
    let error = making.await.unwrap_err();
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Shutdown, Hresult::MF_E_SHUTDOWN), "{earlier}");
    assert_eq!(all(statuses).await, [Hresult::MF_E_SHUTDOWN], "{earlier}");
}

async fn all_end_with_the_shutdown() {
    for earlier in 0..6 {
        reads_end_with_the_shutdown(earlier).await;
        writes_end_with_the_shutdown(earlier).await;
        resolutions_end_with_the_shutdown(earlier).await;
    }
}

#[tokio::test]
async fn what_waits_ends_with_the_shutdown_on_one_thread() {
    all_end_with_the_shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_ends_with_the_shutdown_on_many_threads() {
    all_end_with_the_shutdown().await;
}

/// A device that panics as soon as it is asked for anything.
struct OnFire;

impl AsyncRead for OnFire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        panic!("the device is on fire")
    }
}

impl AsyncWrite for OnFire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<std::io::Result<usize>> {
        panic!("the device is on fire")
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        panic!("the device is on fire")
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        panic!("the device is on fire")
    }
}

/// How a handler answers.
#[derive(Clone, Copy)]
enum Answer {
    AtOnce,
    Never,
    PanicsBefore,
    PanicsWithin,
}

struct Handler(Answer);

impl Handler {
    fn answer<T: Send + 'static>(&self, value: T) -> BoxFuture<'static, Result<T>> {
        match self.0 {
            Answer::AtOnce => async { Ok(value) }.boxed(),
            Answer::Never => pending().boxed(),
            Answer::PanicsBefore => panic!("the handler is on fire"),
            Answer::PanicsWithin => async { panic!("the handler is on fire") }.boxed(),
        }
    }
}

impl SchemeHandler for Handler {
    fn create_object(
        &self,
        _: String,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<ResolvedObject>> {
        self.answer(ResolvedObject::MediaSource(Arc::new(())))
    }
}

impl ByteStreamHandler for Handler {
    fn create_object(
        &self,
        _: Arc<dyn ByteStream>,
        _: Option<String>,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<Unknown>> {
        self.answer(Arc::new(()))
    }
}

fn is_a_panic(error: &Error, says: &str) {
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Panicked, Hresult::E_UNEXPECTED), "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn a_device_that_panics_is_the_error_of_the_request_in_hand() {
    let platform = Platform::startup().unwrap();
    for writes in [false, true] {
        let stream = ByteStreamFromIo::duplex(&platform, OnFire);
        let (callback, mut results) = to_channel();
        let (first, behind) = if writes {
            stream.begin_write(vec![1], callback, None).unwrap();
            (stream.write(vec![1]).map(|done| done.map(drop)).boxed(), stream.write(vec![1]))
        } else {
            stream.begin_read(vec![0], callback, None).unwrap();
            (stream.read(vec![0]).map(|done| done.map(drop)).boxed(), stream.write(vec![1]))
        };
        let result = results.recv().await.unwrap();
        let error = match writes {
            true => stream.end_write(&result).map(drop).unwrap_err(),
            false => stream.end_read(&result).map(drop).unwrap_err(),
        };
        is_a_panic(&error, "the device is on fire");
        drop(result);
        // Those behind are refused, and say why.
        for error in [first.await.unwrap_err(), behind.await.map(drop).unwrap_err()] {
            assert_eq!(error.hresult(), Hresult::E_UNEXPECTED, "{error}");
        }
        assert!(results.recv().await.is_none(), "called back once");
    }
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_handler_that_panics_is_the_error_of_its_resolution() {
    let platform = Platform::startup().unwrap();
    let resolver = platform.create_source_resolver();
    for (scheme, extension, answer) in
        [("before", ".before", Answer::PanicsBefore), ("within", ".within", Answer::PanicsWithin)]
    {
        resolver.register_scheme_handler(scheme, Arc::new(Handler(answer)));
        resolver.register_byte_stream_handler(extension, Arc::new(Handler(answer)));
        let flags = ResolutionFlags::MEDIA_SOURCE;
        let (callback, mut results) = to_channel();
        resolver
            .begin_create_object_from_url(&format!("{scheme}:"), flags, None, callback.clone(), None)
            .unwrap();
        let result = results.recv().await.unwrap();
        is_a_panic(&resolver.end_create_object_from_url(&result).unwrap_err(), "the handler is on fire");
        drop(result);

        let stream = Arc::new(MemoryByteStream::new(&platform, vec![1]));
        let url = format!("a{extension}");
        resolver
            .begin_create_object_from_byte_stream(stream, Some(&url), flags, None, callback, None)
            .unwrap();
        let result = results.recv().await.unwrap();
        is_a_panic(
            &resolver.end_create_object_from_byte_stream(&result).unwrap_err(),
            "the handler is on fire",
        );
        drop(result);
        assert!(results.recv().await.is_none(), "each called back once");
    }
    drop(resolver);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_request_whose_begin_fails_calls_nobody_back() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, b"abc").unwrap();
    let file =
        platform.create_file(AccessMode::ReadWrite, OpenMode::FailIfNotExist, FileFlags::empty(), &path);
    let file = file.unwrap();
    let memory = MemoryByteStream::new(&platform, b"abc".to_vec());
    let reader = ByteStreamFromIo::reader(&platform, tokio::io::empty());
    let writer = ByteStreamFromIo::writer(&platform, tokio::io::sink());
    let streams: [(&str, &dyn ByteStream); 4] =
        [("file", &file), ("memory", &memory), ("reader", &reader), ("writer", &writer)];
    for (what, stream) in streams {
        stream.close().unwrap();
        let (read, reads) = to_statuses();
        stream.begin_read(vec![0; 1], read, None).unwrap_err();
        let (write, writes) = to_statuses();
        stream.begin_write(vec![0; 1], write, None).unwrap_err();
        assert_eq!((all(reads).await, all(writes).await), (vec![], vec![]), "{what}");
    }
    platform.shutdown().await.unwrap();
}
