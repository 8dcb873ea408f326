//! A pointer to a COM object of this crate's that does not keep it.

use windows::core::{Interface, Weak};

use crate::com::Mta;

/// What an [`Mta`] can be had of while the object lives.
pub(crate) struct WeakMta<I: Interface> {
    weak: Weak<I>,
}

impl<I: Interface> WeakMta<I> {
    /// Of an object that `Mta::of` made.
    pub(crate) fn of(object: &Mta<I>) -> windows::core::Result<WeakMta<I>> {
        Ok(WeakMta { weak: object.downgrade()? })
    }

    pub(crate) fn upgrade(&self) -> Option<Mta<I>> {
        // SAFETY: it was made of an `Mta` to the same object, which nothing but Rust has made.
        self.weak.upgrade().map(|object| unsafe { Mta::new(object) })
    }
}

// SAFETY: objects that `#[implement]` makes count their weak references atomically, too, and it is an `Mta` that it was
// made of: the object may be used by every thread.
unsafe impl<I: Interface> Send for WeakMta<I> {}
// SAFETY: as above.
unsafe impl<I: Interface> Sync for WeakMta<I> {}
