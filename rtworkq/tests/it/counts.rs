//! Promise: a start is one lock, the number of locks decides whether calls are taken, and the last shutdown has them
//! refused at once.

use windows::Win32::Media::MediaFoundation::{
    MF_E_SHUTDOWN, MF_VERSION, MFASYNC_CALLBACK_QUEUE_MULTITHREADED, MFAllocateWorkQueue, MFLockPlatform,
    MFPutWorkItem, MFSTARTUP_LITE, MFShutdown, MFStartup, MFUnlockPlatform, MFUnlockWorkQueue,
};

use crate::support::{Log, Started, call, callback, passes, until};

const MULTITHREADED: u32 = MFASYNC_CALLBACK_QUEUE_MULTITHREADED;

/// Whether a call is taken; refused is `MF_E_SHUTDOWN`.
fn is_taken() -> bool {
    // SAFETY: the queue is given back.
    match unsafe { MFAllocateWorkQueue() } {
        Ok(queue) => {
            // SAFETY: as above.
            unsafe { MFUnlockWorkQueue(queue) }.unwrap();
            true
        }
        Err(error) => {
            assert_eq!(error.code(), MF_E_SHUTDOWN);
            false
        }
    }
}

fn lock() {
    // SAFETY: it counts.
    unsafe { MFLockPlatform() }.unwrap();
}

fn unlock() {
    // SAFETY: it counts.
    unsafe { MFUnlockPlatform() }.unwrap();
}

#[test]
fn unlocks_too_many_refuse_until_locks_bring_them_back() {
    passes("counts::unlocks_too_many_refuse_until_locks_bring_them_back", &[], || {
        let _started = Started::new();
        assert!(is_taken());
        unlock();
        assert!(!is_taken(), "the start was the last lock");
        unlock();
        lock();
        assert!(!is_taken(), "it went below zero");
        lock();
        assert!(is_taken());
    });
}

#[test]
fn the_last_shutdown_refuses_though_locks_are_held() {
    passes("counts::the_last_shutdown_refuses_though_locks_are_held", &[], || {
        // SAFETY: each start is owed a shutdown.
        unsafe {
            MFStartup(MF_VERSION, MFSTARTUP_LITE).unwrap();
            MFStartup(MF_VERSION, MFSTARTUP_LITE).unwrap();
            lock();
            MFShutdown().unwrap();
            assert!(is_taken());
            MFShutdown().unwrap();
            assert!(!is_taken());
            unlock();
            assert!(!is_taken());
        }
        for _ in 0..10 {
            let _again = Started::new();
            assert!(is_taken());
        }
        assert!(!is_taken());
    });
}

#[test]
fn the_last_shutdown_from_a_callback_is_refused_and_changes_nothing() {
    passes("counts::the_last_shutdown_from_a_callback_is_refused_and_changes_nothing", &[], || {
        let _started = Started::new();
        let log = Log::new();
        let told = log.clone();
        let shuts_down = callback(MULTITHREADED, move |_| told.add(call(c"RtwqShutdown")));
        // SAFETY: the callback is counted.
        unsafe { MFPutWorkItem(MULTITHREADED, &shuts_down, None) }.unwrap();
        until("it is called", || log.all().len() == 1);
        assert_eq!(log.all()[0] as u32, 0x8000_000E, "E_ILLEGAL_METHOD_CALL");
        assert!(is_taken());
        // One that is not the last waits for nothing.
        assert_eq!(call(c"RtwqStartup"), 0);
        // SAFETY: as above.
        unsafe { MFPutWorkItem(MULTITHREADED, &shuts_down, None) }.unwrap();
        until("it is called", || log.all().len() == 2);
        assert_eq!(log.all()[1], 0);
        assert!(is_taken());
    });
}
