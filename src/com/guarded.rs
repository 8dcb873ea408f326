//! `Guarded`: a user's value inside a COM object, whose panicking drop stops there; and how many such objects live.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::contain::drop_contained;

/// How many COM objects live whose code is in this module: those of this crate's, and those that hold a [`LiveObject`].
///
/// A DLL that hands such objects out, a virtual camera for example, must not be unloaded while one lives. Its
/// `DllCanUnloadNow` is `S_OK` only at zero. Zero says that nothing of an object's is left but the last instructions of
/// its release: a plug-in that can be unloaded at any moment keeps its module loaded for good instead, by
/// `GetModuleHandleExW` with `GET_MODULE_HANDLE_EX_FLAG_PIN`. Media Foundation leaks what is still scheduled when it is
/// shut down, and with it a callback: then the number never comes back to zero, and the DLL must stay, too.
///
/// ```no_run
/// use windows::Win32::Foundation::{S_FALSE, S_OK};
/// use windows::core::HRESULT;
///
/// #[unsafe(no_mangle)]
/// extern "system" fn DllCanUnloadNow() -> HRESULT {
///     if mf_async::com::live_objects() == 0 { S_OK } else { S_FALSE }
/// }
/// ```
#[doc(alias = "DllCanUnloadNow")]
#[must_use]
pub fn live_objects() -> usize {
    // ORDERING: Acquire pairs with the Release of a drop: who sees the object gone sees what its drop did.
    LIVE.load(Ordering::Acquire)
}

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// One of the [`live_objects`], as long as it lives: a field for an `#[implement]` struct of one's own.
#[derive(Debug)]
pub struct LiveObject(());

impl LiveObject {
    /// Counts one more.
    #[must_use]
    pub fn new() -> LiveObject {
        // ORDERING: Relaxed: the hand-over of the object orders that.
        LIVE.fetch_add(1, Ordering::Relaxed);
        LiveObject(())
    }
}

impl Default for LiveObject {
    fn default() -> LiveObject {
        LiveObject::new()
    }
}

impl Drop for LiveObject {
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire of `live_objects`.
        LIVE.fetch_sub(1, Ordering::Release);
    }
}

/// What a COM object of this crate's owns. Every `#[implement]` struct holds its values in one of these.
///
/// The last reference to such an object is mostly released by Media Foundation, and `Release` cannot unwind: a panic
/// in the value's drop stops here.
pub(crate) struct Guarded<T> {
    value: ManuallyDrop<T>,
    _live: LiveObject,
}

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Guarded<T> {
        Guarded { value: ManuallyDrop::new(value), _live: LiveObject::new() }
    }
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: this is the only place that takes it out, and nothing uses it afterwards.
        drop_contained(unsafe { ManuallyDrop::take(&mut self.value) });
    }
}

impl<T: fmt::Debug> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    //! A value's panic stops at its object.

    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a drop of a user's");
        }
    }

    #[test]
    fn a_panicking_drop_stops_here() {
        drop(Guarded::new(Bomb));
    }
}
