//! `Error`: what was tried, why it ended without a value, and the code for that.

mod hresult;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

pub use self::hresult::Hresult;

use crate::contain::{Contained, Payload};

/// The result of a call or an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// In what way something ended without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A call or an operation answered with a failure code.
    Failed,
    /// The operation was cancelled: by its caller, by a key, or by a timeout.
    Cancelled,
    /// The callback was dropped without being called, so no answer can come.
    Abandoned,
    /// A callback panicked; [`Error::into_panic`] has the payload.
    Panicked,
    /// The platform, or the object asked, is shut down.
    Shutdown,
    /// The time allowed ran out.
    TimedOut,
    /// The call would have waited for itself.
    WouldDeadlock,
}

/// Why a call failed or an operation ended without a value: a kind, the HRESULT, and what was tried.
///
/// It is cheap to clone, so that every waiter can get it. Its text has the HRESULT and what was tried, for people;
/// programs read [`kind`](Error::kind) and [`hresult`](Error::hresult).
///
/// ```
/// use mf_async::{Error, ErrorKind, Hresult};
///
/// let error = Error::new(Hresult::E_INVALIDARG, "seek to -3: before the start of the stream");
/// assert_eq!(error.kind(), ErrorKind::Failed);
/// assert_eq!(error.to_string(), "E_INVALIDARG (0x80070057): seek to -3: before the start of the stream");
/// ```
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct Error(Arc<Details>);

/// What an error says. Behind a pointer, because every value that an operation gives is moved with room for an error.
#[derive(Debug, thiserror::Error)]
#[error("{hresult}: {what}")]
struct Details {
    hresult: Hresult,
    kind: ErrorKind,
    what: Cow<'static, str>,
    #[source]
    cause: Option<Cause>,
}

impl Error {
    /// An error of the kind that its code implies, with a few words on what was tried and on what.
    #[must_use]
    pub fn new(hresult: Hresult, what: impl Into<Cow<'static, str>>) -> Error {
        Error::of(hresult, Error::kind_of(hresult), what.into(), None)
    }

    fn kind_of(hresult: Hresult) -> ErrorKind {
        match hresult {
            Hresult::MF_E_SHUTDOWN => ErrorKind::Shutdown,
            Hresult::MF_E_OPERATION_CANCELLED | Hresult::E_ABORT | Hresult::ERROR_OPERATION_ABORTED => {
                ErrorKind::Cancelled
            }
            Hresult::ERROR_TIMEOUT => ErrorKind::TimedOut,
            Hresult::ERROR_POSSIBLE_DEADLOCK => ErrorKind::WouldDeadlock,
            _ => ErrorKind::Failed,
        }
    }

    fn of(hresult: Hresult, kind: ErrorKind, what: Cow<'static, str>, cause: Option<Cause>) -> Error {
        Error(Arc::new(Details { hresult, kind, what, cause }))
    }

    /// In what way it ended.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Media Foundation's code for it: a failure code, unless the error was made from a success code.
    #[must_use]
    pub fn hresult(&self) -> Hresult {
        self.0.hresult
    }

    /// What was tried, and on what, without the code.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.kind() == ErrorKind::Cancelled
    }

    /// Whether the platform or the object is shut down.
    #[must_use]
    pub fn is_shutdown(&self) -> bool {
        self.kind() == ErrorKind::Shutdown
    }

    /// Whether a camera or a microphone is lost: it was unplugged, disabled or reset, or another program took it. What was
    /// opened of it gives nothing more; it may be found again among the devices.
    #[doc(alias = "MF_E_VIDEO_RECORDING_DEVICE_INVALIDATED")]
    #[must_use]
    pub fn is_device_lost(&self) -> bool {
        matches!(
            self.hresult(),
            Hresult::MF_E_VIDEO_RECORDING_DEVICE_INVALIDATED
                | Hresult::MF_E_VIDEO_RECORDING_DEVICE_PREEMPTED
                | Hresult::MF_E_AUDIO_RECORDING_DEVICE_INVALIDATED
        )
    }

    /// The payload of the callback's panic, for [`std::panic::resume_unwind`].
    ///
    /// `None` when nothing panicked, or when it was taken from a clone of this error before.
    #[must_use]
    pub fn into_panic(self) -> Option<Box<dyn Any + Send>> {
        match &self.0.cause {
            Some(Cause::Panic(payload)) => payload.lock().ok()?.take().map(Contained::take),
            _ => None,
        }
    }

    /// The callback was dropped without being called.
    pub(crate) fn abandoned(what: impl Into<Cow<'static, str>>) -> Error {
        Error::of(Hresult::E_ABORT, ErrorKind::Abandoned, what.into(), None)
    }

    /// A callback panicked with this; its message becomes part of the text.
    pub(crate) fn panicked(what: &str, payload: Box<dyn Any + Send>) -> Error {
        let message = payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a value that is not text");
        let what = format!("{what} panicked: {message}").into();
        let cause = Cause::Panic(Mutex::new(Some(Contained::new(payload))));
        Error::of(Hresult::E_UNEXPECTED, ErrorKind::Panicked, what, Some(cause))
    }

    /// The platform is not running.
    pub(crate) fn shutdown(what: impl Into<Cow<'static, str>>) -> Error {
        Error::new(Hresult::MF_E_SHUTDOWN, what)
    }

    /// An operating-system error, with what was tried in front of its text.
    pub(crate) fn io(what: impl fmt::Display, error: io::Error) -> Error {
        let hresult = hresult_of_io(&error);
        let what = format!("{what}: {error}");
        Error::of(hresult, Error::kind_of(hresult), what.into(), Some(Cause::Io(error)))
    }

    /// The same with another code, for systems whose errors are less precise than those of Windows. An error that has been
    /// cloned keeps its code.
    pub(crate) fn with_code(mut self, hresult: Hresult) -> Error {
        if let Some(details) = Arc::get_mut(&mut self.0) {
            details.hresult = hresult;
        }
        self
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}, {self})", self.kind())
    }
}

