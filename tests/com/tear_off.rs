//! An object that hands out its `IMFMediaEventGenerator` as an object of its own, with a count of its own, is as good as any:
//! streams of it take over from each other whatever pointer they are made of, it is left usable while anything else has
//! it, and goes when nothing has.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{mta, until, within};
use mf_async::EventStream;
use mf_async::com::{self, Mta};
use windows::Win32::Media::MediaFoundation::{
    IMFMediaEventGenerator, IMFMediaEventGenerator_Vtbl, IMFMediaEventQueue, IMFShutdown, IMFShutdown_Impl,
    MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS, MF_EVENT_FLAG_NO_WAIT, MFCreateEventQueue, MFSHUTDOWN_COMPLETED,
    MFSHUTDOWN_STATUS,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HRESULT, IUnknown, IUnknown_Vtbl, Interface};
use windows_core::implement;

/// What the events are of.
#[implement(IMFShutdown)]
struct Owner {
    queue: IMFMediaEventQueue,
    _alive: Arc<()>,
}

impl IMFShutdown_Impl for Owner_Impl {
    fn Shutdown(&self) -> windows::core::Result<()> {
        unsafe { self.queue.Shutdown() }
    }

    fn GetShutdownStatus(&self) -> windows::core::Result<MFSHUTDOWN_STATUS> {
        Ok(MFSHUTDOWN_COMPLETED)
    }
}

/// The owner's generator: it keeps the owner, and is asked for every other interface in its name.
#[repr(C)]
struct TearOff {
    table: *const IMFMediaEventGenerator_Vtbl,
    count: AtomicU32,
    owner: IUnknown,
    queue: IMFMediaEventQueue,
}

static TABLE: IMFMediaEventGenerator_Vtbl = IMFMediaEventGenerator_Vtbl {
    base__: IUnknown_Vtbl { QueryInterface: query_interface, AddRef: add_ref, Release: release },
    GetEvent: get_event,
    BeginGetEvent: begin_get_event,
    EndGetEvent: end_get_event,
    QueueEvent: queue_event,
};

unsafe fn of<'a>(this: *mut c_void) -> &'a TearOff {
    unsafe { &*this.cast() }
}

unsafe extern "system" fn query_interface(
    this: *mut c_void,
    iid: *const GUID,
    out: *mut *mut c_void,
) -> HRESULT {
    unsafe {
        if *iid != IMFMediaEventGenerator::IID {
            return of(this).owner.query(iid, out);
        }
        add_ref(this);
        *out = this;
        HRESULT(0)
    }
}

unsafe extern "system" fn add_ref(this: *mut c_void) -> u32 {
    unsafe { of(this) }.count.fetch_add(1, Ordering::Relaxed) + 1
}

unsafe extern "system" fn release(this: *mut c_void) -> u32 {
    let left = unsafe { of(this) }.count.fetch_sub(1, Ordering::AcqRel) - 1;
    if left == 0 {
        drop(unsafe { Box::from_raw(this.cast::<TearOff>()) });
    }
    left
}

unsafe extern "system" fn get_event(
    this: *mut c_void,
    flags: MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS,
    event: *mut *mut c_void,
) -> HRESULT {
    let queue = &unsafe { of(this) }.queue;
    unsafe { (queue.vtable().GetEvent)(queue.as_raw(), flags.0, event) }
}

unsafe extern "system" fn begin_get_event(
    this: *mut c_void,
    callback: *mut c_void,
    state: *mut c_void,
) -> HRESULT {
    let queue = &unsafe { of(this) }.queue;
    unsafe { (queue.vtable().BeginGetEvent)(queue.as_raw(), callback, state) }
}

unsafe extern "system" fn end_get_event(
    this: *mut c_void,
    result: *mut c_void,
    event: *mut *mut c_void,
) -> HRESULT {
    let queue = &unsafe { of(this) }.queue;
    unsafe { (queue.vtable().EndGetEvent)(queue.as_raw(), result, event) }
}

unsafe extern "system" fn queue_event(
    this: *mut c_void,
    kind: u32,
    extended: *const GUID,
    status: HRESULT,
    value: *const PROPVARIANT,
) -> HRESULT {
    let queue = &unsafe { of(this) }.queue;
    unsafe { (queue.vtable().QueueEventParamVar)(queue.as_raw(), kind, extended, status, value) }
}

