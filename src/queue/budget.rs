//! `Budget`: how much a worker runs before it yields, and when it reads the clock.
//!
//! Reading the clock takes as long as running a small callback. While callbacks prove quick they are timed in *groups*:
//! the first one alone, then twice as many at each reading, up to [`GROUP`]. A group that took longer than so many quick
//! callbacks do counts as one callback of that length, because one of them was slow, and the next is timed alone again.
//! Callbacks that promise a short time are always timed alone.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::async_result::{CallbackFlags, QueueId};
use crate::observe::{self, Time};
use crate::sync::STEADY;

/// What one poll of a worker may spend.
pub(crate) struct Budget {
    items: u32,
    until: Instant,
    /// The last reading of the clock: a group began.
    now: Instant,
    /// The callbacks of the group so far, and the name of the last.
    group: u32,
    name: &'static str,
    size: u32,
    /// How many turns of serial queues run inside each other.
    pub(crate) nesting: u32,
    /// Whether the worker's local queue holds something.
    pub(crate) has_local: bool,
}

impl Budget {
    /// A budget for a worker whose callbacks were timed in groups of `size` so far.
    #[inline]
    pub(crate) fn new(now: Instant, size: u32) -> Budget {
        Budget {
            items: ITEMS,
            until: now + SLICE,
            now,
            group: 0,
            name: "",
            size,
            nesting: 0,
            has_local: false,
        }
    }

    /// For one item, however long it takes.
    pub(crate) fn single() -> Budget {
        Budget { items: 1, ..Budget::new(Instant::now(), 1) }
    }

    /// How many callbacks share a reading of the clock, and are taken out together; 1 if they are not known to be quick.
    #[inline]
    pub(crate) fn group_size(&self) -> u32 {
        self.size
    }

    /// The time as of the last reading, at most a group of quick callbacks ago.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Reads the clock after something that was no callback.
    pub(crate) fn read(&mut self) {
        self.now = Instant::now();
    }

    /// A callback has returned. Returns the time that it took, if the clock is read now.
    #[inline]
    pub(crate) fn record(
        &mut self,
        queue: QueueId,
        flags: CallbackFlags,
        name: &'static str,
    ) -> Option<Time> {
        self.group += 1;
        self.name = name;
        if self.group < self.size && !is_timed_alone(flags) {
            return None;
        }
        Some(self.end_group(queue, flags))
    }

    /// Ends a group that has begun, because nothing follows, or something of another kind does.
    #[inline]
    pub(crate) fn flush(&mut self, queue: QueueId) -> Option<Time> {
        (self.group > 0).then(|| self.end_group(queue, CallbackFlags::empty()))
    }

    /// One item has ended; true if it was the last of this poll.
    #[inline]
    pub(crate) fn consume(&mut self) -> bool {
        self.items = self.items.saturating_sub(1);
        self.items == 0 || self.now >= self.until
    }

    fn end_group(&mut self, queue: QueueId, flags: CallbackFlags) -> Time {
        let end = Instant::now();
        let took = end.saturating_duration_since(self.now);
        self.now = end;
        let count = std::mem::take(&mut self.group);
        let quick = STEADY || took <= QUICK * count;
        self.size = if quick { (self.size * 2).min(GROUP) } else { 1 };
        if quick {
            // No promise is that short.
            return Time { took: took / count, overrun: false };
        }
        let promise = observe::promised(flags).filter(|promise| took > *promise);
        if let Some(promise) = promise {
            observe::warn_overrun(queue, self.name, took, promise);
        }
        Time { took, overrun: promise.is_some() }
    }
}

/// A time in half the size of an [`Instant`]: nanoseconds since the first one was taken, plus one.
#[derive(Clone, Copy)]
pub(crate) struct Stamp(NonZeroU64);

impl Stamp {
    pub(crate) fn now() -> Stamp {
        let now = Instant::now();
        let nanos = now.saturating_duration_since(*FIRST.get_or_init(|| now)).as_nanos() as u64;
        Stamp(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// How long it is until `now`.
    pub(crate) fn until(self, now: Instant) -> Duration {
        let at = FIRST.get().map(|first| *first + Duration::from_nanos(self.0.get() - 1));
        at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }
}

static FIRST: OnceLock<Instant> = OnceLock::new();

/// Whether a callback with these flags is timed on its own, from its very start.
#[inline]
pub(crate) fn is_timed_alone(flags: CallbackFlags) -> bool {
    flags.intersects(CallbackFlags::FAST_IO_PROCESSING | CallbackFlags::SIGNAL | CallbackFlags::BLOCKING)
}

/// At most so many items in a row: at about 50 ns each they take less than [`SLICE`].
const ITEMS: u32 = 512;

/// At most so long in a row, plus the callbacks of the group that is running.
const SLICE: Duration = if STEADY { Duration::from_secs(3600) } else { Duration::from_micros(100) };

/// So many quick callbacks share one reading of the clock (25 to 40 ns), which then costs each about 1 ns.
const GROUP: u32 = 32;

/// Callbacks that take less, on the average of a group, are quick.
const QUICK: Duration = Duration::from_micros(2);

/// Of the items that find others waiting, every so many-th has its wait measured.
pub(crate) const SAMPLE: u64 = 16;

#[cfg(test)]
#[cfg(not(any(mf_async_loom, mf_async_shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_these_numbers() {
        let guide = include_str!("../guide/ordering.md");
        let numbers = format!("{} µs or {ITEMS} items", SLICE.as_micros());
        assert!(guide.contains(&numbers), "the chapter on ordering says something else than: {numbers}");
    }
}
