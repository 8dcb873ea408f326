//! Theirs: the work-queue services of a media session.

use std::ffi::c_void;

use mf_async::Hresult;
use mf_async::com::Mta;
use windows::Win32::Media::MediaFoundation::{
    IMFMediaSession, IMFWorkQueueServices, MF_WORKQUEUE_SERVICES, MFCreateMediaSession, MFGetService,
};
use windows::core::{HSTRING, Interface, PWSTR};

use crate::subject::{Answer, Services};
use crate::theirs::mmcss::begun;
use crate::theirs::{Theirs, answer};

/// A session, and its services. The process ends with the case, and the session with it.
fn services() -> Answer<(IMFMediaSession, Mta<IMFWorkQueueServices>)> {
    // SAFETY: takes no configuration.
    let session = answer(unsafe { MFCreateMediaSession(None) })?;
    let mut services = std::ptr::null_mut::<c_void>();
    // SAFETY: the ids live for the call, which writes an interface of the one named.
    answer(unsafe {
        MFGetService(&session, &MF_WORKQUEUE_SERVICES, &IMFWorkQueueServices::IID, &raw mut services)
    })?;
    // SAFETY: it is that interface, and its reference is ours; a session may be called from any thread.
    let services = unsafe { Mta::new(IMFWorkQueueServices::from_raw(services)) };
    Ok((session, services))
}

/// What is written as the class.
fn class(read: impl FnOnce(PWSTR, *mut u32) -> windows::core::Result<()>) -> Answer<String> {
    let (mut name, mut size) = ([0; 100], 100);
    answer(read(PWSTR(name.as_mut_ptr()), &raw mut size))?;
    let end = name.iter().position(|character| *character == 0).unwrap_or(name.len());
    Ok(String::from_utf16_lossy(&name[..end]))
}

impl Services for Theirs {
    fn register_by_service(&self, queue: u32, class: &str, task: u32) -> Answer<u32> {
        let (class, (_session, services)) = (HSTRING::from(class), services()?);
        let result = begun(|callback| {
            // SAFETY: the name ends with a zero; the callback is free-threaded.
            unsafe {
                services.BeginRegisterPlatformWorkQueueWithMMCSS(queue, &class, task, &**callback, None)
            }
        })?;
        // SAFETY: the result is that of the callback.
        answer(unsafe { services.EndRegisterPlatformWorkQueueWithMMCSS(&*result) })
    }

    fn unregister_by_service(&self, queue: u32) -> Answer {
        let (_session, services) = services()?;
        let result = begun(|callback| {
            // SAFETY: the callback is free-threaded.
            unsafe { services.BeginUnregisterPlatformWorkQueueWithMMCSS(queue, &**callback, None) }
        })?;
        // SAFETY: the result is that of the callback.
        answer(unsafe { services.EndUnregisterPlatformWorkQueueWithMMCSS(&*result) })
    }

    fn class_by_service(&self, queue: u32) -> Answer<String> {
        let (_session, services) = services()?;
        // SAFETY: the buffer has so many characters.
        class(|name, size| unsafe { services.GetPlaftormWorkQueueMMCSSClass(queue, name, size) })
    }

    fn task_by_service(&self, queue: u32) -> Answer<u32> {
        let (_session, services) = services()?;
        // SAFETY: takes a number, which may be any, and gives one.
        answer(unsafe { services.GetPlatformWorkQueueMMCSSTaskId(queue) })
    }

    fn topology_class(&self, queue: u32) -> Answer<String> {
        let (_session, services) = services()?;
        // SAFETY: the buffer has so many characters.
        class(|name, size| unsafe { services.GetTopologyWorkQueueMMCSSClass(queue, name, size) })
    }

    fn register_topology(&self) -> Hresult {
        let registered = services().and_then(|(_session, services)| {
            let result = begun(|callback| {
                // SAFETY: the callback is free-threaded.
                unsafe { services.BeginRegisterTopologyWorkQueuesWithMMCSS(&**callback, None) }
            })?;
            // SAFETY: the result is that of the callback.
            answer(unsafe { services.EndRegisterTopologyWorkQueuesWithMMCSS(&*result) })
        });
        registered.err().unwrap_or(Hresult::S_OK)
    }
}
