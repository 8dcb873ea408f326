//! Promise: a queue's counters balance, at rest and after everything that can happen to an item; the
//! longest wait and run are kept, and who takes longer than its flags promise is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{
    Drops, Gate, both_runtimes, callback, flagged, multi_thread, until, with, within_bound,
};
use mf_async::report::QueueStats;
use mf_async::{CallbackFlags, CallbackParameters, Platform, QueueId, WorkItem, WorkQueue, WorkQueueType};

fn queues(platform: &Platform) -> Vec<WorkQueue> {
    let mut queues: Vec<_> = [1, 2, 3, 4, 5, 7].map(|id| platform.queue(id).unwrap()).into();
    for kind in [WorkQueueType::Standard, WorkQueueType::Multithreaded, WorkQueueType::Window] {
        queues.push(platform.allocate_work_queue(kind).unwrap());
    }
    queues.push(platform.allocate_serial_work_queue(QueueId::IO).unwrap());
    queues
}

fn balances(stats: &QueueStats) -> bool {
    stats.put == stats.run + stats.abandoned + (stats.depth + stats.running) as u64
}

/// Takes so long of real time, and does nothing in it.
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn a_new_queue_has_counted_nothing() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            assert_eq!(queue.stats(), QueueStats::default());
        }
    });
}

#[test]
fn at_rest_all_that_was_put_was_run() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            for number in 0..1000 {
                let flags = if number % 10 == 0 { CallbackFlags::BLOCKING } else { CallbackFlags::empty() };
                let called = flagged(flags, move |_| {
                    if number % 100 == 0 {
                        panic!("expected in a test");
                    }
                });
                queue.put(called).unwrap();
            }
            queue.quiesce().await.unwrap();
            let stats = queue.stats();
            assert_eq!((stats.put, stats.run, stats.panicked), (1000, 1000, 10), "{queue:?}");
            assert!(balances(&stats), "{stats:?}");
        }
    });
}

#[test]
fn while_something_runs_and_waits_they_balance() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let gate = Gate::new();
        let pass = gate.clone();
        queue.put(flagged(CallbackFlags::BLOCKING, move |_| pass.pass())).unwrap();
        for _ in 0..10 {
            queue.put(callback(|_| {})).unwrap();
        }
        until("the first runs", || queue.stats().running == 1).await;
        let stats = queue.stats();
        assert_eq!((stats.put, stats.running, stats.depth, stats.run), (11, 1, 10, 0));
        gate.open();
        queue.quiesce().await.unwrap();
        assert!(queue.stats().longest_wait > Duration::ZERO);
    });
}

#[test]
fn the_wait_of_an_item_that_finds_the_queue_empty_is_measured() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let base = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        for queue in [platform.allocate_serial_work_queue(QueueId::RT).unwrap(), base] {
            let (puts, time) = (queue.clone(), Duration::from_millis(3));
            // The second of all: no 16th. Nothing else waits when it comes, but one runs.
            let first = callback(move |_| {
                puts.put(callback(|_| {})).unwrap();
                spin(time);
            });
            queue.put(first).unwrap();
            queue.quiesce().await.unwrap();
            let stats = queue.stats();
            assert!(stats.put == 2 && stats.longest_wait >= time, "{queue:?} {stats:?}");
        }
    });
}

#[test]
fn in_a_flood_the_wait_of_a_late_item_is_measured_too() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let base = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        for queue in [platform.allocate_serial_work_queue(QueueId::RT).unwrap(), base] {
            // Only the first finds the queue empty, and it does not wait. Of the last sixteen one is measured.
            for _ in 0..100 {
                queue.put(callback(|_| spin(Duration::from_micros(200)))).unwrap();
            }
            queue.quiesce().await.unwrap();
            let stats = queue.stats();
            assert!(stats.longest_wait >= 70 * Duration::from_micros(200), "{queue:?} {stats:?}");
        }
    });
}

