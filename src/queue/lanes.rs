//! Three first-in-first-out lanes, one per priority: what waits, in the order in which it is taken out.

use std::collections::VecDeque;

use crate::queue::item::Item;

/// Which of the waiting items of a queue goes first: `MFPutWorkItem2`'s `Priority`.
///
/// It orders what waits; nothing that runs is ever interrupted. Within one priority the first in is
/// the first out. On a serial queue the order is that of the puts, whatever the priorities; they count
/// where the serial queue competes for the threads of the queue below.
///
/// ```
/// use mf_async::Priority;
///
/// assert_eq!(Priority::from(7), Priority::High);
/// assert_eq!(Priority::from(0), Priority::Normal);
/// assert_eq!(Priority::from(i32::MIN), Priority::Low);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// -1: after the others.
    Low,
    /// 0: what a put without a priority has.
    #[default]
    Normal,
    /// 1: before the others.
    High,
}

impl From<i32> for Priority {
    /// By sign: Media Foundation's numbers are -1, 0 and 1, and no page says what others mean.
    fn from(number: i32) -> Priority {
        match number.signum() {
            1 => Priority::High,
            0 => Priority::Normal,
            _ => Priority::Low,
        }
    }
}

/// What waits, by priority. An unused lane costs an empty `VecDeque`, which owns no memory.
#[derive(Default)]
pub(crate) struct Lanes {
    high: VecDeque<Item>,
    normal: VecDeque<Item>,
    low: VecDeque<Item>,
    /// How many turns of serial queues are among them.
    turns: usize,
}

impl Lanes {
    #[inline]
    pub(crate) fn push(&mut self, priority: Priority, item: Item) {
        self.turns += usize::from(item.is_turn());
        match priority {
            Priority::High => self.high.push_back(item),
            Priority::Normal => self.normal.push_back(item),
            Priority::Low => self.low.push_back(item),
        }
    }

    /// The next one, if its priority is `least` or higher.
    #[inline]
    pub(crate) fn pop(&mut self, least: Priority) -> Option<Item> {
        let mut item = self.high.pop_front();
        if item.is_none() && least <= Priority::Normal {
            item = self.normal.pop_front();
        }
        if item.is_none() && least == Priority::Low {
            item = self.low.pop_front();
        }
        self.turns -= usize::from(item.as_ref().is_some_and(Item::is_turn));
        item
    }

    /// Whether anything waits in the first lane.
    #[inline]
    pub(crate) fn has_high(&self) -> bool {
        !self.high.is_empty()
    }

    /// Moves the next ones over into a hand that is empty, all of one lane: about so many, one that may be
    /// overtaken by what comes in alone, and a turn alone, since it may take as long as many items.
    pub(crate) fn take(&mut self, about: usize, into: &mut VecDeque<Item>) {
        let (lane, about) = if !self.high.is_empty() {
            (&mut self.high, about)
        } else if !self.normal.is_empty() {
            (&mut self.normal, about)
        } else {
            (&mut self.low, 1)
        };
        if self.turns == 0 && about > 1 && lane.len() <= about.saturating_mul(2) {
            // They change places, so that neither side ever allocates again once it has grown.
            std::mem::swap(lane, into);
            return;
        }
        let before_turn = lane.iter().take(about).take_while(|item| !item.is_turn()).count();
        self.turns -= usize::from(before_turn == 0 && !lane.is_empty());
        into.extend(lane.drain(..before_turn.max(1).min(lane.len())));
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.high.len() + self.normal.len() + self.low.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.high.is_empty() && self.normal.is_empty() && self.low.is_empty()
    }

    /// The front of each lane that has one.
    pub(crate) fn fronts(&self) -> impl Iterator<Item = &Item> {
        [self.high.front(), self.normal.front(), self.low.front()].into_iter().flatten()
    }
}
