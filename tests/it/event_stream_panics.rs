//! Promise: a panic of the user's code stops at the event queue and the stream: of an object that an event carries and
//! that is dropped, of a callback that is asked for its name or its queue, of a waker, of a generator. The producer
//! goes on, and so does the stream.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::event_generators::{Seen, Source, everywhere};
use crate::support::{Count, both_runtimes, until};
use mf_async::event::{GetEventFlags, MediaEventValue};
use mf_async::event_stream::{DropNewest, DropOldest, Latest, Overflow};
use mf_async::{
    AsyncCallback, AsyncResult, CallbackParameters, ErrorKind, EventStream, Guid, Hresult, MediaEvent,
    MediaEventGenerator, MediaEventQueue, MediaEventType, Platform, QueueId, Result, Unknown,
};

const BOMB: MediaEventType = MediaEventType(20_000);
const NUMBER: MediaEventType = MediaEventType(20_001);

/// Panics when it is dropped, also while another panics.
struct Bomb(Count);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.add();
        panic!("expected in a test");
    }
}

/// An event that carries three of them.
fn bomb(drops: &Count) -> MediaEvent {
    let object = || MediaEventValue::object(Bomb(drops.clone()));
    let (left, right) = (Guid::from_u128(1), Guid::from_u128(2));
    MediaEvent::new(BOMB).with_value(object()).with_attribute(left, object()).with_attribute(right, object())
}

fn number(number: i64) -> MediaEvent {
    MediaEvent::new(NUMBER).with_value(number)
}

async fn read(events: &mut EventStream<impl Overflow>) -> i64 {
    events.next().await.unwrap().unwrap().value().as_i64().unwrap()
}

async fn settled(platform: &Platform) {
    platform.queue(QueueId::MULTITHREADED).unwrap().quiesce().await.unwrap();
}

#[test]
fn what_a_policy_drops_may_panic() {
    async fn run<P: Overflow>(seen: Seen, policy: P, left: &[i64]) {
        let platform = Platform::startup().unwrap();
        let (source, drops) = (seen.source(&platform), Count::new());
        let mut events = EventStream::new(&source, policy).unwrap();
        source.queue_event(number(0)).unwrap();
        settled(&platform).await;
        for _ in 0..4 {
            source.queue_event(bomb(&drops)).unwrap();
            settled(&platform).await;
        }
        source.queue_event(number(1)).unwrap();
        settled(&platform).await;
        for expected in left {
            assert_eq!(read(&mut events).await, *expected);
        }
        assert_eq!((drops.get(), events.dropped()), (12, 6 - left.len() as u64));
        platform.shutdown().await.unwrap();
    }
    everywhere(|seen| async move {
        run(seen, Latest, &[1]).await;
        run(seen, DropOldest(1), &[1]).await;
        run(seen, DropNewest(1), &[0]).await;
    });
}

#[test]
fn what_a_filter_or_a_reader_passes_over_may_panic() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let (source, drops) = (seen.source(&platform), Count::new());
        source.queue_event(bomb(&drops)).unwrap();
        // What was taken before the filter was set, and what comes then.
        let mut events = EventStream::lossless(&source).unwrap().only(&[NUMBER]);
        source.queue_event(bomb(&drops)).unwrap();
        source.queue_event(number(1)).unwrap();
        assert_eq!(read(&mut events).await, 1);
        assert_eq!(drops.get(), 6);
        drop(events);
        let mut events = EventStream::lossless(&source).unwrap();
        source.queue_event(bomb(&drops)).unwrap();
        source.queue_event(bomb(&drops)).unwrap();
        source.queue_event(number(2)).unwrap();
        assert_eq!(events.wait_for(NUMBER).await.unwrap().value().as_i64(), Some(2));
        assert_eq!(drops.get(), 12);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn what_goes_with_its_queue_may_panic() {
    both_runtimes(|| async {
        for shut_down in [true, false] {
            let platform = Platform::startup().unwrap();
            let (queue, drops) = (platform.create_event_queue().unwrap(), Count::new());
            queue.queue_event(bomb(&drops)).unwrap();
            queue.queue_event(bomb(&drops)).unwrap();
            if shut_down {
                queue.shutdown();
                // Nor is it the producer's panic when the queue refuses it.
                assert_eq!(queue.queue_event(bomb(&drops)).unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
                assert_eq!(drops.get(), 9);
            } else {
                drop(queue);
                assert_eq!(drops.get(), 6);
            }
            platform.shutdown().await.unwrap();
        }
        let platform = Platform::startup().unwrap();
        let (queue, drops) = (platform.create_event_queue().unwrap(), Count::new());
        queue.queue_event(bomb(&drops)).unwrap();
        queue.queue_event(bomb(&drops)).unwrap();
        platform.shutdown().await.unwrap();
        assert_eq!(drops.get(), 6);
        drop(queue);
    });
}

#[test]
fn what_a_stream_has_not_read_when_its_queue_is_shut_down_may_panic() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let drops = Count::new();
        let source = Source::new(&platform);
        let seen_source = seen.through(&source);
        let events = EventStream::new(&seen_source, DropOldest(8)).unwrap();
        for _ in 0..2 {
            seen_source.queue_event(bomb(&drops)).unwrap();
            settled(&platform).await;
        }
        source.events.shutdown();
        assert_eq!(drops.get(), 0, "the stream has them");
        drop(events);
        until("all that the events held is dropped", || drops.get() == 6).await;
        platform.shutdown().await.unwrap();
    });
}

/// A callback that panics where it is asked.
struct Asked {
    /// The call of `parameters` that panics.
    panics_at: usize,
    asked: AtomicUsize,
}

