//! The register: a sharded list of what is outstanding on a platform, for its shutdown and its reports.
//!
//! | state of a shard | set by | what is registered then |
//! |---|---|---|
//! | `Open` | | goes on |
//! | `Releasing` | [`Register::start_releasing`] | is released at once: it ends without being polled |
//! | `Closed` | [`Register::start_refusing`] | is refused |
//!
//! Each state is set under the shard's lock before the entries are read. So an insert is seen by that reading, or sees
//! the state itself.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::{Arc, Weak};

use slab::Slab;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::contain::drop_contained;
use crate::error::{Error, Hresult};
use crate::sync::atomic::{AtomicBool, Ordering, fence};
use crate::sync::{LockExt, MODELLED, Mutex};
use crate::tokio_quirks;

/// Something that a shutdown ends: an operation, a task, an event queue, a pending wait.
pub(crate) trait Outstanding: Send + Sync {
    /// A shutdown begins: what only waits to be polled ends by itself. Called with no lock held.
    fn release(&self) {}

    /// The platform ends: end now, with this error. Called with no lock held.
    fn shut_down(&self, error: &Error);

    /// What it is, and where its callback is to run, for reports.
    fn describe(&self) -> String;

    /// Whether it has ended although it is still registered.
    fn has_ended(&self) -> bool {
        false
    }
}

/// Why a callback is dropped un-called, if not by its component's fault.
#[derive(Clone, Copy)]
pub(crate) enum Loss {
    /// The object that was to call it is shut down.
    Shutdown,
    /// Its work item was cancelled.
    Cancel,
}

/// Where something was begun.
pub(crate) type Begun = &'static Location<'static>;

/// What is outstanding, in shards: threads with different shards do not wait for each other.
pub(crate) struct Register {
    shards: [Mutex<Shard>; SHARDS],
    /// The runtime that the platform ends with, if there is one.
    runtime: Option<Handle>,
    /// Whether the runtime was seen to end.
    runtime_ends: AtomicBool,
}

/// What the threads of one shard have registered. Aligned so that two shards share no cache line.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    state: ShardState,
    entries: Slab<OutstandingEntry>,
    /// Operations whose Begin handed the result over. Nearly all are polled at once, so they are not removed one by
    /// one: a list that has grown drops those that are gone.
    in_hand: Vec<(Weak<dyn Outstanding>, Begun)>,
    /// The length of `in_hand` after it was last searched for those that are gone.
    in_hand_kept: usize,
}

/// Only ever moves on, from top to bottom.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum ShardState {
    #[default]
    Open,
    Releasing,
    Closed,
}

impl Register {
    pub(crate) fn new(runtime: Option<Handle>) -> Arc<Register> {
        Arc::new(Register { shards: Default::default(), runtime, runtime_ends: AtomicBool::new(false) })
    }

    /// Keeps an entry until the registration is dropped; `None` when the register is closed.
    pub(crate) fn insert(self: &Arc<Self>, entry: OutstandingEntry) -> Option<Registration> {
        let index = thread_index();
        let mut shard = self.shards[index].locked();
        let late = match shard.state {
            ShardState::Open => None,
            ShardState::Releasing => Some(entry.clone()),
            ShardState::Closed => return None,
        };
        let key = shard.entries.insert(entry);
        drop(shard);
        let registration = Registration { register: self.clone(), shard: index, key };
        if let Some(entry) = late {
            entry.release();
        }
        Some(registration)
    }

    /// Lists an operation whose result is in hand from the start, so that a shutdown releases it.
    #[inline]
    pub(crate) fn list_in_hand(&self, what: Weak<dyn Outstanding>, begun: Begun) {
        let mut shard = self.shards[thread_index()].locked();
        if shard.in_hand.len() > SEARCH_ABOVE.max(2 * shard.in_hand_kept) {
            // Weak handles of what is gone: to drop one frees memory, and runs nothing.
            shard.in_hand.retain(|(what, _)| what.strong_count() > 0);
            shard.in_hand_kept = shard.in_hand.len();
        }
        let late = (shard.state != ShardState::Open).then(|| what.clone());
        shard.in_hand.push((what, begun));
        drop(shard);
        if let Some(what) = late {
            OutstandingEntry::new(what, begun, None, false).release();
        }
    }

