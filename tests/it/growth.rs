//! Promise: as many callbacks as there are workers may block until a further item of their queue has run: a parallel
//! queue grows, on every kind of runtime, and gives back what it took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Gate, both_runtimes, callback, paused_time, until, within_bound};
use mf_async::{Platform, QueueId, WorkQueue, WorkQueueType};

/// The parallel queues of a platform.
fn queues(platform: &Platform) -> Vec<WorkQueue> {
    let mut queues: Vec<_> =
        [QueueId::MULTITHREADED, QueueId::IO].map(|id| platform.queue(id).unwrap()).into();
    queues.push(platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap());
    queues
}

/// Puts so many that wait for an item put after them all.
async fn hold_up(queue: &WorkQueue, blocked: usize) {
    let gate = Gate::new();
    for _ in 0..blocked {
        let gate = gate.clone();
        queue.put(callback(move |_| gate.pass())).unwrap();
    }
    queue.put(callback(move |_| gate.open())).unwrap();
    queue.quiesce().await.unwrap();
    let stats = queue.stats();
    assert_eq!((stats.panicked, stats.put, stats.depth), (0, stats.run, 0), "{queue:?}");
}

/// Returns when a queue of another platform, on a runtime of its own, has grown: this one could have grown meanwhile.
fn another_grows() {
    let grown = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let platform = Platform::startup().unwrap();
            hold_up(&platform.queue(QueueId::MULTITHREADED).unwrap(), 3).await;
        });
    });
    grown.join().unwrap();
}

#[test]
fn callbacks_that_wait_for_a_further_item_do_not_wait_for_ever() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            for blocked in [1, 2, 5, 2] {
                hold_up(&queue, blocked).await;
            }
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn so_it_is_when_callbacks_were_quick_before() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let quick = callback(|_| {});
            (0..2000).for_each(|_| queue.put(quick.clone()).unwrap());
            queue.quiesce().await.unwrap();
            hold_up(&queue, 3).await;
        }
    });
}

#[test]
fn a_serial_queue_does_not_grow() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let running = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let running = running.clone();
            let one = callback(move |_| {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                another_grows();
                running.fetch_sub(1, Ordering::SeqCst);
            });
            queue.put(one).unwrap();
        }
        queue.quiesce().await.unwrap();
        assert_eq!(queue.stats().panicked, 0);
    });
}

#[test]
fn a_queue_that_has_grown_lets_the_paused_clock_go_on() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        hold_up(&queue, 3).await;
        let before = std::time::Instant::now();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(before.elapsed() < Duration::from_secs(30));
    });
}

#[test]
fn one_worker_of_a_runtime_of_several_threads_is_enough() {
    within_bound(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        runtime.block_on(async {
            for queue in queues(&platform) {
                hold_up(&queue, 4).await;
            }
        });
    });
}

#[test]
fn a_runtime_that_is_not_driven_runs_nothing() {
    within_bound(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        (0..3).for_each(|_| queue.put(callback(|_| {})).unwrap());
        another_grows();
        assert_eq!((queue.stats().run, queue.stats().depth), (0, 3));
        runtime.block_on(until("all have run", || queue.stats().run == 3));
    });
}
