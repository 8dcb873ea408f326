//! `Priority`: which of the waiting items of a queue goes first.

/// Which of the waiting items of a queue goes first: `MFPutWorkItem2`'s `Priority`.
///
/// It orders what waits; nothing that runs is ever interrupted. Within one priority the first in is
/// the first out. On a serial queue the order is that of the puts, and the priorities do not change it; they count
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
#[repr(usize)]
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
