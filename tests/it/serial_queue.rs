//! Promise: a serial queue runs its items in the order of the puts, never two at a time, over whatever
//! queue lies below; it keeps that queue open, and blocks nobody else on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Count, Gate, Log, both_runtimes, callback, flagged, multi_thread, until};
use mf_async::{CallbackFlags, Hresult, Platform, QueueId, WorkQueue, WorkQueueType};

const PLATFORM_QUEUES: [QueueId; 6] = [
    QueueId::STANDARD,
    QueueId::RT,
    QueueId::IO,
    QueueId::TIMER,
    QueueId::MULTITHREADED,
    QueueId::LONG_FUNCTION,
];

/// Puts so many items, and checks that they run in order and one at a time.
async fn check(queue: &WorkQueue, items: usize, flags: impl Fn(usize) -> CallbackFlags) {
    let (log, inside) = (Log::new(), Arc::new(AtomicBool::new(false)));
    for number in 0..items {
        let (log, inside) = (log.clone(), inside.clone());
        let called = flagged(flags(number), move |_| {
            assert!(!inside.swap(true, Ordering::SeqCst), "two items at the same time");
            log.add(number);
            inside.store(false, Ordering::SeqCst);
        });
        queue.put(called).unwrap();
    }
    queue.barrier().await.unwrap();
    assert_eq!(log.all(), (0..items).collect::<Vec<_>>());
    let stats = queue.stats();
    assert_eq!((stats.panicked, stats.depth, stats.running), (0, 0, 0));
}

#[test]
fn ten_thousand_run_in_order_and_never_overlap() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        check(&queue, 10_000, |_| CallbackFlags::empty()).await;
    });
}

#[test]
fn so_they_do_over_every_platform_queue() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for base in PLATFORM_QUEUES {
            check(&platform.allocate_serial_work_queue(base).unwrap(), 1000, |_| CallbackFlags::empty())
                .await;
        }
    });
}

#[test]
fn so_they_do_over_every_private_queue() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for kind in [WorkQueueType::Standard, WorkQueueType::Window, WorkQueueType::Multithreaded] {
            let base = platform.allocate_work_queue(kind).unwrap();
            check(&platform.allocate_serial_work_queue(&base).unwrap(), 1000, |_| CallbackFlags::empty())
                .await;
        }
    });
}

#[test]
fn so_they_do_in_a_chain_of_serial_queues() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let mut top = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        for _ in 0..5 {
            top = platform.allocate_serial_work_queue(&top).unwrap();
        }
        check(&top, 2000, |_| CallbackFlags::empty()).await;
    });
}

#[test]
fn a_blocking_item_keeps_its_place() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for base in [QueueId::MULTITHREADED, QueueId::STANDARD, QueueId::LONG_FUNCTION] {
            let queue = platform.allocate_serial_work_queue(base).unwrap();
            let blocks = |number| {
                if number % 3 == 0 { CallbackFlags::BLOCKING } else { CallbackFlags::empty() }
            };
            check(&queue, 300, blocks).await;
        }
    });
}

#[test]
fn a_long_running_serial_queue_is_still_serial() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        queue.set_long_running(true);
        check(&queue, 300, |_| CallbackFlags::empty()).await;
        queue.set_long_running(false);
        check(&queue, 300, |_| CallbackFlags::empty()).await;
    });
}

#[test]
fn the_items_of_a_long_running_one_do_not_keep_the_threads_below() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let base = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let queue = platform.allocate_serial_work_queue(&base).unwrap();
        for long_running in [true, false] {
            queue.set_long_running(long_running);
            let (gate, entered) = (Gate::new(), Gate::new());
            let (pass, enter) = (gate.clone(), entered.clone());
            queue
                .put(callback(move |_| {
                    enter.open();
                    pass.pass();
                }))
                .unwrap();
            if !long_running {
                gate.open();
            }
            until("it runs", || entered.is_open()).await;
            base.run(|| ()).await.unwrap();
            gate.open();
            queue.barrier().await.unwrap();
            assert_eq!(queue.stats().panicked, 0, "the gate was opened in time");
        }
    });
}

#[test]
fn who_waits_for_it_does_not_keep_the_queue_below_open() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let base = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        let id = base.id();
        let queue = platform.allocate_serial_work_queue(&base).unwrap();
        queue.run(|| ()).await.unwrap();
        queue.quiesce().await.unwrap();
        let barrier = queue.barrier();
        drop((base, queue));
        until("the base is closed", || platform.queue(id).is_err()).await;
        barrier.await.unwrap();
    });
}

#[test]
fn two_on_one_queue_take_turns() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let ground = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let middle = platform.allocate_serial_work_queue(&ground).unwrap();
        for base in [ground, middle] {
            let serials = [0, 1].map(|number| (number, platform.allocate_serial_work_queue(&base).unwrap()));
            let log = Log::new();
            let seen = log.clone();
            let fill = callback(move |_| {
                for (number, serial) in &serials {
                    (0..8).for_each(|_| serial.put(seen.adds(*number)).unwrap());
                }
            });
            base.put(fill).unwrap();
            base.quiesce().await.unwrap();
            until("all have run", || log.len() == 16).await;
            // While somebody waits below, none runs two in a row.
            assert_eq!(log.all(), [0, 1].repeat(8));
        }
    });
}

#[test]
fn it_keeps_the_queue_below_open() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let base = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        let id = base.id();
        let queue = platform.allocate_serial_work_queue(&base).unwrap();
        drop(base);
        check(&queue, 100, |_| CallbackFlags::empty()).await;
        drop(platform.queue(id).unwrap());
        drop(queue);
        until("the base is closed", || platform.queue(id).is_err()).await;
    });
}

