//! A `tokio::io` object that gives little and late: its polls are pending and short as its seed says.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

pub(super) struct Device {
    /// Others may add to it, and cut it.
    pub(super) bytes: Arc<Mutex<Vec<u8>>>,
    at: usize,
    seeking: Option<SeekFrom>,
    seed: u64,
}

impl Device {
    pub(super) fn new(bytes: Vec<u8>, seed: u64) -> Device {
        Device { bytes: Arc::new(Mutex::new(bytes)), at: 0, seeking: None, seed: seed | 1 }
    }

    fn random(&mut self, below: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 20) as usize % below.max(1)
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let late = self.random(3) == 0;
        if late {
            cx.waker().wake_by_ref();
        }
        late
    }

    /// As `tokio::fs::File` has it.
    fn is_seeking(&self) -> io::Result<()> {
        match self.seeking {
            Some(_) => Err(io::Error::other("a seek is under way: complete it first")),
            None => Ok(()),
        }
    }
}

impl AsyncRead for Device {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_seeking()?;
        if self.is_late(cx) {
            return Poll::Pending;
        }
        let shared = self.bytes.clone();
        let bytes = shared.lock().unwrap();
        let left = bytes.get(self.at..).unwrap_or_default();
        let most = left.len().min(buffer.remaining());
        let count = if most == 0 { 0 } else { 1 + self.random(most) };
        buffer.put_slice(&left[..count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Device {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.is_seeking()?;
        if self.is_late(cx) {
            return Poll::Pending;
        }
        let count = if buffer.is_empty() { 0 } else { 1 + self.random(buffer.len()) };
        let (at, shared) = (self.at, self.bytes.clone());
        let mut bytes = shared.lock().unwrap();
        let end = bytes.len().max(at + count);
        bytes.resize(end, 0);
        bytes[at..at + count].copy_from_slice(&buffer[..count]);
        self.at += count;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_late(cx) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for Device {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.is_seeking()?;
        self.seeking = Some(to);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if self.is_late(cx) {
            return Poll::Pending;
        }
        if let Some(to) = self.seeking.take() {
            let length = self.bytes.lock().unwrap().len();
            let to = match to {
                SeekFrom::Start(at) => Some(at),
                SeekFrom::Current(offset) => (self.at as u64).checked_add_signed(offset),
                SeekFrom::End(offset) => (length as u64).checked_add_signed(offset),
            };
            self.at = to.ok_or(io::ErrorKind::InvalidInput)? as usize;
        }
        Poll::Ready(Ok(self.at as u64))
    }
}