/// An object, its queue, and what says that it lives.
fn owner() -> (IUnknown, IMFMediaEventQueue, Arc<()>) {
    let (alive, queue) = (Arc::new(()), unsafe { MFCreateEventQueue() }.unwrap());
    let owner: IMFShutdown = Owner { queue: queue.clone(), _alive: alive.clone() }.into();
    (owner.cast().unwrap(), queue, alive)
}

/// A further tear-off of the object, as every `QueryInterface` may give.
fn generator(owner: &IUnknown, queue: &IMFMediaEventQueue) -> Mta<IMFMediaEventGenerator> {
    let (count, owner) = (AtomicU32::new(1), owner.clone());
    let tear_off = Box::new(TearOff { table: &TABLE, count, owner, queue: queue.clone() });
    mta(unsafe { IMFMediaEventGenerator::from_raw(Box::into_raw(tear_off).cast()) })
}

fn send(queue: &IMFMediaEventQueue, kind: u32) {
    let value = PROPVARIANT::default();
    unsafe { queue.QueueEventParamVar(kind, &GUID::zeroed(), HRESULT(0), &value) }.unwrap();
}

async fn next(events: &mut EventStream) -> u32 {
    within(events.next()).await.unwrap().unwrap().event_type().0
}

/// A stream that has asked for an event, and is gone.
async fn leave_a_request(generator: Mta<IMFMediaEventGenerator>) {
    let mut events = com::event_stream(generator).unwrap();
    assert!(futures::poll!(Box::pin(events.next())).is_pending());
}

fn until_it_gives(generator: &IMFMediaEventGenerator, kind: u32) {
    until("the request that was left behind is ended, and its event back", || {
        unsafe { generator.GetEvent(MF_EVENT_FLAG_NO_WAIT) }
            .is_ok_and(|event| unsafe { event.GetType() }.unwrap() == kind)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_another_pointer_takes_over() {
    let platform = com::Platform::startup().unwrap();
    let (owner, queue, alive) = owner();
    for kind in 1..=3 {
        let (first, second) = (generator(&owner, &queue), generator(&owner, &queue));
        let former = com::event_stream(first).unwrap();
        assert!(com::event_stream(second.clone()).is_err(), "one at a time");
        drop(former);
        let mut events = com::event_stream(second).unwrap();
        send(&queue, kind);
        assert_eq!(next(&mut events).await, kind);
    }
    drop(owner);
    // The last stream may have left a request for the next one, which keeps the object until it ends.
    unsafe { queue.Shutdown() }.unwrap();
    until("the object is released", || Arc::strong_count(&alive) == 1);
    drop(queue);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_others_have_by_itself_is_left_usable() {
    let platform = com::Platform::startup().unwrap();
    let (owner, queue, alive) = owner();
    leave_a_request(generator(&owner, &queue)).await;
    send(&queue, 1);
    until_it_gives(&generator(&owner, &queue), 1);
    drop(owner);
    until("the object is released", || Arc::strong_count(&alive) == 1);
    unsafe { queue.Shutdown() }.unwrap();
    drop(queue);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_others_have_by_the_same_pointer_is_left_usable() {
    let platform = com::Platform::startup().unwrap();
    let (owner, queue, alive) = owner();
    let only = generator(&owner, &queue);
    drop(owner);
    leave_a_request(only.clone()).await;
    send(&queue, 1);
    until_it_gives(&only, 1);
    drop(only);
    until("the object is released", || Arc::strong_count(&alive) == 1);
    unsafe { queue.Shutdown() }.unwrap();
    drop(queue);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_nothing_else_has_goes_with_its_stream() {
    let platform = com::Platform::startup().unwrap();
    let (owner, queue, alive) = owner();
    let only = generator(&owner, &queue);
    drop(owner);
    leave_a_request(only).await;
    until("the object is released", || Arc::strong_count(&alive) == 1);
    unsafe { queue.Shutdown() }.unwrap();
    drop(queue);
    drop(platform);
}
