//! Promise: an event stream is read by every executor, nested in a task or a callback as well, and takes what is there
//! without waiting.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use crate::event_generators::{Seen, Source, everywhere};
use crate::support::{Count, both_runtimes, multi_thread};
use futures::executor::block_on;
use futures::task::{ArcWake, waker};
use mf_async::event::GetEventFlags;
use mf_async::event_stream::{DropOldest, Overflow};
use mf_async::{
    AsyncCallback, AsyncResult, CallbackParameters, Error, ErrorKind, EventStream, Hresult, MediaEvent,
    MediaEventGenerator, MediaEventQueue, MediaEventType, Platform, QueueId, Result, Unknown,
};

const NUMBER: MediaEventType = MediaEventType(20_000);
const OTHER: MediaEventType = MediaEventType(20_001);
const LAST: MediaEventType = MediaEventType(20_002);

fn numbers(generator: &dyn MediaEventGenerator, range: std::ops::Range<i64>) {
    for at in range {
        generator.queue_event(MediaEvent::new(NUMBER).with_value(at)).unwrap();
    }
}

fn number(event: &MediaEvent) -> i64 {
    event.value().as_i64().unwrap()
}

fn block_on_each(events: &mut EventStream<impl Overflow>, range: std::ops::Range<i64>) {
    for at in range {
        assert_eq!(number(&block_on(events.next()).unwrap().unwrap()), at);
    }
}

#[test]
fn an_executor_that_is_nested_in_a_task_reads_everything() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        numbers(&*source, 0..300);
        block_on_each(&mut events, 0..300);
        numbers(&*source, 0..300);
        tokio::spawn(async move { block_on_each(&mut events, 0..300) }).await.unwrap();
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn an_executor_that_is_nested_in_a_callback_reads_everything() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        for queue in [QueueId::MULTITHREADED, QueueId::STANDARD, QueueId::LONG_FUNCTION] {
            let mut events = EventStream::lossless(&source).unwrap();
            numbers(&*source, 0..300);
            let queue = platform.queue(queue).unwrap();
            queue.run(move || block_on_each(&mut events, 0..300)).await.unwrap();
        }
        platform.shutdown().await.unwrap();
    });
}

/// A generator in front of a queue, whose next requests are refused for the moment.
struct Refusing {
    events: MediaEventQueue,
    refusals: Mutex<VecDeque<Hresult>>,
}

impl MediaEventGenerator for Refusing {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.events.get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        match self.refusals.lock().unwrap().pop_front() {
            Some(code) => Err(Error::new(code, "begin a request that is refused")),
            None => self.events.begin_get_event(callback, state),
        }
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.events.end_get_event(result)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.events.queue_event(event)
    }
}

