//! Promise: an event queue answers every call with Media Foundation's code for it, in every state: one
//! request at a time from Begin until End, nothing after shutdown, and no thread of a runtime blocked.

use std::sync::mpsc;
use std::sync::{Arc, Barrier, Weak};
use std::time::Duration;

use crate::event_generators::everywhere;
use crate::support::{Wrapped, both_runtimes};
use futures::FutureExt;
use mf_async::event::{GetEventFlags, MediaEventValue};
use mf_async::{
    AsyncCallback, AsyncResult, CallbackParameters, ErrorKind, EventStream, Guid, Hresult, MediaEvent,
    MediaEventQueue, MediaEventType, Operation, Platform, QueueId, Result, Unknown, WorkQueueType,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const TYPE: MediaEventType = MediaEventType::MEMediaSample;

/// Hands every result that it is invoked with to the test.
struct Recorder {
    send: UnboundedSender<AsyncResult>,
    queue: QueueId,
}

impl AsyncCallback for Recorder {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(self.queue)
    }

    fn invoke(&self, result: &AsyncResult) {
        let _ = self.send.send(result.clone());
    }
}

fn recorder_on(queue: QueueId) -> (Arc<dyn AsyncCallback>, UnboundedReceiver<AsyncResult>) {
    let (send, receive) = unbounded_channel();
    (Arc::new(Recorder { send, queue }), receive)
}

fn recorder() -> (Arc<dyn AsyncCallback>, UnboundedReceiver<AsyncResult>) {
    recorder_on(QueueId::MULTITHREADED)
}

fn queue() -> (Platform, MediaEventQueue) {
    let platform = Platform::startup().unwrap();
    let queue = platform.create_event_queue().unwrap();
    (platform, queue)
}

fn event(number: i64) -> MediaEvent {
    MediaEvent::new(TYPE).with_value(number)
}

