//! `Overflow`: what a stream does with events that come faster than they are read. The choice is a type.

/// What an [`EventStream`](crate::EventStream) does when events come faster than they are read.
///
/// The choice is one of [`Lossless`], [`Latest`], [`DropOldest`] and [`DropNewest`].
pub trait Overflow: sealed::Sealed + Send + 'static {}

/// Loses nothing: what is not read stays in the generator's own queue.
///
/// The stream takes events from there when it is read, and asks for the next when it has run dry. So a
/// reader that is slow makes the generator's queue grow, not the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lossless;

/// Keeps only the newest event that was not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latest;

/// Keeps at most so many events that were not read; the oldest makes room for the newest. 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropOldest(
    /// How many.
    pub usize,
);

/// Keeps at most so many events that were not read; what comes then is lost. 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropNewest(
    /// How many.
    pub usize,
);

/// The choice, as the pump reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Policy {
    Wait,
    DropOldest(usize),
    DropNewest(usize),
}

mod sealed {
    use super::Policy;

    pub trait Sealed {
        #[doc(hidden)]
        #[allow(private_interfaces, reason = "code outside cannot call or implement it")]
        fn policy(&self) -> Policy;
    }
}

pub(crate) use sealed::Sealed;

impl Overflow for Lossless {}
impl Overflow for Latest {}
impl Overflow for DropOldest {}
impl Overflow for DropNewest {}

#[allow(private_interfaces, reason = "as declared")]
mod choices {
    use super::{DropNewest, DropOldest, Latest, Lossless, Policy, Sealed};

    impl Sealed for Lossless {
        fn policy(&self) -> Policy {
            Policy::Wait
        }
    }

    impl Sealed for Latest {
        fn policy(&self) -> Policy {
            Policy::DropOldest(1)
        }
    }

    impl Sealed for DropOldest {
        fn policy(&self) -> Policy {
            Policy::DropOldest(self.0.max(1))
        }
    }

    impl Sealed for DropNewest {
        fn policy(&self) -> Policy {
            Policy::DropNewest(self.0.max(1))
        }
    }
}
