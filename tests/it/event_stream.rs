//! Promise: an event stream loses nothing it does not say it loses, asks for an event by one callback
//! and one request at a time, heals when a generator refuses for a moment, and always ends.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::event_generators::{Seen, Source, everywhere, however_seen};
use crate::support::{both_runtimes, current_thread, paused_time};
use futures::StreamExt;
use futures::stream::FusedStream;
use futures::task::noop_waker;
use mf_async::event::GetEventFlags;
use mf_async::event_stream::{DropNewest, DropOldest, Latest, Lossless, Overflow};
use mf_async::{
    AsyncCallback, AsyncResult, CallbackParameters, Error, ErrorKind, EventStream, Hresult, MediaEvent,
    MediaEventGenerator, MediaEventQueue, MediaEventType, Platform, QueueId, Result, Unknown,
};

const NUMBER: MediaEventType = MediaEventType(20_000);
const OTHER: MediaEventType = MediaEventType(20_001);
const LAST: MediaEventType = MediaEventType(20_002);

fn number(number: i64) -> MediaEvent {
    MediaEvent::new(NUMBER).with_value(number)
}

fn numbers(generator: &dyn MediaEventGenerator, range: std::ops::Range<i64>) {
    for at in range {
        generator.queue_event(number(at)).unwrap();
    }
}

fn read(event: Option<Result<MediaEvent>>) -> i64 {
    event.expect("the stream has ended").unwrap().value().as_i64().unwrap()
}

/// Polls once; the future is dropped then.
fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(&noop_waker())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Waits until everything that was put on the callback's queue has run.
async fn settled(platform: &Platform) {
    platform.queue(QueueId::MULTITHREADED).unwrap().quiesce().await.unwrap();
}

/// Runs a test on one thread, with each way to see a generator.
fn one_thread<F: Future<Output = ()>>(body: impl FnOnce(Seen) -> F + Copy + Send + 'static) {
    however_seen(|seen| current_thread(move || body(seen)));
}

/// The same with a clock that stands still.
fn paused<F: Future<Output = ()>>(body: impl FnOnce(Seen) -> F + Copy + Send + 'static) {
    however_seen(|seen| paused_time(move || body(seen)));
}

async fn shut(platform: Platform) {
    platform.shutdown().await.unwrap();
}

#[test]
fn every_event_in_order() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        const COUNT: i64 = 20_000;
        let producer = tokio::spawn({
            let source = source.clone();
            async move {
                for at in 0..COUNT {
                    source.queue_event(number(at)).unwrap();
                    if at % 97 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            }
        });
        for at in 0..COUNT {
            assert_eq!(read(events.next().await), at);
        }
        producer.await.unwrap();
        assert!(poll_once(events.next()).is_none());
        assert_eq!(events.dropped(), 0);
        drop((events, source));
        shut(platform).await;
    });
}

#[test]
fn a_dropped_next_loses_nothing() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        let mut seen = Vec::new();
        // The future is dropped at each of its await points: before the event, while the callback is on its
        // way, and after it has come.
        for at in 0..200 {
            seen.extend(poll_once(events.next()).map(read));
            numbers(&*source, at..at + 1);
            seen.extend(poll_once(events.next()).map(read));
            settled(&platform).await;
            if at % 3 == 0 {
                seen.extend(poll_once(events.next()).map(read));
            }
        }
        while (seen.len() as i64) < 200 {
            seen.push(read(events.next().await));
        }
        assert_eq!(seen, (0..200).collect::<Vec<_>>());
        drop((events, source));
        shut(platform).await;
    });
}

#[test]
fn a_timeout_in_select_loses_nothing() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        let producer = tokio::spawn({
            let source = source.clone();
            async move {
                for at in 0..300 {
                    source.queue_event(number(at)).unwrap();
                    tokio::time::sleep(Duration::from_micros(at as u64 % 7 * 50)).await;
                }
            }
        });
        let mut next = 0;
        while next < 300 {
            tokio::select! {
                biased;
                () = tokio::task::yield_now() => {}
                event = events.next() => {
                    assert_eq!(read(event), next);
                    next += 1;
                }
            }
            tokio::select! {
                event = events.next() => {
                    assert_eq!(read(event), next);
                    next += 1;
                }
                () = tokio::time::sleep(Duration::from_micros(20)) => {}
            }
        }
        producer.await.unwrap();
        drop((events, source));
        shut(platform).await;
    });
}

