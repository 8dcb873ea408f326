//! Promise: a shutdown refuses new work, drops what is scheduled, cancels what waits, lets queued items
//! run, fails what is armed, and waits for what is outstanding up to a deadline; then it says what is
//! stuck. However a platform or its runtime ends, every future resolves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{
    Count, Drops, Gate, Log, both_runtimes, callback, flagged, multi_thread, on, paused_time, until,
    within_bound,
};
use mf_async::rtwq::PlatformEvents;
use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, ErrorKind, Hresult, Operation, Platform, QueueId, WorkItem,
    WorkQueueType,
};
use tokio::time::Instant;

/// An operation whose component keeps the result, and may or may not complete it.
fn armed(platform: &Platform) -> (Operation<i32>, AsyncResult) {
    let held = Mutex::new(None);
    let operation = platform.begin_end(
        &(),
        |(), callback| {
            *held.lock().unwrap() = Some(platform.result(callback).build()?);
            Ok(())
        },
        |(), _| Ok(7),
    );
    (operation, held.into_inner().unwrap().unwrap())
}

/// On a runtime of one thread every other task that is ready has many turns meanwhile.
async fn some_turns() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[derive(Default)]
struct Listener(Mutex<Vec<&'static str>>);

impl Listener {
    fn heard(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

impl PlatformEvents for Listener {
    fn initialization_complete(&self) {
        self.0.lock().unwrap().push("initialized");
    }
    fn shutdown_start(&self) {
        self.0.lock().unwrap().push("start");
    }
    fn shutdown_complete(&self) {
        self.0.lock().unwrap().push("complete");
    }
}

#[test]
fn queued_items_run_first() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        let serial = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        for _ in 0..1000 {
            for queue in [QueueId::STANDARD, QueueId::IO, QueueId::MULTITHREADED, QueueId::TIMER, serial.id()]
            {
                platform.put(queue, count.counts()).unwrap();
            }
        }
        drop(serial);
        platform.shutdown().await.unwrap();
        assert_eq!(count.get(), 5000);
    });
}

#[test]
fn a_million_queued_items_run() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        let called = count.counts();
        for _ in 0..1_000_000 {
            platform.put(QueueId::MULTITHREADED, called.clone()).unwrap();
        }
        platform.shutdown_within(crate::support::BOUND).await.unwrap();
        assert_eq!(count.get(), 1_000_000);
    });
}

#[test]
fn operations_behind_queued_items_end_with_their_own_value() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let mut operations = Vec::new();
        for id in [QueueId::STANDARD, QueueId::MULTITHREADED, QueueId::LONG_FUNCTION] {
            operations.push(platform.queue(id).unwrap().run(|| 1));
        }
        for kind in [WorkQueueType::Standard, WorkQueueType::Multithreaded, WorkQueueType::Window] {
            operations.push(platform.allocate_work_queue(kind).unwrap().run(|| 1));
        }
        operations.push(platform.allocate_serial_work_queue(QueueId::IO).unwrap().run(|| 1));
        let (operation, result) = armed(&platform);
        platform.invoke_callback(&result).unwrap();
        drop(result);
        platform.shutdown().await.unwrap();
        for operation in operations {
            assert_eq!(operation.await.unwrap(), 1);
        }
        assert_eq!(operation.await.unwrap(), 7);
    });
}

