//! Promise: a program can have Media Foundation run on its own platform, sees it there, and keeps it.

use std::sync::Arc;

use mf_async::{ErrorKind, Hresult, Platform, QueueId};
use windows::Win32::Foundation::HANDLE;
use windows::Win32::Media::MediaFoundation::{
    MFASYNC_CALLBACK_QUEUE_MULTITHREADED, MFCreateAsyncResult, MFPutWorkItem, MFScheduleWorkItem,
};

use crate::support::{Count, Log, Started, callback, living, passes, until, waiting};

const MULTITHREADED: u32 = MFASYNC_CALLBACK_QUEUE_MULTITHREADED;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn it_runs_on_the_programs_runtime_and_leaves_that_up() {
    passes("installed::it_runs_on_the_programs_runtime_and_leaves_that_up", &[], || {
        let runtime = runtime();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        mf_async_rtworkq::install(&platform).unwrap();
        for _ in 0..3 {
            let started = Started::new();
            assert!(mf_async_rtworkq::is_started());
            let refused = mf_async_rtworkq::install(&platform).unwrap_err();
            assert_eq!(refused.hresult(), Hresult::E_INVALIDARG, "it is started");
            let before = platform.queue(QueueId::MULTITHREADED).unwrap().stats().run;
            let ids = Log::new();
            let told = ids.clone();
            let on_tokio = callback(MULTITHREADED, move |_| {
                told.add(tokio::runtime::Handle::try_current().map(|handle| handle.id()).ok());
            });
            // SAFETY: the callback is counted.
            unsafe { MFPutWorkItem(MULTITHREADED, &on_tokio, None) }.unwrap();
            until("it is called", || ids.all().len() == 1);
            assert_eq!(ids.all(), [Some(runtime.handle().id())]);
            let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
            until("it is counted", || queue.stats().run > before);
            drop((on_tokio, started));
            assert!(!mf_async_rtworkq::is_started());
            // The platform is the program's.
            assert_eq!(runtime.block_on(queue.run(|| 6 * 7)).unwrap(), 42);
        }
        runtime.block_on(platform.shutdown()).unwrap();
    });
}

#[test]
fn what_is_scheduled_or_waits_is_released_uncalled_by_the_shutdown() {
    passes("installed::what_is_scheduled_or_waits_is_released_uncalled_by_the_shutdown", &[], || {
        let runtime = runtime();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        mf_async_rtworkq::install(&platform).unwrap();
        let (count, life) = (Count::default(), Arc::new(()));
        let started = Started::new();
        for timed in 0..20 {
            let counts = count.clone();
            let called = living(MULTITHREADED, life.clone(), move |_| counts.add());
            // SAFETY: the callback is counted. A null handle is never signalled.
            unsafe {
                if timed % 2 == 0 {
                    MFScheduleWorkItem(&called, None, -3_600_000, None).unwrap();
                } else {
                    let result = MFCreateAsyncResult(None, &called, None).unwrap();
                    waiting(HANDLE::default(), &result);
                }
            }
        }
        assert_eq!(Arc::strong_count(&life), 21);
        drop(started);
        until("all are released", || Arc::strong_count(&life) == 1);
        assert_eq!(count.get(), 0);
        let report = platform.report();
        assert_eq!((report.scheduled, report.waiting), (0, 0));
        runtime.block_on(platform.shutdown()).unwrap();
    });
}

#[test]
fn a_platform_that_is_shut_down_refuses() {
    passes("installed::a_platform_that_is_shut_down_refuses", &[], || {
        let runtime = runtime();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        mf_async_rtworkq::install(&platform).unwrap();
        let started = Started::new();
        runtime.block_on(platform.shutdown()).unwrap();
        let late = callback(MULTITHREADED, |_| ());
        // SAFETY: the callback is counted.
        let refused = unsafe { MFPutWorkItem(MULTITHREADED, &late, None) }.unwrap_err();
        let error = mf_async::Error::new(Hresult(refused.code().0 as u32), "put");
        assert_eq!(error.kind(), ErrorKind::Shutdown);
        drop(started);
    });
}
