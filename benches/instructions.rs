//! One case, so many times, on one thread: the program whose instructions `.ci/instructions` counts.
//!
//! Run: `cargo bench --bench instructions -- <case> <items>`; `-- --list` names the cases; without
//! arguments it runs every case once.

use std::sync::Arc;
use std::time::Duration;

use futures::poll;
use mf_async::{
    AsyncCallback, AsyncResult, EventStream, MediaEvent, MediaEventType, Method, Platform, QueueId, Result,
    WorkQueueType,
};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

fn main() -> Result<()> {
    if std::env::args().any(|arg| arg == "--list") {
        CASES.iter().for_each(|case| println!("{case}"));
        return Ok(());
    }
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runtime = Builder::new_current_thread().enable_all().build().expect("the bench needs a runtime");
    match args.as_slice() {
        [case, items] => {
            let case = case.clone();
            let items = items.parse().expect("the second argument is a number of items");
            runtime.block_on(async move {
                tokio::spawn(async move { run(&case, items).await }).await.expect("no case panics")
            })
        }
        _ => CASES.iter().try_for_each(|case| runtime.block_on(run(case, BURST))),
    }
}

/// Every case; `.ci/instructions` asks for them one by one.
const CASES: [&str; 17] = [
    "put",
    "put_ready",
    "put_run",
    "ready_run",
    "await",
    "await_later",
    "await_method",
    "serial_step",
    "timer_insert",
    "timer_cancel",
    "event",
    // Not ours: what tokio alone costs, to compare with.
    "tokio_spawn",
    "tokio_await",
    "tokio_later",
    "tokio_join",
    "tokio_channel",
    "tokio_sleep",
];

async fn run(case: &str, items: usize) -> Result<()> {
    let platform = Platform::startup()?;
    let callback: Arc<dyn AsyncCallback> = Arc::new(|_: &AsyncResult| {});
    let queue = platform.queue(QueueId::MULTITHREADED)?;
    let ready = platform.result(callback.clone()).build()?;
    match case {
        // Put only: what is queued is never run.
        "put" => {
            (0..items).try_for_each(|_| queue.put(callback.clone()))?;
            std::process::exit(0);
        }
        "put_ready" => {
            (0..items).try_for_each(|_| queue.put(&ready))?;
            std::process::exit(0);
        }
        "put_run" => {
            for _ in 0..items / BURST {
                (0..BURST).try_for_each(|_| queue.put(callback.clone()))?;
                queue.quiesce().await?;
            }
        }
        "ready_run" => {
            for _ in 0..items / BURST {
                (0..BURST).try_for_each(|_| queue.put(&ready))?;
                queue.quiesce().await?;
            }
        }
        "await" => {
            for _ in 0..items {
                let answer = platform.begin_end(
                    &(),
                    |(), callback| platform.result(callback).build()?.invoke(),
                    |(), result| result.status().ok(),
                );
                answer.await?;
            }
        }
        // Completed when the operation is awaited already.
        "await_later" => {
            for _ in 0..items {
                let mut begun = None;
                let mut answer = platform.begin_end(
                    &(),
                    |(), callback| platform.result(callback).build().map(|result| begun = Some(result)),
                    |(), result| result.status().ok(),
                );
                assert!(poll!(&mut answer).is_pending());
                begun.take().expect("Begin has run").invoke()?;
                answer.await?;
            }
        }
        "await_method" => {
            let method: Method<u32> = platform.method();
            for _ in 0..items {
                assert!(matches!(method.call(async { Ok(42) }).await, Ok(42)));
            }
        }
        "serial_step" => {
            let base = platform.allocate_work_queue(WorkQueueType::Multithreaded)?;
            let serial = platform.allocate_serial_work_queue(&base)?;
            for _ in 0..items / BURST {
                (0..BURST).try_for_each(|_| serial.put(&ready))?;
                serial.quiesce().await?;
            }
        }
        "timer_insert" => {
            for item in 0..items {
                platform.schedule(&ready, delay(item))?;
            }
            std::process::exit(0);
        }
        "timer_cancel" => {
            let schedule = |item| platform.schedule(&ready, delay(item));
            for key in (0..items).map(schedule).collect::<Result<Vec<_>>>()? {
                platform.cancel_work_item(key)?;
            }
        }
        "event" => {
            let queue = Arc::new(platform.create_event_queue()?);
            let mut events = EventStream::lossless(&queue)?;
            for _ in 0..items / BURST {
                for _ in 0..BURST {
                    queue.queue_event(MediaEvent::new(MediaEventType::MEMediaSample))?;
                }
                for _ in 0..BURST {
                    assert!(matches!(events.next().await, Some(Ok(_))));
                }
            }
        }
        "tokio_spawn" => {
            for _ in 0..items / BURST {
                let spawn = |_| {
                    let (callback, ready) = (callback.clone(), ready.clone());
                    tokio::spawn(async move { callback.invoke(&ready) })
                };
                for task in (0..BURST).map(spawn).collect::<Vec<_>>() {
                    let _ = task.await;
                }
            }
        }
        "tokio_await" => {
            for _ in 0..items {
                let (send, receive) = oneshot::channel();
                tokio::spawn(async move { send.send(42) });
                assert_eq!(receive.await, Ok(42));
            }
        }
        "tokio_later" => {
            for _ in 0..items {
                let (send, mut receive) = oneshot::channel();
                assert!(poll!(&mut receive).is_pending());
                let _ = send.send(42);
                assert_eq!(receive.await, Ok(42));
            }
        }
        "tokio_join" => {
            for _ in 0..items {
                assert!(matches!(tokio::spawn(async { 42 }).await, Ok(42)));
            }
        }
        "tokio_channel" => {
            let (send, mut receive) = mpsc::unbounded_channel::<AsyncResult>();
            let task = tokio::spawn(async move {
                while let Some(result) = receive.recv().await {
                    if let Some(callback) = result.callback() {
                        callback.invoke(&result);
                    }
                }
            });
            for _ in 0..items / BURST {
                (0..BURST).for_each(|_| drop(send.send(ready.clone())));
                tokio::task::yield_now().await;
            }
            drop(send);
            let _ = task.await;
        }
        "tokio_sleep" => {
            for item in 0..items {
                tokio::spawn(tokio::time::sleep(delay(item)));
            }
            tokio::task::yield_now().await;
            std::process::exit(0);
        }
        other => panic!("there is no case {other}, only {CASES:?}"),
    }
    drop((queue, ready));
    platform.shutdown().await
}

/// So many are put before they run; the number of items is a multiple of it.
const BURST: usize = 1000;

/// Hours ahead, in no order.
fn delay(item: usize) -> Duration {
    Duration::from_millis(3_600_000 + (item as u64).wrapping_mul(2_654_435_761) % 32_400_000)
}
