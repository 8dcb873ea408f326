//! Promise: a process ends as it wants to, whatever is outstanding; a shutdown ends with reads in flight; and the DLL may
//! be loaded twice, and unloaded.

use std::time::{Duration, Instant};

use windows::Win32::Foundation::FreeLibrary;
use windows::Win32::Media::MediaFoundation::{
    MF_ACCESSMODE_READ, MF_FILEFLAGS_NONE, MF_OPENMODE_FAIL_IF_NOT_EXIST,
    MFASYNC_CALLBACK_QUEUE_MULTITHREADED, MFAddPeriodicCallback, MFAllocateWorkQueue, MFCreateAsyncResult,
    MFCreateFile, MFPutWorkItem, MFScheduleWorkItem,
};
use windows::Win32::System::LibraryLoader::{GetProcAddress, LoadLibraryW};
use windows::Win32::System::Threading::CreateEventW;
use windows::core::{HSTRING, IUnknown, PCSTR};

use crate::support::{Count, Started, alone, callback, folder, passes, until, waiting, wave};

const MULTITHREADED: u32 = MFASYNC_CALLBACK_QUEUE_MULTITHREADED;

unsafe extern "system" fn periodic(_: windows::core::Ref<'_, IUnknown>) {}

/// Begins one of everything.
fn begin() {
    let called = callback(MULTITHREADED, |_| std::thread::sleep(Duration::from_millis(1)));
    // SAFETY: what is passed is counted, or lives as long as the process.
    unsafe {
        let mut key = 0;
        MFAddPeriodicCallback(Some(periodic), None, Some(&raw mut key)).unwrap();
        let event = CreateEventW(None, false, false, None).unwrap();
        let result = MFCreateAsyncResult(None, &called, None).unwrap();
        waiting(event, &result);
        MFScheduleWorkItem(&called, None, -3_600_000, None).unwrap();
        let queue = MFAllocateWorkQueue().unwrap();
        for _ in 0..200 {
            MFPutWorkItem(queue, &called, None).unwrap();
            MFPutWorkItem(MULTITHREADED, &called, None).unwrap();
        }
        std::mem::forget(result);
    }
}

#[test]
fn a_process_that_ends_without_a_shutdown_ends_by_its_own_code() {
    let name = "exits::a_process_that_ends_without_a_shutdown_ends_by_its_own_code";
    for _ in 0..3 {
        let ended = alone(name, &[], || {
            let started = Started::new();
            begin();
            std::mem::forget(started);
            std::process::exit(7);
        });
        let Some(ended) = ended else { return };
        assert_eq!(ended.status.code(), Some(7));
    }
}

#[test]
fn a_shutdown_with_reads_in_flight_ends() {
    passes("exits::a_shutdown_with_reads_in_flight_ends", &[], || {
        let path = wave("reads");
        for _ in 0..10 {
            let started = Started::new();
            let count = Count::default();
            // SAFETY: the buffers outlive the reads: they are leaked.
            unsafe {
                let stream = MFCreateFile(
                    MF_ACCESSMODE_READ,
                    MF_OPENMODE_FAIL_IF_NOT_EXIST,
                    MF_FILEFLAGS_NONE,
                    &HSTRING::from(path.as_path()),
                )
                .unwrap();
                for _ in 0..20 {
                    let (counts, ends) = (count.clone(), stream.clone());
                    let ends = SharedStream(ends);
                    let called = callback(MULTITHREADED, move |result| {
                        let _ = ends.get().EndRead(result);
                        counts.add();
                    });
                    let buffer = Box::leak(vec![0_u8; 4096].into_boxed_slice());
                    let _ = stream.BeginRead(buffer, &called, None);
                }
                drop(stream);
            }
            drop(started);
        }
        let _ = std::fs::remove_file(path);
    });
}

/// A byte stream of Media Foundation's, which any thread may use.
struct SharedStream(windows::Win32::Media::MediaFoundation::IMFByteStream);

// SAFETY: the page *Media Foundation and COM* has its objects free-threaded.
unsafe impl Send for SharedStream {}
// SAFETY: as above.
unsafe impl Sync for SharedStream {}

impl SharedStream {
    fn get(&self) -> &windows::Win32::Media::MediaFoundation::IMFByteStream {
        &self.0
    }
}

#[test]
fn a_shutdown_under_load_ends_in_time() {
    passes("exits::a_shutdown_under_load_ends_in_time", &[], || {
        let started = Started::new();
        begin();
        let start = Instant::now();
        drop(started);
        // One result is held for ever: it waits for that, 5 s, and not for the hour of the timer.
        assert!(start.elapsed() < Duration::from_secs(60));
    });
}

#[test]
fn two_copies_are_two_platforms() {
    passes("exits::two_copies_are_two_platforms", &[], || {
        type Start = unsafe extern "system" fn() -> i32;
        type Allocate = unsafe extern "system" fn(i32, *mut u32) -> i32;
        let other = std::env::temp_dir().join(format!("mf-async-rtworkq-{}", std::process::id()));
        std::fs::create_dir_all(&other).unwrap();
        let copy = other.join("rtworkq-other.dll");
        std::fs::copy(folder().join("rtworkq.dll"), &copy).unwrap();
        let _started = Started::new();
        // SAFETY: the functions have the types of their pages.
        unsafe {
            let module = LoadLibraryW(&HSTRING::from(copy.as_path())).unwrap();
            let find = |name: &std::ffi::CStr| GetProcAddress(module, PCSTR(name.as_ptr().cast())).unwrap();
            let startup: Start = std::mem::transmute(find(c"RtwqStartup"));
            let shutdown: Start = std::mem::transmute(find(c"RtwqShutdown"));
            let allocate: Allocate = std::mem::transmute(find(c"RtwqAllocateWorkQueue"));
            let mut queue = 0;
            assert!(allocate(2, &raw mut queue) < 0, "the other is not started");
            assert_eq!(startup(), 0);
            assert_eq!(allocate(2, &raw mut queue), 0);
            assert_eq!(shutdown(), 0);
            assert!(allocate(2, &raw mut queue) < 0);
            // Unloaded, it stays: its threads may still be on their way out.
            FreeLibrary(module).unwrap();
            let _ = FreeLibrary(module);
            assert_eq!(startup(), 0);
            assert_eq!(shutdown(), 0);
        }
        let count = Count::default();
        let counts = count.clone();
        let called = callback(MULTITHREADED, move |_| counts.add());
        // SAFETY: the callback is counted.
        unsafe { MFPutWorkItem(MULTITHREADED, &called, None) }.unwrap();
        until("the first goes on", || count.get() == 1);
    });
}
