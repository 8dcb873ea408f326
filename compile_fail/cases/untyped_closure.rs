//! In `Arc::new` a closure must say that it takes `&AsyncResult`; in `mf_async::callback` it need not.

use std::sync::Arc;

use mf_async::{Platform, WorkQueue};

fn put(queue: &WorkQueue, platform: &Platform) {
    drop(queue.put(Arc::new(|result| drop(result))));
    drop(platform.result(Arc::new(|result| drop(result))));
}

fn main() {
    let _ = put;
}
