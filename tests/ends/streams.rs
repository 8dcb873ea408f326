//! The kinds of event streams: the next event, under each policy.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures::{FutureExt, Stream};
use mf_async::event::GetEventFlags;
use mf_async::event_stream::{DropNewest, DropOldest, Latest, Lossless, Overflow};
use mf_async::{
    AsyncCallback, AsyncResult, Error, EventStream, Hresult, MediaEvent, MediaEventGenerator,
    MediaEventQueue, MediaEventType, Result, Unknown,
};

use crate::given::{EXPECTED, Given, How, Wrapped, its_error};
use crate::play::{Kind, Play, Waits};

pub(crate) fn kinds() -> Vec<Kind> {
    vec![
        Kind { name: "`EventStream::next`, `Lossless`", begin: |given| next(given, || Lossless) },
        Kind { name: "`EventStream::next`, `DropOldest`", begin: |given| next(given, || DropOldest(2)) },
        Kind { name: "`EventStream::next`, `DropNewest`", begin: |given| next(given, || DropNewest(2)) },
        Kind { name: "`EventStream::next`, `Latest`", begin: |given| next(given, || Latest) },
    ]
}

/// A generator of the user's around an event queue.
struct Generator {
    queue: MediaEventQueue,
    how: How,
    is_wrapped: bool,
}

impl MediaEventGenerator for Generator {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.queue.get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        match self.how {
            How::BeginFails => Err(its_error()),
            How::BeginPanics => panic!("{}", EXPECTED),
            _ if self.is_wrapped => self.queue.begin_get_event(Arc::new(Wrapped(callback)), state),
            _ => self.queue.begin_get_event(callback, state),
        }
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        match self.how {
            How::EndFails => Err(its_error()),
            How::EndPanics => panic!("{}", EXPECTED),
            _ => self.queue.end_get_event(result),
        }
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.queue.queue_event(event)
    }
}

type Events<P> = Arc<Mutex<EventStream<P>>>;

async fn next_of<P: Overflow + 'static>(events: Events<P>) -> Result<()> {
    let next = std::future::poll_fn(|cx| match events.lock() {
        Ok(mut events) => Pin::new(&mut *events).poll_next(cx),
        Err(_) => Poll::Ready(Some(Err(Error::new(Hresult::E_FAIL, "the poll has panicked")))),
    });
    match next.await {
        Some(event) => event.map(drop),
        None => Err(events.lock().unwrap().end_cause().unwrap().clone()),
    }
}

fn next<P: Overflow + 'static>(given: &Given, policy: fn() -> P) -> Option<Play> {
    use How::{BeginFails, BeginPanics, EndFails, EndPanics};
    given.is(&[BeginFails, EndFails, BeginPanics, EndPanics]).then_some(())?;
    let queue = given.platform.create_event_queue().unwrap();
    let source = Arc::new(Generator { queue, how: given.how, is_wrapped: given.is_wrapped });
    let events = match EventStream::new(&source, policy()) {
        Ok(events) => Arc::new(Mutex::new(events)),
        Err(error) => return Some(Play::of(Waits(std::future::ready(Err(error)).boxed()))),
    };
    let source = Arc::new(Mutex::new(Some(source)));
    let (queues, gone) = (source.clone(), source.clone());
    let queue_event = move || {
        let source = queues.lock().unwrap().clone().unwrap();
        source.queue_event(MediaEvent::new(MediaEventType::MEMediaSample)).unwrap();
    };
    let again = events.clone();
    let after = move || {
        async move {
            next_of(again).await.unwrap();
            "lost nothing"
        }
        .boxed()
    };
    let play = Play::of(Waits(next_of(events).boxed()))
        .finished_by(queue_event)
        .abandoned_by(move || drop(gone.lock().unwrap().take()))
        .after_drop(after);
    Some(play.keeping(source))
}
