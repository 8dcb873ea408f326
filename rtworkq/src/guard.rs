//! The guard at the border: what a function of this crate answers to its foreign caller, even if it panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mf_async::Hresult;
use windows_sys::Win32::Foundation::{E_UNEXPECTED, S_OK};
use windows_sys::core::HRESULT;

/// What a function does inside: done, or the code that it answers.
pub(crate) type Answer<T = ()> = Result<T, HRESULT>;

/// Every call from outside goes through here. A panic is `E_UNEXPECTED`.
pub(crate) fn guard(call: impl FnOnce() -> Answer) -> HRESULT {
    match contain(call) {
        Some(Ok(())) => S_OK,
        Some(Err(code)) => code,
        None => E_UNEXPECTED,
    }
}

/// The same for what has no code to answer: `None` if it panicked.
pub(crate) fn contain<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).map_err(drop_payload).ok()
}

/// Drops what a panic left behind, whose drop may panic again. What that leaves is dropped if it is a message, and else
/// leaked, so that this ends.
fn drop_payload(payload: Box<dyn std::any::Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        if !second.is::<&str>() && !second.is::<String>() {
            std::mem::forget(second);
        }
    }
}

/// An error of the platform as the code that Media Foundation's caller gets.
pub(crate) fn code(error: mf_async::Error) -> HRESULT {
    from(error.hresult())
}

/// A code as a number with a sign, as C has it.
pub(crate) const fn from(code: Hresult) -> HRESULT {
    code.0 as HRESULT
}

/// After the last shutdown, and before the first start.
pub(crate) const SHUTDOWN: HRESULT = from(Hresult::MF_E_SHUTDOWN);

/// Writes what a function gives.
///
/// # Errors
/// `E_POINTER` when there is no place for it.
///
/// # Safety
/// `out` is null or a place for a `T`.
pub(crate) unsafe fn give<T>(out: *mut T, value: T) -> Answer {
    if out.is_null() {
        return Err(windows_sys::Win32::Foundation::E_POINTER);
    }
    // SAFETY: the caller says that it is a place for a `T`, and it is not null.
    unsafe { out.write(value) };
    Ok(())
}

/// Writes what a function gives to those who want it.
///
/// # Safety
/// `out` is null or a place for a `T`.
pub(crate) unsafe fn give_if_wanted<T>(out: *mut T, value: T) -> Answer {
    // SAFETY: the caller says so.
    if out.is_null() { Ok(()) } else { unsafe { give(out, value) } }
}

#[cfg(test)]
mod tests {
    //! Promise: whatever happens inside, outside there is a code.

    use super::*;

    /// Panics when it is dropped, with a message.
    struct Again;

    impl Drop for Again {
        fn drop(&mut self) {
            panic!("again");
        }
    }

    /// Panics when it is dropped, with another of its kind.
    struct Always;

    impl Drop for Always {
        fn drop(&mut self) {
            std::panic::panic_any(Always);
        }
    }

    #[test]
    fn each_outcome_has_its_code() {
        assert_eq!(guard(|| Ok(())), S_OK);
        assert_eq!(guard(|| Err(SHUTDOWN)), SHUTDOWN);
        assert_eq!(guard(|| panic!("inside")), E_UNEXPECTED);
        assert_eq!(guard(|| std::panic::panic_any(Again)), E_UNEXPECTED);
        assert_eq!(guard(|| std::panic::panic_any(Always)), E_UNEXPECTED);
        assert_eq!(contain(|| 7), Some(7));
        assert_eq!(contain(|| -> i32 { panic!("inside") }), None);
    }

    #[test]
    fn nothing_is_written_to_no_place() {
        let mut place = 0;
        // SAFETY: it is a place for a number.
        assert_eq!(unsafe { give(&raw mut place, 7) }, Ok(()));
        // SAFETY: it is null.
        let refused = unsafe { give(std::ptr::null_mut::<i32>(), 7) };
        assert_eq!((place, refused), (7, Err(windows_sys::Win32::Foundation::E_POINTER)));
    }
}
