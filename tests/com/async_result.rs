//! The promise: results and callbacks of either world are taken by the other, and come back as the same objects.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{mta, refs, status, token, until, within};
use mf_async::com::{self, Mta};
use mf_async::{
    AsyncCallback, AsyncResult, CallbackParameters, ErrorKind, Hresult, Platform, QueueId, Result, Unknown,
    WorkQueueType,
};
use windows::Win32::Foundation::{E_NOINTERFACE, E_POINTER, E_UNEXPECTED, S_OK};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFByteStream, MFCreateAsyncResult, MFInvokeCallback, MFPutWorkItem,
    MFPutWorkItemEx, MFScheduleWorkItemEx,
};
use windows::core::{HRESULT, IUnknown, Interface};

/// Sends every result that it is invoked with.
struct Telling(tokio::sync::mpsc::UnboundedSender<AsyncResult>);

impl AsyncCallback for Telling {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(QueueId::MULTITHREADED)
    }

    fn invoke(&self, result: &AsyncResult) {
        let _ = self.0.send(result.clone());
    }
}

fn telling() -> (Arc<dyn AsyncCallback>, tokio::sync::mpsc::UnboundedReceiver<AsyncResult>) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    (Arc::new(Telling(sender)), receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portable_callback_is_invoked_by_the_systems_queues() {
    let system = com::Platform::startup().unwrap();
    let (callback, mut told) = telling();
    let (state, alive) = token();
    let com = Mta::<IMFAsyncCallback>::from(callback.clone());
    let (mut flags, mut queue) = (9, 9);
    unsafe { com.GetParameters(&raw mut flags, &raw mut queue) }.unwrap();
    assert_eq!((flags, queue), (0, 5));
    unsafe { MFPutWorkItem(QueueId::STANDARD.0, &*com, &state) }.unwrap();
    let result = within(told.recv()).await.unwrap();
    assert_eq!(result.status(), Hresult::S_OK);
    let seen: &Mta<IUnknown> = result.require_state().unwrap();
    assert_eq!(**seen, state);
    assert!(result.unknown_object().is_none());
    drop((result, state));
    until("the state is released", || Arc::strong_count(&alive) == 1);
    until("the callback is released", || refs(&*com) == 1);
    assert!(Arc::ptr_eq(&callback, &Arc::from(com)), "there and back is the same callback");
    drop(system);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_state_and_object_come_along_and_the_status_goes_back() {
    let system = com::Platform::startup().unwrap();
    let (state, _alive) = token();
    let (object, _object_alive) = token();
    let seen = Arc::new(Mutex::new(None));
    let tell = seen.clone();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let callback: Arc<dyn AsyncCallback> = Arc::new(move |result: &AsyncResult| {
        let object: &Mta<IUnknown> = result.require_object().unwrap();
        *tell.lock().unwrap() = Some((result.status(), object.clone()));
        result.set_status(Hresult::MF_E_NOT_FOUND);
        let same = Mta::<IMFAsyncResult>::from(result);
        assert_eq!(status(&same).0 as u32, Hresult::MF_E_NOT_FOUND.0, "at the crossing");
        result.set_status(Hresult::MF_S_MULTIPLE_BEGIN);
        sender.lock().unwrap().take().unwrap().send(same).unwrap();
    });
    let com = Mta::<IMFAsyncCallback>::from(callback);
    let result = mta(unsafe { MFCreateAsyncResult(&object, &*com, &state) }.unwrap());
    unsafe { result.SetStatus(HRESULT(1)) }.unwrap();
    unsafe { MFInvokeCallback(&*result) }.unwrap();
    let same = within(receiver).await.unwrap();
    assert!(same == result, "there and back is the same result");
    let (was, seen) = seen.lock().unwrap().take().unwrap();
    assert_eq!(was, Hresult::S_FALSE);
    assert!(*seen == object);
    until("the status is back", || status(&result).0 as u32 == Hresult::MF_S_MULTIPLE_BEGIN.0);
    drop((same, result, seen, com));
    drop(system);
}

/// A status may be set elsewhere before the callback has returned.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_was_not_set_does_not_go_back() {
    let system = com::Platform::startup().unwrap();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let callback: Arc<dyn AsyncCallback> = Arc::new(move |result: &AsyncResult| {
        let com = Mta::<IMFAsyncResult>::from(result);
        unsafe { com.SetStatus(HRESULT(1)) }.unwrap();
        sender.lock().unwrap().take().unwrap().send(Mta::<IMFAsyncResult>::from(result)).unwrap();
    });
    let com = Mta::<IMFAsyncCallback>::from(callback);
    let result = mta(unsafe { MFCreateAsyncResult(None, &*com, None) }.unwrap());
    unsafe { MFInvokeCallback(&*result) }.unwrap();
    let same = within(receiver).await.unwrap();
    drop(com);
    // When only these are left, the callback has returned.
    until("all others have released it", || refs(&*result) == 2);
    assert_eq!(status(&same).0 as u32, Hresult::S_FALSE.0);
    drop((same, result));
    drop(system);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portable_result_goes_through_the_systems_queues() {
    let system = com::Platform::startup().unwrap();
    let platform = Platform::startup().unwrap();
    let (callback, mut told) = telling();
    let state: Unknown = Arc::new("the state");
    let mine = platform.result(callback).state(state.clone()).build().unwrap();
    let com = Mta::<IMFAsyncResult>::from(&mine);
    for round in 0..4 {
        match round {
            0 => unsafe { MFPutWorkItemEx(QueueId::STANDARD.0, &*com) },
            1 => unsafe { MFInvokeCallback(&*com) },
            2 => unsafe { MFScheduleWorkItemEx(&*com, -5, None) },
            _ => {
                // Not a serial queue: Wine's keeps a reference to all that went through it.
                let private = system.allocate_work_queue(WorkQueueType::Standard).unwrap();
                unsafe { MFPutWorkItemEx(private.id().0, &*com) }.unwrap();
                assert!(within(told.recv()).await.unwrap().ptr_eq(&mine));
                continue;
            }
        }
        .unwrap();
        let result = within(told.recv()).await.unwrap();
        assert!(result.ptr_eq(&mine), "the very same result");
    }
    unsafe { com.SetStatus(HRESULT(0x000D_36D8)) }.unwrap();
    assert_eq!(mine.status(), Hresult::MF_S_MULTIPLE_BEGIN);
    mine.set_status(Hresult::E_ABORT);
    assert_eq!(status(&com).0 as u32, Hresult::E_ABORT.0);
    assert_eq!(unsafe { com.GetObject() }.unwrap_err().code(), E_POINTER);
    assert_eq!(com.clone().into_inner().cast::<IMFByteStream>().unwrap_err().code(), E_NOINTERFACE);
    assert!(com.clone().into_inner().cast::<IUnknown>().is_ok());
    let given = Unknown::from(mta(unsafe { com.GetState() }.unwrap()));
    assert!(Arc::ptr_eq(&given, &state), "there and back is the same object");
    drop(given);
    until("the queues have released it", || refs(&*com) == 1);
    assert!(AsyncResult::from(com).ptr_eq(&mine));
    drop(mine);
    assert_eq!(Arc::strong_count(&state), 1);
    within(platform.shutdown()).await.unwrap();
    drop(system);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_without_a_callback_signals_its_event() {
    let system = com::Platform::startup().unwrap();
    let platform = Platform::startup().unwrap();
    let mine = platform.event_result().build().unwrap();
    let com = Mta::<IMFAsyncResult>::from(&mine);
    unsafe { MFInvokeCallback(&*com) }.unwrap();
    within(mine.signaled()).await.unwrap();
    until("the queues have released it", || refs(&*com) == 1);
    drop((com, mine));
    within(platform.shutdown()).await.unwrap();
    drop(system);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_com_callback_is_invoked_by_the_portable_queues() {
    let system = com::Platform::startup().unwrap();
    let platform = Platform::startup().unwrap();
    let mut held = None;
    let operation = com::begin_end(
        &(),
        |(), callback| {
            held = Some(mta(callback.clone()));
            S_OK
        },
        |(), result| Ok((Unknown::from(mta(unsafe { result.GetState() }?)), status(result))),
    );
    let com = held.take().unwrap();
    let before = refs(&*com);
    let callback: Arc<dyn AsyncCallback> = com.clone().into();
    assert_eq!(callback.parameters().queue, QueueId::MULTITHREADED);
    assert!(Mta::<IMFAsyncCallback>::from(callback.clone()) == com, "there and back is the same callback");
    let state: Unknown = Arc::new(5_u8);
    let result = platform.result(callback).state(state).build().unwrap();
    result.set_status(Hresult::S_FALSE);
    platform.invoke_callback(&result).unwrap();
    let (state, told) = within(operation).await.unwrap();
    assert_eq!(state.downcast_ref(), Some(&5_u8));
    assert_eq!(told, HRESULT(1));
    drop((state, result));
    until("all references are back", || refs(&*com) == before);
    drop(com);
    within(platform.shutdown()).await.unwrap();
    drop(system);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_portable_callback_does_not_unwind_into_the_system() {
    let system = com::Platform::startup().unwrap();
    let callback: Arc<dyn AsyncCallback> = Arc::new(|_: &AsyncResult| panic!("in invoke"));
    let com = Mta::<IMFAsyncCallback>::from(callback);
    let result = mta(unsafe { MFCreateAsyncResult(None, &*com, None) }.unwrap());
    let told = unsafe { com.Invoke(&*result) }.unwrap_err();
    assert_eq!(told.code(), E_UNEXPECTED);
    drop((result, com));
    drop(system);
}

/// A component as one writes it for the portable half: it computes on the queue that it is given, and only knows
/// callbacks and results.
struct SquareRoot;

impl SquareRoot {
    /// `work` is the queue: it takes the callback that computes.
    fn begin(
        self: &Arc<Self>,
        number: f64,
        answer: AsyncResult,
        work: impl FnOnce(Arc<dyn AsyncCallback>, Unknown) -> Result<()>,
    ) -> Result<()> {
        struct Request {
            number: f64,
            answer: AsyncResult,
            done: Box<dyn Fn(&AsyncResult) + Send + Sync>,
        }
        let compute: Arc<dyn AsyncCallback> = Arc::new(|result: &AsyncResult| {
            let Some(request) = result.state::<Request>() else { return };
            let cell = request.answer.object::<Mutex<f64>>();
            match cell {
                Some(cell) if request.number >= 0.0 => *cell.lock().unwrap() = request.number.sqrt(),
                _ => request.answer.set_status(Hresult::E_INVALIDARG),
            }
            (request.done)(&request.answer);
        });
        let done = Box::new(|answer: &AsyncResult| {
            // The caller's callback is called on the system's queues, too.
            unsafe { MFInvokeCallback(&*Mta::<IMFAsyncResult>::from(answer)) }.unwrap();
        });
        work(compute, Arc::new(Request { number, answer, done }))
    }

    fn end(&self, answer: &AsyncResult) -> Result<f64> {
        answer.status().ok()?;
        Ok(*answer.require_object::<Mutex<f64>>()?.lock().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portable_component_works_on_the_systems_queues() {
    let system = com::Platform::startup().unwrap();
    let platform = Platform::startup().unwrap();
    let queue = system.allocate_work_queue(WorkQueueType::Standard).unwrap();
    let component = Arc::new(SquareRoot);
    let root = |number: f64| {
        platform.begin_end(
            &component,
            |component, callback| {
                let cell: Unknown = Arc::new(Mutex::new(0.0_f64));
                let answer = platform.result(callback).object(cell).build()?;
                component.begin(number, answer, |compute, request| queue.put(compute, Some(request)))
            },
            |component, answer| component.end(answer),
        )
    };
    let (nine, sixteen) = (root(9.0), root(16.0));
    assert_eq!(within(nine).await.unwrap(), 3.0);
    assert_eq!(within(sixteen).await.unwrap(), 4.0);
    assert_eq!(within(root(-1.0)).await.unwrap_err().hresult(), Hresult::E_INVALIDARG);
    drop(queue);
    until("the component is dropped", || Arc::strong_count(&component) == 1);
    within(platform.shutdown()).await.unwrap();
    drop(system);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_survives_whatever_the_system_does_with_its_callback() {
    let system = com::Platform::startup().unwrap();
    let platform = Platform::startup().unwrap();
    // Called twice by the system: once counts.
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let twice = platform.begin_end(
        &(),
        |(), callback| {
            let com = Mta::<IMFAsyncCallback>::from(callback);
            for _ in 0..2 {
                unsafe { MFPutWorkItem(QueueId::STANDARD.0, &*com, None) }?;
            }
            Ok(())
        },
        move |(), _| Ok(counted.fetch_add(1, Ordering::SeqCst)),
    );
    assert_eq!(within(twice).await.unwrap(), 0);
    // Released without a call.
    let never = platform.begin_end(
        &(),
        |(), callback| {
            drop(Mta::<IMFAsyncCallback>::from(callback));
            Ok(())
        },
        |(), _| Ok(()),
    );
    assert_eq!(within(never).await.unwrap_err().kind(), ErrorKind::Abandoned);
    // End panics.
    let panics = platform.begin_end(
        &(),
        |(), callback| {
            let com = Mta::<IMFAsyncCallback>::from(callback);
            Ok(unsafe { MFPutWorkItem(QueueId::STANDARD.0, &*com, None) }?)
        },
        |(), _| -> Result<()> { panic!("in End") },
    );
    assert_eq!(within(panics).await.unwrap_err().kind(), ErrorKind::Panicked);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    within(platform.shutdown()).await.unwrap();
    drop(system);
}

/// `MFASYNCRESULT`, as a component in C++ writes to it.
#[repr(C)]
struct Layout {
    table: usize,
    overlapped: [usize; 4],
    callback: usize,
    status: i32,
    bytes: u32,
    event: *mut std::ffi::c_void,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_structures_status_is_the_results_and_its_event_is_closed() {
    use std::os::windows::io::AsRawHandle;
    let system = com::Platform::startup().unwrap();
    let platform = Platform::startup().unwrap();
    let (callback, _told) = telling();
    let portable = platform.result(callback).build().unwrap();
    let com = Mta::<IMFAsyncResult>::from(&portable);
    let layout = com.as_raw().cast::<Layout>();
    // A component writes there.
    unsafe { (&raw mut (*layout).status).write(HRESULT::from(Hresult::E_ACCESSDENIED).0) };
    assert_eq!(Hresult::from(status(&com)), Hresult::E_ACCESSDENIED);
    assert_eq!(portable.status(), Hresult::E_ACCESSDENIED);
    // The portable side sets it, after the object was made.
    portable.set_status(Hresult::MF_E_END_OF_STREAM);
    assert_eq!(Hresult::from(status(&com)), Hresult::MF_E_END_OF_STREAM);
    assert_eq!(Hresult(unsafe { (*layout).status } as u32), Hresult::MF_E_END_OF_STREAM);
    unsafe { com.SetStatus(S_OK) }.unwrap();
    assert_eq!(unsafe { (*layout).status }, 0);
    assert_eq!(portable.status(), Hresult::S_OK);

    // An event that is put there is the result's: it is closed with it, and another one is not.
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let (theirs, kept) = (file.try_clone().unwrap(), file.try_clone().unwrap());
    let raw = theirs.as_raw_handle();
    std::mem::forget(theirs);
    unsafe { (&raw mut (*layout).event).write(raw) };
    drop(com);
    assert!(kept.metadata().is_ok());
    let closed = std::mem::ManuallyDrop::new(unsafe {
        <std::fs::File as std::os::windows::io::FromRawHandle>::from_raw_handle(raw)
    });
    assert!(closed.metadata().is_err(), "the handle is closed");
    drop(portable);
    within(platform.shutdown()).await.unwrap();
    drop(system);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_was_written_to_the_structure_comes_with_the_callback() {
    let system = com::Platform::startup().unwrap();
    let platform = Platform::startup().unwrap();
    let (callback, mut told) = telling();
    let portable = platform.result(callback).build().unwrap();
    let com = Mta::<IMFAsyncResult>::from(portable);
    let layout = com.as_raw().cast::<Layout>();
    unsafe { (&raw mut (*layout).status).write(HRESULT::from(Hresult::E_ACCESSDENIED).0) };
    unsafe { MFInvokeCallback(&*com) }.unwrap();
    assert_eq!(within(told.recv()).await.unwrap().status(), Hresult::E_ACCESSDENIED);
    drop(com);
    within(platform.shutdown()).await.unwrap();
    drop(system);
}
