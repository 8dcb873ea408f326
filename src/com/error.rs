//! Conversion between this crate's errors and those of the `windows` crate, which both keep the HRESULT.

use windows::Win32::Media::MediaFoundation::IMFAsyncResult;
use windows::core::{HRESULT, Interface};

use crate::contain::drop_contained;
use crate::error::{Error, Hresult};

impl From<HRESULT> for Hresult {
    fn from(code: HRESULT) -> Hresult {
        Hresult(code.0 as u32)
    }
}

impl From<Hresult> for HRESULT {
    fn from(code: Hresult) -> HRESULT {
        HRESULT(code.0 as i32)
    }
}

impl From<windows::core::Error> for Error {
    fn from(error: windows::core::Error) -> Error {
        let message = error.message();
        let message = message.trim_end();
        let what = if message.is_empty() {
            "a call to Media Foundation failed".to_owned()
        } else {
            message.to_owned()
        };
        Error::new(error.code().into(), what)
    }
}

impl From<Error> for windows::core::Error {
    /// The code alone. An error with a text is handed to the system, which not every system can take.
    fn from(error: Error) -> windows::core::Error {
        let code = error.hresult();
        // It may hold what a panic left behind, whose drop may panic, and the code is mostly for a foreign caller.
        drop_contained(error);
        windows::core::Error::from_hresult(code.into())
    }
}

/// The status of a result, success codes included, which the `windows` crate's own method loses.
pub(crate) fn status_of(result: &IMFAsyncResult) -> Hresult {
    // SAFETY: the table is that of the object's own interface, and the pointer is the object's.
    unsafe { (Interface::vtable(result).GetStatus)(Interface::as_raw(result)) }.into()
}
