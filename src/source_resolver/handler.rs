//! The handlers of a resolver: the traits for schemes and for content, and the built-in handler for files.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::async_result::Unknown;
use crate::byte_stream::{AccessMode, ByteStream, FileFlags, OpenMode};
use crate::create_file::open_file;
use crate::error::Result;
use crate::queue::Queues;
use crate::source_resolver::url::file_path;
use crate::source_resolver::{ResolutionFlags, ResolvedObject};

/// Makes an object of a URL of some scheme: `IMFSchemeHandler`, its Begin and End as one future.
///
/// The future is polled by items of the IO queue, so it should not block. If the request is cancelled, the future is
/// dropped.
#[doc(alias = "IMFSchemeHandler")]
pub trait SchemeHandler: Send + Sync {
    /// Makes a byte stream, or a media source if the flags ask for one and the handler makes it itself.
    ///
    /// # Errors
    /// The future's own.
    #[doc(alias = "BeginCreateObject")]
    #[doc(alias = "EndCreateObject")]
    fn create_object(
        &self,
        url: String,
        flags: ResolutionFlags,
        properties: Option<Unknown>,
    ) -> BoxFuture<'static, Result<ResolvedObject>>;
}

/// Makes a media source of a byte stream: `IMFByteStreamHandler`, its Begin and End as one future.
///
/// The future is polled by items of the IO queue, so it should not block. If the request is cancelled, the future is
/// dropped.
#[doc(alias = "IMFByteStreamHandler")]
pub trait ByteStreamHandler: Send + Sync {
    /// Makes a media source of the stream, from its current position on.
    ///
    /// A close of the stream counts when the future succeeds. When it fails or is dropped, the stream that it was given is
    /// closed, and the next handler is asked with the stream as it was.
    ///
    /// # Errors
    /// The future's: `MF_E_UNSUPPORTED_BYTESTREAM_TYPE` when the stream has other content. Of the others the first is the
    /// resolution's, if no handler succeeds.
    #[doc(alias = "BeginCreateObject")]
    #[doc(alias = "EndCreateObject")]
    fn create_object(
        &self,
        stream: Arc<dyn ByteStream>,
        url: Option<String>,
        flags: ResolutionFlags,
        properties: Option<Unknown>,
    ) -> BoxFuture<'static, Result<Unknown>>;
}

/// Opens `file:` URLs and plain file names.
pub(crate) struct FileHandler {
    queues: Arc<Queues>,
}

impl FileHandler {
    pub(crate) fn new(queues: Arc<Queues>) -> FileHandler {
        FileHandler { queues }
    }
}

impl SchemeHandler for FileHandler {
    fn create_object(
        &self,
        url: String,
        flags: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<ResolvedObject>> {
        let queues = self.queues.clone();
        Box::pin(async move {
            let path = file_path(&url)?;
            let read = flags.contains(ResolutionFlags::READ);
            let access = match flags.contains(ResolutionFlags::WRITE) {
                false => AccessMode::Read,
                true if read => AccessMode::ReadWrite,
                true => AccessMode::Write,
            };
            let mode = OpenMode::FailIfNotExist;
            let file = open_file(&queues, access, mode, FileFlags::empty(), &path).await?;
            Ok(ResolvedObject::ByteStream(Arc::new(file)))
        })
    }
}
