//! Counts what is outstanding on a platform, ends it at a shutdown, and reports when nothing is left.
//!
//! Two things are kept apart:
//!
//! * A [`Token`] is *counted*. Results, handles to private queues and locks hold one; a shutdown waits until the
//!   last is dropped.
//! * A [`Registration`] makes something *known*. A shutdown ends what is registered, and a report lists it.
//!
//! | phase | new work | tokens | what is registered |
//! |---|---|---|---|
//! | `Running` | accepted | handed out | goes on |
//! | `Draining` | accepted from callbacks | handed out | was released: it ends without being polled |
//! | `Closed` | refused | none for new work | was shut down |

#[cfg(all(test, mf_async_loom))]
mod loom;

use std::cell::Cell;
use std::panic::Location;
use std::sync::{Arc, Weak};

use slab::Slab;
use tokio::runtime::Handle;
use tokio::sync::SetOnce;
use tokio::time::Instant;

use crate::contain::drop_contained;
use crate::error::{Error, Result};
use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};
use crate::sync::{Lock, MODELLED, Mutex};
use crate::tokio_quirks;

/// Something that a shutdown ends: an operation, a task, an event queue, a pending wait.
pub(crate) trait Outstanding: Send + Sync {
    /// A shutdown begins: what only waits to be polled goes on by itself. Called with no lock held.
    fn release(&self) {}

    /// The platform ends: end now, with this error. Called with no lock held.
    fn shut_down(&self, error: &Error);

    /// What it is, and where its callback is to run, for people.
    fn describe(&self) -> String;

    /// Whether it has ended, and is registered all the same.
    fn has_ended(&self) -> bool {
        false
    }
}

/// Where something was begun.
pub(crate) type Begun = &'static Location<'static>;

/// Where a platform is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Draining,
    Closed,
}

/// The platform's side: hands out tokens, keeps the register, and learns when no token is left.
///
/// `C` is what a token leads to: the way back from a result to its platform.
pub(crate) struct Tracker<C> {
    root: Weak<Root<C>>,
    /// The platform's own token, dropped when it shuts down. Its lock is held while the phase changes.
    own: Mutex<Option<Token<C>>>,
    handle: TrackerHandle,
}

impl<C> Tracker<C> {
    /// `runtime` is the runtime that the platform ends with, if there is one.
    pub(crate) fn new(context: C, runtime: Option<Handle>) -> Tracker<C> {
        let shared = Arc::new(Shared {
            phase: AtomicU8::new(RUNNING),
            none_left: SetOnce::new(),
            shards: Default::default(),
            late_calls: AtomicU64::new(0),
            double_calls: AtomicU64::new(0),
            runtime,
        });
        let handle = TrackerHandle(shared);
        let own = Token(Arc::new(Root { context, handle: handle.clone() }));
        Tracker { root: Arc::downgrade(&own.0), own: Mutex::new(Some(own)), handle }
    }

    /// A token for something new.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is closed.
    #[inline]
    pub(crate) fn token(&self, doing: &'static str) -> Result<Token<C>> {
        if self.handle.phase() == Phase::Closed {
            return Err(closed(doing));
        }
        self.root.upgrade().map(Token).ok_or_else(|| closed(doing))
    }

    /// What makes tokens for what was accepted before the platform closed.
    pub(crate) fn token_source(&self) -> TokenSource<C> {
        TokenSource(self.root.clone())
    }

    /// How many tokens are out, the platform's own not counted.
    pub(crate) fn tokens(&self) -> usize {
        let own = usize::from(self.own.locked().is_some());
        self.root.strong_count().saturating_sub(own)
    }

    /// From now on only callbacks of this platform may begin something, and what is registered is released.
    /// False if that was so before.
    pub(crate) fn start_draining(&self) -> bool {
        {
            let _one_at_a_time = self.own.locked();
            if !self.handle.is_running() {
                return false;
            }
            // While the platform still runs: what is refused from then on is lost by the shutdown.
            self.handle.mark_lost();
            self.handle.advance(RUNNING, DRAINING);
        }
        self.handle.outstanding().iter().for_each(Entry::release);
        true
    }

    /// Nothing new any more: ends what is registered with `error`, and refuses later registrations.
    pub(crate) fn close(&self, error: &Error) {
        {
            let _one_at_a_time = self.own.locked();
            self.handle.advance(RUNNING, DRAINING);
            self.handle.advance(DRAINING, CLOSED);
        }
        self.handle.0.shards.iter().for_each(|shard| shard.locked().closed = true);
        self.handle.outstanding().iter().for_each(|entry| entry.shut_down(error));
    }

    /// Drops the platform's own token: from now on the last one dropped ends [`none_left`](Tracker::none_left).
    pub(crate) fn drop_own(&self) {
        let own = self.own.locked().take();
        drop(own);
    }

    /// Resolves when no token is left, after [`drop_own`](Tracker::drop_own).
    pub(crate) async fn none_left(&self) {
        self.handle.0.none_left.wait().await;
    }

