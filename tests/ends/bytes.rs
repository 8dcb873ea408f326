//! The kinds of bytes: reads and writes of a file, of memory and of `tokio::io` in both directions; the making of files
//! and of objects of URLs.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::FutureExt;
use futures::future::BoxFuture;
use mf_async::byte_stream::{
    AccessMode, ByteStreamFromIo, ByteStreamIo, FileByteStream, FileFlags, MemoryByteStream, OpenMode,
};
use mf_async::source_resolver::{
    ByteStreamHandler, ResolutionFlags, ResolvedObject, SchemeHandler, SourceResolver,
};
use mf_async::{ByteStream, ByteStreamExt, Error, Operation, Result, Unknown};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::given::{DropBomb, EXPECTED, Given, How, its_error, told};
use crate::play::{Kind, Play, Waits};

pub(crate) fn kinds() -> Vec<Kind> {
    vec![
        Kind { name: "a read of a file", begin: |given| file(given, |file| Box::new(file.read(vec![0; 4]))) },
        Kind {
            name: "a write of a file",
            begin: |given| file(given, |file| Box::new(file.write(vec![0; 4]))),
        },
        Kind {
            name: "a read of memory",
            begin: |given| memory(given, |memory| Box::new(memory.read(vec![0; 4]))),
        },
        Kind {
            name: "a write of memory",
            begin: |given| memory(given, |memory| Box::new(memory.write(vec![0; 4]))),
        },
        Kind { name: "a read of `ByteStreamFromIo`", begin: read_from_io },
        Kind { name: "a write of `ByteStreamFromIo`", begin: write_from_io },
        Kind { name: "a read of `ByteStreamIo`", begin: |given| io(given, true) },
        Kind { name: "a write of `ByteStreamIo`", begin: |given| io(given, false) },
        Kind { name: "`open_file`", begin: open_file },
        Kind { name: "`create_object`, by URL", begin: by_url },
        Kind { name: "`create_object_from_byte_stream`", begin: by_stream },
    ]
}

/// Holds up the runtime's only blocking thread until it is dropped.
pub(crate) fn hold_up_the_blocking_thread() -> impl Send {
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (runs, running) = std::sync::mpsc::channel();
    tokio::task::spawn_blocking(move || {
        runs.send(()).unwrap();
        let _ = gate.recv();
    });
    running.recv().unwrap();
    open
}

/// A folder with a file, which goes with it.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, b"0123456789").unwrap();
    (folder, path)
}

type Begun = Box<dyn crate::play::Awaited>;

fn file(given: &Given, begin: fn(&FileByteStream) -> Begun) -> Option<Play> {
    (given.is(&[]) && !given.is_wrapped).then_some(())?;
    let (folder, path) = folder();
    let (access, mode) = (AccessMode::ReadWrite, OpenMode::FailIfNotExist);
    let file = Arc::new(given.platform.create_file(access, mode, FileFlags::empty(), path).unwrap());
    let gate = hold_up_the_blocking_thread();
    let awaited = begin(&file);
    let position = file.clone();
    let mut play = Play::of(Waits(std::future::pending().boxed()));
    play.awaited = awaited;
    Some(
        play.unblocked_by(move || drop(gate))
            .goes_on_if(move || position.position().unwrap() == 4)
            .keeping((file, folder)),
    )
}

fn memory(given: &Given, begin: fn(&MemoryByteStream) -> Begun) -> Option<Play> {
    (given.is(&[]) && !given.is_wrapped).then_some(())?;
    let memory = MemoryByteStream::new(&given.platform, b"0123456789".to_vec());
    let mut play = Play::of(Waits(std::future::pending().boxed()));
    play.awaited = begin(&memory);
    Some(play.keeping(memory).ending_at_once())
}

/// A `tokio::io` object that waits until it is told to go on, and then does what it was given.
pub(crate) struct GatedIo {
    how: How,
    gate: Arc<Mutex<Gate>>,
    _bomb: Option<DropBomb>,
}

#[derive(Default)]
struct Gate {
    is_open: bool,
    waker: Option<Waker>,
}