/// What is left to read of ten events that came while nobody read, and how many were lost.
async fn after_ten<P: Overflow>(seen: Seen, policy: P) -> (Vec<i64>, u64) {
    let platform = Platform::startup().unwrap();
    let source = seen.source(&platform);
    let mut events = EventStream::new(&source, policy).unwrap();
    for at in 0..10 {
        numbers(&*source, at..at + 1);
        settled(&platform).await;
    }
    let empty = source.get_event(GetEventFlags::NO_WAIT).unwrap_err().hresult();
    assert_eq!(empty, Hresult::MF_E_MULTIPLE_SUBSCRIBERS, "the stream has not asked for the next");
    source.queue_event(MediaEvent::new(LAST)).unwrap();
    settled(&platform).await;
    let dropped = events.dropped();
    events = events.until(LAST);
    let mut left = Vec::new();
    while let Some(event) = events.next().await {
        left.extend(event.unwrap().value().as_i64());
    }
    drop((events, source));
    shut(platform).await;
    (left, dropped)
}

#[test]
fn latest_keeps_the_newest() {
    everywhere(|seen| async move {
        // The end has pushed out the number before it.
        assert_eq!(after_ten(seen, Latest).await, (vec![], 10));
    });
}

#[test]
fn oldest_makes_room() {
    everywhere(|seen| async move {
        assert_eq!(after_ten(seen, DropOldest(4)).await, (vec![7, 8, 9], 7));
    });
}

#[test]
fn newest_is_dropped() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::new(&source, DropNewest(4)).unwrap();
        for at in 0..10 {
            numbers(&*source, at..at + 1);
            settled(&platform).await;
        }
        assert_eq!(events.dropped(), 6);
        for at in 0..4 {
            assert_eq!(read(events.next().await), at);
        }
        assert!(poll_once(events.next()).is_none());
        drop((events, source));
        shut(platform).await;
    });
}

#[test]
fn the_last_event_is_never_dropped() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::new(&source, DropNewest(1)).unwrap().until(LAST);
        assert!(!events.is_terminated());
        numbers(&*source, 0..3);
        source.queue_event(MediaEvent::new(LAST)).unwrap();
        numbers(&*source, 3..5);
        assert_eq!(read(events.next().await), 0);
        let mut last = events.next().await.unwrap().unwrap();
        while last.event_type() == NUMBER {
            last = events.next().await.unwrap().unwrap();
        }
        assert_eq!(last.event_type(), LAST);
        assert!(events.next().await.is_none());
        assert!(events.is_terminated() && events.end_cause().is_none());
        // What came after the last event is the next reader's.
        let mut rest = EventStream::lossless(&source).unwrap();
        assert_eq!(read(rest.next().await), 3);
        assert_eq!(read(rest.next().await), 4);
        drop((events, rest, source));
        shut(platform).await;
    });
}

#[test]
fn only_passes_what_is_wanted() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        source.queue_event(MediaEvent::new(OTHER)).unwrap();
        let mut events = EventStream::new(&source, DropOldest(2)).unwrap().only(&[NUMBER]).until(LAST);
        for at in 0..2 {
            numbers(&*source, at..at + 1);
            for _ in 0..100 {
                source.queue_event(MediaEvent::new(OTHER)).unwrap();
            }
        }
        source.queue_event(MediaEvent::new(LAST)).unwrap();
        settled(&platform).await;
        assert_eq!(events.dropped(), 0, "events that nobody wants push none out");
        assert_eq!(read(events.next().await), 0);
        assert_eq!(read(events.next().await), 1);
        assert_eq!(events.next().await.unwrap().unwrap().event_type(), LAST);
        assert!(events.next().await.is_none());
        drop((events, source));
        shut(platform).await;
    });
}

#[test]
fn a_second_stream_is_refused() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut first = EventStream::lossless(&source).unwrap();
        let refused =
            |source: &Arc<dyn MediaEventGenerator>| EventStream::lossless(source).unwrap_err().hresult();
        assert_eq!(refused(&source), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
        numbers(&*source, 0..3);
        settled(&platform).await;
        assert_eq!(read(first.next().await), 0);
        // No request is outstanding now.
        assert_eq!(refused(&source), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
        assert_eq!(read(first.next().await), 1);
        assert_eq!(read(first.next().await), 2);
        drop(first);
        drop(EventStream::lossless(&source).unwrap());
        drop(source);
        shut(platform).await;
    });
}