#[test]
fn a_chain_is_kept_open_to_the_ground_and_closed_to_the_ground() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let ground = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        let middle = platform.allocate_serial_work_queue(&ground).unwrap();
        let top = platform.allocate_serial_work_queue(&middle).unwrap();
        let ids = [ground.id(), middle.id()];
        drop((ground, middle));
        check(&top, 100, |_| CallbackFlags::empty()).await;
        drop(top);
        until("both are closed", || ids.iter().all(|id| platform.queue(*id).is_err())).await;
    });
}

#[test]
fn what_is_queued_runs_after_the_last_handle_is_dropped() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let base = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        let queue = platform.allocate_serial_work_queue(&base).unwrap();
        let log = Log::new();
        for number in 0..1000 {
            queue.put(log.adds(number)).unwrap();
        }
        drop((queue, base));
        platform.shutdown().await.unwrap();
        assert_eq!(log.all(), (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn it_keeps_the_queue_below_open_until_what_was_queued_has_run() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for flags in [CallbackFlags::empty(), CallbackFlags::BLOCKING] {
            // Not on the thread that this runs on.
            let base = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
            let id = base.id();
            let queue = platform.allocate_serial_work_queue(&base).unwrap();
            let (starts, gate) = (Gate::new(), Gate::new());
            let (started, pass) = (starts.clone(), gate.clone());
            let held = flagged(flags, move |_| {
                started.open();
                pass.pass();
            });
            queue.put(held).unwrap();
            // An item that is queued may put on the queue below.
            let (seen, puts) = (Log::new(), platform.clone());
            let tell = seen.clone();
            let put_below = move |_: &_| tell.add(puts.put(id, callback(|_| {})).is_ok());
            queue.put(callback(put_below)).unwrap();
            starts.pass();
            drop((queue, base));
            assert!(platform.queue(id).is_ok(), "{flags:?}");
            gate.open();
            until("the base is closed", || platform.queue(id).is_err()).await;
            assert_eq!(seen.all(), [true], "{flags:?}");
        }
    });
}

#[test]
fn a_base_that_is_not_open_is_refused() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let error = platform.allocate_serial_work_queue(0x5555_0000).unwrap_err();
        assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
        platform.shutdown().await.unwrap();
        let error = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap_err();
        assert_eq!(error.hresult(), Hresult::MF_E_SHUTDOWN);
    });
}

#[test]
fn items_put_by_its_items_come_last() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        let log = Log::new();
        let (seen, again) = (log.clone(), queue.clone());
        let first = callback(move |_| {
            for number in 0..10 {
                again.put(seen.adds(number)).unwrap();
            }
            seen.add(-1);
        });
        queue.put(first).unwrap();
        queue.quiesce().await.unwrap();
        assert_eq!(log.all(), (-1..10).collect::<Vec<_>>());
    });
}

#[test]
fn puts_from_many_threads_stay_in_order_by_thread() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        let log = Log::new();
        let threads = [0, 1, 2, 3].map(|thread| {
            let (queue, log) = (queue.clone(), log.clone());
            std::thread::spawn(move || {
                for number in 0..5000 {
                    queue.put(log.adds((thread, number))).unwrap();
                }
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        queue.barrier().await.unwrap();
        let all = log.all();
        assert_eq!(all.len(), 20_000);
        for thread in 0..4 {
            let numbers: Vec<_> = all.iter().filter(|entry| entry.0 == thread).map(|entry| entry.1).collect();
            assert_eq!(numbers, (0..5000).collect::<Vec<_>>());
        }
    });
}

#[test]
fn two_serial_queues_over_one_base_do_overlap() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let meet = Arc::new(std::sync::Barrier::new(2));
        let met = Count::new();
        let queues = [0, 1].map(|_| platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap());
        for _ in 0..100 {
            for queue in &queues {
                let (meet, met) = (meet.clone(), met.clone());
                let called = callback(move |_| {
                    meet.wait();
                    met.add();
                });
                queue.put(called).unwrap();
            }
        }
        until("all have met", || met.get() == 200).await;
    });
}

#[test]
fn a_blocking_item_leaves_the_thread_below_to_others() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let base = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        let gate = Gate::new();
        let blocked: Vec<_> = (0..10)
            .map(|_| {
                let queue = platform.allocate_serial_work_queue(&base).unwrap();
                let gate = gate.clone();
                queue.put(flagged(CallbackFlags::BLOCKING, move |_| gate.pass())).unwrap();
                queue
            })
            .collect();
        base.run(|| ()).await.unwrap();
        gate.open();
        for queue in blocked {
            queue.barrier().await.unwrap();
        }
    });
}

#[test]
fn an_item_below_does_not_wait_for_a_blocked_serial_item_while_a_worker_is_free() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let base = platform.queue(QueueId::MULTITHREADED).unwrap();
        for round in 0..200 {
            let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
            // More than a turn runs at once, then an item that only goes on when the other has run.
            for _ in 0..round * 3 {
                queue.put(callback(|_| {})).unwrap();
                if round % 2 == 0 {
                    base.put(callback(|_| {})).unwrap();
                }
            }
            let (here, there) = (Gate::new(), Gate::new());
            let (in_item, out) = (here.clone(), there.clone());
            let called = callback(move |_| {
                in_item.open();
                out.pass();
            });
            queue.put(called).unwrap();
            until("the item blocks", || here.is_open()).await;
            base.put(callback(move |_| there.open())).unwrap();
            queue.barrier().await.unwrap();
        }
    });
}