impl From<Hresult> for Error {
    /// # Panics
    /// Never; a success code, which is no error, is kept and reported as it is.
    fn from(hresult: Hresult) -> Error {
        Error::new(hresult, hresult.meaning().unwrap_or("a call failed with this code"))
    }
}

impl From<Error> for Hresult {
    fn from(error: Error) -> Hresult {
        error.hresult()
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        match error.downcast::<Error>() {
            Ok(ours) => ours,
            Err(theirs) => Error::io("input or output", theirs),
        }
    }
}

impl From<Error> for io::Error {
    /// An error of the standard library with this one inside.
    fn from(error: Error) -> io::Error {
        let kind = match error.hresult() {
            Hresult::ERROR_FILE_NOT_FOUND | Hresult::ERROR_PATH_NOT_FOUND => io::ErrorKind::NotFound,
            Hresult::ERROR_FILE_EXISTS => io::ErrorKind::AlreadyExists,
            Hresult::E_ACCESSDENIED => io::ErrorKind::PermissionDenied,
            Hresult::E_INVALIDARG => io::ErrorKind::InvalidInput,
            Hresult::E_NOTIMPL | Hresult::MF_E_BYTESTREAM_NOT_SEEKABLE => io::ErrorKind::Unsupported,
            Hresult::ERROR_HANDLE_EOF => io::ErrorKind::UnexpectedEof,
            Hresult::ERROR_TIMEOUT => io::ErrorKind::TimedOut,
            Hresult::E_OUTOFMEMORY => io::ErrorKind::OutOfMemory,
            _ if error.is_shutdown() => io::ErrorKind::NotConnected,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// The source of an error.
#[derive(Debug, thiserror::Error)]
enum Cause {
    /// The payload's drop is user code, and the last clone of the error drops it.
    #[error("a panic")]
    Panic(Mutex<Option<Contained<Payload>>>),
    #[error("{0}")]
    Io(#[source] io::Error),
}

/// The HRESULT for an operating-system error: on Windows the system's own number, elsewhere the number that Windows has
/// for the same error.
fn hresult_of_io(error: &io::Error) -> Hresult {
    if cfg!(windows) {
        if let Some(code) = error.raw_os_error() {
            return Hresult::from_win32(code.unsigned_abs());
        }
    }
    match error.kind() {
        io::ErrorKind::NotFound => Hresult::ERROR_FILE_NOT_FOUND,
        io::ErrorKind::AlreadyExists => Hresult::ERROR_FILE_EXISTS,
        io::ErrorKind::PermissionDenied => Hresult::E_ACCESSDENIED,
        io::ErrorKind::InvalidInput => Hresult::E_INVALIDARG,
        io::ErrorKind::Unsupported => Hresult::E_NOTIMPL,
        io::ErrorKind::UnexpectedEof => Hresult::ERROR_HANDLE_EOF,
        io::ErrorKind::TimedOut => Hresult::ERROR_TIMEOUT,
        io::ErrorKind::StorageFull => Hresult::ERROR_DISK_FULL,
        io::ErrorKind::OutOfMemory => Hresult::E_OUTOFMEMORY,
        _ => Hresult::E_FAIL,
    }
}
