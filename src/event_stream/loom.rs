//! The slot of an event stream and its pump, in every order that there is: no event is lost, no request is
//! made twice, and whoever waits is woken, be it by an event, a shutdown, or a request that is let go.
//!
//! The stream is the real one, and so is the state of the event queue behind it; between the two is a model of
//! the queue, which calls back on the thread of whoever queues an event, also while Begin is still on its way.

use std::sync::Arc;

use loom::future::block_on;
use loom::sync::Mutex;
use loom::thread;

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::error::{Error, ErrorKind, Hresult, Result};
use crate::event::state::{Call, Request, State};
use crate::event::{GetEventFlags, MediaEvent, MediaEventGenerator};
use crate::event_stream::{DropOldest, EventStream, Lossless, Overflow};
use crate::keepalive::Lender;

struct Generator {
    state: Mutex<Inner>,
    lender: Lender,
}

#[derive(Default)]
struct Inner {
    /// That of a real event queue.
    queue: State,
    /// Every request is let go.
    forgetful: bool,
}

impl Generator {
    fn new() -> Arc<Generator> {
        Arc::new(Generator { state: Mutex::default(), lender: Lender::new() })
    }

    /// Changes something, then calls the outstanding request back if there is an answer to it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap();
        let changed = change(&mut state.queue);
        let call = state.queue.call();
        drop(state);
        if let Some(call) = call {
            let Call::Stream(request) = call else { panic!("called as anybody's") };
            request.callback().unwrap().invoke(&request);
        }
        changed
    }

    fn shut_down(&self) {
        let former = self.state.lock().unwrap().queue.close();
        if let Some(callback) = former.request.as_ref().and_then(Request::to_be_told) {
            callback.fail(&Error::shutdown("wait in a model"));
        }
    }

    /// Lets go of the outstanding request, and of all that come.
    fn forget(&self) {
        let request = {
            let mut state = self.state.lock().unwrap();
            state.forgetful = true;
            state.queue.request.take()
        };
        drop(request);
    }

    fn numbers(&self) -> Vec<i64> {
        let state = self.state.lock().unwrap();
        assert!(state.queue.request.is_none());
        state.queue.events.iter().map(number).collect()
    }
}

impl MediaEventGenerator for Generator {
    fn get_event(&self, _: GetEventFlags) -> Result<MediaEvent> {
        unreachable!("a stream takes several")
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        let request =
            AsyncResult::new(None, Some(callback.clone()), state.clone(), self.lender.lend().unwrap());
        let mut inner = self.state.lock().unwrap();
        let before = inner.queue.begun_before(&callback, state.as_ref())?;
        assert!(before.is_none(), "asked twice");
        if !inner.forgetful {
            inner.queue.request = Some(Request::new(request.clone(), &callback, state.as_ref()));
        }
        drop(inner);
        drop(request);
        // An event that came before the request calls it back at once, on this stack.
        self.change(|_| ());
        Ok(Hresult::S_OK)
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        let ended = self.state.lock().unwrap().queue.end(result);
        ended.map(|(event, _)| event)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.change(|queue| queue.events.push_back(event));
        Ok(())
    }

    fn subscribe(&self, subscriber: &Unknown) -> Result<()> {
        self.state.lock().unwrap().queue.subscribe(subscriber)
    }

    fn leave(&self, subscriber: &Unknown) {
        let request = self.state.lock().unwrap().queue.leave(subscriber);
        drop(request);
    }

    fn unsubscribe(&self, subscriber: &Unknown, unread: Vec<MediaEvent>) {
        let gone = self.change(|queue| queue.unsubscribe(subscriber, unread));
        drop(gone);
    }

    fn take_events(&self, most: usize, into: &mut Vec<MediaEvent>) -> Result<()> {
        self.state.lock().unwrap().queue.take(most, into)
    }
}

fn event(number: i64) -> MediaEvent {
    MediaEvent::new(1).with_value(number)
}

fn number(event: &MediaEvent) -> i64 {
    event.value().as_i64().unwrap()
}

