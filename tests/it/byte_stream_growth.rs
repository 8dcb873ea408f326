//! Promise: a stream over an object that grows or shrinks under it notices at its end: the bytes that were added are
//! read, and the position never counts bytes that are not there.

use std::fs::{File, OpenOptions};
use std::io::{Cursor, Write};

use mf_async::byte_stream::{
    AccessMode, ByteStreamCapabilities, ByteStreamFromIo, ByteStreamIo, FileFlags, OpenMode,
};
use mf_async::{ByteStream, ByteStreamExt, Hresult, Platform};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

struct Growing {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl Growing {
    fn new(bytes: &[u8]) -> Growing {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        Growing { _folder: folder, path }
    }

    fn grow(&self, bytes: &[u8]) {
        OpenOptions::new().append(true).open(&self.path).unwrap().write_all(bytes).unwrap();
    }

    fn cut(&self, length: u64) {
        OpenOptions::new().write(true).open(&self.path).unwrap().set_len(length).unwrap();
    }

    async fn reader(&self, platform: &Platform) -> ByteStreamFromIo<tokio::fs::File> {
        let file = tokio::fs::File::from_std(File::open(&self.path).unwrap());
        ByteStreamFromIo::seekable_reader(platform, file).await.unwrap()
    }
}

#[tokio::test]
async fn what_was_added_is_read_at_the_end() {
    let platform = Platform::startup().unwrap();
    let growing = Growing::new(b"0123");
    let stream = growing.reader(&platform).await;
    assert_eq!(stream.read(vec![0; 3]).await.unwrap(), b"012");
    growing.grow(b"456789");
    // The range is fixed at Begin, by the length that is known then.
    assert_eq!(stream.read(vec![0; 4]).await.unwrap(), b"3");
    assert_eq!(stream.read(vec![0; 4]).await.unwrap(), b"4567");
    assert_eq!((stream.position().unwrap(), stream.length().unwrap()), (8, Some(10)));
    stream.set_position(9).unwrap();
    assert_eq!(stream.read(vec![0; 4]).await.unwrap(), b"9");
    assert!(stream.is_end_of_stream().unwrap());
    assert_eq!(stream.read(vec![0; 4]).await.unwrap(), b"");
    assert_eq!(stream.position().unwrap(), 10);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_was_cut_off_is_not_counted() {
    let platform = Platform::startup().unwrap();
    let growing = Growing::new(b"0123456789");
    let stream = growing.reader(&platform).await;
    growing.cut(5);
    assert_eq!(stream.read(vec![0; 8]).await.unwrap(), b"01234");
    assert_eq!((stream.position().unwrap(), stream.length().unwrap()), (5, Some(5)));
    assert!(stream.is_end_of_stream().unwrap());
    assert_eq!(stream.set_position(6).unwrap_err().hresult(), Hresult::E_INVALIDARG);
    growing.grow(b"abc");
    assert_eq!(stream.read(vec![0; 8]).await.unwrap(), b"abc");
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_position_that_was_set_meanwhile_stays() {
    let platform = Platform::startup().unwrap();
    let growing = Growing::new(b"0123");
    let stream = growing.reader(&platform).await;
    stream.set_position(4).unwrap();
    let at_the_end = stream.read(vec![0; 4]);
    stream.set_position(4).unwrap();
    growing.grow(b"4567");
    assert_eq!(at_the_end.await.unwrap(), b"");
    assert_eq!((stream.position().unwrap(), stream.length().unwrap()), (4, Some(8)));
    // Of two reads at the end, the later one has the position.
    stream.set_position(8).unwrap();
    let (first, second) = (stream.read(vec![0; 2]), stream.read(vec![0; 2]));
    growing.grow(b"89");
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (b"".to_vec(), b"89".to_vec()));
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_follower_through_tokio_sees_what_comes() {
    let platform = Platform::startup().unwrap();
    let growing = Growing::new(b"");
    let stream = growing.reader(&platform).await;
    let mut io = ByteStreamIo::new(&platform, stream);
    let mut read = Vec::new();
    for part in ["one", "two", "three"] {
        growing.grow(part.as_bytes());
        io.read_to_end(&mut read).await.unwrap();
    }
    assert_eq!(read, b"onetwothree");
    assert_eq!(io.seek(std::io::SeekFrom::End(-5)).await.unwrap(), 6);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_written_past_the_end_is_measured_as_well() {
    let platform = Platform::startup().unwrap();
    let stream = ByteStreamFromIo::seekable(&platform, Cursor::new(Vec::new())).await.unwrap();
    stream.write_all(b"0123".to_vec()).await.unwrap();
    assert_eq!((stream.position().unwrap(), stream.length().unwrap()), (4, Some(4)));
    assert_eq!(stream.read(vec![0; 4]).await.unwrap(), b"");
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_file_grows_and_shrinks_under_its_stream() {
    let platform = Platform::startup().unwrap();
    let growing = Growing::new(b"0123");
    let sharing = FileFlags::ALLOW_WRITE_SHARING;
    let file =
        platform.create_file(AccessMode::Read, OpenMode::FailIfNotExist, sharing, &growing.path).unwrap();
    assert!(file.capabilities().contains(ByteStreamCapabilities::SHARE_WRITE));
    assert_eq!(file.read(vec![0; 9]).await.unwrap(), b"0123");
    growing.grow(b"4567");
    assert_eq!(file.read(vec![0; 9]).await.unwrap(), b"4567");
    growing.cut(2);
    assert_eq!(file.read(vec![0; 9]).await.unwrap(), b"");
    assert_eq!((file.position().unwrap(), file.length().unwrap()), (8, Some(2)));
    platform.shutdown().await.unwrap();
}
