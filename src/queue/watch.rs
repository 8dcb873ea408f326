//! A watch: lets others wait for a moment in a queue's life, and costs a load per item while nobody does.

use tokio::sync::Notify;

use crate::sync::atomic::{AtomicUsize, Ordering};

/// Who waits for a condition, and is told whenever something has changed.
#[derive(Default)]
pub(crate) struct Watch {
    watchers: AtomicUsize,
    moved: Notify,
}

impl Watch {
    /// Something has changed that a watcher may wait for.
    #[inline]
    pub(crate) fn tell(&self) {
        // ORDERING: SeqCst pairs with the increment in `until`. The change was made under a lock that
        // the watcher's look takes as well: either that look comes later and sees the change, or the
        // increment came before this load.
        if self.watchers.load(Ordering::SeqCst) > 0 {
            self.moved.notify_waiters();
        }
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, condition: impl Fn() -> bool) {
        struct Gone<'a>(&'a AtomicUsize);
        impl Drop for Gone<'_> {
            fn drop(&mut self) {
                // ORDERING: SeqCst as its counterpart; a late decrement only costs a notification.
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        // ORDERING: SeqCst, see `tell`.
        self.watchers.fetch_add(1, Ordering::SeqCst);
        let _gone = Gone(&self.watchers);
        loop {
            // Register, then look: `notified` counts from its creation.
            let moved = self.moved.notified();
            if condition() {
                return;
            }
            moved.await;
        }
    }
}
