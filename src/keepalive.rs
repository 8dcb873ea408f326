//! What an open platform lends to everything outstanding, and the moment when all of it is back.
//!
//! Every result, running callback, lock and armed operation holds a [`Keepalive`], a counted handle.
//! Nobody counts by hand: a handle counts itself when it is made and when it is dropped, and the last to go
//! says so, as the far end of a channel does. What must be *told* of a shutdown also enters itself in the
//! [`Register`] that the handle leads to, and leaves it when it has ended.

mod count;
#[cfg(all(test, mf_async_loom))]
mod loom;

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};

use slab::Slab;
use tokio::sync::SetOnce;
use tokio::time::Instant;

use self::count::Count;
use crate::error::{Error, Result};
use crate::sync::{MODELLED, Mutex, MutexGuard};

/// One thing that is outstanding: while any exists, [`Lender::all_back`] waits.
///
/// It is made and dropped with every work item, on whatever threads, so what it leads to is not counted by
/// one number that all of them change, and is not owned: it stays in memory and serves another platform when
/// this one has ended.
pub struct Keepalive(&'static Lent);

impl Clone for Keepalive {
    fn clone(&self) -> Keepalive {
        self.0.count.lend();
        Keepalive(self.0)
    }
}

impl Drop for Keepalive {
    fn drop(&mut self) {
        self.0.count.give_back();
        self.0.look();
    }
}

impl Keepalive {
    /// A keepalive that no platform lent: nobody waits for it, and nothing shuts down what enters it.
    #[cfg(windows)]
    pub(crate) fn alone() -> Keepalive {
        static NOBODY: std::sync::OnceLock<&'static Lent> = std::sync::OnceLock::new();
        Keepalive(NOBODY.get_or_init(Lent::take)).clone()
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
    lent: &'static Lent,
    /// The platform's own keepalive, given up when it shuts down.
    own: Mutex<Option<Keepalive>>,
    back: Arc<SetOnce<()>>,
}

impl Lender {
    pub(crate) fn new() -> Lender {
        let lent = Lent::take();
        lent.count.lend();
        let back = lock(&lent.back).clone();
        Lender { lent, own: Mutex::new(Some(Keepalive(lent))), back }
    }

    /// A keepalive, or `None` when the platform has given up its own.
    pub(crate) fn lend(&self) -> Option<Keepalive> {
        let lent = Keepalive(self.lent);
        self.lent.count.lend();
        // ORDERING: SeqCst, after the count: either this sees that the platform gives up, or whoever adds up
        // sees this one, and waits for it.
        if is_open(self.lent.phase.load(Ordering::SeqCst)) { Some(lent) } else { None }
    }

    /// How many are out, the platform's own not counted.
    pub(crate) fn out(&self) -> usize {
        let own = usize::from(lock(&self.own).is_some());
        self.lent.count.out().saturating_sub(own)
    }

    /// How many callbacks were invoked once more than their operations needed.
    pub(crate) fn extra_calls(&self) -> u64 {
        // ORDERING: Relaxed, a counter that orders nothing.
        self.lent.extra_calls.load(Ordering::Relaxed)
    }

    /// What is entered just now.
    pub(crate) fn entered(&self) -> Vec<Outstanding> {
        self.lent.entered()
    }

    /// Tells everything entered to end with `error`, and refuses later entries.
    pub(crate) fn shut_down(&self, error: &Error) {
        lock(&self.lent.register).closed = true;
        for entry in self.lent.entered() {
            if let Some(armed) = entry.armed.upgrade() {
                armed.shut_down(error);
            }
        }
    }

    /// Gives up the platform's own keepalive: from now on the last one back ends the waiting.
    pub(crate) fn give_up(&self) {
        let Some(own) = lock(&self.own).take() else { return };
        // ORDERING: SeqCst, see `lend` and `Lent::look`. Only here does an open one go on to the next phase.
        self.lent.phase.fetch_add(1, Ordering::SeqCst);
        drop(own);
    }

    /// Resolves when all are back, after [`give_up`](Lender::give_up).
    pub(crate) async fn all_back(&self) {
        self.back.wait().await;
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        self.give_up();
        self.lent.part();
    }
}

/// What every keepalive of a platform leads to.
struct Lent {
    count: Count,
    /// Open, closing, all back, and so on with the next platform: see [`is_open`].
    phase: AtomicU64,
    /// Who still needs it: the lender, and all keepalives together.
    parties: AtomicU8,
    back: Mutex<Arc<SetOnce<()>>>,
    register: Mutex<Register>,
    extra_calls: AtomicU64,
}

impl Lent {
    /// One for a new platform: another's that has ended, if there is any.
    fn take() -> &'static Lent {
        let free = free().pop();
        if let Some(lent) = free {
            *lock(&lent.back) = Arc::default();
            // ORDERING: Relaxed, twice: the list's lock, and then whatever hands the platform on, come between
            // this and any other thread.
            lent.extra_calls.store(0, Ordering::Relaxed);
            lent.parties.store(PARTIES, Ordering::Relaxed);
            // ORDERING: SeqCst as everywhere. Whoever gave back the last one of the former platform may look
            // only now; it finds a phase that is not the one it looked at, or what is true of this platform.
            lent.phase.fetch_add(1, Ordering::SeqCst);
            return lent;
        }
        Box::leak(Box::new(Lent {
            count: Count::default(),
            phase: AtomicU64::new(0),
            parties: AtomicU8::new(PARTIES),
            back: Mutex::default(),
            register: Mutex::default(),
            extra_calls: AtomicU64::new(0),
        }))
    }

    /// One was given back: says so if it was the last.
    fn look(&'static self) {
        // ORDERING: SeqCst, after the count, as its counterpart in `give_up` comes before: of one that is
        // given back just then, either the closing side counts it or this side sees that it is closing.
        let phase = self.phase.load(Ordering::SeqCst);
        if !is_open(phase) {
            self.look_closely(phase);
        }
    }

    #[cold]
    fn look_closely(&'static self, phase: u64) {
        if is_back(phase) || self.count.out() > 0 {
            return;
        }
        // ORDERING: SeqCst for the sake of one order with the rest. Two may find that all are back; one tells.
        if self.phase.compare_exchange(phase, phase + 1, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            let back = lock(&self.back).clone();
            let _ = back.set(());
            self.part();
        }
    }

    /// The lender is gone, or all keepalives are; after both this serves another platform. A model has its own
    /// locks, which serve no other.
    fn part(&'static self) {
        // ORDERING: AcqRel: the second comes after all that the first did.
        if self.parties.fetch_sub(1, Ordering::AcqRel) == 1 && !MODELLED {
            // Empty, but it may have grown.
            let register = std::mem::take(&mut *lock(&self.register));
            drop(register);
            free().push(self);
        }
    }

    /// A copy of the entries, so that nothing is called and nothing let go under the lock.
    fn entered(&self) -> Vec<Outstanding> {
        lock(&self.register).entries.iter().map(|(_, entry)| entry.clone()).collect()
    }
}

/// Those whose platforms have ended. There are never more than there were platforms at the same time.
static FREE: std::sync::Mutex<Vec<&'static Lent>> = std::sync::Mutex::new(Vec::new());

fn free() -> std::sync::MutexGuard<'static, Vec<&'static Lent>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`Lent::parties`].
const PARTIES: u8 = 2;

/// Phases go round: open, closing, all back.
fn is_open(phase: u64) -> bool {
    phase % 3 == 0
}

fn is_back(phase: u64) -> bool {
    phase % 3 == 2
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