    /// A shutdown begins: what is registered later is released at once.
    pub(crate) fn start_releasing(&self) {
        for shard in &self.shards {
            let mut shard = shard.locked();
            // What is gone by now was lost before the shutdown, and not by it.
            shard.entries.iter_mut().for_each(|(_, entry)| entry.was_lost = entry.what.strong_count() == 0);
            shard.state = ShardState::Releasing;
        }
    }

    /// Releases what is registered, after [`start_releasing`](Register::start_releasing).
    pub(crate) fn release(&self) {
        self.outstanding().iter().for_each(OutstandingEntry::release);
    }

    /// The platform ends: later entries are refused.
    pub(crate) fn start_refusing(&self) {
        self.shards.iter().for_each(|shard| shard.locked().state = ShardState::Closed);
    }

    /// Ends what is registered with `error`, after [`start_refusing`](Register::start_refusing).
    pub(crate) fn shut_down(&self, error: &Error) {
        self.outstanding().iter().for_each(|entry| entry.shut_down(error));
    }

    /// What is registered and has not ended. Copies, so that nothing is called and nothing dropped under a lock.
    pub(crate) fn outstanding(&self) -> Vec<OutstandingEntry> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.locked();
            all.extend(shard.entries.iter().map(|(_, entry)| entry.clone()));
            let in_hand = shard.in_hand.iter();
            all.extend(in_hand.map(|(what, begun)| OutstandingEntry::new(what.clone(), begun, None, false)));
        }
        all.retain(|entry| entry.what.upgrade().is_some_and(|what| !what.has_ended()));
        all
    }

    /// Calls what drops the callbacks of operations, and says why: those operations do not end as abandoned.
    pub(crate) fn lose<T>(self: &Arc<Self>, why: Loss, call: impl FnOnce() -> T) -> T {
        struct Losing;
        impl Drop for Losing {
            fn drop(&mut self) {
                let register = LOSING.try_with(|losing| losing.borrow_mut().pop());
                drop(register);
            }
        }
        let _losing =
            LOSING.try_with(|losing| losing.borrow_mut().push((self.clone(), why))).ok().map(|()| Losing);
        call()
    }

    fn mark_lost(&self, what: *const (), why: Loss) {
        for shard in &self.shards {
            let mut shard = shard.locked();
            let mut entries = shard.entries.iter_mut().map(|(_, entry)| entry);
            if let Some(entry) = entries.find(|entry| entry.what.as_ptr().cast::<()>() == what) {
                entry.lost_by = Some(why);
                return;
            }
        }
    }

    /// The runtime was seen to end, before it has dropped all of its tasks.
    pub(crate) fn runtime_ends(&self) {
        // ORDERING: Release: a thread that sees it sees what was dropped.
        self.runtime_ends.store(true, Ordering::Release);
    }

    /// Why something ended without an answer: the platform's shutdown or its runtime's end, or else `what`.
    pub(crate) fn lost(&self, what: &'static str, is_shutting_down: bool) -> Error {
        // ORDERING: Acquire pairs with the Release in `runtime_ends`.
        let ends = is_shutting_down || self.runtime_ends.load(Ordering::Acquire);
        if ends || self.runtime.as_ref().is_some_and(tokio_quirks::is_shut_down) {
            return Error::shutdown("wait for an operation of a platform that was shut down");
        }
        Error::abandoned(what)
    }
}

/// Keeps an entry in the register; dropping it removes the entry.
pub(crate) struct Registration {
    register: Arc<Register>,
    shard: usize,
    key: usize,
}

impl Registration {
    /// Why what was registered is gone without an answer: see [`Register::lost`].
    pub(crate) fn lost(&self, what: &'static str) -> Error {
        // ORDERING: Acquire, as in `TrackerHandle::lost`.
        fence(Ordering::Acquire);
        let shard = self.register.shards[self.shard].locked();
        let (was_lost, lost_by) =
            shard.entries.get(self.key).map_or((false, None), |entry| (entry.was_lost, entry.lost_by));
        let is_shutting_down = shard.state != ShardState::Open;
        drop(shard);
        match lost_by {
            Some(Loss::Shutdown) => {
                return Error::shutdown("wait for an operation of an object that was shut down");
            }
            Some(Loss::Cancel) => {
                let what = "wait for an operation whose work item was cancelled by its key";
                return Error::new(Hresult::E_ABORT, what);
            }
            None => {}
        }
        if was_lost { Error::abandoned(what) } else { self.register.lost(what, is_shutting_down) }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let entry = self.register.shards[self.shard].locked().entries.try_remove(self.key);
        // The weak handle may be the last owner of its memory: it is dropped outside the lock.
        drop(entry);
    }
}