impl AsyncCallback for Asked {
    fn parameters(&self) -> CallbackParameters {
        assert_ne!(self.asked.fetch_add(1, Ordering::SeqCst), self.panics_at, "expected in a test");
        CallbackParameters::on(QueueId::MULTITHREADED)
    }

    fn invoke(&self, _: &AsyncResult) {
        panic!("it cannot be called");
    }
}

#[test]
fn a_subscriber_that_panics_when_it_is_called_is_not_the_producers_error() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let source = Source::new(&platform);
        let subscriber = Arc::new(Asked { panics_at: 1, asked: AtomicUsize::new(0) });
        let weak = Arc::downgrade(&subscriber);
        source.begin_get_event(subscriber, None).unwrap();
        source.queue_event(number(1)).unwrap();
        settled(&platform).await;
        assert!(weak.upgrade().is_none(), "its request is kept");
        // The event is there, and another may ask.
        assert_eq!(source.get_event(GetEventFlags::NO_WAIT).unwrap(), number(1));
        let mut events = EventStream::lossless(&source).unwrap();
        source.queue_event(number(2)).unwrap();
        assert_eq!(read(&mut events).await, 2);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_subscriber_that_panics_when_it_begins_is_refused() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let source = Source::new(&platform);
        let asked = Arc::new(Asked { panics_at: 0, asked: AtomicUsize::new(0) });
        let refused = source.begin_get_event(asked, None).unwrap_err();
        assert_eq!((refused.kind(), refused.hresult()), (ErrorKind::Panicked, Hresult::E_UNEXPECTED));
        source.queue_event(number(1)).unwrap();
        assert_eq!(source.get_event(GetEventFlags::NO_WAIT).unwrap(), number(1));
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_subscriber_whose_name_panics_is_called_all_the_same() {
    struct Nameless(Count);
    impl AsyncCallback for Nameless {
        fn invoke(&self, _: &AsyncResult) {
            self.0.add();
        }

        fn name(&self) -> &'static str {
            panic!("expected in a test");
        }
    }
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (source, calls) = (Source::new(&platform), Count::new());
        source.begin_get_event(Arc::new(Nameless(calls.clone())), None).unwrap();
        source.queue_event(number(1)).unwrap();
        until("it is called", || calls.get() == 1).await;
        platform.shutdown().await.unwrap();
    });
}

/// A waker that panics, also when it is dropped.
struct PanickingWaker(Count);

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        self.0.add();
        panic!("expected in a test");
    }
}

impl Drop for PanickingWaker {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("expected in a test");
        }
    }
}

fn poll_with(waker: Waker, events: &mut EventStream<impl Overflow>) -> Poll<Option<Result<MediaEvent>>> {
    pin!(events.next()).poll(&mut Context::from_waker(&waker))
}

#[test]
fn a_waker_that_panics_is_not_the_producers_error() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let (component, wakes) = (Source::new(&platform), Count::new());
        let source = seen.through(&component);
        let mut events = EventStream::new(&source, DropOldest(8)).unwrap();
        let waker = Waker::from(Arc::new(PanickingWaker(wakes.clone())));
        let kept = waker.clone();
        assert!(poll_with(waker, &mut events).is_pending());
        source.queue_event(number(1)).unwrap();
        settled(&platform).await;
        assert_eq!(wakes.get(), 1);
        assert_eq!(read(&mut events).await, 1);
        // One that is replaced, and one that a shutdown wakes.
        assert!(poll_with(kept.clone(), &mut events).is_pending());
        assert!(poll_with(Waker::noop().clone(), &mut events).is_pending());
        assert!(poll_with(kept.clone(), &mut events).is_pending());
        component.events.shutdown();
        assert!(events.next().await.is_none());
        assert_eq!(wakes.get(), 2);
        drop(events);
        platform.shutdown().await.unwrap();
        std::mem::forget(kept);
    });
}

/// A generator in front of a queue that panics in one of its calls, once.
struct Panicking {
    events: MediaEventQueue,
    next: Mutex<Option<&'static str>>,
}

impl Panicking {
    fn pass(&self, call: &'static str) {
        let panics = self.next.lock().unwrap().take_if(|next| *next == call);
        assert!(panics.is_none(), "expected in a test");
    }
}

impl MediaEventGenerator for Panicking {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.events.get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        self.pass("begin");
        self.events.begin_get_event(callback, state)
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.pass("end");
        self.events.end_get_event(result)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.events.queue_event(event)
    }
}

#[test]
fn a_generator_that_panics_ends_its_stream_and_serves_the_next() {
    both_runtimes(|| async {
        for call in ["begin", "end"] {
            let platform = Platform::startup().unwrap();
            let events = platform.create_event_queue().unwrap();
            let generator = Arc::new(Panicking { events, next: Mutex::default() });
            let mut events = EventStream::new(&generator, DropOldest(8)).unwrap();
            *generator.next.lock().unwrap() = Some(call);
            generator.queue_event(number(1)).unwrap();
            settled(&platform).await;
            let ended = call == "end";
            if !ended {
                assert_eq!(read(&mut events).await, 1);
            }
            let error = events.next().await.unwrap().unwrap_err();
            assert_eq!((error.kind(), error.hresult()), (ErrorKind::Panicked, Hresult::E_UNEXPECTED));
            assert!(events.next().await.is_none());
            // The event of an End that panicked is still the generator's.
            let mut events = EventStream::lossless(&generator).unwrap();
            generator.queue_event(number(2)).unwrap();
            if ended {
                assert_eq!(read(&mut events).await, 1);
            }
            assert_eq!(read(&mut events).await, 2);
            platform.shutdown().await.unwrap();
        }
    });
}
