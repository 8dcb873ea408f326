//! The model: how an operation may end, given what was wrong with it and what went on around it.

use mf_async::{ErrorKind, Hresult, Result};

use crate::program::{Fault, Handler, Moved};

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Value,
    Failed(Hresult),
    Panicked,
    Abandoned,
    Shutdown,
    Cancelled,
    TimedOut,
    WouldDeadlock,
}

/// What may have come between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Nothing: it was awaited while all went on.
    None,
    /// A shutdown in order, which lets what is queued run and fails what is not.
    InOrder,
    /// A platform, a runtime or a queue that went away.
    Disturbed,
}

impl Verdict {
    pub(crate) fn of<T>(value: &Result<T>) -> Verdict {
        let Err(error) = value else { return Verdict::Value };
        match error.kind() {
            ErrorKind::Panicked => Verdict::Panicked,
            ErrorKind::Abandoned => Verdict::Abandoned,
            ErrorKind::Shutdown => Verdict::Shutdown,
            ErrorKind::Cancelled => Verdict::Cancelled,
            ErrorKind::TimedOut => Verdict::TimedOut,
            ErrorKind::WouldDeadlock => Verdict::WouldDeadlock,
            _ => Verdict::Failed(error.hresult()),
        }
    }

    /// Whether an operation may end so. `closed`: nobody holds its queue any more.
    /// `foreign`: it names a queue that another platform does not know.
    pub(crate) fn is_allowed(self, fault: Fault, closed: bool, foreign: bool, doubt: Doubt) -> bool {
        let failed = Verdict::Failed(Hresult::E_ACCESSDENIED);
        let (expected, on_its_own_way) = match fault {
            Fault::ByAnother if foreign => (Verdict::Failed(Hresult::MF_E_INVALID_WORKQUEUE), false),
            Fault::None | Fault::Twice | Fault::Inline => (Verdict::Value, false),
            // A shutdown does not wait for the queues of another platform.
            Fault::ByAnother => (Verdict::Value, true),
            // A shutdown does not wait for a time, nor for a thread that it does not know of.
            Fault::Late(_) | Fault::WrongThread => (Verdict::Value, true),
            Fault::Never | Fault::LetGo | Fault::NoResult => (Verdict::Abandoned, true),
            Fault::Failing | Fault::FailingBegin | Fault::FailingBeginThatCallsBack => (failed, false),
            Fault::PanickingBegin | Fault::PanickingEnd => (Verdict::Panicked, false),
            Fault::BombInBegin | Fault::BombInEnd | Fault::BombInInvoke => (Verdict::Panicked, false),
        };
        let queue_gone =
            closed && matches!(self, Verdict::Failed(Hresult::MF_E_INVALID_WORKQUEUE) | Verdict::Abandoned);
        // What comes to a queue that its user has closed while the platform shuts down is lost by the shutdown.
        let queue_gone = queue_gone || closed && doubt != Doubt::None && self == Verdict::Shutdown;
        let interrupted = matches!(self, Verdict::Shutdown | Verdict::Abandoned);
        self == expected
            || queue_gone
            || match doubt {
                Doubt::None => false,
                Doubt::InOrder => interrupted && on_its_own_way,
                Doubt::Disturbed => interrupted,
            }
    }
}

/// How an operation ends whose Begin has moved something across platforms, if nothing comes between. `is_private`: its
/// callback names a private queue of this platform.
pub(crate) fn moved(what: Moved, is_private: bool, cancelled: bool) -> Verdict {
    let no_queue = Verdict::Failed(Hresult::MF_E_INVALID_WORKQUEUE);
    match what {
        // The queue is looked for where it is invoked, and the result leads to where it was made.
        Moved::ResultByItself if is_private => no_queue,
        Moved::Queue => no_queue,
        Moved::Result | Moved::ResultByItself | Moved::QueueAndResult => Verdict::Value,
        // This platform does not know the key, so the cancel only waits.
        Moved::Key => Verdict::Value,
        // A cookie is a right by itself.
        Moved::Cookie if cancelled => Verdict::Cancelled,
        Moved::Cookie => Verdict::Value,
    }
}

/// How a resolution ends that asks these handlers in this order: by which it succeeds, with which code it fails, or not at
/// all.
pub(crate) fn resolution(
    handlers: &[Handler],
    keep: bool,
    all: bool,
) -> Option<std::result::Result<usize, Hresult>> {
    if keep && all {
        return Some(Err(Hresult::MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS));
    }
    let mut failed = None;
    for (number, handler) in handlers.iter().enumerate() {
        let code = match handler {
            Handler::Succeeds => return Some(Ok(number)),
            Handler::Never => return None,
            Handler::Unsupported => continue,
            Handler::Fails | Handler::Closes => Hresult::E_ACCESSDENIED,
            Handler::Panics | Handler::PanicsAtOnce => Hresult::E_UNEXPECTED,
        };
        failed.get_or_insert(code);
    }
    Some(Err(failed.unwrap_or(Hresult::MF_E_UNSUPPORTED_BYTESTREAM_TYPE)))
}
