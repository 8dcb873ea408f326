//! Promise: each kind of queue runs its items as its name says: one at a time or at the same time, on a
//! thread of its own or on those of all; and what takes long or blocks stops nobody else.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use crate::support::{
    Count, Gate, Log, both_runtimes, callback, flagged, multi_thread, paused_time, until, within_bound,
};
use mf_async::{CallbackFlags, Hresult, Platform, QueueId, WorkQueue, WorkQueueType};

fn serial_queues(platform: &Platform) -> Vec<WorkQueue> {
    let mut queues: Vec<_> =
        [QueueId::STANDARD, QueueId::RT, QueueId::TIMER].map(|id| platform.queue(id).unwrap()).into();
    for kind in [WorkQueueType::Standard, WorkQueueType::Window] {
        queues.push(platform.allocate_work_queue(kind).unwrap());
    }
    queues.push(platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap());
    queues
}

fn parallel_queues(platform: &Platform) -> Vec<WorkQueue> {
    let mut queues: Vec<_> = [QueueId::MULTITHREADED, QueueId::IO, QueueId::LONG_FUNCTION]
        .map(|id| platform.queue(id).unwrap())
        .into();
    queues.push(platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap());
    queues
}

#[test]
fn a_serial_kind_runs_one_at_a_time_in_order() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in serial_queues(&platform) {
            let (log, inside) = (Log::new(), Arc::new(AtomicBool::new(false)));
            for number in 0..1000 {
                let (log, inside) = (log.clone(), inside.clone());
                let flags = if number % 100 == 0 { CallbackFlags::BLOCKING } else { CallbackFlags::empty() };
                let called = flagged(flags, move |_| {
                    assert!(!inside.swap(true, Ordering::SeqCst));
                    log.add(number);
                    inside.store(false, Ordering::SeqCst);
                });
                queue.put(called).unwrap();
            }
            queue.barrier().await.unwrap();
            assert_eq!(log.all(), (0..1000).collect::<Vec<_>>(), "{queue:?}");
            assert_eq!(queue.stats().panicked, 0);
        }
    });
}

#[test]
fn a_parallel_kind_runs_everything_once() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in parallel_queues(&platform) {
            let log = Log::new();
            for number in 0..1000 {
                queue.put(log.adds(number)).unwrap();
            }
            queue.barrier().await.unwrap();
            let mut all = log.all();
            all.sort_unstable();
            assert_eq!(all, (0..1000).collect::<Vec<_>>(), "{queue:?}");
        }
    });
}

#[test]
fn a_window_queue_has_one_thread_for_itself() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let windows = [0, 1].map(|_| platform.allocate_work_queue(WorkQueueType::Window).unwrap());
        let mut seen = HashSet::from([std::thread::current().id()]);
        for window in &windows {
            let here = window.run(|| std::thread::current().id()).await.unwrap();
            assert!(seen.insert(here), "shared with somebody");
            for _ in 0..50 {
                assert_eq!(window.run(|| std::thread::current().id()).await.unwrap(), here);
                assert_eq!(window.spawn(async { std::thread::current().id() }).await.unwrap(), here);
                let local = window.spawn_local(|| async {
                    let before = std::thread::current().id();
                    tokio::task::yield_now().await;
                    (before, std::thread::current().id())
                });
                assert_eq!(local.await.unwrap(), (here, here));
            }
        }
    });
}

/// A window queue's thread is its own, so its callbacks take no thread from the blocking pool.
#[test]
fn a_window_callback_may_wait_for_the_only_blocking_thread() {
    within_bound(|| {
        let mut runtimes =
            [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()];
        for runtime in &mut runtimes {
            let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
            runtime.block_on(async {
                let platform = Platform::startup().unwrap();
                let windows = [0, 1, 2].map(|_| platform.allocate_work_queue(WorkQueueType::Window).unwrap());
                let handle = tokio::runtime::Handle::current();
                let waits = windows.map(|window| {
                    let handle = handle.clone();
                    window.run(move || {
                        let (send, receive) = std::sync::mpsc::channel();
                        drop(handle.spawn_blocking(move || send.send(5)));
                        receive.recv().unwrap()
                    })
                });
                for wait in waits {
                    assert_eq!(wait.await.unwrap(), 5);
                }
            });
        }
    });
}

#[test]
fn a_window_queue_is_home_to_futures_that_are_not_send() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
        let (send, receive) = tokio::sync::oneshot::channel();
        let waits = window.spawn_local(move || async move {
            let value = Rc::new(40);
            let more: i32 = receive.await.unwrap();
            *value + more
        });
        // It waits without keeping the thread.
        assert_eq!(window.run(|| 1).await.unwrap(), 1);
        send.send(2).unwrap();
        assert_eq!(waits.await.unwrap(), 42);
    });
}

#[test]
fn other_kinds_take_no_local_futures() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let mut queues = parallel_queues(&platform);
        queues.extend(serial_queues(&platform));
        let (refused, taken): (Vec<_>, Vec<_>) =
            futures::future::join_all(queues.iter().map(|queue| queue.spawn_local(|| async {})))
                .await
                .into_iter()
                .partition(std::result::Result::is_err);
        // All but the window queue among them.
        assert_eq!((refused.len(), taken.len()), (9, 1));
        for outcome in refused {
            assert_eq!(outcome.unwrap_err().hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
        }
    });
}

