//! Promise: `invoke_callback` queues one call of the result's callback, on the queue that the callback
//! names, never on the caller's stack; or it fails, and then nothing is called and nothing is kept.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use crate::support::{Count, Drops, Gate, Log, both_runtimes, callback, multi_thread, on, until, with};
use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, ErrorKind, Hresult, Platform, QueueId,
    WorkQueueType,
};

/// Asks for its own parameters and counts how often it was asked, and on which thread.
struct Asked {
    asked: Mutex<Vec<ThreadId>>,
    called: Count,
    queue: Mutex<QueueId>,
}

impl Asked {
    fn new() -> Arc<Asked> {
        Arc::new(Asked {
            asked: Mutex::default(),
            called: Count::new(),
            queue: Mutex::new(QueueId::MULTITHREADED),
        })
    }
}

impl AsyncCallback for Asked {
    fn parameters(&self) -> CallbackParameters {
        self.asked.lock().unwrap().push(std::thread::current().id());
        CallbackParameters::on(*self.queue.lock().unwrap())
    }

    fn invoke(&self, _: &AsyncResult) {
        self.called.add();
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

#[test]
fn the_callback_gets_the_very_result() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let log = Log::new();
        let seen = log.clone();
        let called = callback(move |result: &AsyncResult| seen.add(result.clone()));
        let result =
            platform.result(called).object(Arc::new("object")).state(Arc::new(7_u8)).build().unwrap();
        result.set_status(Hresult::MF_E_END_OF_STREAM);
        platform.invoke_callback(&result).unwrap();
        until("the callback is called", || log.len() == 1).await;
        let got = log.all().remove(0);
        assert!(got.ptr_eq(&result));
        assert_eq!(got.status(), Hresult::MF_E_END_OF_STREAM);
        assert_eq!(got.state::<u8>(), Some(&7));
        assert_eq!(got.object::<&str>(), Some(&"object"));
    });
}

#[test]
fn it_is_called_once_for_each_call() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        let result = platform.result(count.counts()).build().unwrap();
        for _ in 0..100 {
            platform.invoke_callback(&result).unwrap();
        }
        drop(result);
        platform.shutdown().await.unwrap();
        assert_eq!(count.get(), 100);
    });
}

#[test]
fn never_on_the_callers_stack() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let log = Log::new();
        for queue in [0, 1, 2, 3, 4, 5, 6, 7, 0xFFFF] {
            let (seen, again) = (log.clone(), Mutex::new(Some(platform.clone())));
            let inner = log.clone();
            let called = on(queue, move |_| {
                seen.add(INSIDE.get());
                // From within a callback neither, not even on its own queue.
                let Some(platform) = again.lock().unwrap().take() else { return };
                let inner = inner.clone();
                INSIDE.set(true);
                platform.put(queue, callback(move |_| inner.add(INSIDE.get()))).unwrap();
                INSIDE.set(false);
            });
            let result = platform.result(called).build().unwrap();
            INSIDE.set(true);
            platform.invoke_callback(&result).unwrap();
            INSIDE.set(false);
        }
        until("all have run", || log.len() == 18).await;
        assert_eq!(log.all(), vec![false; 18]);
    });
}

#[test]
fn a_result_without_a_callback_signals_instead() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let result = platform.event_result().build().unwrap();
        platform.invoke_callback(&result).unwrap();
        result.signaled().await.unwrap();
        result.signaled().await.unwrap();
        let other = platform.event_result().build().unwrap();
        platform.put(QueueId::IO, &other).unwrap();
        other.signaled().await.unwrap();
    });
}

#[test]
fn a_result_with_a_callback_signals_nothing() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let count = Count::new();
        let result = platform.result(count.counts()).build().unwrap();
        platform.invoke_callback(&result).unwrap();
        assert_eq!(result.signaled().await.unwrap_err().hresult(), Hresult::E_INVALIDARG);
    });
}

#[test]
fn the_queue_holds_the_result_until_the_callback_is_back() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let drops = Drops::new();
        let log = Log::new();
        let (seen, counted) = (log.clone(), drops.clone());
        let called = callback(move |_| seen.add(counted.count()));
        let result = platform.result(called).state(Arc::new(drops.token())).build().unwrap();
        platform.invoke_callback(&result).unwrap();
        drop(result);
        until("state is let go", || drops.count() == 1).await;
        assert_eq!(log.all(), [0]);
    });
}

#[test]
fn parameters_are_asked_once_a_call_on_the_calling_thread() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let asked = Asked::new();
        let result = platform.result(asked.clone()).build().unwrap();
        assert!(asked.asked.lock().unwrap().is_empty());
        platform.invoke_callback(&result).unwrap();
        platform.put(QueueId::IO, &result).unwrap();
        platform.put(QueueId::IO, asked.clone()).unwrap();
        until("all have run", || asked.called.get() == 3).await;
        assert_eq!(*asked.asked.lock().unwrap(), vec![std::thread::current().id(); 3]);
    });
}

#[test]
fn the_answer_of_parameters_is_not_remembered() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let asked = Asked::new();
        let result = platform.result(asked.clone()).build().unwrap();
        let (multithreaded, io) =
            (platform.queue(QueueId::MULTITHREADED).unwrap(), platform.queue(QueueId::IO).unwrap());
        platform.invoke_callback(&result).unwrap();
        *asked.queue.lock().unwrap() = QueueId::IO;
        platform.invoke_callback(&result).unwrap();
        assert_eq!((multithreaded.stats().put, io.stats().put), (1, 1));
        until("both have run", || asked.called.get() == 2).await;
    });
}

