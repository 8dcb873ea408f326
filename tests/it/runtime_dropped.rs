//! Promise: a platform ends with its runtime. When the runtime is dropped everything outstanding ends with
//! `MF_E_SHUTDOWN`, wherever it is awaited, later calls are refused with it, and the report says so.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use futures::future::BoxFuture;
use mf_async::byte_stream::ByteStreamFromIo;
use mf_async::{
    AsyncResult, ByteStreamExt, CallbackFlags, CallbackParameters, EventStream, Hresult, Operation, Platform,
    QueueId, Result, WorkQueueType,
};
use tokio::runtime::{Builder, Runtime};

use crate::support::{Gate, callback, kept, with, within_bound};

fn runtimes() -> [(&'static str, Runtime); 2] {
    [
        ("current-thread", Builder::new_current_thread().enable_all().build().unwrap()),
        ("multi-thread", Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()),
    ]
}

/// Something that waits, by what it is.
type Waits = (&'static str, BoxFuture<'static, Result<()>>);

fn waits(
    what: &'static str,
    future: impl Future<Output = Result<impl Sized + Send + 'static>> + Send + 'static,
) -> Waits {
    (what, future.map(|value| value.map(drop)).boxed())
}

/// One of everything that can be awaited, none of which would end by itself; and what keeps it so.
fn outstanding(platform: &Platform) -> (Vec<Waits>, Vec<Box<dyn Send>>) {
    let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
    let mut kept: Vec<Box<dyn Send>> = Vec::new();
    let (never, came) = tokio::sync::oneshot::channel::<()>();
    let mut all = vec![waits("spawn", queue.spawn(came))];
    kept.push(Box::new(never));

    let result = Arc::new(Mutex::new(None));
    let keeps = result.clone();
    let begun = platform.begin_end(
        platform,
        |platform, callback| {
            *keeps.lock().unwrap() = Some(platform.result(callback).build()?);
            Ok(())
        },
        |_, _| Ok(()),
    );
    all.push(waits("begin_end with a result that is kept", begun));
    kept.push(Box::new(result));

    let mut callback_kept = None;
    let bare = platform.begin_end(
        &(),
        |(), callback| {
            callback_kept = Some(callback);
            Ok(())
        },
        |(), _| Ok(()),
    );
    all.push(waits("begin_end with a callback that is kept", bare));
    kept.push(Box::new(callback_kept));

    let later: Operation<()> = platform.begin_end(
        platform,
        |platform, callback| {
            platform.schedule(&platform.result(callback).build()?, Duration::from_secs(3600))
        },
        |_, _| Ok(()),
    );
    all.push(waits("begin_end over a scheduled item", later));

    let event: Operation<()> = platform.begin_end(
        platform,
        |platform, callback| platform.put_waiting(pending(), &platform.result(callback).build()?),
        |_, _| Ok(()),
    );
    all.push(waits("begin_end over a waiting item", event));

    let (never, called) = tokio::sync::oneshot::channel::<()>();
    kept.push(Box::new(never));
    let method = platform.method::<u32>();
    let calls = platform.begin_end(
        &method,
        |method, callback| {
            method.begin(callback, async move {
                let _ = called.await;
                Ok(7)
            })
        },
        |method, result| method.end(result),
    );
    all.push(waits("a method", calls));

    let serial = platform.allocate_serial_work_queue(QueueId::STANDARD).unwrap();
    let replies = CallbackParameters::on(&serial).with_flags(CallbackFlags::REPLY);
    serial.put(with(replies, |_| {})).unwrap();
    let behind = serial.run(|| ());
    all.push(waits("run behind a reply", behind));
    all.push(waits("a barrier behind a reply", serial.barrier()));
    all.push(waits("quiesce behind a reply", serial.quiesce()));
    kept.push(Box::new(serial));

    let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
    all.push(waits("a local future", window.spawn_local(pending::<()>)));
    kept.push(Box::new(window));

    let limited = platform.allocate_work_queue(WorkQueueType::Standard).unwrap().bounded(1).unwrap();
    let place = limited.try_reserve().unwrap();
    all.push(waits("a reservation", limited.reserve()));
    kept.push(Box::new((limited, place)));

    let (ours, theirs) = tokio::io::duplex(16);
    let stream = ByteStreamFromIo::reader(platform, ours);
    all.push(waits("a read from tokio::io", stream.read(vec![0; 8])));
    kept.push(Box::new((stream, theirs)));

    let source = Arc::new(platform.create_event_queue().unwrap());
    let mut events = EventStream::lossless(&source).unwrap();
    let next = async move {
        match events.next().await {
            None => Err(events.end_cause().unwrap().clone()),
            Some(event) => event.map(drop),
        }
    };
    all.push(waits("the next event", next));
    kept.push(Box::new(source));

    let lock = platform.lock().unwrap();
    kept.push(Box::new(lock));
    (all, kept)
}

#[test]
fn everything_outstanding_ends_with_shutdown() {
    within_bound(|| {
        for (kind, runtime) in runtimes() {
            let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
            let (mut all, kept) = runtime.block_on(async {
                let (mut all, kept) = outstanding(&platform);
                for (_, waits) in &mut all {
                    assert!(futures::poll!(waits).is_pending());
                }
                (all, kept)
            });
            drop(runtime);
            for (what, waits) in &mut all {
                let error = block_on(waits).expect_err(what);
                assert_eq!(error.hresult(), Hresult::MF_E_SHUTDOWN, "{what}, {kind}: {error}");
            }
            drop((all, kept));
        }
    });
}

#[test]
fn a_thread_that_waits_is_woken() {
    within_bound(|| {
        for (kind, runtime) in runtimes() {
            let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
            let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
            let (sender, came) = tokio::sync::oneshot::channel::<()>();
            let mut never = queue.spawn(came);
            let waits = std::thread::spawn(move || never.wait().map(drop));
            drop(runtime);
            drop(sender);
            let error = waits.join().unwrap().unwrap_err();
            assert_eq!(error.hresult(), Hresult::MF_E_SHUTDOWN, "{kind}");
        }
    });
}

#[test]
fn later_calls_are_refused_and_the_report_says_so() {
    within_bound(|| {
        for (kind, runtime) in runtimes() {
            let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
            let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
            let result = platform.result(callback(|_| {})).build().unwrap();
            assert!(platform.report().running);
            drop(runtime);
            let refused: [(&str, Result<()>); 7] = [
                ("put_work_item", platform.put(QueueId::STANDARD, callback(|_| {}))),
                ("put", queue.put(callback(|_| {}))),
                ("invoke", result.invoke()),
                ("result", platform.result(callback(|_| {})).build().map(drop)),
                ("schedule", platform.schedule(&result, Duration::ZERO).map(drop)),
                ("create_event_queue", platform.create_event_queue().map(drop)),
                ("run", block_on(queue.run(|| ()))),
            ];
            for (what, refused) in refused {
                assert_eq!(refused.expect_err(what).hresult(), Hresult::MF_E_SHUTDOWN, "{what}, {kind}");
            }
            assert!(!platform.report().running, "{kind}");
            assert!(platform.report().to_string().ends_with("shut down"), "{kind}: {}", platform.report());
            let ended = block_on(platform.shutdown()).unwrap_err();
            assert_eq!(ended.hresult(), Hresult::MF_E_SHUTDOWN, "{kind}");
        }
    });
}

#[test]
fn an_operation_over_a_task_of_the_runtime_ends_with_shutdown() {
    within_bound(|| {
        for (kind, runtime) in runtimes() {
            let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
            let operations: Vec<Operation<()>> = (0..20)
                .map(|_| {
                    // A component that keeps its result in a task, which the runtime drops with the rest.
                    platform.begin_end(
                        &(),
                        |(), callback| {
                            let result = platform.result(callback).build()?;
                            runtime.spawn(async move {
                                pending::<()>().await;
                                drop(result);
                            });
                            Ok(())
                        },
                        |(), _| Ok(()),
                    )
                })
                .collect();
            drop(runtime);
            for operation in operations {
                let error = block_on(operation).unwrap_err();
                assert_eq!(error.hresult(), Hresult::MF_E_SHUTDOWN, "{kind}: {error}");
            }
        }
    });
}

#[test]
fn a_platform_cannot_start_on_a_runtime_that_is_gone() {
    for (kind, runtime) in runtimes() {
        let handle = runtime.handle().clone();
        drop(runtime);
        let error = Platform::builder().handle(handle).startup().unwrap_err();
        assert_eq!(error.hresult(), Hresult::MF_E_SHUTDOWN, "{kind}");
    }
}

#[test]
fn a_component_that_keeps_a_weak_handle_keeps_nothing_alive() {
    struct Component(mf_async::WeakPlatform);
    impl mf_async::AsyncCallback for Component {
        fn invoke(&self, _: &AsyncResult) {}
    }
    for (kind, runtime) in runtimes() {
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        let component = Arc::new(Component(platform.downgrade()));
        let mut kept = None;
        let operation: Operation<()> = platform.begin_end(
            &component,
            |component, callback| {
                kept = Some(component.0.upgrade()?.result(callback).state(component.clone()).build()?);
                Ok(())
            },
            |_, _| Ok(()),
        );
        drop(platform);
        let error = block_on(operation).unwrap_err();
        assert_eq!(error.hresult(), Hresult::MF_E_SHUTDOWN, "{kind}");
        assert!(component.0.upgrade().unwrap_err().is_shutdown());
    }
}

/// tokio refuses to wait for a runtime's end on its own worker. So it does on a thread that stands in for one.
#[test]
fn a_callback_drops_the_runtime_wherever_its_queue_runs_it() {
    for held_up_by in ["nothing", "a task", "a callback"] {
        within_bound(move || {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let handle = runtime.handle().clone();
            let platform = Platform::builder().handle(handle.clone()).startup().unwrap();
            let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
            let (outstanding, _kept) = kept(&platform);
            let (runtime, dropped) = (Arc::new(Mutex::new(Some(runtime))), Gate::new());
            let done = dropped.clone();
            let drops = callback(move |_| {
                let runtime = runtime.lock().unwrap().take();
                let refused = catch_unwind(AssertUnwindSafe(|| drop(runtime))).is_err();
                assert!(refused, "by a queue that is held up by {held_up_by}");
                done.open();
            });
            let waits = dropped.clone();
            match held_up_by {
                "nothing" => queue.put(drops).unwrap(),
                "a task" => drop(handle.spawn(async move {
                    queue.put(drops).unwrap();
                    waits.pass();
                })),
                _ => {
                    queue.put(callback(move |_| waits.pass())).unwrap();
                    queue.put(drops).unwrap();
                }
            }
            dropped.pass();
            assert!(block_on(outstanding).unwrap_err().is_shutdown());
        });
    }
}
