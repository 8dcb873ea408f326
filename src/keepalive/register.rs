//! The register: what a shutdown must end, and what a report tells of, whatever thread began it.
//!
//! What has a guard is entered, and leaves when its guard is dropped. Operations have none: there are too many
//! of them, and they end on other threads than they begin on. They are *listed*, each on a list of the thread
//! that begins it, and nobody takes them off: a list that has grown lets go of what is gone.

use std::panic::Location;
use std::sync::{PoisonError, Weak};

use slab::Slab;
use tokio::time::Instant;

use crate::error::Error;
use crate::keepalive::count::{PLACES, here};
use crate::sync::{Mutex, MutexGuard};

/// Something that a shutdown ends: an armed operation, an event queue, a pending wait.
pub(crate) trait Armed: Send + Sync {
    /// The platform shuts down: end now, with this error. Called with no lock held.
    fn shut_down(&self, error: &Error);

    /// What it is, and where its callback is to run, for people.
    fn describe(&self) -> String;

    /// Whether it has ended, though it still exists. What leaves the register when it ends need not say.
    fn has_ended(&self) -> bool {
        false
    }
}

/// What one platform has outstanding.
#[derive(Default)]
pub(super) struct Register {
    entries: Mutex<Entries>,
    lists: [Mutex<List>; PLACES],
}

#[derive(Default)]
struct Entries {
    slab: Slab<Outstanding>,
    closed: bool,
}

/// What threads of one place have begun. A line of memory apart from the others'.
#[derive(Default)]
#[repr(align(128))]
struct List {
    begun: Vec<Outstanding>,
    /// How long it was when it was last looked through.
    was: usize,
    closed: bool,
}

impl Register {
    /// Enters something that leaves by this key; `None` after [`close`](Register::close).
    pub(super) fn enter(&self, outstanding: Outstanding) -> Option<usize> {
        let mut entries = lock(&self.entries);
        if entries.closed { None } else { Some(entries.slab.insert(outstanding)) }
    }

    pub(super) fn leave(&self, key: usize) {
        let left = lock(&self.entries).slab.try_remove(key);
        // The weak handle may be the last owner of its memory: let go of it outside the lock.
        drop(left);
    }

    /// Lists something until it is gone; false after [`close`](Register::close).
    pub(super) fn list(&self, outstanding: Outstanding) -> bool {
        let mut list = lock(&self.lists[here()]);
        if list.closed {
            return false;
        }
        if list.begun.len() > LOOK_THROUGH.max(2 * list.was) {
            // Weak handles of what is gone: to drop one frees memory, and runs nothing.
            list.begun.retain(|listed| listed.armed.strong_count() > 0);
            list.was = list.begun.len();
        }
        list.begun.push(outstanding);
        true
    }

    /// Refuses whatever comes from now on.
    pub(super) fn close(&self) {
        lock(&self.entries).closed = true;
        self.lists.iter().for_each(|list| lock(list).closed = true);
    }

    /// How many are entered, the listed ones not counted.
    pub(super) fn entered(&self) -> usize {
        lock(&self.entries).slab.len()
    }

    /// Copies of all that has not ended, so that nothing is called and nothing let go under a lock.
    pub(super) fn all(&self) -> Vec<Outstanding> {
        let mut all: Vec<_> = lock(&self.entries).slab.iter().map(|(_, entry)| entry.clone()).collect();
        self.lists.iter().for_each(|list| all.extend(lock(list).begun.iter().cloned()));
        all.retain(|outstanding| outstanding.armed.upgrade().is_some_and(|armed| !armed.has_ended()));
        all
    }

    /// Makes it as new, for another platform.
    pub(super) fn renew(&self) {
        let entries = std::mem::take(&mut *lock(&self.entries));
        let lists: Vec<_> = self.lists.iter().map(|list| std::mem::take(&mut *lock(list))).collect();
        drop((entries, lists));
    }
}

/// Something outstanding: what, and since when.
#[derive(Clone)]
pub(crate) struct Outstanding {
    armed: Weak<dyn Armed>,
    pub(crate) begun: &'static Location<'static>,
    pub(crate) since: Instant,
}

impl Outstanding {
    pub(super) fn new(armed: Weak<dyn Armed>, begun: &'static Location<'static>) -> Outstanding {
        Outstanding { armed, begun, since: Instant::now() }
    }

    /// What it is, while it exists.
    pub(crate) fn describe(&self) -> Option<String> {
        Some(self.armed.upgrade()?.describe())
    }

    pub(super) fn shut_down(&self, error: &Error) {
        if let Some(armed) = self.armed.upgrade() {
            armed.shut_down(error);
        }
    }
}

/// A lock. A poisoned one is as good as any: no user code runs while it is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A list that is shorter is not looked through. So few pieces of memory, freed at a time, an allocator keeps at
/// hand for the next.
const LOOK_THROUGH: usize = 6;
