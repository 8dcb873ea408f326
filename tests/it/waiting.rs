//! Promise: a waiting item calls back once: when its event happens, or cancelled by its key or by the
//! shutdown with `MF_E_OPERATION_CANCELLED`. It blocks nobody, and keeps what it needs itself.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{
    Count, Drops, Gate, Log, both_runtimes, callback, current_thread, multi_thread, on, paused_time, until,
    with,
};
use futures::FutureExt;
use mf_async::{AsyncResult, CallbackFlags, CallbackParameters, Hresult, Platform, QueueId, WorkQueueType};
use tokio::sync::{Notify, oneshot};

/// A result whose callback writes its status down.
fn told(platform: &Platform, log: &Log<Hresult>) -> AsyncResult {
    let seen = log.clone();
    let called = callback(move |result: &AsyncResult| seen.add(result.status()));
    platform.result(called).build().unwrap()
}

#[test]
fn an_event_that_happened_already_calls_back() {
    both_runtimes(|| async {
        let (platform, log) = (Platform::startup().unwrap(), Log::new());
        platform.put_waiting(async {}, told(&platform, &log)).unwrap();
        until("it calls back", || log.len() == 1).await;
        assert_eq!(log.all(), [Hresult::S_OK]);
    });
}

#[test]
fn an_event_that_happens_later_calls_back_then() {
    both_runtimes(|| async {
        let (platform, log) = (Platform::startup().unwrap(), Log::new());
        let (happens, event) = oneshot::channel::<()>();
        let result = told(&platform, &log);
        result.set_status(Hresult::S_FALSE);
        platform.put_waiting(async { event.await.unwrap() }, &result).unwrap();
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!((log.len(), platform.report().waiting), (0, 1));
        happens.send(()).unwrap();
        until("it calls back", || log.len() == 1).await;
        // The status is the caller's own.
        assert_eq!((log.all(), platform.report().waiting), (vec![Hresult::S_FALSE], 0));
    });
}

#[test]
fn cancelled_it_calls_back_and_says_so() {
    both_runtimes(|| async {
        let (platform, log) = (Platform::startup().unwrap(), Log::new());
        let key = platform.put_waiting(std::future::pending(), told(&platform, &log)).unwrap();
        platform.cancel_work_item(key).unwrap();
        assert_eq!(platform.cancel_work_item(key).unwrap_err().hresult(), Hresult::MF_E_NOT_FOUND);
        until("it calls back", || log.len() == 1).await;
        platform.shutdown().await.unwrap();
        assert_eq!(log.all(), [Hresult::MF_E_OPERATION_CANCELLED]);
        assert_eq!(platform.cancel_work_item(key).unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
    });
}

#[test]
fn after_it_has_happened_there_is_nothing_to_cancel() {
    both_runtimes(|| async {
        let (platform, log) = (Platform::startup().unwrap(), Log::new());
        let key = platform.put_waiting(async {}, told(&platform, &log)).unwrap();
        until("it calls back", || log.len() == 1).await;
        assert_eq!(platform.cancel_work_item(key).unwrap_err().hresult(), Hresult::MF_E_NOT_FOUND);
    });
}

#[test]
fn an_event_that_panics_calls_back_with_unexpected() {
    both_runtimes(|| async {
        let (platform, log) = (Platform::startup().unwrap(), Log::new());
        platform.put_waiting(async { panic!("expected in a test") }, told(&platform, &log)).unwrap();
        until("it calls back", || log.len() == 1).await;
        assert_eq!(log.all(), [Hresult::E_UNEXPECTED]);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn the_item_keeps_the_result_and_the_event_until_then() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (drops, happens) = (Drops::new(), Arc::new(Notify::new()));
        let result = platform.result(callback(|_| {})).state(Arc::new(drops.token())).build().unwrap();
        let (event, token) = (happens.clone(), drops.token());
        let event = async move {
            let _token = token;
            event.notified().await;
        };
        platform.put_waiting(event, &result).unwrap();
        drop(result);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(drops.count(), 0);
        happens.notify_one();
        until("both are let go", || drops.count() == 2).await;
    });
}

#[test]
fn the_same_result_can_wait_twice() {
    both_runtimes(|| async {
        let (platform, log) = (Platform::startup().unwrap(), Log::new());
        let result = told(&platform, &log);
        let (happens, event) = oneshot::channel::<()>();
        let first = platform.put_waiting(std::future::pending(), &result).unwrap();
        let second = platform.put_waiting(async { event.await.unwrap() }, &result).unwrap();
        assert_ne!(first, second);
        happens.send(()).unwrap();
        until("one calls back", || log.len() == 1).await;
        platform.cancel_work_item(first).unwrap();
        until("the other calls back", || log.len() == 2).await;
        assert_eq!(log.all(), [Hresult::S_OK, Hresult::MF_E_OPERATION_CANCELLED]);
    });
}

#[test]
fn queues_that_take_no_waits_refuse_at_once() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let quick = CallbackParameters::default().with_flags(CallbackFlags::SIGNAL);
        let mut refused =
            [QueueId::IO, QueueId::LONG_FUNCTION, QueueId::RT, QueueId::TIMER, QueueId(0x6666_0000)]
                .map(|queue| on(queue, |_| panic!("must not be called")))
                .to_vec();
        refused.push(with(quick, |_| panic!("must not be called")));
        for called in refused {
            let result = platform.result(called.clone()).build().unwrap();
            let error = platform.put_waiting(async {}, &result).unwrap_err();
            assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
            drop(result);
            assert_eq!(Arc::strong_count(&called), 1);
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn it_runs_on_the_queue_that_its_callback_names() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
        let count = Count::new();
        let counted = count.clone();
        let result = platform.result(on(&queue, move |_| counted.add())).build().unwrap();
        platform.put_waiting(async {}, &result).unwrap();
        until("it calls back", || count.get() == 1).await;
        queue.barrier().await.unwrap();
        assert_eq!(queue.stats().run, 1);
    });
}

