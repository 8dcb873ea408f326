//! Observation: what the features `tracing` and `timeline` see of a put, a run and a task, and warnings.

#[cfg(feature = "timeline")]
pub(crate) mod recorder;
mod stats;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;

pub use self::stats::QueueStats;
pub(crate) use self::stats::{Run, Running, Time};

use crate::async_result::{CallbackFlags, QueueId};
use crate::stepping;
use crate::tokio_quirks::{Stealable, leave_lifo_slot};

/// The longest time that a callback with these flags promises to take; `None` if it may block.
pub(crate) fn promised(flags: CallbackFlags) -> Option<Duration> {
    if flags.contains(CallbackFlags::BLOCKING) {
        None
    } else if flags.contains(CallbackFlags::SIGNAL) {
        Some(Duration::from_micros(50))
    } else if flags.contains(CallbackFlags::FAST_IO_PROCESSING) {
        Some(Duration::from_millis(1))
    } else {
        Some(Duration::from_millis(30))
    }
}

/// Warns that a callback took longer than its flags promise.
pub(crate) fn warn_overrun(queue: QueueId, name: &str, took: Duration, promise: Duration) {
    trace::overrun(queue, name, took, promise);
}

/// Warns that a queue missed a deadline.
pub(crate) fn warn_missed_deadline(queue: QueueId) {
    trace::missed_deadline(queue);
}

/// A platform has shut down. Says what it had to wait for, if anything.
pub(crate) fn shut_down(took: Duration, waited_for: &[String]) {
    if !waited_for.is_empty() {
        trace::shutdown_waited(took, waited_for);
    }
}

/// Warns that the system refused to raise the threads of a queue.
#[cfg_attr(not(feature = "realtime"), expect(dead_code, reason = "only raised threads can be refused"))]
pub(crate) fn warn_refused(queue: QueueId, reason: &str) {
    trace::refused(queue, reason);
}

/// Spawns a task that goes on by itself: on the runtime, or where the stepper of this thread polls it.
pub(crate) fn detach<F>(runtime: &Handle, name: fmt::Arguments<'_>, future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    if let Err(future) = stepping::spawn(name, future) {
        drop(spawn(runtime, name, Stealable::new(future, runtime)));
        leave_lifo_slot(runtime);
    }
}

pub(crate) use self::named::spawn;

/// What is known of a put when its callback is called: the span and the time. It has no size without the features
/// `tracing` and `timeline`.
pub(crate) struct PutSpan {
    span: trace::Span,
    mark: record::PutMark,
}

impl PutSpan {
    #[inline(always)]
    pub(crate) fn current() -> PutSpan {
        PutSpan { span: trace::Span::current(), mark: record::PutMark::current() }
    }

    /// Calls the callback inside the span of the put, and inside a new span for this run.
    #[inline(always)]
    pub(crate) fn enter<T>(
        &self,
        platform: usize,
        queue: QueueId,
        callback: &'static str,
        call: impl FnOnce() -> T,
    ) -> T {
        self.span.enter(queue, callback, || self.mark.call(platform, queue, callback, call))
    }
}

/// Calls; what is put meanwhile is put by a timer.
pub(crate) fn as_timer<T>(call: impl FnOnce() -> T) -> T {
    record::as_timer(call)
}

/// With the feature: the recorder.
#[cfg(feature = "timeline")]
mod record {
    pub(crate) use super::recorder::PutMark;
    use super::recorder::{PutBy, within};

    pub(crate) fn as_timer<T>(call: impl FnOnce() -> T) -> T {
        within(PutBy::Timer, call)
    }
}

/// Without it: nothing, in zero bytes.
#[cfg(not(feature = "timeline"))]
mod record {
    use super::QueueId;

    pub(crate) struct NoMark;

    pub(crate) use NoMark as PutMark;

    impl NoMark {
        #[inline(always)]
        pub(crate) fn current() -> NoMark {
            NoMark
        }

        #[inline(always)]
        pub(crate) fn call<T>(&self, _: usize, _: QueueId, _: &str, call: impl FnOnce() -> T) -> T {
            call()
        }
    }

    pub(crate) fn as_timer<T>(call: impl FnOnce() -> T) -> T {
        call()
    }
}

/// With tokio-console: tasks have names.
#[cfg(all(feature = "tracing", tokio_unstable))]
mod named {
    use std::fmt;
    use std::future::Future;

    use tokio::runtime::Handle;

    use tokio::task::{Builder, JoinHandle};

    /// Spawns a task of this name.
    pub(crate) fn spawn<F>(runtime: &Handle, name: fmt::Arguments<'_>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let name = format!("mf-async: {name}");
        Builder::new()
            .name(&name)
            .spawn_on(future, runtime)
            .expect("tokio refuses no task that has a runtime")
    }
}

/// Without it: tasks have no names.
#[cfg(not(all(feature = "tracing", tokio_unstable)))]
mod named {
    use std::fmt;
    use std::future::Future;

    use tokio::runtime::Handle;
    use tokio::task::JoinHandle;

    pub(crate) fn spawn<F>(runtime: &Handle, _name: fmt::Arguments<'_>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        runtime.spawn(future)
    }
}

/// With the feature: real spans and warnings.
#[cfg(feature = "tracing")]
mod trace {
    use std::time::Instant;

    use super::{Duration, QueueId};

    /// The span that was current at the put, and its time.
    pub(crate) struct Span {
        put_in: tracing::Span,
        put_at: Instant,
    }

    impl Span {
        pub(crate) fn current() -> Span {
            Span { put_in: tracing::Span::current(), put_at: Instant::now() }
        }

        /// Calls inside the span of the put, and inside a new span for this run.
        pub(crate) fn enter<T>(&self, queue: QueueId, callback: &str, call: impl FnOnce() -> T) -> T {
            let waited_ns = u64::try_from(self.put_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let run = tracing::debug_span!(target: "mf_async", parent: &self.put_in, "run", %queue, callback, waited_ns);
            self.put_in.in_scope(|| run.in_scope(call))
        }
    }

    pub(crate) fn missed_deadline(queue: QueueId) {
        tracing::warn!(%queue, "a queue missed its deadline");
    }

    pub(crate) fn shutdown_waited(took: Duration, waited_for: &[String]) {
        tracing::info!(target: "mf_async", ?took, waited_for = %waited_for.join("; "), "a shutdown had to wait");
    }

    pub(crate) fn refused(queue: QueueId, reason: &str) {
        tracing::warn!(%queue, reason, "the system does not raise the threads of a real-time queue");
    }

    pub(crate) fn overrun(queue: QueueId, name: &str, took: Duration, promise: Duration) {
        tracing::warn!(%queue, callback = name, ?took, ?promise, "a callback took longer than its flags promise");
    }
}

/// Without the feature: nothing, in zero bytes.
#[cfg(not(feature = "tracing"))]
mod trace {
    use super::{Duration, QueueId};

    pub(crate) struct NoSpan;

    pub(crate) use NoSpan as Span;

    impl NoSpan {
        pub(crate) fn current() -> NoSpan {
            NoSpan
        }

        pub(crate) fn enter<T>(&self, _: QueueId, _: &str, call: impl FnOnce() -> T) -> T {
            call()
        }
    }

    pub(crate) fn missed_deadline(_: QueueId) {}

    pub(crate) fn shutdown_waited(_: Duration, _: &[String]) {}

    pub(crate) fn refused(_: QueueId, _: &str) {}

    pub(crate) fn overrun(_: QueueId, _: &str, _: Duration, _: Duration) {}
}