#[test]
fn everything_new_is_refused_from_the_call_on() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let private = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
        let result = platform.result(callback(|_| {})).build().unwrap();
        let key = platform.schedule(&result, Duration::from_secs(3600)).unwrap();
        let periodic = platform.add_periodic_callback(|| {}).unwrap();
        // Not awaited yet: the call began it.
        let shutdown = platform.shutdown();
        let called = || callback(|_| panic!("must not be called"));
        let refused = [
            platform.put(QueueId::STANDARD, called()),
            platform.put(QueueId::STANDARD, &result),
            platform.invoke_callback(&result),
            private.put(called()),
            private.put(&result),
            platform.allocate_work_queue(WorkQueueType::Standard).map(drop),
            platform.allocate_serial_work_queue(QueueId::STANDARD).map(drop),
            platform.queue(QueueId::STANDARD).map(drop),
            platform.schedule(called(), Duration::ZERO).map(drop),
            platform.schedule(&result, Duration::ZERO).map(drop),
            platform.put_waiting(async {}, &result).map(drop),
            platform.add_periodic_callback(|| panic!("must not be called")).map(drop),
        ];
        for (number, refused) in refused.into_iter().enumerate() {
            assert_eq!(refused.map_err(Hresult::from), Err(Hresult::MF_E_SHUTDOWN), "call {number}");
        }
        assert_eq!(private.run(|| ()).await.unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        assert_eq!(private.spawn(async {}).await.unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        assert_eq!(window.spawn_local(|| async {}).await.unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        drop((private, window, result));
        shutdown.await.unwrap();
        for after in [
            platform.event_result().build().map(drop),
            platform.lock().map(drop),
            platform.cancel_work_item(key),
            platform.remove_periodic_callback(periodic),
        ] {
            assert_eq!(after.unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        }
        assert_eq!(
            platform.begin_end(&(), |(), _| Ok(()), |(), _| Ok(())).await.unwrap_err().hresult(),
            Hresult::MF_E_SHUTDOWN
        );
    });
}

#[test]
fn callbacks_may_hop_on_while_it_drains() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let private = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        let count = Count::new();
        for queue in [QueueId::STANDARD, QueueId::IO, QueueId::LONG_FUNCTION, private.id()] {
            let (hops, counted) = (platform.clone(), count.clone());
            // The callback holds its queue open.
            let held = private.clone();
            let ids = [QueueId::STANDARD, QueueId::MULTITHREADED, QueueId::IO, held.id()];
            let hop = callback(move |result: &AsyncResult| {
                let _ = &held;
                let number = counted.next();
                if number < 400 {
                    hops.put(ids[number % ids.len()], result).unwrap();
                }
            });
            platform.put(queue, hop).unwrap();
        }
        let shutdown = platform.shutdown();
        drop(platform);
        drop(private);
        shutdown.await.unwrap();
        // The last hops of the four chains all see a number of 400 or more.
        assert_eq!(count.get(), 404);
    });
}

#[test]
fn they_may_hop_to_a_queue_that_was_found_quiet_before() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (first, second, entered, count) = (Gate::new(), Gate::new(), Gate::new(), Count::new());
        let (puts, counts, pass, enter) = (platform.clone(), count.counts(), second.clone(), entered.clone());
        let back = flagged(CallbackFlags::BLOCKING, move |_| {
            enter.open();
            pass.pass();
            puts.put(QueueId::IO, counts.clone()).unwrap();
        });
        let (puts, pass) = (platform.clone(), first.clone());
        let there = flagged(CallbackFlags::BLOCKING, move |_| {
            pass.pass();
            puts.put(QueueId::STANDARD, back.clone()).unwrap();
        });
        platform.put(QueueId::STANDARD, count.counts()).unwrap();
        platform.put(QueueId::IO, there).unwrap();
        until("STANDARD is quiet", || count.get() == 1).await;
        let shutdown = platform.shutdown();
        drop(platform);
        // The shutdown has its turns meanwhile, and waits for IO and then for both again.
        some_turns().await;
        first.open();
        until("STANDARD is at work", || entered.is_open()).await;
        some_turns().await;
        second.open();
        shutdown.await.unwrap();
        assert_eq!(count.get(), 2);
    });
}

#[test]
fn a_callback_that_is_late_finds_everything_closed() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (gate, said) = (Gate::new(), Log::new());
        let (late, pass, log) = (platform.clone(), gate.clone(), said.clone());
        let stuck = flagged(CallbackFlags::BLOCKING, move |_| {
            pass.pass();
            let refused = [
                late.queue(QueueId::STANDARD).map(drop),
                late.put(QueueId::IO, callback(|_| panic!("must not be called"))),
                late.register_platform_with_mmcss("Audio", 0, 0).map(drop),
            ];
            log.add(refused.map(|refused| refused.map_err(Hresult::from)));
        });
        platform.put(QueueId::IO, stuck).unwrap();
        platform.shutdown_within(Duration::from_millis(1)).await.unwrap_err();
        gate.open();
        until("it has been refused", || said.len() == 1).await;
        assert_eq!(said.all(), [[Err(Hresult::MF_E_SHUTDOWN); 3]]);
    });
}

