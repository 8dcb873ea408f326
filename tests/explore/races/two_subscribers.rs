//! Two parts of a program ask one generator for its next event: whichever comes second is refused.

use std::sync::Arc;

use mf_async::event::HasEventQueue;
use mf_async::testing::FailureKind;
use mf_async::{
    EventStream, MediaEvent, MediaEventGenerator, MediaEventQueue, MediaEventType, QueueId, Result,
};
use tokio::sync::Mutex;

use super::{Twin, planted};

struct Component(MediaEventQueue);

impl HasEventQueue for Component {
    fn event_queue(&self) -> &MediaEventQueue {
        &self.0
    }
}

/// Opens the component in the background: it waits for its first event.
async fn opened(component: Arc<Component>, turn: Option<Arc<Mutex<()>>>) -> Result<MediaEventType> {
    let _turn = match &turn {
        Some(turn) => Some(turn.lock().await),
        None => None,
    };
    let mut events = EventStream::lossless(&component)?;
    match events.next().await {
        Some(event) => Ok(event?.event_type()),
        None => Ok(MediaEventType::MEUnknown),
    }
}

#[test]
fn two_subscribers() {
    planted(FailureKind::Error, |platform, twin| async move {
        let component = Arc::new(Component(platform.create_event_queue()?));
        let queue = platform.queue(QueueId::MULTITHREADED)?;
        // Mended: they take turns.
        let turn = (twin == Twin::Mended).then(Arc::default);
        let first = queue.spawn(opened(component.clone(), turn.clone()));
        for event in [MediaEventType::MESourceStarted, MediaEventType::MEStreamStarted] {
            component.queue_event(MediaEvent::new(event))?;
        }
        let second = queue.spawn(opened(component.clone(), turn));
        first.await??;
        second.await??;
        Ok(())
    });
}
