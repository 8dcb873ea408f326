//! The promise: a Begin/End pair of a COM object ends exactly once, however its callback is called, and nothing leaks.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{Wav, mta, refs, status, token, until, within};
use mf_async::com::{self, Mta};
use mf_async::{CallbackFlags, CallbackParameters, ErrorKind, Hresult, QueueId, WorkItemKey};
use windows::Win32::Foundation::{E_ACCESSDENIED, E_FAIL, E_NOTIMPL, E_UNEXPECTED, S_OK};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFByteStream, IMFNetCredential, IMFNetCredential_Impl,
    IMFNetCredentialManager, IMFNetCredentialManager_Impl, MF_ACCESSMODE_READ, MF_FILEFLAGS_NONE,
    MF_OBJECT_BYTESTREAM, MF_OBJECT_INVALID, MF_OPENMODE_FAIL_IF_NOT_EXIST, MF_RESOLUTION_BYTESTREAM,
    MFBeginCreateFile, MFBeginRegisterWorkQueueWithMMCSS, MFCreateAsyncResult, MFCreateFile,
    MFCreateSourceResolver, MFEndCreateFile, MFEndRegisterWorkQueueWithMMCSS, MFInvokeCallback,
    MFNetCredentialManagerGetParam, MFPutWorkItem, MFScheduleWorkItem,
};
use windows::core::{BOOL, HRESULT, HSTRING, IUnknown, Ref, implement, w};

fn open(wav: &Wav) -> Mta<IMFByteStream> {
    mta(unsafe {
        MFCreateFile(MF_ACCESSMODE_READ, MF_OPENMODE_FAIL_IF_NOT_EXIST, MF_FILEFLAGS_NONE, &wav.url())
    }
    .unwrap())
}

/// Where a Begin call keeps its callback instead of having it called.
type Slot = Arc<Mutex<Option<Mta<IMFAsyncCallback>>>>;

/// A Begin call that keeps the callback instead of calling it.
fn keep(slot: &Slot, callback: &IMFAsyncCallback) -> HRESULT {
    *slot.lock().unwrap() = Some(mta(callback.clone()));
    S_OK
}