#[test]
fn callbacks_may_even_allocate_a_queue_while_it_drains() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        let (hops, counted) = (platform.clone(), count.clone());
        let hop = callback(move |_| {
            let queue = hops.allocate_work_queue(WorkQueueType::Standard).unwrap();
            let serial = hops.allocate_serial_work_queue(&queue).unwrap();
            for _ in 0..100 {
                queue.put(counted.counts()).unwrap();
                serial.put(counted.counts()).unwrap();
            }
        });
        platform.put(QueueId::STANDARD, hop).unwrap();
        platform.shutdown().await.unwrap();
        assert_eq!(count.get(), 200);
    });
}

#[test]
fn what_is_armed_fails_with_shutdown() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (operation, result) = armed(&platform);
        // Its component makes a result and lets go of it.
        let other = platform.begin_end(
            &(),
            |(), callback| platform.result(callback).build().map(drop),
            |(), _| Ok(()),
        );
        let shutdown = tokio::spawn(platform.shutdown());
        let error = operation.await.unwrap_err();
        assert_eq!((error.hresult(), error.kind()), (Hresult::MF_E_SHUTDOWN, ErrorKind::Shutdown));
        assert_eq!(other.await.unwrap_err().kind(), ErrorKind::Abandoned);
        assert!(!shutdown.is_finished());
        drop(result);
        shutdown.await.unwrap().unwrap();
    });
}

#[test]
fn called_in_a_callback_it_is_an_error_and_nothing_is_shut_down() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in [QueueId::STANDARD, QueueId::MULTITHREADED, QueueId::LONG_FUNCTION] {
            let inner = platform.clone();
            let queue = platform.queue(queue).unwrap();
            let error =
                queue.run(move || futures::executor::block_on(inner.shutdown())).await.unwrap().unwrap_err();
            assert_eq!(error.hresult(), Hresult::ERROR_POSSIBLE_DEADLOCK);
            let inner = platform.clone();
            let error = queue.spawn(async move { inner.shutdown().await }).await.unwrap().unwrap_err();
            assert_eq!(error.hresult(), Hresult::ERROR_POSSIBLE_DEADLOCK);
        }
        platform.queue(QueueId::STANDARD).unwrap().run(|| ()).await.unwrap();
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn called_in_a_local_future_it_is_an_error() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
        let inner = platform.clone();
        let error =
            window.spawn_local(move || async move { inner.shutdown().await }).await.unwrap().unwrap_err();
        assert_eq!(error.hresult(), Hresult::ERROR_POSSIBLE_DEADLOCK);
    });
}

#[test]
fn a_callback_may_shut_another_platform_down() {
    both_runtimes(|| async {
        let (one, other) = (Platform::startup().unwrap(), Platform::startup().unwrap());
        let queue = one.queue(QueueId::STANDARD).unwrap();
        queue.spawn(async move { other.shutdown().await }).await.unwrap().unwrap();
        one.shutdown().await.unwrap();
    });
}

#[test]
fn twice_is_once() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (first, second) = (platform.shutdown(), platform.clone().shutdown());
        second.await.unwrap();
        first.await.unwrap();
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn dropping_the_future_does_not_stop_it() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (operation, result) = armed(&platform);
        drop(platform.shutdown());
        assert!(operation.await.unwrap_err().is_shutdown());
        drop(result);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_result_that_is_held_delays_it_and_no_longer() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let result = platform.event_result().build().unwrap();
        let shutdown = tokio::spawn(platform.shutdown());
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert!(!shutdown.is_finished());
        drop(result);
        shutdown.await.unwrap().unwrap();
    });
}

#[test]
fn the_last_platform_dropped_without_shutdown_fails_what_is_armed() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (operation, result) = armed(&platform);
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        drop(platform);
        assert!(operation.await.unwrap_err().is_shutdown());
        assert_eq!(queue.put(callback(|_| {})).unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        drop(result);
    });
}

