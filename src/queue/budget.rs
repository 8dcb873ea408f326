//! What a drain task may do before it lets others have their turn, and the clock that it reads for it.
//!
//! Reading the clock takes as long as running a small callback. So while callbacks prove quick they are
//! timed in *groups*: a first one alone, then twice as many at each reading, up to [`GROUP`]. A group that
//! took longer than so many quick callbacks do counts as one callback of that length, since one of them
//! was slow, and the next is timed alone again. Callbacks with a promise that is short are always timed alone.

use std::time::{Duration, Instant};

use crate::async_result::{CallbackFlags, QueueId};
use crate::observe::{self, Time};
use crate::sync::STEADY;

/// What one poll of a drain task may spend.
pub(crate) struct Budget {
    items: u32,
    until: Instant,
    /// When the clock was last read: a group began.
    now: Instant,
    /// The callbacks of the group so far, and the name of the last.
    group: u32,
    name: &'static str,
    pace: Pace,
}

/// How quick callbacks were so far.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// How many make a group.
    size: u32,
    /// Whether one takes less time than waking another thread does.
    quick: bool,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { size: 1, quick: false }
    }
}

impl Budget {
    #[inline]
    pub(crate) fn new(now: Instant, pace: Pace) -> Budget {
        Budget { items: ITEMS, until: now + SLICE, now, group: 0, name: "", pace }
    }

    /// For one item, whatever it takes.
    pub(crate) fn single(now: Instant) -> Budget {
        Budget { items: 1, ..Budget::new(now, Pace::default()) }
    }

    #[inline]
    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// How many items may be taken out together: as many as share a reading of the clock.
    #[inline]
    pub(crate) fn group(&self) -> usize {
        self.pace.size as usize
    }

    /// Whether callbacks take less time than waking another thread does.
    #[inline]
    pub(crate) fn is_quick(&self) -> bool {
        self.pace.quick
    }

    /// The time, as of the last reading: at most a group of quick callbacks ago.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Whether callbacks have run whose time is not known yet.
    #[inline]
    pub(crate) fn is_group_open(&self) -> bool {
        self.group > 0
    }

    /// Reads the clock after something that was no callback.
    pub(crate) fn read(&mut self) {
        self.now = Instant::now();
    }

    /// A callback is back. Gives the time that it took, if that is read now.
    #[inline]
    pub(crate) fn ran(&mut self, queue: QueueId, flags: CallbackFlags, name: &'static str) -> Option<Time> {
        self.group += 1;
        self.name = name;
        if self.group < self.pace.size && !is_timed_alone(flags) {
            return None;
        }
        self.end_group(queue, flags)
    }

    /// Ends a group that has begun, because there is nothing more, or something of another kind comes.
    #[inline]
    pub(crate) fn close(&mut self, queue: QueueId) -> Option<Time> {
        if self.group == 0 { None } else { self.end_group(queue, CallbackFlags::empty()) }
    }

    /// One item has ended; true if it was the last for this turn.
    #[inline]
    pub(crate) fn spend(&mut self) -> bool {
        self.items = self.items.saturating_sub(1);
        self.items == 0 || self.now >= self.until
    }

    fn end_group(&mut self, queue: QueueId, flags: CallbackFlags) -> Option<Time> {
        let end = Instant::now();
        let elapsed = end.saturating_duration_since(self.now);
        self.now = end;
        let count = std::mem::take(&mut self.group);
        let quick = STEADY || elapsed <= QUICK * count;
        self.pace.size = if quick { (self.pace.size * 2).min(GROUP) } else { 1 };
        self.pace.quick = STEADY || elapsed <= WAKE * count;
        if quick {
            // No promise is that short.
            let took = if count > 1 { elapsed / count } else { elapsed };
            return Some(Time { took, overrun: false });
        }
        let took = elapsed;
        let promise = observe::promised(flags);
        let overrun = promise.is_some_and(|promise| took > promise);
        if let (true, Some(promise)) = (overrun, promise) {
            observe::tell_overrun(queue, self.name, took, promise);
        }
        Some(Time { took, overrun })
    }
}

/// Whether a callback with these flags is timed on its own, from its very start.
#[inline]
pub(crate) fn is_timed_alone(flags: CallbackFlags) -> bool {
    flags.intersects(CallbackFlags::FAST_IO_PROCESSING | CallbackFlags::SIGNAL | CallbackFlags::BLOCKING)
}

/// At most so many items in a row: at about 50 ns each they take less than `SLICE`.
const ITEMS: u32 = 512;

/// At most so long in a row, save for the callbacks of the group that is just running.
const SLICE: Duration = if STEADY { Duration::from_secs(3600) } else { Duration::from_micros(100) };

/// So many quick callbacks share one reading of the clock, which then is a small part of what they cost.
const GROUP: u32 = 32;

/// Callbacks that take less, on the average of a group, are quick.
const QUICK: Duration = Duration::from_micros(2);

/// Callbacks that take less do not make others wait longer than waking somebody for them would.
const WAKE: Duration = Duration::from_nanos(500);
