//! Promise: whatever a callback does, its queue lives on. A panic is counted, and an error, with what was
//! panicked, for whoever awaits; a panic while something is dropped is contained.

use std::future::poll_fn;
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use crate::support::{Count, both_runtimes, callback, flagged};
use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, ErrorKind, Hresult, Platform, QueueId, WorkItem, WorkQueue,
    WorkQueueType,
};

/// One queue of each kind.
fn queues(platform: &Platform) -> Vec<WorkQueue> {
    let mut queues: Vec<_> = [1, 2, 3, 4, 5, 7].map(|id| platform.queue(id).unwrap()).into();
    for kind in [WorkQueueType::Standard, WorkQueueType::Multithreaded, WorkQueueType::Window] {
        queues.push(platform.allocate_work_queue(kind).unwrap());
    }
    queues.push(platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap());
    queues
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("expected in a test");
        }
    }
}

#[test]
fn the_queue_lives_on_and_counts_it() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            for flags in [CallbackFlags::empty(), CallbackFlags::BLOCKING] {
                queue.put(flagged(flags, |_| panic!("expected in a test"))).unwrap();
            }
            assert_eq!(queue.run(|| 1).await.unwrap(), 1);
            queue.barrier().await.unwrap();
            let stats = queue.stats();
            assert_eq!((stats.panicked, stats.run, stats.put), (2, 3, 3), "{queue:?}");
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn who_awaits_gets_the_very_payload() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let error = queue.run::<(), _>(|| panic_any(Arc::new(5_u64))).await.unwrap_err();
            assert_eq!((error.kind(), error.hresult()), (ErrorKind::Panicked, Hresult::E_UNEXPECTED));
            assert_eq!(*error.into_panic().unwrap().downcast::<Arc<u64>>().unwrap(), Arc::new(5));
            let error = queue.spawn(poll_fn(|_| -> Poll<()> { panic!("in {}", "text") })).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Panicked);
            assert!(error.what().contains("panicked: in text"), "{error}");
            assert_eq!(queue.run(|| 1).await.unwrap(), 1);
        }
    });
}

#[test]
fn a_local_future_that_panics_is_an_error_and_its_thread_lives_on() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
        let error =
            window.spawn_local(|| poll_fn(|_| -> Poll<()> { panic!("in the future") })).await.unwrap_err();
        assert!(error.what().contains("panicked: in the future"), "{error}");
        fn makes() -> std::future::Ready<()> {
            panic!("in the making")
        }
        let error = window.spawn_local(makes).await.unwrap_err();
        assert!(error.what().contains("panicked: in the making"), "{error}");
        assert_eq!(window.spawn_local(|| async { 1 }).await.unwrap(), 1);
        assert_eq!(window.run(|| 1).await.unwrap(), 1);
    });
}

#[test]
fn a_component_that_panics_fails_its_callers_operation() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let operation = platform.begin_end(
                &(),
                |(), callback| {
                    // As components do: the caller's result is the state of their own work item.
                    let theirs = platform.result(callback).build()?;
                    queue.put(
                        WorkItem::new(crate::support::callback(|_| panic!("in the component")))
                            .state(Arc::new(theirs)),
                    )
                },
                |(), _| Ok(()),
            );
            let error = operation.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Panicked);
            assert!(error.what().contains("in the component"), "{error}");
            assert!(error.what().contains(&queue.id().to_string()), "{error}");
            assert!(error.into_panic().is_some());
        }
    });
}

