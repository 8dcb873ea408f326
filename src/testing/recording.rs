//! `RecordingCallback`: a callback that records its calls.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::pin;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use tokio::sync::{Notify, oneshot};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId};
use crate::error::{Error, Hresult, Result};
use crate::queue::CurrentQueue;
use crate::stepping;
use crate::sync::LockExt;
use crate::tokio_quirks::GuardedFuture;

/// One call of a [`RecordingCallback`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedCall {
    /// The result's status when the call came.
    pub status: Hresult,
    /// The queue that called; `None` when the caller was no queue.
    pub queue: Option<QueueId>,
    /// The thread of the call.
    pub thread: ThreadId,
}

/// A callback that records its calls.
///
/// It keeps the results until they are taken. A shutdown waits for results that are kept.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use mf_async::testing::RecordingCallback;
/// use mf_async::{Hresult, Platform, QueueId};
///
/// let platform = Platform::startup()?;
/// let method = platform.method::<f64>();
///
/// let callback = RecordingCallback::on(QueueId::IO);
/// method.begin(callback.clone(), async { Ok(2.0_f64.sqrt()) })?;
/// let result = callback.next_result().await?;
/// assert_eq!(method.end(&result)?, 2.0_f64.sqrt());
/// drop(result);
///
/// platform.shutdown().await?;
/// callback.assert_calls(1);
/// assert_eq!(callback.calls()[0].status, Hresult::S_OK);
/// assert_eq!(callback.calls()[0].queue, Some(QueueId::IO));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct RecordingCallback {
    parameters: CallbackParameters,
    seen: Mutex<Seen>,
    called: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    calls: Vec<RecordedCall>,
    results: VecDeque<AsyncResult>,
}

impl RecordingCallback {
    /// A callback with default parameters: no flags, on STANDARD.
    #[must_use]
    pub fn new() -> Arc<RecordingCallback> {
        RecordingCallback::with_parameters(CallbackParameters::default())
    }

    /// A callback that names this queue.
    #[must_use]
    pub fn on(queue: impl Into<QueueId>) -> Arc<RecordingCallback> {
        RecordingCallback::with_parameters(CallbackParameters::on(queue))
    }

    /// A callback with these parameters.
    #[must_use]
    pub fn with_parameters(parameters: CallbackParameters) -> Arc<RecordingCallback> {
        Arc::new(RecordingCallback { parameters, seen: Mutex::default(), called: Notify::new() })
    }

    /// The number of calls.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seen().calls.len()
    }

    /// The calls, in their order.
    #[must_use]
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.seen().calls.clone()
    }

    /// Takes the results that were not taken before, in the order of the calls.
    #[must_use = "the results are dropped if they are not used"]
    pub fn take_results(&self) -> Vec<AsyncResult> {
        let results = std::mem::take(&mut self.seen().results);
        results.into()
    }

    /// Takes the next result; waits for a call if there is none.
    ///
    /// # Errors
    /// `ERROR_TIMEOUT` when none came in 5 s of real time. With tokio's clock paused, hours of its time may
    /// pass meanwhile.
    ///
    /// # Cancel safety
    /// Cancel safe: a result is taken only when the future is ready.
    pub async fn next_result(&self) -> Result<AsyncResult> {
        self.until("a result", |seen| seen.results.pop_front()).await
    }

    /// Waits until it was called at least `count` times in all.
    ///
    /// # Errors
    /// `ERROR_TIMEOUT` when there were fewer calls after 5 s of real time.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future changes nothing.
    pub async fn wait_for(&self, count: usize) -> Result<()> {
        let what = format!("{count} calls");
        self.until(&what, |seen| (seen.calls.len() >= count).then_some(())).await
    }

    /// Asserts that it was called exactly `count` times.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn assert_calls(&self, count: usize) {
        let calls = self.calls();
        assert_eq!(calls.len(), count, "the callback was called {} times: {calls:?}", calls.len());
    }

    async fn until<T>(&self, what: &str, look: impl Fn(&mut Seen) -> Option<T>) -> Result<T> {
        let found = async {
            loop {
                // Register, then look: `notified` counts from its creation.
                let called = self.called.notified();
                let found = look(&mut self.seen());
                if let Some(found) = found {
                    return found;
                }
                GuardedFuture::new(called).await;
            }
        };
        if stepping::is_on() {
            // When no call can come any more, the exploration says so at once.
            return Ok(found.await);
        }
        let mut found = pin!(found);
        if let Some(found) = found.as_mut().now_or_never() {
            return Ok(found);
        }
        match select(found, pin!(out_of_patience())).await {
            Either::Left((found, _)) => Ok(found),
            Either::Right(_) => {
                let what = format!("wait for {what} of a recording callback: {} came", self.count());
                Err(Error::new(Hresult::ERROR_TIMEOUT, what))
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.locked()
    }
}

impl AsyncCallback for RecordingCallback {
    fn parameters(&self) -> CallbackParameters {
        self.parameters
    }

    fn invoke(&self, result: &AsyncResult) {
        let queue = CurrentQueue::current().map(|place| place.queue);
        let call = RecordedCall { status: result.status(), queue, thread: thread::current().id() };
        {
            let mut seen = self.seen();
            seen.calls.push(call);
            seen.results.push_back(result.clone());
        }
        self.called.notify_waiters();
    }
}

/// Resolves after [`PATIENCE`] of real time. A thread of its own waits: a timer of tokio's would make a paused clock run
/// to it, and a blocking task would stop that clock. The thread ends when this is dropped.
async fn out_of_patience() {
    let (keep, dropped) = mpsc::channel::<()>();
    let (end, ended) = oneshot::channel();
    let waits = move || {
        if dropped.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let _ = end.send(());
        }
    };
    // Where no thread can be had, the wait has no end of its own.
    if thread::Builder::new().spawn(waits).is_err() {
        pending::<()>().await;
    }
    let _ = ended.await;
    drop(keep);
}

/// How long a wait takes at most, so that a test fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(5);
