//! Promise: whatever comes between a stream and its generator, no event is lost and no request forgotten: the
//! stream goes while it fetches, asks or ends; the callback comes early, late or fails; the generator goes first.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{callback, current_thread, multi_thread, until};
use futures::FutureExt;
use mf_async::event::GetEventFlags;
use mf_async::event_stream::DropOldest;
use mf_async::{
    AsyncCallback, AsyncResult, ErrorKind, EventStream, Hresult, MediaEvent, MediaEventGenerator,
    MediaEventType, Platform, QueueId, Result, Unknown, WorkItem,
};

type Hook = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// A generator that does something of the test's own, once, inside each of its calls.
struct Hooked {
    platform: Platform,
    events: Mutex<VecDeque<MediaEvent>>,
    request: Mutex<Option<AsyncResult>>,
    answer: Mutex<Option<Hresult>>,
    /// The next request is refused with this.
    refuse: Mutex<Option<Hresult>>,
    /// Whether Begin calls back when there is an event.
    calls_in_begin: AtomicBool,
    on_begin: Hook,
    on_end: Hook,
}

impl Hooked {
    fn new() -> Arc<Hooked> {
        Arc::new(Hooked {
            platform: Platform::startup().unwrap(),
            events: Mutex::default(),
            request: Mutex::default(),
            answer: Mutex::default(),
            refuse: Mutex::default(),
            calls_in_begin: AtomicBool::new(false),
            on_begin: Mutex::default(),
            on_end: Mutex::default(),
        })
    }

    fn with(numbers: impl IntoIterator<Item = i64>) -> Arc<Hooked> {
        let hooked = Hooked::new();
        hooked.events.lock().unwrap().extend(numbers.into_iter().map(event));
        hooked
    }

    fn put(&self, number: i64) {
        self.events.lock().unwrap().push_back(event(number));
    }

    fn take_request(&self) -> AsyncResult {
        self.request.lock().unwrap().take().unwrap()
    }

    /// Calls the outstanding request back, on this thread.
    fn call(&self) {
        let request = self.take_request();
        request.callback().unwrap().invoke(&request);
    }

    fn left(&self) -> Vec<i64> {
        self.events.lock().unwrap().iter().map(number).collect()
    }

    /// The next call that takes an event, or ends a request, fails with this.
    fn answer(&self, code: Hresult) {
        *self.answer.lock().unwrap() = Some(code);
    }

    fn next(&self) -> Result<MediaEvent> {
        if let Some(code) = self.answer.lock().unwrap().take() {
            return Err(code.into());
        }
        self.events.lock().unwrap().pop_front().ok_or_else(|| Hresult::MF_E_NO_EVENTS_AVAILABLE.into())
    }
}

fn run(hook: &Hook) {
    let hook = hook.lock().unwrap().take();
    if let Some(hook) = hook {
        hook();
    }
}

fn set(hook: &Hook, call: impl FnOnce() + Send + 'static) {
    *hook.lock().unwrap() = Some(Box::new(call));
}

impl MediaEventGenerator for Hooked {
    fn get_event(&self, _: GetEventFlags) -> Result<MediaEvent> {
        self.next()
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        if let Some(code) = self.refuse.lock().unwrap().take() {
            return Err(code.into());
        }
        let result = self.platform.result(callback).state(state).build()?;
        let former = self.request.lock().unwrap().replace(result);
        assert!(former.is_none(), "asked twice");
        run(&self.on_begin);
        if self.calls_in_begin.load(Ordering::SeqCst) && !self.events.lock().unwrap().is_empty() {
            self.call();
        }
        Ok(Hresult::S_OK)
    }

    fn end_get_event(&self, _: &AsyncResult) -> Result<MediaEvent> {
        let event = self.next();
        run(&self.on_end);
        event
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.events.lock().unwrap().push_back(event);
        Ok(())
    }
}

fn event(number: i64) -> MediaEvent {
    MediaEvent::new(1).with_value(number)
}

fn number(event: &MediaEvent) -> i64 {
    event.value().as_i64().unwrap()
}

