//! A cancel and the completion it comes too late for both invoke the caller's result.

use std::sync::{Arc, Mutex};

use mf_async::testing::{FailureKind, RecordingCallback};
use mf_async::{AsyncCallback, AsyncResult, Hresult, Platform, QueueId, Result, WorkItem};

use super::{Twin, planted};

/// Opens something in two hops, and can be cancelled in between.
struct Opener {
    platform: Platform,
    twin: Twin,
    outstanding: Mutex<Option<AsyncResult>>,
}

impl Opener {
    fn begin_open(self: &Arc<Self>, callback: Arc<dyn AsyncCallback>) -> Result<()> {
        let result = self.platform.result(callback).build()?;
        *self.outstanding.lock().unwrap() = Some(result);
        let connected = self.clone();
        let connect = move |_: &AsyncResult| {
            let opened = connected.clone();
            let open = Arc::new(move |_: &AsyncResult| opened.complete(Hresult::S_OK));
            let _ = connected.platform.put(QueueId::MULTITHREADED, WorkItem::new(open));
        };
        self.platform.put(QueueId::MULTITHREADED, WorkItem::new(Arc::new(connect)))
    }

    fn cancel(&self) {
        self.complete(Hresult::E_ABORT);
    }

    fn complete(&self, status: Hresult) {
        // Racy: the result is looked at first, and forgotten only after it was invoked.
        let result = match self.twin {
            Twin::Racy => self.outstanding.lock().unwrap().clone(),
            Twin::Mended => self.outstanding.lock().unwrap().take(),
        };
        if let Some(result) = result {
            result.set_status(status);
            let _ = result.invoke();
            self.outstanding.lock().unwrap().take();
        }
    }
}

#[test]
fn cancel_against_completion() {
    planted(FailureKind::Panic, |platform, twin| async move {
        let opener = Arc::new(Opener { platform: platform.clone(), twin, outstanding: Mutex::default() });
        let callback = RecordingCallback::on(QueueId::STANDARD);
        opener.begin_open(callback.clone())?;
        let canceller = opener.clone();
        platform.queue(QueueId::IO)?.run(move || canceller.cancel()).await?;
        callback.wait_for(1).await?;
        for queue in [QueueId::MULTITHREADED, QueueId::STANDARD] {
            platform.queue(queue)?.quiesce().await?;
        }
        assert_eq!(callback.count(), 1, "calls of the callback");
        drop(callback.take_results());
        Ok(())
    });
}
