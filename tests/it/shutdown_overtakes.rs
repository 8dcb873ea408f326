//! Promise: a call that a shutdown overtakes says `MF_E_SHUTDOWN`, as one that comes after it. It was admitted while the
//! platform ran; when it looks for the private queue that its callback names, the shutdown has dropped that queue.

use std::sync::Arc;

use crate::support::{Gate, within_bound};
use mf_async::byte_stream::MemoryByteStream;
use mf_async::{
    AsyncCallback, AsyncResult, ByteStream, CallbackParameters, Hresult, MediaEvent, MediaEventType,
    Platform, QueueId, Result, WorkQueueType,
};
use tokio::runtime::Builder;

/// A callback that is asked for its queue, and answers when the shutdown has ended.
struct AnswersLate {
    queue: QueueId,
    asked: Gate,
    answers: Gate,
}

impl AsyncCallback for AnswersLate {
    fn parameters(&self) -> CallbackParameters {
        self.asked.open();
        self.answers.pass();
        CallbackParameters::on(self.queue)
    }

    fn invoke(&self, _: &AsyncResult) {}
}

type Call = fn(&Platform, Arc<dyn AsyncCallback>) -> Result<()>;

/// One of every way in that asks a callback for its queue.
const CALLS: [(&str, Call); 8] = [
    ("schedule", |platform, callback| platform.schedule(callback, std::time::Duration::ZERO).map(drop)),
    ("put_waiting", |platform, callback| platform.put_waiting(std::future::ready(()), callback).map(drop)),
    ("invoke_item", |platform, callback| platform.invoke_item(callback)),
    ("invoke_callback", |platform, callback| platform.invoke_callback(&platform.result(callback).build()?)),
    ("AsyncResult::invoke", |platform, callback| platform.result(callback).build()?.invoke()),
    ("Method::begin", |platform, callback| {
        platform.method::<()>().begin(callback, std::future::pending()).map(drop)
    }),
    ("begin_get_event", |platform, callback| {
        let queue = platform.create_event_queue()?;
        queue.queue_event(MediaEvent::new(MediaEventType::MEUnknown))?;
        queue.begin_get_event(callback, None).map(drop)
    }),
    ("begin_read", |platform, callback| {
        MemoryByteStream::new(platform, b"bytes".to_vec()).begin_read(vec![0; 5], callback, None)
    }),
];

#[test]
fn a_call_that_is_overtaken_says_shutdown() {
    for (what, call) in CALLS {
        let code = within_bound(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
            // A lock that is left by number holds no shutdown up.
            let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap().into_id();
            let (asked, answers) = (Gate::new(), Gate::new());
            let callback = Arc::new(AnswersLate { queue, asked: asked.clone(), answers: answers.clone() });
            let caller = std::thread::spawn({
                let platform = platform.clone();
                move || call(&platform, callback)
            });
            asked.pass();
            // The call's result, if it has one by then, is waited for in vain.
            let _ = runtime.block_on(platform.shutdown_within(std::time::Duration::ZERO));
            answers.open();
            caller.join().unwrap().unwrap_err().hresult()
        });
        assert_eq!(code, Hresult::MF_E_SHUTDOWN, "{what}");
    }
}

#[test]
fn afterwards_the_number_of_a_private_queue_says_shutdown() {
    within_bound(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap().into_id();
        runtime.block_on(platform.shutdown()).unwrap();
        for refused in [
            platform.put(queue, mf_async::callback(|_| {})).map(drop),
            platform.queue(queue).map(drop),
            platform.unlock_work_queue(queue),
            platform.work_queue_mmcss(queue).map(drop),
        ] {
            assert_eq!(refused.unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        }
    });
}
