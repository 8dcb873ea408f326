//! Programs of the calls of a byte stream: requests alone and together, given up between polls, seeks, lengths, and
//! objects that others add to and cut.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures::poll;
use mf_async::byte_stream::{
    AccessMode, ByteStreamFromIo, FileFlags, MemoryByteStream, OpenMode, SeekFlags, SeekOrigin,
};
use mf_async::{ByteStream, ByteStreamExt, Error, Hresult, Operation, Platform};
use proptest::prelude::*;

use super::device::Device;
use super::model::{Kind, Model};
use super::{Verdict, agree, bytes, play};

#[derive(Clone, Debug)]
struct Program {
    kind: Kind,
    seed: u64,
    length: usize,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    /// Reads and writes of so many bytes, all begun before one is awaited; the last are awaited first if told so.
    Requests(Vec<(bool, usize)>, bool),
    /// A read that is given up after so many polls.
    GiveUp(usize, u8),
    SetPosition(i64),
    Seek(bool, i64),
    SetLength(usize),
    /// Others add bytes, or cut the object.
    Grow(usize),
    Cut(usize),
    BlockingRead(usize),
    BlockingWrite(usize),
}

fn programs() -> impl Strategy<Value = Program> {
    let kind = prop::sample::select(vec![Kind::Memory, Kind::File, Kind::FromIo]);
    (kind, any::<u64>(), 0..60_usize, prop::collection::vec(step(), 1..16))
        .prop_map(|(kind, seed, length, steps)| Program { kind, seed, length, steps })
}

fn step() -> impl Strategy<Value = Step> {
    let size = || 0..40_usize;
    let request = || (prop::bool::weighted(0.4), size());
    prop_oneof![
        6 => request().prop_map(|request| Step::Requests(vec![request], false)),
        4 => (prop::collection::vec(request(), 2..5), any::<bool>())
            .prop_map(|(requests, backwards)| Step::Requests(requests, backwards)),
        4 => (size(), 0..4_u8).prop_map(|(size, polls)| Step::GiveUp(size, polls)),
        2 => (-2..100_i64).prop_map(Step::SetPosition),
        2 => (any::<bool>(), -60..60_i64).prop_map(|(current, offset)| Step::Seek(current, offset)),
        1 => (0..100_usize).prop_map(Step::SetLength),
        2 => (1..30_usize).prop_map(Step::Grow),
        1 => (0..60_usize).prop_map(Step::Cut),
        1 => size().prop_map(Step::BlockingRead),
        1 => size().prop_map(Step::BlockingWrite),
    ]
}

/// What is played on, and how others get at its bytes.
struct Played {
    stream: Arc<dyn ByteStream>,
    others: Others,
    model: Model,
    /// How many bytes were made so far.
    made: usize,
    _folder: Option<tempfile::TempDir>,
}

enum Others {
    Memory(MemoryByteStream),
    File(PathBuf),
    Device(Arc<Mutex<Vec<u8>>>),
}

impl Played {
    async fn new(platform: &Platform, program: &Program) -> Played {
        let start = bytes(0, program.length);
        let model = Model::new(program.kind, start.clone());
        let mut folder = None;
        let (stream, others): (Arc<dyn ByteStream>, _) = match program.kind {
            Kind::Memory => {
                let memory = MemoryByteStream::new(platform, start);
                (Arc::new(memory.clone()), Others::Memory(memory))
            }
            Kind::File => {
                let path = folder.insert(tempfile::tempdir().unwrap()).path().join("file");
                std::fs::write(&path, start).unwrap();
                let (access, mode) = (AccessMode::ReadWrite, OpenMode::FailIfNotExist);
                let file = platform.create_file(access, mode, FileFlags::ALLOW_WRITE_SHARING, &path).unwrap();
                (Arc::new(file), Others::File(path))
            }
            Kind::FromIo => {
                let device = Device::new(start, program.seed);
                let others = Others::Device(device.bytes.clone());
                (Arc::new(ByteStreamFromIo::seekable(platform, device).await.unwrap()), others)
            }
        };
        Played { stream, others, model, made: program.length, _folder: folder }
    }

    fn make(&mut self, count: usize) -> Vec<u8> {
        self.made += count;
        bytes(self.made - count, count)
    }

