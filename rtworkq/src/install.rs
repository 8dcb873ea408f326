//! `install`: Media Foundation on the program's own runtime.

use std::ffi::CStr;

use mf_async::{Error, Hresult, Platform, Result};
use windows_sys::Win32::System::LibraryLoader::{GetProcAddress, LoadLibraryW};

use crate::functions::{Functions, own_functions};
use crate::guard::from;
use crate::lifetime;

/// The name of the DLL's export that takes a table of functions: `HRESULT MfAsyncInstall(const Functions *)`.
pub const ENTRY: &CStr = c"MfAsyncInstall";

/// From the next `MFStartup` on Media Foundation's work queues are this platform's.
///
/// The platform stays the program's: the last `MFShutdown` does not shut it down. What is queued then still runs; what is
/// scheduled or waits is not called any more. The program shuts Media Foundation down first, and the platform after it.
///
/// The platform's threads should be in the multithreaded apartment. This crate keeps that apartment while Media Foundation
/// is started, so that threads that have joined none count as in it.
///
/// # Errors
/// `E_NOINTERFACE` when the `rtworkq.dll` that the process has loaded is not this crate's: it is to be beside the program,
/// and under Wine `WINEDLLOVERRIDES=rtworkq=n,b` is to be set. `E_INVALIDARG` when Media Foundation is started already, or
/// the DLL is of another version.
pub fn install(platform: &Platform) -> Result<()> {
    let name: Vec<u16> = "rtworkq.dll\0".encode_utf16().collect();
    // SAFETY: *LoadLibrary* is given a name that ends with 0. What it loads is what `mfplat.dll` has loaded, and stays.
    let found = unsafe {
        let module = LoadLibraryW(name.as_ptr());
        if module.is_null() { None } else { GetProcAddress(module, ENTRY.as_ptr().cast()) }
    };
    let Some(entry) = found else {
        let what = "install a platform for Media Foundation: rtworkq.dll is not the one of mf-async, which is to be beside the program";
        return Err(Error::new(Hresult::E_NOINTERFACE, what));
    };
    // SAFETY: the export of this name has this type: see `ENTRY`.
    let entry = unsafe {
        std::mem::transmute::<
            unsafe extern "system" fn() -> isize,
            unsafe extern "system" fn(*const Functions) -> i32,
        >(entry)
    };
    let refused = |code: i32| {
        let what = "install a platform for Media Foundation: it is started already, or the DLL is of another version";
        Error::new(Hresult(code as u32), what)
    };
    lifetime::install(Some(platform.clone())).map_err(refused)?;
    // SAFETY: the table is a static.
    let code = unsafe { entry(own_functions()) };
    if code != from(Hresult::S_OK) {
        let _ = lifetime::install(None);
        return Err(refused(code));
    }
    Ok(())
}
