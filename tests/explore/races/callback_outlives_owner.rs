//! A callback upgrades its owner's weak handle, and the owner is dropped before it comes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use mf_async::testing::FailureKind;
use mf_async::{AsyncResult, Platform, QueueId, Result, WorkItem};

use super::{Twin, planted};

struct Presenter {
    shown: AtomicU32,
}

impl Presenter {
    fn present(self: &Arc<Self>, platform: &Platform, twin: Twin) -> Result<()> {
        let this: Weak<Presenter> = Arc::downgrade(self);
        let callback = move |_: &AsyncResult| match (this.upgrade(), twin) {
            (Some(presenter), _) => _ = presenter.shown.fetch_add(1, Ordering::SeqCst),
            (None, Twin::Racy) => panic!("the presenter is gone"),
            (None, Twin::Mended) => {}
        };
        platform.put(QueueId::MULTITHREADED, WorkItem::new(Arc::new(callback)))
    }
}

#[test]
fn callback_outlives_owner() {
    planted(FailureKind::Panic, |platform, twin| async move {
        let presenter = Arc::new(Presenter { shown: AtomicU32::new(0) });
        presenter.present(&platform, twin)?;
        platform.queue(QueueId::STANDARD)?.run(move || drop(presenter)).await?;
        platform.queue(QueueId::MULTITHREADED)?.quiesce().await
    });
}
