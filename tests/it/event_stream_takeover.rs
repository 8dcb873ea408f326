//! Promise: a stream that is made when another of the same generator is dropped takes over, wherever the former's
//! callback is just then at work: it has every event that the former has not read, once and in order, and there are
//! never two.

use std::sync::{Arc, Mutex};

use crate::support::{Gate, multi_thread, within_bound};
use futures::FutureExt;
use mf_async::event::GetEventFlags;
use mf_async::event_stream::DropOldest;
use mf_async::{
    AsyncCallback, AsyncResult, EventStream, Hresult, MediaEvent, MediaEventGenerator, MediaEventQueue,
    Platform, QueueId, Result, Unknown,
};

/// Where in the generator somebody is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    BeforeEnd,
    AfterEnd,
    BeforeBegin,
    AfterBegin,
}

const PLACES: [Place; 4] = [Place::BeforeEnd, Place::AfterEnd, Place::BeforeBegin, Place::AfterBegin];

/// An event queue that does something of the test's own, once, in a place of its calls.
struct Generator {
    queue: MediaEventQueue,
    hook: Mutex<Option<(Place, Hook)>>,
}

type Hook = Box<dyn FnOnce() + Send>;

impl Generator {
    fn new(platform: &Platform) -> Arc<Generator> {
        Arc::new(Generator { queue: platform.create_event_queue().unwrap(), hook: Mutex::default() })
    }

    fn at(&self, place: Place, hook: impl FnOnce() + Send + 'static) {
        *self.hook.lock().unwrap() = Some((place, Box::new(hook)));
    }

    fn pass(&self, place: Place) {
        let hook = self.hook.lock().unwrap().take_if(|(at, _)| *at == place);
        if let Some((_, hook)) = hook {
            hook();
        }
    }

    fn send(&self, number: i64) {
        self.queue.queue_event(MediaEvent::new(1).with_value(number)).unwrap();
    }
}

impl MediaEventGenerator for Generator {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.queue.get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        self.pass(Place::BeforeBegin);
        let begun = self.queue.begin_get_event(callback, state);
        self.pass(Place::AfterBegin);
        begun
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.pass(Place::BeforeEnd);
        let event = self.queue.end_get_event(result);
        self.pass(Place::AfterEnd);
        event
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.queue.queue_event(event)
    }
}

fn number(event: &MediaEvent) -> i64 {
    event.value().as_i64().unwrap()
}

fn read(stream: &mut EventStream<impl mf_async::event_stream::Overflow>) -> Option<i64> {
    stream.next().now_or_never().map(|event| number(&event.unwrap().unwrap()))
}

fn refused(generator: &Arc<Generator>) -> bool {
    EventStream::lossless(generator).is_err_and(|error| error.hresult() == Hresult::MF_E_MULTIPLE_SUBSCRIBERS)
}

/// A stream whose callback a worker has led to the place, and holds there, with the event 1.
struct AtWork {
    stream: EventStream<DropOldest>,
    back: Gate,
}

impl AtWork {
    fn new(generator: &Arc<Generator>, place: Place) -> AtWork {
        let stream = EventStream::new(generator, DropOldest(8)).unwrap();
        let (there, back) = (Gate::new(), Gate::new());
        let (arrives, waits) = (there.clone(), back.clone());
        generator.at(place, move || {
            arrives.open();
            waits.pass();
        });
        generator.send(1);
        there.pass();
        AtWork { stream, back }
    }
}

/// Waits until the callbacks that were on their way have come back.
fn settle(platform: &Platform) {
    let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
    futures::executor::block_on(queue.quiesce()).unwrap();
}

/// The test, for each place, on no worker of the runtime.
fn at_each_place(test: impl Fn(&Platform, Place) + Send + Sync + Clone + 'static) {
    for place in PLACES {
        let test = test.clone();
        multi_thread(move || async move {
            let platform = Platform::startup().unwrap();
            test(&platform, place);
            platform.shutdown().await.unwrap_or_else(|error| panic!("{place:?}: {error}"));
        });
    }
}

#[test]
fn the_next_stream_takes_over_where_the_former_is_at_work() {
    at_each_place(|platform, place| {
        let generator = Generator::new(platform);
        let former = AtWork::new(&generator, place);
        assert!(refused(&generator), "{place:?}: the former stream lives");
        drop(former.stream);
        let mut stream =
            EventStream::lossless(&generator).unwrap_or_else(|error| panic!("{place:?}: {error}"));
        assert!(refused(&generator), "{place:?}: of two, the second");
        generator.send(2);
        assert_eq!(read(&mut stream), None, "{place:?}: what comes behind the former's event waits for that");
        former.back.open();
        settle(platform);
        assert!(refused(&generator), "{place:?}: still");
        assert_eq!(
            [read(&mut stream), read(&mut stream), read(&mut stream)],
            [Some(1), Some(2), None],
            "{place:?}"
        );
        generator.send(3);
        assert_eq!([read(&mut stream), read(&mut stream)], [Some(3), None], "{place:?}");
        drop(stream);
        assert!(generator.queue.get_event(GetEventFlags::NO_WAIT).is_err(), "{place:?}: none is there twice");
    });
}

