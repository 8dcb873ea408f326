//! What Begin returns says how the operation is cancelled, if it can be.

use mf_async::Platform;

fn begin(platform: &Platform) {
    drop(platform.begin_end(&(), |(), _| 7, |(), _| Ok(())));
    drop(platform.begin_end(&(), |(), _| Ok("begun"), |(), _| Ok(())));
}

fn main() {
    let _ = begin;
}