#[test]
fn a_pause_after_a_refusal_ends_without_budget() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let events = platform.create_event_queue().unwrap();
        let refusing = Arc::new(Refusing { events, refusals: Mutex::default() });
        let mut events = EventStream::lossless(&refusing).unwrap();
        let generator = refusing.clone();
        let task = tokio::spawn(async move {
            // More than one task's share of the budget.
            numbers(&*generator, 0..300);
            block_on_each(&mut events, 0..300);
            generator.refusals.lock().unwrap().extend([Hresult::MF_E_NOTACCEPTING; 3]);
            numbers(&*generator, 300..301);
            block_on_each(&mut events, 300..301);
        });
        task.await.unwrap();
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn what_is_there_is_taken_without_waiting() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        assert!(events.try_next().unwrap().is_none());
        numbers(&*source, 0..1_000);
        let mut taken = Vec::new();
        while let Some(event) = events.try_next().unwrap() {
            taken.push(number(&event));
        }
        assert_eq!(taken, (0..1_000).collect::<Vec<_>>());
        assert!(events.try_next().unwrap().is_none());
        // It takes turns with `next`.
        numbers(&*source, 0..4);
        assert_eq!(number(&events.next().await.unwrap().unwrap()), 0);
        assert_eq!(number(&events.try_next().unwrap().unwrap()), 1);
        assert_eq!(number(&events.next().await.unwrap().unwrap()), 2);
        assert_eq!(number(&events.try_next().unwrap().unwrap()), 3);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn what_is_there_is_taken_under_a_policy_and_a_filter() {
    async fn run(seen: Seen, expected: &[i64], dropped: u64) {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::new(&source, DropOldest(4)).unwrap().only(&[NUMBER]);
        for at in 0..8 {
            numbers(&*source, at..at + 1);
            (0..500).for_each(|_| source.queue_event(MediaEvent::new(OTHER)).unwrap());
            platform.queue(QueueId::MULTITHREADED).unwrap().quiesce().await.unwrap();
        }
        for expected in expected {
            assert_eq!(number(&events.try_next().unwrap().unwrap()), *expected);
        }
        assert!(events.try_next().unwrap().is_none());
        assert_eq!(events.dropped(), dropped);
        // A lossless one passes over what is not wanted.
        drop(events);
        (0..5_000).for_each(|_| source.queue_event(MediaEvent::new(OTHER)).unwrap());
        numbers(&*source, 9..10);
        let mut events = EventStream::lossless(&source).unwrap().only(&[NUMBER]);
        assert_eq!(number(&events.try_next().unwrap().unwrap()), 9);
        assert!(events.try_next().unwrap().is_none());
        platform.shutdown().await.unwrap();
    }
    everywhere(|seen| run(seen, &[4, 5, 6, 7], 4));
}

#[test]
fn nothing_now_is_not_the_end() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let code = |events: &mut EventStream| events.try_next().unwrap_err().hresult();
        // The last event.
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap().until(LAST);
        assert!(events.try_next().unwrap().is_none());
        source.queue_event(MediaEvent::new(LAST)).unwrap();
        assert_eq!(events.try_next().unwrap().unwrap().event_type(), LAST);
        assert_eq!([code(&mut events), code(&mut events)], [Hresult::MF_E_END_OF_STREAM; 2]);
        assert!(events.end_cause().is_none() && events.next().await.is_none());
        // The generator's shutdown.
        let component = Source::new(&platform);
        let source = seen.through(&component);
        let mut events = EventStream::lossless(&source).unwrap();
        assert!(events.try_next().unwrap().is_none());
        component.events.shutdown();
        assert_eq!([code(&mut events), code(&mut events)], [Hresult::MF_E_SHUTDOWN; 2]);
        assert!(events.end_cause().unwrap().is_shutdown() && events.next().await.is_none());
        // The generator's end.
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        assert!(events.try_next().unwrap().is_none());
        drop(source);
        assert_eq!(events.try_next().unwrap_err().kind(), ErrorKind::Abandoned);
        // The platform's.
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        platform.shutdown().await.unwrap();
        assert_eq!(code(&mut events), Hresult::MF_E_SHUTDOWN);
    });
}

#[test]
fn a_failure_is_said_by_each_try() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let events = platform.create_event_queue().unwrap();
        let refusing = Arc::new(Refusing { events, refusals: Mutex::default() });
        let source = seen.through(&refusing);
        let mut events = EventStream::lossless(&source).unwrap();
        numbers(&*source, 0..1);
        assert_eq!(number(&events.try_next().unwrap().unwrap()), 0);
        // A refusal for the moment is nothing now; any other is the end.
        refusing.refusals.lock().unwrap().extend([Hresult::MF_E_NOTACCEPTING, Hresult::E_OUTOFMEMORY]);
        assert!(events.try_next().unwrap().is_none());
        let error = loop {
            match events.try_next() {
                Ok(event) => assert!(event.is_none()),
                Err(error) => break error,
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        };
        assert_eq!(error.hresult(), Hresult::E_OUTOFMEMORY);
        assert_eq!(events.try_next().unwrap_err().hresult(), Hresult::E_OUTOFMEMORY);
        platform.shutdown().await.unwrap();
    });
}

