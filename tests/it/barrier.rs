//! Promise: a barrier ends when all that was put before it has run, and waits for nothing that came later;
//! `quiesce` ends when nothing is queued and nothing runs. A callback that would wait for itself is told.

use std::sync::Arc;

use crate::support::{Count, Gate, both_runtimes, callback, flagged, multi_thread, until};
use mf_async::{CallbackFlags, ErrorKind, Hresult, Platform, QueueId, WorkItem, WorkQueue, WorkQueueType};

fn queues(platform: &Platform) -> Vec<WorkQueue> {
    let mut queues: Vec<_> = [1, 2, 3, 4, 5, 7].map(|id| platform.queue(id).unwrap()).into();
    for kind in [WorkQueueType::Standard, WorkQueueType::Multithreaded, WorkQueueType::Window] {
        queues.push(platform.allocate_work_queue(kind).unwrap());
    }
    queues.push(platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap());
    queues
}

#[test]
fn it_ends_when_all_that_was_put_before_has_run() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let count = Count::new();
            for round in 1..=20 {
                for priority in [0, -1, 1] {
                    queue.put(WorkItem::new(count.counts()).priority(priority)).unwrap();
                }
                queue.barrier().await.unwrap();
                assert_eq!(count.get(), round * 3, "{queue:?}");
            }
        }
    });
}

#[test]
fn on_an_empty_queue_it_ends_at_once() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            queue.barrier().await.unwrap();
            queue.quiesce().await.unwrap();
        }
    });
}

#[test]
fn it_counts_from_the_call_and_not_from_the_first_poll() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let (gate, count) = (Gate::new(), Count::new());
            queue.put(count.counts()).unwrap();
            let barrier = queue.barrier();
            let pass = gate.clone();
            // On the blocking pool, so that a runtime of one thread can go on.
            queue.put(flagged(CallbackFlags::BLOCKING, move |_| pass.pass())).unwrap();
            barrier.await.unwrap();
            assert_eq!((count.get(), gate.is_open()), (1, false), "{queue:?}");
            gate.open();
            queue.quiesce().await.unwrap();
        }
    });
}

#[test]
fn what_came_and_ended_since_does_not_hold_it_up() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            for _ in 0..20 {
                queue.put(callback(|_| {})).unwrap();
                let barrier = queue.barrier();
                queue.put(callback(|_| {})).unwrap();
                queue.quiesce().await.unwrap();
                barrier.await.unwrap();
            }
        }
    });
}

#[test]
fn it_waits_for_what_blocks_elsewhere() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let (gate, ended) = (Gate::new(), Gate::new());
            let (pass, end) = (gate.clone(), ended.clone());
            let called = flagged(CallbackFlags::BLOCKING, move |_| {
                pass.pass();
                end.open();
            });
            queue.put(called).unwrap();
            let (barrier, quiet) = (queue.barrier(), queue.quiesce());
            tokio::pin!(barrier, quiet);
            for _ in 0..20 {
                assert!(futures::poll!(&mut barrier).is_pending());
                assert!(futures::poll!(&mut quiet).is_pending());
                tokio::task::yield_now().await;
            }
            gate.open();
            barrier.await.unwrap();
            assert!(ended.is_open());
            quiet.await.unwrap();
        }
    });
}

#[test]
fn quiesce_waits_for_what_is_put_meanwhile_too() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let (count, puts) = (Count::new(), queue.clone());
            let counted = count.clone();
            let chain = callback(move |result| {
                if counted.next() < 99 {
                    puts.put(result).unwrap();
                }
            });
            queue.put(chain).unwrap();
            queue.quiesce().await.unwrap();
            assert_eq!(count.get(), 100, "{queue:?}");
        }
    });
}

#[test]
fn dropping_it_changes_nothing() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let count = Count::new();
            for _ in 0..100 {
                queue.put(count.counts()).unwrap();
                let (mut barrier, mut quiet) = (Box::pin(queue.barrier()), Box::pin(queue.quiesce()));
                let _ = (futures::poll!(&mut barrier), futures::poll!(&mut quiet));
            }
            queue.barrier().await.unwrap();
            assert_eq!(count.get(), 100);
        }
    });
}

#[test]
fn from_a_callback_of_the_queue_it_is_refused() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let inner = queue.clone();
            let (barrier, quiet) = queue.run(move || (inner.barrier(), inner.quiesce())).await.unwrap();
            for error in [barrier.await.unwrap_err(), quiet.await.unwrap_err()] {
                assert_eq!(error.hresult(), Hresult::ERROR_POSSIBLE_DEADLOCK);
                assert_eq!(error.kind(), ErrorKind::WouldDeadlock);
                assert!(error.what().contains(&queue.id().to_string()), "{error}");
            }
            let inner = queue.clone();
            let outcome = queue.spawn(async move { inner.barrier().await }).await.unwrap();
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::WouldDeadlock);
        }
    });
}

#[test]
fn from_a_callback_of_another_queue_it_is_fine() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let other = platform.queue(QueueId::LONG_FUNCTION).unwrap();
        for queue in queues(&platform).into_iter().filter(|queue| queue.id() != QueueId::LONG_FUNCTION) {
            let count = Count::new();
            queue.put(count.counts()).unwrap();
            other.spawn(async move { queue.barrier().await }).await.unwrap().unwrap();
            assert_eq!(count.get(), 1);
        }
    });
}

#[test]
fn after_shutdown_it_ends_at_once() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queues: Vec<_> = [1, 3, 5].map(|id| platform.queue(id).unwrap()).into();
        for queue in &queues {
            queue.put(callback(|_| {})).unwrap();
        }
        platform.shutdown().await.unwrap();
        for queue in &queues {
            queue.barrier().await.unwrap();
            queue.quiesce().await.unwrap();
        }
    });
}

#[test]
fn many_barriers_from_many_threads_all_end_in_time() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let queue = queue.clone();
                    tokio::spawn(async move {
                        for _ in 0..200 {
                            let count = Count::new();
                            queue.put(count.counts()).unwrap();
                            queue.barrier().await.unwrap();
                            assert_eq!(count.get(), 1);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
    });
}

#[test]
fn on_a_parallel_queue_it_waits_until_all_have_come_back() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        let (gate, entered) = (Gate::new(), Arc::new(Gate::new()));
        let (pass, enter) = (gate.clone(), entered.clone());
        let first = callback(move |_| {
            enter.open();
            pass.pass();
        });
        queue.put(first).unwrap();
        entered.pass();
        // The later one is back already, the earlier one not.
        queue.run(|| ()).await.unwrap();
        let barrier = queue.barrier();
        tokio::pin!(barrier);
        assert!(futures::poll!(&mut barrier).is_pending());
        gate.open();
        barrier.await.unwrap();
        until("nothing runs", || queue.stats().running == 0).await;
    });
}
