//! End is called whenever the callback comes, so it cannot borrow a buffer of its caller's.

use mf_async::{AsyncResult};

fn read() {
    let buffer = [0_u8; 16];
    let length = &buffer;
    drop(platform.begin_end(&(), |(), _| Ok(()), move |(), _| Ok(length.len())));
}

fn main() {}