#[test]
fn a_shutdown_cancels_every_wait_and_each_calls_back() {
    both_runtimes(|| async {
        let (platform, log) = (Platform::startup().unwrap(), Log::new());
        for _ in 0..1000 {
            platform.put_waiting(std::future::pending(), told(&platform, &log)).unwrap();
        }
        platform.shutdown().await.unwrap();
        assert_eq!(log.all(), vec![Hresult::MF_E_OPERATION_CANCELLED; 1000]);
    });
}

#[test]
fn a_thousand_waits_block_no_thread() {
    both_runtimes(|| async {
        let (platform, log) = (Platform::startup().unwrap(), Log::new());
        let (happens, _) = tokio::sync::broadcast::channel::<()>(1);
        for _ in 0..1000 {
            let mut event = happens.subscribe();
            let event = async move { drop(event.recv().await) };
            platform.put_waiting(event, told(&platform, &log)).unwrap();
        }
        platform.queue(QueueId::MULTITHREADED).unwrap().run(|| ()).await.unwrap();
        happens.send(()).unwrap();
        until("all call back", || log.len() == 1000).await;
    });
}

#[test]
fn a_result_without_a_callback_signals() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let result = platform.event_result().build().unwrap();
        platform.put_waiting(async {}, &result).unwrap();
        result.signaled().await.unwrap();
    });
}

#[test]
fn a_timer_can_be_the_event() {
    paused_time(|| async {
        let (platform, log) = (Platform::startup().unwrap(), Log::new());
        let hour = Duration::from_secs(3600);
        platform.put_waiting(tokio::time::sleep(hour), told(&platform, &log)).unwrap();
        tokio::time::sleep(hour - Duration::from_millis(1)).await;
        assert_eq!(log.len(), 0);
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(log.all(), [Hresult::S_OK]);
    });
}

#[test]
fn a_cancel_that_races_with_the_event_gives_one_call() {
    multi_thread(|| async {
        let (platform, log) = (Platform::startup().unwrap(), Log::new());
        for round in 1..=2000 {
            let (happens, event) = oneshot::channel::<()>();
            let result = told(&platform, &log);
            let taken = Count::new();
            let takes = taken.clone();
            let event = async move {
                event.await.unwrap();
                takes.add();
            };
            let key = platform.put_waiting(event, &result).unwrap();
            let sender = tokio::spawn(async move { happens.send(()) });
            let cancelled = platform.cancel_work_item(key).is_ok();
            let _ = sender.await.unwrap();
            until("it calls back", || log.len() == round).await;
            let status = log.all()[round - 1];
            // A poll that was under way when it was cancelled may have taken the signal, and then says so.
            let expected = if taken.get() == 1 { Hresult::S_OK } else { Hresult::MF_E_OPERATION_CANCELLED };
            assert_eq!(status, expected, "cancelled {cancelled}");
            assert!(cancelled || status == Hresult::S_OK);
        }
    });
}

#[test]
fn waits_that_race_with_a_shutdown_are_refused_or_call_back() {
    multi_thread(|| async {
        for _ in 0..300 {
            let (platform, log, accepted) = (Platform::startup().unwrap(), Log::new(), Count::new());
            let thread = std::thread::spawn({
                let (platform, log, accepted) = (platform.clone(), log.clone(), accepted.clone());
                let result = told(&platform, &log);
                move || {
                    while platform.put_waiting(std::future::pending(), &result).is_ok() {
                        accepted.add();
                    }
                }
            });
            until("some wait", || accepted.get() > 3).await;
            platform.shutdown().await.unwrap();
            thread.join().unwrap();
            assert_eq!(log.all(), vec![Hresult::MF_E_OPERATION_CANCELLED; accepted.get()]);
        }
    });
}

