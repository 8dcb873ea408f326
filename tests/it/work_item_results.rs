//! Promise: every call of a work item has a result of its own. What a callback keeps stays as it was, the next call
//! finds nothing of the one before, and what a call leaves is gone when its item counts as run.

use std::sync::{Arc, Mutex};

use crate::support::{Drops, both_runtimes, callback};
use mf_async::{AsyncResult, Hresult, Platform, QueueId, WorkItem, WorkQueueType};

/// More than any batch.
const MANY: usize = 1000;

#[test]
fn what_a_callback_keeps_stays_as_it_was() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for kind in [WorkQueueType::Standard, WorkQueueType::Multithreaded] {
            let queue = platform.allocate_work_queue(kind).unwrap();
            let kept: Arc<Mutex<Vec<AsyncResult>>> = Arc::default();
            let keeps = kept.clone();
            let called = callback(move |result: &AsyncResult| {
                let number = *result.state::<usize>().unwrap();
                assert_eq!(result.status(), Hresult::S_OK);
                result.set_status(Hresult(number as u32));
                // Every third only: those between are used again.
                if number % 3 == 0 {
                    keeps.lock().unwrap().push(result.clone());
                }
            });
            for number in 0..MANY {
                queue.put(WorkItem::new(called.clone()).state(Arc::new(number))).unwrap();
            }
            queue.barrier().await.unwrap();
            assert_eq!(queue.stats().panicked, 0);
            let mut numbers: Vec<usize> = Vec::new();
            for result in kept.lock().unwrap().drain(..) {
                let number = *result.state::<usize>().unwrap();
                assert_eq!(result.status(), Hresult(number as u32));
                numbers.push(number);
            }
            numbers.sort_unstable();
            assert_eq!(numbers, (0..MANY).step_by(3).collect::<Vec<_>>());
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn what_is_kept_holds_a_shutdown_up() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let kept: Arc<Mutex<Vec<AsyncResult>>> = Arc::default();
        let keeps = kept.clone();
        let called = callback(move |result: &AsyncResult| keeps.lock().unwrap().push(result.clone()));
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        for _ in 0..MANY {
            queue.put(called.clone()).unwrap();
        }
        queue.quiesce().await.unwrap();
        assert_eq!(platform.report().results, MANY);
        kept.lock().unwrap().clear();
        assert_eq!(platform.report().results, 0);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn nothing_is_left_of_an_item_that_counts_as_run() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for kind in [WorkQueueType::Standard, WorkQueueType::Multithreaded] {
            let queue = platform.allocate_work_queue(kind).unwrap();
            let drops = Drops::new();
            let called = callback(|_: &AsyncResult| {});
            for _ in 0..MANY {
                queue.put(WorkItem::new(called.clone()).state(Arc::new(drops.token()))).unwrap();
            }
            queue.quiesce().await.unwrap();
            assert_eq!(drops.count(), MANY);
            assert_eq!(Arc::strong_count(&called), 1);
            assert_eq!(platform.report().results, 0);
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_state_whose_drop_panics_spoils_only_its_own_item() {
    both_runtimes(|| async {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let drops = Drops::new();
        let called = callback(|_: &AsyncResult| {});
        for number in 0..MANY {
            let state: Arc<dyn std::any::Any + Send + Sync> =
                if number % 10 == 0 { Arc::new(Bad) } else { Arc::new(drops.token()) };
            queue.put(WorkItem::new(called.clone()).state(state)).unwrap();
        }
        queue.barrier().await.unwrap();
        assert_eq!(queue.stats().run, MANY as u64);
        assert_eq!(queue.stats().panicked, MANY as u64 / 10);
        assert_eq!(drops.count(), MANY - MANY / 10);
        drop(queue);
        platform.shutdown().await.unwrap();
    });
}
