//! A custom media source: calls return at once, are served one at a time and in order, and are answered by events.
//!
//! Run: `cargo run --example media_source`. It prints:
//! ```text
//! MESourceStarted
//! MEMediaSample at 0 ms
//! MEMediaSample at 40 ms
//! MEMediaSample at 80 ms
//! MEEndOfStream
//! MESourceStopped
//! refused: MF_E_SHUTDOWN (0xC00D3E85): queue an event: the event queue is shut down
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mf_async::event::{HasEventQueue, MediaEventValue};
use mf_async::{EventStream, Hresult, MediaEventQueue, MediaEventType, Platform, QueueId, Result, WorkQueue};

/// Three pictures, 40 ms apart. Times are in units of 100 ns.
pub struct ThreePictures {
    events: MediaEventQueue,
    /// The operation queue: what the calls ask for is done here, in their order.
    operations: WorkQueue,
    position: AtomicI64,
}

/// By this it is a `MediaEventGenerator`.
impl HasEventQueue for ThreePictures {
    fn event_queue(&self) -> &MediaEventQueue {
        &self.events
    }
}

impl ThreePictures {
    /// A source on this platform.
    pub fn new(platform: &Platform) -> Result<Arc<ThreePictures>> {
        let events = platform.create_event_queue()?;
        let operations = platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?;
        Ok(Arc::new(ThreePictures { events, operations, position: AtomicI64::new(0) }))
    }

    /// Starts at this time.
    pub fn start(self: &Arc<Self>, from: i64) {
        self.operate(move |source| {
            source.position.store(from, Ordering::Relaxed);
            source.send(MediaEventType::MESourceStarted, from)
        });
    }

    /// Asks for the next picture.
    pub fn request_sample(self: &Arc<Self>) {
        self.operate(|source| match source.position.fetch_add(PICTURE, Ordering::Relaxed) {
            at if at < 3 * PICTURE => source.send(MediaEventType::MEMediaSample, at),
            _ => source.send(MediaEventType::MEEndOfStream, MediaEventValue::Empty),
        });
    }

    /// Stops.
    pub fn stop(self: &Arc<Self>) {
        self.operate(|source| source.send(MediaEventType::MESourceStopped, MediaEventValue::Empty));
    }

    fn operate(self: &Arc<Self>, operation: impl FnOnce(&ThreePictures) -> Result<()> + Send + 'static) {
        let source = self.clone();
        // Fails only when the source is shut down, and then no event is awaited.
        self.operations.run(move || operation(&source)).detach();
    }

    fn send(&self, what: MediaEventType, value: impl Into<MediaEventValue>) -> Result<()> {
        self.events.queue_event_param_var(what, Hresult::S_OK, value)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let platform = Platform::startup()?;
    let source = ThreePictures::new(&platform)?;
    let mut events = EventStream::lossless(&source)?.until(MediaEventType::MESourceStopped);

    source.start(0);
    source.request_sample();
    while let Some(event) = events.next().await {
        let event = event?.ok()?;
        match (event.event_type(), event.value().as_i64()) {
            (MediaEventType::MEMediaSample, Some(at)) => {
                println!("MEMediaSample at {} ms", at / 10_000);
                source.request_sample();
            }
            (MediaEventType::MEEndOfStream, _) => {
                println!("MEEndOfStream");
                source.stop();
            }
            (other, _) => println!("{other}"),
        }
    }
    source.events.shutdown();
    println!("refused: {}", source.send(MediaEventType::MESourceStarted, 0).expect_err("it is shut down"));
    drop((events, source));
    platform.shutdown().await
}

/// How long a picture is shown.
const PICTURE: i64 = 400_000;