#[test]
fn the_last_platform_dropped_without_shutdown_still_runs_what_is_queued() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        let drops = Drops::new();
        let base = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        let serial = platform.allocate_serial_work_queue(&base).unwrap();
        let top = platform.allocate_serial_work_queue(&serial).unwrap();
        for _ in 0..2000 {
            for queue in [QueueId::STANDARD, QueueId::MULTITHREADED, base.id(), serial.id(), top.id()] {
                platform.put(queue, WorkItem::new(count.counts()).state(Arc::new(drops.token()))).unwrap();
            }
        }
        drop(platform);
        drop((base, serial, top));
        until("all is let go", || drops.count() == 10_000).await;
        assert_eq!(count.get(), 10_000);
    });
}

#[test]
fn listeners_hear_each_moment_once() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let listener = Arc::new(Listener::default());
        let guard = platform.register_platform_events(listener.clone());
        assert_eq!(listener.heard(), ["initialized"]);
        platform.shutdown().await.unwrap();
        platform.shutdown().await.unwrap();
        assert_eq!(listener.heard(), ["initialized", "start", "complete"]);
        drop(guard);
    });
}

#[test]
fn a_listener_that_was_unregistered_hears_nothing() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let listener = Arc::new(Listener::default());
        drop(platform.register_platform_events(listener.clone()));
        platform.shutdown().await.unwrap();
        assert_eq!(listener.heard(), ["initialized"]);
    });
}

#[test]
fn a_listener_that_panics_harms_nobody() {
    both_runtimes(|| async {
        struct Panics;
        impl PlatformEvents for Panics {
            fn shutdown_start(&self) {
                panic!("expected in a test");
            }
            fn shutdown_complete(&self) {
                panic!("expected in a test");
            }
        }
        let platform = Platform::startup().unwrap();
        let listener = Arc::new(Listener::default());
        let _first = platform.register_platform_events(Arc::new(Panics));
        let _second = platform.register_platform_events(listener.clone());
        let count = Count::new();
        for _ in 0..100 {
            platform.put(QueueId::STANDARD, count.counts()).unwrap();
        }
        platform.shutdown().await.unwrap();
        assert_eq!(count.get(), 100);
        assert_eq!(listener.heard(), ["initialized", "start", "complete"]);
    });
}

#[test]
fn a_spawned_future_that_is_woken_too_late_is_told_of_the_shutdown() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        let waits = queue.spawn(async move { receive.await.is_ok() });
        queue.barrier().await.unwrap();
        let shutdown = platform.shutdown();
        // Woken from outside while the platform drains, its next poll is refused; or it is gone already.
        let _ = send.send(());
        assert_eq!(waits.await.unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        shutdown.await.unwrap();
    });
}

#[test]
fn a_result_that_is_never_let_go_delays_it_until_the_deadline() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (operation, result) = armed(&platform);
        let line = line!() - 1;
        let start = Instant::now();
        let error = platform.shutdown().await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        assert_eq!((error.hresult(), error.kind()), (Hresult::ERROR_TIMEOUT, ErrorKind::TimedOut));
        // `armed` begins it, so the line is in there; its file is named.
        assert!(error.what().contains(concat!("begun at ", file!(), ":")), "{error} {line}");
        assert!(error.what().contains("MULTITHREADED"), "{error}");
        assert!(operation.await.unwrap_err().is_shutdown());
        drop(result);
        assert_eq!(platform.shutdown().await.unwrap_err().hresult(), Hresult::ERROR_TIMEOUT);
    });
}

#[test]
fn the_stuck_report_names_the_line_that_began_the_operation() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let held = Mutex::new(None);
        let begin = |callback: Arc<dyn AsyncCallback>| {
            *held.lock().unwrap() = Some(platform.result(callback).build()?);
            Ok(())
        };
        let (operation, line) =
            (platform.begin_end(&(), |(), callback| begin(callback), |(), _| Ok(())), line!());
        let error = platform.shutdown_within(Duration::from_secs(1)).await.unwrap_err();
        let place = format!("begun at {}:{line}:", file!());
        assert!(error.what().contains(&place), "{error}");
        assert!(error.what().contains("after 1s"), "{error}");
        assert!(error.what().contains("since 1.0s"), "{error}");
        drop(operation);
    });
}

