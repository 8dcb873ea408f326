//! The slot of an event stream and its pump, in every order that there is: no event is lost, no request is
//! made twice, and whoever waits is woken, be it by an event, a shutdown, or a request that is let go.
//!
//! The stream is the real one; the generator is a model of one, which calls back on the thread of whoever
//! queues an event, also while Begin is still on its way.

use std::collections::VecDeque;
use std::sync::Arc;

use loom::future::block_on;
use loom::sync::Mutex;
use loom::thread;

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::error::{Error, ErrorKind, Hresult, Result};
use crate::event::{GetEventFlags, MediaEvent, MediaEventGenerator};
use crate::event_stream::{DropOldest, EventStream, Lossless, Overflow};
use crate::keepalive::Lender;

struct Generator {
    state: Mutex<State>,
    lender: Lender,
}

#[derive(Default)]
struct State {
    events: VecDeque<MediaEvent>,
    request: Option<AsyncResult>,
    /// A request was called back, and is not ended.
    called: bool,
    shut_down: bool,
    /// Every request is let go.
    forgetful: bool,
}

impl Generator {
    fn new() -> Arc<Generator> {
        Arc::new(Generator { state: Mutex::default(), lender: Lender::new() })
    }

    /// Changes something, then calls the outstanding request back if there is an answer to it.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap();
        change(&mut state);
        let answered = state.shut_down || !state.events.is_empty();
        let request = if answered { state.request.take() } else { None };
        state.called |= request.is_some();
        drop(state);
        if let Some(request) = request {
            request.callback().unwrap().invoke(&request);
        }
    }

    fn shut_down(&self) {
        self.change(|state| state.shut_down = true);
    }

    /// Lets go of the outstanding request, and of all that come.
    fn forget(&self) {
        let request = {
            let mut state = self.state.lock().unwrap();
            state.forgetful = true;
            state.request.take()
        };
        drop(request);
    }

    fn numbers(&self) -> Vec<i64> {
        self.state.lock().unwrap().events.iter().map(number).collect()
    }
}

impl MediaEventGenerator for Generator {
    fn get_event(&self, _: GetEventFlags) -> Result<MediaEvent> {
        let mut state = self.state.lock().unwrap();
        if state.shut_down {
            return Err(Hresult::MF_E_SHUTDOWN.into());
        }
        state.events.pop_front().ok_or_else(|| Hresult::MF_E_NO_EVENTS_AVAILABLE.into())
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        let request = AsyncResult::new(None, Some(callback), state, self.lender.lend().unwrap());
        let mut inner = self.state.lock().unwrap();
        if inner.shut_down {
            return Err(Hresult::MF_E_SHUTDOWN.into());
        }
        assert!(inner.request.is_none() && !inner.called, "asked twice");
        let kept = !inner.forgetful;
        if kept {
            inner.request = Some(request.clone());
        }
        drop(inner);
        drop(request);
        // An event that came before the request calls it back at once, on this stack.
        self.change(|_| {});
        Ok(Hresult::S_OK)
    }

    fn end_get_event(&self, _: &AsyncResult) -> Result<MediaEvent> {
        let mut state = self.state.lock().unwrap();
        assert!(std::mem::take(&mut state.called), "ended twice");
        if state.shut_down {
            return Err(Hresult::MF_E_SHUTDOWN.into());
        }
        state.events.pop_front().ok_or_else(|| Hresult::E_FAIL.into())
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.change(|state| state.events.push_back(event));
        Ok(())
    }

    fn unsubscribe(&self, _: &Unknown, unread: Vec<MediaEvent>) {
        let request = {
            let mut state = self.state.lock().unwrap();
            unread.into_iter().rev().for_each(|event| state.events.push_front(event));
            state.request.take()
        };
        drop(request);
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
        let failed = generator.state.lock().unwrap().request.take().unwrap();
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
        let mut left = generator.numbers();
        left.sort_unstable();
        assert_eq!(left, [0, 1]);
    });
}
