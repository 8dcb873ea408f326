//! A component is shut down while an event of it is on its way, and takes that its queue is open for granted.

use std::sync::Arc;

use mf_async::event::HasEventQueue;
use mf_async::testing::FailureKind;
use mf_async::{MediaEvent, MediaEventQueue, MediaEventType, QueueId, WorkQueue};

use super::{Twin, planted};

struct Session {
    events: MediaEventQueue,
    operations: WorkQueue,
    twin: Twin,
}

impl HasEventQueue for Session {
    fn event_queue(&self) -> &MediaEventQueue {
        &self.events
    }
}

impl Session {
    fn start(self: &Arc<Self>) {
        let this = self.clone();
        let started = move || {
            let queued = this.events.queue_event(MediaEvent::new(MediaEventType::MESessionStarted));
            match this.twin {
                Twin::Racy => queued.expect("the session is open"),
                // An event that comes too late is of no interest.
                Twin::Mended => drop(queued),
            }
        };
        self.operations.run(started).detach();
    }

    fn shutdown(&self) {
        self.events.shutdown();
    }
}

#[test]
fn shutdown_against_event() {
    planted(FailureKind::Panic, |platform, twin| async move {
        let session = Arc::new(Session {
            events: platform.create_event_queue()?,
            operations: platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?,
            twin,
        });
        session.start();
        let other = session.clone();
        platform.queue(QueueId::STANDARD)?.run(move || other.shutdown()).await?;
        session.operations.quiesce().await
    });
}
