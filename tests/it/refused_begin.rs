//! Promise: a Begin that refuses changes nothing. Where the callback names a queue that is not open, Begin says so at once,
//! the callback is neither called nor kept, no body runs, and positions, contents and requests are as they were.

use std::sync::Arc;

use mf_async::byte_stream::{AccessMode, ByteStreamFromIo, FileFlags, MemoryByteStream, OpenMode};
use mf_async::source_resolver::ResolutionFlags;
use mf_async::{
    AsyncCallback, AsyncResult, ByteStream, ByteStreamExt, CallbackParameters, Hresult, MediaEvent,
    MediaEventType, Platform, QueueId, Result,
};

use crate::support::both_runtimes;

struct Nowhere;

impl AsyncCallback for Nowhere {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(QueueId(0x7FFF_0000))
    }

    fn invoke(&self, _: &AsyncResult) {
        panic!("it must not be called");
    }
}

/// Begins with a callback that cannot be called.
fn refused<T>(what: &str, begin: impl FnOnce(Arc<dyn AsyncCallback>) -> Result<T>) {
    let callback: Arc<dyn AsyncCallback> = Arc::new(Nowhere);
    let code = begin(callback.clone()).map(drop).map_err(|error| error.hresult());
    assert_eq!(code, Err(Hresult::MF_E_INVALID_WORKQUEUE), "{what}");
    assert_eq!(Arc::strong_count(&callback), 1, "{what} keeps the callback");
}

/// A stream of the bytes 0 to 9, at 2, refuses reads and writes, and is as it was.
async fn stream_refuses(what: &str, stream: &(impl ByteStream + Clone + 'static), writes: bool) {
    let before = stream.position().unwrap();
    refused(what, |callback| stream.begin_read(vec![0; 3], callback, None));
    refused(what, |callback| stream.begin_cancellable_read(vec![0; 3], callback, None));
    if writes {
        refused(what, |callback| stream.begin_write(b"xyz".to_vec(), callback, None));
    }
    assert_eq!(stream.position().unwrap(), before, "{what}");
    assert_eq!(stream.read(vec![0; 3]).await.unwrap(), b"234", "{what}");
    assert_eq!(stream.position().unwrap(), before + 3, "{what}");
}

#[test]
fn byte_streams_are_as_they_were() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let memory = MemoryByteStream::new(&platform, b"0123456789".to_vec());
        memory.set_position(2).unwrap();
        stream_refuses("memory", &memory, true).await;
        let seeks = platform_seekable(&platform).await;
        seeks.set_position(2).unwrap();
        stream_refuses("tokio::io that seeks", &seeks, false).await;
        let pipe = ByteStreamFromIo::reader(&platform, &b"0123456789"[..]);
        assert_eq!(pipe.read(vec![0; 2]).await.unwrap(), b"01");
        stream_refuses("tokio::io", &pipe, false).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let open = platform.open_file(
            AccessMode::ReadWrite,
            OpenMode::FailIfNotExist,
            FileFlags::empty(),
            path.clone(),
        );
        let file = Arc::new(open.await.unwrap());
        file.set_position(2).unwrap();
        let before = file.position().unwrap();
        refused("a file", |callback| file.begin_read(vec![0; 3], callback, None));
        refused("a file", |callback| file.begin_write(b"xyz".to_vec(), callback, None));
        assert_eq!(file.position().unwrap(), before);
        assert_eq!(file.read(vec![0; 3]).await.unwrap(), b"234");
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"0123456789");
        platform.shutdown().await.unwrap();
    });
}

async fn platform_seekable(platform: &Platform) -> ByteStreamFromIo<std::io::Cursor<Vec<u8>>> {
    ByteStreamFromIo::seekable_reader(platform, std::io::Cursor::new(b"0123456789".to_vec())).await.unwrap()
}

#[test]
fn nothing_is_begun() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let method = platform.method::<()>();
        refused("a method", |callback| method.begin(callback, async { panic!("it must not run") }));
        refused("a blocking method", |callback| {
            method.begin_blocking(callback, || panic!("it must not run"))
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        refused("the making of a file", |callback| {
            platform.begin_create_file(
                AccessMode::Write,
                OpenMode::DeleteIfExist,
                FileFlags::empty(),
                path.clone(),
                callback,
                None,
            )
        });
        assert!(!path.exists());
        let (resolver, flags) = (platform.create_source_resolver(), ResolutionFlags::BYTE_STREAM);
        let url = folder.path().to_str().unwrap();
        refused("a resolution", |callback| {
            resolver.begin_create_object_from_url(url, flags, None, callback, None)
        });
        let memory = Arc::new(MemoryByteStream::new(&platform, b"0123456789".to_vec()));
        let source = ResolutionFlags::MEDIA_SOURCE | ResolutionFlags::CONTENT_DOES_NOT_HAVE_TO_MATCH;
        resolver.register_byte_stream_handler(".x", Arc::new(NeverAsked));
        refused("a resolution of a stream", |callback| {
            let stream: Arc<dyn ByteStream> = memory.clone();
            resolver.begin_create_object_from_byte_stream(stream, Some("a.x"), source, None, callback, None)
        });
        assert_eq!(memory.read(vec![0; 1]).await.unwrap(), b"0", "it is open");
        let events = platform.create_event_queue().unwrap();
        refused("a request for an event", |callback| events.begin_get_event(callback, None));
        events.queue_event(MediaEvent::new(MediaEventType::MEUnknown)).unwrap();
        refused("a request for an event", |callback| events.begin_get_event(callback, None));
        events.get_event(mf_async::event::GetEventFlags::NO_WAIT).unwrap();
        platform.shutdown().await.unwrap();
    });
}

struct NeverAsked;

impl mf_async::source_resolver::ByteStreamHandler for NeverAsked {
    fn create_object(
        &self,
        _: Arc<dyn ByteStream>,
        _: Option<String>,
        _: ResolutionFlags,
        _: Option<mf_async::Unknown>,
    ) -> futures::future::BoxFuture<'static, Result<mf_async::Unknown>> {
        panic!("it must not be asked")
    }
}