struct CountsWakes(Count);

impl ArcWake for CountsWakes {
    fn wake_by_ref(this: &Arc<Self>) {
        this.0.add();
    }
}

#[test]
fn taking_what_is_there_leaves_the_waker() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        let wakes = Count::new();
        let waker: Waker = waker(Arc::new(CountsWakes(wakes.clone())));
        assert!(pin!(events.next()).poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(events.try_next().unwrap().is_none());
        numbers(&*source, 0..1);
        assert_eq!(wakes.get(), 1);
        platform.shutdown().await.unwrap();
    });
}

/// A callback of the user's around the stream's own.
struct Logged(Arc<dyn AsyncCallback>, Count);

impl AsyncCallback for Logged {
    fn parameters(&self) -> CallbackParameters {
        self.0.parameters()
    }

    fn invoke(&self, result: &AsyncResult) {
        self.1.add();
        self.0.invoke(result);
    }
}

/// A generator that wraps the callbacks, too.
struct Logging(Arc<Source>, Count);

impl MediaEventGenerator for Logging {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.0.get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        self.0.begin_get_event(Arc::new(Logged(callback, self.1.clone())), state)
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.0.end_get_event(result)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.0.queue_event(event)
    }
}

#[test]
fn a_callback_that_the_user_has_wrapped_takes_the_work_queue() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let (component, calls) = (Source::new(&platform), Count::new());
        let logging = Arc::new(Logging(component.clone(), calls.clone()));
        let source = seen.through(&logging);
        let mut events = EventStream::lossless(&source).unwrap();
        numbers(&*source, 0..300);
        for at in 0..300 {
            assert_eq!(number(&events.next().await.unwrap().unwrap()), at);
        }
        assert_eq!(calls.get(), 300);
        assert!(events.try_next().unwrap().is_none());
        // Dropped with its request outstanding, it is not in the way of the next.
        drop(events);
        let mut events = EventStream::lossless(&source).unwrap();
        numbers(&*source, 300..301);
        assert_eq!(number(&events.next().await.unwrap().unwrap()), 300);
        // A shutdown of the queue ends a stream that waits, though its callback is not called.
        let waiting = tokio::spawn(async move { (events.next().await.is_none(), events) });
        tokio::task::yield_now().await;
        component.events.shutdown();
        let (has_ended, events) = waiting.await.unwrap();
        assert!(has_ended && events.end_cause().unwrap().is_shutdown());
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_callback_is_run_by_no_lock_holder() {
    /// A wrapper that holds a lock of its own in each call.
    struct Locked(Mutex<()>, MediaEventQueue);

    impl MediaEventGenerator for Locked {
        fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
            let _lock = self.0.lock().unwrap();
            self.1.get_event(flags)
        }

        fn begin_get_event(
            &self,
            callback: Arc<dyn AsyncCallback>,
            state: Option<Unknown>,
        ) -> Result<Hresult> {
            let _lock = self.0.lock().unwrap();
            self.1.begin_get_event(callback, state)
        }

        fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
            let _lock = self.0.lock().unwrap();
            self.1.end_get_event(result)
        }

        fn queue_event(&self, event: MediaEvent) -> Result<()> {
            let _lock = self.0.lock().unwrap();
            self.1.queue_event(event)
        }
    }

    async fn run(policy: impl Overflow) {
        let platform = Platform::startup().unwrap();
        let queue = platform.create_event_queue().unwrap();
        let locked = Arc::new(Locked(Mutex::default(), queue));
        numbers(&*locked, 0..10);
        let mut events = EventStream::new(&locked, policy).unwrap();
        numbers(&*locked, 10..20);
        for at in 0..20 {
            assert_eq!(number(&events.next().await.unwrap().unwrap()), at);
        }
        drop(events);
        platform.shutdown().await.unwrap();
    }
    both_runtimes(|| async {
        run(mf_async::event_stream::Lossless).await;
        run(DropOldest(100)).await;
    });
}
