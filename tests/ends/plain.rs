//! The kinds of plain callbacks, which nothing awaits: whether each is called, once, and with what.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mf_async::byte_stream::{AccessMode, ByteStreamFromIo, FileFlags, MemoryByteStream, OpenMode};
use mf_async::source_resolver::ResolutionFlags;
use mf_async::{
    AsyncCallback, AsyncResult, ByteStream, CallbackParameters, CancelCookie, Error, Hresult, QueueId,
    Result, WorkItemKey,
};
use tokio::sync::oneshot;

use crate::bytes::{folder, gated_io, handler, hold_up_the_blocking_thread};
use crate::given::{DropBomb, EXPECTED, Given, How, body, told};
use crate::play::{Awaited, Kind, Play, Waits};

pub(crate) fn kinds() -> Vec<Kind> {
    vec![
        Kind { name: "callback: `put`", begin: put },
        Kind { name: "callback: `invoke`, by hand", begin: by_hand },
        Kind { name: "callback: `schedule`", begin: scheduled },
        Kind { name: "callback: `put_waiting`", begin: waiting },
        Kind { name: "callback: `Method::begin`", begin: method },
        Kind { name: "callback: `Method::begin_blocking`", begin: method_that_blocks },
        Kind { name: "callback: `begin_get_event`", begin: event },
        Kind { name: "callback: a read of a file", begin: file_read },
        Kind { name: "callback: a write of a file", begin: file_write },
        Kind { name: "callback: a read of memory", begin: memory_read },
        Kind { name: "callback: a write of memory", begin: memory_write },
        Kind { name: "callback: a read of `ByteStreamFromIo`", begin: io_read },
        Kind { name: "callback: a write of `ByteStreamFromIo`", begin: io_write },
        Kind { name: "callback: `begin_create_file`", begin: create_file },
        Kind { name: "callback: `begin_create_object_from_url`", begin: by_url },
        Kind { name: "callback: `begin_create_object_from_byte_stream`", begin: by_stream },
    ]
}

/// That a callback is dropped without a call. No call of the crate has this code.
pub(crate) const NOT_CALLED: Hresult = Hresult::E_NOINTERFACE;

type End = Box<dyn Fn(&AsyncResult) -> Result<()> + Send + Sync>;

/// A plain callback, whose code is the user's.
struct Plain {
    how: How,
    tell: Mutex<Option<oneshot::Sender<Result<()>>>>,
    calls: Arc<AtomicUsize>,
    end: End,
    _bomb: Option<DropBomb>,
}

impl AsyncCallback for Plain {
    fn parameters(&self) -> CallbackParameters {
        match self.how {
            How::BeginPanics => panic!("{}", EXPECTED),
            // No queue has this number.
            How::BeginFails => CallbackParameters::on(QueueId(0x1_0000)),
            _ => CallbackParameters::on(QueueId::MULTITHREADED),
        }
    }

    fn invoke(&self, result: &AsyncResult) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let tell = self.tell.lock().unwrap().take();
        if self.how == How::EndPanics {
            panic!("{}", EXPECTED);
        }
        let ended = (self.end)(result);
        if let Some(tell) = tell {
            let _ = tell.send(ended);
        }
    }
}

/// The call of a plain callback, awaited by the test.
struct Call {
    called: oneshot::Receiver<Result<()>>,
    calls: Arc<AtomicUsize>,
    cancel: Option<Box<dyn FnOnce() + Send>>,
}

impl Awaited for Call {
    fn wait(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        async move {
            match self.called.await {
                Ok(ended) => ended,
                Err(_) if self.calls.load(Ordering::SeqCst) > 0 => Err(Hresult::E_UNEXPECTED.into()),
                Err(_) => Err(Error::new(NOT_CALLED, "not called")),
            }
        }
        .boxed()
    }

    fn cancel(mut self: Box<Self>) -> Option<BoxFuture<'static, Result<()>>> {
        (self.cancel.take()?)();
        Some(self.wait())
    }
}

/// Fails the case if the callback was called again.
struct Once(Arc<AtomicUsize>);

impl Drop for Once {
    fn drop(&mut self) {
        let calls = self.0.load(Ordering::SeqCst);
        assert!(calls <= 1 || std::thread::panicking(), "called {calls} times");
    }
}