    async fn step(&mut self, step: &Step) -> Verdict {
        let stream = self.stream.clone();
        match step {
            Step::Requests(requests, backwards) => self.requests(requests, *backwards).await?,
            Step::GiveUp(wanted, polls) => self.give_up(*wanted, *polls).await?,
            Step::SetPosition(to) => {
                let set = stream.set_position(to.unsigned_abs());
                self.moved(set.map(|()| to.unsigned_abs()), to.unsigned_abs() as i64)?;
            }
            Step::Seek(current, offset) => {
                let (origin, from) = match current {
                    true => (SeekOrigin::Current, self.model.position as i64),
                    false => (SeekOrigin::Begin, 0),
                };
                self.moved(stream.seek(origin, *offset, SeekFlags::empty()), from + offset)?;
            }
            Step::SetLength(length) => match stream.set_length(*length as u64) {
                Ok(()) => self.model.set_bytes_len(*length, &[0; 100]),
                Err(error) => {
                    agree!(error.hresult(), Hresult::E_NOTIMPL, "a length that cannot be set");
                    agree!(
                        matches!(self.others, Others::Device(_)),
                        true,
                        "only tokio::io has no length to set"
                    );
                }
            },
            Step::Grow(count) => {
                let more = self.make(*count);
                let length = self.model.bytes.len() + count;
                match &self.others {
                    Others::Memory(_) => return Ok(()),
                    Others::File(path) => {
                        OpenOptions::new().append(true).open(path).unwrap().write_all(&more).unwrap();
                    }
                    Others::Device(bytes) => bytes.lock().unwrap().extend_from_slice(&more),
                }
                self.model.set_bytes_len(length, &more);
            }
            Step::Cut(length) => {
                let length = (*length).min(self.model.bytes.len());
                match &self.others {
                    Others::Memory(_) => return Ok(()),
                    Others::File(path) => {
                        OpenOptions::new().write(true).open(path).unwrap().set_len(length as u64).unwrap();
                    }
                    Others::Device(bytes) => bytes.lock().unwrap().truncate(length),
                }
                self.model.set_bytes_len(length, &[]);
            }
            Step::BlockingRead(count) => {
                let mut buffer = vec![0; *count];
                match stream.blocking_read(&mut buffer) {
                    Ok(read) => {
                        let request = self.model.begin_read(*count);
                        agree!(buffer[..read], self.model.perform(&request, true), "a blocking read");
                    }
                    Err(error) => agree!(error.hresult(), Hresult::E_NOTIMPL, "a blocking read"),
                }
            }
            Step::BlockingWrite(count) => {
                let bytes = self.make(*count);
                match stream.blocking_write(&bytes) {
                    Ok(written) => {
                        agree!(written, *count, "a blocking write");
                        let request = self.model.begin_write(bytes);
                        self.model.perform(&request, true);
                    }
                    Err(error) => agree!(error.hresult(), Hresult::E_NOTIMPL, "a blocking write"),
                }
            }
        }
        agree!(stream.position().unwrap(), self.model.position as u64, "the position");
        agree!(stream.length().unwrap(), Some(self.model.length as u64), "the length");
        let at_end = self.model.position >= self.model.length;
        agree!(stream.is_end_of_stream().unwrap(), at_end, "the end");
        Ok(())
    }

    fn moved(&mut self, moved: Result<u64, Error>, to: i64) -> Verdict {
        if self.model.may_be_at(to) {
            agree!(moved.map_err(|error| error.hresult()), Ok(to as u64), "a seek");
            self.model.position = to as usize;
        } else {
            agree!(moved.map_err(|error| error.hresult()), Err(Hresult::E_INVALIDARG), "a seek too far");
        }
        Ok(())
    }

