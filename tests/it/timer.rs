//! Promise: a scheduled item is invoked once, not before its time and in the order of the times; under
//! tokio's paused clock exactly at it. Cancelled, or at shutdown, it is let go and never called.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Count, Drops, Log, both_runtimes, callback, on, paused_time, until, with};
use mf_async::{
    AsyncResult, CallbackFlags, CallbackParameters, ErrorKind, Hresult, Operation, Platform, QueueId,
    WorkItem, WorkItemKey, WorkQueueType,
};
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn each_fires_exactly_at_its_time_and_in_order() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (log, start) = (Log::new(), Instant::now());
        for millis in [50_u64, 3, 40, 3, 1, 7_200_000, 0, 999] {
            let log = log.clone();
            let called = callback(move |_| log.add((millis, start.elapsed())));
            platform.schedule(called, Duration::from_millis(millis)).unwrap();
        }
        tokio::time::sleep(HOUR * 3).await;
        let millis = [0, 1, 3, 3, 40, 50, 999, 7_200_000];
        assert_eq!(log.all(), millis.map(|millis| (millis, Duration::from_millis(millis))));
    });
}

#[test]
fn an_hour_takes_no_time() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let real = std::time::Instant::now();
        let count = Count::new();
        platform.schedule(count.counts(), HOUR).unwrap();
        tokio::time::sleep(HOUR - Duration::from_millis(1)).await;
        assert_eq!(count.get(), 0);
        tokio::time::sleep(Duration::from_millis(1)).await;
        until("it has run", || count.get() == 1).await;
        assert!(real.elapsed() < Duration::from_secs(30));
    });
}

#[test]
fn of_two_with_one_time_the_first_scheduled_is_first() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let log = Log::new();
        for number in 0..1000 {
            platform.schedule(log.adds(number), HOUR).unwrap();
        }
        tokio::time::sleep(HOUR).await;
        until("all have run", || log.len() == 1000).await;
        assert_eq!(log.all(), (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn an_earlier_one_that_comes_later_is_first() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (log, start) = (Log::new(), Instant::now());
        for millis in (1..100).rev() {
            let log = log.clone();
            let called = callback(move |_| log.add((millis, start.elapsed())));
            platform.schedule(called, Duration::from_millis(millis)).unwrap();
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(HOUR).await;
        assert_eq!(
            log.all(),
            (1..100).map(|millis| (millis, Duration::from_millis(millis))).collect::<Vec<_>>()
        );
    });
}

#[test]
fn not_before_its_time_when_that_is_a_fraction() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (log, start) = (Log::new(), Instant::now());
        for nanos in [1, 999_999, 1_000_001, 1_500_000] {
            let log = log.clone();
            let called = callback(move |_| log.add((nanos, start.elapsed())));
            platform.schedule(called, Duration::from_nanos(nanos)).unwrap();
        }
        tokio::time::sleep(HOUR).await;
        assert_eq!(log.len(), 4);
        for (nanos, at) in log.all() {
            assert!(at >= Duration::from_nanos(nanos) && at <= Duration::from_millis(2), "{nanos} {at:?}");
        }
    });
}

#[test]
fn a_hundred_thousand_fire_each_at_its_time() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (late, count, start) = (Count::new(), Count::new(), Instant::now());
        for number in 0..100_000_u64 {
            let delay = Duration::from_millis(number * 7919 % 100_000);
            let (late, count) = (late.clone(), count.clone());
            let called = callback(move |_| {
                count.add();
                if start.elapsed() != delay {
                    late.add();
                }
            });
            platform.schedule(called, delay).unwrap();
        }
        assert_eq!(platform.report().scheduled, 100_000);
        tokio::time::sleep(Duration::from_secs(100)).await;
        until("all have run", || count.get() == 100_000).await;
        assert_eq!((late.get(), platform.report().scheduled), (0, 0));
    });
}

#[test]
fn of_a_hundred_thousand_any_can_be_cancelled() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (drops, count) = (Drops::new(), Count::new());
        let keys: Vec<_> = (0..100_000_u64)
            .map(|number| {
                let delay = Duration::from_millis(number * 7919 % 100_000 + 1);
                let state = Arc::new(drops.token());
                platform.schedule(WorkItem::new(count.counts()).state(state), delay).unwrap()
            })
            .collect();
        for (number, key) in keys.iter().enumerate() {
            if number % 10 != 0 {
                platform.cancel_work_item(*key).unwrap();
            }
        }
        assert_eq!((drops.count(), platform.report().scheduled), (90_000, 10_000));
        tokio::time::sleep(Duration::from_secs(101)).await;
        until("the others have run", || count.get() == 10_000).await;
        assert!(keys.iter().all(|key| platform.cancel_work_item(*key).is_err()));
        until("all are let go", || drops.count() == 100_000).await;
    });
}