#[test]
fn whoever_waits_on_the_next_stream_is_woken_when_the_former_is_through() {
    at_each_place(|platform, place| {
        let generator = Generator::new(platform);
        let former = AtWork::new(&generator, place);
        drop(former.stream);
        let mut stream = EventStream::new(&generator, DropOldest(8)).unwrap();
        let back = former.back;
        let reader = std::thread::spawn(move || {
            let mut opened = false;
            futures::executor::block_on(std::future::poll_fn(|cx| {
                let polled = Box::pin(stream.next()).poll_unpin(cx);
                if !std::mem::replace(&mut opened, true) {
                    assert!(polled.is_pending(), "{place:?}");
                    back.open();
                }
                polled
            }))
        });
        let event = within_bound(move || reader.join().unwrap());
        assert_eq!(number(&event.unwrap().unwrap()), 1, "{place:?}");
        settle(platform);
    });
}

#[test]
fn streams_that_come_and_go_meanwhile_take_nothing_along() {
    at_each_place(|platform, place| {
        let generator = Generator::new(platform);
        let former = AtWork::new(&generator, place);
        drop(former.stream);
        for _ in 0..3 {
            let mut stream = EventStream::new(&generator, DropOldest(8)).unwrap();
            assert_eq!(read(&mut stream), None, "{place:?}");
        }
        generator.send(2);
        assert_eq!(read(&mut EventStream::lossless(&generator).unwrap()), None, "{place:?}");
        former.back.open();
        settle(platform);
        let mut stream = EventStream::lossless(&generator).unwrap();
        assert_eq!(
            [read(&mut stream), read(&mut stream), read(&mut stream)],
            [Some(1), Some(2), None],
            "{place:?}"
        );
    });
}

#[test]
fn a_callback_that_comes_while_the_next_request_begins_leaves_with_its_stream() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let generator = Generator::new(&platform);
        // Begin is on its way on one thread when the callback of its request comes on another.
        let first = AtWork::new(&generator, Place::AfterBegin);
        generator.send(2);
        drop(first.stream);
        let mut stream = EventStream::lossless(&generator).unwrap();
        generator.send(3);
        assert_eq!(read(&mut stream), None);
        first.back.open();
        settle(&platform);
        assert_eq!([read(&mut stream), read(&mut stream), read(&mut stream)], [Some(1), Some(2), Some(3)]);
        drop((stream, generator));
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_callback_that_drops_its_stream_and_makes_another_goes_on_for_it() {
    at_each_place(|platform, place| {
        let generator = Generator::new(platform);
        let former = Mutex::new(Some(EventStream::new(&generator, DropOldest(8)).unwrap()));
        let next = Arc::new(Mutex::new(None));
        let (again, made) = (generator.clone(), next.clone());
        generator.at(place, move || {
            drop(former.lock().unwrap().take());
            *made.lock().unwrap() = Some(EventStream::lossless(&again).unwrap());
        });
        [1, 2].into_iter().for_each(|number| generator.send(number));
        settle(platform);
        let mut stream = next.lock().unwrap().take().unwrap();
        assert_eq!(
            [read(&mut stream), read(&mut stream), read(&mut stream)],
            [Some(1), Some(2), None],
            "{place:?}"
        );
    });
}

#[test]
fn others_are_given_nothing_out_of_turn_meanwhile() {
    at_each_place(|platform, place| {
        let generator = Generator::new(platform);
        let former = AtWork::new(&generator, place);
        drop(former.stream);
        generator.send(2);
        let get = || generator.queue.get_event(GetEventFlags::NO_WAIT).map(|event| number(&event));
        assert_eq!(get().unwrap_err().hresult(), Hresult::MF_E_NO_EVENTS_AVAILABLE, "{place:?}");
        // A thread that waits is told.
        let waiting = std::thread::spawn({
            let generator = generator.clone();
            move || generator.queue.get_event(GetEventFlags::empty()).map(|event| number(&event))
        });
        former.back.open();
        settle(platform);
        assert_eq!(within_bound(move || waiting.join().unwrap()).unwrap(), 1, "{place:?}");
        assert_eq!(get().unwrap(), 2, "{place:?}");
    });
}

#[test]
fn a_shutdown_meanwhile_reaches_the_next_stream() {
    at_each_place(|platform, place| {
        let generator = Generator::new(platform);
        let former = AtWork::new(&generator, place);
        drop(former.stream);
        let mut stream = EventStream::lossless(&generator).unwrap();
        assert!(stream.next().now_or_never().is_none(), "{place:?}");
        generator.queue.shutdown();
        assert!(stream.next().now_or_never().unwrap().is_none(), "{place:?}");
        assert!(stream.end_cause().unwrap().is_shutdown(), "{place:?}");
        former.back.open();
        settle(platform);
    });
}
