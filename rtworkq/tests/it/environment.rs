//! Promise: the environment's variables do what they say: workers, report, trace, one at a time, the system's own.

use std::sync::{Arc, Mutex};

use windows::Win32::Media::MediaFoundation::{
    MFASYNC_CALLBACK_QUEUE_MULTITHREADED, MFASYNC_CALLBACK_QUEUE_STANDARD, MFPutWorkItem,
};

use crate::support::{Count, Started, call, callback, passes, until};

const MULTITHREADED: u32 = MFASYNC_CALLBACK_QUEUE_MULTITHREADED;
const STANDARD: u32 = MFASYNC_CALLBACK_QUEUE_STANDARD;

/// Puts many items on two queues, and waits for them.
fn work() {
    let count = Count::default();
    for queue in [MULTITHREADED, STANDARD] {
        let counts = count.clone();
        let counts = callback(queue, move |_| counts.add());
        for _ in 0..50 {
            // SAFETY: the callback is counted.
            unsafe { MFPutWorkItem(queue, &counts, None) }.unwrap();
        }
    }
    until("all are called", || count.get() == 100);
}

#[test]
fn the_report_is_printed_at_the_last_shutdown() {
    let name = "environment::the_report_is_printed_at_the_last_shutdown";
    let said = passes(name, &[("MF_ASYNC_RTWORKQ_REPORT", "0")], || {
        assert_eq!(call(c"MfAsyncReport"), 0, "nothing is started");
        let started = Started::new();
        work();
        drop(started);
        assert_eq!(call(c"MfAsyncReport"), 0);
    });
    if let Some((_, err)) = said {
        assert_eq!(err.matches("rtworkq: ").count(), 1, "{err}");
        assert!(err.contains("starts and locks") && err.contains("MULTITHREADED"), "{err}");
    }
}

#[test]
fn the_trace_is_a_picture_or_a_file_for_perfetto() {
    let name = "environment::the_trace_is_a_picture_or_a_file_for_perfetto";
    for (ending, begins) in [("svg", "<svg"), ("json", "{")] {
        let path = std::env::temp_dir().join(format!("mf-async-rtworkq-{}.{ending}", std::process::id()));
        let said = passes(name, &[("MF_ASYNC_RTWORKQ_TRACE", path.to_str().unwrap())], || {
            let _started = Started::new();
            work();
        });
        if said.is_none() {
            return;
        }
        let written = std::fs::read_to_string(&path).unwrap();
        let _ = std::fs::remove_file(&path);
        assert!(written.trim_start().starts_with(begins), "{}", &written[..100.min(written.len())]);
        assert!(written.matches("IMFAsyncCallback").count() >= 100);
    }
}

#[test]
fn one_at_a_time_is_in_the_order_of_the_puts() {
    let name = "environment::one_at_a_time_is_in_the_order_of_the_puts";
    passes(name, &[("MF_ASYNC_RTWORKQ_STEP", "1"), ("MF_ASYNC_RTWORKQ_WORKERS", "4")], || {
        let _started = Started::new();
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..100 {
            let (order, queue) = (order.clone(), [MULTITHREADED, STANDARD][number % 2]);
            let adds = callback(queue, move |_| order.lock().unwrap().push(number));
            // SAFETY: the callback is counted.
            unsafe { MFPutWorkItem(queue, &adds, None) }.unwrap();
        }
        until("all are called", || order.lock().unwrap().len() == 100);
        assert!(order.lock().unwrap().is_sorted());
    });
}

#[test]
fn the_systems_own_is_used_when_that_is_asked_for() {
    let name = "environment::the_systems_own_is_used_when_that_is_asked_for";
    passes(name, &[("MF_ASYNC_RTWORKQ", "system")], || {
        let _started = Started::new();
        work();
        assert_eq!(call(c"MfAsyncReport"), 0, "the file's own platform is not started");
    });
}