#[test]
fn the_longest_delay_never_fires_and_can_be_cancelled() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        let keys = [
            Duration::MAX,
            Duration::MAX,
            Duration::from_secs(u64::MAX),
            Duration::from_secs(10_000_000_000),
        ]
        .map(|delay| platform.schedule(count.counts(), delay).unwrap());
        let other = Count::new();
        platform.schedule(other.counts(), HOUR).unwrap();
        tokio::time::sleep(HOUR * 24 * 1000).await;
        assert_eq!((count.get(), other.get()), (0, 1));
        for key in keys {
            platform.cancel_work_item(key).unwrap();
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn years_are_waited_for() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (log, start) = (Log::new(), Instant::now());
        let seen = log.clone();
        let years = HOUR * 24 * 365 * 5;
        platform.schedule(callback(move |_| seen.add(start.elapsed())), years).unwrap();
        for _ in 0..10 {
            tokio::time::sleep(HOUR * 24 * 365).await;
        }
        assert_eq!(log.all(), [years]);
    });
}

#[test]
fn a_cancelled_item_is_let_go_at_once_and_never_called() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let drops = Drops::new();
        let called = callback(|_| panic!("must not be called"));
        let key =
            platform.schedule(WorkItem::new(called.clone()).state(Arc::new(drops.token())), HOUR).unwrap();
        assert_eq!(drops.count(), 0);
        platform.cancel_work_item(key).unwrap();
        assert_eq!((drops.count(), Arc::strong_count(&called)), (1, 1));
        tokio::time::sleep(HOUR * 2).await;
        let stats = platform.queue(QueueId::STANDARD).unwrap().stats();
        assert_eq!((stats.cancelled, stats.put), (1, 0));
    });
}

#[test]
fn a_key_is_good_once() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        let key = platform.schedule(count.counts(), HOUR).unwrap();
        platform.cancel_work_item(key).unwrap();
        assert_eq!(platform.cancel_work_item(key).unwrap_err().hresult(), Hresult::MF_E_NOT_FOUND);
        let fired = platform.schedule(count.counts(), Duration::ZERO).unwrap();
        tokio::time::sleep(HOUR).await;
        assert_eq!(count.get(), 1);
        assert_eq!(platform.cancel_work_item(fired).unwrap_err().hresult(), Hresult::MF_E_NOT_FOUND);
        // The place of an old key may be taken again; the key is another one.
        let next = platform.schedule(count.counts(), HOUR).unwrap();
        assert!(next != key && next != fired);
        for old in [key, fired, WorkItemKey(0), WorkItemKey(u64::MAX)] {
            let error = platform.cancel_work_item(old).unwrap_err();
            assert_eq!(error.hresult(), Hresult::MF_E_NOT_FOUND);
            assert!(error.what().contains(&old.to_string()), "{error}");
        }
        platform.shutdown().await.unwrap();
        for key in [key, next, WorkItemKey(0)] {
            assert_eq!(platform.cancel_work_item(key).unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        }
    });
}

#[test]
fn no_number_of_a_key_touches_a_periodic_callback() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let ticks = Count::new();
        let counted = ticks.clone();
        platform.add_periodic_callback(move || counted.add()).unwrap();
        // The numbers of a platform's items follow each other.
        let near = platform.schedule(callback(|_| {}), Duration::MAX).unwrap();
        platform.cancel_work_item(near).unwrap();
        let upper = near.0 >> 32;
        for upper in (0..10_u64).chain(upper.saturating_sub(10)..upper + 10) {
            for lower in 0..10_u64 {
                let error = platform.cancel_work_item(WorkItemKey(upper << 32 | lower)).unwrap_err();
                assert_eq!(error.hresult(), Hresult::MF_E_NOT_FOUND);
            }
        }
        tokio::time::sleep(Duration::from_millis(105)).await;
        assert_eq!(ticks.get(), 10);
    });
}

#[test]
fn the_callback_runs_on_the_queue_that_it_names() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let private = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        for queue in [QueueId::MULTITHREADED, QueueId::IO, private.id()] {
            let count = Count::new();
            let counted = count.clone();
            let called = on(queue, move |_| counted.add());
            platform.schedule(called, Duration::from_millis(5)).unwrap();
            tokio::time::sleep(Duration::from_millis(6)).await;
            until("it has run", || count.get() == 1).await;
            assert_eq!(platform.queue(queue).unwrap().stats().put, 1);
        }
    });
}

#[test]
fn what_could_not_be_invoked_is_refused_when_it_is_scheduled() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let quick = CallbackParameters::default().with_flags(CallbackFlags::SIGNAL);
        for called in [on(0x7777_0000, |_| {}), with(quick, |_| {})] {
            let error = platform.schedule(called.clone(), HOUR).unwrap_err();
            assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
            assert_eq!(Arc::strong_count(&called), 1);
        }
    });
}

#[test]
fn one_whose_queue_was_closed_meanwhile_is_let_go() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let drops = Drops::new();
        let called = on(&queue, |_| panic!("must not be called"));
        platform.schedule(WorkItem::new(called).state(Arc::new(drops.token())), HOUR).unwrap();
        drop(queue);
        tokio::time::sleep(HOUR).await;
        until("it is let go", || drops.count() == 1).await;
    });
}