#[test]
fn long_functions_do_not_stop_the_others() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (gate, inside) = (Gate::new(), Count::new());
        let block = |flags| {
            let (gate, inside) = (gate.clone(), inside.clone());
            flagged(flags, move |_| {
                inside.add();
                gate.pass();
            })
        };
        // More of them than the runtime has workers, on whatever queue that allows it.
        for _ in 0..8 {
            platform.put(QueueId::LONG_FUNCTION, block(CallbackFlags::empty())).unwrap();
            platform.put(QueueId::MULTITHREADED, block(CallbackFlags::BLOCKING)).unwrap();
            platform.put(QueueId::IO, block(CallbackFlags::BLOCKING)).unwrap();
        }
        let mut private = Vec::new();
        for kind in [WorkQueueType::Standard, WorkQueueType::Multithreaded, WorkQueueType::Window] {
            let queue = platform.allocate_work_queue(kind).unwrap();
            queue.put(block(CallbackFlags::BLOCKING)).unwrap();
            private.push(queue);
        }
        let hinted = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        hinted.set_long_running(true);
        for _ in 0..8 {
            hinted.put(block(CallbackFlags::empty())).unwrap();
        }
        until("all of them block at the same time", || inside.get() == 35).await;
        for id in [1, 2, 3, 4, 5, 7] {
            platform.queue(id).unwrap().run(|| ()).await.unwrap();
        }
        platform.allocate_work_queue(WorkQueueType::Window).unwrap().run(|| ()).await.unwrap();
        // A queue that runs one at a time waits for its own.
        let waits = private[0].run(|| ());
        private[1].run(|| ()).await.unwrap();
        assert!(!waits.is_ended());
        gate.open();
        waits.await.unwrap();
    });
}

#[test]
fn what_a_callback_spawns_on_tokio_finds_its_runtime() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let mut queues = parallel_queues(&platform);
        queues.extend(serial_queues(&platform));
        for queue in queues {
            let task = queue.run(|| tokio::spawn(async { 5 })).await.unwrap();
            assert_eq!(task.await.unwrap(), 5, "{queue:?}");
        }
    });
}

#[test]
fn two_items_of_a_parallel_kind_meet() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        for queue in parallel_queues(&platform) {
            for _ in 0..300 {
                let meet = Arc::new(Barrier::new(2));
                let (one, other) = (meet.clone(), meet.clone());
                let pair = (
                    queue.run(move || {
                        one.wait();
                    }),
                    queue.run(move || {
                        other.wait();
                    }),
                );
                pair.0.await.unwrap();
                pair.1.await.unwrap();
            }
        }
    });
}

#[test]
fn they_meet_when_both_are_put_from_inside_a_callback() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        for queue in parallel_queues(&platform) {
            for _ in 0..300 {
                let (meet, met, puts) = (Arc::new(Barrier::new(2)), Count::new(), queue.clone());
                let done = met.clone();
                let first = callback(move |_| {
                    for _ in 0..2 {
                        let (meet, met) = (meet.clone(), done.clone());
                        let called = callback(move |_| {
                            meet.wait();
                            met.add();
                        });
                        puts.put(called).unwrap();
                    }
                });
                queue.put(first).unwrap();
                until("they met", || met.get() == 2).await;
            }
        }
    });
}

#[test]
fn an_item_meets_the_callback_that_put_it() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        for queue in parallel_queues(&platform) {
            for _ in 0..300 {
                let (meet, puts) = (Arc::new(Barrier::new(2)), queue.clone());
                let first = queue.run(move || {
                    let other = meet.clone();
                    puts.put(callback(move |_| {
                        other.wait();
                    }))
                    .unwrap();
                    meet.wait();
                });
                first.await.unwrap();
            }
        }
    });
}

#[test]
fn an_item_on_another_queue_meets_the_callback_that_put_it() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let mut queues = parallel_queues(&platform);
        queues.extend(serial_queues(&platform));
        for one in &queues {
            for other in &queues {
                // Two serial queues over the same threads are two queues as well.
                if one.id() == other.id() {
                    continue;
                }
                for _ in 0..20 {
                    let (meet, puts) = (Arc::new(Barrier::new(2)), other.clone());
                    let first = one.run(move || {
                        let other = meet.clone();
                        puts.put(callback(move |_| {
                            other.wait();
                        }))
                        .unwrap();
                        meet.wait();
                    });
                    first.await.unwrap();
                }
            }
        }
    });
}

#[test]
fn items_of_a_parallel_queue_are_taken_out_in_order() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        let (gate, log, entered) = (Gate::new(), Log::new(), Gate::new());
        let (pass, enter) = (gate.clone(), entered.clone());
        let occupy = callback(move |_| {
            enter.open();
            pass.pass();
        });
        queue.put(occupy).unwrap();
        entered.pass();
        // One of the two workers is left, and shows the order.
        for number in 0..5000 {
            queue.put(log.adds(number)).unwrap();
        }
        until("all have run", || log.len() == 5000).await;
        assert_eq!(log.all(), (0..5000).collect::<Vec<_>>());
        gate.open();
        queue.barrier().await.unwrap();
    });
}

#[test]
fn a_paused_clock_waits_for_a_window_thread() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
        let start = tokio::time::Instant::now();
        let hour = std::time::Duration::from_secs(3600);
        for _ in 0..100 {
            let spin = || {
                let start = std::time::Instant::now();
                while start.elapsed() < std::time::Duration::from_micros(200) {
                    std::hint::spin_loop();
                }
            };
            tokio::time::timeout(hour, window.run(spin)).await.unwrap().unwrap();
        }
        assert_eq!(start.elapsed(), std::time::Duration::ZERO);
    });
}