async fn read(stream: &mut EventStream<impl mf_async::event_stream::Overflow>) -> i64 {
    number(&stream.next().await.unwrap().unwrap())
}

/// A stream that a hook can drop, of a kind that its callback moves on.
fn droppable(
    hooked: &Arc<Hooked>,
) -> (Arc<Mutex<Option<EventStream<DropOldest>>>>, impl Fn() + Send + use<>) {
    let stream = Arc::new(Mutex::new(Some(EventStream::new(hooked, DropOldest(8)).unwrap())));
    let dropped = stream.clone();
    (stream, move || drop(dropped.lock().unwrap().take()))
}

#[test]
fn a_stream_that_goes_while_its_callback_asks_again_gives_the_event_back() {
    current_thread(|| async {
        let hooked = Hooked::new();
        let (stream, goes) = droppable(&hooked);
        hooked.put(1);
        set(&hooked.on_begin, goes);
        hooked.call();
        assert!(stream.lock().unwrap().is_none());
        assert_eq!(hooked.left(), [1]);
        // A generator of this kind keeps the request; its event goes behind the others.
        hooked.put(2);
        hooked.call();
        assert_eq!(hooked.left(), [2, 1]);
        assert!(hooked.request.lock().unwrap().is_none());
    });
}

#[test]
fn a_stream_that_goes_while_its_callback_ends_a_request_gives_the_event_back() {
    current_thread(|| async {
        let hooked = Hooked::new();
        let (stream, goes) = droppable(&hooked);
        hooked.put(1);
        set(&hooked.on_end, goes);
        hooked.call();
        assert!(stream.lock().unwrap().is_none());
        assert_eq!(hooked.left(), [1]);
    });
}

#[test]
fn a_callback_that_comes_after_the_stream_has_gone_ends_its_request_and_gives_the_event_back() {
    current_thread(|| async {
        let hooked = Hooked::new();
        let (_, goes) = droppable(&hooked);
        let request = hooked.take_request();
        goes();
        hooked.put(1);
        hooked.put(2);
        request.callback().unwrap().invoke(&request);
        assert_eq!(hooked.left(), [2, 1]);
    });
}

#[test]
fn a_callback_that_comes_after_the_generator_has_gone_ends_the_stream() {
    current_thread(|| async {
        let hooked = Hooked::new();
        let mut stream = EventStream::lossless(&hooked).unwrap();
        let request = hooked.take_request();
        drop(hooked);
        request.callback().unwrap().invoke(&request);
        assert!(stream.next().await.is_none());
        assert_eq!(stream.end_cause().unwrap().kind(), ErrorKind::Abandoned);
    });
}

#[test]
fn a_generator_that_goes_while_nothing_is_asked_ends_the_stream_after_its_events() {
    current_thread(|| async {
        let hooked = Hooked::with([1]);
        let mut stream = EventStream::lossless(&hooked).unwrap();
        hooked.call();
        drop(hooked);
        assert_eq!(read(&mut stream).await, 1);
        assert!(stream.next().await.is_none());
        assert_eq!(stream.end_cause().unwrap().kind(), ErrorKind::Abandoned);
    });
}

#[test]
fn an_end_or_a_begin_that_fails_is_the_last_item() {
    current_thread(|| async {
        let hooked = Hooked::new();
        let mut stream = EventStream::lossless(&hooked).unwrap();
        hooked.answer(Hresult::E_ACCESSDENIED);
        hooked.call();
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.hresult(), Hresult::E_ACCESSDENIED);
        assert!(stream.next().await.is_none());

        let hooked = Hooked::with([1]);
        let mut stream = EventStream::lossless(&hooked).unwrap();
        hooked.call();
        assert_eq!(read(&mut stream).await, 1);
        *hooked.refuse.lock().unwrap() = Some(Hresult::E_ACCESSDENIED);
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.hresult(), Hresult::E_ACCESSDENIED);
        assert!(stream.next().await.is_none());
    });
}

