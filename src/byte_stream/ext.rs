//! `ByteStreamExt`: the Begin/End pairs of a byte stream as futures.

use std::future::Future;
use std::sync::Arc;

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId};
use crate::byte_stream::ByteStream;
use crate::error::{Error, Hresult, Result};
use crate::operation::{Begin, BeginStatus, Operation};
use crate::tracker::TrackerHandle;

/// The Begin/End pairs of a byte stream as futures. Every byte stream that can be cloned has them, and an [`Arc`] of
/// any byte stream can be cloned.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use mf_async::byte_stream::MemoryByteStream;
/// use mf_async::{ByteStream, ByteStreamExt, Platform};
///
/// let platform = Platform::startup()?;
/// let stream = MemoryByteStream::new(&platform, b"moov".to_vec());
/// assert_eq!(stream.read(vec![0; 100]).await?, b"moov");
/// assert!(stream.read(vec![0; 100]).await?.is_empty());
///
/// stream.write_all(b"mdat".to_vec()).await?;
/// assert_eq!(stream.length()?, Some(8));
/// platform.shutdown().await
/// # }
/// ```
pub trait ByteStreamExt: ByteStream + Clone + 'static {
    /// Reads up to `buffer.len()` bytes at the position. The buffer comes back cut to what was read; it is empty at the
    /// end of the stream.
    ///
    /// # Errors
    /// Those of [`begin_read`](ByteStream::begin_read) and [`end_read`](ByteStream::end_read).
    ///
    /// # Cancel safety
    /// Dropping the operation cancels the read, and so do [`cancel`](Operation::cancel), [`timeout`](Operation::timeout)
    /// and [`cancel_on`](Operation::cancel_on): it takes no bytes from the next one, as
    /// [`begin_cancellable_read`](ByteStream::begin_cancellable_read) says. A read that has ended has taken its bytes, and
    /// those are lost with the operation. On a stream that does not implement that method, the read goes on: the position
    /// has moved, and the bytes are lost.
    #[track_caller]
    fn read(&self, buffer: Vec<u8>) -> Operation<Vec<u8>> {
        let stream = self.clone();
        begin_end(
            self.tracker(),
            |callback| match self.begin_cancellable_read(buffer, callback, None)? {
                Some(cookie) => Ok(cookie).begin_status(|| |_| ()),
                None => Ok(Begin::with_code(Hresult::S_OK)),
            },
            move |result| stream.end_read(result),
        )
    }

    /// Reads until the buffer is full.
    ///
    /// # Errors
    /// `ERROR_HANDLE_EOF` when the stream ends before; otherwise as [`read`](ByteStreamExt::read).
    ///
    /// # Cancel safety
    /// Not cancel safe: what was read before is lost with the future.
    fn read_exact(&self, buffer: Vec<u8>) -> impl Future<Output = Result<Vec<u8>>> + Send {
        let stream = self.clone();
        async move {
            let wanted = buffer.len();
            let mut read = stream.read(buffer).await?;
            while read.len() < wanted {
                let more = stream.read(vec![0; wanted - read.len()]).await?;
                if more.is_empty() {
                    let what = format!("read {wanted} bytes: the stream ended after {}", read.len());
                    return Err(Error::new(Hresult::ERROR_HANDLE_EOF, what));
                }
                read.extend_from_slice(&more);
            }
            Ok(read)
        }
    }

    /// Writes at the position. The value is the number of bytes written, and the buffer as it was given.
    ///
    /// # Errors
    /// Those of [`begin_write`](ByteStream::begin_write) and [`end_write`](ByteStream::end_write).
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropped, the write goes on, and its outcome is lost.
    #[track_caller]
    fn write(&self, buffer: Vec<u8>) -> Operation<(usize, Vec<u8>)> {
        let stream = self.clone();
        begin_end(
            self.tracker(),
            |callback| self.begin_write(buffer, callback, None).map(|()| Begin::with_code(Hresult::S_OK)),
            move |result| stream.end_write(result),
        )
    }

    /// Writes until all of the buffer is written, and returns the buffer.
    ///
    /// # Errors
    /// `E_FAIL` when the stream takes nothing more; otherwise as [`write`](ByteStreamExt::write).
    ///
    /// # Cancel safety
    /// Not cancel safe: how much was written is lost with the future.
    fn write_all(&self, buffer: Vec<u8>) -> impl Future<Output = Result<Vec<u8>>> + Send {
        let stream = self.clone();
        async move {
            let (mut written, buffer) = stream.write(buffer).await?;
            while let Some(rest) = buffer.get(written..).filter(|rest| !rest.is_empty()) {
                let (count, _) = stream.write(rest.to_vec()).await?;
                if count == 0 {
                    let what = format!("write {} bytes: only {written} were taken", buffer.len());
                    return Err(Error::new(Hresult::E_FAIL, what));
                }
                written += count;
            }
            Ok(buffer)
        }
    }
}

impl<S: ByteStream + Clone + 'static> ByteStreamExt for S {}

/// An operation on a stream. For a user's own stream, whose platform is not known here, a queue is named, because no
/// shutdown could release a result in hand.
#[track_caller]
fn begin_end<T: Send + 'static>(
    tracker: Option<&TrackerHandle>,
    begin: impl FnOnce(Arc<dyn AsyncCallback>) -> Result<Begin>,
    end: impl FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
) -> Operation<T> {
    let parameters = CallbackParameters::on(QueueId::MULTITHREADED);
    Operation::begin(tracker, parameters, tracker.is_none(), begin, end)
}