#[test]
fn what_was_taken_out_together_waits_until_it_runs() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        // Callbacks that prove quick are taken out many at a time, and one of them is held up.
        let (start, gate) = (Gate::new(), Gate::new());
        let (starts, pass) = (start.clone(), gate.clone());
        let quick = callback(|_| {});
        queue.put(flagged(CallbackFlags::BLOCKING, move |_| starts.pass())).unwrap();
        for _ in 0..2000 {
            queue.put(quick.clone()).unwrap();
        }
        let reached = Gate::new();
        let reaches = reached.clone();
        let holds = callback(move |_| {
            reaches.open();
            pass.pass();
        });
        queue.put(holds).unwrap();
        for _ in 0..1000 {
            queue.put(quick.clone()).unwrap();
        }
        let looks = std::thread::spawn({
            let queue = queue.clone();
            move || {
                reached.pass();
                let stats = queue.stats();
                gate.open();
                stats
            }
        });
        start.open();
        queue.quiesce().await.unwrap();
        let stats = looks.join().unwrap();
        assert_eq!((stats.put, stats.run, stats.running, stats.depth), (3002, 2001, 1, 1000), "{stats:?}");
        assert!(balances(&queue.stats()));
    });
}

#[test]
fn a_refused_put_is_not_counted() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        queue.put(flagged(CallbackFlags::SIGNAL, |_| {})).unwrap_err();
        assert_eq!(queue.stats(), QueueStats::default());
    });
}

#[test]
fn the_longest_run_and_wait_are_kept() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in queues(&platform) {
            let long = Duration::from_millis(8);
            let first = queue.run(move || spin(long));
            let second = queue.run(|| ());
            first.await.unwrap();
            second.await.unwrap();
            queue.quiesce().await.unwrap();
            let stats = queue.stats();
            assert!(stats.longest_run >= long, "{queue:?} {stats:?}");
        }
    });
}

#[test]
fn who_breaks_a_promise_is_counted() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let timer = platform.queue(QueueId::TIMER).unwrap();
        for (flags, promise, counts) in [
            (CallbackFlags::empty(), 30_000, true),
            (CallbackFlags::FAST_IO_PROCESSING, 1_000, true),
            (CallbackFlags::SIGNAL, 50, true),
            (CallbackFlags::SIGNAL | CallbackFlags::FAST_IO_PROCESSING, 50, true),
            (CallbackFlags::BLOCKING, 30_000, false),
        ] {
            let before = timer.stats().overrun;
            let parameters = CallbackParameters::on(QueueId::TIMER).with_flags(flags);
            let too_long = with(parameters, move |_| spin(Duration::from_micros(promise + 10)));
            timer.put(too_long).unwrap();
            timer.barrier().await.unwrap();
            assert_eq!(timer.stats().overrun - before, u64::from(counts), "{flags:?}");
        }
        // One that is done at once keeps even the shortest promise, though not when it loses the
        // processor meanwhile: of many, some do.
        let before = timer.stats().overrun;
        for _ in 0..1000 {
            timer.put(with(CallbackParameters::on(4).with_flags(CallbackFlags::SIGNAL), |_| {})).unwrap();
        }
        timer.barrier().await.unwrap();
        assert!(timer.stats().overrun - before < 1000);
    });
}

#[test]
fn cancelled_items_are_counted_by_the_queue_they_were_for() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let called = crate::support::on(&queue, |_| {});
        for _ in 0..5 {
            let key = platform.schedule(called.clone(), Duration::from_secs(60)).unwrap();
            platform.cancel_work_item(key).unwrap();
        }
        let result = platform.result(called).build().unwrap();
        let key = platform.put_waiting(std::future::pending(), &result).unwrap();
        platform.cancel_work_item(key).unwrap();
        until("the wait calls back", || queue.stats().run == 1).await;
        assert_eq!((queue.stats().cancelled, queue.stats().put), (6, 1));
    });
}

#[test]
fn the_report_has_them_too() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let line = line!() - 1;
        queue.run(|| ()).await.unwrap();
        queue.barrier().await.unwrap();
        let report = platform.report();
        let listed = report.queues.iter().find(|listed| listed.id == queue.id()).unwrap();
        assert_eq!((listed.stats, listed.handles), (queue.stats(), 1));
        assert_eq!(listed.allocated.unwrap().line(), line);
        let text = report.to_string();
        assert!(text.contains(&queue.id().to_string()) && text.contains(file!()), "{text}");
        assert!(!report.has_unfinished_work(), "{text}");
        let result = platform.event_result().build().unwrap();
        assert_eq!(platform.report().results, 1);
        assert!(platform.report().has_unfinished_work());
        drop(result);
        assert_eq!(platform.report().results, 0);
    });
}

