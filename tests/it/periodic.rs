//! Promise: a periodic callback is called every 10 ms on the TIMER queue, never twice at a time; what was
//! missed is not made up for; after its removal at most the call that is on its way still comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Count, Drops, Gate, Log, both_runtimes, callback, multi_thread, paused_time, until};
use mf_async::rtwq::PeriodicKey;
use mf_async::{Hresult, Platform, QueueId};
use tokio::time::Instant;

const PERIOD: Duration = Duration::from_millis(10);

#[test]
fn it_is_called_exactly_every_ten_milliseconds() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        assert_eq!(platform.timer_periodicity(), PERIOD);
        let (log, start) = (Log::new(), Instant::now());
        let seen = log.clone();
        platform.add_periodic_callback(move || seen.add(start.elapsed())).unwrap();
        tokio::time::sleep(PERIOD * 1000 + PERIOD / 2).await;
        assert_eq!(log.all(), (1..=1000).map(|tick| PERIOD * tick).collect::<Vec<_>>());
    });
}

#[test]
fn several_keep_their_own_time() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (log, start) = (Log::new(), Instant::now());
        for number in 0..3 {
            let seen = log.clone();
            platform.add_periodic_callback(move || seen.add((number, start.elapsed()))).unwrap();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        tokio::time::sleep(PERIOD * 5).await;
        for (number, at) in log.all() {
            assert_eq!(at.as_millis() % 10, number * 3);
        }
        assert_eq!((log.len(), platform.report().periodic), (15, 3));
    });
}

#[test]
fn what_was_missed_is_not_made_up_for() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (log, start) = (Log::new(), Instant::now());
        let seen = log.clone();
        platform.add_periodic_callback(move || seen.add(start.elapsed())).unwrap();
        tokio::time::sleep(PERIOD * 3 + PERIOD / 2).await;
        // The clock jumps while nothing runs: a stall of a thousand periods.
        tokio::time::advance(PERIOD * 1000).await;
        tokio::time::sleep(PERIOD * 2).await;
        let all: Vec<_> = log.all().iter().map(Duration::as_millis).collect();
        // One that is late, then the regular ones again.
        assert_eq!(all, [10, 20, 30, 10_035, 10_040, 10_050]);
    });
}

#[test]
fn removed_it_is_let_go_and_not_called() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (count, drops) = (Count::new(), Drops::new());
        let (counted, token) = (count.clone(), drops.token());
        let key = platform
            .add_periodic_callback(move || {
                let _ = &token;
                counted.add();
            })
            .unwrap();
        tokio::time::sleep(PERIOD * 2 + PERIOD / 2).await;
        platform.remove_periodic_callback(key).unwrap();
        assert_eq!((count.get(), drops.count()), (2, 1));
        tokio::time::sleep(PERIOD * 10).await;
        assert_eq!(count.get(), 2);
        for key in [key, PeriodicKey(0), PeriodicKey(u32::MAX)] {
            let error = platform.remove_periodic_callback(key).unwrap_err();
            assert_eq!(error.hresult(), Hresult::MF_E_NOT_FOUND);
        }
    });
}

#[test]
fn keys_are_not_used_again() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let first = platform.add_periodic_callback(|| {}).unwrap();
        platform.remove_periodic_callback(first).unwrap();
        let second = platform.add_periodic_callback(|| {}).unwrap();
        assert_ne!(first, second);
        assert!(platform.remove_periodic_callback(first).is_err());
        platform.remove_periodic_callback(second).unwrap();
    });
}

#[test]
fn a_panic_is_not_the_end_of_it() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        let counted = count.clone();
        platform
            .add_periodic_callback(move || {
                counted.add();
                panic!("expected in a test");
            })
            .unwrap();
        tokio::time::sleep(PERIOD * 5 + PERIOD / 2).await;
        let timer = platform.queue(QueueId::TIMER).unwrap();
        assert_eq!((count.get(), timer.stats().panicked), (5, 5));
    });
}

#[test]
fn a_callback_may_remove_itself() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (count, key) = (Count::new(), Arc::new(std::sync::Mutex::new(None)));
        let (counted, own, inner) = (count.clone(), key.clone(), platform.clone());
        *key.lock().unwrap() = Some(
            platform
                .add_periodic_callback(move || {
                    counted.add();
                    inner.remove_periodic_callback(own.lock().unwrap().unwrap()).unwrap();
                })
                .unwrap(),
        );
        tokio::time::sleep(PERIOD * 10).await;
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn a_shutdown_ends_it_and_lets_it_go() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (count, drops) = (Count::new(), Drops::new());
        let (counted, token) = (count.clone(), drops.token());
        let key = platform
            .add_periodic_callback(move || {
                let _ = &token;
                counted.add();
            })
            .unwrap();
        tokio::time::sleep(PERIOD * 3 + PERIOD / 2).await;
        platform.shutdown().await.unwrap();
        assert_eq!((count.get(), drops.count()), (3, 1));
        tokio::time::sleep(PERIOD * 10).await;
        assert_eq!(count.get(), 3);
        assert_eq!(platform.remove_periodic_callback(key).unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        assert_eq!(platform.add_periodic_callback(|| {}).unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
    });
}

#[test]
fn a_slow_one_never_overlaps_itself() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let (count, inside) = (Count::new(), Arc::new(AtomicBool::new(false)));
        let (counted, entered) = (count.clone(), inside.clone());
        platform
            .add_periodic_callback(move || {
                assert!(!entered.swap(true, Ordering::SeqCst), "two calls at the same time");
                crate::support::work_for(PERIOD * 3);
                entered.store(false, Ordering::SeqCst);
                counted.add();
            })
            .unwrap();
        until("it was called some times", || count.get() == 4).await;
        platform.shutdown().await.unwrap();
        assert_eq!(platform.queue(QueueId::TIMER).map(drop).unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        let timer = platform.report().queues.into_iter().find(|queue| queue.id == QueueId::TIMER).unwrap();
        assert_eq!(timer.stats.panicked, 0);
    });
}

#[test]
fn after_a_stall_of_its_queue_one_call_comes_and_not_many() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let timer = platform.queue(QueueId::TIMER).unwrap();
        let (gate, entered) = (Gate::new(), Gate::new());
        let (pass, enter) = (gate.clone(), entered.clone());
        let stall = callback(move |_| {
            enter.open();
            pass.pass();
        });
        timer.put(stall).unwrap();
        entered.pass();
        platform.add_periodic_callback(|| {}).unwrap();
        tokio::time::sleep(PERIOD * 20).await;
        assert_eq!(timer.stats().depth, 1);
        gate.open();
    });
}

#[test]
fn with_a_real_clock_it_keeps_coming_and_not_too_often() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (count, start) = (Count::new(), Instant::now());
        let counted = count.clone();
        platform.add_periodic_callback(move || counted.add()).unwrap();
        until("it was called some times", || count.get() >= 10).await;
        assert!(start.elapsed() >= PERIOD * 10);
    });
}