/// What cancels what was begun.
trait Right {
    fn right(self, given: &Given) -> Option<Box<dyn FnOnce() + Send>>;
}

impl Right for () {
    fn right(self, _: &Given) -> Option<Box<dyn FnOnce() + Send>> {
        None
    }
}

impl Right for Hresult {
    fn right(self, _: &Given) -> Option<Box<dyn FnOnce() + Send>> {
        None
    }
}

impl Right for CancelCookie {
    fn right(self, _: &Given) -> Option<Box<dyn FnOnce() + Send>> {
        Some(Box::new(move || _ = self.cancel()))
    }
}

impl Right for WorkItemKey {
    fn right(self, given: &Given) -> Option<Box<dyn FnOnce() + Send>> {
        let platform = given.platform.downgrade();
        Some(Box::new(move || platform.upgrade().unwrap().cancel_work_item(self).unwrap()))
    }
}

/// Begins with a plain callback; a Begin that is refused is how it ends.
fn begin<R: Right>(
    given: &Given,
    end: impl Fn(&AsyncResult) -> Result<()> + Send + Sync + 'static,
    begin: impl FnOnce(Arc<dyn AsyncCallback>) -> Result<R>,
) -> Play {
    let (tell, called) = oneshot::channel();
    let calls = Arc::new(AtomicUsize::new(0));
    let plain = Plain {
        how: given.how,
        tell: Mutex::new(Some(tell)),
        calls: calls.clone(),
        end: Box::new(end),
        _bomb: (given.how == How::DropPanics).then(DropBomb::new),
    };
    match begin(Arc::new(plain)) {
        Ok(right) => {
            let cancel = right.right(given);
            Play::of(Call { called, calls: calls.clone(), cancel }).keeping(Once(calls)).plain()
        }
        Err(error) => Play::of(Waits(std::future::ready(Err(error)).boxed())).keeping(Once(calls)).plain(),
    }
}

const OF_CALLBACKS: [How; 4] = [How::BeginFails, How::BeginPanics, How::EndPanics, How::DropPanics];
const WITH_BODY: [How; 6] =
    [How::BeginFails, How::BeginPanics, How::EndFails, How::BodyPanics, How::EndPanics, How::DropPanics];

/// The queue that counts is that of the call.
fn put(given: &Given) -> Option<Play> {
    (given.is(&[How::BeginFails, How::EndPanics, How::DropPanics]) && !given.is_wrapped).then_some(())?;
    let queue = if given.how == How::BeginFails { QueueId(0x1_0000) } else { QueueId::MULTITHREADED };
    Some(begin(given, |_| Ok(()), |callback| given.platform.put(queue, callback)).ending_at_once())
}

fn by_hand(given: &Given) -> Option<Play> {
    (given.is(&OF_CALLBACKS) && !given.is_wrapped).then_some(())?;
    let kept = Arc::new(Mutex::new(None));
    let play = begin(
        given,
        |result| result.status().ok().map(drop),
        |callback| {
            let result = given.platform.result(callback).build()?;
            if given.how == How::Succeeds {
                *kept.lock().unwrap() = Some(result);
                return Ok(());
            }
            // It is asked for its queue here.
            result.invoke()
        },
    );
    let (invoked, dropped) = (kept.clone(), kept);
    let invoke = move || {
        let result: Option<AsyncResult> = invoked.lock().unwrap().take();
        result.into_iter().for_each(|result| result.invoke().unwrap());
    };
    // The last owner of the result is the component: when that is gone the callback is.
    let gone = dropped.clone();
    Some(
        play.finished_by(invoke)
            .abandoned_by(move || drop(dropped.lock().unwrap().take()))
            .unblocked_by(move || drop(gone.lock().unwrap().take())),
    )
}

fn scheduled(given: &Given) -> Option<Play> {
    (given.is(&OF_CALLBACKS) && !given.is_wrapped).then_some(())?;
    let after = Duration::from_millis(50);
    Some(begin(given, |_| Ok(()), |callback| given.platform.schedule(callback, after)))
}

