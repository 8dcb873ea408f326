//! Theirs: registration with MMCSS.

use mf_async::Hresult;
use mf_async::com::Mta;
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, MFBeginRegisterWorkQueueWithMMCSSEx,
    MFBeginUnregisterWorkQueueWithMMCSS, MFEndRegisterWorkQueueWithMMCSS, MFEndUnregisterWorkQueueWithMMCSS,
    MFGetWorkQueueMMCSSClass, MFGetWorkQueueMMCSSPriority, MFGetWorkQueueMMCSSTaskId,
    MFRegisterPlatformWithMMCSS, MFUnregisterPlatformFromMMCSS,
};
use windows::core::{HSTRING, PWSTR};

use crate::facts::{MULTITHREADED, Slot};
use crate::subject::{Answer, Mmcss, Subject, on};
use crate::theirs::{Theirs, answer};

/// Begins, and waits for the callback's result.
pub(crate) fn begun(
    begin: impl FnOnce(&Mta<IMFAsyncCallback>) -> windows::core::Result<()>,
) -> Answer<Mta<IMFAsyncResult>> {
    let slot = Slot::new();
    let left = slot.clone();
    let callback = Theirs.callback(on(MULTITHREADED), move |result: &Mta<IMFAsyncResult>| {
        left.set(result.clone());
    });
    answer(begin(&callback))?;
    slot.take().ok_or(Hresult::E_PENDING)
}

impl Mmcss for Theirs {
    fn register_queue(&self, queue: u32, class: &str, task: u32, priority: i32) -> Answer<u32> {
        let class = HSTRING::from(class);
        let result = begun(|callback| {
            // SAFETY: the name ends with a zero; the callback is free-threaded.
            unsafe { MFBeginRegisterWorkQueueWithMMCSSEx(queue, &class, task, priority, &**callback, None) }
        })?;
        // SAFETY: the result is that of the callback.
        answer(unsafe { MFEndRegisterWorkQueueWithMMCSS(&*result) })
    }

    fn unregister_queue(&self, queue: u32) -> Answer {
        let result = begun(|callback| {
            // SAFETY: the callback is free-threaded.
            unsafe { MFBeginUnregisterWorkQueueWithMMCSS(queue, &**callback, None) }
        })?;
        // SAFETY: the result is that of the callback.
        answer(unsafe { MFEndUnregisterWorkQueueWithMMCSS(&*result) })
    }

    fn class(&self, queue: u32) -> Answer<String> {
        let mut name = [0; 100];
        let mut size = 100;
        // SAFETY: the buffer has so many characters.
        answer(unsafe { MFGetWorkQueueMMCSSClass(queue, Some(PWSTR(name.as_mut_ptr())), &raw mut size) })?;
        let end = name.iter().position(|character| *character == 0).unwrap_or(name.len());
        Ok(String::from_utf16_lossy(&name[..end]))
    }

    fn class_in(&self, queue: u32, characters: u32) -> (Hresult, u32) {
        let mut name = [0; 100];
        let mut size = characters;
        assert!(characters <= 100);
        // SAFETY: the buffer has so many characters, and more.
        let read = unsafe { MFGetWorkQueueMMCSSClass(queue, Some(PWSTR(name.as_mut_ptr())), &raw mut size) };
        (answer(read).err().unwrap_or(Hresult::S_OK), size)
    }

    fn task_id(&self, queue: u32) -> Answer<u32> {
        // SAFETY: takes a number, which may be any, and gives one.
        answer(unsafe { MFGetWorkQueueMMCSSTaskId(queue) })
    }

    fn mmcss_priority(&self, queue: u32) -> Answer<i32> {
        // SAFETY: takes a number, which may be any, and gives one.
        answer(unsafe { MFGetWorkQueueMMCSSPriority(queue) })
    }

    fn register_platform(&self, class: &str, task: u32, priority: i32) -> Answer<u32> {
        let (class, mut task) = (HSTRING::from(class), task);
        // SAFETY: the name ends with a zero; the number lives here.
        answer(unsafe { MFRegisterPlatformWithMMCSS(&class, &raw mut task, priority) })?;
        Ok(task)
    }

    fn unregister_platform(&self) -> Answer {
        // SAFETY: takes nothing.
        answer(unsafe { MFUnregisterPlatformFromMMCSS() })
    }
}