#[test]
fn without_parameters_it_lands_on_standard() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let standard = platform.queue(QueueId::STANDARD).unwrap();
        let result = platform.result(callback(|_| {})).build().unwrap();
        platform.invoke_callback(&result).unwrap();
        assert_eq!(standard.stats().put, 1);
    });
}

#[test]
fn a_private_queue_can_be_named() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let result = platform.result(on(&queue, |_| {})).build().unwrap();
        platform.invoke_callback(&result).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!((queue.stats().put, queue.stats().run), (1, 1));
    });
}

#[test]
fn a_closed_queue_fails_and_keeps_nothing() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let id = queue.id();
        drop(queue);
        let count = Count::new();
        let counted = count.clone();
        let called = on(id, move |_| {
            counted.add();
        });
        let result = platform.result(called.clone()).build().unwrap();
        let before = Arc::strong_count(&called);
        let error = platform.invoke_callback(&result).unwrap_err();
        assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
        assert!(error.what().contains(&id.to_string()), "{error}");
        assert_eq!(Arc::strong_count(&called), before);
        drop(result);
        assert_eq!(Arc::strong_count(&called), before - 1);
        platform.shutdown().await.unwrap();
        assert_eq!(count.get(), 0);
    });
}

#[test]
fn after_shutdown_it_fails_and_keeps_nothing() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let other = Platform::startup().unwrap();
        let count = Count::new();
        let called = count.counts();
        // A result of another platform, since this one makes none any more.
        let result = other.result(called.clone()).build().unwrap();
        platform.shutdown().await.unwrap();
        let before = Arc::strong_count(&called);
        let error = platform.invoke_callback(&result).unwrap_err();
        assert_eq!((error.hresult(), error.kind()), (Hresult::MF_E_SHUTDOWN, ErrorKind::Shutdown));
        assert_eq!(Arc::strong_count(&called), before);
        assert_eq!(count.get(), 0);
    });
}

#[test]
fn flags_that_the_named_queue_forbids_are_refused_at_once() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let quick = CallbackParameters::default().with_flags(CallbackFlags::FAST_IO_PROCESSING);
        let called = with(quick, |_| panic!("must not be called"));
        let result = platform.result(called.clone()).build().unwrap();
        let before = Arc::strong_count(&called);
        let error = platform.invoke_callback(&result).unwrap_err();
        assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
        assert_eq!(Arc::strong_count(&called), before);
    });
}

#[test]
fn what_was_written_before_the_call_is_seen_by_the_callback() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let log = Log::new();
        let seen = log.clone();
        let called = callback(move |result: &AsyncResult| seen.add(result.status()));
        for number in 0..100 {
            let result = platform.result(called.clone()).build().unwrap();
            result.set_status(Hresult(number));
            platform.invoke_callback(&result).unwrap();
        }
        until("all have run", || log.len() == 100).await;
        // STANDARD runs one at a time, in order.
        assert_eq!(log.all(), (0..100).map(Hresult).collect::<Vec<_>>());
    });
}

#[test]
fn it_may_run_before_the_call_returns_and_while_the_caller_holds_a_lock() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let (ran, lock) = (Gate::new(), Arc::new(Mutex::new(())));
        let open = ran.clone();
        let result = platform.result(callback(move |_| open.open())).build().unwrap();
        let held = lock.lock().unwrap();
        platform.invoke_callback(&result).unwrap();
        // The caller blocks here: the callback needs nothing of it.
        ran.pass();
        drop(held);
    });
}

/// A result without a callback is nothing that a shutdown calls; who waits for its event hears of the end.
#[test]
fn a_wait_for_the_event_of_a_result_ends_with_the_platform() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (signaled, never) =
            (platform.event_result().build().unwrap(), platform.event_result().build().unwrap());
        signaled.invoke().unwrap();
        let waits = tokio::spawn({
            let never = never.clone();
            async move { never.signaled().await }
        });
        until("it waits", || platform.report().operations.len() == 1).await;
        let shutdown = platform.shutdown();
        assert!(waits.await.unwrap().unwrap_err().is_shutdown());
        // One that comes after the end, too.
        assert!(never.signaled().await.unwrap_err().is_shutdown());
        signaled.signaled().await.unwrap();
        drop((signaled, never));
        shutdown.await.unwrap();
    });
}

#[test]
fn an_item_without_a_result_goes_where_its_callback_names_and_is_asked_once() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        let asked = Asked::new();
        *asked.queue.lock().unwrap() = queue.id();
        platform.invoke_item(asked.clone()).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!((asked.called.get(), queue.stats().run), (1, 1));
        assert_eq!(*asked.asked.lock().unwrap(), [std::thread::current().id()]);
        // A ready result is invoked.
        let result = platform.result(asked.clone()).build().unwrap();
        platform.invoke_item(result).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!((asked.called.get(), queue.stats().run), (2, 2));
        // One that is refused is not called, and nothing of it is kept.
        *asked.queue.lock().unwrap() = QueueId(0x1_0000);
        let refused = platform.invoke_item(asked.clone()).unwrap_err();
        assert_eq!(refused.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
        drop(queue);
        platform.shutdown().await.unwrap();
        assert_eq!(platform.invoke_item(asked.clone()).unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        assert_eq!((asked.called.get(), Arc::strong_count(&asked)), (2, 1));
    });
}
