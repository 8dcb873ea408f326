//! End may run on another thread, later: it borrows nothing.

use mf_async::Platform;

fn awaited(platform: &Platform) {
    let buffer = [0_u8; 16];
    let length = &buffer;
    drop(platform.begin_end(&(), |(), _| Ok(()), move |(), _| Ok(length.len())));
}

fn main() {
    let _ = awaited;
}