fn streamed<P: Overflow>(generator: &Arc<Generator>, policy: P) -> EventStream<P> {
    EventStream::new(generator, policy).unwrap()
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn what_two_queue_is_read_once_each() {
    check(|| {
        let generator = Generator::new();
        let producers: Vec<_> = (0..2)
            .map(|number| {
                let generator = generator.clone();
                thread::spawn(move || generator.queue_event(event(number)).unwrap())
            })
            .collect();
        let mut events = streamed(&generator, Lossless);
        let mut read: Vec<_> = (0..2).map(|_| number(&block_on(events.next()).unwrap().unwrap())).collect();
        read.sort_unstable();
        assert_eq!(read, [0, 1]);
        producers.into_iter().for_each(|producer| producer.join().unwrap());
    });
}

#[test]
fn what_one_queues_is_read_in_order() {
    check(|| {
        let generator = Generator::new();
        let producer = thread::spawn({
            let generator = generator.clone();
            move || (0..3).for_each(|number| generator.queue_event(event(number)).unwrap())
        });
        let mut events = streamed(&generator, Lossless);
        for expected in 0..3 {
            assert_eq!(number(&block_on(events.next()).unwrap().unwrap()), expected);
        }
        producer.join().unwrap();
    });
}

#[test]
fn what_is_not_read_is_dropped_and_counted() {
    check(|| {
        let generator = Generator::new();
        let producer = thread::spawn({
            let generator = generator.clone();
            move || (0..3).for_each(|number| generator.queue_event(event(number)).unwrap())
        });
        let mut events = streamed(&generator, DropOldest(1));
        let (mut read, mut last) = (0, -1);
        while last < 2 {
            let number = number(&block_on(events.next()).unwrap().unwrap());
            assert!(number > last);
            (read, last) = (read + 1, number);
        }
        assert_eq!(read + events.dropped(), 3);
        producer.join().unwrap();
    });
}

#[test]
fn a_shutdown_reaches_whoever_waits() {
    check(|| {
        let generator = Generator::new();
        let mut events = streamed(&generator, Lossless);
        let closer = thread::spawn({
            let generator = generator.clone();
            move || generator.shut_down()
        });
        assert!(block_on(events.next()).is_none());
        assert!(events.end_cause().unwrap().is_shutdown());
        closer.join().unwrap();
    });
}

#[test]
fn a_request_that_is_let_go_reaches_whoever_waits() {
    check(|| {
        let generator = Generator::new();
        let mut events = streamed(&generator, Lossless);
        let forgetter = thread::spawn({
            let generator = generator.clone();
            move || generator.forget()
        });
        let error = block_on(events.next()).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Abandoned);
        forgetter.join().unwrap();
    });
}

#[test]
fn a_request_that_fails_reaches_whoever_waits() {
    check(|| {
        let generator = Generator::new();
        let mut events = streamed(&generator, Lossless);
        // What was to call back panicked, say.
        let failed = generator.state.lock().unwrap().queue.request.take().unwrap().pending.unwrap();
        let failer = thread::spawn(move || {
            failed.callback().unwrap().fail(&Error::new(Hresult::E_UNEXPECTED, "fail in a model"));
        });
        let error = block_on(events.next()).unwrap().unwrap_err();
        assert_eq!(error.hresult(), Hresult::E_UNEXPECTED);
        failer.join().unwrap();
    });
}

#[test]
fn what_comes_while_the_stream_goes_is_still_there() {
    check(|| {
        let generator = Generator::new();
        let events = streamed(&generator, Lossless);
        let producer = thread::spawn({
            let generator = generator.clone();
            move || (0..2).for_each(|number| generator.queue_event(event(number)).unwrap())
        });
        drop(events);
        producer.join().unwrap();
        assert_eq!(generator.numbers(), [0, 1]);
    });
}

#[test]
fn the_next_stream_takes_over() {
    check(|| {
        let generator = Generator::new();
        let former = streamed(&generator, DropOldest(4));
        let producer = thread::spawn({
            let generator = generator.clone();
            move || (0..2).for_each(|number| generator.queue_event(event(number)).unwrap())
        });
        drop(former);
        // The former's callback may be anywhere.
        let mut events = streamed(&generator, Lossless);
        for expected in 0..2 {
            assert_eq!(number(&block_on(events.next()).unwrap().unwrap()), expected);
        }
        producer.join().unwrap();
        drop(events);
        assert_eq!(generator.numbers(), [0; 0]);
    });
}

#[test]
fn the_next_but_one_takes_over_from_both() {
    check(|| {
        let generator = Generator::new();
        let former = streamed(&generator, DropOldest(4));
        let producer = thread::spawn({
            let generator = generator.clone();
            move || generator.queue_event(event(0)).unwrap()
        });
        drop(former);
        drop(streamed(&generator, DropOldest(4)));
        let mut events = streamed(&generator, Lossless);
        assert_eq!(number(&block_on(events.next()).unwrap().unwrap()), 0);
        producer.join().unwrap();
        drop(events);
        assert_eq!(generator.numbers(), [0; 0]);
    });
}
