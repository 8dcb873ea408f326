//! Promise: everything that can be awaited is awaited by an executor that knows nothing of tokio and is nested in a task of
//! tokio's, also when that task has used its budget up; and so in a callback, which has none. What a queue runs, it runs
//! although all of the runtime's workers are held up so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mf_async::byte_stream::{AccessMode, ByteStreamFromIo, FileFlags, MemoryByteStream, OpenMode};
use mf_async::{
    ByteStreamExt, Error, EventStream, Hresult, MediaEvent, MediaEventType, Operation, Platform, QueueId,
    Result, WorkItem, WorkQueueType,
};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::support::{callback, kept, multi_thread, within_bound};

/// What is awaited. Another thread makes it end, while it is awaited or before.
type Begin = fn(Platform) -> BoxFuture<'static, Result<()>>;

const KINDS: [(&str, Begin); 20] = [
    ("an operation", |platform| called_back(&platform).boxed()),
    ("a timeout that does not run out", |platform| {
        called_back(&platform).timeout(Duration::from_secs(3600)).boxed()
    }),
    ("a timeout that runs out", |platform| {
        async move {
            let (operation, _kept) = kept(&platform);
            timed_out(operation.timeout(Duration::from_millis(1)).await)
        }
        .boxed()
    }),
    ("a token", |platform| {
        async move {
            let (operation, kept) = kept(&platform);
            let token = CancellationToken::new();
            elsewhere(token.clone(), |token| token.cancel());
            // Its component gives up, and drops the callback.
            let error = operation.cancel_with(move || drop(kept)).cancel_on(&token).await.unwrap_err();
            assert_eq!(error.hresult(), Hresult::E_ABORT);
            Ok(())
        }
        .boxed()
    }),
    ("a closure", |platform| platform.queue(QueueId::STANDARD).unwrap().run(|| ()).boxed()),
    ("a future", |platform| {
        platform
            .queue(QueueId::MULTITHREADED)
            .unwrap()
            .spawn(tokio::time::sleep(Duration::from_millis(1)))
            .boxed()
    }),
    ("a method", |platform| {
        platform.method().call(async { tokio::time::sleep(Duration::from_millis(1)).map(Ok).await }).boxed()
    }),
    ("a scheduled item", |platform| {
        let begin =
            |platform: &Platform, callback| platform.schedule(WorkItem::new(callback), SOON).map(drop);
        platform.begin_end(&platform, begin, |_, _| Ok(())).boxed()
    }),
    ("a scheduled item before another", |platform| {
        platform.schedule(callback(|_| ()), Duration::from_secs(3600)).unwrap();
        let begin =
            |platform: &Platform, callback| platform.schedule(WorkItem::new(callback), SOON).map(drop);
        platform.begin_end(&platform, begin, |_, _| Ok(())).boxed()
    }),
    ("a waiting item", |platform| {
        let begin = |platform: &Platform, callback| {
            platform.put_waiting(std::future::ready(()), WorkItem::new(callback)).map(drop)
        };
        platform.begin_end(&platform, begin, |_, _| Ok(())).boxed()
    }),
    ("a deadline", |platform| {
        let mut deadline = platform.queue(QueueId::STANDARD).unwrap().set_deadline(Duration::from_secs(3600));
        async move { deadline.ended().await.map(drop) }.boxed()
    }),
    ("a shutdown", |_| {
        async move {
            let another = Platform::startup()?;
            another.queue(QueueId::STANDARD)?.run(|| ()).detach();
            another.shutdown().await
        }
        .boxed()
    }),
    ("a barrier", |platform| {
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        queue.run(|| ()).detach();
        async move { queue.barrier().await }.boxed()
    }),
    ("quiet", |platform| {
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        queue.run(|| ()).detach();
        async move { queue.quiesce().await }.boxed()
    }),
    ("a reservation", |platform| {
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap().bounded(1).unwrap();
        elsewhere(queue.try_reserve().unwrap(), drop);
        async move { queue.reserve().await.map(drop) }.boxed()
    }),
    ("a result's event", |platform| {
        let result = platform.event_result().build().unwrap();
        elsewhere(result.clone(), |result| result.invoke().unwrap());
        async move { result.signaled().await }.boxed()
    }),
    ("events", |platform| {
        let queue = Arc::new(platform.create_event_queue().unwrap());
        let mut events = EventStream::lossless(&queue).unwrap();
        elsewhere(queue.clone(), |queue| {
            (0..300).for_each(|_| queue.queue_event(MediaEvent::new(MediaEventType::MEUnknown)).unwrap());
        });
        async move {
            for _ in 0..300 {
                events.next().await.unwrap()?;
            }
            drop(queue);
            Ok(())
        }
        .boxed()
    }),
    ("a read of memory", |platform| {
        MemoryByteStream::new(&platform, b"bytes".to_vec())
            .read(vec![0; 5])
            .map(|read| read.map(drop))
            .boxed()
    }),
    ("a read of tokio::io", |platform| {
        let read = ByteStreamFromIo::reader(&platform, &b"bytes"[..]).read(vec![0; 5]);
        read.map(|read| read.map(drop)).boxed()
    }),
    ("an opening", |platform| {
        let (access, mode) = (AccessMode::Read, OpenMode::FailIfNotExist);
        let opens = platform.open_file(access, mode, FileFlags::empty(), "Cargo.toml");
        opens.map(|file| file.map(drop)).boxed()
    }),
];

