//! Promise: a private queue is open while it has a lock, by handle or by number; when the last goes, its
//! number is good for nothing, for ever, and what is queued still runs.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use crate::support::{
    Count, DropToken, Drops, Gate, Log, both_runtimes, callback, flagged, multi_thread, until,
};
use mf_async::{CallbackFlags, Hresult, Platform, QueueId, WorkItem, WorkQueue, WorkQueueType};
use tokio::runtime::Handle;

const KINDS: [WorkQueueType; 3] =
    [WorkQueueType::Standard, WorkQueueType::Multithreaded, WorkQueueType::Window];

fn is_open(platform: &Platform, id: QueueId) -> bool {
    match platform.put(id, callback(|_| {})) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
            false
        }
    }
}

fn one_of_each(platform: &Platform) -> Vec<WorkQueue> {
    let mut queues: Vec<_> = KINDS.map(|kind| platform.allocate_work_queue(kind).unwrap()).into();
    queues.push(platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap());
    queues
}

#[test]
fn numbers_are_private_and_never_used_again() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let mut seen = HashSet::new();
        for _ in 0..100 {
            for queue in one_of_each(&platform) {
                assert!(queue.id().is_private());
                assert!(seen.insert(queue.id()), "{queue:?} was there before");
            }
        }
    });
}

#[test]
fn each_clone_is_a_lock() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in one_of_each(&platform) {
            let id = queue.id();
            let clones: Vec<_> = (0..3).map(|_| queue.clone()).collect();
            drop(queue);
            for clone in clones {
                assert!(is_open(&platform, id));
                clone.run(|| ()).await.unwrap();
                drop(clone);
            }
            assert!(!is_open(&platform, id));
        }
    });
}

#[test]
fn a_number_turns_into_a_handle_while_the_queue_is_open() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in one_of_each(&platform) {
            let id = queue.id();
            let again = platform.queue(id).unwrap();
            assert_eq!(again.id(), id);
            drop(queue);
            again.run(|| ()).await.unwrap();
            drop(again);
            let error = platform.queue(id).unwrap_err();
            assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
            assert!(error.what().contains(&id.to_string()), "{error}");
        }
    });
}

#[test]
fn locks_by_number_are_counted() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in one_of_each(&platform) {
            let id = queue.clone().into_id();
            assert_eq!(queue.into_id(), id);
            assert!(is_open(&platform, id));
            platform.unlock_work_queue(id).unwrap();
            assert!(is_open(&platform, id));
            platform.unlock_work_queue(id).unwrap();
            assert!(!is_open(&platform, id));
            let error = platform.unlock_work_queue(id).unwrap_err();
            assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
        }
    });
}

#[test]
fn a_number_cannot_take_a_handles_lock_off() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let error = platform.unlock_work_queue(&queue).unwrap_err();
        assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
        queue.run(|| ()).await.unwrap();
    });
}

#[test]
fn platform_queues_count_no_locks() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for number in [0, 1, 2, 3, 4, 5, 6, 7, 0xFFFF] {
            for _ in 0..3 {
                platform.unlock_work_queue(number).unwrap();
            }
            let handle = platform.queue(number).unwrap();
            drop(handle.clone());
            platform.unlock_work_queue(handle.into_id()).unwrap();
            platform.queue(number).unwrap().run(|| ()).await.unwrap();
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_queue_of_another_platform_is_unknown() {
    both_runtimes(|| async {
        let (one, other) = (Platform::startup().unwrap(), Platform::startup().unwrap());
        let queues = one_of_each(&one);
        for queue in &queues {
            assert!(!is_open(&other, queue.id()));
            assert!(other.queue(queue).is_err());
            assert!(other.unlock_work_queue(queue).is_err());
        }
    });
}

#[test]
fn what_is_queued_runs_after_the_last_handle_is_gone() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in one_of_each(&platform) {
            let (count, drops) = (Count::new(), Drops::new());
            for _ in 0..1000 {
                queue.put(WorkItem::new(count.counts()).state(Arc::new(drops.token()))).unwrap();
            }
            let last = queue.run(|| 3);
            drop(queue);
            assert_eq!(last.await.unwrap(), 3);
            until("all are let go", || drops.count() == 1000).await;
            assert_eq!(count.get(), 1000);
        }
    });
}

#[test]
fn an_item_may_hold_the_last_handle_of_its_own_queue() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in one_of_each(&platform) {
            let (id, count, puts) = (queue.id(), Count::new(), queue.clone());
            let counted = count.clone();
            let called = callback(move |_| {
                if counted.next() == 0 {
                    puts.put(counted.counts()).unwrap();
                }
            });
            queue.put(called).unwrap();
            drop(queue);
            until("both have run and the queue is closed", || {
                count.get() == 2 && platform.queue(id).is_err()
            })
            .await;
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_closed_queue_that_still_runs_is_in_the_report() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (gate, entered) = (Gate::new(), Gate::new());
        let (pass, enter) = (gate.clone(), entered.clone());
        let queue = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
        let id = queue.id();
        let runs = queue.run(move || {
            enter.open();
            pass.pass();
        });
        drop(queue);
        entered.pass();
        let listed = || platform.report().queues.into_iter().find(|queue| queue.id == id);
        let report = listed().unwrap();
        assert_eq!((report.handles, report.running.len()), (0, 1));
        gate.open();
        runs.await.unwrap();
        until("it is gone", || listed().is_none()).await;
    });
}

