//! Promise: a read of a handle that is joined with a queue, begun with the `OVERLAPPED` of a result, ends by that result's
//! callback on the queue, with the status and the number of bytes.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

use windows::Win32::Foundation::{CloseHandle, ERROR_BROKEN_PIPE, ERROR_IO_PENDING, GENERIC_WRITE, HANDLE};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncResult, MF_E_INVALID_WORKQUEUE, MFASYNC_CALLBACK_QUEUE_MULTITHREADED, MFAllocateWorkQueue,
    MFCreateAsyncResult, MFUnlockWorkQueue,
};
use windows::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_OVERLAPPED, FILE_FLAGS_AND_ATTRIBUTES, FILE_SHARE_NONE, OPEN_EXISTING,
    PIPE_ACCESS_INBOUND, ReadFile, WriteFile,
};
use windows::Win32::System::IO::OVERLAPPED;
use windows::Win32::System::Pipes::{CreateNamedPipeW, PIPE_TYPE_BYTE};
use windows::core::{HRESULT, HSTRING, Interface};

use crate::support::{Log, Started, entry, living, passes, until};

type Join = unsafe extern "system" fn(u32, HANDLE, *mut *mut c_void) -> HRESULT;
type Unjoin = unsafe extern "system" fn(u32, *mut c_void) -> HRESULT;

/// The two functions, which `mfplat.dll` has for nobody under Wine.
fn functions() -> (Join, Unjoin) {
    // SAFETY: the exports of these names have these types.
    unsafe {
        let join = entry(c"RtwqJoinWorkQueue").unwrap();
        let unjoin = entry(c"RtwqUnjoinWorkQueue").unwrap();
        (
            std::mem::transmute::<unsafe extern "system" fn() -> isize, Join>(join),
            std::mem::transmute::<unsafe extern "system" fn() -> isize, Unjoin>(unjoin),
        )
    }
}

/// A pipe: the end that reads, overlapped, and the end that writes.
fn pipe() -> (HANDLE, HANDLE) {
    let name = HSTRING::from(format!(r"\\.\pipe\mf-async-rtworkq-{}", std::process::id()));
    let mode = PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED;
    // SAFETY: the name lives during the calls.
    unsafe {
        let reads = CreateNamedPipeW(&name, mode, PIPE_TYPE_BYTE, 1, 4096, 4096, 0, None);
        assert!(!reads.is_invalid());
        let plain = FILE_FLAGS_AND_ATTRIBUTES(0);
        let writes = CreateFileW(&name, GENERIC_WRITE.0, FILE_SHARE_NONE, None, OPEN_EXISTING, plain, None);
        (reads, writes.unwrap())
    }
}

/// Begins a read with the `OVERLAPPED` of the result.
///
/// # Safety
/// The buffer and the result live until the callback is called.
unsafe fn read(pipe: HANDLE, buffer: &mut [u8], result: &IMFAsyncResult) {
    let overlapped = result.as_raw().wrapping_byte_add(8).cast::<OVERLAPPED>();
    // SAFETY: the caller says so.
    if let Err(error) = unsafe { ReadFile(pipe, Some(buffer), None, Some(overlapped)) } {
        assert_eq!(error.code(), ERROR_IO_PENDING.to_hresult());
    }
}

#[test]
fn a_read_that_has_ended_is_dispatched() {
    passes("joined::a_read_that_has_ended_is_dispatched", &[], || {
        let (join, unjoin) = functions();
        let started = Started::new();
        let (log, life) = (Log::new(), Arc::new(()));
        let told = log.clone();
        // The callback names another queue: that is for invokes.
        let callback = living(MFASYNC_CALLBACK_QUEUE_MULTITHREADED, life.clone(), move |result| {
            // SAFETY: a status may be read at any time; the number of bytes is at this place of the structure.
            let (status, bytes) =
                unsafe { (result.GetStatus(), result.as_raw().wrapping_byte_add(52).cast::<u32>().read()) };
            told.add((status.map_err(|error| error.code()), bytes));
        });
        // SAFETY: what is passed lives until the end.
        unsafe {
            let queue = MFAllocateWorkQueue().unwrap();
            let (reads, writes) = pipe();
            let mut cookie = null_mut();
            join(queue, reads, &raw mut cookie).ok().unwrap();
            assert!(join(queue, reads, &raw mut cookie).is_err(), "it is joined already");
            let mut buffer = [0; 16];

            let result = MFCreateAsyncResult(None, &callback, None).unwrap();
            read(reads, &mut buffer, &result);
            assert!(log.all().is_empty());
            WriteFile(writes, Some(b"sound"), None, None).unwrap();
            until("the read ends", || log.all().len() == 1);
            assert_eq!((log.all()[0], &buffer[..5]), ((Ok(()), 5), b"sound".as_slice()));

            let result = MFCreateAsyncResult(None, &callback, None).unwrap();
            read(reads, &mut buffer, &result);
            CloseHandle(writes).unwrap();
            until("the read fails", || log.all().len() == 2);
            assert_eq!(log.all()[1], (Err(ERROR_BROKEN_PIPE.to_hresult()), 0));

            assert!(unjoin(queue + 1, cookie).is_err(), "of another queue");
            unjoin(queue, cookie).ok().unwrap();
            assert!(unjoin(queue, cookie).is_err(), "it is joined no more");
            MFUnlockWorkQueue(queue).unwrap();
            assert_eq!(join(queue, reads, &raw mut cookie), MF_E_INVALID_WORKQUEUE);
            CloseHandle(reads).unwrap();
            drop((result, callback));
        }
        until("the results are released", || Arc::strong_count(&life) == 1);
        drop(started);
    });
}

#[test]
fn what_cannot_be_joined_is_refused() {
    passes("joined::what_cannot_be_joined_is_refused", &[], || {
        let (join, unjoin) = functions();
        let mut cookie = null_mut();
        // SAFETY: the functions look at what they are given.
        unsafe {
            let nothing = HANDLE::default();
            assert!(
                join(MFASYNC_CALLBACK_QUEUE_MULTITHREADED, nothing, &raw mut cookie).is_err(),
                "not started"
            );
            let _started = Started::new();
            assert!(
                join(MFASYNC_CALLBACK_QUEUE_MULTITHREADED, nothing, &raw mut cookie).is_err(),
                "no handle"
            );
            assert!(join(MFASYNC_CALLBACK_QUEUE_MULTITHREADED, nothing, null_mut()).is_err(), "no place");
            assert!(unjoin(MFASYNC_CALLBACK_QUEUE_MULTITHREADED, null_mut()).is_err());
        }
    });
}
