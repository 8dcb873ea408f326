//! `SourceResolver`: makes a byte stream or a media source of a URL, or a media source of a byte stream. It asks handlers
//! that are registered for schemes and for kinds of content.

mod attempt;
mod flags;
mod handler;
mod lent_stream;
mod resolved;
mod url;

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex};

pub use self::flags::ResolutionFlags;
pub use self::handler::{ByteStreamHandler, SchemeHandler};
pub use self::resolved::ResolvedObject;

use self::attempt::{OnFail, from_byte_stream, unsupported};
use self::handler::FileHandler;
use self::url::{extension, scheme};
use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId, Unknown};
use crate::byte_stream::{ByteStream, ByteStreamCapabilities, Request};
use crate::cancel::CancelCookie;
use crate::completion::{Call, Identity};
use crate::contain::Contained;
use crate::error::{Error, Hresult, Result};
use crate::operation::{BeginStatus, Operation};
use crate::platform::Platform;
use crate::queue::Queues;
use crate::sync::LockExt;

impl Platform {
    /// Makes a source resolver. It has a handler for the scheme `file`; others can be registered.
    #[doc(alias = "MFCreateSourceResolver")]
    #[must_use]
    pub fn create_source_resolver(&self) -> SourceResolver {
        let resolver =
            SourceResolver(Arc::new(Inner { queues: self.queues().clone(), handlers: Mutex::default() }));
        resolver.register_scheme_handler("file", Arc::new(FileHandler::new(self.queues().clone())));
        resolver
    }
}

/// Makes objects of URLs and byte streams: Media Foundation's `IMFSourceResolver`.
///
/// A URL's scheme chooses the [`SchemeHandler`], which makes a byte stream of it, or a media source at once.
/// For a media source of a byte stream, the content type and the URL's extension choose the [`ByteStreamHandler`]. A
/// media source is an [`Unknown`]: its type is a matter between the handler and its user.
///
/// The file scheme is built in, and a plain file name works as a URL, relative or not. Clones are the same
/// resolver, with the same handlers.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use std::sync::Arc;
/// use futures::future::BoxFuture;
/// use mf_async::source_resolver::{ByteStreamHandler, ResolutionFlags};
/// use mf_async::{ByteStream, ByteStreamExt, Platform, Result, Unknown};
///
/// struct Playlist(Vec<u8>);
/// struct PlaylistHandler;
///
/// impl ByteStreamHandler for PlaylistHandler {
///     fn create_object(
///         &self,
///         stream: Arc<dyn ByteStream>,
///         _url: Option<String>,
///         _flags: ResolutionFlags,
///         _properties: Option<Unknown>,
///     ) -> BoxFuture<'static, Result<Unknown>> {
///         Box::pin(async move { Ok(Arc::new(Playlist(stream.read(vec![0; 4096]).await?)) as Unknown) })
///     }
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("songs.m3u");
/// # std::fs::write(&path, "#EXTM3U")?;
/// let platform = Platform::startup()?;
/// let resolver = platform.create_source_resolver();
/// resolver.register_byte_stream_handler(".m3u", Arc::new(PlaylistHandler));
///
/// let made = resolver.create_object(&path.to_string_lossy(), ResolutionFlags::MEDIA_SOURCE).await?;
/// let playlist = made.media_source::<Playlist>().expect("the handler makes playlists");
/// assert_eq!(playlist.0, b"#EXTM3U");
/// # drop((playlist, made, resolver));
/// platform.shutdown().await
/// # }
/// ```
#[doc(alias = "IMFSourceResolver")]
#[derive(Clone)]
pub struct SourceResolver(Arc<Inner>);

impl SourceResolver {
    /// Registers a handler for a scheme, with or without its colon. The handler registered last is asked.
    #[doc(alias = "MFRegisterLocalSchemeHandler")]
    pub fn register_scheme_handler(&self, scheme: &str, handler: Arc<dyn SchemeHandler>) {
        let scheme = scheme.trim_end_matches(':').to_ascii_lowercase();
        let mut handlers = self.0.handlers.locked();
        handlers.schemes.push((scheme, Contained::new(handler)));
    }

