//! Threads of a queue's own, raised for real-time work: the shared queues of an MMCSS class have them.

use tokio::runtime::{Handle, Runtime};

use crate::async_result::QueueId;
use crate::error::Result;
use crate::mmcss::Mmcss;
use crate::queue::pool::Host;

/// A runtime that goes with its queue. Not by a plain drop: that waits for the runtime's threads, and this
/// may be one of them.
pub(crate) struct Own(Option<Runtime>, Handle);

impl Own {
    #[cfg_attr(
        not(feature = "realtime"),
        expect(dead_code, reason = "only raised threads are a queue's own")
    )]
    pub(crate) fn new(runtime: Runtime) -> Own {
        let handle = runtime.handle().clone();
        Own(Some(runtime), handle)
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.1
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) use imp::host;

#[cfg(feature = "realtime")]
mod imp {
    use std::sync::Arc;

    use super::{Host, Mmcss, Own, QueueId, Result};
    use crate::error::Error;
    use crate::observe;

    /// So many raised threads, for a queue with a class.
    pub(crate) fn host(mmcss: &Mmcss, threads: usize, queue: QueueId) -> Result<Option<Host>> {
        if mmcss.class.is_empty() {
            return Ok(None);
        }
        let told = Arc::new(std::sync::Once::new());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(format!("mf-{}", mmcss.class))
            .on_thread_start(move || raise(queue, &told))
            .enable_time()
            .build()
            .map_err(|error| Error::io(format_args!("start the threads of queue {queue}"), error))?;
        Ok(Some(Host::Own(Own::new(runtime))))
    }

    /// Raises the current thread; a refusal is told once for the queue.
    fn raise(queue: QueueId, told: &std::sync::Once) {
        if let Err(reason) = audio_thread_priority::promote_current_thread_to_real_time(FRAMES, RATE) {
            told.call_once(|| observe::tell_refused(queue, &reason.to_string()));
        }
    }

    /// What the threads say they work at: 10 ms of audio, the period of Media Foundation's own timer.
    const FRAMES: u32 = 480;
    const RATE: u32 = 48_000;
}

#[cfg(not(feature = "realtime"))]
mod imp {
    use super::{Host, Mmcss, QueueId, Result};

    /// No threads of its own.
    #[expect(clippy::unnecessary_wraps, reason = "the same face as with the feature")]
    pub(crate) fn host(_: &Mmcss, _: usize, _: QueueId) -> Result<Option<Host>> {
        Ok(None)
    }
}