fn waiting(given: &Given) -> Option<Play> {
    (given.is(&[OF_CALLBACKS.as_slice(), &[How::BodyPanics]].concat()) && !given.is_wrapped).then_some(())?;
    let (tell, told) = told();
    let how = given.how;
    let event = async move {
        told.await;
        if how == How::BodyPanics {
            panic!("{}", EXPECTED);
        }
    };
    let play = begin(
        given,
        |result| result.status().ok().map(drop),
        |callback| given.platform.put_waiting(event, callback),
    );
    Some(play.finished_by(move || _ = tell.send(())))
}

fn method(given: &Given) -> Option<Play> {
    (given.is(&WITH_BODY) && !given.is_wrapped).then_some(())?;
    let (tell, told) = told();
    let (method, body) = (given.platform.method::<()>(), body(given, told));
    let ends = method.clone();
    let play = begin(given, move |result| ends.end(result), |callback| method.begin(callback, body));
    let tell = Arc::new(Mutex::new(Some(tell)));
    let gone = tell.clone();
    let finish = move || tell.lock().unwrap().take().into_iter().for_each(|tell| _ = tell.send(()));
    Some(play.finished_by(finish).abandoned_by(move || drop(gone.lock().unwrap().take())))
}

fn method_that_blocks(given: &Given) -> Option<Play> {
    (given.is(&WITH_BODY) && !given.is_wrapped).then_some(())?;
    let method = given.platform.method::<()>();
    let (ends, how) = (method.clone(), given.how);
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let block = move || {
        let _ = gate.recv();
        match how {
            How::EndFails => Err(crate::given::its_error()),
            How::BodyPanics => panic!("{}", EXPECTED),
            _ => Ok(()),
        }
    };
    let play =
        begin(given, move |result| ends.end(result), |callback| method.begin_blocking(callback, block));
    Some(play.unblocked_by(move || drop(open)))
}

fn event(given: &Given) -> Option<Play> {
    (given.is(&OF_CALLBACKS) && !given.is_wrapped).then_some(())?;
    let queue = Arc::new(given.platform.create_event_queue().unwrap());
    let ends = Arc::downgrade(&queue);
    let end = move |result: &AsyncResult| ends.upgrade().unwrap().end_get_event(result).map(drop);
    let play = begin(given, end, |callback| queue.begin_get_event(callback, None));
    let queue = Arc::new(Mutex::new(Some(queue)));
    let (queues, gone) = (queue.clone(), queue.clone());
    let finish = move || {
        let queue = queues.lock().unwrap().clone().unwrap();
        queue.queue_event(mf_async::MediaEvent::new(1)).unwrap();
    };
    Some(play.finished_by(finish).abandoned_by(move || drop(gone.lock().unwrap().take())).keeping(queue))
}

fn file_read(given: &Given) -> Option<Play> {
    (given.is(&OF_CALLBACKS) && !given.is_wrapped).then_some(())?;
    let (folder, path) = folder();
    let (access, mode) = (AccessMode::Read, OpenMode::FailIfNotExist);
    let file = Arc::new(given.platform.create_file(access, mode, FileFlags::empty(), path).unwrap());
    let (ends, gate) = (file.clone(), hold_up_the_blocking_thread());
    let end = move |result: &AsyncResult| ends.end_read(result).map(drop);
    let play = begin(given, end, |callback| file.begin_read(vec![0; 4], callback, None));
    Some(play.unblocked_by(move || drop(gate)).keeping((file, folder)))
}

fn file_write(given: &Given) -> Option<Play> {
    (given.is(&OF_CALLBACKS) && !given.is_wrapped).then_some(())?;
    let (folder, path) = folder();
    let (access, mode) = (AccessMode::ReadWrite, OpenMode::FailIfNotExist);
    let file = Arc::new(given.platform.create_file(access, mode, FileFlags::empty(), path).unwrap());
    let (ends, gate) = (file.clone(), hold_up_the_blocking_thread());
    let end = move |result: &AsyncResult| ends.end_write(result).map(drop);
    let play = begin(given, end, |callback| file.begin_write(vec![0; 4], callback, None));
    Some(play.unblocked_by(move || drop(gate)).keeping((file, folder)))
}

fn memory_read(given: &Given) -> Option<Play> {
    (given.is(&OF_CALLBACKS) && !given.is_wrapped).then_some(())?;
    let memory = MemoryByteStream::new(&given.platform, vec![0; 4]);
    let ends = memory.clone();
    let end = move |result: &AsyncResult| ends.end_read(result).map(drop);
    Some(begin(given, end, |callback| memory.begin_read(vec![0; 4], callback, None)).ending_at_once())
}