    async fn requests(&mut self, mut requests: &[(bool, usize)], backwards: bool) -> Verdict {
        if self.model.length != self.model.bytes.len() {
            // Which of several requests finds the new end, depends on how fast they are.
            requests = &requests[..1];
        }
        enum Begun {
            Read(Operation<Vec<u8>>),
            Write(Operation<(usize, Vec<u8>)>),
        }
        let mut begun = Vec::new();
        for (writes, count) in requests {
            if *writes {
                let bytes = self.make(*count);
                begun.push((Begun::Write(self.stream.write(bytes.clone())), self.model.begin_write(bytes)));
            } else {
                begun.push((Begun::Read(self.stream.read(vec![0; *count])), self.model.begin_read(*count)));
            }
        }
        let last = begun.len() - 1;
        let mut expected = Vec::new();
        for (number, (operation, request)) in begun.into_iter().enumerate() {
            let read = self.model.perform(&request, number == last);
            expected.push((operation, request, read));
        }
        if backwards {
            expected.reverse();
        }
        for (operation, request, expected) in expected {
            match operation {
                Begun::Read(read) => agree!(read.await.unwrap(), expected, "{request:?}"),
                Begun::Write(write) => {
                    let bytes = request.written.clone().unwrap_or_default();
                    agree!(write.await.unwrap(), (bytes.len(), bytes), "{request:?}");
                }
            }
        }
        Ok(())
    }

    async fn give_up(&mut self, wanted: usize, polls: u8) -> Verdict {
        let before = self.model.clone();
        let mut read = self.stream.read(vec![0; wanted]);
        let request = self.model.begin_read(wanted);
        let expected = self.model.perform(&request, true);
        for _ in 0..polls {
            if let std::task::Poll::Ready(ended) = poll!(&mut read) {
                agree!(ended.unwrap(), expected, "a read that was not given up");
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        drop(read);
        // It was cancelled, and took nothing; or it had ended, and its bytes are gone.
        if self.stream.position().unwrap() == before.position as u64 {
            self.model.position = before.position;
        }
        if self.stream.length().unwrap() == Some(before.length as u64) {
            self.model.length = before.length;
        }
        Ok(())
    }
}

async fn run(program: Program) -> Verdict {
    let platform = Platform::startup().unwrap();
    let mut played = Played::new(&platform, &program).await;
    for (number, step) in program.steps.iter().enumerate() {
        played.step(step).await.map_err(|wrong| format!("step {number}: {wrong}"))?;
    }
    let bytes = match &played.others {
        Others::Memory(memory) => memory.to_vec(),
        Others::File(path) => std::fs::read(path).unwrap(),
        Others::Device(bytes) => bytes.lock().unwrap().clone(),
    };
    agree!(bytes, played.model.bytes, "the bytes at last");
    drop(played);
    platform.shutdown().await.map_err(|error| error.to_string())
}

#[test]
fn every_byte_stream_is_what_its_model_is() {
    play(1500, programs(), run);
}

/// Reads on what cannot seek: sizes, and after how many polls each is given up, if it is.
fn pipes() -> impl Strategy<Value = (u64, usize, Vec<(usize, Option<u8>)>)> {
    let read = (0..40_usize, prop::option::of(0..4_u8));
    (any::<u64>(), 0..200_usize, prop::collection::vec(read, 1..20))
}

async fn read_a_pipe((seed, length, reads): (u64, usize, Vec<(usize, Option<u8>)>)) -> Verdict {
    let platform = Platform::startup().unwrap();
    let bytes = bytes(0, length);
    let stream = ByteStreamFromIo::reader(&platform, Device::new(bytes.clone(), seed));
    for (number, (wanted, given_up)) in reads.into_iter().enumerate() {
        let before = stream.position().unwrap() as usize;
        let mut read = stream.read(vec![0; wanted]);
        let mut ended = None;
        match given_up {
            None => ended = Some(read.await.unwrap()),
            Some(polls) => {
                for _ in 0..polls {
                    if let std::task::Poll::Ready(read) = poll!(&mut read) {
                        ended = Some(read.unwrap());
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
        // The position counts what was taken, be it lost with its operation.
        let after = stream.position().unwrap() as usize;
        if let Some(read) = ended {
            agree!(read, bytes[before..after], "read {number}");
            agree!(read.is_empty(), wanted == 0 || before == length, "read {number}: is at the end");
        }
    }
    drop(stream);
    platform.shutdown().await.map_err(|error| error.to_string())
}

#[test]
fn what_cannot_seek_misses_nothing() {
    play(800, pipes(), read_a_pipe);
}
