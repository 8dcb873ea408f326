//! Promise: a queue with a limit never has more items than that, however many producers outrun it: a put that
//! finds no room fails with MF_E_NOTACCEPTING, or waits, first come first served; whoever waits gets a place,
//! or hears of the shutdown, and nobody waits for himself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::support::{
    Count, Drops, Gate, Log, both_runtimes, callback, flagged, multi_thread, paused_time, until, with,
};
use futures::FutureExt;
use mf_async::rtwq::BoundedQueue;
use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, ErrorKind, Hresult, Platform, QueueId,
    WorkItem, WorkQueueType,
};

fn started(limit: usize) -> (Platform, BoundedQueue) {
    let platform = Platform::startup().unwrap();
    let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    (platform, queue.bounded(limit).unwrap())
}

/// Puts an item that keeps a thread, and so the queue, until the gate is open.
fn held(queue: &BoundedQueue) -> Gate {
    let gate = Gate::new();
    let opened = gate.clone();
    queue.try_put(flagged(CallbackFlags::BLOCKING, move |_| opened.pass())).unwrap();
    gate
}

/// How many of something there are, and how many there were at most.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn up(&self) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
    }

    fn down(&self) {
        self.now.fetch_sub(1, SeqCst);
    }
}

#[test]
fn without_room_a_put_fails_and_keeps_nothing() {
    both_runtimes(|| async {
        let (platform, queue) = started(3);
        let (drops, calls) = (Drops::new(), Count::new());
        let places: Vec<_> = (0..3).map(|_| queue.try_reserve().unwrap()).collect();
        assert_eq!((queue.limit(), queue.free()), (3, 0));
        let error = queue.try_put(WorkItem::new(calls.counts()).state(Arc::new(drops.token()))).unwrap_err();
        assert_eq!((error.hresult(), error.kind()), (Hresult::MF_E_NOTACCEPTING, ErrorKind::Failed));
        assert!(error.what().contains(&queue.queue().id().to_string()), "{error}");
        assert_eq!((calls.get(), drops.count(), queue.queue().stats().put), (0, 1, 0));
        drop(places);
        queue.try_put(WorkItem::new(calls.counts()).state(Arc::new(drops.token()))).unwrap();
        queue.queue().barrier().await.unwrap();
        assert_eq!((calls.get(), drops.count(), queue.free()), (1, 2, 3));
        drop(queue);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_flood_never_has_more_items_than_the_limit() {
    both_runtimes(|| async {
        let (_platform, queue) = started(8);
        let (items, calls) = (Arc::new(Gauge::default()), Count::new());
        let producers: Vec<_> = (0..16)
            .map(|_| {
                let (queue, items, calls) = (queue.clone(), items.clone(), calls.clone());
                tokio::spawn(async move {
                    for _ in 0..500 {
                        let (ended, calls) = (items.clone(), calls.clone());
                        let place = queue.reserve().await.unwrap();
                        items.up();
                        let called = callback(move |_| {
                            calls.add();
                            ended.down();
                        });
                        place.put(called).unwrap();
                        // One more, because what has ended is counted a moment later.
                        assert!(queue.queue().stats().depth <= 9);
                    }
                })
            })
            .collect();
        for producer in producers {
            producer.await.unwrap();
        }
        queue.queue().barrier().await.unwrap();
        assert_eq!((calls.get(), queue.free()), (8000, 8));
        assert!(items.most.load(SeqCst) <= 8, "{} at the same time", items.most.load(SeqCst));
    });
}

#[test]
fn who_waits_longest_is_first() {
    both_runtimes(|| async {
        let (_platform, queue) = started(1);
        let log = Log::new();
        let place = queue.reserve().await.unwrap();
        let mut waiting = Vec::new();
        for number in 0..20 {
            let log = log.clone();
            let mut put = Box::pin(queue.put(callback(move |_| log.add(number))));
            assert!(futures::poll!(&mut put).is_pending());
            waiting.push(put);
        }
        // A place that is free goes to who waits, not to who comes.
        drop(place);
        assert_eq!(queue.try_reserve().unwrap_err().hresult(), Hresult::MF_E_NOTACCEPTING);
        futures::future::try_join_all(waiting).await.unwrap();
        queue.queue().barrier().await.unwrap();
        assert_eq!(log.all(), (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn a_put_that_is_dropped_while_it_waits_puts_nothing_and_stands_in_nobodys_way() {
    both_runtimes(|| async {
        let (_platform, queue) = started(1);
        let (drops, calls) = (Drops::new(), Count::new());
        let place = queue.reserve().await.unwrap();
        let mut first = Box::pin(queue.put(WorkItem::new(calls.counts()).state(Arc::new(drops.token()))));
        let mut second = Box::pin(queue.put(WorkItem::new(calls.counts()).state(Arc::new(drops.token()))));
        assert!(futures::poll!(&mut first).is_pending());
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        assert_eq!(drops.count(), 1);
        drop(place);
        second.await.unwrap();
        queue.queue().barrier().await.unwrap();
        assert_eq!((calls.get(), drops.count(), queue.free()), (1, 2, 1));
    });
}

#[test]
fn a_callback_that_panics_gives_its_place_back() {
    both_runtimes(|| async {
        let (_platform, queue) = started(1);
        for _ in 0..3 {
            queue.put(callback(|_| panic!("expected in a test"))).await.unwrap();
        }
        assert_eq!(queue.run(|| 7).await.unwrap(), 7);
        let error = queue.run(|| panic!("expected in a test")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        let error = queue.spawn(async { panic!("expected in a test") }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        queue.queue().barrier().await.unwrap();
        until("the place is free", || queue.free() == 1).await;
    });
}

#[test]
fn a_future_has_its_place_until_it_has_ended() {
    both_runtimes(|| async {
        let (_platform, queue) = started(1);
        let (send, receive) = tokio::sync::oneshot::channel();
        let waits = queue.try_reserve().unwrap().spawn(async { receive.await.unwrap() });
        queue.queue().barrier().await.unwrap();
        assert_eq!(queue.try_put(callback(|_| {})).unwrap_err().hresult(), Hresult::MF_E_NOTACCEPTING);
        send.send(5).unwrap();
        assert_eq!(waits.await.unwrap(), 5);
        queue.put(callback(|_| {})).await.unwrap();
    });
}

#[test]
fn a_put_that_is_refused_gives_its_place_back() {
    both_runtimes(|| async {
        let (_platform, queue) = started(1);
        let signal = CallbackParameters::on(queue.queue()).with_flags(CallbackFlags::SIGNAL);
        for _ in 0..3 {
            let error = queue.put(with(signal, |_| {})).await.unwrap_err();
            assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
            assert_eq!(queue.free(), 1);
        }
    });
}

#[test]
fn a_result_that_somebody_keeps_has_no_place() {
    both_runtimes(|| async {
        let (_platform, queue) = started(1);
        let held = Log::new();
        let hold = held.clone();
        queue.put(callback(move |result| hold.add(result.clone()))).await.unwrap();
        queue.put(callback(|_| {})).await.unwrap();
        queue.queue().barrier().await.unwrap();
        assert_eq!((held.len(), queue.free()), (1, 1));
        held.clear();
    });
}

#[test]
fn in_a_callback_of_its_own_a_put_does_not_wait() {
    both_runtimes(|| async {
        let (platform, queue) = started(1);
        let inner = queue.clone();
        // Its own place is the one that it would wait for.
        let error = queue.spawn(async move { inner.put(callback(|_| {})).await }).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldDeadlock);
        let other = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let inner = queue.clone();
        other.spawn(async move { inner.put(callback(|_| {})).await }).await.unwrap().unwrap();
        queue.queue().barrier().await.unwrap();
        assert_eq!(queue.queue().stats().put, queue.queue().stats().run);
    });
}

#[test]
fn an_item_is_reported_by_the_name_of_its_own_callback() {
    both_runtimes(|| async {
        struct Frame(Platform, Log<String>);
        impl AsyncCallback for Frame {
            fn invoke(&self, _: &AsyncResult) {
                self.1.add(self.0.report().to_string());
            }

            fn name(&self) -> &'static str {
                "a frame"
            }
        }
        let (platform, queue) = started(1);
        let reports = Log::new();
        queue.try_put(Arc::new(Frame(platform, reports.clone()))).unwrap();
        queue.queue().barrier().await.unwrap();
        assert!(reports.all()[0].contains("\n  runs a frame since "), "{:?}", reports.all());
    });
}

#[test]
fn an_operation_that_is_put_is_known_to_the_platform() {
    both_runtimes(|| async {
        let (platform, queue) = started(2);
        let gate = held(&queue);
        let begun = platform.begin_end(
            &(),
            |(), callback| queue.try_put(callback),
            |(), result| result.status().ok(),
        );
        let report = platform.report();
        assert_eq!(report.operations.len(), 1, "{report}");
        gate.open();
        begun.await.unwrap();
    });
}

#[test]
fn a_wait_that_is_given_up_is_outstanding_no_longer() {
    both_runtimes(|| async {
        let (platform, queue) = started(1);
        let _place = queue.reserve().await.unwrap();
        let mut put = Box::pin(queue.put(callback(|_| {})));
        assert!(futures::poll!(&mut put).is_pending());
        assert_eq!(platform.report().operations.len(), 1);
        drop(put);
        let report = platform.report();
        assert!(report.operations.is_empty() && !report.has_unfinished_work(), "{report}");
    });
}

#[test]
fn while_a_shutdown_drains_nobody_waits_for_room() {
    both_runtimes(|| async {
        let (platform, queue) = started(1);
        let gate = held(&queue);
        let shutdown = platform.shutdown();
        let refused = queue.reserve().now_or_never().expect("it does not wait");
        assert!(refused.unwrap_err().is_shutdown());
        gate.open();
        drop(queue);
        shutdown.await.unwrap();
    });
}

#[test]
fn the_limit_is_of_the_handle_and_its_clones() {
    both_runtimes(|| async {
        let (platform, queue) = started(2);
        let clone = queue.clone();
        let _places = (queue.try_reserve().unwrap(), clone.try_reserve().unwrap());
        assert_eq!((queue.free(), clone.free()), (0, 0));
        assert!(clone.try_reserve().is_err());
        // The queue itself has no limit, and another handle has its own.
        let calls = Count::new();
        queue.queue().put(calls.counts()).unwrap();
        platform.put(queue.queue(), calls.counts()).unwrap();
        let other = queue.queue().clone().bounded(1).unwrap();
        other.try_put(calls.counts()).unwrap();
        queue.queue().barrier().await.unwrap();
        assert_eq!(calls.get(), 3);
    });
}

#[test]
fn after_a_shutdown_there_is_no_room() {
    both_runtimes(|| async {
        let (platform, queue) = started(1);
        let place = queue.try_reserve().unwrap();
        let shutdown = platform.shutdown();
        assert!(queue.try_reserve().unwrap_err().is_shutdown());
        assert!(place.put(callback(|_| {})).unwrap_err().is_shutdown());
        assert!(queue.put(callback(|_| {})).await.unwrap_err().is_shutdown());
        drop(queue);
        shutdown.await.unwrap();
    });
}

#[test]
fn who_waits_hears_of_the_shutdown_although_no_place_is_ever_free() {
    paused_time(|| async {
        let (platform, queue) = started(1);
        let drops = Drops::new();
        // Somebody keeps the place, and never uses it.
        let _place = queue.reserve().await.unwrap();
        let mut puts: Vec<_> = (0..3)
            .map(|_| Box::pin(queue.put(WorkItem::new(callback(|_| {})).state(Arc::new(drops.token())))))
            .collect();
        for put in &mut puts {
            assert!(futures::poll!(put).is_pending());
        }
        let report = platform.report();
        assert_eq!(report.operations.len(), 3);
        assert!(report.to_string().contains("a put that waits for room"), "{report}");
        assert!(report.to_string().contains("overload.rs"), "{report}");
        let start = tokio::time::Instant::now();
        let shutdown = platform.shutdown_within(Duration::from_secs(9));
        // Those who wait are told before they are polled again, and do not hold it up; the handles do.
        shutdown.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(9));
        for put in puts {
            assert!(put.now_or_never().unwrap().unwrap_err().is_shutdown());
        }
        assert_eq!(drops.count(), 3);
    });
}

#[test]
fn who_waits_hears_that_the_last_platform_was_dropped() {
    paused_time(|| async {
        let (platform, queue) = started(1);
        let _place = queue.reserve().await.unwrap();
        let put = queue.put(callback(|_| {}));
        tokio::pin!(put);
        assert!(futures::poll!(&mut put).is_pending());
        drop(platform);
        assert!(put.await.unwrap_err().is_shutdown());
    });
}

#[test]
fn items_that_a_shutdown_lets_go_give_their_places_back() {
    multi_thread(|| async {
        let (platform, queue) = started(4);
        let (gate, drops) = (held(&queue), Drops::new());
        for _ in 0..3 {
            queue.try_put(WorkItem::new(callback(|_| {})).state(Arc::new(drops.token()))).unwrap();
        }
        assert_eq!(queue.free(), 0);
        let error = platform.shutdown_within(Duration::from_millis(5)).await.unwrap_err();
        assert_eq!(error.hresult(), Hresult::ERROR_TIMEOUT);
        assert_eq!((queue.free(), drops.count()), (3, 3));
        gate.open();
        until("the last place is free", || queue.free() == 4).await;
    });
}

#[test]
fn a_parallel_queue_with_a_limit_runs_no_more_at_a_time_than_that() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::LONG_FUNCTION).unwrap().bounded(3).unwrap();
        let items = Arc::new(Gauge::default());
        for _ in 0..300 {
            let items = items.clone();
            let put = queue.put(callback(move |_| {
                items.up();
                std::thread::yield_now();
                items.down();
            }));
            put.await.unwrap();
        }
        queue.queue().barrier().await.unwrap();
        assert!(items.most.load(SeqCst) <= 3, "{} at the same time", items.most.load(SeqCst));
    });
}

#[test]
fn who_waits_hears_that_the_runtime_is_gone() {
    crate::support::within_bound(|| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap().bounded(1).unwrap();
        // A future that waits for this test has the only place; one that nothing can wake would be dropped.
        let (_gate, closed) = tokio::sync::oneshot::channel::<()>();
        let stuck = queue.try_reserve().unwrap().spawn(closed);
        let mut put = Box::pin(queue.put(callback(|_| {})));
        assert!((&mut put).now_or_never().is_none());
        drop(runtime);
        drop(platform);
        assert!(futures::executor::block_on(put).unwrap_err().is_shutdown());
        assert!(futures::executor::block_on(stuck).is_err());
    });
}
