//! `EventBuffer`: the events that a stream has fetched and its reader has not read, under its policy and filters.

use std::collections::VecDeque;

use crate::event::{MediaEvent, MediaEventType};
use crate::event_stream::overflow::Policy;

/// The buffer itself: plain data, under the pump's lock.
pub(crate) struct EventBuffer {
    policy: Policy,
    events: VecDeque<MediaEvent>,
    /// The events that are wanted; all of them if there is none.
    only: Option<Box<[MediaEventType]>>,
    last: Option<MediaEventType>,
    /// What came after the last event, once that is here.
    after_last: Option<Vec<MediaEvent>>,
    dropped: u64,
}

impl EventBuffer {
    pub(crate) fn new(policy: Policy) -> EventBuffer {
        EventBuffer { policy, events: VecDeque::new(), only: None, last: None, after_last: None, dropped: 0 }
    }

    /// Puts events in, as policy and filters say. Returns those that are not kept, and whether anything was kept
    /// or counted.
    #[must_use]
    pub(crate) fn put(&mut self, batch: &mut VecDeque<MediaEvent>) -> (Vec<MediaEvent>, bool) {
        let mut lost = Vec::new();
        if self.events.is_empty() && self.keeps_all() {
            std::mem::swap(&mut self.events, batch);
            return (lost, !self.events.is_empty());
        }
        let before = (self.events.len(), self.dropped);
        for event in batch.drain(..) {
            if let Some(after) = &mut self.after_last {
                after.push(event);
            } else if self.last == Some(event.event_type()) {
                // It is kept however full the buffer is: the stream ends with it.
                self.events.push_back(event);
                self.after_last = Some(Vec::new());
            } else if !self.wants(&event) {
                lost.push(event);
            } else {
                lost.extend(self.keep(event));
            }
        }
        (lost, (self.events.len(), self.dropped) != before)
    }

    /// Takes the next event; a lossless stream also gets those behind it.
    pub(crate) fn pop(&mut self, ready: &mut VecDeque<MediaEvent>) -> Option<MediaEvent> {
        let event = self.events.pop_front()?;
        if self.is_lossless() {
            std::mem::swap(&mut self.events, ready);
        }
        Some(event)
    }

    /// Whether no more events are to be fetched before some are read.
    pub(crate) fn is_full(&self) -> bool {
        self.after_last.is_some() || (self.is_lossless() && !self.events.is_empty())
    }

    /// Whether the last event was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.after_last.is_some() && self.events.is_empty()
    }

    /// How many events were lost because they were not read in time.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Keeps only these events from now on. Returns what was kept and is not wanted.
    #[must_use]
    pub(crate) fn only(
        &mut self,
        wanted: Box<[MediaEventType]>,
        ready: &mut VecDeque<MediaEvent>,
    ) -> Vec<MediaEvent> {
        self.only = Some(wanted);
        self.refilter(ready)
    }

    /// Ends with the first event of this type. Returns what was kept and is not wanted.
    #[must_use]
    pub(crate) fn until(
        &mut self,
        last: MediaEventType,
        ready: &mut VecDeque<MediaEvent>,
    ) -> Vec<MediaEvent> {
        self.last = Some(last);
        self.refilter(ready)
    }

    /// Everything that was fetched and not read, in its order.
    pub(crate) fn take_all(&mut self, ready: VecDeque<MediaEvent>) -> Vec<MediaEvent> {
        let mut all = Vec::from(ready);
        all.extend(std::mem::take(&mut self.events));
        all.extend(self.after_last.take().unwrap_or_default());
        all
    }

    fn refilter(&mut self, ready: &mut VecDeque<MediaEvent>) -> Vec<MediaEvent> {
        let mut all = VecDeque::from(self.take_all(std::mem::take(ready)));
        self.put(&mut all).0
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

    /// Whether every event is kept, and none is the last.
    fn keeps_all(&self) -> bool {
        self.is_lossless() && self.only.is_none() && self.last.is_none()
    }

    pub(crate) fn is_lossless(&self) -> bool {
        matches!(self.policy, Policy::Wait)
    }
}
