//! The state of an event queue: its events, its one request, its one subscriber, and the code for every call.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::async_result::{AsyncCallback, AsyncResult, Unknown, WeakResult};
use crate::error::{Error, Hresult, Result};
use crate::event::media_event::MediaEvent;
use crate::event::subscription::Subscription;

/// The state itself: plain data, under one lock, that calls no code of the user's. What a method removes it returns,
/// to be dropped when the lock is released.
///
/// | request | what it means | next |
/// |---|---|---|
/// | none | the next may be begun | pending (Begin) |
/// | pending | it waits for an event | called (an event is there), none (shutdown, or its stream is gone) |
/// | called | its callback was invoked: End is due | none (End, or its stream is gone) |
#[derive(Default)]
pub(crate) struct State {
    pub(crate) events: VecDeque<MediaEvent>,
    pub(crate) request: Option<EventRequest>,
    /// The stream that has the events to itself, from its first request until it is gone.
    subscriber: Option<Arc<Subscription>>,
    /// Streams that are gone, and have not given back what they took: until they have, no event is given away,
    /// because it came behind those.
    unsubscribing: Vec<Arc<Subscription>>,
    /// Threads that wait for an event.
    pub(crate) blocked: usize,
    pub(crate) closed: bool,
}

/// The outstanding request. Once it is called, only its identity is kept: a holder of its result can end it.
pub(crate) struct EventRequest {
    id: WeakResult,
    callback: Weak<dyn AsyncCallback>,
    state: Option<Weak<dyn Any + Send + Sync>>,
    /// Taken when the callback is called.
    pending: Option<AsyncResult>,
}

impl State {
    /// Closes it; returns what it held.
    #[must_use]
    pub(crate) fn close(&mut self) -> State {
        let closed = State { closed: true, blocked: self.blocked, ..State::default() };
        std::mem::replace(self, closed)
    }

    pub(crate) fn open(&self, doing: &'static str) -> Result<()> {
        if self.closed {
            return Err(Error::shutdown(format!("{doing}: the event queue is shut down")));
        }
        Ok(())
    }

    /// Open, with no request outstanding and no stream subscribed.
    pub(crate) fn free(&self, doing: &'static str) -> Result<()> {
        self.open(doing)?;
        if self.request.is_some() {
            let what = format!(
                "{doing} while a request for the next event is outstanding: a generator has one reader at a time"
            );
            return Err(Error::new(Hresult::MF_E_MULTIPLE_SUBSCRIBERS, what));
        }
        if self.subscriber.is_some() { Err(subscribed(doing)) } else { Ok(()) }
    }

    /// Whether a request may be begun: `None` says yes, a code that it was begun before.
    pub(crate) fn begun_before(
        &self,
        callback: &Arc<dyn AsyncCallback>,
        state: Option<&Unknown>,
        subscription: Option<&Arc<Subscription>>,
    ) -> Result<Option<Hresult>> {
        self.open(BEGIN)?;
        if subscription.is_some_and(|gone| self.is_unsubscribing(gone)) {
            return Err(Error::new(
                Hresult::MF_E_NOTACCEPTING,
                "begin a request for an event of a stream that is gone",
            ));
        }
        let Some(request) = &self.request else {
            let is_free = self.subscriber.as_ref().is_none_or(|subscriber| is_same(subscriber, subscription));
            return if is_free { Ok(None) } else { Err(subscribed(BEGIN)) };
        };
        if !same(&request.callback, callback) {
            return Err(Error::new(
                Hresult::MF_E_MULTIPLE_SUBSCRIBERS,
                "begin a request for an event while another callback's is outstanding: a generator has one reader at a time",
            ));
        }
        let same_state = match (&request.state, state) {
            (None, None) => true,
            (Some(former), Some(state)) => same(former, state),
            _ => false,
        };
        if same_state {
            return Ok(Some(Hresult::MF_S_MULTIPLE_BEGIN));
        }
        Err(Error::new(
            Hresult::MF_E_MULTIPLE_BEGIN,
            "begin a request for an event while this callback's own, with another state, is outstanding: end that first",
        ))
    }

    /// A request that [`begun_before`](State::begun_before) allows is outstanding now, and its stream subscribed.
    pub(crate) fn begin(&mut self, request: EventRequest, subscription: Option<Arc<Subscription>>) {
        self.request = Some(request);
        if self.subscriber.is_none() {
            self.subscriber = subscription;
        }
    }

    /// Whether a thread that waits for an event may have one.
    pub(crate) fn may_get(&self) -> bool {
        self.request.is_none() && self.subscriber.is_none() && self.is_ready()
    }

    /// The next event, without a request.
    pub(crate) fn next(&mut self) -> Option<MediaEvent> {
        if self.is_ready() { self.events.pop_front() } else { None }
    }

