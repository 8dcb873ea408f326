//! Promise: an item never waits for one that waits for it, even where callbacks were so quick before that a
//! drain task took many of them out together: what lies behind a callback that is held up is run by another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Gate, callback, multi_thread, within_bound};
use mf_async::{Platform, QueueId, WorkQueue, WorkQueueType};

/// Lets the queue learn that its callbacks are quick.
async fn make_quick(queue: &WorkQueue) {
    let quick = callback(|_| {});
    for _ in 0..2000 {
        queue.put(quick.clone()).unwrap();
    }
    queue.quiesce().await.unwrap();
}

/// Puts so many quick ones, one that waits for the last of all, and so many more before that.
fn put_one_that_waits(queue: &WorkQueue, before: usize, between: usize) {
    let gate = Gate::new();
    let (pass, open) = (gate.clone(), gate);
    let quick = callback(|_| {});
    let put = |count: usize| (0..count).for_each(|_| queue.put(quick.clone()).unwrap());
    put(before);
    queue.put(callback(move |_| pass.pass())).unwrap();
    put(between);
    queue.put(callback(move |_| open.open())).unwrap();
}

/// A gate that nobody opens in time panics, and that is counted.
fn assert_none_panicked(queue: &WorkQueue) {
    let stats = queue.stats();
    assert_eq!((stats.panicked, stats.put, stats.depth), (0, stats.run, 0));
}

#[test]
fn what_a_callback_waits_for_is_run_though_it_lies_behind_it() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        for queue in [
            platform.queue(QueueId::MULTITHREADED).unwrap(),
            platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap(),
            // It may have threads of its own, and then nobody looks out for it.
            platform.lock_shared_work_queue("Audio", 0, None).unwrap().0,
        ] {
            for round in 0..40 {
                make_quick(&queue).await;
                put_one_that_waits(&queue, round, round % 7);
                queue.quiesce().await.unwrap();
            }
            assert_none_panicked(&queue);
        }
    });
}

#[test]
fn it_is_run_while_others_go_on_putting() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        make_quick(&queue).await;
        let gate = Gate::new();
        let (pass, open) = (gate.clone(), gate);
        let held_up = callback(move |_| pass.pass());
        let opens = callback(move |_| open.open());
        // A chain that keeps the queue from ever being empty, until what lies behind the held up one has run.
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let again = queue.clone();
        let counts = left.clone();
        let chain = callback(move |result| {
            if counts.fetch_sub(1, Ordering::Relaxed) > 0 {
                again.put(result).unwrap();
            }
        });
        queue.put(chain).unwrap();
        for _ in 0..20 {
            queue.put(callback(|_| {})).unwrap();
        }
        queue.put(held_up).unwrap();
        queue.put(opens).unwrap();
        let behind = queue.barrier();
        behind.await.unwrap();
        left.store(0, Ordering::Relaxed);
        queue.quiesce().await.unwrap();
        assert_none_panicked(&queue);
    });
}

#[test]
fn a_barrier_is_told_of_what_ran_before_a_callback_that_waits_for_it() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        for _ in 0..40 {
            make_quick(&queue).await;
            let gate = Gate::new();
            let pass = gate.clone();
            queue.put(callback(|_| {})).unwrap();
            let barrier = queue.barrier();
            queue.put(callback(move |_| pass.pass())).unwrap();
            barrier.await.unwrap();
            gate.open();
            queue.quiesce().await.unwrap();
            assert_none_panicked(&queue);
        }
    });
}

#[test]
fn so_it_is_on_a_runtime_without_timers() {
    within_bound(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        runtime.block_on(async {
            let queue = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
            for round in 0..40 {
                make_quick(&queue).await;
                put_one_that_waits(&queue, round, round % 7);
                queue.quiesce().await.unwrap();
            }
            assert_none_panicked(&queue);
        });
    });
}
