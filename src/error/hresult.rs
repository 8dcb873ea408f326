//! `Hresult`: a status code with Media Foundation's names, success codes among them.

use std::fmt;

use crate::error::{Error, Result};

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
            pub(super) const fn meaning(self) -> Option<&'static str> {
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
