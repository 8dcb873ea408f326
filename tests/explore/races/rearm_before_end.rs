//! A callback asks for the next event before the request that it was called for has ended: it is told that it has asked
//! already, and no event comes any more.

use std::sync::{Arc, Mutex, Weak};

use mf_async::testing::FailureKind;
use mf_async::{
    AsyncCallback, AsyncResult, CallbackParameters, MediaEvent, MediaEventQueue, MediaEventType, Platform,
    QueueId,
};
use tokio::sync::Notify;

use super::{Twin, planted};

/// Hands events on to a worker, which ends the requests.
struct Pump {
    this: Weak<Pump>,
    platform: Platform,
    events: Arc<MediaEventQueue>,
    twin: Twin,
    seen: Mutex<Vec<MediaEventType>>,
    errors: Mutex<Vec<mf_async::Error>>,
    came: Notify,
}

impl Pump {
    fn ask(&self) {
        let this = self.this.upgrade().expect("it is alive");
        if let Err(error) = self.events.begin_get_event(this, None) {
            self.errors.lock().unwrap().push(error);
        }
    }

    fn end(&self, result: &AsyncResult) {
        match self.events.end_get_event(result) {
            Ok(event) => self.seen.lock().unwrap().push(event.event_type()),
            Err(error) => self.errors.lock().unwrap().push(error),
        }
        self.came.notify_one();
    }
}

impl AsyncCallback for Pump {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(QueueId::STANDARD)
    }

    fn invoke(&self, result: &AsyncResult) {
        match self.twin {
            // Racy: the request is ended by an item of another queue, which usually is faster than the next.
            Twin::Racy => {
                let (pump, result) = (self.this.upgrade().expect("it is alive"), result.clone());
                let queue = self.platform.queue(QueueId::IO).expect("the platform is open");
                queue.run(move || pump.end(&result)).detach();
                let pump = self.this.upgrade().expect("it is alive");
                let queue = self.platform.queue(QueueId::MULTITHREADED).expect("the platform is open");
                queue.run(move || pump.ask()).detach();
            }
            Twin::Mended => {
                self.end(result);
                self.ask();
            }
        }
    }
}

#[test]
fn rearm_before_end() {
    planted(FailureKind::Stuck, |platform, twin| async move {
        let events = Arc::new(platform.create_event_queue()?);
        let pump = Arc::new_cyclic(|this: &Weak<Pump>| Pump {
            this: this.clone(),
            platform: platform.clone(),
            events: events.clone(),
            twin,
            seen: Mutex::default(),
            errors: Mutex::default(),
            came: Notify::new(),
        });
        pump.ask();
        for _ in 0..2 {
            events.queue_event(MediaEvent::new(MediaEventType::MEMediaSample))?;
        }
        loop {
            let came = pump.came.notified();
            if pump.seen.lock().unwrap().len() == 2 {
                break;
            }
            came.await;
        }
        let errors = std::mem::take(&mut *pump.errors.lock().unwrap());
        assert!(errors.is_empty(), "{}", errors[0]);
        events.shutdown();
        Ok(())
    });
}
