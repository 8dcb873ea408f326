//! A callback runs on a queue's thread, so it must be `Send + Sync`.

use std::rc::Rc;
use std::sync::Arc;

use mf_async::{AsyncCallback, AsyncResult};

struct Counter(Rc<u32>);

impl AsyncCallback for Counter {
    fn invoke(&self, _: &AsyncResult) {}
}

fn main() {
    let _callback: Arc<dyn AsyncCallback> = Arc::new(Counter(Rc::new(1)));
}
