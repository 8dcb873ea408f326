//! Promise: an error says what was tried, on what, and why not or what to do instead; its code comes first, by name.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{callback, paused_time};
use mf_async::byte_stream::{AccessMode, FileFlags, MemoryByteStream, OpenMode};
use mf_async::event::GetEventFlags;
use mf_async::source_resolver::ResolutionFlags;
use mf_async::{
    ByteStream, ByteStreamExt, Error, EventStream, Hresult, MediaEvent, MediaEventType, Operation, Platform,
    QueueId, Result, WorkQueueType,
};

/// The text, where `…` stands for anything.
#[track_caller]
fn says<T>(text: &str, result: Result<T>) {
    let error = result.err().expect("it fails").to_string();
    let mut rest = error.as_str();
    for (number, part) in text.split('…').enumerate() {
        let at = rest.find(part).filter(|at| number > 0 || *at == 0);
        let at = at.unwrap_or_else(|| panic!("not as promised:\n  {error}\n  {text}"));
        rest = &rest[at + part.len()..];
    }
    assert!(text.ends_with('…') || rest.is_empty(), "more than promised:\n  {error}\n  {text}");
}

#[test]
fn of_queues() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        says(
            "MF_E_INVALID_WORKQUEUE (0xC00D36FF): queue 0x10000 is not open on this platform: it was not allocated here",
            platform.put(QueueId(0x1_0000), callback(|_| {})),
        );
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let id = queue.id();
        says(
            "MF_E_INVALID_WORKQUEUE (0xC00D36FF): spawn a local future on queue 0x…, which is no window queue, or is closed: allocate one of `WorkQueueType::Window`",
            queue.spawn_local(|| async {}).await,
        );
        drop(queue);
        says(
            "MF_E_INVALID_WORKQUEUE (0xC00D36FF): queue 0x… is not open on this platform: its last handle was dropped; keep a clone of the `WorkQueue`",
            platform.queue(id),
        );
        says(
            "ERROR_INVALID_TASK_NAME (0x8007060E): use the MMCSS class \"Sound\": the classes are …Pro Audio…",
            platform.lock_shared_work_queue("Sound", 0, None),
        );
    });
}

#[test]
fn of_timers() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let result = platform.result(callback(|_| {})).build().unwrap();
        says(
            "E_INVALIDARG (0x80070057): schedule a work item with the timeout 5 ms, which is to be negative",
            platform.schedule_ms(&result, 5),
        );
        let key = platform.schedule(&result, Duration::from_secs(1)).unwrap();
        platform.cancel_work_item(key).unwrap();
        says(
            "MF_E_NOT_FOUND (0xC00D36D5): …: no pending item has the key 0x…; it has run, or was cancelled",
            platform.cancel_work_item(key),
        );
        let never = std::future::pending();
        let on_io = crate::support::on(QueueId::IO, |_| {});
        let result = platform.result(on_io).build().unwrap();
        says(
            "MF_E_INVALID_WORKQUEUE (0xC00D36FF): put a waiting work item for queue IO, which takes none: let its callback name another",
            platform.put_waiting(never, &result),
        );
    });
}

#[test]
fn of_operations() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        let (gate, closed) = tokio::sync::oneshot::channel::<()>();
        says(
            "ERROR_TIMEOUT (0x800705B4): wait for an operation: it had not ended after 2s, and goes on",
            queue.spawn(closed).timeout(Duration::from_secs(2)).await,
        );
        drop(gate);
        let abandoned: Operation<()> = platform.begin_end(&(), |(), _| Ok(()), |(), _| Ok(()));
        says(
            "E_ABORT (0x80004004): the callback was dropped without being invoked; the operation will never be answered",
            abandoned.await,
        );
        says(
            "E_UNEXPECTED (0x8000FFFF): the closure on the work queue panicked: no such luck",
            queue.run(|| panic!("no such luck")).await,
        );
        let mut once = queue.run(|| ());
        (&mut once).await.unwrap();
        says("E_ILLEGAL_METHOD_CALL (0x8000000E): await an operation whose value was taken…", once.await);
        let mut slow = queue.spawn(tokio::time::sleep(Duration::from_secs(1)));
        says(
            "ERROR_POSSIBLE_DEADLOCK (0x8007046B): block a thread of a tokio runtime until an operation ends: await it, or wait in `spawn_blocking`",
            slow.wait(),
        );
    });
}

