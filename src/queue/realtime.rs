//! Threads of a queue's own, raised for real-time work: the shared queues of an MMCSS class have them.

pub(crate) use imp::spawner;

#[cfg(feature = "realtime")]
mod imp {
    use std::sync::{Arc, Once};

    use crate::async_result::QueueId;
    use crate::error::{Error, Result};
    use crate::mmcss::Mmcss;
    use crate::observe;
    use crate::queue::engine::{OwnRuntime, Spawner};

    /// So many raised threads, for a queue with a class.
    pub(crate) fn spawner(mmcss: &Mmcss, threads: usize, queue: QueueId) -> Result<Option<Spawner>> {
        if mmcss.class.is_empty() {
            return Ok(None);
        }
        let refused = Arc::new(Once::new());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(format!("mf-{}", mmcss.class))
            .on_thread_start(move || raise(queue, &refused))
            .enable_time()
            .build()
            .map_err(|error| Error::io(format_args!("start the threads of queue {queue}"), error))?;
        Ok(Some(Spawner::Own(OwnRuntime::new(runtime))))
    }

    /// Raises the current thread; a refusal is reported once for the queue.
    fn raise(queue: QueueId, refused: &Once) {
        if let Err(reason) = audio_thread_priority::promote_current_thread_to_real_time(FRAMES, RATE) {
            refused.call_once(|| observe::warn_refused(queue, &reason.to_string()));
        }
    }

    /// What the threads say they work at: 10 ms of audio, the period of Media Foundation's own timer.
    const FRAMES: u32 = 480;
    const RATE: u32 = 48_000;
}

#[cfg(not(feature = "realtime"))]
mod imp {
    use crate::async_result::QueueId;
    use crate::error::Result;
    use crate::mmcss::Mmcss;
    use crate::queue::engine::Spawner;

    /// No threads of its own.
    #[expect(clippy::unnecessary_wraps, reason = "the same face as with the feature")]
    pub(crate) fn spawner(_: &Mmcss, _: usize, _: QueueId) -> Result<Option<Spawner>> {
        Ok(None)
    }
}
