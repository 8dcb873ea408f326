//! Errors with Media Foundation's codes: [`Hresult`] keeps success codes and has MF's names, [`Error`] adds what was
//! tried and keeps the code.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use crate::contain::{Contained, Payload};

/// The result of a call or an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An HRESULT: Media Foundation's status code, of which zero and many others mean success.
///
/// ```
/// use mf_async::Hresult;
///
/// assert!(Hresult::MF_S_MULTIPLE_BEGIN.is_success());
/// assert_eq!(Hresult::MF_E_SHUTDOWN.to_string(), "MF_E_SHUTDOWN (0xC00D3E85)");
/// assert_eq!(Hresult(0x8123_4567).to_string(), "0x81234567");
/// ```
#[doc(alias = "HRESULT")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Hresult(
    /// The 32 bits, as Windows headers write them.
    pub u32,
);

macro_rules! hresults {
    ($($name:ident = $value:literal, $doc:literal;)*) => {
        impl Hresult {
            $(#[doc = concat!("`", stringify!($name), "`, ", stringify!($value), ": ", $doc, ".")]
              pub const $name: Hresult = Hresult($value);)*

            /// The name of this code in Media Foundation's headers; `None` if this crate does not use the code.
            ///
            /// If two names share a value (the `RTWQ_E_` twins), this is the `MF_E_` name.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// The meaning of this code in a few words; `None` if this crate does not use the code.
            const fn meaning(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($doc),)*
                    _ => None,
                }
            }
        }
    };
}

