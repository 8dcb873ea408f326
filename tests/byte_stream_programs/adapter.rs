//! Programs of `tokio::io` calls on a `ByteStreamIo` over every kind of stream, with futures that are dropped between
//! polls.

use std::io::{self, SeekFrom};
use std::sync::Arc;
use std::task::Poll;

use futures::poll;
use mf_async::byte_stream::{
    AccessMode, ByteStreamFromIo, ByteStreamIo, FileFlags, MemoryByteStream, OpenMode,
};
use mf_async::{ByteStream, ByteStreamExt, Platform};
use proptest::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::device::Device;
use super::model::{Kind, Model};
use super::{Verdict, agree, bytes, play};

#[derive(Clone, Debug)]
struct Program {
    kind: Kind,
    seed: u64,
    length: usize,
    capacity: usize,
    steps: Vec<(Step, bool)>,
}

/// Each is awaited, or polled once and dropped.
#[derive(Clone, Copy, Debug)]
enum Step {
    Read(usize),
    Write(usize),
    Flush,
    Seek(From, i64),
    Position,
    /// Looks at what was read ahead, and takes so much of it.
    Consume(usize),
    Yield,
}

#[derive(Clone, Copy, Debug)]
enum From {
    Start,
    Current,
    End,
}

fn programs() -> impl Strategy<Value = Program> {
    let kind = prop::sample::select(vec![Kind::Memory, Kind::File, Kind::FromIo]);
    let steps = prop::collection::vec((step(), prop::bool::weighted(0.4)), 1..20);
    (kind, any::<u64>(), 0..60_usize, 1..30_usize, steps)
        .prop_map(|(kind, seed, length, capacity, steps)| Program { kind, seed, length, capacity, steps })
}

fn step() -> impl Strategy<Value = Step> {
    let from = prop::sample::select(vec![From::Start, From::Current, From::End]);
    prop_oneof![
        5 => (0..40_usize).prop_map(Step::Read),
        4 => (0..40_usize).prop_map(Step::Write),
        1 => Just(Step::Flush),
        4 => (from, -50..50_i64).prop_map(|(from, offset)| Step::Seek(from, offset)),
        1 => Just(Step::Position),
        2 => (0..40_usize).prop_map(Step::Consume),
        1 => Just(Step::Yield),
    ]
}

struct Played {
    io: ByteStreamIo<Arc<dyn ByteStream>>,
    model: Model,
    made: usize,
}

impl Played {
    async fn step(&mut self, step: Step, once: bool) -> Verdict {
        match step {
            Step::Read(count) => {
                let mut buffer = vec![0; count];
                let Some(read) = awaited(once, self.io.read(&mut buffer)).await else { return Ok(()) };
                self.has_read(&buffer[..read.unwrap()], count == 0)
            }
            Step::Write(count) => {
                let bytes = bytes(self.made, count);
                // A write that is pending has taken nothing.
                let Some(written) = awaited(once, self.io.write(&bytes)).await else { return Ok(()) };
                let written = written.unwrap();
                agree!(written > 0, count > 0, "a write of {count} bytes takes some");
                self.made += written;
                let request = self.model.begin_write(bytes[..written].to_vec());
                self.model.perform(&request, true);
                Ok(())
            }
            Step::Flush => {
                if let Some(flushed) = awaited(once, self.io.flush()).await {
                    flushed.unwrap();
                }
                Ok(())
            }
            Step::Seek(from, offset) => self.seek(from, offset, once).await,
            Step::Position => {
                if let Some(position) = awaited(once, self.io.stream_position()).await {
                    agree!(position.unwrap(), self.model.position as u64, "the position");
                }
                Ok(())
            }
            Step::Consume(count) => {
                let Some(ahead) = awaited(once, self.io.fill_buf()).await else { return Ok(()) };
                let ahead = ahead.unwrap().to_vec();
                let taken = count.min(ahead.len());
                if ahead.is_empty() {
                    return self.has_read(&[], false);
                }
                let there = self.model.bytes.get(self.model.position..).unwrap_or_default();
                agree!(there.starts_with(&ahead), true, "what was read ahead, {ahead:?} of {there:?}");
                self.io.consume(taken);
                self.model.position += taken;
                Ok(())
            }
            Step::Yield => {
                tokio::task::yield_now().await;
                Ok(())
            }
        }
    }