#[test]
fn a_foreign_request_is_not_disturbed() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let (begin, end) = (source.clone(), source.clone());
        let request = platform.begin_end(
            &(),
            |(), callback| begin.begin_get_event(callback, None),
            move |(), result| end.end_get_event(result),
        );
        let refused = EventStream::lossless(&source).unwrap_err();
        assert_eq!(refused.hresult(), Hresult::MF_E_MULTIPLE_SUBSCRIBERS);
        numbers(&*source, 7..8);
        assert_eq!(request.await.unwrap().value().as_i64(), Some(7));
        drop((source, begin));
        shut(platform).await;
    });
}

#[test]
fn dropping_the_stream_gives_everything_back() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        for at in 0..50 {
            let mut events = EventStream::lossless(&source).unwrap();
            if at % 2 == 0 {
                // A request is pending, and is taken back.
                assert!(poll_once(events.next()).is_none());
            }
            numbers(&*source, at * 3..at * 3 + 3);
            if at % 3 == 0 {
                settled(&platform).await;
            }
            // One is read, two are not.
            assert_eq!(read(events.next().await), at * 3);
            drop(events);
            for unread in 1..3 {
                let event = source.get_event(GetEventFlags::NO_WAIT).unwrap();
                assert_eq!(event.value().as_i64(), Some(at * 3 + unread));
            }
            let empty = source.get_event(GetEventFlags::NO_WAIT).unwrap_err();
            assert_eq!(empty.hresult(), Hresult::MF_E_NO_EVENTS_AVAILABLE);
        }
        drop(source);
        shut(platform).await;
    });
}

#[test]
fn shutdown_ends_the_stream() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let component = Source::new(&platform);
        let source = seen.through(&component);
        let mut events = EventStream::lossless(&source).unwrap();
        let waiting = tokio::spawn(async move {
            let end = events.next().await;
            (end.is_none(), events)
        });
        tokio::task::yield_now().await;
        component.events.shutdown();
        let (ended, mut events) = waiting.await.unwrap();
        assert!(ended);
        assert_eq!(events.end_cause().unwrap().hresult(), Hresult::MF_E_SHUTDOWN);
        assert!(events.next().await.is_none());
        assert_eq!(events.wait_for(NUMBER).await.unwrap_err().kind(), ErrorKind::Shutdown);
        assert_eq!(EventStream::lossless(&source).unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        drop((events, source));
        shut(platform).await;
    });
}

#[test]
fn dropping_the_generator_ends_the_stream() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::new(&source, DropOldest(4)).unwrap();
        numbers(&*source, 0..1);
        settled(&platform).await;
        drop(source);
        assert_eq!(read(events.next().await), 0, "what had come is read");
        assert!(events.next().await.is_none());
        assert_eq!(events.end_cause().unwrap().kind(), ErrorKind::Abandoned);
        shut(platform).await;
    });
}

#[test]
fn the_platform_ends_the_stream() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        let other = seen.source(&platform);
        let waiting = tokio::spawn(async move { events.next().await.is_none() });
        tokio::task::yield_now().await;
        // The source, its queue and a pending request are still there: shutdown does not wait for them.
        platform.shutdown().await.unwrap();
        assert!(waiting.await.unwrap());
        let refused = other.queue_event(number(0)).unwrap_err();
        assert_eq!(refused.hresult(), Hresult::MF_E_SHUTDOWN);
        assert_eq!(EventStream::lossless(&other).unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        drop(source);
    });
}

#[test]
fn nothing_leaks() {
    everywhere(|seen| async move {
        let platform = Platform::startup().unwrap();
        let marker = Arc::new(());
        for round in 0..4 {
            let source = seen.source(&platform);
            let weak = Arc::downgrade(&source);
            let mut events = EventStream::new(&source, DropOldest(4)).unwrap();
            for _ in 0..8 {
                let carried: Unknown = marker.clone();
                source.queue_event(MediaEvent::new(NUMBER).with_value(carried)).unwrap();
            }
            settled(&platform).await;
            if round % 2 == 0 {
                assert!(poll_once(events.next()).is_some());
            }
            if round < 2 {
                drop(events);
                drop(source);
            } else {
                drop(source);
                drop(events);
            }
            assert!(weak.upgrade().is_none());
            assert_eq!(Arc::strong_count(&marker), 1, "round {round}");
            assert_eq!(platform.report().results, 0);
            assert!(platform.report().operations.is_empty());
        }
        shut(platform).await;
    });
}

