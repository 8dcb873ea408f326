//! A method's body is polled on queue threads, so it must be `Send`.

use std::rc::Rc;
use std::sync::Arc;

use mf_async::{AsyncCallback, Method};

fn begin(method: &Method<u32>, callback: Arc<dyn AsyncCallback>) {
    let number = Rc::new(1);
    drop(method.begin(callback, async move {
        std::future::ready(()).await;
        Ok(*number)
    }));
}

fn main() {}
