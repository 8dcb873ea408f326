//! A private queue whose items are stepped by hand.

use std::panic::Location;
use std::sync::Arc;

use crate::error::Result;
use crate::queue::engine::{Manual, Spawner};
use crate::queue::handle::WorkQueue;
use crate::queue::kind::QueueKind;
use crate::queue::table::Queues;

impl Queues {
    /// A private queue whose items run when they are stepped.
    #[track_caller]
    pub(crate) fn allocate_manual(self: &Arc<Self>) -> Result<(WorkQueue, Manual)> {
        self.admit("allocate a work queue")?;
        let mut made = None;
        let added = self.add(Location::caller(), |id| {
            let engine = self.serial(id, Spawner::Manual(self.runtime().clone()));
            made = Some(Manual::new(engine.clone()));
            Ok(QueueKind::Engine(engine))
        })?;
        Ok((self.work_queue(added), made.expect("`add` has called the closure, or failed")))
    }
}
