//! A handler keeps the result of a call that is to be replied to, in a place for one: the second call takes the first's
//! place before that was replied to, and the first one's caller waits for ever.

use std::sync::{Arc, Mutex};

use mf_async::testing::FailureKind;
use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Platform, QueueId, WorkItem, WorkQueue,
};

use super::{Twin, planted};

/// What replies to the calls of two devices, each on a serial queue of its own, which awaits the reply.
struct Handler {
    platform: Platform,
    queue: QueueId,
    outstanding: Arc<Mutex<Vec<AsyncResult>>>,
    twin: Twin,
}

impl AsyncCallback for Handler {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(self.queue).with_flags(CallbackFlags::REPLY)
    }

    fn invoke(&self, result: &AsyncResult) {
        {
            let mut outstanding = self.outstanding.lock().unwrap();
            if self.twin == Twin::Racy {
                outstanding.clear();
            }
            outstanding.push(result.clone());
        }
        let (platform, outstanding) = (self.platform.clone(), self.outstanding.clone());
        let reply = move |_: &AsyncResult| {
            let all = std::mem::take(&mut *outstanding.lock().unwrap());
            all.iter().for_each(|result| _ = platform.invoke_callback(result));
        };
        let _ = self.platform.put(QueueId::STANDARD, WorkItem::new(Arc::new(reply)));
    }
}

#[test]
fn reply_lost() {
    planted(FailureKind::Stuck, |platform, twin| async move {
        let outstanding = Arc::default();
        let mut devices: Vec<WorkQueue> = Vec::new();
        for _ in 0..2 {
            let device = platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?;
            let outstanding = Arc::clone(&outstanding);
            let handler = Handler { platform: platform.clone(), queue: device.id(), outstanding, twin };
            device.put(WorkItem::new(Arc::new(handler)))?;
            devices.push(device);
        }
        // What is behind the call runs when that was replied to.
        for device in &devices {
            device.run(|| ()).await?;
        }
        Ok(())
    });
}
