//! A sink asks for a sample by an event, and counts the request only after that: a caller that is quick is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mf_async::event::HasEventQueue;
use mf_async::testing::FailureKind;
use mf_async::{Error, EventStream, Hresult, MediaEvent, MediaEventQueue, MediaEventType, QueueId, Result};

use super::{Twin, planted};

struct Sink {
    events: MediaEventQueue,
    credits: AtomicU32,
    twin: Twin,
}

impl HasEventQueue for Sink {
    fn event_queue(&self) -> &MediaEventQueue {
        &self.events
    }
}

impl Sink {
    fn request(&self) {
        if self.twin == Twin::Mended {
            self.credits.fetch_add(1, Ordering::SeqCst);
        }
        let _ = self.events.queue_event(MediaEvent::new(MediaEventType::MEStreamSinkRequestSample));
        if self.twin == Twin::Racy {
            self.credits.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn process_sample(&self) -> Result<()> {
        let taken = self.credits.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let refused =
            |_| Error::new(Hresult::MF_E_INVALIDREQUEST, "give the sink a sample that it has not asked for");
        taken.map(drop).map_err(refused)
    }
}

#[test]
fn credit_after_its_event() {
    planted(FailureKind::Error, |platform, twin| async move {
        let sink =
            Arc::new(Sink { events: platform.create_event_queue()?, credits: AtomicU32::new(0), twin });
        let mut events = EventStream::lossless(&sink)?;
        let requester = sink.clone();
        let requested = platform.queue(QueueId::MULTITHREADED)?.run(move || requester.request());
        events.wait_for(MediaEventType::MEStreamSinkRequestSample).await?;
        sink.process_sample()?;
        requested.await
    });
}