fn result_for(callback: &IMFAsyncCallback) -> Mta<IMFAsyncResult> {
    mta(unsafe { MFCreateAsyncResult(None, callback, None) }.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_stream_is_read_piece_by_piece() {
    let platform = com::Platform::startup().unwrap();
    let wav = Wav::new("read", 1);
    let stream = open(&wav);
    let before = refs(&*stream);
    let mut read = Vec::new();
    loop {
        let mut buffer = vec![0; 50_000];
        let place = Mutex::new(buffer.as_mut_ptr());
        let operation = com::begin_end(
            &stream,
            |stream, callback| unsafe {
                let place = std::slice::from_raw_parts_mut(*place.lock().unwrap(), 50_000);
                stream.BeginRead(place, callback, None)
            },
            move |stream, result| unsafe { stream.EndRead(result) }.map(|count| (buffer, count)),
        );
        let (buffer, count) = within(operation).await.unwrap();
        if count == 0 {
            break;
        }
        read.extend_from_slice(&buffer[..count as usize]);
    }
    assert_eq!(read, wav.bytes);
    until("all references are back", || refs(&*stream) == before);
    drop(stream);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_created_and_a_missing_one_is_an_error() {
    let platform = com::Platform::startup().unwrap();
    let wav = Wav::new("create", 1);
    let create = |path: HSTRING| {
        com::begin_end(
            &(),
            move |(), callback| {
                unsafe {
                    MFBeginCreateFile(
                        MF_ACCESSMODE_READ,
                        MF_OPENMODE_FAIL_IF_NOT_EXIST,
                        MF_FILEFLAGS_NONE,
                        &path,
                        callback,
                        None,
                    )
                }
                .map(drop)
            },
            |(), result| unsafe { MFEndCreateFile(result) }.map(mta),
        )
    };
    let stream = within(create(wav.url())).await.unwrap();
    assert_eq!(unsafe { stream.GetLength() }.unwrap(), wav.bytes.len() as u64);
    drop(stream);

    let missing = within(create(HSTRING::from("Z:\\no\\such.file")).outcome()).await;
    assert!(missing.value.is_err());
    assert!(missing.status.is_failure(), "the result's own status says it, too: {}", missing.status);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_resolved() {
    let platform = com::Platform::startup().unwrap();
    let wav = Wav::new("resolve", 1);
    let resolver = mta(unsafe { MFCreateSourceResolver() }.unwrap());
    let operation = com::begin_end(
        &resolver,
        |resolver, callback| unsafe {
            resolver.BeginCreateObjectFromURL(
                &wav.url(),
                MF_RESOLUTION_BYTESTREAM.0 as u32,
                None,
                None,
                callback,
                None,
            )
        },
        |resolver, result| {
            let (mut kind, mut object) = (MF_OBJECT_INVALID, None);
            unsafe { resolver.EndCreateObjectFromURL(result, &raw mut kind, &raw mut object) }?;
            Ok((kind, object.map(mta)))
        },
    );
    let (kind, object) = within(operation).await.unwrap();
    assert_eq!(kind, MF_OBJECT_BYTESTREAM);
    let stream = object.unwrap().cast::<IMFByteStream>().unwrap();
    assert_eq!(unsafe { stream.GetLength() }.unwrap(), wav.bytes.len() as u64);
    drop((stream, resolver));
    drop(platform);
}

/// A manager that has credentials for one site.
#[implement(IMFNetCredentialManager)]
struct Credentials;

impl IMFNetCredentialManager_Impl for Credentials_Impl {
    fn BeginGetCredentials(
        &self,
        asked: *const MFNetCredentialManagerGetParam,
        callback: Ref<'_, IMFAsyncCallback>,
        state: Ref<'_, IUnknown>,
    ) -> windows::core::Result<()> {
        unsafe {
            let result = MFCreateAsyncResult(None, callback.as_ref(), state.as_ref())?;
            let known = (*asked).pszUrl.to_string().unwrap() == "http://known/";
            result.SetStatus(if known { HRESULT(0) } else { E_ACCESSDENIED })?;
            MFInvokeCallback(&result)
        }
    }

    fn EndGetCredentials(&self, result: Ref<'_, IMFAsyncResult>) -> windows::core::Result<IMFNetCredential> {
        unsafe { result.ok()?.GetStatus() }?;
        Ok(Credential.into())
    }

    fn SetGood(&self, _: Ref<'_, IMFNetCredential>, _: BOOL) -> windows::core::Result<()> {
        Ok(())
    }
}

#[implement(IMFNetCredential)]
struct Credential;

impl IMFNetCredential_Impl for Credential_Impl {
    fn SetUser(&self, _: *const u8, _: u32, _: BOOL) -> windows::core::Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn SetPassword(&self, _: *const u8, _: u32, _: BOOL) -> windows::core::Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn GetUser(&self, _: *mut u8, _: *mut u32, _: BOOL) -> windows::core::Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn GetPassword(&self, _: *mut u8, _: *mut u32, _: BOOL) -> windows::core::Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn LoggedOnUser(&self) -> windows::core::Result<BOOL> {
        Ok(true.into())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_asked_for() {
    let platform = com::Platform::startup().unwrap();
    let manager: Mta<IMFNetCredentialManager> = Mta::of(Credentials);
    let get = |url| {
        let asked = MFNetCredentialManagerGetParam { pszUrl: url, ..Default::default() };
        com::begin_end(
            &manager,
            |manager, callback| unsafe { manager.BeginGetCredentials(&raw const asked, callback, None) },
            |manager, result| unsafe { manager.EndGetCredentials(result) }.map(mta),
        )
    };
    let credential = within(get(w!("http://known/"))).await.unwrap();
    assert!(unsafe { credential.LoggedOnUser() }.unwrap().as_bool());
    let refused = within(get(w!("http://other/")).outcome()).await;
    assert_eq!(refused.value.unwrap_err().hresult(), Hresult::E_ACCESSDENIED);
    assert_eq!(refused.status, Hresult::E_ACCESSDENIED);
    until("the manager is released", || refs(&*manager) == 1);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_with_mmcss_ends_either_way() {
    let platform = com::Platform::startup().unwrap();
    let queue = platform.allocate_work_queue(mf_async::WorkQueueType::Standard).unwrap();
    let id = queue.id().0;
    let registered = com::begin_end(
        &(),
        |(), callback| unsafe { MFBeginRegisterWorkQueueWithMMCSS(id, w!("Audio"), 0, callback, None) },
        |(), result| unsafe { MFEndRegisterWorkQueueWithMMCSS(result) },
    );
    match within(registered).await {
        Ok(task) => assert_ne!(task, 0),
        // Not every system has it.
        Err(error) => assert_eq!(error.hresult(), Hresult::E_NOTIMPL),
    }
    drop(queue);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_begin_that_fails_is_the_operations_error_and_end_is_not_called() {
    let ended = Arc::new(());
    let held = ended.clone();
    let operation = com::begin_end(
        &(),
        |(), _| E_FAIL,
        move |(), _| -> windows::core::Result<()> { unreachable!("{held:?}") },
    );
    let outcome = within(operation.outcome()).await;
    assert_eq!(outcome.value.unwrap_err().hresult(), Hresult::E_FAIL);
    assert_eq!(outcome.begin, Hresult::E_FAIL);
    assert_eq!(Arc::strong_count(&ended), 1, "what End captured is dropped");

    let panicked = com::begin_end(&(), |(), _| -> HRESULT { panic!("in Begin") }, |(), _| Ok(()));
    assert_eq!(within(panicked).await.unwrap_err().kind(), ErrorKind::Panicked);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_panics_is_an_error_here_and_e_unexpected_there() {
    let platform = com::Platform::startup().unwrap();
    let slot = Slot::default();
    let operation = com::begin_end(&slot, keep, |_, _| -> windows::core::Result<()> { panic!("in End") });
    let callback = slot.lock().unwrap().take().unwrap();
    let result = result_for(&callback);
    let told = unsafe { callback.Invoke(&*result) }.map_err(|error| error.code());
    assert_eq!(told, Err(E_UNEXPECTED));
    let error = within(operation).await.unwrap_err();
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Panicked, Hresult::E_UNEXPECTED));
    assert!(error.to_string().contains("in End"), "{error}");
    drop((callback, result));
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_is_dropped_abandons_the_operation() {
    let slot = Slot::default();
    let mut operation = com::begin_end(&slot, keep, |_, _| Ok(()));
    assert!(futures::poll!(&mut operation).is_pending());
    assert!(!operation.is_ended());
    drop(slot.lock().unwrap().take());
    let error = within(operation).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Abandoned);

    let at_once = com::begin_end(&(), |(), _| S_OK, |(), _| Ok(()));
    assert_eq!(within(at_once).await.unwrap_err().kind(), ErrorKind::Abandoned);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_call_does_nothing() {
    let platform = com::Platform::startup().unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let slot = Slot::default();
    let operation = com::begin_end(&slot, keep, move |_, _| Ok(counted.fetch_add(1, Ordering::SeqCst)));
    let callback = slot.lock().unwrap().take().unwrap();
    let result = result_for(&callback);
    for _ in 0..3 {
        unsafe { callback.Invoke(&*result) }.unwrap();
    }
    assert_eq!(within(operation).await.unwrap(), 0);
    unsafe { callback.Invoke(&*result) }.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert!(unsafe { callback.Invoke(None) }.is_err(), "no result is an error and no crash");
    drop((callback, result));
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_call_still_ends_the_operation_that_was_dropped() {
    let platform = com::Platform::startup().unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let slot = Slot::default();
    drop(com::begin_end(&slot, keep, move |_, _| Ok(counted.fetch_add(1, Ordering::SeqCst))));
    let callback = slot.lock().unwrap().take().unwrap();
    let result = result_for(&callback);
    unsafe { callback.Invoke(&*result) }.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1, "End is called, so that the object can be used again");
    drop((callback, result));
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_the_stack_of_begin_is_as_good_as_any() {
    let platform = com::Platform::startup().unwrap();
    let operation = com::begin_end(
        &(),
        |(), callback| unsafe { callback.Invoke(&*result_for(callback)) },
        |(), _| Ok("inline"),
    );
    assert!(operation.is_ended());
    assert_eq!(within(operation).await.unwrap(), "inline");
    // Called first, and then Begin says that it failed: Begin has the last word.
    let refused = com::begin_end(
        &(),
        |(), callback| {
            unsafe { callback.Invoke(&*result_for(callback)) }.unwrap();
            E_NOTIMPL
        },
        |(), _| Ok(()),
    );
    assert_eq!(within(refused).await.unwrap_err().hresult(), Hresult::E_NOTIMPL);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn success_codes_are_kept() {
    let platform = com::Platform::startup().unwrap();
    let operation = com::begin_end(
        &(),
        |(), callback| {
            let result = result_for(callback);
            unsafe { result.SetStatus(HRESULT(1)) }.unwrap();
            unsafe { MFInvokeCallback(&*result) }.unwrap();
            HRESULT(0x000D_36D8)
        },
        |(), result| Ok(status(result)),
    );
    let outcome = within(operation.outcome()).await;
    assert_eq!(outcome.value.unwrap(), HRESULT(1));
    assert_eq!(outcome.status, Hresult::S_FALSE);
    assert_eq!(outcome.begin, Hresult::MF_S_MULTIPLE_BEGIN);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callback_names_its_queue_and_flags() {
    let platform = com::Platform::startup().unwrap();
    let parameters = CallbackParameters::on(QueueId::IO)
        .with_flags(CallbackFlags::BLOCKING | CallbackFlags::FAST_IO_PROCESSING);
    let named = |begin: &dyn Fn(&IMFAsyncCallback)| {
        drop(com::begin_end_with(
            parameters,
            &(),
            |(), callback| {
                begin(callback);
                S_OK
            },
            |(), _| Ok(()),
        ));
    };
    named(&|callback| {
        let (mut flags, mut queue) = (0, 0);
        unsafe { callback.GetParameters(&raw mut flags, &raw mut queue) }.unwrap();
        assert_eq!((flags, queue), (5, 3));
        assert!(unsafe { callback.GetParameters(std::ptr::null_mut(), &raw mut queue) }.is_err());
    });
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn state_and_callback_are_released_after_the_call() {
    let platform = com::Platform::startup().unwrap();
    let (state, alive) = token();
    let (state_refs, state) = (refs(&state), mta(state));
    let dropped = Arc::new(());
    let held = dropped.clone();
    let operation = com::begin_end(
        &state,
        |state, callback| unsafe { MFPutWorkItem(QueueId::MULTITHREADED.0, callback, &**state) },
        move |_, _| {
            drop(held);
            Ok(())
        },
    );
    within(operation).await.unwrap();
    until("the state is released", || refs(&*state) == state_refs);
    assert_eq!(Arc::strong_count(&dropped), 1);
    drop(state);
    assert_eq!(Arc::strong_count(&alive), 1);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_once_all_end() {
    let platform = com::Platform::startup().unwrap();
    let operations: Vec<_> = (0..1000)
        .map(|number| {
            com::begin_end(
                &(),
                |(), callback| unsafe { MFPutWorkItem(QueueId::MULTITHREADED.0, callback, None) },
                move |(), _| Ok(number),
            )
        })
        .collect();
    for (number, operation) in operations.into_iter().enumerate() {
        assert_eq!(within(operation).await.unwrap(), number);
    }
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_begin_returns_cancels_the_work_item() {
    let platform = com::Platform::startup().unwrap();
    let scheduled = || {
        com::begin_end(
            &(),
            |(), callback| {
                let mut key = 0;
                unsafe { MFScheduleWorkItem(callback, None, -3_600_000, Some(&raw mut key)) }?;
                Ok(WorkItemKey(key))
            },
            |(), _| Ok(()),
        )
    };
    let error = within(scheduled().cancel()).await.unwrap_err();
    assert_eq!(error.hresult(), Hresult::MF_E_OPERATION_CANCELLED);
    let late = scheduled().timeout(std::time::Duration::from_millis(1));
    assert_eq!(within(late).await.unwrap_err().kind(), ErrorKind::TimedOut);
    drop(platform);
}
