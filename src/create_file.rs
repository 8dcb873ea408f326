//! The constructors of byte streams: `MFCreateFile` with its asynchronous form, and those of streams that are not
//! files.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId, Unknown};
use crate::byte_stream::{
    AccessMode, ByteStreamExt, ByteStreamFromIo, ByteStreamIo, FileByteStream, FileFlags, MemoryByteStream,
    OpenMode, Request,
};
use crate::cancel::CancelCookie;
use crate::completion::{Call, Identity};
use crate::error::Result;
use crate::operation::{BeginStatus, Operation};
use crate::platform::Platform;
use crate::queue::Queues;

impl Platform {
    /// Opens or creates a file, on the calling thread: `MFCreateFile`.
    ///
    /// It may block; [`open_file`](Platform::open_file) does not.
    ///
    /// # Errors
    /// `ERROR_FILE_NOT_FOUND` and `ERROR_FILE_EXISTS` by the rules of [`OpenMode`]; `E_ACCESSDENIED` for
    /// a folder, and when the system denies access; `E_INVALIDARG` for `ResetIfExist` without write access, and for what
    /// is no regular file or hides its length, as pipes, devices and the files in `/proc` do;
    /// any other error of the system; `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFCreateFile")]
    pub fn create_file(
        &self,
        access: AccessMode,
        mode: OpenMode,
        flags: FileFlags,
        path: impl AsRef<Path>,
    ) -> Result<FileByteStream> {
        let _open = self.queues().token("create a file")?;
        FileByteStream::open(self.queues(), access, mode, flags, path.as_ref())
    }

    /// Begins to open or create a file: `MFBeginCreateFile`. The result that the callback receives has no
    /// object.
    ///
    /// [`CancelCookie::cancel`] cancels the creation. A file that was created meanwhile is closed, and stays.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down. Nothing was begun then. Everything else comes out of
    /// [`end_create_file`](Platform::end_create_file).
    #[doc(alias = "MFBeginCreateFile")]
    pub fn begin_create_file(
        &self,
        access: AccessMode,
        mode: OpenMode,
        flags: FileFlags,
        path: impl AsRef<Path>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<CancelCookie> {
        begin(self.queues(), access, mode, flags, path.as_ref(), callback, state)
    }

    /// Ends the creation of a file: `MFEndCreateFile`.
    ///
    /// # Errors
    /// As [`create_file`](Platform::create_file); `E_ABORT` when it was cancelled; `E_INVALIDARG` when
    /// the result is not from a file creation on this platform; `E_FAIL` when it was ended before.
    #[doc(alias = "MFEndCreateFile")]
    pub fn end_create_file(&self, result: &AsyncResult) -> Result<FileByteStream> {
        Call::end(&Identity::of(self.queues()), CREATE, result)
    }

    /// Opens or creates a file: [`begin_create_file`](Platform::begin_create_file) and its End as one operation.
    ///
    /// # Errors
    /// The operation's: as [`create_file`](Platform::create_file).
    ///
    /// # Cancel safety
    /// Dropping the operation cancels it, if it has not ended; a file that was created stays.
    #[track_caller]
    pub fn open_file(
        &self,
        access: AccessMode,
        mode: OpenMode,
        flags: FileFlags,
        path: impl AsRef<Path>,
    ) -> Operation<FileByteStream> {
        open_file(self.queues(), access, mode, flags, path.as_ref())
    }
}

/// [`Platform::open_file`] for callers that have only the queues.
#[track_caller]
pub(crate) fn open_file(
    queues: &Arc<Queues>,
    access: AccessMode,
    mode: OpenMode,
    flags: FileFlags,
    path: &Path,
) -> Operation<FileByteStream> {
    let of = Identity::of(queues);
    Operation::begin(
        queues.tracker.handle(),
        CallbackParameters::on(QueueId::MULTITHREADED),
        false,
        |callback| begin(queues, access, mode, flags, path, callback, None).begin_status(|| |_| ()),
        move |result: &AsyncResult| Call::end(&of, CREATE, result),
    )
}

fn begin(
    queues: &Arc<Queues>,
    access: AccessMode,
    mode: OpenMode,
    flags: FileFlags,
    path: &Path,
    callback: Arc<dyn AsyncCallback>,
    state: Option<Unknown>,
) -> Result<CancelCookie> {
    let (queues, path) = (queues.clone(), path.to_owned());
    let request = Request::new(&queues, Identity::of(&queues), CREATE, callback, state)?;
    request.run_blocking(move || FileByteStream::open(&queues, access, mode, flags, &path))?;
    Ok(CancelCookie::of(&request))
}

impl MemoryByteStream {
    /// A stream of these bytes, at its start.
    #[must_use]
    pub fn new(platform: &Platform, bytes: Vec<u8>) -> MemoryByteStream {
        MemoryByteStream::with_queues(platform.queues(), bytes)
    }
}

impl<T: AsyncRead + Send + 'static> ByteStreamFromIo<T> {
    /// A stream that can be read from its start to its end.
    pub fn reader(platform: &Platform, io: T) -> ByteStreamFromIo<T> {
        ByteStreamFromIo::reader_on(platform.queues(), io)
    }
}

impl<T: AsyncWrite + Send + 'static> ByteStreamFromIo<T> {
    /// A stream that can be written, without an end.
    pub fn writer(platform: &Platform, io: T) -> ByteStreamFromIo<T> {
        ByteStreamFromIo::writer_on(platform.queues(), io)
    }
}

impl<T: AsyncRead + AsyncWrite + Send + 'static> ByteStreamFromIo<T> {
    /// A stream that can be read and written, but cannot seek. Reads and writes wait for each other; for two
    /// independent directions, split the object and make a reader and a writer.
    pub fn duplex(platform: &Platform, io: T) -> ByteStreamFromIo<T> {
        ByteStreamFromIo::duplex_on(platform.queues(), io)
    }
}

impl<T: AsyncRead + AsyncSeek + Send + 'static> ByteStreamFromIo<T> {
    /// A stream that can be read and can seek. Its length is found first, by a seek to the end.
    ///
    /// # Errors
    /// That of the seek.
    ///
    /// # Cancel safety
    /// Dropping the future drops `io`.
    pub async fn seekable_reader(platform: &Platform, io: T) -> Result<ByteStreamFromIo<T>> {
        ByteStreamFromIo::seekable_reader_on(platform.queues(), io).await
    }
}

impl<T: AsyncRead + AsyncWrite + AsyncSeek + Send + 'static> ByteStreamFromIo<T> {
    /// A stream that can be read and written and can seek. Its length is found first, by a seek to the
    /// end.
    ///
    /// # Errors
    /// That of the seek.
    ///
    /// # Cancel safety
    /// Dropping the future drops `io`.
    pub async fn seekable(platform: &Platform, io: T) -> Result<ByteStreamFromIo<T>> {
        ByteStreamFromIo::seekable_on(platform.queues(), io).await
    }
}

impl<S: ByteStreamExt> ByteStreamIo<S> {
    /// The stream as `tokio::io`, from its current position on.
    pub fn new(platform: &Platform, stream: S) -> ByteStreamIo<S> {
        ByteStreamIo::with_queues(platform.queues(), stream)
    }
}

const CREATE: &str = "the creation of a file";
