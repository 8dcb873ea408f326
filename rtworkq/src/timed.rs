//! What a timer, a wait or a period holds on the program's platform, which outlives the last shutdown: that ends it.
//!
//! A platform of this crate's own needs none of this, as its shutdown does the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use mf_async::rtwq::PeriodicKey;
use mf_async::{AsyncCallback, AsyncResult, CallbackParameters, Platform, WorkItemKey};

use crate::guard::Answer;
use crate::lifetime;

/// Has an item scheduled, or wait, and notes it if the platform is the program's.
pub(crate) fn put(
    item: Arc<dyn AsyncCallback>,
    put: impl FnOnce(Arc<dyn AsyncCallback>) -> Answer<WorkItemKey>,
) -> Answer<WorkItemKey> {
    if !lifetime::is_given() {
        return put(item);
    }
    let timed = Arc::new(Timed { item, start: lifetime::start(), key: AtomicU64::new(0) });
    let weak = Arc::downgrade(&timed);
    let kept = timed.clone();
    let key = put(timed)?;
    // ORDERING: Relaxed: the lock below orders it for the one that reads it.
    kept.key.store(key.0, Ordering::Relaxed);
    let mut noted = noted();
    if noted.items.len() == noted.items.capacity() {
        noted.items.retain(|item| item.strong_count() > 0);
    }
    noted.items.push(weak);
    drop(noted);
    drop(kept);
    Ok(key)
}

/// A period was added.
pub(crate) fn added(key: PeriodicKey) {
    if lifetime::is_given() {
        noted().periods.push(key);
    }
}

/// A period was removed.
pub(crate) fn removed(key: PeriodicKey) {
    noted().periods.retain(|noted| *noted != key);
}

/// Ends all that is noted. None of it is called: the number of the start is another now.
pub(crate) fn end_all(platform: &Platform) {
    let Noted { items, periods } = std::mem::take(&mut *noted());
    // What has fired meanwhile is not found.
    for timed in items.iter().filter_map(Weak::upgrade) {
        let _ = platform.cancel_work_item(WorkItemKey(timed.key.load(Ordering::Relaxed)));
    }
    for key in periods {
        let _ = platform.remove_periodic_callback(key);
    }
}

#[derive(Default)]
struct Noted {
    items: Vec<Weak<Timed>>,
    periods: Vec<PeriodicKey>,
}

static NOTED: Mutex<Noted> = Mutex::new(Noted { items: Vec::new(), periods: Vec::new() });

fn noted() -> MutexGuard<'static, Noted> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An item that is called in the start that it was put in.
struct Timed {
    item: Arc<dyn AsyncCallback>,
    start: usize,
    key: AtomicU64,
}

impl AsyncCallback for Timed {
    fn parameters(&self) -> CallbackParameters {
        self.item.parameters()
    }

    fn invoke(&self, result: &AsyncResult) {
        if lifetime::start() == self.start {
            self.item.invoke(result);
        }
    }

    fn name(&self) -> &'static str {
        self.item.name()
    }
}