fn number(event: Result<MediaEvent>) -> i64 {
    event.unwrap().value().as_i64().unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> Hresult {
    result.unwrap_err().hresult()
}

fn take(queue: &MediaEventQueue) -> Result<MediaEvent> {
    queue.get_event(GetEventFlags::NO_WAIT)
}

/// Waits until everything that was put on this queue has run.
async fn settled(platform: &Platform) {
    platform.queue(QueueId::MULTITHREADED).unwrap().quiesce().await.unwrap();
}

#[tokio::test]
async fn events_come_out_in_order_and_once() {
    let (platform, queue) = queue();
    for at in 0..3 {
        queue.queue_event(event(at)).unwrap();
    }
    // No wait is needed, so none is refused.
    assert_eq!(number(queue.get_event(GetEventFlags::empty())), 0);
    assert_eq!(number(take(&queue)), 1);
    assert_eq!(number(take(&queue)), 2);
    assert_eq!(code(take(&queue)), Hresult::MF_E_NO_EVENTS_AVAILABLE);
    drop(queue);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_three_ways_to_queue_an_event() {
    let (platform, queue) = queue();
    let key = Guid::from_u128(7);
    queue.queue_event(event(1).with_attribute(key, "left")).unwrap();
    queue.queue_event_param_var(MediaEventType::MEError, Hresult::E_FAIL, 2.5).unwrap();
    let object: Unknown = Arc::new(3_u8);
    queue.queue_event_param_unk(MediaEventType::MENewStream, Hresult::S_OK, object.clone()).unwrap();
    let first = take(&queue).unwrap();
    assert_eq!(first.attribute(key).and_then(MediaEventValue::as_str), Some("left"));
    assert_eq!(first.attributes().count(), 1);
    let second = take(&queue).unwrap();
    assert_eq!((second.event_type(), second.status()), (MediaEventType::MEError, Hresult::E_FAIL));
    assert_eq!(second.value(), &MediaEventValue::R8(2.5));
    assert_eq!(second.extended_type(), Guid::NULL);
    assert_eq!(code(second.ok()), Hresult::E_FAIL);
    let third = take(&queue).unwrap();
    assert_eq!(third.value(), &MediaEventValue::Unknown(object));
    assert_eq!(third.value().as_object::<u8>(), Some(&3));
    drop((third, queue));
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn begin_calls_back_and_end_gives_the_event() {
    for queued_first in [true, false] {
        let (platform, queue) = queue();
        let (callback, mut called) = recorder();
        if queued_first {
            queue.queue_event(event(4)).unwrap();
        }
        let state: Unknown = Arc::new("state");
        assert_eq!(queue.begin_get_event(callback, Some(state)).unwrap(), Hresult::S_OK);
        if !queued_first {
            settled(&platform).await;
            assert!(called.try_recv().is_err());
            queue.queue_event(event(4)).unwrap();
        }
        let result = called.recv().await.unwrap();
        assert_eq!(result.state::<&str>(), Some(&"state"));
        assert_eq!(result.status(), Hresult::S_OK);
        assert_eq!(number(queue.end_get_event(&result)), 4);
        assert_eq!(code(take(&queue)), Hresult::MF_E_NO_EVENTS_AVAILABLE);
        drop((result, queue));
        platform.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn while_a_request_is_outstanding() {
    let (platform, queue) = queue();
    let (callback, mut called) = recorder();
    let (other, _others) = recorder();
    let state: Unknown = Arc::new(1);
    let another: Unknown = Arc::new(1);
    let begin = |callback: &Arc<dyn AsyncCallback>, state: Option<&Unknown>| {
        queue.begin_get_event(callback.clone(), state.cloned())
    };
    assert_eq!(begin(&callback, Some(&state)).unwrap(), Hresult::S_OK);
    let check = || {
        let held = (Arc::strong_count(&callback), Arc::strong_count(&other), Arc::strong_count(&another));
        assert_eq!(begin(&callback, Some(&state)).unwrap(), Hresult::MF_S_MULTIPLE_BEGIN);
        assert_eq!(code(begin(&callback, Some(&another))), Hresult::MF_E_MULTIPLE_BEGIN);
        assert_eq!(code(begin(&callback, None)), Hresult::MF_E_MULTIPLE_BEGIN);
        assert_eq!(code(begin(&other, Some(&state))), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
        assert_eq!(code(begin(&other, None)), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
        assert_eq!(code(take(&queue)), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
        assert_eq!(code(queue.get_event(GetEventFlags::empty())), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
        let after = (Arc::strong_count(&callback), Arc::strong_count(&other), Arc::strong_count(&another));
        assert_eq!(held, after, "a refused request was kept");
    };
    check();
    queue.queue_event(event(1)).unwrap();
    queue.queue_event(event(2)).unwrap();
    let result = called.recv().await.unwrap();
    settled(&platform).await;
    // Still, until End; and one callback came, not two.
    check();
    assert!(called.try_recv().is_err());
    assert_eq!(number(queue.end_get_event(&result)), 1);
    assert_eq!(number(take(&queue)), 2);
    assert_eq!(begin(&other, None).unwrap(), Hresult::S_OK);
    drop((result, queue));
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_callback_that_does_not_end_keeps_the_request() {
    let (platform, queue) = queue();
    let (callback, mut called) = recorder();
    let (other, _others) = recorder();
    queue.begin_get_event(callback.clone(), None).unwrap();
    queue.queue_event(event(1)).unwrap();
    drop(called.recv().await.unwrap());
    settled(&platform).await;
    assert_eq!(queue.begin_get_event(callback, None).unwrap(), Hresult::MF_S_MULTIPLE_BEGIN);
    assert_eq!(code(queue.begin_get_event(other, None)), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
    drop(queue);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn get_event_inside_the_callback_is_refused_and_end_is_not() {
    let (platform, queue) = queue();
    let queue = Arc::new(queue);
    let (send, mut receive) = unbounded_channel();
    let inside = queue.clone();
    let callback = Arc::new(move |result: &AsyncResult| {
        let waited = inside.get_event(GetEventFlags::empty()).unwrap_err().hresult();
        let taken = inside.get_event(GetEventFlags::NO_WAIT).unwrap_err().hresult();
        let ended = inside.end_get_event(result).map(|event| event.event_type());
        // Nothing is outstanding now, but a callback must not wait.
        let after = inside.get_event(GetEventFlags::empty()).unwrap_err();
        let _ = send.send((waited, taken, ended, after.kind(), after.hresult()));
    });
    queue.begin_get_event(callback, None).unwrap();
    queue.queue_event(event(1)).unwrap();
    let (waited, taken, ended, kind, after) = receive.recv().await.unwrap();
    assert_eq!(waited, Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
    assert_eq!(taken, Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
    assert_eq!(ended.unwrap(), TYPE);
    assert_eq!((kind, after), (ErrorKind::WouldDeadlock, Hresult::ERROR_POSSIBLE_DEADLOCK));
    drop(queue);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn end_takes_only_the_outstanding_result_and_only_once() {
    let (platform, queue) = queue();
    let (callback, mut called) = recorder();
    queue.begin_get_event(callback.clone(), None).unwrap();
    queue.queue_event(event(1)).unwrap();
    queue.queue_event(event(2)).unwrap();
    let result = called.recv().await.unwrap();
    let foreign = platform.result(callback).build().unwrap();
    assert_eq!(code(queue.end_get_event(&foreign)), Hresult::E_FAIL);
    assert_eq!(number(queue.end_get_event(&result)), 1);
    assert_eq!(code(queue.end_get_event(&result)), Hresult::E_FAIL);
    assert_eq!(number(take(&queue)), 2);
    drop((result, foreign, queue));
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn after_shutdown_everything_says_so() {
    let (platform, queue) = queue();
    let (callback, mut called) = recorder();
    queue.begin_get_event(callback.clone(), None).unwrap();
    queue.queue_event(event(1)).unwrap();
    queue.queue_event(event(2)).unwrap();
    // The callback is on its way: it comes, and its End says that the queue is shut down.
    queue.shutdown();
    let result = called.recv().await.unwrap();
    assert_eq!(code(queue.end_get_event(&result)), Hresult::MF_E_SHUTDOWN);
    let foreign = platform.result(callback.clone()).build().unwrap();
    assert_eq!(code(queue.end_get_event(&foreign)), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(take(&queue)), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(queue.get_event(GetEventFlags::empty())), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(queue.begin_get_event(callback, None)), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(queue.queue_event(event(3))), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(queue.queue_event_param_var(TYPE, Hresult::S_OK, 3_i64)), Hresult::MF_E_SHUTDOWN);
    let object: Unknown = Arc::new(());
    assert_eq!(code(queue.queue_event_param_unk(TYPE, Hresult::S_OK, object)), Hresult::MF_E_SHUTDOWN);
    queue.shutdown();
    drop((result, foreign, queue));
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn shutdown_and_drop_let_go_of_a_pending_callback_and_of_events() {
    for drop_it in [false, true] {
        let (platform, queue) = queue();
        let (callback, mut called) = recorder();
        let weak = Arc::downgrade(&callback);
        let state: Unknown = Arc::new(());
        queue.begin_get_event(callback, Some(state.clone())).unwrap();
        if drop_it {
            drop(queue);
        } else {
            queue.shutdown();
        }
        assert!(weak.upgrade().is_none());
        assert_eq!(Arc::strong_count(&state), 1);
        assert!(called.recv().await.is_none(), "it was called");
        platform.shutdown().await.unwrap();
    }
    let (platform, queue) = queue();
    let carried: Unknown = Arc::new(());
    queue.queue_event(MediaEvent::new(TYPE).with_value(carried.clone())).unwrap();
    queue.shutdown();
    assert_eq!(Arc::strong_count(&carried), 1);
    drop(queue);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_operation_hears_why_its_event_will_not_come() {
    let (platform, queue) = queue();
    let queue = Arc::new(queue);
    let request = |queue: &Arc<MediaEventQueue>| {
        let end = Arc::downgrade(queue);
        platform.begin_end(
            &(),
            |(), callback| queue.begin_get_event(callback, None),
            move |(), result| Weak::upgrade(&end).unwrap().end_get_event(result),
        )
    };
    let asked = request(&queue);
    queue.shutdown();
    assert_eq!(asked.await.unwrap_err().kind(), ErrorKind::Shutdown);
    let other = Arc::new(platform.create_event_queue().unwrap());
    let asked = request(&other);
    drop(other);
    assert_eq!(asked.await.unwrap_err().kind(), ErrorKind::Abandoned);
    drop(queue);
    platform.shutdown().await.unwrap();
}

#[test]
fn an_operation_that_is_awaited_ends_with_the_shutdown() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = Arc::new(platform.create_event_queue().unwrap());
        let end = queue.clone();
        let asked = platform.begin_end(
            &(),
            |(), callback| queue.begin_get_event(callback, None),
            move |(), result| end.end_get_event(result),
        );
        let waiting = tokio::spawn(asked);
        tokio::task::yield_now().await;
        queue.shutdown();
        assert_eq!(code(waiting.await.unwrap()), Hresult::MF_E_SHUTDOWN);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn an_operation_whose_callback_is_wrapped_ends_with_the_platforms_shutdown() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = Arc::new(platform.create_event_queue().unwrap());
        let end = queue.clone();
        let asked = platform.begin_end(
            &(),
            |(), callback| queue.begin_get_event(Arc::new(Wrapped(callback)), None),
            move |(), result| end.end_get_event(result),
        );
        let waiting = tokio::spawn(asked);
        tokio::task::yield_now().await;
        platform.shutdown().await.unwrap();
        assert_eq!(code(waiting.await.unwrap()), Hresult::MF_E_SHUTDOWN);
    });
}

#[test]
fn while_a_stream_lives_no_other_reader_is_given_an_event() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let get = |flags| code(source.get_event(flags));
        let mut events = EventStream::lossless(&source).unwrap();
        let (callback, _called) = recorder();
        let refused = || {
            assert_eq!(get(GetEventFlags::NO_WAIT), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
            assert_eq!(get(GetEventFlags::empty()), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
            let begun = source.begin_get_event(callback.clone(), None);
            assert_eq!(code(begun), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
        };
        // A request is outstanding; a backlog waits; the reader has taken a part of it.
        refused();
        (0..100).for_each(|at| source.queue_event(event(at)).unwrap());
        refused();
        for at in 0..50 {
            assert_eq!(number(events.next().await.unwrap()), at);
            refused();
        }
        // What it has not read is there when it is gone.
        drop(events);
        for at in 50..100 {
            assert_eq!(number(source.get_event(GetEventFlags::NO_WAIT)), at);
        }
        assert_eq!(get(GetEventFlags::NO_WAIT), Hresult::MF_E_NO_EVENTS_AVAILABLE);
        platform.shutdown().await.unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn the_platforms_shutdown_is_the_queues() {
    let (platform, queue) = queue();
    let (callback, mut called) = recorder();
    queue.begin_get_event(callback, None).unwrap();
    let start = tokio::time::Instant::now();
    platform.shutdown().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO, "shutdown waited for the pending request");
    assert!(called.recv().await.is_none());
    assert_eq!(code(take(&queue)), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(platform.create_event_queue()), Hresult::MF_E_SHUTDOWN);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_told_is_not_reported_as_stuck() {
    let (platform, queue) = queue();
    let report = platform.report();
    assert_eq!(report.operations.len(), 1);
    assert!(report.operations[0].what.contains("event queue"));
    // The lock makes shutdown wait until its deadline; alone it is no error, nor is the queue.
    let lock = platform.lock().unwrap();
    platform.shutdown().await.unwrap();
    drop((lock, queue));
}

#[tokio::test]
async fn a_platform_that_is_dropped_shuts_the_queue_down() {
    let (platform, queue) = queue();
    drop(platform);
    assert_eq!(code(queue.queue_event(event(1))), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(take(&queue)), Hresult::MF_E_SHUTDOWN);
}

#[tokio::test]
async fn a_callback_is_refused_with_the_queue_it_names() {
    let (platform, queue) = queue();
    let (callback, _called) = recorder_on(QueueId(0x1_0000));
    let weak = Arc::downgrade(&callback);
    assert_eq!(code(queue.begin_get_event(callback, None)), Hresult::MF_E_INVALID_WORKQUEUE);
    assert!(weak.upgrade().is_none());
    // Closed only when the event comes: the producer is not to blame, and another may ask.
    let closing = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    let (callback, mut called) = recorder_on(closing.id());
    queue.begin_get_event(callback, None).unwrap();
    drop(closing);
    queue.queue_event(event(1)).unwrap();
    assert!(called.recv().await.is_none());
    assert_eq!(number(take(&queue)), 1);
    drop(queue);
    platform.shutdown().await.unwrap();
}

#[tokio::test]
async fn waiting_is_refused_where_a_runtime_polls_and_not_on_its_blocking_threads() {
    let (platform, queue) = queue();
    let queue = Arc::new(queue);
    let refused = queue.get_event(GetEventFlags::empty()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldDeadlock);
    let pool = queue.clone();
    let waits = tokio::task::spawn_blocking(move || pool.get_event(GetEventFlags::empty()));
    queue.queue_event(event(1)).unwrap();
    assert_eq!(number(waits.await.unwrap()), 1);
    drop(queue);
    platform.shutdown().await.unwrap();
}

#[test]
fn a_runtime_that_is_dropped_ends_the_waits_of_its_blocking_threads() {
    for builder in [tokio::runtime::Builder::new_current_thread, tokio::runtime::Builder::new_multi_thread] {
        let runtime = builder().worker_threads(1).enable_all().build().unwrap();
        let (platform, queue) = runtime.block_on(async { queue() });
        let (queue, (send, receive)) = (Arc::new(queue), mpsc::channel());
        let (waiting, sends) = (queue.clone(), send.clone());
        runtime.spawn_blocking(move || sends.send(code(waiting.get_event(GetEventFlags::empty()))).unwrap());
        let multithreaded = platform.queue(mf_async::QueueId::MULTITHREADED).unwrap();
        let mut never = multithreaded.spawn(std::future::pending::<()>());
        runtime.spawn_blocking(move || send.send(code(never.wait())).unwrap());
        drop(runtime);
        // The runtime may drop the future before the platform knows of its end: then the operation is abandoned.
        for _ in 0..2 {
            let ended = receive.recv().unwrap();
            assert!([Hresult::MF_E_SHUTDOWN, Hresult::E_ABORT].contains(&ended), "{ended}");
        }
        drop((multithreaded, platform, queue));
    }
}

/// Threads that wait in `get_event`, each telling what it got.
fn waiters(queue: &Arc<MediaEventQueue>, count: usize) -> mpsc::Receiver<Result<MediaEvent>> {
    let (send, receive) = mpsc::channel();
    let ready = Arc::new(Barrier::new(count + 1));
    for _ in 0..count {
        let (queue, send, ready) = (queue.clone(), send.clone(), ready.clone());
        std::thread::spawn(move || {
            ready.wait();
            send.send(queue.get_event(GetEventFlags::empty())).unwrap();
        });
    }
    ready.wait();
    receive
}

#[test]
fn a_thread_of_ones_own_waits() {
    let platform = Platform::builder().worker_threads(1).startup().unwrap();
    let queue = Arc::new(platform.create_event_queue().unwrap());
    let got = waiters(&queue, 2);
    queue.queue_event(event(1)).unwrap();
    queue.queue_event(event(2)).unwrap();
    let mut both = [number(got.recv().unwrap()), number(got.recv().unwrap())];
    both.sort_unstable();
    assert_eq!(both, [1, 2]);
    let got = waiters(&queue, 2);
    queue.shutdown();
    assert_eq!(code(got.recv().unwrap()), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(got.recv().unwrap()), Hresult::MF_E_SHUTDOWN);
}

#[test]
fn a_platform_that_shuts_down_wakes_a_thread_that_waits() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let platform = runtime.block_on(async { Platform::startup().unwrap() });
    let queue = Arc::new(platform.create_event_queue().unwrap());
    let got = waiters(&queue, 1);
    runtime.block_on(platform.shutdown()).unwrap();
    assert_eq!(code(got.recv().unwrap()), Hresult::MF_E_SHUTDOWN);
}

#[test]
fn names_and_numbers() {
    assert_eq!(MediaEventType::METransformHaveOutput.0, 602);
    assert_eq!(MediaEventType(106).to_string(), "MESessionClosed");
    assert_eq!(MediaEventType(12_345).to_string(), "12345");
    let text = "e5666d6b-3422-4eb6-a421-da7db1f8e207";
    let guid: Guid = text.parse().unwrap();
    assert_eq!(guid.to_string(), text);
    for wrong in
        ["", "e5666d6b", "{e5666d6b-3422-4eb6-a421-da7db1f8e207", "+5666d6b-3422-4eb6-a421-da7db1f8e207"]
    {
        assert_eq!(code(wrong.parse::<Guid>()), Hresult::E_INVALIDARG, "{wrong:?}");
    }
    assert_eq!(code(format!("{text}-").parse::<Guid>()), Hresult::E_INVALIDARG);
    let named = MediaEvent::extended(guid);
    assert_eq!((named.event_type(), named.extended_type()), (MediaEventType::MEExtendedType, guid));
    assert_eq!(named, named.clone());
}

/// A callback that asks for events with another one while it is asked for its queue.
struct Interrupting {
    queue: Arc<MediaEventQueue>,
    other: Arc<dyn AsyncCallback>,
}

impl AsyncCallback for Interrupting {
    fn parameters(&self) -> CallbackParameters {
        // The second time somebody has asked already.
        let _ = self.queue.begin_get_event(self.other.clone(), None);
        CallbackParameters::on(QueueId::MULTITHREADED)
    }

    fn invoke(&self, _: &AsyncResult) {
        panic!("its request was refused");
    }
}

#[tokio::test]
async fn a_request_that_comes_in_between_is_the_one_that_counts() {
    let (_platform, queue) = queue();
    let queue = Arc::new(queue);
    let (other, mut called) = recorder();
    let late = Arc::new(Interrupting { queue: queue.clone(), other });
    assert_eq!(code(queue.begin_get_event(late, None)), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
    queue.queue_event(event(1)).unwrap();
    let result = called.recv().await.unwrap();
    assert_eq!(number(queue.end_get_event(&result)), 1);
}

#[test]
fn a_thread_that_waits_before_a_request_gets_the_event_after_it() {
    crate::support::within_bound(|| {
        let platform = Platform::builder().worker_threads(2).startup().unwrap();
        for _ in 0..50 {
            let queue = Arc::new(platform.create_event_queue().unwrap());
            let (waits, comes) = (queue.clone(), Arc::new(Barrier::new(2)));
            let came = comes.clone();
            let thread = std::thread::spawn(move || {
                came.wait();
                waits.get_event(GetEventFlags::empty())
            });
            comes.wait();
            // Most times it waits by now. One that comes too late is told so.
            (0..1000).for_each(|_| std::thread::yield_now());
            let (callback, mut called) = recorder();
            queue.begin_get_event(callback, None).unwrap();
            queue.queue_event(event(1)).unwrap();
            queue.queue_event(event(2)).unwrap();
            let result = called.blocking_recv().unwrap();
            assert_eq!(number(queue.end_get_event(&result)), 1);
            match thread.join().unwrap() {
                Ok(event) => assert_eq!(number(Ok(event)), 2),
                Err(error) => assert_eq!(error.hresult(), Hresult::MF_E_MULTIPLE_SUBSCRIBERS),
            }
        }
    });
}

#[test]
fn an_operation_ends_with_the_queues_own_shutdown_however_it_was_begun() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let names = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        for is_polled in [false, true] {
            let queues = [(); 4].map(|()| Arc::new(platform.create_event_queue().unwrap()));
            let on = CallbackParameters::on(&names);
            let wrapped = |callback| -> Arc<dyn AsyncCallback> { Arc::new(Wrapped(callback)) };
            let end = |queue: &Arc<MediaEventQueue>, result: &AsyncResult| queue.end_get_event(result);
            let mut operations = [
                platform.begin_end(&queues[0], |queue, callback| queue.begin_get_event(callback, None), end),
                platform.begin_end(
                    &queues[1],
                    |queue, callback| queue.begin_get_event(wrapped(callback), None),
                    end,
                ),
                platform.begin_end_with(
                    on,
                    &queues[2],
                    |queue, callback| queue.begin_get_event(callback, None),
                    end,
                ),
                platform.begin_end_with(
                    on,
                    &queues[3],
                    |queue, callback| queue.begin_get_event(wrapped(wrapped(callback)), None),
                    end,
                ),
            ];
            if is_polled {
                operations.iter_mut().for_each(|operation| assert!(operation.now_or_never().is_none()));
            }
            queues.iter().for_each(|queue| queue.shutdown());
            for operation in operations {
                assert!(operation.await.unwrap_err().is_shutdown());
            }
        }
        drop(names);
        platform.shutdown().await.unwrap();
    });
}

/// Dropped without a shutdown, it is another end.
#[test]
fn an_operation_whose_queue_is_dropped_is_abandoned() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.create_event_queue().unwrap();
        let begin = |(): &(), callback| queue.begin_get_event(Arc::new(Wrapped(callback)), None);
        let operation: Operation<()> = platform.begin_end(&(), begin, |(), _| Ok(()));
        drop(queue);
        assert_eq!(operation.await.unwrap_err().kind(), ErrorKind::Abandoned);
        platform.shutdown().await.unwrap();
    });
}
