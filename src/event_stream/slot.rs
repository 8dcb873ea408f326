//! The slot of an event stream: what was fetched and not read, under the policy; and what the pump does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use crate::async_result::WeakResult;
use crate::error::Error;
use crate::event::{MediaEvent, MediaEventType};
use crate::event_stream::overflow::Policy;
use crate::event_stream::pump::PumpCallback;

/// What the pump does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing is outstanding, and nobody moves it.
    Idle,
    /// Somebody moves it, and nothing is outstanding.
    Pumping,
    /// Begin is on its way.
    Arming,
    /// The callback came before Begin was back, and ends its request.
    CallingEarly,
    /// It has done so; Begin is not back.
    CalledEarly,
    /// A request is outstanding.
    Armed,
    /// A request was let go without a call.
    LetGo,
    /// The stream is gone.
    Closed,
}

/// The slot itself: plain data, under the pump's lock, that calls nobody.
pub(crate) struct Slot {
    pub(crate) phase: Phase,
    pub(crate) policy: Policy,
    pub(crate) events: VecDeque<MediaEvent>,
    /// The events that are wanted; all if it says nothing.
    pub(crate) only: Option<Box<[MediaEventType]>>,
    pub(crate) last: Option<MediaEventType>,
    /// The last event is here; what came after it.
    pub(crate) after_last: Option<Vec<MediaEvent>>,
    pub(crate) dropped: u64,
    pub(crate) failed: Option<Error>,
    pub(crate) waker: Option<Waker>,
    /// How many move the pump just now: one, save when a callback comes before Begin is back.
    pub(crate) movers: u32,
    /// What goes back to the generator when the stream is gone and nobody moves the pump any more.
    pub(crate) unread: Vec<MediaEvent>,
    /// The callback, while no generator holds it.
    pub(crate) callback: Option<Arc<PumpCallback>>,
    /// The request that was ended last: a second call for it is none.
    pub(crate) ended: Option<WeakResult>,
    /// What events are fetched into, empty between two fetches.
    pub(crate) scratch: Vec<MediaEvent>,
}

impl Slot {
    /// A slot whose pump somebody moves.
    pub(crate) fn new(policy: Policy) -> Slot {
        Slot {
            phase: Phase::Pumping,
            policy,
            events: VecDeque::new(),
            only: None,
            last: None,
            after_last: None,
            dropped: 0,
            failed: None,
            waker: None,
            movers: 0,
            unread: Vec::new(),
            callback: None,
            ended: None,
            scratch: Vec::new(),
        }
    }

    /// Puts events in, as the policy says. Returns those that are not kept, and who is to be woken.
    #[must_use]
    pub(crate) fn put(&mut self, batch: &mut Vec<MediaEvent>) -> (Vec<MediaEvent>, Option<Waker>) {
        let mut lost = Vec::new();
        let before = (self.events.len(), self.dropped);
        for event in batch.drain(..) {
            if let Some(after) = &mut self.after_last {
                after.push(event);
            } else if self.last == Some(event.event_type()) {
                // It is kept however full the slot is: the stream ends by it.
                self.events.push_back(event);
                self.after_last = Some(Vec::new());
            } else if !self.wants(&event) {
                lost.push(event);
            } else {
                lost.extend(self.keep(event));
            }
        }
        let moved = (self.events.len(), self.dropped) != before;
        (lost, if moved { self.waker.take() } else { None })
    }

    /// Keeps an event; returns the one that is lost by that, if one is.
    fn keep(&mut self, event: MediaEvent) -> Option<MediaEvent> {
        let lost = match self.policy {
            Policy::DropOldest(most) if self.events.len() >= most => {
                let oldest = self.events.pop_front();
                self.events.push_back(event);
                oldest
            }
            Policy::DropNewest(most) if self.events.len() >= most => Some(event),
            _ => {
                self.events.push_back(event);
                None
            }
        };
        self.dropped += u64::from(lost.is_some());
        lost
    }

    fn wants(&self, event: &MediaEvent) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&event.event_type()))
    }

    /// Puts in again what is there, after what is wanted has changed.
    #[must_use]
    pub(crate) fn refilter(&mut self, ready: &mut VecDeque<MediaEvent>) -> Vec<MediaEvent> {
        let mut all = Vec::from(std::mem::take(ready));
        all.extend(std::mem::take(&mut self.events));
        all.extend(self.after_last.take().unwrap_or_default());
        self.put(&mut all).0
    }
}
