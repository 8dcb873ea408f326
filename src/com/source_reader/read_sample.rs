//! `ReadSample`: a read of a source reader as a future of its sample.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::FusedFuture;
use windows::Win32::Media::MediaFoundation::MF_E_OPERATION_CANCELLED;

use super::inbox::ReaderInbox;
use super::requests::{ReadStatus, Ticket};
use super::sample::Sample;
use crate::com::Platform;
use crate::contain::wake_contained;
use crate::error::{Error, Hresult, Result};

/// A read of a [`SourceReader`](super::SourceReader) that was begun.
///
/// # Cancel safety
/// Dropping it loses no sample: the next read of the stream gets it.
#[must_use = "await it for its sample; dropped, it leaves the sample to the next read"]
pub struct ReadSample {
    inbox: Arc<ReaderInbox>,
    state: State,
    _platform: Platform,
}

impl ReadSample {
    /// A read whose call was made, or refused.
    pub(super) fn new(inbox: &Arc<ReaderInbox>, begun: Result<Ticket>, platform: &Platform) -> ReadSample {
        let state = match begun {
            Ok(ticket) => State::Waiting(ticket),
            Err(error) => State::Refused(error),
        };
        ReadSample { inbox: inbox.clone(), state, _platform: platform.clone() }
    }
}

enum State {
    Waiting(Ticket),
    Refused(Error),
    Over,
}

impl Future for ReadSample {
    type Output = Result<Sample>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Sample>> {
        let this = self.get_mut();
        match std::mem::replace(&mut this.state, State::Over) {
            State::Refused(error) => Poll::Ready(Err(error)),
            State::Over => Poll::Ready(Err(Error::new(
                Hresult::E_ILLEGAL_METHOD_CALL,
                "await a read of a source reader whose sample was taken",
            ))),
            State::Waiting(ticket) => {
                // Cloned before the lock is taken: it may be user code.
                let waker = cx.waker().clone();
                let mut state = this.inbox.lock();
                let (taken, former) = state.requests.take(ticket, waker);
                let (failed, closed) = (state.failed.clone(), state.closed);
                drop(state);
                drop(former);
                match taken {
                    ReadStatus::Answer(answer) => Poll::Ready(answer),
                    ReadStatus::NotYet => {
                        this.state = State::Waiting(ticket);
                        Poll::Pending
                    }
                    ReadStatus::Gone => Poll::Ready(Err(match failed {
                        Some(error) => error,
                        None if closed => {
                            Error::abandoned("read a sample: the source reader is gone, and will not answer")
                        }
                        None => Error::new(
                            MF_E_OPERATION_CANCELLED.into(),
                            "read a sample: the stream was flushed",
                        ),
                    })),
                }
            }
        }
    }
}

impl FusedFuture for ReadSample {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Over)
    }
}

impl Drop for ReadSample {
    fn drop(&mut self) {
        if let State::Waiting(ticket) = self.state {
            let (next, own) = self.inbox.lock().requests.leave(ticket);
            drop(own);
            wake_contained(next);
        }
    }
}

impl fmt::Debug for ReadSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadSample").finish_non_exhaustive()
    }
}