#[test]
fn a_reader_that_waits_is_woken_when_the_callback_cannot_go_on() {
    current_thread(|| async {
        // What comes is not wanted, so it is not that which wakes.
        let waiting = |hooked: &Arc<Hooked>| {
            let stream = EventStream::new(hooked, DropOldest(8)).unwrap().only(&[MediaEventType(2)]);
            tokio::spawn({
                let mut stream = stream;
                async move { stream.next().await.unwrap().unwrap_err().hresult() }
            })
        };
        // The End fails.
        let hooked = Hooked::new();
        let reader = waiting(&hooked);
        tokio::task::yield_now().await;
        hooked.answer(Hresult::E_ACCESSDENIED);
        hooked.call();
        assert_eq!(reader.await.unwrap(), Hresult::E_ACCESSDENIED);
        // The next request is refused.
        let hooked = Hooked::new();
        let reader = waiting(&hooked);
        tokio::task::yield_now().await;
        hooked.put(1);
        *hooked.refuse.lock().unwrap() = Some(Hresult::E_ACCESSDENIED);
        hooked.call();
        assert_eq!(reader.await.unwrap(), Hresult::E_ACCESSDENIED);
    });
}

#[test]
fn a_request_that_fails_with_the_work_behind_it_is_said_once() {
    current_thread(|| async {
        let hooked = Hooked::new();
        let mut stream = EventStream::lossless(&hooked).unwrap();
        // The component's own item carries the request as its state, and panics.
        let request: Unknown = Arc::new(hooked.take_request());
        let panics = callback(|_| panic!("the component cannot go on"));
        hooked.platform.put(QueueId::STANDARD, WorkItem::new(panics).state(request)).unwrap();
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.hresult()), (ErrorKind::Panicked, Hresult::E_UNEXPECTED));
        assert!(stream.next().await.is_none());
    });
}

#[test]
fn a_callback_that_comes_on_another_thread_before_begin_is_back_is_ended_once_begin_is() {
    multi_thread(|| async {
        let hooked = Hooked::new();
        let mut stream = EventStream::new(&hooked, DropOldest(8)).unwrap();
        hooked.put(1);
        let again = hooked.clone();
        set(&hooked.on_begin, move || {
            again.put(2);
            let caller = again.clone();
            std::thread::spawn(move || caller.call()).join().unwrap();
            assert_eq!(again.left(), [2], "ended while Begin is on its way");
        });
        hooked.call();
        assert_eq!((read(&mut stream).await, read(&mut stream).await), (1, 2));
        until("it has asked again", || hooked.request.lock().unwrap().is_some()).await;
        hooked.put(3);
        hooked.call();
        assert_eq!(read(&mut stream).await, 3);
    });
}

#[test]
fn what_is_not_wanted_does_not_keep_the_thread() {
    current_thread(|| async {
        let hooked = Hooked::with(0..10_000);
        hooked.calls_in_begin.store(true, Ordering::SeqCst);
        let mut stream = EventStream::lossless(&hooked).unwrap().only(&[MediaEventType(2)]);
        // It goes on in another turn.
        assert!(stream.next().now_or_never().is_none());
        assert!(!hooked.left().is_empty());
        hooked.events.lock().unwrap().push_back(MediaEvent::new(2).with_value(7_i64));
        assert_eq!(read(&mut stream).await, 7);
    });
}

#[test]
fn what_comes_after_the_last_event_is_still_the_generators() {
    current_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = Arc::new(platform.create_event_queue().unwrap());
        for kind in [1, 2, 1, 1] {
            queue.queue_event(MediaEvent::new(kind)).unwrap();
        }
        let mut stream = EventStream::lossless(&queue).unwrap().until(MediaEventType(2));
        assert_eq!(stream.next().await.unwrap().unwrap().event_type().0, 1);
        assert_eq!(stream.next().await.unwrap().unwrap().event_type().0, 2);
        assert!(stream.next().await.is_none() && stream.end_cause().is_none());
        let mut left = 0;
        while queue.get_event(GetEventFlags::NO_WAIT).is_ok() {
            left += 1;
        }
        assert_eq!(left, 2);
    });
}
