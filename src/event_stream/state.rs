//! The state of a pump: its one request, who drives it, and what is to be done next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use crate::async_result::{AsyncCallback, AsyncResult, WeakResult};
use crate::error::Error;
use crate::event::MediaEvent;
use crate::event_stream::buffer::EventBuffer;
use crate::event_stream::overflow::Policy;

/// The request of a stream for the next event.
///
/// | state | what it means | next |
/// |---|---|---|
/// | `None` | no request is outstanding | `Beginning` (the driver begins one) |
/// | `Beginning` | Begin is on its way | `Outstanding` (it is back), `Called` (the callback came first), `None` (it was refused) |
/// | `Outstanding` | the generator has the callback | `Called` (it invokes it), `None` (it drops it) |
/// | `Called` | the callback was invoked with this result: End is due | `None` (the driver ends it) |
///
/// Only the driver leaves `None` and `Called`. It is one thread at a time: that of the reader when it polls, or
/// that which invokes the callback. A callback that comes while another thread drives leaves its result to that one,
/// so nothing recurses, and Begin may call back on its own stack.
#[derive(Default)]
pub(crate) enum StreamRequest {
    #[default]
    None,
    Beginning,
    Outstanding,
    Called(AsyncResult),
}

/// Why a pump rests.
pub(crate) enum Failure {
    /// Begin or End failed.
    Error(Error),
    /// The generator dropped the callback without invoking it.
    Dropped,
}

/// What the driver is to do; the empty list is what it fetches into.
pub(crate) enum PumpStep {
    /// End the request of this result.
    End(AsyncResult, VecDeque<MediaEvent>),
    /// Fetch what is there, and begin a request if nothing is.
    Ask(VecDeque<MediaEvent>),
    /// Nothing: it drives no more.
    Rest,
}

/// The state itself: plain data, under the pump's lock.
pub(crate) struct State {
    pub(crate) request: StreamRequest,
    /// Whether a thread drives the pump.
    pub(crate) is_driven: bool,
    /// Whether the driver has worked long enough: the next callback is to come over a work queue.
    pub(crate) is_tired: bool,
    /// Whether the stream is gone.
    pub(crate) is_closed: bool,
    /// Results that were left for the reader, and that a work queue will invoke with as well: what comes first counts.
    queued: Vec<WeakResult>,
    pub(crate) buffer: EventBuffer,
    pub(crate) failure: Option<Failure>,
    pub(crate) waker: Option<Waker>,
    /// Threads that may hold events which are in no other place: the driver, and the one that closes the stream.
    pub(crate) active: u32,
    /// What goes back to the generator when the stream is gone and no thread is active.
    pub(crate) unread: Vec<MediaEvent>,
    /// The callback, while no generator has it.
    pub(crate) callback: Option<Arc<dyn AsyncCallback>>,
    /// The requests that were ended last: a second call for one of them is one too many.
    ended: VecDeque<WeakResult>,
    /// What events are fetched into, empty between two fetches.
    pub(crate) scratch: VecDeque<MediaEvent>,
}

impl State {
    pub(crate) fn new(policy: Policy) -> State {
        State {
            request: StreamRequest::None,
            is_driven: false,
            is_tired: false,
            is_closed: false,
            queued: Vec::new(),
            buffer: EventBuffer::new(policy),
            failure: None,
            waker: None,
            active: 0,
            unread: Vec::new(),
            callback: None,
            ended: VecDeque::with_capacity(ENDED),
            scratch: VecDeque::new(),
        }
    }

    /// Makes the caller the driver; false if another thread is.
    #[must_use]
    pub(crate) fn claim(&mut self) -> bool {
        let is_claimed = !std::mem::replace(&mut self.is_driven, true);
        if is_claimed {
            self.active += 1;
            self.is_tired = false;
        }
        is_claimed
    }

    /// What the driver does next. End is always called, also when the stream is gone.
    pub(crate) fn step(&mut self) -> PumpStep {
        match std::mem::take(&mut self.request) {
            StreamRequest::Called(result) => {
                self.ended.truncate(ENDED - 1);
                self.ended.push_front(result.downgrade());
                return PumpStep::End(result, std::mem::take(&mut self.scratch));
            }
            StreamRequest::None if !self.is_closed && self.failure.is_none() && !self.buffer.is_full() => {
                return PumpStep::Ask(std::mem::take(&mut self.scratch));
            }
            other => self.request = other,
        }
        self.is_driven = false;
        PumpStep::Rest
    }

    /// Whether an invocation with this result is the one that the request waits for.
    pub(crate) fn awaits(&self, result: &AsyncResult) -> bool {
        matches!(self.request, StreamRequest::Beginning | StreamRequest::Outstanding)
            && !self.ended.iter().any(|ended| ended.is(result))
    }

    /// Leaves a result for the reader or the work queue, whichever comes first.
    pub(crate) fn add_queued(&mut self, result: &AsyncResult) {
        self.queued.push(result.downgrade());
    }

    /// Whether this invocation is that of the work queue, for a result that was left for the reader as well.
    pub(crate) fn take_queued(&mut self, result: &AsyncResult) -> bool {
        let found = self.queued.iter().position(|queued| queued.is(result));
        found.map(|at| self.queued.swap_remove(at)).is_some()
    }
}

/// So many requests are remembered after their End.
const ENDED: usize = 4;