#[test]
fn platform_locks_delay_it_but_do_not_fail_it() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let lock = platform.lock().unwrap();
        let start = Instant::now();
        let shutdown = tokio::spawn(platform.shutdown());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!shutdown.is_finished());
        drop(lock);
        shutdown.await.unwrap().unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(2));

        let platform = Platform::startup().unwrap();
        let lock = platform.lock().unwrap();
        let start = Instant::now();
        platform.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        drop(lock);
    });
}

#[test]
fn queue_handles_delay_it_but_do_not_fail_it() {
    paused_time(|| async {
        let platform = Platform::builder().shutdown_deadline(Duration::from_secs(3)).startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let start = Instant::now();
        platform.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        // What was not given back makes nothing possible again.
        let error = platform.event_result().build().unwrap_err();
        assert_eq!(error.hresult(), Hresult::MF_E_SHUTDOWN);
        assert_eq!(platform.lock().unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        drop(queue);
    });
}

#[test]
fn a_handle_that_is_given_back_in_time_ends_the_waiting() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let start = Instant::now();
        let shutdown = tokio::spawn(platform.shutdown());
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(queue);
        shutdown.await.unwrap().unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    });
}

#[test]
fn a_handle_to_a_platform_queue_does_not_delay_it() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::STANDARD).unwrap();
        let start = Instant::now();
        platform.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        drop(queue);
    });
}

#[test]
fn no_deadline_at_all_can_be_asked_for() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let result = platform.event_result().build().unwrap();
        let shutdown = tokio::spawn(platform.shutdown_within(Duration::MAX));
        tokio::time::sleep(Duration::from_secs(1_000_000)).await;
        assert!(!shutdown.is_finished());
        drop(result);
        shutdown.await.unwrap().unwrap();
    });
}

#[test]
fn scheduled_items_are_let_go_uncalled_and_waits_call_back_cancelled() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (drops, count, log) = (Drops::new(), Count::new(), Log::new());
        for seconds in 0..10 {
            let delay = Duration::from_secs(seconds + 1);
            platform.schedule(WorkItem::new(count.counts()).state(Arc::new(drops.token())), delay).unwrap();
        }
        let seen = log.clone();
        let called = callback(move |result: &AsyncResult| seen.add(result.status()));
        let result = platform.result(called).build().unwrap();
        platform.put_waiting(std::future::pending(), &result).unwrap();
        drop(result);
        let start = Instant::now();
        platform.shutdown().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!((count.get(), drops.count()), (0, 10));
        assert_eq!(log.all(), [Hresult::MF_E_OPERATION_CANCELLED]);
    });
}

#[test]
fn an_operation_behind_a_scheduled_item_hears_of_it() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let operation = platform.begin_end(
            &(),
            |(), callback| platform.schedule(callback, Duration::from_secs(60)).map(drop),
            |(), _| Ok(()),
        );
        platform.shutdown().await.unwrap();
        let error = operation.await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Shutdown | ErrorKind::Abandoned), "{error}");
    });
}

#[test]
fn a_stuck_callback_is_reported_and_what_waits_behind_it_is_let_go() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let (gate, entered, drops) = (Gate::new(), Gate::new(), Drops::new());
        let (pass, enter) = (gate.clone(), entered.clone());
        let stuck = queue.run(move || {
            enter.open();
            pass.pass();
        });
        let waits = queue.run(|| ());
        queue
            .put(WorkItem::new(callback(|_| panic!("must not be called"))).state(Arc::new(drops.token())))
            .unwrap();
        let id = queue.id();
        drop(queue);
        entered.pass();
        let error = platform.shutdown_within(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.hresult(), Hresult::ERROR_TIMEOUT);
        assert!(error.what().contains("runs "), "{error}");
        assert!(error.what().contains(&id.to_string()), "{error}");
        assert!(stuck.await.unwrap_err().is_shutdown());
        assert!(waits.await.unwrap_err().is_shutdown());
        assert_eq!(drops.count(), 1);
        gate.open();
    });
}

