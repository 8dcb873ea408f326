//! The file that takes the place of `rtworkq.dll` beside a program. It is `mf_async_rtworkq_dll.dll` until it is copied.
//!
//! Its exports are those of the system's, and `MfAsyncInstall`, `MfAsyncReport`, `MfAsyncManual` and `MfAsyncStep`. Each
//! call goes to the functions that the program has installed; otherwise to those of this file, on a runtime of its own;
//! or, with `MF_ASYNC_RTWORKQ=system` in the environment, to the system's DLL.
#![cfg(windows)]
#![allow(non_snake_case, reason = "the names are Windows'")]
#![allow(clippy::missing_safety_doc, reason = "each function's contract is its page's")]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("five functions are handed on by the calling conventions of 64-bit Windows");

mod chosen;
mod step;
mod system;

use mf_async_rtworkq::Functions;

macro_rules! exports {
    ($($export:ident $name:ident($($argument:ident: $kind:ty),*);)*) => {
        $(
            #[doc = concat!("See the page *", stringify!($export), "*.")]
            #[unsafe(no_mangle)]
            pub unsafe extern "system" fn $export($($argument: $kind),*) -> i32 {
                // SAFETY: the caller keeps the contract of the page, which is that of the function in the table.
                unsafe { (chosen::functions().$name)($($argument),*) }
            }
        )*
    };
}

mf_async_rtworkq::functions!(exports);

/// Has these functions called from now on: those of the program's copy of the crate. Before `MFStartup`.
///
/// `E_POINTER` for null, `E_INVALIDARG` for a table of another version, or when Media Foundation is started.
///
/// # Safety
/// `functions` is null or a table that stays.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn MfAsyncInstall(functions: *const Functions) -> i32 {
    // SAFETY: the caller says so.
    unsafe { chosen::install(functions) }
}

/// Prints the report of the platform that this file has started to standard error; 0 if it has started none.
#[unsafe(no_mangle)]
pub extern "system" fn MfAsyncReport() -> i32 {
    i32::from(std::panic::catch_unwind(mf_async_rtworkq::report).unwrap_or(false))
}
