//! The tracker: a platform's phase, and the count of tokens that its shutdown waits for.
//!
//! A [`Token`] is *counted*: results, handles to private queues and locks hold one, and a shutdown waits until the last
//! is dropped. A [`Registration`] is *known*: a shutdown ends what is in the [register](crate::register), and a report
//! lists it.
//!
//! | phase | new work | tokens | the register |
//! |---|---|---|---|
//! | `Running` | accepted | handed out | is open |
//! | `Draining` | accepted from callbacks | handed out | releases: what only waits to be polled ends |
//! | `Closed` | refused | none for new work | is closed, with everything in it shut down |

#[cfg(all(test, mf_async_loom))]
mod loom;
mod origin;
mod wait;

use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::sync::SetOnce;
use tokio::time::Instant;

pub(crate) use self::origin::{Known, Origin, Origins};
pub(crate) use self::wait::TrackedWait;
use crate::error::{Error, Result};
use crate::register::Register;
pub(crate) use crate::register::{Begun, Loss, Outstanding, OutstandingEntry, Registration};
use crate::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};
use crate::sync::{LockExt, Mutex};

/// The phase of a platform's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running = 0,
    Draining = 1,
    Closed = 2,
}

/// The platform's side: hands out tokens, moves the phase on, and reports when no token is left.
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
            phase: AtomicU8::new(Phase::Running as u8),
            none_left: SetOnce::new(),
            register: Register::new(runtime),
            late_calls: AtomicU64::new(0),
            double_calls: AtomicU64::new(0),
            origins: Origins::default(),
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

    /// Makes tokens for what was accepted before the platform closed.
    pub(crate) fn token_source(&self) -> TokenSource<C> {
        TokenSource(self.root.clone())
    }

    /// The number of tokens, without the platform's own.
    pub(crate) fn tokens(&self) -> usize {
        let own = usize::from(self.own.locked().is_some());
        self.root.strong_count().saturating_sub(own)
    }

    /// Moves on to `Draining`: only callbacks of this platform may begin something, and the register is released.
    /// False if the platform was not running.
    pub(crate) fn start_draining(&self) -> bool {
        {
            let _one_at_a_time = self.own.locked();
            if !self.handle.is_running() {
                return false;
            }
            // The register first: what is refused because of the phase is lost by the shutdown, and not before it.
            self.handle.0.register.start_releasing();
            self.handle.advance(Phase::Running, Phase::Draining);
        }
        self.handle.0.register.release();
        true
    }

    /// Moves on to `Closed`: ends what is registered with `error`, and refuses later registrations.
    pub(crate) fn close(&self, error: &Error) {
        {
            let _one_at_a_time = self.own.locked();
            self.handle.0.register.start_refusing();
            self.handle.advance(Phase::Running, Phase::Draining);
            self.handle.advance(Phase::Draining, Phase::Closed);
        }
        self.handle.0.register.shut_down(error);
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

    /// The phase and the register, without a token.
    #[inline]
    pub(crate) fn handle(&self) -> &TrackerHandle {
        &self.handle
    }
}

/// Makes tokens even after the platform has closed: what a queue runs then was accepted before.
#[derive(Clone)]
pub(crate) struct TokenSource<C>(Weak<Root<C>>);

impl<C> TokenSource<C> {
    /// A token; `None` when none is left, and nothing waits for one any more.
    #[inline]
    pub(crate) fn token(&self) -> Option<Token<C>> {
        self.0.upgrade().map(Token)
    }

    /// As [`TrackerHandle::runtime_ends`], if there is a token left for which that matters.
    pub(crate) fn runtime_ends(&self) {
        if let Some(token) = self.token() {
            token.tracker().runtime_ends();
        }
    }
}

/// One thing that a shutdown waits for. Each clone counts as one more.
#[derive(Clone)]
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

/// Owned by all tokens: its drop is the moment when none is left.
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
    register: Arc<Register>,
    late_calls: AtomicU64,
    double_calls: AtomicU64,
    origins: Origins,
}

impl TrackerHandle {
    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        // ORDERING: Acquire pairs with the AcqRel in `advance`: a thread that sees a phase sees what came before it.
        match self.0.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
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
        self.insert(OutstandingEntry::new(what, begun, since, false))
    }

    /// The same for something that also holds a token until it has ended.
    ///
    /// # Errors
    /// As [`register`](TrackerHandle::register).
    pub(crate) fn register_holder(&self, what: Weak<dyn Outstanding>, begun: Begun) -> Result<Registration> {
        self.insert(OutstandingEntry::new(what, begun, Some(Instant::now()), true))
    }

    fn insert(&self, entry: OutstandingEntry) -> Result<Registration> {
        self.0.register.insert(entry).ok_or_else(|| closed("begin an operation"))
    }

    /// Lists an operation whose result is in hand from the start, so that a shutdown releases it.
    #[inline]
    pub(crate) fn list_in_hand(&self, what: Weak<dyn Outstanding>, begun: Begun) {
        self.0.register.list_in_hand(what, begun);
    }

    /// What is registered and has not ended.
    pub(crate) fn outstanding(&self) -> Vec<OutstandingEntry> {
        self.0.register.outstanding()
    }

    /// The list of items and results that reports name.
    #[inline(always)]
    pub(crate) fn origins(&self) -> &Origins {
        &self.0.origins
    }

    /// Why something ended without an answer: the platform's shutdown or its runtime's end, or else `what`.
    pub(crate) fn lost(&self, what: &'static str) -> Error {
        // ORDERING: Acquire pairs with the Release of an `Arc`'s drop: a caller that finds the last owner gone sees the
        // phase because of which it went. A failed `Weak::upgrade` itself orders nothing.
        fence(Ordering::Acquire);
        self.0.register.lost(what, !self.is_running())
    }

    /// The runtime has dropped a blocking task un-run, which it does only when it ends. Its other tasks may not have ended yet.
    pub(crate) fn runtime_ends(&self) {
        self.0.register.runtime_ends();
    }

    /// Drops the callbacks of operations, and says why: see [`Register::lose`].
    pub(crate) fn lose<T>(&self, why: Loss, call: impl FnOnce() -> T) -> T {
        self.0.register.lose(why, call)
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

    fn advance(&self, from: Phase, to: Phase) {
        // ORDERING: AcqRel, so that what follows comes after what the threads did that still saw the phase before.
        let _ = self.0.phase.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// The error of everything that a closed platform refuses.
pub(crate) fn closed(doing: &str) -> Error {
    Error::shutdown(format!("{doing}: the platform is shut down"))
}
