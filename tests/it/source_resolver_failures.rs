//! Promise: the failure of one handler, whatever it is, is not that of the resolution: the next one is asked, and has the
//! stream as the first one had it. A stream that is kept is as it was.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use mf_async::byte_stream::{ByteStreamFromIo, MemoryByteStream, SeekFlags, SeekOrigin};
use mf_async::source_resolver::{ByteStreamHandler, ResolutionFlags, SourceResolver};
use mf_async::{
    AsyncCallback, AsyncResult, ByteStream, ByteStreamExt, Error, ErrorKind, Hresult, Platform, Result,
    Unknown,
};
use tokio::sync::{Notify, mpsc};

const SOURCE: ResolutionFlags = ResolutionFlags::MEDIA_SOURCE;
const KEEP: ResolutionFlags =
    ResolutionFlags::MEDIA_SOURCE.union(ResolutionFlags::KEEP_BYTE_STREAM_ALIVE_ON_FAIL);
const ANY: ResolutionFlags =
    ResolutionFlags::MEDIA_SOURCE.union(ResolutionFlags::CONTENT_DOES_NOT_HAVE_TO_MATCH);

/// What a handler does after it has read three bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Fails(Hresult),
    Panics,
    PanicsAtOnce,
    ClosesAndFails,
    Waits,
    Succeeds,
    ClosesAndSucceeds,
}

struct Handler {
    then: Then,
    asked: AtomicUsize,
    has_read: Notify,
    streams: Mutex<Vec<Arc<dyn ByteStream>>>,
}

impl Handler {
    fn new(then: Then) -> Arc<Handler> {
        Arc::new(Handler {
            then,
            asked: AtomicUsize::new(0),
            has_read: Notify::new(),
            streams: Mutex::default(),
        })
    }
}

struct Registered(Arc<Handler>);

