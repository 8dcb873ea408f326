//! `CancelOn`: an operation that a cancellation token cancels.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::FusedFuture;
use pin_project::pin_project;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::error::{Error, Hresult, Result};
use crate::operation::{Operation, taken};
use crate::tokio_quirks::GuardedFuture;

impl<T> Operation<T> {
    /// Cancels the operation when `token` is cancelled, and then waits for the operation's own outcome.
    ///
    /// That is a value if the operation was faster. Without a canceller the component cannot be asked to stop: the
    /// operation is detached, and the future ends at once with `MF_E_OPERATION_CANCELLED`.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # use mf_async::{Hresult, Platform, QueueId};
    /// # use tokio_util::sync::CancellationToken;
    /// # let platform = Platform::startup()?;
    /// let token = CancellationToken::new();
    /// let queue = platform.queue(QueueId::MULTITHREADED)?;
    /// let (_gate, closed) = tokio::sync::oneshot::channel::<()>();
    /// let endless = queue.spawn(closed).cancel_on(&token);
    /// token.cancel();
    /// assert_eq!(endless.await.unwrap_err().hresult(), Hresult::MF_E_OPERATION_CANCELLED);
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// The future's: the operation's own; `MF_E_OPERATION_CANCELLED` when the token was cancelled and
    /// there is no canceller.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping the future drops the operation.
    pub fn cancel_on(self, token: &CancellationToken) -> CancelOn<T> {
        CancelOn {
            operation: Some(self),
            cancelled: Some(GuardedFuture::new(token.clone().cancelled_owned())),
        }
    }
}

/// An [`Operation`] that a token cancels: the future that [`Operation::cancel_on`] makes.
///
/// # Cancel safety
/// As [`Operation`]: dropping the future drops the operation.
#[must_use = "await it for the operation's value"]
#[pin_project]
pub struct CancelOn<T> {
    /// `None` when the future has ended.
    operation: Option<Operation<T>>,
    /// `None` when the token was cancelled and the canceller called.
    #[pin]
    cancelled: Option<GuardedFuture<WaitForCancellationFutureOwned>>,
}

impl<T> Future for CancelOn<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let mut this = self.project();
        let Some(operation) = this.operation else {
            return Poll::Ready(Err(taken()));
        };
        let mut value = Pin::new(&mut *operation).poll(cx);
        let is_cancelled_now = value.is_pending()
            && this.cancelled.as_mut().as_pin_mut().is_some_and(|cancelled| cancelled.poll(cx).is_ready());
        if is_cancelled_now {
            this.cancelled.set(None);
            value = if operation.canceller.is_some() {
                operation.call_canceller();
                // The canceller may have ended it at once.
                Pin::new(operation).poll(cx)
            } else {
                Poll::Ready(Err(Error::new(
                    Hresult::MF_E_OPERATION_CANCELLED,
                    "wait for an operation whose token was cancelled: it has no canceller, and goes on",
                )))
            };
        }
        if value.is_ready() {
            *this.operation = None;
        }
        value
    }
}

impl<T> FusedFuture for CancelOn<T> {
    fn is_terminated(&self) -> bool {
        self.operation.is_none()
    }
}

impl<T> fmt::Debug for CancelOn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelOn").field("operation", &self.operation).finish_non_exhaustive()
    }
}