    /// Registers a handler for a file name extension with its dot, or for a MIME type. The handler registered last is
    /// asked first.
    #[doc(alias = "MFRegisterLocalByteStreamHandler")]
    pub fn register_byte_stream_handler(&self, extension_or_type: &str, handler: Arc<dyn ByteStreamHandler>) {
        let kind = extension_or_type.to_ascii_lowercase();
        let mut handlers = self.0.handlers.locked();
        handlers.byte_streams.push((kind, Contained::new(handler)));
    }

    /// Begins to make an object of a URL. `properties` are passed to the handler.
    ///
    /// # Errors
    /// `MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS` unless exactly one of `MEDIA_SOURCE` and
    /// `BYTE_STREAM` is asked for, and when `KEEP_BYTE_STREAM_ALIVE_ON_FAIL` comes with
    /// `CONTENT_DOES_NOT_HAVE_TO_MATCH`; `MF_E_UNSUPPORTED_SCHEME` when no handler knows the scheme;
    /// `MF_E_SHUTDOWN` when the platform is shut down. Nothing was begun then.
    #[doc(alias = "BeginCreateObjectFromURL")]
    #[track_caller]
    pub fn begin_create_object_from_url(
        &self,
        url: &str,
        flags: ResolutionFlags,
        properties: Option<Unknown>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<CancelCookie> {
        let begun = Location::caller();
        flags.check()?;
        let handler = self.0.scheme_handler(url)?;
        let request = Request::new(&self.0.queues, Identity::of(&self.0), RESOLVE_URL, callback, state)?;
        let (resolver, url) = (self.0.clone(), url.to_owned());
        let work = async move {
            let made = handler.create_object(url.clone(), flags, properties.clone()).await?;
            match made {
                ResolvedObject::ByteStream(stream) if flags.contains(ResolutionFlags::MEDIA_SOURCE) => {
                    // The caller does not have this stream, so it is closed on failure with any flags.
                    let on_fail = OnFail::close(&stream);
                    let candidates = resolver.candidates(&stream, Some(&url), flags)?;
                    let start = stream.position()?;
                    let source =
                        from_byte_stream(&stream, start, candidates, Some(url), flags, properties).await?;
                    on_fail.succeed();
                    Ok(ResolvedObject::MediaSource(source))
                }
                ResolvedObject::MediaSource(_) if flags.contains(ResolutionFlags::BYTE_STREAM) => {
                    let what = format!("make a byte stream of {url}: its handler made a media source");
                    Err(Error::new(Hresult::E_NOINTERFACE, what))
                }
                wanted => Ok(wanted),
            }
        };
        request.run(work, begun)?;
        Ok(CancelCookie::of(&request))
    }

    /// Ends what [`begin_create_object_from_url`](SourceResolver::begin_create_object_from_url) began.
    ///
    /// # Errors
    /// The scheme handler's; `MF_E_UNSUPPORTED_BYTESTREAM_TYPE` when no byte stream handler knows what the URL holds, or
    /// that of the first which failed otherwise, `E_UNEXPECTED` if by a panic; `E_ABORT` when it was cancelled; `E_INVALIDARG` when the result is not from this resolver; `E_FAIL`
    /// when it was ended before.
    #[doc(alias = "EndCreateObjectFromURL")]
    pub fn end_create_object_from_url(&self, result: &AsyncResult) -> Result<ResolvedObject> {
        Call::end(&Identity::of(&self.0), RESOLVE_URL, result)
    }

    /// Begins to make a media source of a byte stream. The extension of `url` names the content when the stream does
    /// not.
    ///
    /// If this or its End fails, the stream is closed. With `KEEP_BYTE_STREAM_ALIVE_ON_FAIL` it is open, at the position
    /// where it was, when the callback is invoked. It is untouched if the flags themselves are refused, or the callback.
    ///
    /// Every handler that fails, with any code or by a panic, is followed by the next, and each has the stream at the
    /// position where it was at this call.
    ///
    /// # Errors
    /// `MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS` unless `MEDIA_SOURCE` is asked for and
    /// `BYTE_STREAM` is not, and when `KEEP_BYTE_STREAM_ALIVE_ON_FAIL` comes with `CONTENT_DOES_NOT_HAVE_TO_MATCH`;
    /// `MF_E_BYTESTREAM_NOT_SEEKABLE` when the stream cannot seek;
    /// `MF_E_UNSUPPORTED_BYTESTREAM_TYPE` when no handler knows its content type or the URL's extension;
    /// `MF_E_INVALID_WORKQUEUE` when the callback names a queue that is not open;
    /// `MF_E_SHUTDOWN` when the platform is shut down. Nothing was begun then.
    #[doc(alias = "BeginCreateObjectFromByteStream")]
    #[track_caller]
    pub fn begin_create_object_from_byte_stream(
        &self,
        stream: Arc<dyn ByteStream>,
        url: Option<&str>,
        flags: ResolutionFlags,
        properties: Option<Unknown>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<CancelCookie> {
        let begun = Location::caller();
        flags.check()?;
        if flags.contains(ResolutionFlags::BYTE_STREAM) {
            let what = "make a byte stream of a byte stream: it is one; ask for a media source";
            return Err(Error::new(Hresult::MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS, what));
        }
        let mut on_fail = OnFail::close(&stream);
        let start = stream.position();
        if flags.contains(ResolutionFlags::KEEP_BYTE_STREAM_ALIVE_ON_FAIL) {
            on_fail = match start {
                Ok(start) => on_fail.keep_at(start),
                Err(error) => {
                    on_fail.succeed();
                    return Err(error);
                }
            };
        }
        if !stream.capabilities().contains(ByteStreamCapabilities::SEEKABLE) {
            let what = "make a media source of a byte stream that cannot seek: read it into a `MemoryByteStream` first";
            return Err(Error::new(Hresult::MF_E_BYTESTREAM_NOT_SEEKABLE, what));
        }
        let candidates = self.0.candidates(&stream, url, flags)?;
        let start = start?;
        let request =
            match Request::new(&self.0.queues, Identity::of(&self.0), RESOLVE_STREAM, callback, state) {
                Ok(request) => request,
                Err(error) => {
                    // Nothing was tried with the stream.
                    on_fail.succeed();
                    return Err(error);
                }
            };
        let url = url.map(str::to_owned);
        let work = async move {
            let source = from_byte_stream(&stream, start, candidates, url, flags, properties).await?;
            on_fail.succeed();
            Ok(ResolvedObject::MediaSource(source))
        };
        request.run(work, begun)?;
        Ok(CancelCookie::of(&request))
    }

    /// Ends what
    /// [`begin_create_object_from_byte_stream`](SourceResolver::begin_create_object_from_byte_stream) began.
    ///
    /// # Errors
    /// As [`end_create_object_from_url`](SourceResolver::end_create_object_from_url).
    #[doc(alias = "EndCreateObjectFromByteStream")]
    pub fn end_create_object_from_byte_stream(&self, result: &AsyncResult) -> Result<ResolvedObject> {
        Call::end(&Identity::of(&self.0), RESOLVE_STREAM, result)
    }

    /// Makes an object of a URL: Begin and End as one operation.
    ///
    /// # Errors
    /// The operation's: those of [`begin_create_object_from_url`](SourceResolver::begin_create_object_from_url)
    /// and of [`end_create_object_from_url`](SourceResolver::end_create_object_from_url).
    ///
    /// # Cancel safety
    /// Dropping the operation cancels it: the handler's future is dropped, and a byte stream that was
    /// made on the way is closed.
    #[doc(alias = "CreateObjectFromURL")]
    #[track_caller]
    pub fn create_object(&self, url: &str, flags: ResolutionFlags) -> Operation<ResolvedObject> {
        let resolver = self.clone();
        self.0.begin_end(
            |callback| self.begin_create_object_from_url(url, flags, None, callback, None),
            move |result| resolver.end_create_object_from_url(result),
        )
    }

    /// Makes a media source of a byte stream: Begin and End as one operation.
    ///
    /// # Errors
    /// The operation's: those of
    /// [`begin_create_object_from_byte_stream`](SourceResolver::begin_create_object_from_byte_stream) and of
    /// [`end_create_object_from_byte_stream`](SourceResolver::end_create_object_from_byte_stream).
    ///
    /// # Cancel safety
    /// Dropping the operation cancels it. A cancel is a failure: the stream is closed, or back where it was if the flags
    /// keep it alive. If a handler is being polled, that is so when its poll has returned.
    #[doc(alias = "CreateObjectFromByteStream")]
    #[track_caller]
    pub fn create_object_from_byte_stream(
        &self,
        stream: Arc<dyn ByteStream>,
        url: Option<&str>,
        flags: ResolutionFlags,
    ) -> Operation<ResolvedObject> {
        let resolver = self.clone();
        self.0.begin_end(
            |callback| self.begin_create_object_from_byte_stream(stream, url, flags, None, callback, None),
            move |result| resolver.end_create_object_from_byte_stream(result),
        )
    }
}

impl fmt::Debug for SourceResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handlers = self.0.handlers.locked();
        let schemes = handlers.schemes.iter().map(|(scheme, _)| scheme);
        let kinds = handlers.byte_streams.iter().map(|(kind, _)| kind);
        f.debug_struct("SourceResolver")
            .field("schemes", &schemes.collect::<Vec<_>>())
            .field("byte_streams", &kinds.collect::<Vec<_>>())
            .finish()
    }
}