    /// What holders of no token use.
    #[inline]
    pub(crate) fn handle(&self) -> &TrackerHandle {
        &self.handle
    }
}

/// Makes tokens even after the platform has closed: what a queue runs then was accepted before.
pub(crate) struct TokenSource<C>(Weak<Root<C>>);

impl<C> TokenSource<C> {
    /// A token; `None` when none is left, and nothing waits for one any more.
    #[inline]
    pub(crate) fn token(&self) -> Option<Token<C>> {
        self.0.upgrade().map(Token)
    }
}

impl<C> Clone for TokenSource<C> {
    fn clone(&self) -> TokenSource<C> {
        TokenSource(self.0.clone())
    }
}

/// One thing that a shutdown waits for. Cloning it counts one more.
pub(crate) struct Token<C>(Arc<Root<C>>);

impl<C> Token<C> {
    /// What it leads to.
    #[inline]
    pub(crate) fn context(&self) -> &C {
        &self.0.context
    }

    #[inline]
    pub(crate) fn tracker(&self) -> &TrackerHandle {
        &self.0.handle
    }
}

impl<C> Clone for Token<C> {
    #[inline]
    fn clone(&self) -> Token<C> {
        Token(self.0.clone())
    }
}

/// What all tokens own: its drop is the moment when none is left.
struct Root<C> {
    context: C,
    handle: TrackerHandle,
}

impl<C> Drop for Root<C> {
    fn drop(&mut self) {
        let _ = self.handle.0.none_left.set(());
    }
}

/// A platform's phase and register, for holders that a shutdown does not wait for.
#[derive(Clone)]
pub struct TrackerHandle(Arc<Shared>);

struct Shared {
    phase: AtomicU8,
    none_left: SetOnce<()>,
    shards: [Mutex<Shard>; SHARDS],
    late_calls: AtomicU64,
    double_calls: AtomicU64,
    runtime: Option<Handle>,
}

/// What the threads of one shard have registered. Aligned so that two shards share no cache line.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    entries: Slab<Entry>,
    /// Operations whose Begin handed the result over. Nearly all are polled at once, so they are not taken out one by
    /// one: a list that has grown drops those that are gone.
    in_hand: Vec<(Weak<dyn Outstanding>, Begun)>,
    /// How long the list was when it was last looked through.
    in_hand_was: usize,
    closed: bool,
}