/// A generator that invokes on Begin's own stack whenever it has an event.
struct Inline {
    platform: Platform,
    events: Mutex<VecDeque<MediaEvent>>,
    pending: Mutex<Option<AsyncResult>>,
    ended: AtomicUsize,
    depth: AtomicUsize,
    deepest: AtomicUsize,
}

impl Inline {
    fn new(platform: &Platform) -> Arc<Inline> {
        Arc::new(Inline {
            platform: platform.clone(),
            events: Mutex::default(),
            pending: Mutex::default(),
            ended: AtomicUsize::new(0),
            depth: AtomicUsize::new(0),
            deepest: AtomicUsize::new(0),
        })
    }
}

impl MediaEventGenerator for Inline {
    fn get_event(&self, _: GetEventFlags) -> Result<MediaEvent> {
        // It gives events only by callback.
        Err(Error::new(Hresult::MF_E_NO_EVENTS_AVAILABLE, "get an event of an inline generator"))
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        let result = self.platform.result(callback.clone()).state(state).build()?;
        if self.events.lock().unwrap().is_empty() {
            assert!(self.pending.lock().unwrap().replace(result).is_none(), "two requests at a time");
        } else {
            let depth = self.depth.fetch_add(1, Ordering::SeqCst) + 1;
            self.deepest.fetch_max(depth, Ordering::SeqCst);
            callback.invoke(&result);
            self.depth.fetch_sub(1, Ordering::SeqCst);
        }
        Ok(Hresult::S_OK)
    }

    fn end_get_event(&self, _: &AsyncResult) -> Result<MediaEvent> {
        self.ended.fetch_add(1, Ordering::SeqCst);
        let event = self.events.lock().unwrap().pop_front();
        event.ok_or_else(|| Error::new(Hresult::E_FAIL, "end a request of an inline generator"))
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.events.lock().unwrap().push_back(event);
        let pending = self.pending.lock().unwrap().take();
        if let Some(result) = pending {
            result.callback().unwrap().invoke(&result);
        }
        Ok(())
    }
}

#[test]
fn an_inline_generator_does_not_recurse() {
    everywhere(|seen| async move {
        async fn run<P: Overflow>(seen: Seen, policy: P) {
            let platform = Platform::startup().unwrap();
            let inline = Inline::new(&platform);
            let seen_inline = seen.through(&inline);
            numbers(&*inline, 0..1000);
            let mut events = EventStream::new(&seen_inline, policy).unwrap();
            numbers(&*inline, 1000..1010);
            for at in 0..1010 {
                assert_eq!(read(events.next().await), at);
            }
            assert_eq!(inline.deepest.load(Ordering::SeqCst), 1);
            drop((events, inline, seen_inline));
            shut(platform).await;
        }
        run(seen, Lossless).await;
        run(seen, DropOldest(10_000)).await;
    });
}

/// A generator whose next refusals are given, in front of a real queue.
struct Moody {
    events: MediaEventQueue,
    refusals: Mutex<VecDeque<Hresult>>,
    begun: AtomicUsize,
    forgets: AtomicBool,
}

impl Moody {
    fn new(platform: &Platform) -> Arc<Moody> {
        Arc::new(Moody {
            events: platform.create_event_queue().unwrap(),
            refusals: Mutex::default(),
            begun: AtomicUsize::new(0),
            forgets: AtomicBool::new(false),
        })
    }

    fn refuse(&self, code: Hresult, times: usize) {
        self.refusals.lock().unwrap().extend(std::iter::repeat_n(code, times));
    }
}

impl MediaEventGenerator for Moody {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.events.get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        if self.forgets.load(Ordering::SeqCst) {
            return Ok(Hresult::S_OK);
        }
        if let Some(code) = self.refusals.lock().unwrap().pop_front() {
            return Err(Error::new(code, "begin a request of a moody generator"));
        }
        self.events.begin_get_event(callback, state)
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.events.end_get_event(result)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.events.queue_event(event)
    }
}

