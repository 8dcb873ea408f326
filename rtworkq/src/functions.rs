//! `Functions`: the functions of `rtworkq.dll` as a table, in one list from which the DLL makes its exports.

use std::ffi::c_void;

/// A pointer to a COM object, or null.
pub type Raw = *mut c_void;

/// `RTWQPERIODICCALLBACK`.
pub type PeriodicCallback = Option<unsafe extern "system" fn(context: Raw)>;

/// Calls a macro with every function: `Name name(argument: type, ..);`, in the order of the names.
///
/// They are those of Windows 10, and the two that begin with `RtwqDebug`, which later ones have in place of those for several
/// waits: were one missing that `mfplat.dll` imports, it would not be loaded.
///
/// Of the five that no page describes the arguments are not known. They are handed on as six numbers: by the calling
/// conventions of 64-bit Windows a function may be called with more arguments than it takes.
#[doc(hidden)]
#[macro_export]
macro_rules! functions {
    ($with:ident) => {
        $with! {
            RtwqAddPeriodicCallback add_periodic_callback(callback: $crate::PeriodicCallback, context: $crate::Raw, key: *mut u32);
            RtwqAllocateSerialWorkQueue allocate_serial_work_queue(base: u32, queue: *mut u32);
            RtwqAllocateWorkQueue allocate_work_queue(kind: i32, queue: *mut u32);
            RtwqBeginRegisterWorkQueueWithMMCSS begin_register(queue: u32, class: *const u16, task: u32, priority: i32, callback: $crate::Raw, state: $crate::Raw);
            RtwqBeginUnregisterWorkQueueWithMMCSS begin_unregister(queue: u32, callback: $crate::Raw, state: $crate::Raw);
            RtwqCancelDeadline cancel_deadline(request: $crate::Raw);
            RtwqCancelMultipleWaitingWorkItem cancel_multiple_waiting_work_item(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize);
            RtwqCancelWorkItem cancel_work_item(key: u64);
            RtwqCreateAsyncResult create_async_result(object: $crate::Raw, callback: $crate::Raw, state: $crate::Raw, result: *mut $crate::Raw);
            RtwqDebugGetOutstandingRefs debug_get_outstanding_refs(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize);
            RtwqDebugSetCleanShutdown debug_set_clean_shutdown(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize);
            RtwqEndRegisterWorkQueueWithMMCSS end_register(result: $crate::Raw, task: *mut u32);
            RtwqEndUnregisterWorkQueueWithMMCSS end_unregister(result: $crate::Raw);
            RtwqGetPlatform get_platform(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize);
            RtwqGetWorkQueueMMCSSClass get_class(queue: u32, class: *mut u16, length: *mut u32);
            RtwqGetWorkQueueMMCSSPriority get_priority(queue: u32, priority: *mut i32);
            RtwqGetWorkQueueMMCSSTaskId get_task_id(queue: u32, task: *mut u32);
            RtwqInvokeCallback invoke_callback(result: $crate::Raw);
            RtwqJoinWorkQueue join_work_queue(queue: u32, file: $crate::Raw, cookie: *mut $crate::Raw);
            RtwqLockPlatform lock_platform();
            RtwqLockSharedWorkQueue lock_shared_work_queue(class: *const u16, priority: i32, task: *mut u32, queue: *mut u32);
            RtwqLockWorkQueue lock_work_queue(queue: u32);
            RtwqPutMultipleWaitingWorkItem put_multiple_waiting_work_item(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize);
            RtwqPutWaitingWorkItem put_waiting_work_item(event: $crate::Raw, priority: i32, result: $crate::Raw, key: *mut u64);
            RtwqPutWorkItem put_work_item(queue: u32, priority: i32, result: $crate::Raw);
            RtwqRegisterPlatformEvents register_platform_events(events: $crate::Raw);
            RtwqRegisterPlatformWithMMCSS register_platform(class: *const u16, task: *mut u32, priority: i32);
            RtwqRemovePeriodicCallback remove_periodic_callback(key: u32);
            RtwqScheduleWorkItem schedule_work_item(result: $crate::Raw, timeout: i64, key: *mut u64);
            RtwqSetDeadline set_deadline(queue: u32, deadline: i64, request: *mut $crate::Raw);
            RtwqSetDeadline2 set_deadline2(queue: u32, deadline: i64, before: i64, request: *mut $crate::Raw);
            RtwqSetLongRunning set_long_running(queue: u32, enable: i32);
            RtwqShutdown shutdown();
            RtwqStartup startup();
            RtwqUnjoinWorkQueue unjoin_work_queue(queue: u32, cookie: $crate::Raw);
            RtwqUnlockPlatform unlock_platform();
            RtwqUnlockWorkQueue unlock_work_queue(queue: u32);
            RtwqUnregisterPlatformEvents unregister_platform_events(events: $crate::Raw);
            RtwqUnregisterPlatformFromMMCSS unregister_platform();
        }
    };
}

macro_rules! table {
    ($($export:ident $name:ident($($argument:ident: $kind:ty),*);)*) => {
        /// The functions of `rtworkq.dll`, in the order of their names. The program's copy of this crate hands its own to
        /// the DLL.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub struct Functions {
            /// The size of this table in bytes, by which one of another version is told.
            pub size: usize,
            $(#[doc = concat!("`", stringify!($export), "`.")]
            pub $name: unsafe extern "system" fn($($kind),*) -> i32,)*
        }

        static OWN: Functions = Functions {
            size: size_of::<Functions>(),
            $($name: crate::exports::$name,)*
        };
    };
}

functions!(table);

/// Those of this crate, on the platform that is installed, or else on one with a runtime of its own.
#[must_use]
pub fn own_functions() -> &'static Functions {
    &OWN
}