/// What the clones of a resolver share.
struct Inner {
    queues: Arc<Queues>,
    handlers: Mutex<Handlers>,
}

/// The last handle of a resolver drops them, wherever that is.
#[derive(Default)]
struct Handlers {
    schemes: Vec<(String, Contained<Arc<dyn SchemeHandler>>)>,
    byte_streams: Vec<(String, Contained<Arc<dyn ByteStreamHandler>>)>,
}

impl Inner {
    /// An operation whose canceller is the cookie that `begin` returns.
    #[track_caller]
    fn begin_end(
        &self,
        begin: impl FnOnce(Arc<dyn AsyncCallback>) -> Result<CancelCookie>,
        end: impl FnOnce(&AsyncResult) -> Result<ResolvedObject> + Send + 'static,
    ) -> Operation<ResolvedObject> {
        let parameters = CallbackParameters::on(QueueId::MULTITHREADED);
        let begin = |callback| begin(callback).begin_status(|| |_| ());
        Operation::begin(self.queues.tracker.handle(), parameters, false, begin, end)
    }

    fn scheme_handler(&self, url: &str) -> Result<Arc<dyn SchemeHandler>> {
        let wanted = scheme(url).unwrap_or_else(|| "file".to_owned());
        let handlers = self.handlers.locked();
        let handler = handlers.schemes.iter().rev().find(|(scheme, _)| *scheme == wanted);
        handler.map(|(_, handler)| Arc::clone(handler)).ok_or_else(|| {
            let what = format!("resolve {url}: no handler is registered for the scheme {wanted}; `register_scheme_handler` does that");
            Error::new(Hresult::MF_E_UNSUPPORTED_SCHEME, what)
        })
    }

