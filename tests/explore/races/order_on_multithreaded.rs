//! A writer counts on the order of its items on a queue that runs several at the same time.

use std::sync::{Arc, Mutex};

use mf_async::testing::FailureKind;
use mf_async::{Platform, QueueId, Result, WorkQueue};

use super::{Twin, planted};

struct Writer {
    queue: WorkQueue,
    written: Arc<Mutex<Vec<u32>>>,
}

impl Writer {
    fn new(platform: &Platform, twin: Twin) -> Result<Writer> {
        let queue = match twin {
            Twin::Racy => platform.queue(QueueId::MULTITHREADED)?,
            Twin::Mended => platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?,
        };
        Ok(Writer { queue, written: Arc::default() })
    }

    fn write(&self, sample: u32) {
        let written = self.written.clone();
        self.queue.run(move || written.lock().unwrap().push(sample)).detach();
    }
}

#[test]
fn order_on_multithreaded() {
    planted(FailureKind::Panic, |platform, twin| async move {
        let writer = Writer::new(&platform, twin)?;
        (0..4).for_each(|sample| writer.write(sample));
        writer.queue.quiesce().await?;
        assert_eq!(*writer.written.lock().unwrap(), [0, 1, 2, 3]);
        Ok(())
    });
}