/// Something outstanding: what it is, where it was begun, and since when.
#[derive(Clone)]
pub(crate) struct OutstandingEntry {
    what: Weak<dyn Outstanding>,
    pub(crate) begun: Begun,
    /// Absent for what was done the moment it was begun.
    pub(crate) since: Option<Instant>,
    pub(crate) holds_token: bool,
    /// Whether it was gone, without having ended, before the platform began to shut down.
    was_lost: bool,
    /// Why its callback was dropped: see [`Register::lose`].
    lost_by: Option<Loss>,
}

impl OutstandingEntry {
    pub(crate) fn new(
        what: Weak<dyn Outstanding>,
        begun: Begun,
        since: Option<Instant>,
        holds_token: bool,
    ) -> OutstandingEntry {
        OutstandingEntry { what, begun, since, holds_token, was_lost: false, lost_by: None }
    }

    /// What it is, while it exists.
    pub(crate) fn describe(&self) -> Option<String> {
        Some(self.what.upgrade()?.describe())
    }

    fn release(&self) {
        if let Some(what) = self.what.upgrade() {
            what.release();
            drop_contained(what);
        }
    }

    fn shut_down(&self, error: &Error) {
        if let Some(what) = self.what.upgrade() {
            what.shut_down(error);
            drop_contained(what);
        }
    }
}

/// Something at this address, which may be registered, is being dropped without an answer.
pub(crate) fn lost_here(what: *const ()) {
    let _ = LOSING.try_with(|losing| {
        losing.borrow().iter().for_each(|(register, why)| register.mark_lost(what, *why));
    });
}

std::thread_local! {
    /// The registers of what is being lost on this thread.
    static LOSING: RefCell<Vec<(Arc<Register>, Loss)>> = const { RefCell::new(Vec::new()) };
}

/// The shard that the current thread registers in.
#[inline]
fn thread_index() -> usize {
    THREAD_INDEX.with(Cell::get) % SHARDS
}

std::thread_local! {
    /// The number of this thread, in the order in which threads first register.
    static THREAD_INDEX: Cell<usize> = Cell::new(next_thread());
}

fn next_thread() -> usize {
    static THREADS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    // ORDERING: Relaxed: any number will do.
    THREADS.fetch_add(1, Ordering::Relaxed)
}

/// Number of shards. With more threads some share one, which costs time and nothing else.
const SHARDS: usize = if MODELLED { 2 } else { 8 };

/// Length up to which the list of results in hand is not searched for those that are gone. An allocator keeps that many
/// freed pieces of memory at hand.
const SEARCH_ABOVE: usize = 6;

#[cfg(test)]
#[cfg(not(any(mf_async_loom, mf_async_shuttle)))]
mod tests {
    use super::*;

    struct Listed;

    impl Outstanding for Listed {
        fn shut_down(&self, _: &Error) {}

        fn describe(&self) -> String {
            "a thing".to_owned()
        }
    }

    #[test]
    fn what_is_not_registered_any_more_takes_no_memory() {
        let register = Register::new(None);
        let begun = Location::caller();
        for _ in 0..100 {
            let thing: Weak<Listed> = Arc::downgrade(&Arc::new(Listed));
            drop(register.insert(OutstandingEntry::new(thing.clone(), begun, None, false)));
            register.list_in_hand(thing, begun);
        }
        let shard = register.shards[thread_index()].locked();
        assert_eq!(shard.entries.len(), 0);
        assert!(shard.in_hand.len() <= SEARCH_ABOVE + 1, "{}", shard.in_hand.len());
    }

    #[test]
    fn the_list_in_hand_keeps_what_exists() {
        let register = Register::new(None);
        let things: Vec<_> = (0..50).map(|_| Arc::new(Listed)).collect();
        for thing in &things {
            let listed: Weak<Listed> = Arc::downgrade(thing);
            register.list_in_hand(listed, Location::caller());
        }
        assert_eq!(register.outstanding().len(), things.len());
    }
}