#[test]
fn a_refusal_for_the_moment_is_healed() {
    paused(|seen| async move {
        for code in [Hresult::MF_E_NOTACCEPTING, Hresult::MF_E_INVALIDREQUEST] {
            let platform = Platform::startup().unwrap();
            let moody = Moody::new(&platform);
            let seen_moody = seen.through(&moody);
            moody.refuse(code, 3);
            let mut events = EventStream::lossless(&seen_moody).unwrap();
            let start = tokio::time::Instant::now();
            assert!(tokio::time::timeout(Duration::from_secs(1), events.next()).await.is_err());
            // 1 + 2 + 4 ms of pauses, then it is armed.
            assert_eq!(moody.begun.load(Ordering::SeqCst), 4);
            numbers(&*moody, 0..1);
            assert_eq!(read(events.next().await), 0);
            assert_eq!(start.elapsed(), Duration::from_secs(1));
            // An event resets the pauses.
            moody.refuse(code, 1);
            assert!(tokio::time::timeout(Duration::from_millis(1), events.next()).await.is_err());
            assert!(tokio::time::timeout(Duration::from_millis(2), events.next()).await.is_err());
            assert_eq!(moody.begun.load(Ordering::SeqCst), 6);
            // While it is refused it is not asked more often, however often it is polled.
            drop((events, moody));
            shut(platform).await;
        }
    });
}

#[test]
fn polling_does_not_shorten_a_pause() {
    paused(|seen| async move {
        let platform = Platform::startup().unwrap();
        let moody = Moody::new(&platform);
        let seen_moody = seen.through(&moody);
        moody.refuse(Hresult::MF_E_NOTACCEPTING, 5);
        let mut events = EventStream::lossless(&seen_moody).unwrap();
        for _ in 0..100 {
            assert!(poll_once(events.next()).is_none());
        }
        assert_eq!(moody.begun.load(Ordering::SeqCst), 1);
        drop((events, moody));
        shut(platform).await;
    });
}

#[test]
fn refusals_without_end_are_a_failure() {
    paused(|seen| async move {
        let platform = Platform::startup().unwrap();
        let moody = Moody::new(&platform);
        let seen_moody = seen.through(&moody);
        moody.refuse(Hresult::MF_E_NOTACCEPTING, 1000);
        let mut events = EventStream::lossless(&seen_moody).unwrap();
        let start = tokio::time::Instant::now();
        let error = events.next().await.unwrap().unwrap_err();
        assert_eq!(error.hresult(), Hresult::MF_E_NOTACCEPTING);
        // Pauses of 1, 2, 4 and so on up to 64 ms, and then of 100 ms each.
        assert_eq!(start.elapsed(), Duration::from_millis(127 + 12 * 100));
        assert_eq!(moody.begun.load(Ordering::SeqCst), 20);
        assert!(events.is_terminated() && events.next().await.is_none());
        assert_eq!(events.end_cause().unwrap().hresult(), Hresult::MF_E_NOTACCEPTING);
        drop((events, moody));
        shut(platform).await;
    });
}

#[test]
fn a_generator_that_forgets_its_callbacks_is_a_failure() {
    paused(|seen| async move {
        let platform = Platform::startup().unwrap();
        let moody = Moody::new(&platform);
        let seen_moody = seen.through(&moody);
        moody.forgets.store(true, Ordering::SeqCst);
        let mut events = EventStream::lossless(&seen_moody).unwrap();
        let error = events.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Abandoned);
        assert!(events.next().await.is_none());
        drop((events, moody));
        shut(platform).await;
    });
}

#[test]
fn any_other_refusal_is_said_once() {
    one_thread(|seen| async move {
        let platform = Platform::startup().unwrap();
        let moody = Moody::new(&platform);
        let seen_moody = seen.through(&moody);
        let mut events = EventStream::lossless(&seen_moody).unwrap();
        numbers(&*moody, 0..1);
        assert_eq!(read(events.next().await), 0);
        moody.refuse(Hresult::E_OUTOFMEMORY, 1);
        assert_eq!(events.next().await.unwrap().unwrap_err().hresult(), Hresult::E_OUTOFMEMORY);
        assert!(events.next().await.is_none());
        // The generator was left so that another can ask.
        let refused = Moody::new(&platform);
        let seen_refused = seen.through(&refused);
        refused.refuse(Hresult::E_OUTOFMEMORY, 1);
        assert_eq!(EventStream::lossless(&seen_refused).unwrap_err().hresult(), Hresult::E_OUTOFMEMORY);
        drop((events, moody, refused));
        shut(platform).await;
    });
}

