//! The locks and atomics of what is model-checked: the standard library's, or loom's in its own tests.

#[cfg(not(all(test, mf_async_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(all(test, mf_async_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

/// Whether a model runs, which must take the same steps however long they take.
pub(crate) const MODELLED: bool = cfg!(all(test, mf_async_loom));