    /// The handlers to ask, in order: by content type, by extension, and then all others if the flags allow that.
    fn candidates(
        &self,
        stream: &Arc<dyn ByteStream>,
        url: Option<&str>,
        flags: ResolutionFlags,
    ) -> Result<Vec<Arc<dyn ByteStreamHandler>>> {
        let content = stream.content_type();
        // The parameters of a MIME type follow a semicolon.
        let content = content.and_then(|kind| Some(kind.split(';').next()?.trim().to_ascii_lowercase()));
        let extension = url.and_then(extension);
        let handlers = self.handlers.locked();
        let any = flags.contains(ResolutionFlags::CONTENT_DOES_NOT_HAVE_TO_MATCH);
        let mut ranked: Vec<_> = handlers
            .byte_streams
            .iter()
            .rev()
            .filter_map(|(kind, handler)| {
                let rank = match Some(kind) {
                    kind if kind == content.as_ref() => 0,
                    kind if kind == extension.as_ref() => 1,
                    _ if any => 2,
                    _ => return None,
                };
                Some((rank, Arc::clone(handler)))
            })
            .collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        if ranked.is_empty() {
            return Err(unsupported(url));
        }
        Ok(ranked.into_iter().map(|(_, handler)| handler).collect())
    }
}

const RESOLVE_URL: &str = "the making of an object of a URL";
const RESOLVE_STREAM: &str = "the making of an object of a byte stream";
