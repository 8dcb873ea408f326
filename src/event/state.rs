//! The state of an event queue: its events and its one request, and the code for every call.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::async_result::{AsyncCallback, AsyncResult, Unknown, WeakResult};
use crate::error::{Error, Hresult, Result};
use crate::event::MediaEvent;

/// The queue proper: plain data, under one lock, that calls nobody.
///
/// ```text
/// no request ──begin──► pending ──an event is there──► called ──end──► no request
/// ```
#[derive(Default)]
pub(crate) struct State {
    pub(crate) events: VecDeque<MediaEvent>,
    pub(crate) request: Option<Request>,
    /// The stream that has the events to itself.
    subscriber: Option<Weak<dyn Any + Send + Sync>>,
    /// Streams that are gone, and have not given back what they took: until they have, nobody is given an
    /// event that came behind it.
    leaving: Vec<Weak<dyn Any + Send + Sync>>,
    /// Threads that wait for an event.
    pub(crate) blocked: usize,
    pub(crate) closed: bool,
}

/// The outstanding request. Once it is called it is only known by its identity: whoever has its result
/// can end it.
pub(crate) struct Request {
    pub(crate) id: WeakResult,
    callback: Weak<dyn AsyncCallback>,
    state: Option<Weak<dyn Any + Send + Sync>>,
    /// Taken when the callback is called.
    pub(crate) pending: Option<AsyncResult>,
}

/// Who is to be called.
pub(crate) enum Call {
    /// Anybody's callback: on the work queue that it names.
    Callback(AsyncResult),
    /// The callback of the stream that has subscribed.
    Stream(AsyncResult),
}

impl State {
    /// Closes it; returns what it held, to be let go.
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

    /// Open, and no request outstanding.
    pub(crate) fn free(&self, doing: &'static str) -> Result<()> {
        self.open(doing)?;
        if self.request.is_some() {
            let what = format!(
                "{doing} while a request for the next event is outstanding: a generator has one reader at a time"
            );
            return Err(Error::new(Hresult::MF_E_MULTIPLE_SUBSCRIBERS, what));
        }
        Ok(())
    }

    /// Whether a request may be begun: `None` says yes, a code that it was begun before.
    pub(crate) fn begun_before(
        &self,
        callback: &Arc<dyn AsyncCallback>,
        state: Option<&Unknown>,
    ) -> Result<Option<Hresult>> {
        self.open(BEGIN)?;
        if state.is_some_and(|state| self.leaving.iter().any(|former| same(former, state))) {
            return Err(Error::new(
                Hresult::MF_E_NOTACCEPTING,
                "begin a request for an event of a stream that is gone",
            ));
        }
        let Some(request) = &self.request else { return Ok(None) };
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

    /// Whether there is an event that anybody may have.
    pub(crate) fn ready(&self) -> bool {
        !self.events.is_empty() && self.leaving.is_empty()
    }

    /// The next event, for who asks without a request.
    pub(crate) fn next(&mut self) -> Option<MediaEvent> {
        if self.ready() { self.events.pop_front() } else { None }
    }

    /// Takes up to `most` events.
    pub(crate) fn take(&mut self, most: usize, into: &mut Vec<MediaEvent>) -> Result<()> {
        self.free("take events of an event queue")?;
        if self.ready() {
            let count = most.min(self.events.len());
            into.extend(self.events.drain(..count));
        }
        Ok(())
    }

    /// The pending request's call, if there is an event for it, to be made when the lock is off.
    #[must_use]
    pub(crate) fn call(&mut self) -> Option<Call> {
        if !self.ready() {
            return None;
        }
        let request = self.request.as_mut()?;
        let result = request.pending.take()?;
        let of_stream = match (&request.state, &self.subscriber) {
            (Some(state), Some(subscriber)) => std::ptr::addr_eq(state.as_ptr(), subscriber.as_ptr()),
            _ => false,
        };
        Some(if of_stream { Call::Stream(result) } else { Call::Callback(result) })
    }

    /// The event for the request whose result this is, and the request, to be let go when the lock is off.
    pub(crate) fn end(&mut self, result: &AsyncResult) -> Result<(MediaEvent, Option<Request>)> {
        self.open("end a request for an event")?;
        let ours = self.request.as_ref().is_some_and(|request| request.id.is(result));
        let event = if ours { self.events.pop_front() } else { None };
        let Some(event) = event else {
            return Err(Error::new(
                Hresult::E_FAIL,
                "end a request for an event with a result that is not the outstanding request's: end each once, in its callback",
            ));
        };
        Ok((event, self.request.take()))
    }

    pub(crate) fn subscribe(&mut self, subscriber: &Unknown) -> Result<()> {
        const DOING: &str = "receive the events of an event queue";
        self.free(DOING)?;
        if self.subscriber.as_ref().is_some_and(|former| former.strong_count() > 0) {
            return Err(Error::new(
                Hresult::MF_E_MULTIPLE_SUBSCRIBERS,
                "receive the events of an event queue that another stream receives: a generator has one reader at a time",
            ));
        }
        self.subscriber = Some(Arc::downgrade(subscriber));
        Ok(())
    }

    /// The stream is gone: another may subscribe. Returns its request, if one is outstanding, which is taken
    /// back, also from a callback that is on its way: the event stays here.
    #[must_use]
    pub(crate) fn leave(&mut self, subscriber: &Unknown) -> Option<Request> {
        self.leaving.push(self.subscriber.take_if(|former| same(former, subscriber))?);
        self.request.take_if(|request| request.state.as_ref().is_some_and(|state| same(state, subscriber)))
    }

    /// A stream that has left gives back what it took and nobody has read. Returns what nobody can have.
    #[must_use]
    pub(crate) fn unsubscribe(&mut self, subscriber: &Unknown, unread: Vec<MediaEvent>) -> Vec<MediaEvent> {
        self.leaving.retain(|former| !same(former, subscriber));
        if self.closed {
            return unread;
        }
        for event in unread.into_iter().rev() {
            self.events.push_front(event);
        }
        Vec::new()
    }
}

impl Request {
    pub(crate) fn new(
        result: AsyncResult,
        callback: &Arc<dyn AsyncCallback>,
        state: Option<&Unknown>,
    ) -> Request {
        Request {
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

/// Whether both are the same object, whatever is known of its type.
fn same<T: ?Sized>(weak: &Weak<T>, strong: &Arc<T>) -> bool {
    std::ptr::addr_eq(weak.as_ptr(), Arc::as_ptr(strong))
}

pub(crate) const BEGIN: &str = "begin a request for an event";
