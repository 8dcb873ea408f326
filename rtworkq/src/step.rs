//! Stepping: everything that Media Foundation puts goes to one queue, which a test steps by hand.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use mf_async::testing::ManualQueue;
use mf_async::{CallbackFlags, CallbackParameters, Platform, QueueId, Result};

/// The queue that everything goes to; 0 if each goes to its own.
static ALL: AtomicU32 = AtomicU32::new(0);

/// Everything that Media Foundation puts from now on waits, on one queue, until it is stepped.
///
/// The callbacks then run on the thread that steps, one at a time, in the order of the puts and of their priorities. What
/// Media Foundation does on threads of its own, such as decoding under Wine, it goes on doing. A callback that waits for
/// another one waits for ever.
///
/// # Errors
/// `MF_E_SHUTDOWN` when the platform is shut down.
pub fn step_by_hand(platform: &Platform) -> Result<Stepper> {
    let queue = ManualQueue::new(platform)?;
    redirect(Some(queue.id()));
    Ok(Stepper { queue })
}

/// The same on the platform that Media Foundation is started on; `None` if it is not started on one of this crate's.
#[must_use]
pub fn step_by_hand_on_started() -> Option<Stepper> {
    step_by_hand(&crate::lifetime::platform().ok()?).ok()
}

/// Steps what Media Foundation has put. Its drop ends the stepping; what is queued then is released without a call.
#[must_use = "dropping it ends the stepping"]
pub struct Stepper {
    queue: ManualQueue,
}

impl Stepper {
    /// Runs the next callback on this thread; false if none is queued.
    pub fn step(&self) -> bool {
        self.queue.step()
    }

    /// The number of callbacks that wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.queue.depth()
    }
}

impl Drop for Stepper {
    fn drop(&mut self) {
        redirect(None);
    }
}

impl fmt::Debug for Stepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepper").field("depth", &self.depth()).finish()
    }
}

/// Sends everything to this queue, or each to its own.
pub(crate) fn redirect(to: Option<QueueId>) {
    // ORDERING: Relaxed: what is put at the same moment goes to either.
    ALL.store(to.map_or(0, |queue| queue.0), Ordering::Relaxed);
}

/// The queue that a put to `queue` goes to.
pub(crate) fn queue(queue: QueueId) -> QueueId {
    match ALL.load(Ordering::Relaxed) {
        0 => queue,
        all => QueueId(all),
    }
}

/// The parameters that a callback has then. Its flags are promises to its own queue, and are not kept by another.
pub(crate) fn redirected(parameters: CallbackParameters) -> CallbackParameters {
    match ALL.load(Ordering::Relaxed) {
        0 => parameters,
        all => CallbackParameters::on(QueueId(all)).with_flags(CallbackFlags::empty()),
    }
}
