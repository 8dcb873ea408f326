//! Promise: on any byte stream all of `tokio::io` works, a dropped poll loses nothing, a seek that was started happens
//! before whatever comes after it, and errors keep their HRESULT.

use std::io::{Cursor, ErrorKind, SeekFrom};
use std::sync::Arc;

use futures::{SinkExt, StreamExt, poll};
use mf_async::byte_stream::{
    AccessMode, ByteStreamFromIo, ByteStreamIo, FileFlags, MemoryByteStream, OpenMode,
};
use mf_async::{ByteStream, ByteStreamExt, Error, Hresult, Platform};
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, copy, copy_bidirectional, duplex, split,
};
use tokio_util::bytes::Bytes;
use tokio_util::codec::{Framed, LengthDelimitedCodec, LinesCodec};

fn noise(length: usize) -> Vec<u8> {
    (0..length as u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn code(error: std::io::Error) -> Hresult {
    Error::from(error).hresult()
}

async fn copies() {
    let platform = Platform::startup().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let bytes = noise(300_000);
    let memory = MemoryByteStream::new(&platform, bytes.clone());
    let file = platform
        .open_file(AccessMode::ReadWrite, OpenMode::FailIfExist, FileFlags::empty(), &path)
        .await
        .unwrap();
    let mut from = ByteStreamIo::new(&platform, memory).with_capacity(1000);
    let mut to = ByteStreamIo::new(&platform, file.clone());
    assert_eq!(copy(&mut from, &mut to).await.unwrap(), 300_000);
    to.shutdown().await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);

    to.rewind().await.unwrap();
    let mut back = Vec::new();
    to.read_to_end(&mut back).await.unwrap();
    assert!(back == bytes);
    drop(to);
    assert_eq!(file.length().unwrap(), Some(300_000), "dropping does not close");
    drop((from, file));
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn copies_on_one_thread() {
    copies().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_on_many_threads() {
    copies().await;
}

#[tokio::test]
async fn reading_writing_and_seeking_share_one_position() {
    let platform = Platform::startup().unwrap();
    let memory = MemoryByteStream::new(&platform, b"0123456789".to_vec());
    let mut io = ByteStreamIo::new(&platform, memory.clone());
    let mut two = [0; 2];
    io.read_exact(&mut two).await.unwrap();
    assert_eq!(io.stream_position().await.unwrap(), 2, "not where the reading ahead has got to");
    io.write_all(b"ab").await.unwrap();
    io.read_exact(&mut two).await.unwrap();
    assert_eq!(&two, b"45");
    assert_eq!(io.seek(SeekFrom::Current(-1)).await.unwrap(), 5);
    assert_eq!(io.seek(SeekFrom::End(-1)).await.unwrap(), 9);
    io.write_all(b"xyz").await.unwrap();
    assert_eq!(io.seek(SeekFrom::Start(12)).await.unwrap(), 12);
    assert_eq!(memory.to_vec(), b"01ab45678xyz");
    for beyond in
        [SeekFrom::Start(13), SeekFrom::End(1), SeekFrom::Current(i64::MIN), SeekFrom::End(i64::MIN)]
    {
        let error = io.seek(beyond).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(code(error), Hresult::E_INVALIDARG);
    }
    assert_eq!(io.read(&mut two).await.unwrap(), 0);
    assert_eq!(io.read(&mut []).await.unwrap(), 0);
    assert_eq!(io.write(&[]).await.unwrap(), 0);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn codecs_and_lines_work() {
    let platform = Platform::startup().unwrap();
    let memory = MemoryByteStream::new(&platform, Vec::new());
    let mut frames = Framed::new(ByteStreamIo::new(&platform, memory.clone()), LengthDelimitedCodec::new());
    for length in [0, 1, 70_000] {
        frames.send(Bytes::from(noise(length))).await.unwrap();
    }
    frames.get_mut().rewind().await.unwrap();
    for length in [0, 1, 70_000] {
        assert!(frames.next().await.unwrap().unwrap() == noise(length));
    }
    assert!(frames.next().await.is_none());

    memory.close().unwrap();
    let memory: Arc<dyn ByteStream> = Arc::new(MemoryByteStream::new(&platform, b"a\nb\r\nc".to_vec()));
    let io = ByteStreamIo::new(&platform, memory.clone()).with_capacity(0);
    let lines: Vec<_> = Framed::new(io, LinesCodec::new()).map(Result::unwrap).collect().await;
    assert_eq!(lines, ["a", "b", "c"]);
    memory.set_position(0).unwrap();
    let mut io = ByteStreamIo::new(&platform, memory);
    assert_eq!(io.fill_buf().await.unwrap(), b"a\nb\r\nc");
    io.consume(usize::MAX);
    assert_eq!(io.fill_buf().await.unwrap(), b"");
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_dropped_poll_loses_nothing() {
    let platform = Platform::startup().unwrap();
    let (ours, mut theirs) = duplex(64);
    let mut io = ByteStreamIo::new(&platform, ByteStreamFromIo::reader(&platform, ours));
    let mut four = [0; 4];
    for _ in 0..3 {
        let mut read = Box::pin(io.read(&mut four));
        assert!(poll!(&mut read).is_pending());
    }
    theirs.write_all(b"abcdef").await.unwrap();
    io.read_exact(&mut four).await.unwrap();
    assert_eq!(&four, b"abcd");
    theirs.write_all(b"gh").await.unwrap();
    io.read_exact(&mut four).await.unwrap();
    assert_eq!(&four, b"efgh");
    drop(theirs);
    assert_eq!(io.read(&mut four).await.unwrap(), 0);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_write_that_waits_took_nothing() {
    let platform = Platform::startup().unwrap();
    // The pipe takes four bytes: the first write fills it and waits with the rest.
    let (ours, mut theirs) = duplex(4);
    let mut io = ByteStreamIo::new(&platform, ByteStreamFromIo::writer(&platform, ours));
    assert_eq!(io.write(b"012345").await.unwrap(), 6);
    for _ in 0..3 {
        let mut write = Box::pin(io.write(b"lost"));
        assert!(poll!(&mut write).is_pending());
    }
    let mut ten = [0; 10];
    let (written, read) = tokio::join!(
        async {
            io.write_all(b"6789").await?;
            io.flush().await
        },
        theirs.read_exact(&mut ten)
    );
    written.unwrap();
    read.unwrap();
    assert_eq!(&ten, b"0123456789");
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn two_directions_do_not_wait_for_each_other() {
    let platform = Platform::startup().unwrap();
    let (client, server) = duplex(1024);
    let (read, write) = split(client);
    let reader = ByteStreamIo::new(&platform, ByteStreamFromIo::reader(&platform, read));
    let writer = ByteStreamIo::new(&platform, ByteStreamFromIo::writer(&platform, write));
    let mut client = tokio::io::join(reader, writer);
    let (mut left, mut right) = (server, duplex(1024));
    let relay = tokio::spawn(async move { copy_bidirectional(&mut left, &mut right.0).await });
    client.write_all(b"ping").await.unwrap();
    client.flush().await.unwrap();
    let mut four = [0; 4];
    right.1.read_exact(&mut four).await.unwrap();
    assert_eq!(&four, b"ping");
    right.1.write_all(b"pong").await.unwrap();
    client.read_exact(&mut four).await.unwrap();
    assert_eq!(&four, b"pong");
    relay.abort();
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_failed_write_is_told_by_the_flush() {
    let platform = Platform::startup().unwrap();
    let (ours, theirs) = duplex(4);
    drop(theirs);
    let mut io = ByteStreamIo::new(&platform, ByteStreamFromIo::writer(&platform, ours));
    assert_eq!(io.write(b"into the void").await.unwrap(), 13);
    assert!(io.flush().await.is_err());
    io.flush().await.unwrap();

    // What cannot even begin says so at once.
    let source = ByteStreamFromIo::reader(&platform, &b"abc"[..]);
    let mut io = ByteStreamIo::new(&platform, source);
    let error = io.write(b"no").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(code(error), Hresult::E_ACCESSDENIED);
    assert_eq!(code(io.seek(SeekFrom::End(0)).await.unwrap_err()), Hresult::MF_E_BYTESTREAM_UNKNOWN_LENGTH);
    let mut text = String::new();
    io.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "abc");
    platform.shutdown().await.unwrap();
    assert_eq!(code(io.read(&mut [0]).await.unwrap_err()), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(io.flush().await.unwrap_err()), Hresult::MF_E_SHUTDOWN);
}

#[tokio::test]
async fn a_stream_of_a_stream_of_a_stream() {
    let platform = Platform::startup().unwrap();
    let below = ByteStreamFromIo::seekable(&platform, Cursor::new(noise(10_000))).await.unwrap();
    let io = ByteStreamIo::new(&platform, below.clone());
    let above = ByteStreamFromIo::seekable(&platform, io).await.unwrap();
    assert_eq!(above.length().unwrap(), Some(10_000));
    above.set_position(9_000).unwrap();
    assert!(above.read_exact(vec![0; 500]).await.unwrap() == noise(10_000)[9_000..9_500]);
    above.set_position(10_000).unwrap();
    above.write_all(b"more".to_vec()).await.unwrap();
    assert_eq!(below.length().unwrap(), Some(10_004));
    above.set_position(9_999).unwrap();
    assert_eq!(above.read_exact(vec![0; 5]).await.unwrap()[1..], *b"more");
    drop((above, below));
    platform.shutdown().await.unwrap();
}

/// A stream of ten bytes that is reading ahead, so that a seek has to wait.
async fn reading_ahead(
    platform: &Platform,
) -> (ByteStreamIo<ByteStreamFromIo<Cursor<Vec<u8>>>>, ByteStreamFromIo<Cursor<Vec<u8>>>) {
    let below = ByteStreamFromIo::seekable(platform, Cursor::new(b"0123456789".to_vec())).await.unwrap();
    let mut io = ByteStreamIo::new(platform, below.clone()).with_capacity(4);
    assert!(poll!(Box::pin(io.read(&mut [0]))).is_pending());
    (io, below)
}

#[tokio::test]
async fn a_seek_that_is_dropped_happens_before_a_read() {
    let platform = Platform::startup().unwrap();
    let (mut io, _) = reading_ahead(&platform).await;
    assert!(poll!(Box::pin(io.seek(SeekFrom::Start(7)))).is_pending());
    let mut two = [0; 2];
    io.read_exact(&mut two).await.unwrap();
    assert_eq!(&two, b"78");
    assert_eq!(io.stream_position().await.unwrap(), 9);

    let (mut io, _) = reading_ahead(&platform).await;
    assert!(poll!(Box::pin(io.seek(SeekFrom::End(-2)))).is_pending());
    assert_eq!(io.fill_buf().await.unwrap(), b"89");

    let (mut io, _) = reading_ahead(&platform).await;
    assert!(poll!(Box::pin(io.seek(SeekFrom::Current(3)))).is_pending());
    assert_eq!(io.stream_position().await.unwrap(), 3, "a look at the position is no seek");
    io.read_exact(&mut two).await.unwrap();
    assert_eq!(&two, b"34");
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_seek_that_is_dropped_happens_before_a_write() {
    let platform = Platform::startup().unwrap();
    let (mut io, below) = reading_ahead(&platform).await;
    assert!(poll!(Box::pin(io.seek(SeekFrom::End(-1)))).is_pending());
    io.write_all(b"yz").await.unwrap();
    io.flush().await.unwrap();
    below.set_position(0).unwrap();
    assert_eq!(below.read(vec![0; 20]).await.unwrap(), b"012345678yz");
    assert_eq!(io.seek(SeekFrom::Start(3)).await.unwrap(), 3, "a later seek is not the earlier one");
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_dropped_seek_that_fails_is_told_by_what_comes_after_it() {
    let platform = Platform::startup().unwrap();
    let (mut io, _) = reading_ahead(&platform).await;
    assert!(poll!(Box::pin(io.seek(SeekFrom::Start(99)))).is_pending());
    let mut two = [0; 2];
    assert_eq!(code(io.read(&mut two).await.unwrap_err()), Hresult::E_INVALIDARG);
    io.read_exact(&mut two).await.unwrap();
    assert_eq!(&two, b"01", "once, and the position is where it was");
    platform.shutdown().await.unwrap();
}
