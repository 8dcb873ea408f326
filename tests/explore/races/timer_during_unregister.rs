//! A watchdog is unregistered while its timer fires: it barks at a component that is gone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mf_async::testing::FailureKind;
use mf_async::{AsyncResult, Platform, QueueId, Result, WorkItem, WorkItemKey};

use super::{Twin, planted};

/// What the watchdog looks at.
#[derive(Default)]
struct Watched {
    heartbeat: Mutex<Option<u64>>,
}

struct Watchdog {
    key: WorkItemKey,
    watched: Arc<Watched>,
}

impl Watchdog {
    fn register(platform: &Platform, watched: &Arc<Watched>, twin: Twin) -> Result<Watchdog> {
        *watched.heartbeat.lock().unwrap() = Some(0);
        let seen = watched.clone();
        let look = move |_: &AsyncResult| {
            let heartbeat = *seen.heartbeat.lock().unwrap();
            match twin {
                Twin::Racy => assert!(heartbeat.is_some(), "the watchdog looks at what is unregistered"),
                Twin::Mended => {}
            }
        };
        let key = platform.schedule(WorkItem::new(Arc::new(look)), Duration::from_millis(20))?;
        Ok(Watchdog { key, watched: watched.clone() })
    }

    fn unregister(self, platform: &Platform) {
        // An item that is on its queue runs all the same.
        let _ = platform.cancel_work_item(self.key);
        *self.watched.heartbeat.lock().unwrap() = None;
    }
}

#[test]
fn timer_during_unregister() {
    planted(FailureKind::Panic, |platform, twin| async move {
        let watched = Arc::default();
        let watchdog = Watchdog::register(&platform, &watched, twin)?;
        let of_item = platform.clone();
        platform.queue(QueueId::IO)?.run(move || watchdog.unregister(&of_item)).await?;
        platform.queue(QueueId::STANDARD)?.quiesce().await
    });
}