/// A generator that calls back twice for each event.
struct Twice(MediaEventQueue);

impl MediaEventGenerator for Twice {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.0.get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        let twice = move |result: &AsyncResult| {
            callback.invoke(result);
            callback.invoke(result);
        };
        self.0.begin_get_event(Arc::new(twice), state)
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.0.end_get_event(result)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.0.queue_event(event)
    }
}

#[test]
fn a_call_too_many_is_counted_and_harmless() {
    one_thread(|seen| async move {
        let platform = Platform::startup().unwrap();
        let twice = Arc::new(Twice(platform.create_event_queue().unwrap()));
        let seen_twice = seen.through(&twice);
        let mut events = EventStream::new(&seen_twice, DropOldest(100)).unwrap();
        for at in 0..10 {
            numbers(&*twice, at..at + 1);
            assert_eq!(read(events.next().await), at);
            settled(&platform).await;
        }
        assert_eq!(platform.report().double_calls, 10);
        drop((events, twice));
        shut(platform).await;
    });
}

/// A generator that, at the next Begin, invokes for the former request once more.
struct Echo {
    events: MediaEventQueue,
    former: Arc<Mutex<Option<AsyncResult>>>,
    ended: AtomicUsize,
}

impl MediaEventGenerator for Echo {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.events.get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        assert_eq!(callback.parameters(), CallbackParameters::on(QueueId::MULTITHREADED));
        assert_eq!(callback.name(), "an event stream");
        let former = self.former.lock().unwrap().take();
        if let Some(former) = former {
            callback.invoke(&former);
        }
        let keeps = self.former.clone();
        let kept = move |result: &AsyncResult| {
            *keeps.lock().unwrap() = Some(result.clone());
            callback.invoke(result);
        };
        self.events.begin_get_event(Arc::new(kept), state)
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.events.end_get_event(result)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.events.queue_event(event)
    }
}

#[test]
fn a_call_too_many_that_comes_while_the_next_begins_is_counted_and_harmless() {
    one_thread(|seen| async move {
        let platform = Platform::startup().unwrap();
        let events = platform.create_event_queue().unwrap();
        let echo = Arc::new(Echo { events, former: Arc::default(), ended: AtomicUsize::new(0) });
        let seen_echo = seen.through(&echo);
        let mut events = EventStream::new(&seen_echo, DropOldest(100)).unwrap();
        for at in 0..10 {
            numbers(&*echo, at..at + 1);
            assert_eq!(read(events.next().await), at);
            settled(&platform).await;
        }
        assert_eq!((echo.ended.load(Ordering::SeqCst), platform.report().double_calls), (10, 10));
        echo.former.lock().unwrap().take();
        drop((events, echo));
        shut(platform).await;
    });
}

#[test]
fn a_request_is_ended_though_the_stream_is_gone() {
    one_thread(|seen| async move {
        let platform = Platform::startup().unwrap();
        let inline = Inline::new(&platform);
        let seen_inline = seen.through(&inline);
        let events = EventStream::new(&seen_inline, DropOldest(4)).unwrap();
        let request = inline.pending.lock().unwrap().take().expect("a request is outstanding");
        drop(events);
        inline.events.lock().unwrap().push_back(number(0));
        request.callback().unwrap().invoke(&request);
        assert_eq!(inline.ended.load(Ordering::SeqCst), 1, "the request is not ended");
        assert_eq!(inline.events.lock().unwrap().pop_front(), Some(number(0)), "its event is queued again");
        assert_eq!(platform.report().double_calls, 0);
        drop((request, inline));
        shut(platform).await;
    });
}

#[test]
fn an_end_that_fails_is_said_once() {
    one_thread(|seen| async move {
        async fn run<P: Overflow>(seen: Seen, policy: P) {
            let platform = Platform::startup().unwrap();
            let inline = Inline::new(&platform);
            let seen_inline = seen.through(&inline);
            let mut events = EventStream::new(&seen_inline, policy).unwrap();
            assert!(poll_once(events.next()).is_none());
            // It calls back, and has no event.
            let request = inline.pending.lock().unwrap().take().expect("a request is outstanding");
            request.callback().unwrap().invoke(&request);
            assert!(inline.pending.lock().unwrap().is_none(), "it is asked again");
            assert_eq!(events.next().await.unwrap().unwrap_err().hresult(), Hresult::E_FAIL);
            assert!(events.next().await.is_none());
            drop((request, events, inline));
            shut(platform).await;
        }
        run(seen, Lossless).await;
        run(seen, DropOldest(4)).await;
        run(seen, DropNewest(4)).await;
    });
}