#[test]
fn of_methods_and_results() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (one, other) = (platform.method::<u8>(), platform.method::<u8>());
        let end = other.clone();
        let begin = |callback| one.begin(callback, async { Ok(1) });
        says(
            "E_INVALIDARG (0x80070057): end a call of a method: the result is of another call or object; take the one that its callback was invoked with",
            platform.begin_end(&(), |(), callback| begin(callback), move |(), result| end.end(result)).await,
        );
        let result = platform.event_result().state(Arc::new(1_u8)).build().unwrap();
        says(
            "E_NOINTERFACE (0x80004002): read the state of a result, as u16: it is of another type",
            result.require_state::<u16>(),
        );
        says(
            "E_POINTER (0x80004003): read the object of a result, as u16: it has none",
            result.require_object::<u16>(),
        );
        result.set_status(Hresult::MF_E_NOTACCEPTING);
        says("MF_E_NOTACCEPTING (0xC00D36B5): the object takes no input just now", result.status().ok());
        says("0x81234567: a call failed with this code", Hresult(0x8123_4567).ok());
    });
}

#[test]
fn of_events() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let queue = Arc::new(platform.create_event_queue().unwrap());
        says(
            "MF_E_NO_EVENTS_AVAILABLE (0xC00D3E80): get an event of an event queue that is empty",
            queue.get_event(GetEventFlags::NO_WAIT),
        );
        says(
            "ERROR_POSSIBLE_DEADLOCK (0x8007046B): wait for an event on a thread of a tokio runtime…",
            queue.get_event(GetEventFlags::empty()),
        );
        let mut stream = EventStream::lossless(&queue).unwrap();
        says(
            "MF_E_MULTIPLE_SUBSCRIBERS (0xC00D36DA): …: a generator has one reader at a time",
            EventStream::lossless(&queue),
        );
        queue.queue_event(MediaEvent::new(MediaEventType::MEError)).unwrap();
        says(
            "E_FAIL (0x80004005): the event MEError reports a failure",
            stream.wait_for(MediaEventType::MESourceStarted).await,
        );
        queue.shutdown();
        says(
            "MF_E_SHUTDOWN (0xC00D3E85): queue an event: the event queue is shut down",
            queue.queue_event(MediaEvent::new(MediaEventType::MESourceStarted)),
        );
    });
}

#[test]
fn of_streams() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let open =
            platform.open_file(AccessMode::Read, OpenMode::FailIfNotExist, FileFlags::empty(), "no/such.wav");
        says(
            "ERROR_PATH_NOT_FOUND (0x80070003): open no/such.wav (Read, FailIfNotExist), whose folder does not exist: …",
            open.await,
        );
        let stream = MemoryByteStream::new(&platform, vec![0; 10]);
        says(
            "E_INVALIDARG (0x80070057): set the position to 11, past the end of a stream of 10 bytes",
            stream.set_position(11),
        );
        says(
            "ERROR_HANDLE_EOF (0x80070026): read 20 bytes: the stream ended after 10",
            stream.read_exact(vec![0; 20]).await,
        );
        stream.close().unwrap();
        says(
            "MF_E_INVALIDREQUEST (0xC00D36B2): …a byte stream in memory, which is closed",
            stream.read(vec![0; 20]).await,
        );
        let resolver = platform.create_source_resolver();
        says(
            "MF_E_UNSUPPORTED_SCHEME (0xC00D36C3): resolve gopher://a: no handler is registered for the scheme gopher; `register_scheme_handler` does that",
            resolver.create_object("gopher://a", ResolutionFlags::MEDIA_SOURCE).await,
        );
        says(
            "MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS (0xC00D36F1): resolve with …: ask for exactly one of MEDIA_SOURCE and BYTE_STREAM",
            resolver.create_object("a", ResolutionFlags::empty()).await,
        );
    });
}

#[test]
fn of_the_platform() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (sender, heard) = tokio::sync::oneshot::channel();
        let inner = platform.clone();
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        queue
            .run(move || sender.send(futures::FutureExt::now_or_never(inner.shutdown())))
            .await
            .unwrap()
            .unwrap();
        says(
            "ERROR_POSSIBLE_DEADLOCK (0x8007046B): shut the platform down from a callback on queue MULTITHREADED, which it would wait for: do it in a task",
            heard.await.unwrap().expect("it is refused at once"),
        );
        platform.shutdown().await.unwrap();
        says(
            "MF_E_SHUTDOWN (0xC00D3E85): put a work item: the platform is shut down",
            queue.put(callback(|_| {})),
        );
    });
}

#[test]
fn of_a_shutdown_that_is_held_up() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let kept = platform.result(callback(|_| {})).build().unwrap();
        let error = platform.shutdown().await.unwrap_err().to_string();
        drop(kept);
        says::<()>(
            "ERROR_TIMEOUT (0x800705B4): shut the platform down: not everything had ended after 5s\n…1 result… held…",
            Err(Error::new(Hresult::ERROR_TIMEOUT, error.split_once(": ").unwrap().1.to_owned())),
        );
    });
}

#[test]
fn outside_a_runtime() {
    says(
        "MF_E_PLATFORM_NOT_INITIALIZED (0xC00D36B0): start a platform outside a tokio runtime: give the builder a handle or worker threads",
        Platform::startup(),
    );
}
