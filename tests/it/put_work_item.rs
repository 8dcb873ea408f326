//! Promise: a put queues one call on the queue that it names, whatever queue the callback names; the
//! callback's flags must suit that queue; a put that fails leaves every reference count as it was.

use std::sync::Arc;

use crate::support::{Count, Drops, Log, both_runtimes, callback, on, until, with};
use mf_async::{
    AsyncResult, CallbackFlags, CallbackParameters, Hresult, Platform, QueueId, WorkItem, WorkQueueType,
};

const PLATFORM_QUEUES: [QueueId; 6] = [
    QueueId::STANDARD,
    QueueId::RT,
    QueueId::IO,
    QueueId::TIMER,
    QueueId::MULTITHREADED,
    QueueId::LONG_FUNCTION,
];

#[test]
fn each_platform_queue_runs_what_is_put() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        for queue in PLATFORM_QUEUES {
            platform.put(queue, count.counts()).unwrap();
        }
        platform.shutdown().await.unwrap();
        assert_eq!(count.get(), 6);
    });
}

#[test]
fn the_four_forms_do_the_same() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let log = Log::new();
        let seen = log.clone();
        let called = callback(move |result: &AsyncResult| seen.add(*result.state::<i32>().unwrap()));
        let result = |number: i32| platform.result(called.clone()).state(Arc::new(number)).build().unwrap();
        platform.put(&queue, WorkItem::new(called.clone()).state(Arc::new(0))).unwrap();
        platform.put(&queue, WorkItem::new(called.clone()).state(Arc::new(1)).priority(0)).unwrap();
        platform.put(&queue, result(2)).unwrap();
        platform.put(&queue, result(3)).unwrap();
        queue.put(WorkItem::new(called.clone()).state(Arc::new(4))).unwrap();
        queue.put(WorkItem::new(called.clone()).state(Arc::new(5)).priority(0)).unwrap();
        queue.put(result(6)).unwrap();
        queue.put(result(7)).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!(log.all(), [0, 1, 2, 3, 4, 5, 6, 7]);
    });
}

#[test]
fn the_queue_argument_wins_over_the_callbacks_own() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        let standard = platform.queue(QueueId::STANDARD).unwrap();
        platform.put(&queue, on(QueueId::STANDARD, |_| {})).unwrap();
        // Not even an id that is not open matters.
        platform.put(&queue, on(0x9999_0000, |_| {})).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!((queue.stats().run, standard.stats().put), (2, 0));
    });
}

#[test]
fn a_put_has_no_object_and_the_given_state() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let log = Log::new();
        let seen = log.clone();
        let called = callback(move |result: &AsyncResult| {
            seen.add((result.unknown_object().is_none(), result.state::<u8>().copied(), result.status()));
        });
        platform.put(QueueId::STANDARD, WorkItem::new(called.clone()).state(Arc::new(3_u8))).unwrap();
        platform.put(QueueId::STANDARD, called).unwrap();
        until("both have run", || log.len() == 2).await;
        assert_eq!(log.all(), [(true, Some(3), Hresult::S_OK), (true, None, Hresult::S_OK)]);
    });
}

#[test]
fn numbers_without_a_private_bit_mean_standard() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let standard = platform.queue(QueueId::STANDARD).unwrap();
        for number in [0, 6, 8, 0x4000, 0xFFFF] {
            platform.put(number, callback(|_| {})).unwrap();
            assert_eq!(platform.queue(number).unwrap().id(), QueueId::STANDARD);
        }
        standard.barrier().await.unwrap();
        assert_eq!(standard.stats().run, 5);
    });
}