/// A generator that invokes on Begin's own stack, for an event that it cannot give.
struct Sour {
    platform: Platform,
    begun: AtomicUsize,
}

impl MediaEventGenerator for Sour {
    fn get_event(&self, _: GetEventFlags) -> Result<MediaEvent> {
        Err(Error::new(Hresult::MF_E_NO_EVENTS_AVAILABLE, "get an event of a sour generator"))
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        callback.invoke(&self.platform.result(callback.clone()).state(state).build()?);
        Ok(Hresult::S_OK)
    }

    fn end_get_event(&self, _: &AsyncResult) -> Result<MediaEvent> {
        Err(Error::new(Hresult::E_OUTOFMEMORY, "end a request of a sour generator"))
    }

    fn queue_event(&self, _: MediaEvent) -> Result<()> {
        Ok(())
    }
}

#[test]
fn an_end_that_fails_before_begin_is_back_is_said_and_not_tried_again() {
    one_thread(|seen| async move {
        let platform = Platform::startup().unwrap();
        let sour = Arc::new(Sour { platform: platform.clone(), begun: AtomicUsize::new(0) });
        let seen_sour = seen.through(&sour);
        let failed = [
            EventStream::lossless(&seen_sour).map(drop),
            EventStream::new(&seen_sour, DropOldest(4)).map(drop),
        ];
        assert_eq!(failed.map(|failed| failed.unwrap_err().hresult()), [Hresult::E_OUTOFMEMORY; 2]);
        assert_eq!(sour.begun.load(Ordering::SeqCst), 2);
        drop(sour);
        shut(platform).await;
    });
}

/// Counts its wakes.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn poll<P: Overflow>(self: &Arc<Self>, events: &mut EventStream<P>) -> Poll<Option<Result<MediaEvent>>> {
        events.poll_next_unpin(&mut Context::from_waker(&Waker::from(self.clone())))
    }
}

#[test]
fn the_last_who_polled_is_the_one_that_is_woken() {
    one_thread(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        let (first, second) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
        for _ in 0..3 {
            assert!(first.poll(&mut events).is_pending());
            assert!(second.poll(&mut events).is_pending());
        }
        assert_eq!(Arc::strong_count(&first), 1, "a waker that is replaced is dropped");
        numbers(&*source, 0..1);
        settled(&platform).await;
        assert_eq!((first.count(), second.count()), (0, 1));
        assert!(first.poll(&mut events).is_ready());
        drop((events, source));
        shut(platform).await;
    });
}

#[test]
fn however_many_events_come_at_once_who_waits_is_woken() {
    one_thread(|seen| async move {
        let platform = Platform::startup().unwrap();
        for count in 1..5 {
            let moody = Moody::new(&platform);
            let seen_moody = seen.through(&moody);
            let mut events = EventStream::new(&seen_moody, DropOldest(10)).unwrap();
            let wakes = Arc::new(Wakes::default());
            assert!(wakes.poll(&mut events).is_pending());
            // The callback is on its way with the first; it finds the others.
            numbers(&*moody, 0..count);
            settled(&platform).await;
            assert_eq!(wakes.count(), 1, "of {count}");
            for at in 0..count {
                assert_eq!(read(events.next().await), at);
            }
        }
        shut(platform).await;
    });
}

#[test]
fn what_a_lossless_stream_has_not_read_stays_with_the_generator() {
    one_thread(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        assert!(poll_once(events.next()).is_none());
        numbers(&*source, 0..5);
        settled(&platform).await;
        let report = platform.report().to_string();
        // A wrapper is asked for each event when the reader wants it.
        let expected = match seen {
            Seen::Itself => "an event queue with 4 event(s), a stream reads them",
            _ => "an event queue with 5 event(s), a callback was called, and has not ended its request",
        };
        assert!(report.contains(expected), "{report}");
        for at in 0..5 {
            assert_eq!(read(events.next().await), at);
        }
        drop((events, source));
        shut(platform).await;
    });
}