#[test]
fn a_queue_that_is_gone_leaves_neither_task_nor_thread() {
    both_runtimes(|| async {
        thread_local!(static HERE: RefCell<Option<DropToken>> = const { RefCell::new(None) });
        let runtime = Handle::current();
        let before = runtime.metrics().num_alive_tasks();
        let (platform, ends) = (Platform::startup().unwrap(), Drops::new());
        let with_platform = runtime.metrics().num_alive_tasks();
        for _ in 0..10 {
            for queue in one_of_each(&platform) {
                queue.run(|| ()).await.unwrap();
            }
            let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
            let token = ends.token();
            window.run(move || HERE.set(Some(token))).await.unwrap();
        }
        until("their threads have ended", || ends.count() == 10).await;
        // The last serial queue was one on MULTITHREADED, which the platform keeps: one task for each worker.
        let kept = with_platform + runtime.metrics().num_workers();
        until("their tasks have ended", || runtime.metrics().num_alive_tasks() <= kept).await;
        platform.shutdown().await.unwrap();
        drop(platform);
        until("so have the platform's", || runtime.metrics().num_alive_tasks() == before).await;
    });
}

#[test]
fn a_lock_left_by_number_keeps_no_thread_beyond_the_platform() {
    both_runtimes(|| async {
        thread_local!(static HERE: RefCell<Option<DropToken>> = const { RefCell::new(None) });
        let (platform, ends) = (Platform::startup().unwrap(), Drops::new());
        let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
        let token = ends.token();
        window.run(move || HERE.set(Some(token))).await.unwrap();
        let _ = window.into_id();
        platform.shutdown().await.unwrap();
        drop(platform);
        until("its thread has ended", || ends.count() == 1).await;
    });
}

#[test]
fn many_that_still_run_what_was_queued_are_all_in_the_report() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let gate = Gate::new();
        let ids: Vec<_> = (0..20)
            .map(|_| {
                let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
                let pass = gate.clone();
                queue.put(flagged(CallbackFlags::BLOCKING, move |_| pass.pass())).unwrap();
                queue.id()
            })
            .collect();
        let report = platform.report();
        let listed: Vec<_> =
            report.queues.iter().map(|queue| queue.id).filter(|id| id.is_private()).collect();
        assert_eq!(listed, ids, "{report}");
        gate.open();
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_number_that_was_good_once_is_told_from_one_that_never_was() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let why = |id: QueueId| platform.queue(id).unwrap_err().what().to_owned();
        for _ in 0..3 {
            let queues = one_of_each(&platform);
            let ids: Vec<_> = queues.iter().map(WorkQueue::id).collect();
            assert!(ids.is_sorted(), "{ids:?}");
            let next = why(QueueId(ids[3].0 + 1));
            assert!(next.contains("it was not allocated here"), "{next}");
            drop(queues);
            for id in ids {
                assert!(why(id).contains("its last handle was dropped"), "{}", why(id));
            }
        }
    });
}

#[test]
fn ten_thousand_come_and_go() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        for _ in 0..5000 {
            let base = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
            let serial = platform.allocate_serial_work_queue(&base).unwrap();
            serial.put(count.counts()).unwrap();
        }
        platform.shutdown().await.unwrap();
        assert_eq!(count.get(), 5000);
        until("all are gone", || platform.report().queues.iter().all(|queue| !queue.id.is_private())).await;
    });
}

#[test]
fn a_lock_that_races_with_the_last_unlock_is_good_or_refused() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let log = Log::new();
        for _ in 0..2000 {
            let queue = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
            let id = queue.id();
            let racer = std::thread::spawn({
                let platform = platform.clone();
                move || platform.queue(id)
            });
            drop(queue);
            match racer.join().unwrap() {
                Ok(queue) => {
                    queue.run(|| ()).await.unwrap();
                    log.add(true);
                }
                Err(error) => {
                    assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
                    log.add(false);
                }
            }
            assert!(!is_open(&platform, id));
        }
        assert_eq!(log.len(), 2000);
    });
}

#[test]
fn one_that_is_closed_leaves_no_task_behind() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let metrics = Handle::current().metrics();
        for kind in [WorkQueueType::Standard, WorkQueueType::Multithreaded] {
            let before = metrics.num_alive_tasks();
            let queue = platform.allocate_work_queue(kind).unwrap();
            queue.run(|| ()).await.unwrap();
            assert!(metrics.num_alive_tasks() > before, "its worker");
            drop(queue);
            until("its workers have ended", || metrics.num_alive_tasks() <= before).await;
        }
    });
}