impl TrackerHandle {
    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        // ORDERING: Acquire pairs with the AcqRel in `advance`: a thread that sees a phase sees what came before it.
        match self.0.phase.load(Ordering::Acquire) {
            RUNNING => Phase::Running,
            DRAINING => Phase::Draining,
            _ => Phase::Closed,
        }
    }

    #[inline]
    pub(crate) fn is_running(&self) -> bool {
        self.phase() == Phase::Running
    }

    /// Registers something that was begun at `begun`, until the registration is dropped. `since` is absent for
    /// what was done the moment it was begun.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is closed; the caller then ends what it began.
    pub(crate) fn register(
        &self,
        what: Weak<dyn Outstanding>,
        begun: Begun,
        since: Option<Instant>,
    ) -> Result<Registration> {
        self.insert(Entry::new(what, begun, since, false))
    }

    /// The same for something that also holds a token until it has ended.
    ///
    /// # Errors
    /// As [`register`](TrackerHandle::register).
    pub(crate) fn register_holder(&self, what: Weak<dyn Outstanding>, begun: Begun) -> Result<Registration> {
        self.insert(Entry::new(what, begun, Some(Instant::now()), true))
    }

    /// Lists an operation whose result is in hand from the start, so that a shutdown releases it.
    #[inline]
    pub(crate) fn list_in_hand(&self, what: Weak<dyn Outstanding>, begun: Begun) {
        {
            let mut shard = self.0.shards[thread_index()].locked();
            if shard.in_hand.len() > LOOK_THROUGH.max(2 * shard.in_hand_was) {
                // Weak handles of what is gone: to drop one frees memory, and runs nothing.
                shard.in_hand.retain(|(what, _)| what.strong_count() > 0);
                shard.in_hand_was = shard.in_hand.len();
            }
            shard.in_hand.push((what, begun));
        }
        // A shutdown that has released the others before does not come again.
        if !self.is_running() {
            self.outstanding().iter().for_each(Entry::release);
        }
    }

    fn insert(&self, entry: Entry) -> Result<Registration> {
        let shard = thread_index();
        let key = {
            let mut shard = self.0.shards[shard].locked();
            if shard.closed {
                return Err(closed("begin an operation"));
            }
            shard.entries.insert(entry)
        };
        let registration = Registration { handle: self.clone(), shard, key };
        // A shutdown that has released the others before this was registered does not come again.
        if !self.is_running() {
            let entry = self.0.shards[shard].locked().entries.get(key).cloned();
            if let Some(entry) = entry {
                entry.release();
            }
        }
        Ok(registration)
    }

    /// What is registered and has not ended. Copies, so that nothing is called and nothing dropped under a lock.
    pub(crate) fn outstanding(&self) -> Vec<Entry> {
        let mut all = Vec::new();
        for shard in &self.0.shards {
            let shard = shard.locked();
            all.extend(shard.entries.iter().map(|(_, entry)| entry.clone()));
            all.extend(
                shard.in_hand.iter().map(|(what, begun)| Entry::new(what.clone(), begun, None, false)),
            );
        }
        all.retain(|entry| entry.what.upgrade().is_some_and(|what| !what.has_ended()));
        all
    }

    /// Marks what is lost before the shutdown, so that it can be known from what is lost by it.
    fn mark_lost(&self) {
        for shard in &self.0.shards {
            let mut shard = shard.locked();
            shard.entries.iter_mut().for_each(|(_, entry)| entry.was_lost = entry.what.strong_count() == 0);
        }
    }

    /// Why something ended without an answer: the platform or its runtime is gone, or else `what`.
    pub(crate) fn lost(&self, what: &'static str) -> Error {
        // ORDERING: Acquire pairs with the Release of an `Arc`'s drop: a caller that finds the last owner gone sees the
        // phase because of which it went. A failed `Weak::upgrade` itself orders nothing.
        fence(Ordering::Acquire);
        let gone = || self.0.runtime.as_ref().is_some_and(tokio_quirks::is_shut_down);
        if !self.is_running() || gone() {
            return Error::shutdown("wait for an operation of a platform that was shut down");
        }
        Error::abandoned(what)
    }

    /// A callback was invoked after its operation had ended otherwise.
    pub(crate) fn count_late_call(&self) {
        // ORDERING: Relaxed, a counter that orders nothing.
        self.0.late_calls.fetch_add(1, Ordering::Relaxed);
    }

    /// A callback was invoked again, after its End had run.
    pub(crate) fn count_double_call(&self) {
        // ORDERING: Relaxed, a counter that orders nothing.
        self.0.double_calls.fetch_add(1, Ordering::Relaxed);
    }

    /// How many callbacks were invoked late, and how many again.
    pub(crate) fn extra_calls(&self) -> (u64, u64) {
        // ORDERING: Relaxed, counters that order nothing.
        (self.0.late_calls.load(Ordering::Relaxed), self.0.double_calls.load(Ordering::Relaxed))
    }

    /// Goes from one phase to the next, if it is in that one. Under the lock of [`Tracker::own`].
    fn advance(&self, from: u8, to: u8) {
        // ORDERING: AcqRel, so that what follows comes after what the threads did that still saw the phase before.
        let _ = self.0.phase.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// Keeps something in the register; dropping it takes the entry out.
pub(crate) struct Registration {
    handle: TrackerHandle,
    shard: usize,
    key: usize,
}

impl Registration {
    /// Why what was registered is gone without an answer: see [`TrackerHandle::lost`].
    pub(crate) fn lost(&self, what: &'static str) -> Error {
        let shard = self.handle.0.shards[self.shard].locked();
        let was_lost = shard.entries.get(self.key).is_some_and(|entry| entry.was_lost);
        drop(shard);
        if was_lost { Error::abandoned(what) } else { self.handle.lost(what) }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let entry = self.handle.0.shards[self.shard].locked().entries.try_remove(self.key);
        // The weak handle may be the last owner of its memory: it is dropped outside the lock.
        drop(entry);
    }
}

/// Something outstanding: what, begun where, and since when.
#[derive(Clone)]
pub(crate) struct Entry {
    what: Weak<dyn Outstanding>,
    pub(crate) begun: Begun,
    pub(crate) since: Option<Instant>,
    pub(crate) holds_token: bool,
    /// Whether it was gone, without having ended, before the platform began to shut down.
    was_lost: bool,
}

impl Entry {
    fn new(what: Weak<dyn Outstanding>, begun: Begun, since: Option<Instant>, holds_token: bool) -> Entry {
        Entry { what, begun, since, holds_token, was_lost: false }
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

/// The error of everything that a closed platform refuses.
pub(crate) fn closed(doing: &str) -> Error {
    Error::shutdown(format!("{doing}: the platform is shut down"))
}

/// Which shard the current thread registers in.
#[inline]
fn thread_index() -> usize {
    THREAD_INDEX.with(Cell::get) % SHARDS
}

std::thread_local! {
    /// A number of this thread; threads take turns.
    static THREAD_INDEX: Cell<usize> = Cell::new(next_thread());
}

fn next_thread() -> usize {
    static THREADS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    // ORDERING: Relaxed: any number will do.
    THREADS.fetch_add(1, Ordering::Relaxed)
}

/// More threads than this share shards, which costs time and nothing else.
const SHARDS: usize = if MODELLED { 2 } else { 8 };

/// A list that is shorter is not looked through. So few pieces of memory, freed together, an allocator keeps at hand.
const LOOK_THROUGH: usize = 6;

const RUNNING: u8 = 0;
const DRAINING: u8 = 1;
const CLOSED: u8 = 2;
