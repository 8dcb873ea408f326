//! The locks and atomics of what is model-checked: the standard library's, or those of a checker in its own tests.

#[cfg(not(all(test, any(mf_async_loom, mf_async_shuttle))))]
pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};
#[cfg(not(all(test, mf_async_shuttle)))]
pub(crate) use std::thread_local;

#[cfg(all(test, mf_async_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};

#[cfg(all(test, mf_async_shuttle))]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};
#[cfg(all(test, mf_async_shuttle))]
pub(crate) use shuttle::thread_local;

/// Locking without regard to poison: no user code runs while a lock of this crate is held, so a panic leaves
/// nothing half done.
pub(crate) trait LockExt {
    type Guard<'a>
    where
        Self: 'a;

    fn locked(&self) -> Self::Guard<'_>;
}

impl<T> LockExt for std::sync::Mutex<T> {
    type Guard<'a>
        = std::sync::MutexGuard<'a, T>
    where
        T: 'a;

    #[inline]
    fn locked(&self) -> std::sync::MutexGuard<'_, T> {
        self.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(all(test, any(mf_async_loom, mf_async_shuttle)))]
impl<T> LockExt for Mutex<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn locked(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether a model runs, which must take the same steps however long they take.
pub(crate) const MODELLED: bool = cfg!(all(test, any(mf_async_loom, mf_async_shuttle)));

/// Whether every callback counts as quick, however long it takes: in a model, and where instructions are counted,
/// which takes so long that nothing is quick by the clock.
pub(crate) const STEADY: bool = MODELLED || cfg!(mf_async_steady);
