//! `Device`: a `tokio::io` object below a byte stream, with the abilities in use and its own position.

use std::future::poll_fn;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use crate::contain::Contained;
use crate::error::{Error, Result};

/// A `tokio::io` object, with the abilities that the stream was made with.
pub(crate) struct Device<T> {
    /// Its drop is user code, and is anywhere: by a close, by the last handle of the stream, by a task that is dropped.
    io: Contained<Pin<Box<T>>>,
    read: Option<PollRead<T>>,
    write: Option<(PollWrite<T>, PollFlush<T>)>,
    seek: Option<(StartSeek<T>, PollSeek<T>)>,
    /// The object's own position; `None` when it is uncertain.
    at: Option<u64>,
    /// What an object that does not seek has given to a read that was cancelled.
    unread: Vec<u8>,
}

type PollRead<T> = fn(Pin<&mut T>, &mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<()>>;
type PollWrite<T> = fn(Pin<&mut T>, &mut Context<'_>, &[u8]) -> Poll<io::Result<usize>>;
type PollFlush<T> = fn(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<()>>;
type StartSeek<T> = fn(Pin<&mut T>, SeekFrom) -> io::Result<()>;
type PollSeek<T> = fn(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<u64>>;

impl<T> Device<T> {
    pub(crate) fn new(io: T) -> Device<T> {
        let io = Contained::new(Box::pin(io));
        Device { io, read: None, write: None, seek: None, at: None, unread: Vec::new() }
    }

    pub(crate) fn reading(self) -> Device<T>
    where
        T: AsyncRead,
    {
        Device { read: Some(T::poll_read), ..self }
    }

    pub(crate) fn writing(self) -> Device<T>
    where
        T: AsyncWrite,
    {
        Device { write: Some((T::poll_write, T::poll_flush)), ..self }
    }

    pub(crate) fn seeking(self) -> Device<T>
    where
        T: AsyncSeek,
    {
        Device { seek: Some((T::start_seek, T::poll_complete)), ..self }
    }

    pub(crate) async fn measure(&mut self) -> Result<u64> {
        self.seek(SeekFrom::End(0))
            .await
            .map_err(|error| Error::io("find the end of a tokio::io object", error))
    }

    /// With a range, reads all of it unless the object ends before; without one, what a single read returns.
    pub(crate) async fn read(&mut self, buffer: &mut [u8], range: Option<ByteRange>) -> io::Result<usize> {
        let Some(read) = self.read else { return Err(io::ErrorKind::Unsupported.into()) };
        let wanted = match range {
            Some(range) => usize::try_from(range.count).map_or(buffer.len(), |count| count.min(buffer.len())),
            None => buffer.len(),
        };
        let mut buffer = ReadBuf::new(buffer.get_mut(..wanted).unwrap_or_default());
        if wanted == 0 {
            return Ok(0);
        }
        if range.is_none() && !self.unread.is_empty() {
            let count = self.unread.len().min(wanted);
            buffer.put_slice(&self.unread[..count]);
            self.unread.drain(..count);
            return Ok(count);
        }
        self.go_to(range).await?;
        let at = self.at.take();
        loop {
            let before = buffer.filled().len();
            poll_fn(|cx| read(self.io.as_mut(), cx, &mut buffer)).await?;
            let count = buffer.filled().len();
            if range.is_none() || count == wanted || count == before {
                self.at = at.map(|at| at.saturating_add(count as u64));
                return Ok(count);
            }
        }
    }

    /// The next read gets these bytes.
    pub(crate) fn give_back(&mut self, mut bytes: Vec<u8>) {
        bytes.append(&mut self.unread);
        self.unread = bytes;
    }

    /// Writes all bytes, and flushes.
    pub(crate) async fn write_all(&mut self, mut buffer: &[u8], range: Option<ByteRange>) -> io::Result<()> {
        let Some((write, flush)) = self.write else { return Err(io::ErrorKind::Unsupported.into()) };
        if buffer.is_empty() {
            return Ok(());
        }
        self.go_to(range).await?;
        let end = self.at.take().map(|at| at.saturating_add(buffer.len() as u64));
        while !buffer.is_empty() {
            let count = poll_fn(|cx| write(self.io.as_mut(), cx, buffer)).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            buffer = buffer.get(count..).unwrap_or_default();
        }
        poll_fn(|cx| flush(self.io.as_mut(), cx)).await?;
        self.at = end;
        Ok(())
    }

    /// Seeks to the start of a request's range, unless the object is there. If interrupted, the position is uncertain.
    async fn go_to(&mut self, range: Option<ByteRange>) -> io::Result<()> {
        if let Some(range) = range.filter(|range| self.at != Some(range.offset)) {
            self.seek(SeekFrom::Start(range.offset)).await?;
        }
        Ok(())
    }

    async fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let Some((start, complete)) = self.seek else { return Err(io::ErrorKind::Unsupported.into()) };
        self.at = None;
        // A seek that was interrupted may still be under way.
        poll_fn(|cx| complete(self.io.as_mut(), cx)).await?;
        start(self.io.as_mut(), to)?;
        let at = poll_fn(|cx| complete(self.io.as_mut(), cx)).await?;
        self.at = Some(at);
        Ok(at)
    }
}

/// The bytes of a request on a stream that seeks.
#[derive(Clone, Copy)]
pub(crate) struct ByteRange {
    pub(crate) offset: u64,
    pub(crate) count: u64,
}
