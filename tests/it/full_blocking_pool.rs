//! Promise: a queue whose worker a task blocks asks the blocking pool for a thread, and depends on none: it goes on where the
//! pool is full, and keeps no thread that others wait for.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mf_async::{CallbackFlags, Platform, QueueId, WorkQueue, WorkQueueType};
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use crate::support::{Count, Gate, callback, flagged, within_bound, work_for};

/// Longer than a queue waits before it replaces its worker.
const LONG: Duration = Duration::from_millis(100);

/// On a runtime of one worker and one blocking thread.
fn one_of_each<F: Future<Output = ()>>(body: impl FnOnce(Platform) -> F + Send + 'static) {
    within_bound(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let platform = Platform::startup().unwrap();
            body(platform.clone()).await;
            platform.shutdown().await.unwrap();
        });
    });
}

/// Queues that run on the runtime's workers, made anew.
fn queues(platform: &Platform) -> Vec<WorkQueue> {
    let allocate = |kind| platform.allocate_work_queue(kind).unwrap();
    let (over, standard) = (allocate(WorkQueueType::Multithreaded), allocate(WorkQueueType::Standard));
    let serial = platform.allocate_serial_work_queue(over.id()).unwrap();
    vec![standard, serial, over]
}

#[test]
fn it_goes_on_when_the_worker_is_free_again() {
    one_of_each(|platform| async move {
        for queue in queues(&platform) {
            let (holds, gate) = (Gate::new(), Gate::new());
            let full = spawn_blocking({
                let (holds, gate) = (holds.clone(), gate.clone());
                move || {
                    holds.open();
                    gate.pass();
                }
            });
            holds.pass();
            let puts = tokio::spawn(async move {
                queue.put(callback(move |_| gate.open())).unwrap();
                work_for(LONG);
            });
            puts.await.unwrap();
            full.await.unwrap();
        }
    });
}

#[test]
fn what_it_runs_there_may_block() {
    one_of_each(|platform| async move {
        for queue in queues(&platform) {
            let count = Count::new();
            let blocks = flagged(CallbackFlags::BLOCKING, {
                let count = count.clone();
                move |_| count.add()
            });
            let waits = tokio::spawn(async move {
                (0..20).for_each(|_| queue.put(blocks.clone()).unwrap());
                futures::executor::block_on(queue.barrier())
            });
            waits.await.unwrap().unwrap();
            assert_eq!(count.get(), 20);
        }
    });
}

#[test]
fn it_gives_the_thread_back_though_it_is_never_empty() {
    one_of_each(|platform| async move {
        for queue in queues(&platform) {
            let (over, ran) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let chain = callback({
                let (queue, over, ran) = (queue.clone(), over.clone(), ran.clone());
                move |result| {
                    ran.fetch_add(1, Ordering::SeqCst);
                    if !over.load(Ordering::SeqCst) {
                        queue.put(result).unwrap();
                    }
                }
            });
            let puts = tokio::spawn({
                let queue = queue.clone();
                async move {
                    queue.put(chain).unwrap();
                    while ran.load(Ordering::SeqCst) == 0 {
                        std::thread::yield_now();
                    }
                }
            });
            puts.await.unwrap();
            platform.queue(QueueId::LONG_FUNCTION).unwrap().run(|| ()).await.unwrap();
            over.store(true, Ordering::SeqCst);
            queue.quiesce().await.unwrap();
        }
    });
}

#[test]
fn it_lets_a_runtime_end_that_gives_no_thread_any_more() {
    within_bound(|| {
        for _ in 0..5 {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
            let (begins, over) = (Gate::new(), Gate::new());
            let (opens, ends) = (begins.clone(), over.clone());
            let queues = queues(&platform);
            runtime.spawn(async move {
                let runs: Vec<_> = queues.iter().map(|queue| queue.run(|| ())).collect();
                opens.open();
                for run in runs {
                    // It runs, or the platform ends with its runtime.
                    drop(futures::executor::block_on(run));
                }
                ends.open();
            });
            begins.pass();
            drop(runtime);
            assert!(over.is_open());
        }
    });
}

#[test]
fn so_it_does_while_a_callback_holds_its_worker_up() {
    within_bound(|| {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        let (holds, ends) = (Gate::new(), Gate::new());
        let (held, over) = (holds.clone(), ends.clone());
        let first = queue.run(move || {
            held.open();
            over.pass();
        });
        holds.pass();
        let second = queue.run(|| ());
        runtime.shutdown_background();
        // The worker has not seen its runtime's end.
        assert!(futures::executor::block_on(second).unwrap_err().is_shutdown());
        ends.open();
        drop(first);
    });
}