    /// Takes up to `most` events for a stream, and ends its request if `ended` is the result of that, which is
    /// returned.
    pub(crate) fn take(
        &mut self,
        subscription: &Arc<Subscription>,
        ended: Option<&AsyncResult>,
        most: usize,
        into: &mut VecDeque<MediaEvent>,
    ) -> Result<Option<EventRequest>> {
        const DOING: &str = "take events of an event queue";
        self.open(DOING)?;
        if !self.subscriber.as_ref().is_some_and(|subscriber| Arc::ptr_eq(subscriber, subscription)) {
            return Err(Error::new(Hresult::MF_E_MULTIPLE_SUBSCRIBERS, DOING));
        }
        let request = match ended {
            Some(result) => Some(self.take_called(result)?),
            None => None,
        };
        if self.is_ready() {
            if self.events.len() <= most {
                std::mem::swap(&mut self.events, into);
            } else {
                into.extend(self.events.drain(..most));
            }
        }
        Ok(request)
    }

    /// The pending request's result, if there is an event for it: its callback is to be called.
    #[must_use]
    pub(crate) fn call(&mut self) -> Option<AsyncResult> {
        if self.is_ready() { self.request.as_mut()?.pending.take() } else { None }
    }

    /// The event for the request whose result this is, and the request.
    pub(crate) fn end(&mut self, result: &AsyncResult) -> Result<(MediaEvent, EventRequest)> {
        self.open("end a request for an event")?;
        let request = self.take_called(result)?;
        let event = self.events.pop_front().ok_or_else(not_outstanding)?;
        Ok((event, request))
    }

    /// The request of this result, which could not be called, if it is outstanding.
    #[must_use]
    pub(crate) fn withdraw(&mut self, result: &AsyncResult) -> Option<EventRequest> {
        self.request.take_if(|request| request.id.is(result))
    }

    /// A stream is gone: another may subscribe. Returns its request, if one is outstanding; if its callback is on its
    /// way, the event stays here all the same.
    #[must_use]
    pub(crate) fn begin_unsubscribe(&mut self, subscription: &Arc<Subscription>) -> Option<EventRequest> {
        let gone = self.subscriber.take_if(|subscriber| Arc::ptr_eq(subscriber, subscription))?;
        self.unsubscribing.push(gone);
        self.request.take()
    }

    /// A stream that is gone gives back what it took and was not read. Returns what a closed queue does not take.
    #[must_use]
    pub(crate) fn finish_unsubscribe(
        &mut self,
        subscription: &Arc<Subscription>,
        unread: Vec<MediaEvent>,
    ) -> Vec<MediaEvent> {
        self.unsubscribing.retain(|gone| !Arc::ptr_eq(gone, subscription));
        if self.closed {
            return unread;
        }
        for event in unread.into_iter().rev() {
            self.events.push_front(event);
        }
        Vec::new()
    }

    pub(crate) fn has_subscriber(&self) -> bool {
        self.subscriber.is_some()
    }

    fn is_ready(&self) -> bool {
        !self.events.is_empty() && self.unsubscribing.is_empty()
    }

    fn is_unsubscribing(&self, subscription: &Arc<Subscription>) -> bool {
        self.unsubscribing.iter().any(|gone| Arc::ptr_eq(gone, subscription))
    }

    /// The request that was called with this result, which ends it.
    fn take_called(&mut self, result: &AsyncResult) -> Result<EventRequest> {
        let is_called = |request: &mut EventRequest| request.pending.is_none() && request.id.is(result);
        if self.events.is_empty() {
            return Err(not_outstanding());
        }
        self.request.take_if(is_called).ok_or_else(not_outstanding)
    }
}

impl EventRequest {
    pub(crate) fn new(
        result: AsyncResult,
        callback: &Arc<dyn AsyncCallback>,
        state: Option<&Unknown>,
    ) -> EventRequest {
        EventRequest {
            id: result.downgrade(),
            callback: Arc::downgrade(callback),
            state: state.map(Arc::downgrade),
            pending: Some(result),
        }
    }

    /// The result whose callback was not invoked yet.
    pub(crate) fn pending(&self) -> Option<&AsyncResult> {
        self.pending.as_ref()
    }
}

/// Whether both are the same object, of the same type or not.
fn same<T: ?Sized>(weak: &Weak<T>, strong: &Arc<T>) -> bool {
    std::ptr::addr_eq(weak.as_ptr(), Arc::as_ptr(strong))
}

fn is_same(subscriber: &Arc<Subscription>, subscription: Option<&Arc<Subscription>>) -> bool {
    subscription.is_some_and(|subscription| Arc::ptr_eq(subscriber, subscription))
}

fn subscribed(doing: &'static str) -> Error {
    let what = format!("{doing} whose events a stream receives: a generator has one reader at a time");
    Error::new(Hresult::MF_E_MULTIPLE_SUBSCRIBERS, what)
}

fn not_outstanding() -> Error {
    Error::new(
        Hresult::E_FAIL,
        "end a request for an event with a result that is not the outstanding request's: end each once, in its callback",
    )
}

pub(crate) const BEGIN: &str = "begin a request for an event";