fn memory_write(given: &Given) -> Option<Play> {
    (given.is(&OF_CALLBACKS) && !given.is_wrapped).then_some(())?;
    let memory = MemoryByteStream::new(&given.platform, Vec::new());
    let ends = memory.clone();
    let end = move |result: &AsyncResult| ends.end_write(result).map(drop);
    Some(begin(given, end, |callback| memory.begin_write(vec![0; 4], callback, None)).ending_at_once())
}

fn io_read(given: &Given) -> Option<Play> {
    let hows = [OF_CALLBACKS.as_slice(), &[How::EndFails, How::BodyPanics]].concat();
    (given.is(&hows) && !given.is_wrapped).then_some(())?;
    let (io, open) = gated_io(given);
    let stream = ByteStreamFromIo::reader(&given.platform, io);
    let ends = stream.clone();
    let end = move |result: &AsyncResult| ends.end_read(result).map(drop);
    let play = begin(given, end, |callback| stream.begin_read(vec![0; 1], callback, None));
    Some(play.finished_by(open))
}

fn io_write(given: &Given) -> Option<Play> {
    let hows = [OF_CALLBACKS.as_slice(), &[How::EndFails, How::BodyPanics]].concat();
    (given.is(&hows) && !given.is_wrapped).then_some(())?;
    let (io, open) = gated_io(given);
    let stream = ByteStreamFromIo::writer(&given.platform, io);
    let ends = stream.clone();
    let end = move |result: &AsyncResult| ends.end_write(result).map(drop);
    let play = begin(given, end, |callback| stream.begin_write(vec![0; 1], callback, None));
    Some(play.finished_by(open))
}

fn create_file(given: &Given) -> Option<Play> {
    (given.is(&[OF_CALLBACKS.as_slice(), &[How::EndFails]].concat()) && !given.is_wrapped).then_some(())?;
    let (folder, path) = folder();
    let path = if given.how == How::EndFails { folder.path().join("none") } else { path };
    let (ends, gate) = (given.platform.downgrade(), hold_up_the_blocking_thread());
    let end = move |result: &AsyncResult| ends.upgrade()?.end_create_file(result).map(drop);
    let play = begin(given, end, |callback| {
        let (access, mode) = (AccessMode::Read, OpenMode::FailIfNotExist);
        given.platform.begin_create_file(access, mode, FileFlags::empty(), path, callback, None)
    });
    Some(play.unblocked_by(move || drop(gate)).keeping(folder))
}

fn by_url(given: &Given) -> Option<Play> {
    (given.is(&WITH_BODY) && !given.is_wrapped).then_some(())?;
    let (handler, tell) = handler(given);
    let resolver = given.platform.create_source_resolver();
    resolver.register_scheme_handler("gated", handler);
    let ends = resolver.clone();
    let end = move |result: &AsyncResult| ends.end_create_object_from_url(result).map(drop);
    let play = begin(given, end, |callback| {
        resolver.begin_create_object_from_url("gated:", ResolutionFlags::MEDIA_SOURCE, None, callback, None)
    });
    let finish = move || tell.lock().unwrap().take().into_iter().for_each(|tell| _ = tell.send(()));
    Some(play.finished_by(finish))
}

fn by_stream(given: &Given) -> Option<Play> {
    (given.is(&WITH_BODY) && !given.is_wrapped).then_some(())?;
    let (handler, tell) = handler(given);
    let resolver = given.platform.create_source_resolver();
    resolver.register_byte_stream_handler(".gated", handler);
    let ends = resolver.clone();
    let end = move |result: &AsyncResult| ends.end_create_object_from_byte_stream(result).map(drop);
    let stream = Arc::new(MemoryByteStream::new(&given.platform, vec![0; 4]));
    let play = begin(given, end, |callback| {
        let (url, flags) = (Some("x.gated"), ResolutionFlags::MEDIA_SOURCE);
        resolver.begin_create_object_from_byte_stream(stream, url, flags, None, callback, None)
    });
    Some(play.finished_by(move || tell.lock().unwrap().take().into_iter().for_each(|tell| _ = tell.send(()))))
}