#[test]
fn unknown_private_numbers_fail_and_keep_nothing() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let drops = Drops::new();
        for number in [0x1_0000, 0x10_0000, 0x7FFF_FFFF, QueueId::ALL.0, QueueId::PRIVATE_MASK.0] {
            let called = callback(|_| panic!("must not be called"));
            let state = Arc::new(drops.token());
            let error = platform.put(number, WorkItem::new(called.clone()).state(state.clone())).unwrap_err();
            assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
            assert_eq!((Arc::strong_count(&called), Arc::strong_count(&state)), (1, 1));
            let result = platform.result(called.clone()).state(state.clone()).build().unwrap();
            let error = platform.put(number, &result).unwrap_err();
            assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
            drop(result);
            assert_eq!((Arc::strong_count(&called), Arc::strong_count(&state)), (1, 1));
        }
        assert_eq!(drops.count(), 5);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_put_after_shutdown_fails_and_keeps_nothing() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let standard = platform.queue(QueueId::STANDARD).unwrap();
        let private = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        platform.shutdown_within(std::time::Duration::ZERO).await.unwrap();
        let called = callback(|_| panic!("must not be called"));
        for put in [
            platform.put(QueueId::STANDARD, called.clone()),
            platform.put(&private, called.clone()),
            standard.put(called.clone()),
            private.put(called.clone()),
        ] {
            assert_eq!(put.unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        }
        assert_eq!(Arc::strong_count(&called), 1);
    });
}

#[test]
fn quick_flags_are_for_io_and_timer_only() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let mut queues = PLATFORM_QUEUES.map(|id| platform.queue(id).unwrap()).to_vec();
        for kind in [WorkQueueType::Standard, WorkQueueType::Window, WorkQueueType::Multithreaded] {
            queues.push(platform.allocate_work_queue(kind).unwrap());
        }
        for base in [QueueId::IO, QueueId::TIMER] {
            queues.push(platform.allocate_serial_work_queue(base).unwrap());
        }
        let quick = [CallbackFlags::FAST_IO_PROCESSING, CallbackFlags::SIGNAL];
        let others = [
            CallbackFlags::empty(),
            CallbackFlags::BLOCKING,
            CallbackFlags::LOCALIZE_REMOTE,
            CallbackFlags::from_bits_retain(0x4000_0000),
        ];
        for queue in &queues {
            let allowed = [QueueId::IO, QueueId::TIMER].contains(&queue.id());
            for flags in quick.iter().flat_map(|quick| others.map(|other| *quick | other)).chain(others) {
                let called = with(CallbackParameters::default().with_flags(flags), |_| {});
                let put = queue.put(called.clone());
                if allowed || !flags.intersects(quick[0] | quick[1]) {
                    put.unwrap();
                } else {
                    assert_eq!(
                        put.unwrap_err().hresult(),
                        Hresult::MF_E_INVALID_WORKQUEUE,
                        "{queue:?} {flags:?}"
                    );
                    assert_eq!(Arc::strong_count(&called), 1);
                }
            }
            queue.quiesce().await.unwrap();
            assert_eq!(queue.stats().run, if allowed { 12 } else { 4 }, "{queue:?}");
        }
    });
}

#[test]
fn the_same_result_can_be_put_again() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        let log = Log::new();
        let seen = log.clone();
        let called = callback(move |result: &AsyncResult| seen.add(result.clone()));
        let result = platform.result(called).build().unwrap();
        for _ in 0..10 {
            queue.put(&result).unwrap();
            queue.barrier().await.unwrap();
        }
        // While it is queued, too.
        queue.put(&result).unwrap();
        queue.put(&result).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!(log.len(), 12);
        assert!(log.all().iter().all(|seen| seen.ptr_eq(&result)));
    });
}

#[test]
fn a_callback_may_put_on_its_own_queue() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in PLATFORM_QUEUES {
            let handle = platform.queue(queue).unwrap();
            let count = Count::new();
            let (counted, again) = (count.clone(), handle.clone());
            let called = callback(move |result: &AsyncResult| {
                if counted.next() < 99 {
                    again.put(result).unwrap();
                }
            });
            handle.put(called).unwrap();
            until("the chain has run", || count.get() == 100).await;
        }
    });
}
