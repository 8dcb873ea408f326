//! What is put is a callback in an `Arc`, a work item or a result.

use std::sync::Arc;

use mf_async::WorkQueue;

fn put(queue: &WorkQueue) {
    drop(queue.put(|| ()));
    drop(queue.put(Arc::new(7)));
}

fn main() {
    let _ = put;
}
