//! A closure that is put runs on a queue's thread, so what it captures must be `Send` and `Sync`.

use std::rc::Rc;
use std::sync::Arc;

use mf_async::{AsyncResult, WorkQueue};

fn put(queue: &WorkQueue) {
    let number = Rc::new(1);
    drop(queue.put(Arc::new(move |_: &AsyncResult| println!("{number}"))));
    let number = Rc::new(1);
    drop(queue.run(move || *number));
}

fn main() {
    let _ = put;
}