impl ByteStreamHandler for Registered {
    fn create_object(
        &self,
        stream: Arc<dyn ByteStream>,
        _: Option<String>,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<Unknown>> {
        let handler = self.0.clone();
        handler.asked.fetch_add(1, Ordering::SeqCst);
        handler.streams.lock().unwrap().push(stream.clone());
        assert_ne!(handler.then, Then::PanicsAtOnce, "planned");
        async move {
            let read = stream.read(vec![0; 3]).await?;
            handler.has_read.notify_one();
            match handler.then {
                Then::Fails(code) => Err(Error::new(code, "planned")),
                Then::Panics | Then::PanicsAtOnce => panic!("planned"),
                Then::ClosesAndFails => {
                    stream.close()?;
                    assert_eq!(stream.position().unwrap_err().hresult(), Hresult::MF_E_INVALIDREQUEST);
                    Err(Error::new(Hresult::E_FAIL, "planned"))
                }
                Then::Waits => pending().await,
                Then::Succeeds => Ok(Arc::new(read) as Unknown),
                Then::ClosesAndSucceeds => {
                    stream.close()?;
                    Ok(Arc::new(read) as Unknown)
                }
            }
        }
        .boxed()
    }
}

/// A resolver that asks these handlers in this order: the last registered is asked first.
fn resolver(platform: &Platform, handlers: &[&Arc<Handler>]) -> SourceResolver {
    let resolver = platform.create_source_resolver();
    for handler in handlers.iter().rev() {
        resolver.register_byte_stream_handler(".wav", Arc::new(Registered((*handler).clone())));
    }
    resolver
}

/// Six bytes at their third.
fn stream(platform: &Platform) -> (MemoryByteStream, Arc<dyn ByteStream>) {
    let stream = MemoryByteStream::new(platform, b"..abcd".to_vec());
    stream.set_position(2).unwrap();
    (stream.clone(), Arc::new(stream))
}

fn to_channel() -> (Arc<dyn AsyncCallback>, mpsc::UnboundedReceiver<AsyncResult>) {
    let (send, receive) = mpsc::unbounded_channel();
    (Arc::new(move |result: &AsyncResult| drop(send.send(result.clone()))), receive)
}

#[tokio::test]
async fn any_failure_goes_on_to_the_next_handler() {
    let platform = Platform::startup().unwrap();
    for first in [
        Then::Fails(Hresult::MF_E_UNSUPPORTED_BYTESTREAM_TYPE),
        Then::Fails(Hresult::E_FAIL),
        Then::Fails(Hresult::ERROR_HANDLE_EOF),
        Then::Panics,
        Then::PanicsAtOnce,
        Then::ClosesAndFails,
    ] {
        for flags in [SOURCE, KEEP, ANY] {
            let (fails, succeeds) = (Handler::new(first), Handler::new(Then::Succeeds));
            let resolver = resolver(&platform, &[&fails, &succeeds]);
            let (kept, stream) = stream(&platform);
            let made = resolver.create_object_from_byte_stream(stream, Some("a.wav"), flags).await;
            let made = made.unwrap_or_else(|error| panic!("{first:?} {flags:?}: {error}"));
            assert_eq!(*made.media_source::<Vec<u8>>().unwrap(), b"abc", "{first:?} {flags:?}");
            assert_eq!(kept.position().unwrap(), 5);
        }
    }
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_error_is_the_first_that_says_more_than_unsupported() {
    let platform = Platform::startup().unwrap();
    let unsupported = Hresult::MF_E_UNSUPPORTED_BYTESTREAM_TYPE;
    for (answers, expected) in [
        (vec![Then::Fails(unsupported), Then::Fails(unsupported)], unsupported),
        (vec![Then::Fails(unsupported), Then::Fails(Hresult::E_FAIL)], Hresult::E_FAIL),
        (vec![Then::Panics, Then::Fails(Hresult::E_FAIL)], Hresult::E_UNEXPECTED),
    ] {
        let handlers: Vec<_> = answers.iter().map(|then| Handler::new(*then)).collect();
        let resolver = resolver(&platform, &handlers.iter().collect::<Vec<_>>());
        let (kept, stream) = stream(&platform);
        let made = resolver.create_object_from_byte_stream(stream, Some("a.wav"), SOURCE).await;
        assert_eq!(made.unwrap_err().hresult(), expected, "{answers:?}");
        assert!(kept.length().is_err(), "closed, because it was not to be kept");
        assert!(handlers.iter().all(|handler| handler.asked.load(Ordering::SeqCst) == 1));
    }
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_close_counts_when_the_handler_succeeds() {
    let platform = Platform::startup().unwrap();
    let handler = Handler::new(Then::ClosesAndSucceeds);
    let resolver_of_one = resolver(&platform, &[&handler]);
    let (kept, stream_of_it) = stream(&platform);
    resolver_of_one.create_object_from_byte_stream(stream_of_it, Some("a.wav"), KEEP).await.unwrap();
    assert_eq!(kept.length().unwrap_err().hresult(), Hresult::MF_E_INVALIDREQUEST);

    // One that succeeded may close it later, and uses the stream itself until then.
    let handler = Handler::new(Then::Succeeds);
    let resolver_of_one = resolver(&platform, &[&handler]);
    let (kept, stream_of_it) = stream(&platform);
    resolver_of_one.create_object_from_byte_stream(stream_of_it, Some("a.wav"), KEEP).await.unwrap();
    let used = handler.streams.lock().unwrap().pop().unwrap();
    assert_eq!(used.seek(SeekOrigin::Current, -1, SeekFlags::empty()).unwrap(), 4);
    assert_eq!(used.read(vec![0; 9]).await.unwrap(), b"cd");
    assert_eq!(kept.position().unwrap(), 6);
    used.close().unwrap();
    assert!(kept.length().is_err());
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_handler_that_has_failed_has_no_hold_on_the_stream() {
    let platform = Platform::startup().unwrap();
    let (fails, succeeds) = (Handler::new(Then::Fails(Hresult::E_FAIL)), Handler::new(Then::Succeeds));
    let resolver = resolver(&platform, &[&fails, &succeeds]);
    let (kept, stream) = stream(&platform);
    resolver.create_object_from_byte_stream(stream, Some("a.wav"), SOURCE).await.unwrap();
    let left = fails.streams.lock().unwrap().pop().unwrap();
    assert_eq!(left.set_position(0).unwrap_err().hresult(), Hresult::MF_E_INVALIDREQUEST);
    assert_eq!(left.read(vec![0; 1]).await.unwrap_err().hresult(), Hresult::MF_E_INVALIDREQUEST);
    left.close().unwrap();
    assert_eq!(kept.position().unwrap(), 5);
    platform.shutdown().await.unwrap();
}

/// Whatever ends the resolution, the position of a stream that is kept is where it was.
#[tokio::test]
async fn a_stream_that_is_kept_is_where_it_was() {
    let platform = Platform::startup().unwrap();
    for then in [Then::Fails(Hresult::E_FAIL), Then::Panics, Then::ClosesAndFails] {
        let resolver = resolver(&platform, &[&Handler::new(then)]);
        let (kept, stream) = stream(&platform);
        let made = resolver.create_object_from_byte_stream(stream, Some("a.wav"), KEEP).await;
        made.unwrap_err();
        assert_eq!(kept.position().unwrap(), 2, "{then:?}");
    }
    platform.shutdown().await.unwrap();
}

async fn cancelled_and_dropped() {
    let platform = Platform::startup().unwrap();
    let handler = Handler::new(Then::Waits);
    let resolver_of_it = resolver(&platform, &[&handler]);

    // By its cookie: as soon as it is called back.
    let (kept, stream_of_it) = stream(&platform);
    let (callback, mut results) = to_channel();
    let cookie = resolver_of_it
        .begin_create_object_from_byte_stream(stream_of_it, Some("a.wav"), KEEP, None, callback, None)
        .unwrap();
    handler.has_read.notified().await;
    assert_eq!(kept.position().unwrap(), 5);
    assert!(cookie.cancel());
    assert!(!cookie.cancel(), "once");
    let result = results.recv().await.unwrap();
    assert_eq!(kept.position().unwrap(), 2);
    let error = resolver_of_it.end_create_object_from_byte_stream(&result).unwrap_err();
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Cancelled, Hresult::E_ABORT));
    drop(result);
    assert!(results.recv().await.is_none(), "called back once");

    // By `cancel`: as soon as it has ended.
    let (kept, stream_of_it) = stream(&platform);
    let making = resolver_of_it.create_object_from_byte_stream(stream_of_it, Some("a.wav"), KEEP);
    handler.has_read.notified().await;
    assert_eq!(making.cancel().await.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(kept.position().unwrap(), 2);

    // By a drop: a second pass begins where the first did, once the handler's poll is over.
    let (kept, stream_of_it) = stream(&platform);
    let making = resolver_of_it.create_object_from_byte_stream(stream_of_it.clone(), Some("a.wav"), KEEP);
    handler.has_read.notified().await;
    drop(making);
    while kept.position().unwrap() != 2 {
        tokio::task::yield_now().await;
    }
    let second = resolver(&platform, &[&Handler::new(Then::Succeeds)]);
    let made = second.create_object_from_byte_stream(stream_of_it, Some("a.wav"), KEEP).await.unwrap();
    assert_eq!(*made.media_source::<Vec<u8>>().unwrap(), b"abc");

    // By a shutdown.
    let (kept, stream_of_it) = stream(&platform);
    let making = resolver_of_it.create_object_from_byte_stream(stream_of_it, Some("a.wav"), KEEP);
    handler.has_read.notified().await;
    platform.shutdown().await.unwrap();
    assert_eq!(making.await.unwrap_err().kind(), ErrorKind::Shutdown);
    assert_eq!(kept.position().unwrap(), 2);
}

#[tokio::test]
async fn what_is_cancelled_or_dropped_is_where_it_was_on_one_thread() {
    cancelled_and_dropped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_or_dropped_is_where_it_was_on_many_threads() {
    for _ in 0..20 {
        cancelled_and_dropped().await;
    }
}

#[tokio::test]
async fn to_keep_it_and_to_ask_all_exclude_each_other() {
    let platform = Platform::startup().unwrap();
    let resolver = resolver(&platform, &[&Handler::new(Then::Succeeds)]);
    let (kept, stream) = stream(&platform);
    let exclusive = Hresult::MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS;
    let answer = resolver.create_object_from_byte_stream(stream, Some("a.wav"), KEEP | ANY).await;
    assert_eq!(answer.unwrap_err().hresult(), exclusive);
    assert_eq!(kept.position().unwrap(), 2, "refused flags leave the stream alone");
    assert_eq!(resolver.create_object("a.wav", KEEP | ANY).await.unwrap_err().hresult(), exclusive);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_read_of_the_handler_that_is_in_flight_goes_with_it() {
    let platform = Platform::startup().unwrap();
    struct LeavesARead(Mutex<Vec<mf_async::Operation<Vec<u8>>>>);
    impl ByteStreamHandler for LeavesARead {
        fn create_object(
            &self,
            stream: Arc<dyn ByteStream>,
            _: Option<String>,
            _: ResolutionFlags,
            _: Option<Unknown>,
        ) -> BoxFuture<'static, Result<Unknown>> {
            self.0.lock().unwrap().push(stream.read(vec![0; 2]));
            async { Err(Error::new(Hresult::E_FAIL, "planned")) }.boxed()
        }
    }
    let resolver = platform.create_source_resolver();
    resolver.register_byte_stream_handler(".wav", Arc::new(Registered(Handler::new(Then::Succeeds))));
    resolver.register_byte_stream_handler(".wav", Arc::new(LeavesARead(Mutex::default())));
    let cursor = std::io::Cursor::new(b"abcd".to_vec());
    let stream = ByteStreamFromIo::seekable_reader(&platform, cursor).await.unwrap();
    let made =
        resolver.create_object_from_byte_stream(Arc::new(stream), Some("a.wav"), SOURCE).await.unwrap();
    assert_eq!(*made.media_source::<Vec<u8>>().unwrap(), b"abc");
    drop(resolver);
    platform.shutdown().await.unwrap();
}
