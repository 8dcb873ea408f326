//! One event loop over three generators, a timeout and a cancellation token, without losing an event.
//! Run it with `cargo run --example event_loop`.

use std::sync::Arc;
use std::time::Duration;

use mf_async::{EventStream, HasEventQueue, Latest, MediaEvent, MediaEventGenerator, MediaEventQueue};
use mf_async::{MediaEventType, Platform, Result};
use tokio_util::sync::CancellationToken;

/// A component: it has an event queue, and by that is a generator.
struct Component(MediaEventQueue);

impl HasEventQueue for Component {
    fn event_queue(&self) -> &MediaEventQueue {
        &self.0
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let platform = Platform::startup()?;
    let component = || Ok::<_, mf_async::Error>(Arc::new(Component(platform.create_event_queue()?)));
    let (session, source, sink) = (component()?, component()?, component()?);
    let mut of_session = EventStream::lossless(&session)?.until(MediaEventType::MESessionClosed);
    let mut of_source = EventStream::lossless(&source)?;
    // Of quality advice only the newest is of interest.
    let mut of_sink = EventStream::new(&sink, Latest)?.only(&[MediaEventType::MEQualityNotify]);
    let cancel = CancellationToken::new();

    let parts = [session.clone(), source.clone(), sink.clone()];
    let play = tokio::spawn(play(parts, cancel.clone()));
    loop {
        tokio::select! {
            Some(event) = of_session.next() => println!("session: {}", event?.event_type()),
            Some(event) = of_source.next() => println!("source:  sample at {:?}", event?.value()),
            Some(event) = of_sink.next() => println!("sink:    late by {:?}", event?.value()),
            () = tokio::time::sleep(Duration::from_millis(30)) => println!("nothing for 30 ms"),
            () = cancel.cancelled() => break,
        }
    }
    play.await.expect("the player panicked")?;
    println!("{} piece(s) of advice were outdated", of_sink.dropped());
    platform.shutdown().await
}

/// What the components have to tell.
async fn play([session, source, sink]: [Arc<Component>; 3], end: CancellationToken) -> Result<()> {
    session.queue_event(MediaEvent::new(MediaEventType::MESessionStarted))?;
    for at in 0..5_i64 {
        source.queue_event(MediaEvent::new(MediaEventType::MEMediaSample).with_value(at * 400_000))?;
        sink.queue_event(MediaEvent::new(MediaEventType::MEQualityNotify).with_value(at * 10))?;
        tokio::time::sleep(Duration::from_millis(at as u64 * 10)).await;
    }
    session.queue_event(MediaEvent::new(MediaEventType::MESessionClosed))?;
    tokio::time::sleep(Duration::from_millis(10)).await;
    end.cancel();
    Ok(())
}
