//! `Fault`: how a call goes wrong on demand.

use std::time::Duration;

use crate::error::{Error, Hresult};

/// How one call of a [`FaultyComponent`](super::FaultyComponent), or of what a [`Faulty`](super::Faulty) wraps, goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It goes well.
    None,
    /// The callback comes only after this time.
    Late(Duration),
    /// The callback comes twice.
    Twice,
    /// The callback does not come, and the component keeps the result, until it is dropped or
    /// [`drop_results`](super::FaultyComponent::drop_results) is called.
    Never,
    /// The callback does not come, and the component drops the result: the caller's operation is abandoned.
    Dropped,
    /// The callback is called by Begin, on its caller's stack.
    Inline,
    /// The callback is called on a thread of no queue and no runtime. Begin returns after that thread has ended, so a
    /// paused clock does not advance meanwhile.
    WrongThread,
    /// Begin fails with this code.
    FailingBegin(Hresult),
    /// Begin fails with this code, but the callback comes.
    FailingBeginThatCallsBack(Hresult),
    /// The operation fails with this code, which is the result's status and End's error.
    Failing(Hresult),
    /// End panics.
    PanickingEnd,
    /// Begin starts the platform's shutdown, which ends the operation.
    ShutdownNow,
}

pub(super) fn planned(code: Hresult) -> Error {
    Error::new(code, "call a faulty component: it failed as planned")
}
