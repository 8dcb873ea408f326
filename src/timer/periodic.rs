//! Periodic callbacks: each is called every [`PERIOD`], until it is removed.

use std::sync::Arc;

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId};
use crate::contain::{Contained, drop_contained};
use crate::error::Result;
use crate::stepping;
use crate::sync::LockExt;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::timer::table::Waits;
use crate::timer::{PERIOD, PeriodicKey, Timers, not_found};
use crate::tracker::Begun;

impl Timers {
    /// Calls `callback` every [`PERIOD`] on the TIMER queue.
    pub(crate) fn add_periodic(
        self: &Arc<Self>,
        callback: Box<dyn Fn() + Send + Sync>,
        begun: Begun,
    ) -> Result<PeriodicKey> {
        let callback = Contained::new(callback);
        let busy = Arc::new(AtomicBool::new(false));
        let tick: Arc<dyn AsyncCallback> = Arc::new(Tick { callback, busy: busy.clone() });
        let result = self.queues.create_result(tick, None)?;
        let at = self.after(PERIOD);
        // ORDERING: Relaxed, because only the number's uniqueness matters. No two platforms of the process share one.
        let number = PERIODIC.fetch_add(1, std::sync::atomic::Ordering::Relaxed).wrapping_add(1);
        self.add(Some(at), begun, Waits::Periodic { number, result, busy }, "add a periodic callback")?;
        Ok(PeriodicKey(number))
    }

    pub(crate) fn remove_periodic(&self, key: PeriodicKey) -> Result<()> {
        stepping::pause();
        let mut table = self.table.locked();
        table.open("remove a periodic callback")?;
        let found = table.entries.iter().find_map(|(at, entry)| match entry.waits {
            Waits::Periodic { number, .. } if number == key.0 => Some(at),
            _ => None,
        });
        let removed = found.map(|at| table.remove(at));
        drop(table);
        match removed {
            Some(entry) => {
                drop_contained(entry);
                Ok(())
            }
            None => Err(not_found("remove a periodic callback", u64::from(key.0))),
        }
    }
}

/// One tick of a periodic callback.
struct Tick {
    callback: Contained<Box<dyn Fn() + Send + Sync>>,
    busy: Arc<AtomicBool>,
}

impl AsyncCallback for Tick {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(QueueId::TIMER)
    }

    fn invoke(&self, _: &AsyncResult) {
        /// Allows the next tick, also after a panic.
        struct Free<'a>(&'a AtomicBool);
        impl Drop for Free<'_> {
            fn drop(&mut self) {
                // ORDERING: Release pairs with the AcqRel in `take_one`.
                self.0.store(false, Ordering::Release);
            }
        }
        let _free = Free(&self.busy);
        (self.callback)();
    }

    fn name(&self) -> &'static str {
        "a periodic callback"
    }
}

/// The number of the last periodic callback of the process.
static PERIODIC: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
