//! A source delivers the sample of a request that was outstanding when it was stopped, after it has said that it is stopped.

use std::sync::{Arc, Mutex};

use mf_async::event::HasEventQueue;
use mf_async::testing::FailureKind;
use mf_async::{EventStream, MediaEvent, MediaEventQueue, MediaEventType, QueueId, Result, WorkQueue};

use super::{Twin, planted};

struct Source {
    events: MediaEventQueue,
    work: WorkQueue,
    twin: Twin,
    is_stopped: Mutex<bool>,
}

impl HasEventQueue for Source {
    fn event_queue(&self) -> &MediaEventQueue {
        &self.events
    }
}

impl Source {
    fn request_sample(self: &Arc<Self>) {
        let this = self.clone();
        self.work.run(move || this.deliver()).detach();
    }

    fn deliver(&self) {
        match self.twin {
            Twin::Racy => {
                let is_stopped = *self.is_stopped.lock().unwrap();
                if !is_stopped {
                    let _ = self.events.queue_event(MediaEvent::new(MediaEventType::MEMediaSample));
                }
            }
            Twin::Mended => {
                // The event is queued under the lock that `stop` takes.
                let is_stopped = self.is_stopped.lock().unwrap();
                if !*is_stopped {
                    let _ = self.events.queue_event(MediaEvent::new(MediaEventType::MEMediaSample));
                }
            }
        }
    }

    fn stop(&self) -> Result<()> {
        let mut is_stopped = self.is_stopped.lock().unwrap();
        *is_stopped = true;
        if self.twin == Twin::Racy {
            drop(is_stopped);
            return self.events.queue_event(MediaEvent::new(MediaEventType::MESourceStopped));
        }
        self.events.queue_event(MediaEvent::new(MediaEventType::MESourceStopped))
    }
}

#[test]
fn stop_against_request() {
    planted(FailureKind::Panic, |platform, twin| async move {
        let source = Arc::new(Source {
            events: platform.create_event_queue()?,
            work: platform.queue(QueueId::MULTITHREADED)?,
            twin,
            is_stopped: Mutex::default(),
        });
        let mut events = EventStream::lossless(&source)?;
        source.request_sample();
        source.request_sample();
        let stopper = source.clone();
        source.work.run(move || stopper.stop()).await??;
        source.work.quiesce().await?;
        let mut is_stopped = false;
        while let Some(event) = events.try_next()? {
            assert!(!is_stopped, "{} after MESourceStopped", event.event_type());
            is_stopped = event.event_type() == MediaEventType::MESourceStopped;
        }
        assert!(is_stopped);
        Ok(())
    });
}