#[test]
fn the_same_result_can_be_scheduled_twice() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (log, start) = (Log::new(), Instant::now());
        let seen = log.clone();
        let called = callback(move |_: &AsyncResult| seen.add(start.elapsed()));
        let result = platform.result(called).build().unwrap();
        let first = platform.schedule(&result, Duration::from_secs(1)).unwrap();
        let second = platform.schedule(&result, Duration::from_secs(2)).unwrap();
        assert_ne!(first, second);
        platform.cancel_work_item(first).unwrap();
        platform.schedule(&result, Duration::from_secs(3)).unwrap();
        tokio::time::sleep(HOUR).await;
        assert_eq!(log.all(), [Duration::from_secs(2), Duration::from_secs(3)]);
    });
}

#[test]
fn a_result_without_a_callback_signals_at_its_time() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let result = platform.event_result().build().unwrap();
        let start = Instant::now();
        platform.schedule(&result, HOUR).unwrap();
        result.signaled().await.unwrap();
        assert_eq!(start.elapsed(), HOUR);
    });
}

#[test]
fn a_callback_may_schedule_the_next_and_cancel_others() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let log = Log::new();
        let never = platform.schedule(callback(|_| panic!("must not be called")), HOUR).unwrap();
        let (inner, seen, start) = (platform.clone(), log.clone(), Instant::now());
        let called = callback(move |result: &AsyncResult| {
            seen.add(start.elapsed().as_secs());
            if seen.len() < 5 {
                inner.schedule(result, Duration::from_secs(1)).unwrap();
            } else {
                inner.cancel_work_item(never).unwrap();
            }
        });
        platform.schedule(called, Duration::from_secs(1)).unwrap();
        tokio::time::sleep(HOUR * 2).await;
        assert_eq!(log.all(), [1, 2, 3, 4, 5]);
    });
}

#[test]
fn a_pending_item_keeps_nothing_after_shutdown() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let drops = Drops::new();
        let called = callback(|_| panic!("must not be called"));
        for _ in 0..100 {
            platform.schedule(WorkItem::new(called.clone()).state(Arc::new(drops.token())), HOUR).unwrap();
        }
        platform.shutdown().await.unwrap();
        assert_eq!((drops.count(), Arc::strong_count(&called)), (100, 1));
        tokio::time::sleep(HOUR * 2).await;
    });
}

#[test]
fn with_a_real_clock_not_before_its_time() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (log, start) = (Log::new(), Instant::now());
        for millis in [0_u64, 1, 5, 20] {
            let log = log.clone();
            let called = callback(move |_| log.add((millis, start.elapsed())));
            platform.schedule(called, Duration::from_millis(millis)).unwrap();
        }
        until("all have run", || log.len() == 4).await;
        for (millis, at) in log.all() {
            assert!(at >= Duration::from_millis(millis), "{millis} {at:?}");
        }
    });
}

#[test]
fn a_cancel_that_races_with_the_time_either_stops_it_or_says_not_found() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for _ in 0..200 {
            let count = Count::new();
            let key = platform.schedule(count.counts(), Duration::from_millis(1)).unwrap();
            tokio::time::sleep(Duration::from_micros(900)).await;
            match platform.cancel_work_item(key) {
                Ok(()) => {
                    tokio::task::yield_now().await;
                    assert_eq!(count.get(), 0);
                }
                Err(error) => {
                    assert_eq!(error.hresult(), Hresult::MF_E_NOT_FOUND);
                    until("it runs", || count.get() == 1).await;
                }
            }
        }
    });
}

/// Its callback is dropped, and the operation that awaits it says why.
#[test]
fn an_operation_whose_item_is_cancelled_ends_as_cancelled() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for by_operation in [false, true] {
            let mut key = None;
            let begin = |(): &(), callback| {
                let scheduled = platform.schedule(callback, Duration::from_secs(3600))?;
                key = Some(scheduled);
                Ok(scheduled)
            };
            let operation: Operation<()> = platform.begin_end(&(), begin, |(), _| Ok(()));
            let ended = if by_operation {
                operation.cancel().await
            } else {
                platform.cancel_work_item(key.unwrap()).unwrap();
                operation.await
            };
            let error = ended.unwrap_err();
            assert_eq!((error.kind(), error.hresult()), (ErrorKind::Cancelled, Hresult::E_ABORT));
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn so_it_does_when_a_shutdown_comes_before_it_is_awaited() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let mut key = None;
        let begin = |(): &(), callback| {
            key = Some(platform.schedule(callback, Duration::from_secs(3600))?);
            Ok(())
        };
        let operation: Operation<()> = platform.begin_end(&(), begin, |(), _| Ok(()));
        platform.cancel_work_item(key.unwrap()).unwrap();
        platform.shutdown().await.unwrap();
        let error = operation.await.unwrap_err();
        assert_eq!((error.kind(), error.hresult()), (ErrorKind::Cancelled, Hresult::E_ABORT));
    });
}
