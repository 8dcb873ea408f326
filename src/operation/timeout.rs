//! `Timeout`: an operation with a time limit.

use std::future::Future;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::FusedFuture;
use pin_project::pin_project;
use tokio::runtime::Handle;
use tokio::time::Sleep;

use crate::error::{Error, Hresult, Result};
use crate::operation::{Operation, taken};
use crate::tokio_quirks::GuardedFuture;

impl<T> Operation<T> {
    /// Limits the operation's time, counted from this call. When the time is up, the operation is cancelled, or
    /// detached if it has no canceller, and the future ends with `ERROR_TIMEOUT`.
    ///
    /// The time is tokio's, so a test may pause it. An operation that ends just when the time is up has ended in time.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> mf_async::Result<()> {
    /// # use std::time::Duration;
    /// # use mf_async::{Hresult, Platform, QueueId};
    /// # let platform = Platform::startup()?;
    /// let queue = platform.queue(QueueId::MULTITHREADED)?;
    /// let slow = queue.spawn(tokio::time::sleep(Duration::from_secs(60)));
    /// let error = slow.timeout(Duration::from_secs(1)).await.unwrap_err();
    /// assert_eq!(error.hresult(), Hresult::ERROR_TIMEOUT);
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// The future's: the operation's own; `ERROR_TIMEOUT` when the time is up; `E_ILLEGAL_METHOD_CALL` when this was
    /// called without a tokio timer, and the operation has not ended.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping the future drops the operation.
    pub fn timeout(self, after: Duration) -> Timeout<T> {
        // A runtime without timers shows that only by a panic.
        let sleep =
            Handle::try_current().ok().and_then(|_| catch_unwind(move || tokio::time::sleep(after)).ok());
        Timeout { operation: Some(self), sleep: sleep.map(GuardedFuture::new), after }
    }
}

/// An [`Operation`] with a deadline: the future that [`Operation::timeout`] makes.
///
/// # Cancel safety
/// As [`Operation`]: dropping the future drops the operation.
#[must_use = "await it for the operation's value"]
#[pin_project]
#[derive(Debug)]
pub struct Timeout<T> {
    /// `None` when the future has ended.
    operation: Option<Operation<T>>,
    #[pin]
    sleep: Option<GuardedFuture<Sleep>>,
    after: Duration,
}

impl<T> Future for Timeout<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let this = self.project();
        let Some(operation) = this.operation else {
            return Poll::Ready(Err(taken()));
        };
        let error = match (Pin::new(&mut *operation).poll(cx), this.sleep.as_pin_mut()) {
            (Poll::Ready(value), _) => {
                *this.operation = None;
                return Poll::Ready(value);
            }
            (Poll::Pending, Some(sleep)) => {
                if sleep.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let left = if operation.canceller.is_some() { "is asked to stop" } else { "goes on" };
                let what =
                    format!("wait for an operation: it had not ended after {:?}, and {left}", this.after);
                Error::new(Hresult::ERROR_TIMEOUT, what)
            }
            (Poll::Pending, None) => {
                let what = "give an operation a timeout outside a tokio runtime with timers";
                Error::new(Hresult::E_ILLEGAL_METHOD_CALL, what)
            }
        };
        // The drop cancels or detaches it.
        *this.operation = None;
        Poll::Ready(Err(error))
    }
}

impl<T> FusedFuture for Timeout<T> {
    fn is_terminated(&self) -> bool {
        self.operation.is_none()
    }
}