    fn has_read(&mut self, read: &[u8], nothing_wanted: bool) -> Verdict {
        let at = self.model.position;
        let there = self.model.bytes.get(at..).unwrap_or_default();
        agree!(read, &there[..read.len().min(there.len())], "a read at {at}");
        agree!(read.is_empty(), nothing_wanted || there.is_empty(), "a read at {at}: is at the end");
        self.model.position += read.len();
        Ok(())
    }

    async fn seek(&mut self, from: From, offset: i64, once: bool) -> Verdict {
        let (base, to) = match from {
            From::Start => (0, SeekFrom::Start(offset.unsigned_abs())),
            From::Current => (self.model.position, SeekFrom::Current(offset)),
            From::End => (self.model.length, SeekFrom::End(offset)),
        };
        let target = base as i64 + if matches!(from, From::Start) { offset.abs() } else { offset };
        let allowed = self.model.may_be_at(target);
        let position = match awaited(once, self.io.seek(to)).await {
            Some(sought) => {
                let expected = if allowed { Ok(target as u64) } else { Err(io::ErrorKind::InvalidInput) };
                agree!(sought.map_err(|error| error.kind()), expected, "a seek");
                if allowed { target as u64 } else { return Ok(()) }
            }
            // It happens now, before the look at the position, or never.
            None => match self.io.stream_position().await {
                Ok(position) => position,
                Err(error) if !allowed && error.kind() == io::ErrorKind::InvalidInput => return Ok(()),
                Err(error) => return Err(format!("the position after a dropped seek: {error}")),
            },
        };
        let either = position == self.model.position as u64 || (allowed && position == target as u64);
        agree!(either, true, "a seek from {} to {target} came to {position}", self.model.position);
        self.model.position = position as usize;
        Ok(())
    }
}

/// What the future came to, or `None` if it was polled once, was pending and is dropped.
async fn awaited<T>(once: bool, future: impl Future<Output = T>) -> Option<T> {
    if !once {
        return Some(future.await);
    }
    let mut future = std::pin::pin!(future);
    match poll!(&mut future) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

async fn run(program: Program) -> Verdict {
    let platform = Platform::startup().unwrap();
    let start = bytes(0, program.length);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let stream: Arc<dyn ByteStream> = match program.kind {
        Kind::Memory => Arc::new(MemoryByteStream::new(&platform, start.clone())),
        Kind::File => {
            std::fs::write(&path, &start).unwrap();
            let (access, mode) = (AccessMode::ReadWrite, OpenMode::FailIfNotExist);
            Arc::new(platform.create_file(access, mode, FileFlags::empty(), &path).unwrap())
        }
        Kind::FromIo => {
            let device = Device::new(start.clone(), program.seed);
            Arc::new(ByteStreamFromIo::seekable(&platform, device).await.unwrap())
        }
    };
    let io = ByteStreamIo::new(&platform, stream.clone()).with_capacity(program.capacity);
    let mut played = Played { io, model: Model::new(program.kind, start), made: program.length };
    for (number, (step, once)) in program.steps.into_iter().enumerate() {
        played.step(step, once).await.map_err(|wrong| format!("step {number}: {wrong}"))?;
    }
    played.io.flush().await.unwrap();
    agree!(played.io.stream_position().await.unwrap(), played.model.position as u64, "the position at last");
    let model = played.model;
    drop(played.io);
    stream.set_position(0).unwrap();
    agree!(stream.read(vec![0; 10_000]).await.unwrap(), model.bytes, "the bytes at last");
    drop(stream);
    platform.shutdown().await.map_err(|error| error.to_string())
}

#[test]
fn every_stream_as_tokio_io_is_what_its_model_is() {
    play(1500, programs(), run);
}