/// A signal that comes after the event was dropped is another's.
#[test]
fn a_cancelled_wait_uses_up_no_signal() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (signal, log, drops) = (Arc::new(Notify::new()), Log::new(), Drops::new());
        for _ in 0..100 {
            let (notified, token) = (signal.clone(), drops.token());
            let event = async move {
                notified.notified().await;
                drop(token);
            };
            let before = drops.count();
            let key = platform.put_waiting(event, told(&platform, &log)).unwrap();
            // Polled or not.
            if before % 2 == 0 {
                tokio::task::yield_now().await;
            }
            platform.cancel_work_item(key).unwrap();
            // A poll that is under way on another thread goes on to its end.
            until("the event is dropped", || drops.count() == before + 1).await;
            signal.notify_one();
            assert!(signal.notified().now_or_never().is_some());
        }
        until("each called back", || log.len() == 100).await;
        assert!(log.all().iter().all(|status| *status == Hresult::MF_E_OPERATION_CANCELLED));
        platform.shutdown().await.unwrap();
    });
}

/// An event whose poll is under way until a gate is opened, and then takes a signal if there is one.
fn polled_slowly(
    signal: &Arc<Notify>,
    polled: &Gate,
    goes_on: &Gate,
) -> impl Future<Output = ()> + Send + use<> {
    let (signal, polled, goes_on) = (signal.clone(), polled.clone(), goes_on.clone());
    async move {
        polled.open();
        goes_on.pass();
        signal.notified().await;
    }
}

/// The poll under way goes on to its end, and what it has taken is called back.
#[test]
fn a_signal_that_is_taken_during_a_cancel_is_not_lost() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        for happens in [false, true] {
            let (signal, log) = (Arc::new(Notify::new()), Log::new());
            let (polled, goes_on) = (Gate::new(), Gate::new());
            let event = polled_slowly(&signal, &polled, &goes_on);
            let key = platform.put_waiting(event, told(&platform, &log)).unwrap();
            polled.pass();
            platform.cancel_work_item(key).unwrap();
            assert_eq!(platform.cancel_work_item(key).unwrap_err().hresult(), Hresult::MF_E_NOT_FOUND);
            if happens {
                signal.notify_one();
            }
            goes_on.open();
            until("it calls back", || log.len() == 1).await;
            let status = if happens { Hresult::S_OK } else { Hresult::MF_E_OPERATION_CANCELLED };
            assert_eq!(log.all(), [status]);
            // It is dropped by then, and takes no later one.
            signal.notify_one();
            assert!(signal.notified().now_or_never().is_some());
        }
        platform.shutdown().await.unwrap();
    });
}

/// Whoever wins, a signal is called back or is still there.
#[test]
fn no_signal_is_lost_between_cancels_and_events() {
    multi_thread(|| async {
        let (platform, log) = (Platform::startup().unwrap(), Log::new());
        for round in 1..=2000 {
            let signal = Arc::new(Notify::new());
            let notified = signal.clone();
            let event = async move { notified.notified().await };
            let key = platform.put_waiting(event, told(&platform, &log)).unwrap();
            let signals = tokio::spawn({
                let signal = signal.clone();
                async move { signal.notify_one() }
            });
            if round % 2 == 0 {
                std::thread::yield_now();
            }
            let cancelled = platform.cancel_work_item(key).is_ok();
            signals.await.unwrap();
            until("it calls back", || log.len() == round).await;
            let was_taken = log.all()[round - 1] == Hresult::S_OK;
            assert_ne!(was_taken, signal.notified().now_or_never().is_some());
            assert!(cancelled || was_taken);
        }
        platform.shutdown().await.unwrap();
    });
}

/// On one thread it is not being polled, so it is gone when the call returns.
#[test]
fn a_cancel_drops_the_event() {
    current_thread(|| async {
        let platform = Platform::startup().unwrap();
        let (log, drops) = (Log::new(), Drops::new());
        for is_polled in [false, true] {
            let token = drops.token();
            let event = async move {
                std::future::pending::<()>().await;
                drop(token);
            };
            let before = drops.count();
            let key = platform.put_waiting(event, told(&platform, &log)).unwrap();
            if is_polled {
                tokio::task::yield_now().await;
            }
            platform.cancel_work_item(key).unwrap();
            assert_eq!(drops.count(), before + 1);
        }
        platform.shutdown().await.unwrap();
    });
}

/// The event may cancel its own wait.
#[test]
fn an_event_that_cancels_its_own_wait_calls_back_cancelled() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (send, receive) = tokio::sync::oneshot::channel();
        let (log, of) = (Log::new(), platform.downgrade());
        let event = async move {
            let key = receive.await.unwrap();
            of.upgrade().unwrap().cancel_work_item(key).unwrap();
        };
        let key = platform.put_waiting(event, told(&platform, &log)).unwrap();
        send.send(key).unwrap();
        until("it calls back", || log.len() == 1).await;
        assert_eq!(log.all(), [Hresult::MF_E_OPERATION_CANCELLED]);
        platform.shutdown().await.unwrap();
    });
}
