//! The byte-stream adapters: on whatever reads, writes and seeks, tokio's view of a stream is that of a plain
//! cursor over the same bytes, and what is refused is refused with the right code and changes nothing.

#![no_main]

mod threads;

use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mf_async::byte_stream::{ByteStreamFromIo, ByteStreamIo, MemoryByteStream, SeekFlags, SeekOrigin};
use mf_async::{ByteStreamExt, Error, Hresult, Platform};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::runtime::Builder;

#[derive(Arbitrary, Debug)]
struct Input {
    bytes: Vec<u8>,
    /// How much is read ahead.
    capacity: u8,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Read(u8),
    Write(Vec<u8>),
    FillAndConsume(u8),
    FromStart(u16),
    FromHere(i16),
    FromEnd(i16),
    Flush,
    /// Polled once, and dropped.
    DropRead(u8),
    /// Not through tokio: right on the stream.
    Direct(bool, i64),
}

fuzz_target!(|input: Input| threads::settled(|| play_both(&input)));

fn play_both(input: &Input) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let platform = Platform::startup().expect("a platform");
        let memory = MemoryByteStream::new(&platform, input.bytes.clone());
        play(&platform, memory.clone(), input).await;
        let over =
            ByteStreamFromIo::seekable(&platform, Cursor::new(input.bytes.clone())).await.expect("a cursor");
        play(&platform, over, input).await;
        platform.shutdown().await.expect("nothing is outstanding");
    });
}

async fn play<S: ByteStreamExt + std::fmt::Debug>(platform: &Platform, stream: S, input: &Input) {
    let mut model = Cursor::new(input.bytes.clone());
    let mut io = ByteStreamIo::new(platform, stream).with_capacity(input.capacity.into());
    for step in &input.steps {
        match step {
            Step::Read(count) => {
                let (mut ours, mut theirs) = (vec![0; (*count).into()], vec![0; (*count).into()]);
                let mut read = 0;
                // As many as there are; one read may give less.
                while read < ours.len() {
                    match io.read(&mut ours[read..]).await.expect("a read") {
                        0 => break,
                        more => read += more,
                    }
                }
                let there = Read::read(&mut model, &mut theirs).expect("a cursor reads");
                assert_eq!((read, ours), (there, theirs), "{step:?}");
            }
            Step::Write(bytes) => {
                io.write_all(bytes).await.expect("a write");
                Write::write_all(&mut model, bytes).expect("a cursor writes");
            }
            Step::FillAndConsume(most) => {
                let filled = io.fill_buf().await.expect("a look");
                let count = filled.len().min((*most).into());
                let ours = filled[..count].to_vec();
                let at_end = filled.is_empty();
                io.consume(count);
                let mut theirs = vec![0; count];
                Read::read_exact(&mut model, &mut theirs).expect("the same bytes");
                assert_eq!(ours, theirs);
                assert!(!at_end || model.position() == model.get_ref().len() as u64);
            }
            Step::FromStart(at) => seek(&mut io, &mut model, SeekFrom::Start((*at).into())).await,
            Step::FromHere(by) => seek(&mut io, &mut model, SeekFrom::Current((*by).into())).await,
            Step::FromEnd(by) => seek(&mut io, &mut model, SeekFrom::End((*by).into())).await,
            Step::Flush => io.flush().await.expect("a flush"),
            Step::DropRead(count) => {
                let mut buffer = vec![0; (*count).into()];
                let read = {
                    let mut reading = Box::pin(io.read(&mut buffer));
                    futures::poll!(&mut reading)
                };
                // What it has read is read; what it has not is still there.
                if let std::task::Poll::Ready(read) = read {
                    let read = read.expect("a read");
                    let mut theirs = vec![0; read];
                    Read::read_exact(&mut model, &mut theirs).expect("the same bytes");
                    assert_eq!(buffer[..read], theirs);
                }
            }
            Step::Direct(from_start, offset) => {
                // Any number is answered, and one that is refused moves nothing.
                io.flush().await.expect("a flush");
                let stream = io.get_ref();
                let before = stream.position().expect("it is open");
                let origin = if *from_start { SeekOrigin::Begin } else { SeekOrigin::Current };
                let from = if *from_start { 0 } else { before };
                let target = from.checked_add_signed(*offset);
                let length = stream.length().expect("it is open").expect("it is known");
                match stream.seek(origin, *offset, SeekFlags::empty()) {
                    Ok(position) => {
                        assert!(Some(position) == target && position <= length);
                        stream.set_position(before).expect("it was there before");
                    }
                    Err(error) => {
                        assert_eq!(error.hresult(), Hresult::E_INVALIDARG);
                        assert!(target.is_none_or(|target| target > length));
                    }
                }
                assert_eq!(stream.position().expect("it is open"), before);
            }
        }
        let position = io.stream_position().await.expect("a position");
        assert_eq!(position, model.position(), "{step:?}");
    }
    io.flush().await.expect("a flush");
    let length = io.get_ref().length().expect("it is open");
    assert_eq!(length, Some(model.get_ref().len() as u64));
    io.rewind().await.expect("a rewind");
    let mut all = Vec::new();
    io.read_to_end(&mut all).await.expect("the rest");
    assert_eq!(&all, model.get_ref());
}

/// A stream's position stays within it; a cursor's need not.
async fn seek<S: ByteStreamExt>(io: &mut ByteStreamIo<S>, model: &mut Cursor<Vec<u8>>, to: SeekFrom) {
    let length = model.get_ref().len() as u64;
    let before = model.position();
    let there = Seek::seek(model, to).ok().filter(|position| *position <= length);
    match (io.seek(to).await, there) {
        (Ok(ours), Some(theirs)) => assert_eq!(ours, theirs, "{to:?}"),
        (Err(error), None) => {
            assert_eq!(Error::from(error).hresult(), Hresult::E_INVALIDARG);
            model.set_position(before);
        }
        (ours, theirs) => panic!("{to:?} in {length} bytes: {ours:?} instead of {theirs:?}"),
    }
}