#[test]
fn what_is_let_go_is_counted_as_abandoned() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::STANDARD).unwrap();
        let serial = platform.allocate_serial_work_queue(QueueId::STANDARD).unwrap();
        let (gate, entered) = (Gate::new(), Gate::new());
        let (pass, enter) = (gate.clone(), entered.clone());
        let stuck = callback(move |_| {
            enter.open();
            pass.pass();
        });
        queue.put(stuck).unwrap();
        entered.pass();
        for _ in 0..10 {
            queue.put(callback(|_| {})).unwrap();
            serial.put(callback(|_| {})).unwrap();
        }
        platform.shutdown_within(Duration::ZERO).await.unwrap_err();
        assert_eq!((queue.stats().abandoned, serial.stats().abandoned), (10, 10));
        gate.open();
        until("the stuck one is back", || queue.stats().running == 0).await;
        assert!(balances(&queue.stats()) && balances(&serial.stats()));
    });
}

#[test]
fn what_was_taken_out_together_is_let_go_with_the_rest() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let (start, gate, entered, drops) = (Gate::new(), Gate::new(), Gate::new(), Drops::new());
        let (starts, pass, enter) = (start.clone(), gate.clone(), entered.clone());
        let quick = callback(|_| {});
        // Callbacks that prove quick are taken out many at a time, and one of them is held up.
        queue.put(flagged(CallbackFlags::BLOCKING, move |_| starts.pass())).unwrap();
        for _ in 0..2000 {
            queue.put(quick.clone()).unwrap();
        }
        let stuck = callback(move |_| {
            enter.open();
            pass.pass();
        });
        queue.put(stuck).unwrap();
        for _ in 0..1000 {
            queue.put(WorkItem::new(quick.clone()).state(Arc::new(drops.token()))).unwrap();
        }
        start.open();
        entered.pass();
        platform.shutdown_within(Duration::ZERO).await.unwrap_err();
        let stats = queue.stats();
        assert_eq!((stats.abandoned, stats.depth, drops.count()), (1000, 0, 1000), "{stats:?}");
        gate.open();
        until("the stuck one is back", || queue.stats().running == 0).await;
        assert!(balances(&queue.stats()));
    });
}

#[test]
fn a_runtime_that_goes_away_leaves_the_counters_balanced() {
    within_bound(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        // All but the window queue, whose thread is no part of the runtime.
        let mut queues = queues(&platform);
        queues.remove(8);
        for queue in &queues {
            for flags in [CallbackFlags::empty(), CallbackFlags::BLOCKING] {
                for _ in 0..10 {
                    queue.put(flagged(flags, |_| {})).unwrap();
                }
            }
        }
        drop(runtime);
        for queue in &queues {
            let stats = queue.stats();
            assert!(balances(&stats), "{queue:?} {stats:?}");
            assert_eq!((stats.put, stats.abandoned), (20, 20), "{queue:?}");
        }
    });
}

#[test]
fn a_turn_that_has_run_when_the_runtime_goes_is_not_an_abandoned_item() {
    // Whoever waits has a turn after each task's.
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().event_interval(1).build().unwrap();
    let base = runtime.block_on(async {
        let platform = Platform::startup().unwrap();
        let base = platform.queue(QueueId::RT).unwrap();
        let serial = platform.allocate_serial_work_queue(&base).unwrap();
        let called = Arc::new(tokio::sync::Notify::new());
        let call = called.clone();
        // Longer than a drain task's share, so that it gives way before it writes the turn down.
        let slow = callback(move |_| {
            crate::support::work_for(Duration::from_millis(2));
            call.notify_one();
        });
        serial.put(slow).unwrap();
        called.notified().await;
        base
    });
    drop(runtime);
    let stats = base.stats();
    assert_eq!((stats.put, stats.run, stats.abandoned, stats.running), (0, 0, 0, 0));
}
