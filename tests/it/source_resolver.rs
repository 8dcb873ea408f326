//! Promise: a resolver asks the handlers of the scheme, the content type and the extension, in that order,
//! says what it cannot do with Media Foundation's codes, and what is cancelled calls back with `E_ABORT`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::{BoxFuture, pending, ready};
use mf_async::byte_stream::{ByteStreamFromIo, MemoryByteStream};
use mf_async::source_resolver::{
    ByteStreamHandler, ResolutionFlags, ResolvedObject, SchemeHandler, SourceResolver,
};
use mf_async::{
    AsyncCallback, AsyncResult, ByteStream, ByteStreamExt, Error, ErrorKind, Hresult, Platform, Result,
    Unknown,
};
use tokio::sync::mpsc;

const SOURCE: ResolutionFlags = ResolutionFlags::MEDIA_SOURCE;
const STREAM: ResolutionFlags = ResolutionFlags::BYTE_STREAM;

/// What the handlers below make: who made it, and of what.
#[derive(Debug, PartialEq)]
struct Made(&'static str, Vec<u8>);

/// Knows streams that begin with its magic.
struct ByMagic(&'static str);

impl ByteStreamHandler for ByMagic {
    fn create_object(
        &self,
        stream: Arc<dyn ByteStream>,
        _: Option<String>,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<Unknown>> {
        let magic = self.0;
        async move {
            let bytes = stream.read(vec![0; 16]).await?;
            if !bytes.starts_with(magic.as_bytes()) {
                return Err(Error::new(Hresult::MF_E_UNSUPPORTED_BYTESTREAM_TYPE, "no magic"));
            }
            Ok(Arc::new(Made(magic, bytes)) as Unknown)
        }
        .boxed()
    }
}

/// Never answers, and counts when it is let go.
struct Never(Arc<AtomicUsize>);

impl Never {
    fn wait<T: Send + 'static>(&self) -> BoxFuture<'static, T> {
        struct Gone(Arc<AtomicUsize>);
        impl Drop for Gone {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let gone = Gone(self.0.clone());
        async move {
            let _gone = gone;
            pending().await
        }
        .boxed()
    }
}

impl SchemeHandler for Never {
    fn create_object(
        &self,
        _: String,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<ResolvedObject>> {
        self.wait()
    }
}

impl ByteStreamHandler for Never {
    fn create_object(
        &self,
        _: Arc<dyn ByteStream>,
        _: Option<String>,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<Unknown>> {
        self.wait()
    }
}

/// Answers with what it was told, and notes the properties.
struct Scheme(ResolvedObject, Mutex<Option<Unknown>>);

impl SchemeHandler for Scheme {
    fn create_object(
        &self,
        _: String,
        _: ResolutionFlags,
        properties: Option<Unknown>,
    ) -> BoxFuture<'static, Result<ResolvedObject>> {
        *self.1.lock().unwrap() = properties;
        ready(Ok(self.0.clone())).boxed()
    }
}

fn to_channel() -> (Arc<dyn AsyncCallback>, mpsc::UnboundedReceiver<AsyncResult>) {
    let (send, receive) = mpsc::unbounded_channel();
    (Arc::new(move |result: &AsyncResult| drop(send.send(result.clone()))), receive)
}

fn code<T: std::fmt::Debug>(answer: Result<T>) -> Hresult {
    answer.expect_err("an error").hresult()
}

fn memory(platform: &Platform, bytes: &[u8]) -> (MemoryByteStream, Arc<dyn ByteStream>) {
    let stream = MemoryByteStream::new(platform, bytes.to_vec());
    (stream.clone(), Arc::new(stream))
}

async fn files_resolve() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a song.WAV");
    std::fs::write(&path, b"RIFFdata").unwrap();
    let resolver = platform.create_source_resolver();
    resolver.register_byte_stream_handler(".wav", Arc::new(ByMagic("RIFF")));
    let plain = path.to_str().unwrap();
    let url = format!("file:///{}", plain.trim_start_matches('/').replace(' ', "%20"));
    for url in [plain, &url] {
        let made = resolver.create_object(url, SOURCE).await.unwrap();
        assert_eq!(*made.media_source::<Made>().unwrap(), Made("RIFF", b"RIFFdata".to_vec()));
        assert!(made.byte_stream().is_none());
        let made = resolver.create_object(url, STREAM | ResolutionFlags::READ).await.unwrap();
        assert!(made.media_source::<Made>().is_none());
        let stream = made.byte_stream().unwrap();
        assert_eq!(stream.read(vec![0; 4]).await.unwrap(), b"RIFF");
        assert_eq!(code(stream.write(vec![0; 4]).await), Hresult::E_ACCESSDENIED);
    }
    let both = STREAM | ResolutionFlags::READ | ResolutionFlags::WRITE;
    let made = resolver.create_object(plain, both).await.unwrap();
    made.byte_stream().unwrap().write_all(b"RIFX".to_vec()).await.unwrap();
    assert_eq!(code(resolver.create_object(plain, SOURCE).await), Hresult::MF_E_UNSUPPORTED_BYTESTREAM_TYPE);
    assert_eq!(code(resolver.create_object("no such file", STREAM).await), Hresult::ERROR_FILE_NOT_FOUND);
    assert_eq!(code(resolver.create_object("", STREAM).await), Hresult::ERROR_FILE_NOT_FOUND);
    drop((made, resolver));
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn files_resolve_on_one_thread() {
    files_resolve().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_resolve_on_many_threads() {
    files_resolve().await;
}

#[tokio::test]
async fn flags_and_schemes_are_checked_by_begin() {
    let platform = Platform::startup().unwrap();
    let resolver = platform.create_source_resolver();
    let (callback, mut results) = to_channel();
    let exclusive = Hresult::MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS;
    for flags in [ResolutionFlags::empty(), SOURCE | STREAM, ResolutionFlags::READ] {
        let answer = resolver.begin_create_object_from_url("a", flags, None, callback.clone(), None);
        assert_eq!(code(answer), exclusive);
    }
    let answer = resolver.begin_create_object_from_url("http://a/b", STREAM, None, callback.clone(), None);
    assert_eq!(code(answer), Hresult::MF_E_UNSUPPORTED_SCHEME);

    let (kept, stream) = memory(&platform, b"RIFF");
    for flags in [ResolutionFlags::empty(), SOURCE | STREAM, STREAM] {
        let begin = resolver.begin_create_object_from_byte_stream(
            stream.clone(),
            None,
            flags,
            None,
            callback.clone(),
            None,
        );
        assert_eq!(code(begin), exclusive);
    }
    assert!(kept.length().is_ok(), "refused flags leave the stream alone");
    drop(callback);
    assert!(results.recv().await.is_none(), "none of them called back");
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_cannot_be_resolved_is_closed_unless_it_is_to_be_kept() {
    let platform = Platform::startup().unwrap();
    let resolver = platform.create_source_resolver();
    resolver.register_byte_stream_handler(".wav", Arc::new(ByMagic("RIFF")));
    let keep = SOURCE | ResolutionFlags::KEEP_BYTE_STREAM_ALIVE_ON_FAIL;
    for (flags, closed) in [(SOURCE, true), (keep, false)] {
        // By Begin, since nothing says what it is or nobody knows that; by End, since it is something else.
        for url in [None, Some("a.mp3"), Some("a.wav")] {
            let (kept, stream) = memory(&platform, b"ID3");
            let answer = resolver.create_object_from_byte_stream(stream, url, flags).await;
            assert_eq!(code(answer), Hresult::MF_E_UNSUPPORTED_BYTESTREAM_TYPE);
            assert_eq!(kept.length().is_err(), closed, "{url:?} {flags:?}");
        }
        let pipe = ByteStreamFromIo::reader(&platform, &b"RIFF"[..]);
        let stream: Arc<dyn ByteStream> = Arc::new(pipe.clone());
        let answer = resolver.create_object_from_byte_stream(stream, Some("a.wav"), flags).await;
        assert_eq!(code(answer), Hresult::MF_E_BYTESTREAM_NOT_SEEKABLE);
        assert_eq!(pipe.length().is_err(), closed);
    }
    let (kept, stream) = memory(&platform, b"RIFF");
    let made = resolver.create_object_from_byte_stream(stream, Some("a.wav"), SOURCE).await.unwrap();
    assert!(made.media_source::<Made>().is_some());
    assert!(kept.length().is_ok(), "a success leaves it open");
    drop(resolver);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn other_handlers_are_asked_if_that_is_allowed() {
    let platform = Platform::startup().unwrap();
    let resolver = platform.create_source_resolver();
    resolver.register_byte_stream_handler(".wav", Arc::new(ByMagic("RIFF")));
    resolver.register_byte_stream_handler(".ogg", Arc::new(ByMagic("OggS")));
    let any = SOURCE | ResolutionFlags::CONTENT_DOES_NOT_HAVE_TO_MATCH;
    for url in [None, Some("a.wav"), Some("a.ogg"), Some("a.what")] {
        let (kept, stream) = memory(&platform, b"..OggS");
        kept.set_position(2).unwrap();
        let made = resolver.create_object_from_byte_stream(stream, url, any).await.unwrap();
        assert_eq!(made.media_source::<Made>().unwrap().0, "OggS", "{url:?}");
    }
    drop(resolver);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_scheme_handler_may_make_the_source_itself() {
    let platform = Platform::startup().unwrap();
    let resolver = platform.create_source_resolver();
    let source: Unknown = Arc::new(Made("camera", Vec::new()));
    let handler = Arc::new(Scheme(ResolvedObject::MediaSource(source), Mutex::default()));
    resolver.register_scheme_handler("cam:", handler.clone());
    let (callback, mut results) = to_channel();
    let properties: Unknown = Arc::new("properties");
    resolver
        .begin_create_object_from_url("CAM:0", SOURCE, Some(properties), callback, Some(Arc::new(7)))
        .unwrap();
    let result = results.recv().await.unwrap();
    assert_eq!(result.state::<i32>(), Some(&7));
    let other = platform.create_source_resolver();
    assert_eq!(code(other.end_create_object_from_url(&result)), Hresult::E_INVALIDARG);
    assert_eq!(code(resolver.end_create_object_from_byte_stream(&result)), Hresult::E_INVALIDARG);
    drop(result);
    let made = resolver.create_object("cam:0", SOURCE).await.unwrap();
    assert_eq!(made.media_source::<Made>().unwrap().0, "camera");
    assert!(handler.1.lock().unwrap().is_none());
    assert_eq!(code(resolver.create_object("cam:0", STREAM).await), Hresult::E_NOINTERFACE);
    drop(resolver);
    platform.shutdown().await.unwrap();
}

fn with_never(platform: &Platform) -> (SourceResolver, Arc<AtomicUsize>) {
    let gone = Arc::new(AtomicUsize::new(0));
    let resolver = platform.create_source_resolver();
    resolver.register_scheme_handler("never", Arc::new(Never(gone.clone())));
    resolver.register_byte_stream_handler("video/never", Arc::new(Never(gone.clone())));
    resolver.register_byte_stream_handler(".never", Arc::new(Never(gone.clone())));
    (resolver, gone)
}

#[tokio::test]
async fn what_is_cancelled_calls_back_with_e_abort() {
    let platform = Platform::startup().unwrap();
    let (resolver, gone) = with_never(&platform);
    let (callback, mut results) = to_channel();
    let cookie = resolver.begin_create_object_from_url("never:1", STREAM, None, callback.clone(), None);
    let cookie = cookie.unwrap();
    tokio::task::yield_now().await;
    assert!(results.try_recv().is_err());
    assert!(cookie.cancel());
    assert!(!cookie.cancel());
    let result = results.recv().await.unwrap();
    assert_eq!(result.status(), Hresult::E_ABORT);
    assert_eq!(code(resolver.end_create_object_from_url(&result)), Hresult::E_ABORT);
    assert_eq!(code(resolver.end_create_object_from_url(&result)), Hresult::E_FAIL);

    let (kept, stream) = memory(&platform, b"...");
    let making = resolver.create_object_from_byte_stream(stream, Some("a.never"), SOURCE);
    assert_eq!(making.cancel().await.unwrap_err().kind(), ErrorKind::Cancelled);
    let (kept_too, stream) = memory(&platform, b"...");
    drop(resolver.create_object_from_byte_stream(stream, Some("a.never"), SOURCE));
    drop((callback, result, resolver));
    platform.shutdown().await.unwrap();
    assert!(results.recv().await.is_none());
    assert!(kept.length().is_err() && kept_too.length().is_err(), "a cancel is a failure");
    assert!(gone.load(Ordering::SeqCst) >= 1, "the handler's future is dropped");
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_what_never_would() {
    let platform = Platform::startup().unwrap();
    let (resolver, gone) = with_never(&platform);
    let making = resolver.create_object("never:1", STREAM);
    tokio::task::yield_now().await;
    platform.shutdown().await.unwrap();
    assert_eq!(making.await.unwrap_err().kind(), ErrorKind::Shutdown);
    assert_eq!(code(resolver.create_object("never:1", STREAM).await), Hresult::MF_E_SHUTDOWN);
    assert_eq!(gone.load(Ordering::SeqCst), 1, "a refused one does not even ask");
}

/// A memory stream that says what it holds.
struct Typed(MemoryByteStream, &'static str);

impl ByteStreamHandler for AsksType {
    fn create_object(
        &self,
        _: Arc<dyn ByteStream>,
        _: Option<String>,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<Unknown>> {
        self.0.store(true, Ordering::SeqCst);
        ready(Ok(Arc::new(()) as Unknown)).boxed()
    }
}

/// Notes that it was asked.
struct AsksType(Arc<AtomicBool>);

#[tokio::test]
async fn the_content_type_goes_before_the_extension() {
    let platform = Platform::startup().unwrap();
    let resolver = platform.create_source_resolver();
    let asked = Arc::new(AtomicBool::new(false));
    resolver.register_byte_stream_handler("Audio/Wav", Arc::new(AsksType(asked.clone())));
    resolver.register_byte_stream_handler(".mp3", Arc::new(ByMagic("ID3")));
    let stream = Arc::new(Typed(MemoryByteStream::new(&platform, b"ID3".to_vec()), "AUDIO/wav; rate=1"));
    resolver.create_object_from_byte_stream(stream, Some("a.mp3"), SOURCE).await.unwrap();
    assert!(asked.load(Ordering::SeqCst));
    drop(resolver);
    platform.shutdown().await.unwrap();
}

impl ByteStream for Typed {
    fn content_type(&self) -> Option<String> {
        Some(self.1.to_owned())
    }

    fn capabilities(&self) -> mf_async::byte_stream::ByteStreamCapabilities {
        self.0.capabilities()
    }

    fn length(&self) -> Result<Option<u64>> {
        self.0.length()
    }

    fn set_length(&self, length: u64) -> Result<()> {
        self.0.set_length(length)
    }

    fn position(&self) -> Result<u64> {
        self.0.position()
    }

    fn set_position(&self, position: u64) -> Result<()> {
        self.0.set_position(position)
    }

    fn is_end_of_stream(&self) -> Result<bool> {
        self.0.is_end_of_stream()
    }

    fn begin_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        self.0.begin_read(buffer, callback, state)
    }

    fn end_read(&self, result: &AsyncResult) -> Result<Vec<u8>> {
        self.0.end_read(result)
    }

    fn begin_write(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        self.0.begin_write(buffer, callback, state)
    }

    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        self.0.end_write(result)
    }

    fn seek(
        &self,
        origin: mf_async::byte_stream::SeekOrigin,
        offset: i64,
        flags: mf_async::byte_stream::SeekFlags,
    ) -> Result<u64> {
        self.0.seek(origin, offset, flags)
    }

    fn flush(&self) -> Result<()> {
        self.0.flush()
    }

    fn close(&self) -> Result<()> {
        self.0.close()
    }
}

#[tokio::test]
async fn a_url_that_names_no_file_is_an_error_that_says_why() -> Result<()> {
    let platform = Platform::startup()?;
    let resolver = platform.create_source_resolver();
    for (url, why) in [
        ("file:///no%2", "not well formed"),
        ("file:///no%zz", "not well formed"),
        ("file:///%ff", "not well formed"),
        ("file:///a%00b", "names no file"),
        ("file:", "names no file"),
        ("file://elsewhere/a", "another machine"),
    ] {
        let resolved = resolver.create_object(url, STREAM).await;
        let error = resolved.map(drop).unwrap_err();
        assert_eq!(error.hresult(), Hresult::E_INVALIDARG, "{url}: {error}");
        assert!(error.to_string().contains(why), "{url}: {error}");
    }
    platform.shutdown().await
}