#[test]
fn it_waits_for_a_callback_that_runs() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        for flags in [CallbackFlags::empty(), CallbackFlags::BLOCKING] {
            let platform = if flags.is_empty() { platform.clone() } else { Platform::startup().unwrap() };
            let (gate, ended) = (Gate::new(), Arc::new(AtomicBool::new(false)));
            let entered = Gate::new();
            let (pass, end, enter) = (gate.clone(), ended.clone(), entered.clone());
            let called = flagged(flags, move |_| {
                enter.open();
                pass.pass();
                end.store(true, Ordering::SeqCst);
            });
            platform.put(QueueId::STANDARD, called).unwrap();
            entered.pass();
            let shutdown = tokio::spawn(platform.shutdown_within(crate::support::BOUND));
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert!(!shutdown.is_finished());
            gate.open();
            shutdown.await.unwrap().unwrap();
            assert!(ended.load(Ordering::SeqCst));
        }
    });
}

#[test]
fn puts_that_race_with_it_run_or_are_refused() {
    multi_thread(|| async {
        for _ in 0..50 {
            let platform = Platform::startup().unwrap();
            let (accepted, ran, drops) = (Count::new(), Count::new(), Drops::new());
            let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
            let thread = std::thread::spawn({
                let (accepted, ran, drops) = (accepted.clone(), ran.clone(), drops.clone());
                move || loop {
                    let state = Arc::new(drops.token());
                    match queue.put(WorkItem::new(ran.counts()).state(state)) {
                        Ok(()) => accepted.add(),
                        Err(error) => return assert!(error.is_shutdown()),
                    };
                }
            });
            until("some are put", || accepted.get() > 10).await;
            platform.shutdown().await.unwrap();
            thread.join().unwrap();
            assert_eq!(ran.get(), accepted.get());
            assert_eq!(drops.count(), accepted.get() + 1);
        }
    });
}

/// What of a platform is left when its runtime is dropped; every future must end all the same.
fn after_the_runtime(flavor: tokio::runtime::Builder, block: bool) {
    within_bound(move || {
        let mut flavor = flavor;
        let runtime = flavor.enable_all().build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        let drops = Drops::new();
        let gate = Gate::new();
        if block {
            // Both workers are busy when the runtime goes, so that everything is still queued.
            for _ in 0..2 {
                let pass = gate.clone();
                let (enter, entered) = (Gate::new(), Gate::new());
                let inside = entered.clone();
                let called = callback(move |_| {
                    inside.open();
                    pass.pass();
                });
                platform.put(QueueId::MULTITHREADED, called).unwrap();
                drop(enter);
                entered.pass();
            }
        }
        let mut operations = Vec::new();
        let mut queues: Vec<_> =
            [QueueId::STANDARD, QueueId::MULTITHREADED, QueueId::IO, QueueId::LONG_FUNCTION]
                .map(|id| platform.queue(id).unwrap())
                .into();
        queues.push(platform.allocate_work_queue(WorkQueueType::Standard).unwrap());
        queues.push(platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap());
        queues.push(platform.allocate_work_queue(WorkQueueType::Window).unwrap());
        for base in [QueueId::MULTITHREADED, QueueId::STANDARD, queues[5].id()] {
            let serial = platform.allocate_serial_work_queue(base).unwrap();
            queues.push(platform.allocate_serial_work_queue(&serial).unwrap());
            queues.push(serial);
        }
        for queue in &queues {
            for _ in 0..3 {
                let token = drops.token();
                operations.push(queue.run(move || drop(token)));
                let token = drops.token();
                operations.push(queue.spawn(async move { drop(token) }));
            }
            let token = drops.token();
            operations.push(queue.spawn(async move {
                std::future::pending::<()>().await;
                drop(token);
            }));
        }
        let (held, result) = armed(&platform);
        let token = Arc::new(drops.token());
        operations.push(platform.begin_end(
            &(),
            |(), callback| {
                platform.schedule(WorkItem::new(callback).state(token), Duration::from_secs(3600)).map(drop)
            },
            |(), _| Ok(()),
        ));
        let token = Arc::new(drops.token());
        operations.push(platform.begin_end(
            &(),
            |(), callback| {
                let result = platform.result(callback).state(token).build()?;
                platform.put_waiting(std::future::pending(), &result).map(drop)
            },
            |(), _| Ok(()),
        ));
        let barriers: Vec<_> = queues.iter().map(|queue| queue.barrier()).collect();
        let quiet: Vec<_> = queues.iter().map(|queue| queue.quiesce()).collect();
        runtime.shutdown_background();
        gate.open();
        let count = operations.len();
        for (number, operation) in operations.into_iter().enumerate() {
            let limit = std::time::Instant::now();
            let _ = within_bound(move || futures::executor::block_on(operation));
            assert!(limit.elapsed() < crate::support::BOUND, "{number}");
        }
        for wait in barriers {
            let waited = within_bound(move || futures::executor::block_on(wait));
            assert!(waited.err().is_none_or(|error| error.is_shutdown()));
        }
        for wait in quiet {
            let waited = within_bound(move || futures::executor::block_on(wait));
            assert!(waited.err().is_none_or(|error| error.is_shutdown()));
        }
        assert_eq!(drops.count(), count, "something queued was not let go");
        for queue in &queues {
            let _ = queue.put(callback(|_| {}));
        }
        let ended = within_bound({
            let shutdown = platform.shutdown();
            move || futures::executor::block_on(shutdown)
        });
        assert!(ended.unwrap_err().is_shutdown());
        assert!(futures::executor::block_on(held).unwrap_err().is_shutdown());
        drop(result);
    });
}

