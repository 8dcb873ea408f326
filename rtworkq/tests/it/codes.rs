//! Promise: all functions are there, and answer as their pages and the system's own have it, also where they are called
//! wrongly.

use std::ffi::CString;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex};

use windows::Win32::Foundation::{E_INVALIDARG, E_POINTER, GetHandleInformation, HANDLE};
use windows::Win32::Media::MediaFoundation::{
    MF_E_OPERATION_CANCELLED, MFASYNC_CALLBACK_QUEUE_MULTITHREADED, MFCancelWorkItem, MFCreateAsyncResult,
    MFLockSharedWorkQueue, MFPutWorkItemEx, MFScheduleWorkItem, MFUnlockWorkQueue,
};
use windows::Win32::System::Threading::{CreateEventW, SetEvent, WaitForSingleObject};
use windows::core::{PCWSTR, w};

use crate::support::{Count, Log, Started, callback, entry, event_field, living, passes, until, waiting};

const MULTITHREADED: u32 = MFASYNC_CALLBACK_QUEUE_MULTITHREADED;

macro_rules! names {
    ($($export:ident $name:ident($($argument:ident: $kind:ty),*);)*) => {
        [$(stringify!($export)),*]
    };
}

#[test]
fn all_functions_are_exported() {
    passes("codes::all_functions_are_exported", &[], || {
        let names = mf_async_rtworkq::functions!(names);
        assert_eq!(names.len(), 39);
        assert!(names.is_sorted());
        for name in names.iter().chain(&["MfAsyncInstall", "MfAsyncReport", "MfAsyncManual", "MfAsyncStep"]) {
            assert!(entry(&CString::new(*name).unwrap()).is_some(), "{name} is missing");
        }
    });
}

#[test]
fn what_is_not_described_is_not_implemented() {
    passes("codes::what_is_not_described_is_not_implemented", &[], || {
        for name in [
            c"RtwqCancelMultipleWaitingWorkItem",
            c"RtwqDebugGetOutstandingRefs",
            c"RtwqDebugSetCleanShutdown",
            c"RtwqGetPlatform",
            c"RtwqPutMultipleWaitingWorkItem",
        ] {
            assert_eq!(crate::support::call(name) as u32, 0x8000_4001, "{name:?}");
        }
    });
}

#[test]
fn a_result_closes_the_event_that_it_was_given() {
    passes("codes::a_result_closes_the_event_that_it_was_given", &[], || {
        let _started = Started::new();
        // SAFETY: the result's event is its own from here on.
        unsafe {
            let result = MFCreateAsyncResult(None, None, None).unwrap();
            let event = CreateEventW(None, true, false, None).unwrap();
            *event_field(&result) = event.0;
            MFPutWorkItemEx(MULTITHREADED, &result).unwrap();
            assert_eq!(
                WaitForSingleObject(event, 10_000).0,
                0,
                "a result without a callback signals its event"
            );
            let mut flags = 0;
            assert!(GetHandleInformation(event, &raw mut flags).is_ok());
            drop(result);
            assert!(GetHandleInformation(event, &raw mut flags).is_err(), "it is closed");
        }
    });
}

#[test]
fn a_missing_class_is_not_the_empty_one() {
    passes("codes::a_missing_class_is_not_the_empty_one", &[], || {
        let _started = Started::new();
        let (mut queue, mut task) = (0, 0);
        // SAFETY: the places live here.
        unsafe {
            let missing = MFLockSharedWorkQueue(PCWSTR::null(), 0, null_mut(), &raw mut queue);
            assert_eq!(missing.unwrap_err().code(), E_POINTER);
            let with_a_task = MFLockSharedWorkQueue(w!(""), 0, &raw mut task, &raw mut queue);
            assert_eq!(with_a_task.unwrap_err().code(), E_INVALIDARG);
            MFLockSharedWorkQueue(w!(""), 0, null_mut(), &raw mut queue).unwrap();
            MFUnlockWorkQueue(queue).unwrap();
            assert!(MFUnlockWorkQueue(queue).is_err());
        }
    });
}

#[test]
fn a_wait_for_no_handle_waits_and_can_be_cancelled() {
    passes("codes::a_wait_for_no_handle_waits_and_can_be_cancelled", &[], || {
        let _started = Started::new();
        let log = Log::new();
        let told = log.clone();
        let waits = callback(MULTITHREADED, move |result| {
            // SAFETY: a status may be read at any time.
            told.add(unsafe { result.GetStatus() }.map_err(|error| error.code()));
        });
        // SAFETY: a handle that is null is allowed.
        unsafe {
            let result = MFCreateAsyncResult(None, &waits, None).unwrap();
            let key = waiting(HANDLE::default(), &result);
            assert!(log.all().is_empty());
            MFCancelWorkItem(key).unwrap();
            until("the callback is called", || log.all().len() == 1);
            assert_eq!(log.all(), [Err(MF_E_OPERATION_CANCELLED)]);
            assert!(MFCancelWorkItem(key).is_err());
        }
    });
}

#[test]
fn a_wait_that_is_cancelled_takes_no_signal() {
    passes("codes::a_wait_that_is_cancelled_takes_no_signal", &[], || {
        let _started = Started::new();
        let called = Count::default();
        // SAFETY: the event lives until the end.
        unsafe {
            let event = CreateEventW(None, false, false, None).unwrap();
            for round in 1..=100 {
                let count = called.clone();
                let waits = callback(MULTITHREADED, move |_| count.add());
                let result = MFCreateAsyncResult(None, &waits, None).unwrap();
                let key = waiting(event, &result);
                MFCancelWorkItem(key).unwrap();
                SetEvent(event).unwrap();
                assert_eq!(WaitForSingleObject(event, 0).0, 0, "round {round}: the signal was taken");
                until("the callback is called", || called.get() == round);
            }
        }
    });
}

#[test]
fn a_cancelled_item_is_released_when_the_cancel_returns() {
    passes("codes::a_cancelled_item_is_released_when_the_cancel_returns", &[], || {
        let _started = Started::new();
        let life = Arc::new(());
        let called = Arc::new(Mutex::new(false));
        let mark = called.clone();
        let scheduled = living(MULTITHREADED, life.clone(), move |_| *mark.lock().unwrap() = true);
        // SAFETY: the callback is counted.
        unsafe {
            let mut key = 0;
            MFScheduleWorkItem(&scheduled, None, -3_600_000, Some(&raw mut key)).unwrap();
            drop(scheduled);
            assert_eq!(Arc::strong_count(&life), 2);
            MFCancelWorkItem(key).unwrap();
        }
        assert_eq!(Arc::strong_count(&life), 1);
        assert!(!*called.lock().unwrap());
    });
}
