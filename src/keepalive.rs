//! What an open platform lends to everything outstanding, and the moment when all of it is back.
//!
//! Every result, running callback, lock and armed operation holds a [`Keepalive`], a counted handle.
//! Nobody counts by hand: the last handle to go says so in its `Drop`, as the far end of a channel
//! does. What must be *told* of a shutdown also enters itself in the [`Register`] that the handle
//! leads to, and leaves it when it has ended.

#[cfg(all(test, mf_async_loom))]
mod loom;

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};

use slab::Slab;
use tokio::sync::SetOnce;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::sync::{Mutex, MutexGuard};

/// One thing that is outstanding: while any exists, [`Lender::all_back`] waits.
#[derive(Clone)]
pub struct Keepalive(Arc<Lent>);

impl Keepalive {
    /// A keepalive that no platform lent: nobody waits for it, and nothing shuts down what enters it.
    #[cfg(windows)]
    pub(crate) fn alone() -> Keepalive {
        Keepalive(Arc::new(Lent {
            register: Mutex::default(),
            back: Arc::default(),
            extra_calls: Arc::default(),
        }))
    }

    /// Enters something that shutdown must end, begun at `begun`.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when everything entered was told already; the caller then ends itself.
    pub(crate) fn enter(&self, armed: Weak<dyn Armed>, begun: &'static Location<'static>) -> Result<Entry> {
        let mut register = lock(&self.0.register);
        if register.closed {
            return Err(Error::shutdown("begin an operation on a platform that is shut down"));
        }
        let key = register.entries.insert(Outstanding { armed, begun, since: Instant::now() });
        drop(register);
        Ok(Entry { key, keepalive: self.clone() })
    }

    /// A callback was invoked once more than its operation needed: after it, twice, or too late.
    pub(crate) fn count_extra_call(&self) {
        // ORDERING: Relaxed, a counter that orders nothing.
        self.0.extra_calls.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Keepalive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keepalive")
    }
}

/// Something that a shutdown ends: an armed operation, an event queue, a pending wait.
pub(crate) trait Armed: Send + Sync {
    /// The platform shuts down: end now, with this error. Called with no lock held.
    fn shut_down(&self, error: &Error);

    /// What it is, and where its callback is to run, for people.
    fn describe(&self) -> String;
}

/// An entry in the register; dropping it leaves the register.
pub(crate) struct Entry {
    key: usize,
    keepalive: Keepalive,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let left = lock(&self.keepalive.0.register).entries.try_remove(self.key);
        // The weak handle may be the last owner of its memory: let go of it outside the lock.
        drop(left);
    }
}

/// The platform's side: hands out keepalives and learns when they are back.
pub(crate) struct Lender {
    lent: Weak<Lent>,
    /// The platform's own keepalive, given up when it shuts down.
    own: Mutex<Option<Keepalive>>,
    back: Arc<SetOnce<()>>,
    extra_calls: Arc<AtomicU64>,
}

impl Lender {
    pub(crate) fn new() -> Lender {
        let back = Arc::new(SetOnce::new());
        let extra_calls = Arc::new(AtomicU64::new(0));
        let lent = Arc::new(Lent {
            register: Mutex::default(),
            back: back.clone(),
            extra_calls: extra_calls.clone(),
        });
        Lender { lent: Arc::downgrade(&lent), own: Mutex::new(Some(Keepalive(lent))), back, extra_calls }
    }

    /// A keepalive, or `None` when the platform gave up its own and all others are back.
    pub(crate) fn lend(&self) -> Option<Keepalive> {
        self.lent.upgrade().map(Keepalive)
    }

    /// How many are out, the platform's own not counted.
    pub(crate) fn out(&self) -> usize {
        let own = usize::from(lock(&self.own).is_some());
        self.lent.strong_count().saturating_sub(own)
    }

    /// How many callbacks were invoked once more than their operations needed.
    pub(crate) fn extra_calls(&self) -> u64 {
        // ORDERING: Relaxed, a counter that orders nothing.
        self.extra_calls.load(Ordering::Relaxed)
    }

    /// What is entered just now.
    pub(crate) fn entered(&self) -> Vec<Outstanding> {
        self.lend().map_or_else(Vec::new, |keepalive| keepalive.0.entered())
    }

    /// Tells everything entered to end with `error`, and refuses later entries.
    pub(crate) fn shut_down(&self, error: &Error) {
        let Some(keepalive) = self.lend() else { return };
        lock(&keepalive.0.register).closed = true;
        for entry in keepalive.0.entered() {
            if let Some(armed) = entry.armed.upgrade() {
                armed.shut_down(error);
            }
        }
    }

    /// Gives up the platform's own keepalive: from now on the last one back ends the waiting.
    pub(crate) fn give_up(&self) {
        let own = lock(&self.own).take();
        drop(own);
    }

    /// Resolves when all are back, after [`give_up`](Lender::give_up).
    pub(crate) async fn all_back(&self) {
        self.back.wait().await;
    }
}

/// What every keepalive shares; its drop is the moment when all are back.
struct Lent {
    register: Mutex<Register>,
    back: Arc<SetOnce<()>>,
    extra_calls: Arc<AtomicU64>,
}

impl Lent {
    /// A copy of the entries, so that nothing is called and nothing let go under the lock.
    fn entered(&self) -> Vec<Outstanding> {
        lock(&self.register).entries.iter().map(|(_, entry)| entry.clone()).collect()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let _ = self.back.set(());
    }
}

/// What is entered for shutdown to end.
#[derive(Default)]
struct Register {
    entries: Slab<Outstanding>,
    closed: bool,
}

/// Something entered: what, and since when.
#[derive(Clone)]
pub(crate) struct Outstanding {
    armed: Weak<dyn Armed>,
    pub(crate) begun: &'static Location<'static>,
    pub(crate) since: Instant,
}

impl Outstanding {
    /// What it is, while it exists.
    pub(crate) fn describe(&self) -> Option<String> {
        Some(self.armed.upgrade()?.describe())
    }
}

/// A lock. A poisoned one is as good as any: no user code runs while it is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