#[test]
fn a_drop_that_panics_is_contained() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let count = Count::new();
            for flags in [CallbackFlags::empty(), CallbackFlags::BLOCKING] {
                let counted = count.clone();
                let called = flagged(flags, move |_| {
                    counted.add();
                });
                queue.put(WorkItem::new(called).state(Arc::new(PanicsOnDrop))).unwrap();
                let owned = PanicsOnDrop;
                queue
                    .put(callback(move |_| {
                        let _ = &owned;
                    }))
                    .unwrap();
            }
            assert_eq!(queue.run(|| 1).await.unwrap(), 1);
            queue.barrier().await.unwrap();
            assert_eq!((count.get(), queue.stats().run), (2, 5), "{queue:?}");
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_payload_whose_drop_panics_is_contained() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            for flags in [CallbackFlags::empty(), CallbackFlags::BLOCKING] {
                queue.put(flagged(flags, |_| panic_any(PanicsOnDrop))).unwrap();
            }
            assert_eq!(queue.run(|| 1).await.unwrap(), 1);
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_drop_that_panics_at_shutdown_is_contained() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        let hour = std::time::Duration::from_secs(3600);
        for _ in 0..3 {
            platform.schedule(WorkItem::new(count.counts()).state(Arc::new(PanicsOnDrop)), hour).unwrap();
        }
        let key =
            platform.schedule(WorkItem::new(count.counts()).state(Arc::new(PanicsOnDrop)), hour).unwrap();
        platform.cancel_work_item(key).unwrap();
        platform.put(QueueId::STANDARD, count.counts()).unwrap();
        platform.shutdown().await.unwrap();
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn parameters_that_panic_refuse_the_put() {
    both_runtimes(|| async {
        struct Panics(AtomicUsize);
        impl AsyncCallback for Panics {
            fn parameters(&self) -> mf_async::CallbackParameters {
                self.0.fetch_add(1, Ordering::SeqCst);
                panic!("expected in a test")
            }
            fn invoke(&self, _: &AsyncResult) {}
        }
        let platform = Platform::startup().unwrap();
        let panics = Arc::new(Panics(AtomicUsize::new(0)));
        for queue in queues(&platform) {
            let refused = queue.put(panics.clone()).unwrap_err();
            assert_eq!((refused.kind(), refused.hresult()), (ErrorKind::Panicked, Hresult::E_UNEXPECTED));
            assert_eq!(queue.run(|| 1).await.unwrap(), 1);
        }
        assert_eq!((panics.0.load(Ordering::SeqCst), Arc::strong_count(&panics)), (10, 1));
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_callbacks_name_may_ask_the_queue_that_runs_it() {
    both_runtimes(|| async {
        struct Named(WorkQueue);
        impl AsyncCallback for Named {
            fn invoke(&self, _: &AsyncResult) {}
            fn name(&self) -> &'static str {
                // Locks what the queue locks: it must not be asked under that lock.
                assert_eq!(self.0.stats().panicked, 0);
                "named"
            }
        }
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            queue.put(Arc::new(Named(queue.clone()))).unwrap();
            queue.barrier().await.unwrap();
        }
    });
}

/// A component that invokes its caller's result, or has it put, and then panics, or panics first: it is called once.
#[test]
fn a_component_that_panics_and_invokes_calls_back_once() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        for how in 0..5 {
            for _ in 0..50 {
                let calls = Count::new();
                let result = platform.result(calls.counts()).build().unwrap();
                let puts = queue.clone();
                let component = callback(move |item| {
                    let callers = item.state::<AsyncResult>().unwrap();
                    match how {
                        0 => callers.invoke().unwrap(),
                        1 => puts.put(callers).unwrap(),
                        _ => {}
                    }
                    panic!("expected in a test");
                });
                let invokes = result.clone();
                let thread = (how == 3).then(|| std::thread::spawn(move || invokes.invoke().unwrap()));
                queue.put(WorkItem::new(component).state(result.clone())).unwrap();
                queue.quiesce().await.unwrap();
                match how {
                    2 => result.invoke().unwrap(),
                    4 => queue.put(&result).unwrap(),
                    _ => {}
                }
                if let Some(thread) = thread {
                    thread.join().unwrap();
                }
                queue.barrier().await.unwrap();
                platform.queue(QueueId::STANDARD).unwrap().barrier().await.unwrap();
                assert_eq!(calls.get(), 1, "way {how}");
            }
        }
        platform.shutdown().await.unwrap();
    });
}

/// Two of them at once would end the process.
#[test]
fn two_drops_of_one_item_may_panic() {
    struct Bomb(Count);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.add();
            panic!("expected in a test");
        }
    }
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let drops = Count::new();
        let item = |put: &dyn Fn(WorkItem)| {
            let (callbacks, states) = (Bomb(drops.clone()), std::sync::Mutex::new(Bomb(drops.clone())));
            let owner = callback(move |_| {
                let _ = &callbacks;
            });
            put(WorkItem::new(owner).state(Arc::new(states)));
        };
        let hour = std::time::Duration::from_secs(3600);
        let queues = queues(&platform);
        for queue in &queues {
            item(&|item| queue.put(item).unwrap());
            queue.barrier().await.unwrap();
        }
        item(&|item| _ = platform.schedule(item, hour).unwrap());
        item(&|item| platform.cancel_work_item(platform.schedule(item, hour).unwrap()).unwrap());
        item(&|item| _ = platform.put_waiting(std::future::pending(), item).unwrap());
        item(&|item| _ = platform.put(QueueId(0x1_0000), item).unwrap_err());
        let result =
            platform.result(callback(|_| ())).object(Arc::new(std::sync::Mutex::new(Bomb(drops.clone()))));
        drop(result.state(Arc::new(std::sync::Mutex::new(Bomb(drops.clone())))).build().unwrap());
        let count = queues.len();
        drop(queues);
        platform.shutdown().await.unwrap();
        item(&|item| _ = platform.put(QueueId::STANDARD, item).unwrap_err());
        assert_eq!(drops.get(), 2 * count + 2 * 6);
    });
}

#[test]
fn an_object_whose_clone_panics_begins_nothing() {
    both_runtimes(|| async {
        struct Object;
        impl Clone for Object {
            fn clone(&self) -> Object {
                panic!("expected in a test")
            }
        }
        let platform = Platform::startup().unwrap();
        let begun = Count::new();
        let begins = begun.clone();
        let operation = platform.begin_end(
            &Object,
            |_, callback| {
                begins.add();
                platform.result(callback).build()?.invoke()
            },
            |_, result| result.status().ok(),
        );
        assert_eq!(operation.await.unwrap_err().kind(), ErrorKind::Panicked);
        assert_eq!(begun.get(), 0);
        platform.shutdown().await.unwrap();
    });
}
