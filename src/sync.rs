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

/// Identifies a thread among all that run.
#[cfg(not(all(test, any(mf_async_loom, mf_async_shuttle))))]
pub(crate) type ThreadMark = usize;
#[cfg(all(test, mf_async_loom))]
pub(crate) type ThreadMark = loom::thread::ThreadId;
#[cfg(all(test, mf_async_shuttle))]
pub(crate) type ThreadMark = shuttle::thread::ThreadId;

/// The mark of the current thread: the address of what is its own, which costs less than its id.
#[cfg(not(all(test, any(mf_async_loom, mf_async_shuttle))))]
#[inline]
pub(crate) fn thread_mark() -> ThreadMark {
    std::thread_local!(static OWN: u8 = const { 0 });
    OWN.with(|own| std::ptr::from_ref(own) as usize)
}
#[cfg(all(test, mf_async_loom))]
pub(crate) fn thread_mark() -> ThreadMark {
    loom::thread::current().id()
}
#[cfg(all(test, mf_async_shuttle))]
pub(crate) fn thread_mark() -> ThreadMark {
    shuttle::thread::current().id()
}

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
