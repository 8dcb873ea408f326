//! Promise: an item costs the allocation of its COM result, which Media Foundation asks for; to put or to invoke it costs
//! none beside.
//!
//! The platform is the program's, so that this program's allocator is the one of the DLL's functions as well.

#[path = "../../../benches/support/allocations.rs"]
#[allow(dead_code, reason = "the benches use all of it")]
pub(crate) mod allocator;

use mf_async::Platform;
use tokio::runtime::Runtime;
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, MFASYNC_CALLBACK_QUEUE_MULTITHREADED, MFASYNC_CALLBACK_QUEUE_STANDARD,
    MFAllocateWorkQueue, MFCreateAsyncResult, MFInvokeCallback, MFPutWorkItem, MFPutWorkItemEx,
    MFUnlockWorkQueue,
};

use self::allocator::Counting;
use crate::foreign;
use crate::support::{Count, Started, callback, passes};

const MULTITHREADED: u32 = MFASYNC_CALLBACK_QUEUE_MULTITHREADED;
const STANDARD: u32 = MFASYNC_CALLBACK_QUEUE_STANDARD;

const ITEMS: usize = 10_000;

/// With debug assertions the line that an item was put by is kept for reports, which costs an allocation.
const LINE: f64 = if cfg!(debug_assertions) { 1.0 } else { 0.0 };

/// What this form of a put allocates for each item. A worker that pauses may make something anew, and a machine that is busy has
/// it pause after few items; so what is less than a quarter of an allocation is none of the item's.
fn costs(runtime: &Runtime, what: &str, called: &Count, allocations: f64, mut put: impl FnMut()) {
    // Nothing runs while the puts are made, so that each round does the same.
    let mut all = || {
        let before = called.get();
        (0..ITEMS).for_each(|_| put());
        runtime.block_on(async {
            while called.get() < before + ITEMS {
                tokio::task::yield_now().await;
            }
        });
    };
    // The first round makes the queue's room.
    all();
    let counting = Counting::start();
    all();
    let counted = counting.stop().count as f64 / ITEMS as f64 - LINE;
    println!("{what}: {counted:.4}");
    assert!((counted - allocations).abs() < 0.25, "{what}: {counted} allocations an item");
}

#[test]
fn an_item_costs_its_result_and_no_more() {
    passes("allocations::an_item_costs_its_result_and_no_more", &[], || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        mf_async_rtworkq::install(&platform).unwrap();
        let started = Started::new();
        let called = Count::default();
        // SAFETY: what is passed is counted.
        unsafe {
            let private = MFAllocateWorkQueue().unwrap();
            for queue in [MULTITHREADED, STANDARD, private] {
                let counts = called.clone();
                let counts: IMFAsyncCallback = callback(queue, move |_| counts.add());
                let ready: IMFAsyncResult = MFCreateAsyncResult(None, &counts, None).unwrap();
                let name = |call: &str| format!("{call} on {queue:#x}");
                costs(&runtime, &name("MFPutWorkItem"), &called, 1.0, || {
                    MFPutWorkItem(queue, &counts, None).unwrap();
                });
                costs(&runtime, &name("MFCreateAsyncResult and MFInvokeCallback"), &called, 1.0, || {
                    MFInvokeCallback(&MFCreateAsyncResult(None, &counts, None).unwrap()).unwrap();
                });
                costs(&runtime, &name("MFPutWorkItemEx of a ready result"), &called, 0.0, || {
                    MFPutWorkItemEx(queue, &ready).unwrap();
                });
                let own = foreign::own(&counts).interface();
                costs(&runtime, &name("MFPutWorkItemEx of a result of the program's"), &called, 1.0, || {
                    MFPutWorkItemEx(queue, &own).unwrap();
                });
            }
            MFUnlockWorkQueue(private).unwrap();
        }
        drop(started);
        runtime.block_on(platform.shutdown()).unwrap();
    });
}