const SOON: Duration = Duration::from_millis(1);

/// On a thread that no runtime knows of.
fn elsewhere<T: Send + 'static>(what: T, act: impl FnOnce(T) + Send + 'static) {
    std::thread::spawn(move || act(what));
}

/// An operation that another thread calls back.
fn called_back(platform: &Platform) -> Operation<()> {
    let begin = |platform: &Platform, callback| {
        elsewhere(platform.result(callback).build()?, |result| result.invoke().unwrap());
        Ok(())
    };
    platform.begin_end(platform, begin, |_, _| Ok(()))
}

fn timed_out(ended: Result<()>) -> Result<()> {
    assert_eq!(ended.unwrap_err().hresult(), Hresult::ERROR_TIMEOUT);
    Ok(())
}

/// An executor of a few lines: it parks the thread.
fn park_on<T>(mut future: BoxFuture<'static, T>) -> T {
    struct Unparks(std::thread::Thread);

    impl Wake for Unparks {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unparks(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn in_a_task_that_has_used_its_budget_up() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        for (what, begin) in KINDS {
            for executor in [futures::executor::block_on, park_on] {
                let platform = platform.clone();
                // Begun here: what a worker itself starts, and then blocks, waits for that worker.
                let begun = begin(platform);
                let waits = tokio::spawn(async move {
                    while tokio::task::consume_budget().now_or_never().is_some() {}
                    executor(begun)
                });
                // A thread that is blocked drives no clock: other tasks have others do that.
                while !waits.is_finished() {
                    tokio::spawn(std::future::ready(())).await.unwrap();
                    std::thread::yield_now();
                }
                waits.await.unwrap().unwrap_or_else(|error| panic!("{what}: {error}"));
            }
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn in_a_callback() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        for (what, begin) in KINDS {
            for executor in [futures::executor::block_on, park_on] {
                let (weak, queue) = (platform.downgrade(), platform.queue(QueueId::MULTITHREADED).unwrap());
                let waits = queue.run(move || executor(begin(weak.upgrade()?)));
                let ended: Result<()> = waits.await.unwrap();
                ended.unwrap_or_else(|error: Error| panic!("{what}: {error}"));
            }
        }
        platform.shutdown().await.unwrap();
    });
}

/// Begun by the very worker that is blocked, which gives what it has woken to another.
#[test]
fn in_a_task_that_says_that_it_blocks() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        for (what, begin) in KINDS {
            let platform = platform.clone();
            let waits = tokio::spawn(async move {
                tokio::task::block_in_place(|| futures::executor::block_on(begin(platform)))
            });
            waits.await.unwrap().unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        platform.shutdown().await.unwrap();
    });
}

/// Begun by the very worker that is blocked, and that has woken what the end depends on.
#[test]
fn in_a_task_that_blocks_its_worker() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        for (what, begin) in KINDS {
            for executor in [futures::executor::block_on, park_on] {
                let platform = platform.clone();
                let waits = tokio::spawn(async move { executor(begin(platform)) });
                waits.await.unwrap().unwrap_or_else(|error| panic!("{what}: {error}"));
            }
        }
        platform.shutdown().await.unwrap();
    });
}

/// The only worker of the runtime is blocked, again and again: by a task that has put on each kind of queue, and by one that
/// has found the queue's own worker in the middle of its items.
#[test]
fn in_a_task_that_blocks_the_only_worker() {
    within_bound(|| {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let platform = Platform::startup().unwrap();
            let allocate = |kind| platform.allocate_work_queue(kind).unwrap();
            let over = allocate(WorkQueueType::Multithreaded);
            let queues = [
                allocate(WorkQueueType::Standard),
                platform.allocate_serial_work_queue(over.id()).unwrap(),
                allocate(WorkQueueType::Window),
                over,
            ];
            for queue in queues {
                let ran = Arc::new(AtomicUsize::new(0));
                let counted = ran.clone();
                let waits = tokio::spawn(async move {
                    for round in 0..3 {
                        // More than a worker runs before it yields; in the last round, on the blocking pool.
                        queue.set_long_running(round == 2);
                        for _ in 0..if round == 2 { 20 } else { 5_000 } {
                            let counted = counted.clone();
                            queue.run(move || counted.fetch_add(1, Ordering::SeqCst)).detach();
                        }
                        futures::executor::block_on(queue.barrier())?;
                    }
                    Ok::<_, Error>(())
                });
                waits.await.unwrap().unwrap();
                assert_eq!(ran.load(Ordering::SeqCst), 10_020);
            }
            platform.shutdown().await.unwrap();
        });
    });
}