hresults! {
    S_OK = 0x0000_0000, "success";
    S_FALSE = 0x0000_0001, "success, of the other kind";
    MF_S_MULTIPLE_BEGIN = 0x000D_36D8, "this very request is already pending; a success code";
    E_NOTIMPL = 0x8000_4001, "not implemented";
    E_NOINTERFACE = 0x8000_4002, "the object is not of that type";
    E_POINTER = 0x8000_4003, "nothing is stored there";
    E_ABORT = 0x8000_4004, "the operation was cancelled by its caller";
    E_FAIL = 0x8000_4005, "unspecified failure";
    E_PENDING = 0x8000_000A, "the operation has not finished yet";
    E_ILLEGAL_METHOD_CALL = 0x8000_000E, "called at a time or place where it may not be";
    E_UNEXPECTED = 0x8000_FFFF, "a callback panicked, or a call came out of turn";
    E_ACCESSDENIED = 0x8007_0005, "access denied";
    E_HANDLE = 0x8007_0006, "not a valid handle";
    E_OUTOFMEMORY = 0x8007_000E, "out of memory";
    E_INVALIDARG = 0x8007_0057, "an argument is not valid";
    ERROR_FILE_NOT_FOUND = 0x8007_0002, "the file does not exist";
    ERROR_PATH_NOT_FOUND = 0x8007_0003, "the folder does not exist";
    ERROR_FILE_EXISTS = 0x8007_0050, "the file exists";
    ERROR_DISK_FULL = 0x8007_0070, "no room is left";
    ERROR_HANDLE_EOF = 0x8007_0026, "the end of the file was met too early";
    ERROR_OPERATION_ABORTED = 0x8007_03E3, "the I/O operation was aborted";
    ERROR_TIMEOUT = 0x8007_05B4, "the time allowed ran out";
    ERROR_POSSIBLE_DEADLOCK = 0x8007_046B, "waiting here could never end";
    ERROR_INVALID_TASK_NAME = 0x8007_060E, "MMCSS knows no such class";
    ERROR_INVALID_TASK_INDEX = 0x8007_060F, "MMCSS knows no such task id";
    MF_E_PLATFORM_NOT_INITIALIZED = 0xC00D_36B0, "the platform was not started";
    MF_E_BUFFERTOOSMALL = 0xC00D_36B1, "the buffer is too small";
    MF_E_INVALIDREQUEST = 0xC00D_36B2, "the request is not valid in this state";
    MF_E_INVALIDSTREAMNUMBER = 0xC00D_36B3, "there is no such stream";
    MF_E_INVALIDMEDIATYPE = 0xC00D_36B4, "the media type is not valid, or not supported";
    MF_E_NOTACCEPTING = 0xC00D_36B5, "the object takes no input just now";
    MF_E_NOT_INITIALIZED = 0xC00D_36B6, "the object was not initialised";
    MF_E_UNEXPECTED = 0xC00D_36BB, "this should not have happened here";
    MF_E_INVALIDTYPE = 0xC00D_36BD, "the value is of another type";
    MF_E_UNSUPPORTED_SCHEME = 0xC00D_36C3, "no handler knows this URL scheme";
    MF_E_UNSUPPORTED_BYTESTREAM_TYPE = 0xC00D_36C4, "no handler knows what the stream holds";
    MF_E_NOT_FOUND = 0xC00D_36D5, "nothing is known under this key";
    MF_E_MULTIPLE_BEGIN = 0xC00D_36D9, "a request of this callback with other state is pending";
    MF_E_MULTIPLE_SUBSCRIBERS = 0xC00D_36DA, "a request of someone else is pending";
    MF_E_TIMER_ORPHANED = 0xC00D_36DB, "the timer's clock is gone";
    MF_E_BAD_STARTUP_VERSION = 0xC00D_36E3, "a newer Media Foundation is asked for";
    MF_E_ATTRIBUTENOTFOUND = 0xC00D_36E6, "the attribute is not set";
    MF_E_OPERATION_CANCELLED = 0xC00D_36ED, "the operation was cancelled";
    MF_E_BYTESTREAM_NOT_SEEKABLE = 0xC00D_36EE, "the byte stream cannot seek";
    MF_E_DISABLED_IN_SAFEMODE = 0xC00D_36EF, "not available in safe mode";
    MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS = 0xC00D_36F1, "these resolver flags exclude each other";
    MF_E_RT_WORKQUEUE_CLASS_NOT_SPECIFIED = 0xC00D_36F8, "no MMCSS class was given";
    MF_E_BYTESTREAM_UNKNOWN_LENGTH = 0xC00D_36FB, "the byte stream does not know its length";
    MF_E_INVALID_WORKQUEUE = 0xC00D_36FF, "no such work queue, or it does not allow the callback's flags";
    MF_E_HW_MFT_FAILED_START_STREAMING = 0xC00D_3704, "the hardware lacks the resources to start";
    MF_E_NO_EVENTS_AVAILABLE = 0xC00D_3E80, "no event is queued";
    MF_E_END_OF_STREAM = 0xC00D_3E84, "the end of the stream was reached";
    MF_E_SHUTDOWN = 0xC00D_3E85, "not started, or shut down";
    MF_E_NO_AUDIO_RECORDING_DEVICE = 0xC00D_3E9F, "there is no device to record sound with";
    MF_E_AUDIO_RECORDING_DEVICE_IN_USE = 0xC00D_3EA0, "another uses the device that records sound";
    MF_E_AUDIO_RECORDING_DEVICE_INVALIDATED = 0xC00D_3EA1, "the device that records sound is lost";
    MF_E_VIDEO_RECORDING_DEVICE_INVALIDATED = 0xC00D_3EA2, "the camera is lost";
    MF_E_VIDEO_RECORDING_DEVICE_PREEMPTED = 0xC00D_3EA3, "another program took the camera";
    MF_E_TOPO_CODEC_NOT_FOUND = 0xC00D_5212, "no encoder or decoder is known for the media type";
    MF_E_TRANSFORM_TYPE_NOT_SET = 0xC00D_6D60, "the transform has no media type yet";
    MF_E_TRANSFORM_STREAM_CHANGE = 0xC00D_6D61, "the transform's output format changed";
    MF_E_TRANSFORM_NEED_MORE_INPUT = 0xC00D_6D72, "the transform needs more input";
    MF_E_TRANSFORM_ASYNC_LOCKED = 0xC00D_6D77, "the asynchronous transform is not unlocked";
    MF_E_NO_CAPTURE_DEVICES_AVAILABLE = 0xC00D_ABE0, "there is no capture device";
}

impl Hresult {
    /// Whether the code means success: its highest bit is clear.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 < 0x8000_0000
    }

    /// Whether the code means failure.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        !self.is_success()
    }

    /// The code itself if it means success, otherwise an [`Error`] with it.
    ///
    /// # Errors
    /// The code, when it is a failure.
    pub fn ok(self) -> Result<Hresult> {
        if self.is_success() { Ok(self) } else { Err(Error::from(self)) }
    }

    /// The code for a Win32 error number, as `HRESULT_FROM_WIN32` makes it.
    #[doc(alias = "HRESULT_FROM_WIN32")]
    #[must_use]
    pub const fn from_win32(error: u32) -> Hresult {
        if error == 0 { Hresult::S_OK } else { Hresult(0x8007_0000 | (error & 0xFFFF)) }
    }
}

impl fmt::Display for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} (0x{:08X})", self.0),
            None => write!(f, "0x{:08X}", self.0),
        }
    }
}

impl fmt::Debug for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Hresult> for u32 {
    fn from(hresult: Hresult) -> u32 {
        hresult.0
    }
}

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
