//! The events of a capture engine as a stream.

use windows::Win32::Media::MediaFoundation::{
    IMFCaptureEngineOnEventCallback, IMFCaptureEngineOnEventCallback_Impl, IMFMediaEvent,
};
use windows::core::{Ref, Result};
use windows_core::implement;

use crate::com::Mta;
use crate::com::callback::contain;
use crate::com::guarded::Guarded;
use crate::com::notifications::{Notifications, Notifier};
use crate::com::startup::Started;

/// An object for `IMFCaptureEngine::Initialize`, and the stream of the events that it is called with.
///
/// An event's extended type says what happened, `MF_CAPTURE_ENGINE_INITIALIZED` for example, and its status
/// whether that failed.
///
/// # Cancel safety
/// As [`Notifications`].
#[doc(alias = "IMFCaptureEngineOnEventCallback")]
#[must_use]
pub fn capture_engine_events() -> (Mta<IMFCaptureEngineOnEventCallback>, Notifications<Mta<IMFMediaEvent>>) {
    let (notifier, events) = Notifications::channel();
    (Mta::of(CaptureCallback { notifier: Guarded::new(notifier) }), events)
}

#[implement(IMFCaptureEngineOnEventCallback)]
struct CaptureCallback {
    notifier: Guarded<Notifier<Mta<IMFMediaEvent>>>,
}

impl IMFCaptureEngineOnEventCallback_Impl for CaptureCallback_Impl {
    fn OnEvent(&self, event: Ref<'_, IMFMediaEvent>) -> Result<()> {
        contain(|| {
            if let Some(event) = event.cloned() {
                // SAFETY: an event of Media Foundation's.
                let event = unsafe { Mta::new(event) };
                self.notifier.notify(event.keeping(Started::current()));
            }
        })
    }
}
