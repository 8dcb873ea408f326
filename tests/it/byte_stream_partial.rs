//! Promise: a stream that takes or gives less than it was asked for loses nothing: what reads or writes all goes on
//! with the rest, and a stream that takes nothing more is an error, not a hang.

use std::sync::{Arc, Mutex};

use mf_async::byte_stream::{
    ByteStreamCapabilities, ByteStreamFromIo, ByteStreamIo, MemoryByteStream, SeekFlags, SeekOrigin,
};
use mf_async::{
    AsyncCallback, AsyncResult, ByteStream, ByteStreamExt, Error, Hresult, Platform, Result, Unknown,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// Bytes in memory, of which it takes and gives at most so many at a time, and so many in all.
#[derive(Clone)]
struct Stingy {
    memory: MemoryByteStream,
    most: usize,
    left: Arc<Mutex<usize>>,
    /// What a write has not taken.
    rest: Arc<Mutex<Vec<u8>>>,
}

impl Stingy {
    fn new(platform: &Platform, most: usize, in_all: usize) -> Stingy {
        Stingy {
            memory: MemoryByteStream::new(platform, Vec::new()),
            most,
            left: Arc::new(Mutex::new(in_all)),
            rest: Arc::default(),
        }
    }
}

impl ByteStream for Stingy {
    fn capabilities(&self) -> ByteStreamCapabilities {
        self.memory.capabilities()
    }

    fn length(&self) -> Result<Option<u64>> {
        self.memory.length()
    }

    fn set_length(&self, length: u64) -> Result<()> {
        self.memory.set_length(length)
    }

    fn position(&self) -> Result<u64> {
        self.memory.position()
    }

    fn set_position(&self, position: u64) -> Result<()> {
        self.memory.set_position(position)
    }

    fn is_end_of_stream(&self) -> Result<bool> {
        self.memory.is_end_of_stream()
    }

    fn begin_read(
        &self,
        mut buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        buffer.truncate(self.most);
        self.memory.begin_read(buffer, callback, state)
    }

    fn end_read(&self, result: &AsyncResult) -> Result<Vec<u8>> {
        self.memory.end_read(result)
    }

    fn begin_write(
        &self,
        mut buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        let mut left = self.left.lock().unwrap();
        let count = buffer.len().min(self.most).min(*left);
        *left -= count;
        *self.rest.lock().unwrap() = buffer.split_off(count);
        self.memory.begin_write(buffer, callback, state)
    }

    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        let (count, mut buffer) = self.memory.end_write(result)?;
        buffer.append(&mut self.rest.lock().unwrap());
        Ok((count, buffer))
    }

    fn seek(&self, origin: SeekOrigin, offset: i64, flags: SeekFlags) -> Result<u64> {
        self.memory.seek(origin, offset, flags)
    }

    fn flush(&self) -> Result<()> {
        self.memory.flush()
    }

    fn close(&self) -> Result<()> {
        self.memory.close()
    }
}

fn bytes() -> Vec<u8> {
    (0..100).collect()
}

#[tokio::test]
async fn what_is_written_in_pieces_is_all_there_and_read_in_pieces() {
    let platform = Platform::startup().unwrap();
    let stingy = Stingy::new(&platform, 7, 1000);
    assert_eq!(stingy.write(bytes()).await.unwrap(), (7, bytes()));
    stingy.set_position(0).unwrap();
    assert_eq!(stingy.write_all(bytes()).await.unwrap(), bytes());
    assert_eq!(stingy.memory.to_vec(), bytes());
    stingy.set_position(0).unwrap();
    assert_eq!(stingy.read(vec![0; 100]).await.unwrap(), bytes()[..7]);
    stingy.set_position(0).unwrap();
    assert_eq!(stingy.read_exact(vec![0; 100]).await.unwrap(), bytes());
    let error = stingy.read_exact(vec![0; 1]).await.unwrap_err();
    assert_eq!(error.hresult(), Hresult::ERROR_HANDLE_EOF);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn so_it_is_through_tokio() {
    let platform = Platform::startup().unwrap();
    let mut io = ByteStreamIo::new(&platform, Stingy::new(&platform, 7, 1000));
    io.write_all(&bytes()).await.unwrap();
    io.flush().await.unwrap();
    assert_eq!(io.get_ref().memory.to_vec(), bytes());
    io.rewind().await.unwrap();
    let mut read = Vec::new();
    io.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, bytes());
    assert_eq!(io.into_inner().memory.to_vec(), bytes());
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_takes_nothing_more_is_an_error() {
    let platform = Platform::startup().unwrap();
    let stingy = Stingy::new(&platform, 7, 10);
    let error = stingy.write_all(bytes()).await.unwrap_err();
    assert_eq!(error.hresult(), Hresult::E_FAIL);
    assert!(error.what().contains("10"), "{error}");
    assert_eq!(stingy.memory.to_vec(), bytes()[..10]);
    let mut io = ByteStreamIo::new(&platform, Stingy::new(&platform, 7, 10));
    let error = async {
        io.write_all(&bytes()).await?;
        io.flush().await
    }
    .await
    .unwrap_err();
    assert_eq!(Error::from(error).hresult(), Hresult::E_FAIL);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_does_not_block_says_so() {
    let platform = Platform::startup().unwrap();
    let stingy = Stingy::new(&platform, 7, 10);
    for error in [stingy.blocking_read(&mut [0; 4]).unwrap_err(), stingy.blocking_write(&[0; 4]).unwrap_err()]
    {
        assert_eq!(error.hresult(), Hresult::E_NOTIMPL);
        assert!(error.what().contains("4 bytes"), "{error}");
    }
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_reader_that_can_seek_is_a_stream_that_can() {
    let platform = Platform::startup().unwrap();
    let cursor = std::io::Cursor::new(bytes());
    let stream = ByteStreamFromIo::seekable_reader(&platform, cursor).await.unwrap();
    assert_eq!(stream.length().unwrap(), Some(100));
    assert_eq!(stream.seek(SeekOrigin::Begin, 90, SeekFlags::empty()).unwrap(), 90);
    assert_eq!(stream.read(vec![0; 100]).await.unwrap(), bytes()[90..]);
    let error = stream.write(vec![1]).await.unwrap_err();
    assert_eq!(error.hresult(), Hresult::E_ACCESSDENIED);
    platform.shutdown().await.unwrap();
}
