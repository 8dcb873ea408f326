//! A stream and its producer share the generator, so it is in an `Arc`.

use mf_async::{EventStream, Platform, Result};

fn listen(platform: &Platform) -> Result<EventStream> {
    let queue = platform.create_event_queue()?;
    EventStream::lossless(&queue)
}

fn main() {
    let _ = listen;
}