pub(crate) fn gated_io(given: &Given) -> (GatedIo, impl FnOnce() + Send + use<>) {
    let gate = Arc::new(Mutex::new(Gate::default()));
    let bomb = (given.how == How::DropPanics).then(DropBomb::new);
    let io = GatedIo { how: given.how, gate: gate.clone(), _bomb: bomb };
    let open = move || {
        let waker = {
            let mut gate = gate.lock().unwrap();
            gate.is_open = true;
            gate.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    };
    (io, open)
}

impl GatedIo {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        {
            let mut gate = self.gate.lock().unwrap();
            if !gate.is_open {
                gate.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        match self.how {
            How::BodyPanics => panic!("{}", EXPECTED),
            How::EndFails => Poll::Ready(Err(its_error().into())),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for GatedIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let polled = self.poll(cx);
        if matches!(polled, Poll::Ready(Ok(()))) {
            buffer.put_slice(b"0");
        }
        polled
    }
}

impl AsyncWrite for GatedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<std::io::Result<usize>> {
        self.poll(cx).map_ok(|()| buffer.len())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.poll(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const OF_IO: [How; 3] = [How::EndFails, How::BodyPanics, How::DropPanics];
const OF_HANDLERS: [How; 3] = [How::EndFails, How::BodyPanics, How::DropPanics];

fn read_from_io(given: &Given) -> Option<Play> {
    (given.is(&OF_IO) && !given.is_wrapped).then_some(())?;
    let (io, open) = gated_io(given);
    let stream = ByteStreamFromIo::reader(&given.platform, io);
    let read = stream.read(vec![0; 1]);
    Some(Play::of(read).finished_by(open).goes_on_if(move || stream.position().unwrap() == 1))
}

fn write_from_io(given: &Given) -> Option<Play> {
    (given.is(&OF_IO) && !given.is_wrapped).then_some(())?;
    let (io, open) = gated_io(given);
    let stream = ByteStreamFromIo::writer(&given.platform, io);
    let write = stream.write(vec![0; 1]);
    Some(Play::of(write).finished_by(open).goes_on_if(move || stream.position().unwrap() == 1))
}

/// The other direction, over such a stream.
fn io(given: &Given, reads: bool) -> Option<Play> {
    (given.is(&OF_IO) && !given.is_wrapped).then_some(())?;
    let (io, open) = gated_io(given);
    let stream = ByteStreamFromIo::duplex(&given.platform, io);
    let mut adapter = ByteStreamIo::new(&given.platform, stream.clone());
    let waits = async move {
        if reads {
            adapter.read_exact(&mut [0]).await.map_err(Error::from)?;
        } else {
            adapter.write_all(&[0]).await.map_err(Error::from)?;
            adapter.flush().await.map_err(Error::from)?;
        }
        Ok(())
    };
    let play = Play::of(Waits(waits.boxed())).finished_by(open);
    Some(play.goes_on_if(move || stream.position().unwrap() == 1))
}

fn open_file(given: &Given) -> Option<Play> {
    (given.is(&[How::EndFails]) && !given.is_wrapped).then_some(())?;
    let (folder, path) = folder();
    let gate = hold_up_the_blocking_thread();
    let path = if given.how == How::EndFails { folder.path().join("none") } else { path };
    let opens: Operation<FileByteStream> =
        given.platform.open_file(AccessMode::Read, OpenMode::FailIfNotExist, FileFlags::empty(), path);
    let play = Play::of(opens).unblocked_by(move || drop(gate));
    // A file that is opened for nobody is closed: that it was cancelled before it was opened leaves nothing to see.
    Some(play.goes_on_if(|| false).keeping(folder))
}

/// A handler that waits until it is told to go on.
pub(crate) struct Handler {
    how: How,
    told: Mutex<Option<BoxFuture<'static, ()>>>,
    ended: Arc<Mutex<bool>>,
}

impl Handler {
    fn make(&self) -> BoxFuture<'static, Result<Unknown>> {
        let (how, told) = (self.how, self.told.lock().unwrap().take());
        let bomb = (how == How::DropPanics).then(DropBomb::new);
        let ended = self.ended.clone();
        async move {
            let _bomb = bomb;
            match told {
                Some(told) => told.await,
                None => std::future::pending().await,
            }
            *ended.lock().unwrap() = true;
            match how {
                How::EndFails => Err(its_error()),
                How::BodyPanics => panic!("{}", EXPECTED),
                _ => Ok(Arc::new(()) as Unknown),
            }
        }
        .boxed()
    }
}

impl SchemeHandler for Handler {
    fn create_object(
        &self,
        _: String,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<ResolvedObject>> {
        let made = self.make();
        async move { made.await.map(ResolvedObject::MediaSource) }.boxed()
    }
}

impl ByteStreamHandler for Handler {
    fn create_object(
        &self,
        _: Arc<dyn ByteStream>,
        _: Option<String>,
        _: ResolutionFlags,
        _: Option<Unknown>,
    ) -> BoxFuture<'static, Result<Unknown>> {
        self.make()
    }
}

/// A handler, and what tells it to go on. Dropped, that leaves it waiting for what is gone.
pub(crate) type Tell = Arc<Mutex<Option<tokio::sync::oneshot::Sender<()>>>>;

pub(crate) fn handler(given: &Given) -> (Arc<Handler>, Tell) {
    let (tell, told) = told();
    let handler = Handler { how: given.how, told: Mutex::new(Some(told.boxed())), ended: Arc::default() };
    (Arc::new(handler), Arc::new(Mutex::new(Some(tell))))
}

fn resolved(
    operation: Operation<ResolvedObject>,
    handler: &Handler,
    tell: Tell,
    resolver: SourceResolver,
) -> Play {
    let ended = handler.ended.clone();
    Play::of(operation)
        .finished_by(move || tell.lock().unwrap().take().into_iter().for_each(|tell| _ = tell.send(())))
        .goes_on_if(move || *ended.lock().unwrap())
        .keeping(resolver)
}

fn by_url(given: &Given) -> Option<Play> {
    (given.is(&OF_HANDLERS) && !given.is_wrapped).then_some(())?;
    let (handler, tell) = handler(given);
    let resolver = given.platform.create_source_resolver();
    resolver.register_scheme_handler("gated", handler.clone());
    let resolves = resolver.create_object("gated:", ResolutionFlags::MEDIA_SOURCE);
    Some(resolved(resolves, &handler, tell, resolver))
}

fn by_stream(given: &Given) -> Option<Play> {
    (given.is(&OF_HANDLERS) && !given.is_wrapped).then_some(())?;
    let (handler, tell) = handler(given);
    let resolver = given.platform.create_source_resolver();
    resolver.register_byte_stream_handler(".gated", handler.clone());
    let stream = Arc::new(MemoryByteStream::new(&given.platform, vec![0; 4]));
    let resolves =
        resolver.create_object_from_byte_stream(stream, Some("x.gated"), ResolutionFlags::MEDIA_SOURCE);
    Some(resolved(resolves, &handler, tell, resolver))
}
