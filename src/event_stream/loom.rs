//! The pump of an event stream, in every order that there is: no event is lost, no request is made twice, and the
//! reader is woken, be it by an event, a shutdown, or a request that is dropped.
//!
//! The stream is the real one, and so is the state of the event queue behind it; between the two is a model of the
//! queue, which hands the result over on the thread that queues an event, also while Begin is on its way. Each model
//! runs with a stream that takes from the queue itself, and with one that has another generator in between; there a
//! callback that is not handed over is invoked on the same thread, as a work queue would on another.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use loom::future::block_on;
use loom::sync::Mutex;
use loom::thread;

use crate::async_result::{AsyncCallback, AsyncResult, Dispatch, HandOver, Parts, Shortcut, Unknown};
use crate::error::{ErrorKind, Hresult, Result};
use crate::event::state::{EventRequest, State};
use crate::event::subscription::{SubscribedQueue, Subscription};
use crate::event::{GetEventFlags, MediaEvent, MediaEventGenerator};
use crate::event_stream::{DropOldest, EventStream, Lossless, Overflow};
use crate::tracker::Tracker;

struct Generator {
    queue: Arc<ModelQueue>,
    is_direct: bool,
}

struct ModelQueue {
    state: Mutex<Inner>,
    tracker: Tracker<Weak<dyn Dispatch>>,
}

#[derive(Default)]
struct Inner {
    /// That of a real event queue.
    queue: State,
    /// Every request is dropped.
    is_forgetful: bool,
}

/// What results lead to: there are no work queues here.
struct NoQueues;

impl Dispatch for NoQueues {
    fn invoke(&self, _: &AsyncResult) -> Result<()> {
        Ok(())
    }

    fn invoke_accepted(&self, _: &AsyncResult) -> Result<()> {
        Ok(())
    }

    fn invoke_failed(&self, _: &AsyncResult) -> Result<()> {
        Ok(())
    }

    fn put_accepted(&self, _: &AsyncResult) -> Result<()> {
        Ok(())
    }

    fn check(&self, _: &AsyncResult) -> Result<()> {
        Ok(())
    }
}

impl Generator {
    fn new(is_direct: bool) -> Arc<Generator> {
        let context: Weak<NoQueues> = Weak::new();
        let tracker = Tracker::new(context as Weak<dyn Dispatch>, None);
        Arc::new(Generator { queue: Arc::new(ModelQueue { state: Mutex::default(), tracker }), is_direct })
    }

    fn shut_down(&self) {
        let former = self.queue.state.lock().unwrap().queue.close();
        if let Some(result) = former.request.as_ref().and_then(EventRequest::pending) {
            call(result);
        }
    }

    /// Drops the outstanding request, and all that come.
    fn forget(&self) {
        let request = {
            let mut state = self.queue.state.lock().unwrap();
            state.is_forgetful = true;
            state.queue.request.take()
        };
        drop(request);
    }

    fn numbers(&self) -> Vec<i64> {
        let state = self.queue.state.lock().unwrap();
        assert!(state.queue.request.is_none());
        state.queue.events.iter().map(number).collect()
    }
}

/// Hands a result over, or invokes its callback as a work queue would.
fn call(result: &AsyncResult) {
    let callback = result.callback().unwrap();
    let Shortcut::HandOver(to) = callback.shortcut() else { panic!("not the stream's own") };
    if !HandOver::hand_over(to, result) {
        callback.invoke(result);
    }
}

impl ModelQueue {
    /// Changes something, then calls the outstanding request back if there is an answer to it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap();
        let changed = change(&mut state.queue);
        let due = state.queue.call();
        drop(state);
        if let Some(result) = due {
            call(&result);
        }
        changed
    }

    fn request(
        self: &Arc<Self>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Hresult> {
        let parts = Parts { callback: Some(callback.clone()), state: state.clone(), ..Parts::default() };
        let result = AsyncResult::new(parts, Some(self.tracker.token("begin in a model").unwrap()));
        let subscription = Subscription::of(state.as_ref()).unwrap();
        let this: Weak<ModelQueue> = Arc::downgrade(self);
        subscription.attach(this);
        let mut inner = self.state.lock().unwrap();
        let before = inner.queue.begun_before(&callback, state.as_ref(), Some(&subscription))?;
        assert!(before.is_none(), "asked twice");
        if !inner.is_forgetful {
            let request = EventRequest::new(result.clone(), &callback, state.as_ref());
            inner.queue.begin(request, Some(subscription));
        }
        drop(inner);
        drop(result);
        // An event that came before the request calls it back at once, on this stack.
        self.change(|_| ());
        Ok(Hresult::S_OK)
    }
}

impl SubscribedQueue for ModelQueue {
    fn begin(
        self: Arc<Self>,
        callback: Arc<dyn AsyncCallback>,
        subscription: &Arc<Subscription>,
    ) -> Result<Hresult> {
        self.request(callback, Some(subscription.as_state()))
    }

    fn take(
        &self,
        subscription: &Arc<Subscription>,
        ended: Option<&AsyncResult>,
        most: usize,
        into: &mut VecDeque<MediaEvent>,
    ) -> Result<()> {
        let request = self.state.lock().unwrap().queue.take(subscription, ended, most, into)?;
        drop(request);
        Ok(())
    }

    fn begin_unsubscribe(&self, subscription: &Arc<Subscription>) {
        let request = self.state.lock().unwrap().queue.begin_unsubscribe(subscription);
        drop(request);
    }

    fn finish_unsubscribe(&self, subscription: &Arc<Subscription>, unread: Vec<MediaEvent>) {
        let refused = self.change(|queue| queue.finish_unsubscribe(subscription, unread));
        drop(refused);
    }
}

impl MediaEventGenerator for Generator {
    fn get_event(&self, _: GetEventFlags) -> Result<MediaEvent> {
        unreachable!("a stream does not use it")
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        self.queue.request(callback, state)
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        let ended = self.queue.state.lock().unwrap().queue.end(result);
        ended.map(|(event, _)| event)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.queue.change(|queue| queue.events.push_back(event));
        Ok(())
    }

    fn is_direct(&self) -> bool {
        self.is_direct
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

fn check(model: fn(is_direct: bool)) {
    for is_direct in [true, false] {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || model(is_direct));
    }
}

#[test]
fn what_two_queue_is_read_once_each() {
    check(|is_direct| {
        let generator = Generator::new(is_direct);
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
    check(|is_direct| {
        let generator = Generator::new(is_direct);
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
    check(|is_direct| {
        let generator = Generator::new(is_direct);
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
fn a_shutdown_reaches_the_reader() {
    check(|is_direct| {
        let generator = Generator::new(is_direct);
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
fn a_request_that_is_dropped_reaches_the_reader() {
    check(|is_direct| {
        let generator = Generator::new(is_direct);
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
fn what_comes_while_the_stream_goes_is_still_there() {
    check(|is_direct| {
        let generator = Generator::new(is_direct);
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
    check(|is_direct| {
        let generator = Generator::new(is_direct);
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
    check(|is_direct| {
        let generator = Generator::new(is_direct);
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
