//! One event loop over three generators, a timeout and a cancellation token, without losing an event.
//!
//! Run: `cargo run --example event_loop`. It prints:
//! ```text
//! session: MESessionStarted
//! source:  sample at 0 ms
//! sink:    late by 0 ms
//! source:  sample at 40 ms
//! source:  sample at 80 ms
//! sink:    late by 20 ms
//! nothing for 30 ms
//! session: MESessionClosed
//! 1 piece of advice was out of date before it was read
//! ```

use std::sync::Arc;
use std::time::Duration;

use mf_async::event::HasEventQueue;
use mf_async::event_stream::Latest;
use mf_async::{
    EventStream, MediaEvent, MediaEventGenerator, MediaEventQueue, MediaEventType, Platform, Result,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// A component: it has an event queue, and by that is a generator.
pub struct Component(pub MediaEventQueue);

impl HasEventQueue for Component {
    fn event_queue(&self) -> &MediaEventQueue {
        &self.0
    }
}

// With the clock paused no time passes, and it prints the same every time.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<()> {
    let platform = Platform::startup()?;
    let component = || Ok::<_, mf_async::Error>(Arc::new(Component(platform.create_event_queue()?)));
    let (session, source, sink) = (component()?, component()?, component()?);
    let mut of_session = EventStream::lossless(&session)?.until(MediaEventType::MESessionClosed);
    let mut of_source = EventStream::lossless(&source)?;
    // Of quality advice only the newest is of interest.
    let mut of_sink = EventStream::new(&sink, Latest)?.only(&[MediaEventType::MEQualityNotify]);

    let cancel = CancellationToken::new();
    let player = tokio::spawn(play([session, source, sink], cancel.clone()));
    let time = |event: &MediaEvent| event.value().as_i64().unwrap_or_default() / 10_000;
    loop {
        tokio::select! {
            biased;
            Some(event) = of_session.next() => println!("session: {}", event?.event_type()),
            Some(event) = of_source.next() => println!("source:  sample at {} ms", time(&event?)),
            Some(event) = of_sink.next() => println!("sink:    late by {} ms", time(&event?)),
            () = cancel.cancelled() => break,
            () = sleep(Duration::from_millis(30)) => println!("nothing for 30 ms"),
        }
    }
    player.await.expect("the player panicked")?;
    println!("{} piece of advice was out of date before it was read", of_sink.dropped());
    platform.shutdown().await
}

/// The events of the components, and when they come.
pub async fn play([session, source, sink]: [Arc<Component>; 3], end: CancellationToken) -> Result<()> {
    let sample = |at: i64| MediaEvent::new(MediaEventType::MEMediaSample).with_value(at * 10_000);
    let late = |by: i64| MediaEvent::new(MediaEventType::MEQualityNotify).with_value(by * 10_000);
    session.queue_event(MediaEvent::new(MediaEventType::MESessionStarted))?;
    source.queue_event(sample(0))?;
    sink.queue_event(late(0))?;
    sleep(Duration::from_millis(10)).await;
    source.queue_event(sample(40))?;
    sink.queue_event(late(10))?;
    source.queue_event(sample(80))?;
    sink.queue_event(late(20))?;
    sleep(Duration::from_millis(50)).await;
    session.queue_event(MediaEvent::new(MediaEventType::MESessionClosed))?;
    sleep(Duration::from_millis(10)).await;
    end.cancel();
    Ok(())
}
