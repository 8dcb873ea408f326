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
pub(crate) struct Lanes<T> {
    high: VecDeque<T>,
    normal: VecDeque<T>,
    low: VecDeque<T>,
}

impl<T> Lanes<T> {
    pub(crate) fn push(&mut self, priority: Priority, item: T) {
        match priority {
            Priority::High => self.high.push_back(item),
            Priority::Normal => self.normal.push_back(item),
            Priority::Low => self.low.push_back(item),
        }
    }

    /// The next one, if its priority is `least` or higher.
    pub(crate) fn pop(&mut self, least: Priority) -> Option<T> {
        let high = self.high.pop_front();
        if high.is_some() || least == Priority::High {
            return high;
        }
        let normal = self.normal.pop_front();
        if normal.is_some() || least == Priority::Normal {
            return normal;
        }
        self.low.pop_front()
    }

    /// Whether anything waits in the first lane.
    pub(crate) fn has_high(&self) -> bool {
        !self.high.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.high.len() + self.normal.len() + self.low.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.high.is_empty() && self.normal.is_empty() && self.low.is_empty()
    }

    /// The front of each lane that has one.
    pub(crate) fn fronts(&self) -> impl Iterator<Item = &T> {
        [self.high.front(), self.normal.front(), self.low.front()].into_iter().flatten()
    }
}

impl<T> Default for Lanes<T> {
    fn default() -> Lanes<T> {
        Lanes { high: VecDeque::new(), normal: VecDeque::new(), low: VecDeque::new() }
    }
}

impl Lanes<Item> {
    /// Moves the next ones over, all of one lane: at most so many, one that may be overtaken by what comes in
    /// alone, and a turn alone, since it may take as long as many items.
    pub(crate) fn take(&mut self, most: usize, into: &mut VecDeque<Item>) {
        let (lane, most) = if !self.high.is_empty() {
            (&mut self.high, most)
        } else if !self.normal.is_empty() {
            (&mut self.normal, most)
        } else {
            (&mut self.low, 1)
        };
        let until_turn = lane.iter().take(most).take_while(|item| !item.is_turn()).count();
        into.extend(lane.drain(..until_turn.max(1).min(lane.len())));
    }
}
