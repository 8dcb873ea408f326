//! The system's own `rtworkq.dll`, to which the exports fall back.

use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::OnceLock;

use mf_async_rtworkq::Functions;
use windows_sys::Win32::Foundation::{E_NOTIMPL, HMODULE, MAX_PATH};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, GetModuleHandleExW,
    GetProcAddress, LoadLibraryW,
};
use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;

/// What a function of the system's is that it does not have.
unsafe extern "system" fn missing() -> isize {
    E_NOTIMPL as isize
}

macro_rules! table {
    ($($export:ident $name:ident($($argument:ident: $kind:ty),*);)*) => {
        fn table(module: HMODULE) -> Functions {
            // By the calling conventions of 64-bit Windows the caller takes its arguments away, so that `missing` may be
            // called with any.
            let find = |name: &std::ffi::CStr| {
                // SAFETY: *GetProcAddress* is given a module that stays, and a name that ends with 0.
                let found = if module.is_null() { None } else { unsafe { GetProcAddress(module, name.as_ptr().cast()) } };
                found.unwrap_or(missing)
            };
            $(
                let name = std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($export), "\0").as_bytes());
                let found = find(name.unwrap_or_default());
                // SAFETY: the system's function of this name has this type, by its page. Where no page says it, six
                // numbers stand for whatever it takes.
                let $name = unsafe {
                    transmute::<unsafe extern "system" fn() -> isize, unsafe extern "system" fn($($kind),*) -> i32>(found)
                };
            )*
            Functions { size: size_of::<Functions>(), $($name,)* }
        }
    };
}

mf_async_rtworkq::functions!(table);

/// The system's functions. Those that it does not have, or all of them if there is no such file, answer `E_NOTIMPL`.
pub(crate) fn functions() -> &'static Functions {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    FUNCTIONS.get_or_init(|| table(module()))
}

/// The system's DLL, by its whole path: one of the same name that is loaded already is this one. Null if there is none.
fn module() -> HMODULE {
    let mut path = vec![0_u16; MAX_PATH as usize];
    // SAFETY: *GetSystemDirectory* writes so many characters at most, and returns how many it has written, or needs.
    let length = unsafe { GetSystemDirectoryW(path.as_mut_ptr(), MAX_PATH) } as usize;
    if length == 0 || length >= path.len() {
        return null_mut();
    }
    path.truncate(length);
    path.extend("\\rtworkq.dll\0".encode_utf16());
    let mut this = null_mut();
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    // SAFETY: *LoadLibrary* is given a path that ends with 0. With this flag *GetModuleHandleEx* takes any address inside
    // a module for its name.
    unsafe {
        let module = LoadLibraryW(path.as_ptr());
        GetModuleHandleExW(flags, functions as *const u16, &raw mut this);
        // This file, copied over the system's: to call it would be to call itself.
        if module == this { null_mut() } else { module }
    }
}
