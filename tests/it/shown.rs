//! Promise: everything can be shown, at any time, and says what one asks first: its number, whether it runs,
//! whether it has ended.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use mf_async::byte_stream::{ByteStreamFromIo, ByteStreamIo, MemoryByteStream};
use mf_async::rtwq::{Deadline, PlatformEvents};
use mf_async::source_resolver::ResolvedObject;
use mf_async::{AsyncResult, EventStream, Platform, QueueId, WorkQueueType};

fn says(value: &impl Debug, words: &[&str]) {
    let shown = format!("{value:?}");
    for word in words {
        assert!(shown.contains(word), "{shown} does not say {word}");
    }
}

struct Nobody;

impl PlatformEvents for Nobody {}

#[tokio::test]
async fn everything_can_be_shown() {
    says(&Platform::builder().worker_threads(3), &["PlatformBuilder", "3"]);
    let platform = Platform::startup().unwrap();
    says(&platform, &["Platform", "running: true"]);
    let lock = platform.lock().unwrap();
    says(&lock, &["PlatformLock", "shown.rs"]);
    let events = platform.register_platform_events(Arc::new(Nobody));
    says(&events, &["PlatformEventsGuard"]);

    let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    says(&queue, &["WorkQueue", &queue.id().to_string()]);
    says(&queue.id(), &["QueueId(0x"]);
    let limited = queue.clone().bounded(7).unwrap();
    says(&limited, &["BoundedQueue", "limit: 7", "free: 7"]);
    says(&limited.try_reserve().unwrap(), &["Permit", &queue.id().to_string()]);
    let deadline: Deadline = queue.set_deadline(Duration::from_secs(1));
    says(&deadline, &["Deadline"]);
    drop(deadline);

    let callback = Arc::new(|_: &AsyncResult| ());
    let result = platform.result(callback).state(Arc::new(1)).build().unwrap();
    says(&result, &["AsyncResult", "S_OK", "has_state: true", "has_object: false"]);
    let never = platform.begin_end(
        &(),
        |(), callback| {
            platform.put_waiting(std::future::pending(), &platform.result(callback).build()?).map(drop)
        },
        |(), _| Ok(()),
    );
    says(&never, &["Operation", "ended: false"]);
    let cancelled = never.cancel_on(&tokio_util::sync::CancellationToken::new());
    says(&cancelled, &["CancelOn", "Operation"]);
    drop(cancelled);
    says(&platform.method::<u8>(), &["Method", "u8", "MULTITHREADED"]);
    let cookie = platform.method::<u8>().begin(Arc::new(|_: &AsyncResult| ()), async { Ok(1) }).unwrap();
    says(&cookie, &["CancelCookie"]);

    let generator = Arc::new(platform.create_event_queue().unwrap());
    says(&generator, &["MediaEventQueue", "shut_down: false"]);
    let stream = EventStream::lossless(&generator).unwrap();
    says(&stream, &["EventStream", "ended: false", "dropped: 0"]);

    let memory = MemoryByteStream::new(&platform, vec![1, 2, 3]);
    says(&memory, &["MemoryByteStream", "3"]);
    let io = ByteStreamIo::new(&platform, memory);
    says(&io, &["ByteStreamIo", "MemoryByteStream", "reading: false"]);
    says(io.get_ref(), &["MemoryByteStream"]);
    says(&io.into_inner(), &["MemoryByteStream"]);
    let from = ByteStreamFromIo::reader(&platform, &b"bytes"[..]);
    says(&from, &["ByteStreamFromIo", "READABLE", "open: true"]);
    let resolver = platform.create_source_resolver();
    says(&resolver, &["SourceResolver", "schemes"]);
    let (bytes, media) = (MemoryByteStream::new(&platform, vec![]), ());
    says(&ResolvedObject::ByteStream(Arc::new(bytes)), &["ByteStream"]);
    says(&ResolvedObject::MediaSource(Arc::new(media)), &["MediaSource"]);
    let mmcss = platform.work_queue_mmcss(QueueId::STANDARD).unwrap();
    assert_eq!(mmcss.to_string(), " (task 0, priority 0)");

    says(&platform.report(), &["Report", "queues", "operations"]);
    drop((lock, queue, limited, result, generator, stream, from, resolver));
    platform.shutdown().await.unwrap();
    says(&platform, &["running: false"]);
    drop(events);
}