#[test]
fn a_current_thread_runtime_that_is_dropped_ends_every_future() {
    after_the_runtime(tokio::runtime::Builder::new_current_thread(), false);
}

#[test]
fn a_multi_thread_runtime_that_is_dropped_ends_every_future() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2);
    after_the_runtime(builder, false);
}

#[test]
fn a_busy_multi_thread_runtime_that_is_dropped_ends_every_future() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2);
    after_the_runtime(builder, true);
}

#[test]
fn a_platform_with_its_own_runtime_needs_no_other() {
    within_bound(|| {
        let platform = Platform::builder().worker_threads(2).startup().unwrap();
        let count = Count::new();
        for _ in 0..1000 {
            platform.put(QueueId::MULTITHREADED, count.counts()).unwrap();
        }
        futures::executor::block_on(platform.shutdown()).unwrap();
        assert_eq!(count.get(), 1000);
    });
}

#[test]
fn the_last_clone_may_be_dropped_by_a_callback_of_its_own_runtime() {
    within_bound(|| {
        let platform = Platform::builder().worker_threads(1).startup().unwrap();
        let (gate, done) = (Gate::new(), Gate::new());
        let inner = Mutex::new(Some(platform.clone()));
        let (pass, open) = (gate.clone(), done.clone());
        let called = on(QueueId::STANDARD, move |_| {
            pass.pass();
            drop(inner.lock().unwrap().take());
            open.open();
        });
        platform.put(QueueId::STANDARD, called).unwrap();
        drop(platform);
        gate.open();
        done.pass();
    });
}

#[test]
fn a_platform_takes_a_ready_runtime_and_ends_it() {
    within_bound(|| {
        let (started, stopped) = (Count::new(), Count::new());
        let (start, stop) = (started.clone(), stopped.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .on_thread_start(move || start.add())
            .on_thread_stop(move || stop.add())
            .enable_time()
            .build()
            .unwrap();
        // The number of workers is the runtime's.
        let platform = Platform::builder().worker_threads(0).runtime(runtime).startup().unwrap();
        let count = Count::new();
        platform.put(QueueId::MULTITHREADED, count.counts()).unwrap();
        futures::executor::block_on(platform.shutdown()).unwrap();
        assert_eq!(count.get(), 1);
        while started.get() < 2 {
            std::thread::yield_now();
        }
        drop(platform);
        while stopped.get() < started.get() {
            std::thread::yield_now();
        }
    });
}
