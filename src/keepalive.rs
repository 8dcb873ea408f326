//! What an open platform lends to everything outstanding, and the moment when all of it is back.
//!
//! Every result, running callback, lock and armed operation holds a [`Keepalive`], a counted handle.
//! Nobody counts by hand: a handle counts itself when it is made and when it is dropped, and the last to go
//! says so, as the far end of a channel does. What must be *told* of a shutdown is also in the [`Register`] that
//! the handle leads to, until it has ended.

mod count;
#[cfg(all(test, mf_async_loom))]
mod loom;
mod register;

use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::SetOnce;

use self::count::Count;
use self::register::Register;
pub(crate) use self::register::{Armed, Outstanding};
use crate::error::{Error, Result};
use crate::sync::{MODELLED, Mutex, MutexGuard};

/// One thing that is outstanding: while any exists, [`Lender::all_back`] waits.
///
/// It is made and dropped with every work item, on whatever threads, so what it leads to is not counted by
/// one number that all of them change, and is not owned: it stays in memory and serves another platform when
/// this one has ended.
pub struct Keepalive(&'static Lent);

impl Clone for Keepalive {
    #[inline]
    fn clone(&self) -> Keepalive {
        self.0.count.lend();
        Keepalive(self.0)
    }
}

impl Drop for Keepalive {
    #[inline]
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
        let key = self.0.register.enter(Outstanding::new(armed, begun)).ok_or_else(closed)?;
        Ok(Entry { key, keepalive: self.clone() })
    }

    /// Lists something that shutdown must end for as long as it exists and has not ended, begun at `begun`.
    ///
    /// # Errors
    /// As [`enter`](Keepalive::enter).
    pub(crate) fn list(&self, armed: Weak<dyn Armed>, begun: &'static Location<'static>) -> Result<()> {
        if self.0.register.list(Outstanding::new(armed, begun)) { Ok(()) } else { Err(closed()) }
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

/// An entry in the register; dropping it leaves the register.
pub(crate) struct Entry {
    key: usize,
    keepalive: Keepalive,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.keepalive.0.register.leave(self.key);
    }
}

/// The platform's side: hands out keepalives and learns when they are back.
pub(crate) struct Lender {
    lent: &'static Lent,
    tenant: Tenant,
    /// The platform's own keepalive, given up when it shuts down.
    own: Mutex<Option<Keepalive>>,
    back: Arc<SetOnce<()>>,
}

impl Lender {
    pub(crate) fn new() -> Lender {
        let lent = Lent::take();
        lent.count.lend();
        let back = lock(&lent.back).clone();
        let tenant = Tenant(Arc::new(Tenancy(lent)));
        Lender { lent, tenant, own: Mutex::new(Some(Keepalive(lent))), back }
    }

    /// The right to make keepalives for what was accepted while the platform was open.
    pub(crate) fn tenant(&self) -> Tenant {
        self.tenant.clone()
    }

    /// A keepalive to be looked at, which is not counted, and keeps nothing.
    #[inline]
    pub(crate) fn shown(&self) -> ManuallyDrop<Keepalive> {
        ManuallyDrop::new(Keepalive(self.lent))
    }

    /// A keepalive, or `None` when the platform has given up its own.
    #[inline]
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

    /// What has begun and has not ended.
    pub(crate) fn outstanding(&self) -> Vec<Outstanding> {
        self.lent.register.all()
    }

    /// How much of that has a keepalive of its own.
    pub(crate) fn entered(&self) -> usize {
        self.lent.register.entered()
    }

    /// Tells everything entered to end with `error`, and refuses later entries.
    pub(crate) fn shut_down(&self, error: &Error) {
        self.lent.register.close();
        self.outstanding().iter().for_each(|outstanding| outstanding.shut_down(error));
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
    }
}

/// Somebody who makes keepalives even after the platform has closed: a queue, for what it took before.
#[derive(Clone)]
pub(crate) struct Tenant(Arc<Tenancy>);

impl Tenant {
    /// A keepalive for something that runs. Whoever waits for all to be back does not wait for this one if
    /// it is made too late; he waits until the queue is empty first.
    #[inline]
    pub(crate) fn lend(&self) -> Keepalive {
        let lent = self.0.0;
        lent.count.lend();
        Keepalive(lent)
    }
}

/// While it exists no other platform gets what it leads to.
struct Tenancy(&'static Lent);

impl Drop for Tenancy {
    fn drop(&mut self) {
        self.0.part();
    }
}

/// What every keepalive of a platform leads to.
struct Lent {
    count: Count,
    /// Open, closing, all back, and so on with the next platform: see [`is_open`].
    phase: AtomicU64,
    /// Who still needs it: all tenants together, the lender among them, and all keepalives together.
    parties: AtomicU8,
    back: Mutex<Arc<SetOnce<()>>>,
    register: Register,
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
            register: Register::default(),
            extra_calls: AtomicU64::new(0),
        }))
    }

    /// One was given back: says so if it was the last.
    #[inline]
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

    /// The tenants are gone, or all keepalives are; after both this serves another platform. A model has its own
    /// locks, which serve no other.
    fn part(&'static self) {
        // ORDERING: AcqRel: the second comes after all that the first did.
        if self.parties.fetch_sub(1, Ordering::AcqRel) == 1 && !MODELLED {
            self.register.renew();
            free().push(self);
        }
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

fn closed() -> Error {
    Error::shutdown("begin an operation on a platform that is shut down")
}

/// A lock. A poisoned one is as good as any: no user code runs while it is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