#[test]
fn wait_for_passes_over_others_and_hears_of_errors() {
    one_thread(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap().until(LAST);
        source.queue_event(MediaEvent::new(OTHER)).unwrap();
        numbers(&*source, 5..6);
        assert_eq!(events.wait_for(NUMBER).await.unwrap().value().as_i64(), Some(5));
        source
            .queue_event(MediaEvent::new(MediaEventType::MEError).with_status(Hresult::E_ACCESSDENIED))
            .unwrap();
        assert_eq!(events.wait_for(NUMBER).await.unwrap_err().hresult(), Hresult::E_ACCESSDENIED);
        source.queue_event(MediaEvent::new(LAST)).unwrap();
        assert_eq!(events.wait_for(NUMBER).await.unwrap_err().hresult(), Hresult::MF_E_END_OF_STREAM);
        drop((events, source));
        shut(platform).await;
    });
}

#[tokio::test]
async fn it_is_a_stream_of_any_generator() {
    let platform = Platform::startup().unwrap();
    let any: Arc<dyn MediaEventGenerator> = Source::new(&platform);
    let events = EventStream::lossless(&any).unwrap();
    numbers(&*any, 0..3);
    let mut first = events.take(3).map(|event| read(Some(event)));
    assert_eq!((first.next().await, first.next().await, first.next().await), (Some(0), Some(1), Some(2)));
    drop((first, any));
    shut(platform).await;
}

#[test]
fn a_flood_lets_others_have_their_turn() {
    one_thread(|seen| async move {
        let platform = Platform::startup().unwrap();
        let source = seen.source(&platform);
        let mut events = EventStream::lossless(&source).unwrap();
        numbers(&*source, 0..10_000);
        let turns = Arc::new(AtomicUsize::new(0));
        let other = tokio::spawn({
            let turns = turns.clone();
            async move {
                loop {
                    turns.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            }
        });
        for at in 0..10_000 {
            assert_eq!(read(events.next().await), at);
        }
        assert!(turns.load(Ordering::SeqCst) > 10, "the reader had the thread to itself");
        other.abort();
        drop((events, source));
        shut(platform).await;
    });
}

#[test]
fn a_stream_goes_between_threads() {
    fn is<T: Send + Sync + Unpin>() {}
    is::<EventStream<Lossless>>();
    is::<EventStream<DropOldest>>();
    fn pinned(_: Pin<&mut EventStream<Latest>>) {}
    let _ = pinned;
}

/// A generator that keeps the callback of its request, whatever becomes of its platform.
#[derive(Default)]
struct Keeps {
    callback: Mutex<Option<Arc<dyn AsyncCallback>>>,
    event: Mutex<Option<MediaEvent>>,
}

impl Keeps {
    fn send(&self, platform: &Platform, event: MediaEvent) {
        *self.event.lock().unwrap() = Some(event);
        let callback = self.callback.lock().unwrap().take().unwrap();
        platform.result(callback).build().unwrap().invoke().unwrap();
    }
}

impl MediaEventGenerator for Keeps {
    fn get_event(&self, _: GetEventFlags) -> Result<MediaEvent> {
        Err(Error::new(Hresult::MF_E_NO_EVENTS_AVAILABLE, "get an event of a generator that keeps"))
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, _: Option<Unknown>) -> Result<Hresult> {
        *self.callback.lock().unwrap() = Some(callback);
        Ok(Hresult::S_OK)
    }

    fn end_get_event(&self, _: &AsyncResult) -> Result<MediaEvent> {
        Ok(self.event.lock().unwrap().take().unwrap())
    }

    fn queue_event(&self, _: MediaEvent) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_request_that_its_generator_keeps_is_reported_and_ends_with_the_platform() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let source = Arc::new(Keeps::default());
        let mut events = EventStream::lossless(&source).unwrap();
        assert!(futures::poll!(std::pin::pin!(events.next())).is_pending());
        source.send(&platform, MediaEvent::new(7));
        let report = platform.report().to_string();
        assert!(report.contains("an event stream whose next event waits to be read"), "{report}");
        assert_eq!(events.next().await.unwrap().unwrap().event_type(), MediaEventType(7));
        assert!(!platform.report().to_string().contains("an event stream"));
        assert!(futures::poll!(std::pin::pin!(events.next())).is_pending());
        let report = platform.report().to_string();
        assert!(report.contains("an event stream that waits for an event"), "{report}");
        platform.shutdown().await.unwrap();
        assert!(events.next().await.is_none_or(|event| event.unwrap_err().is_shutdown()));
        assert!(!platform.report().to_string().contains("an event stream"));
    });
}
