//! End is called whenever the callback comes, so it cannot borrow a buffer of its caller's.

use mf_async::{AsyncResult, begin_end};

fn read() {
    let buffer = [0_u8; 16];
    let length = &buffer;
    drop(begin_end(|_| Ok(()), move |_: &AsyncResult| Ok(length.len())));
}

fn main() {}
