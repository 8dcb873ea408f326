//! The sentinel: a task that does nothing, and ends the platform when its runtime drops it.

use std::future::pending;
use std::sync::{Arc, Weak};

use crate::observe;
use crate::platform::Owner;

/// Posts the sentinel of a platform on its runtime. If the runtime is gone already, the platform ends at once.
pub(super) fn post(owner: &Arc<Owner>) {
    let sentinel = Sentinel(Arc::downgrade(owner));
    let task = observe::spawn(owner.queues.runtime(), format_args!("sentinel"), async move {
        let _sentinel = sentinel;
        pending::<()>().await;
    });
    let _ = owner.sentinel.set(task.abort_handle());
}

/// Dropped with its task: by the platform's own drop, which finds the owner gone, or by the runtime's end.
struct Sentinel(Weak<Owner>);

impl Drop for Sentinel {
    fn drop(&mut self) {
        if let Some(owner) = self.0.upgrade() {
            owner.abort();
        }
    }
}
