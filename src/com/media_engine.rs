//! The events of a media engine as a stream.

use std::ffi::c_void;

use windows::Win32::Foundation::HANDLE;
use windows::Win32::Media::MediaFoundation::{
    IMFMediaEngineNotify, IMFMediaEngineNotify_Impl, MF_MEDIA_ENGINE_EVENT, MF_MEDIA_ENGINE_EVENT_ERROR,
    MF_MEDIA_ENGINE_EVENT_NOTIFYSTABLESTATE,
};
use windows::Win32::System::Threading::SetEvent;
use windows::core::Result;
use windows_core::implement;

use crate::com::Mta;
use crate::com::callback::contain;
use crate::com::guarded::Guarded;
use crate::com::notifications::{Notifications, Notifier};
use crate::error::{Error, Hresult};

/// An event of a media engine: playback, loading, an error.
#[doc(alias = "IMFMediaEngineNotify")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaEngineEvent {
    /// What happened.
    pub event: MF_MEDIA_ENGINE_EVENT,
    /// What the event has to say, in its first parameter.
    pub param1: usize,
    /// The same in its second.
    pub param2: u32,
}

impl MediaEngineEvent {
    /// The error, if this is one.
    #[doc(alias = "MF_MEDIA_ENGINE_EVENT_ERROR")]
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        let what = match self.param1 {
            1 => "play: loading was aborted",
            2 => "play: the network failed",
            3 => "play: decoding failed",
            4 => "play: the source is not supported",
            5 => "play: the source is encrypted",
            _ => "play",
        };
        let code = if self.param2 == 0 { Hresult::E_FAIL } else { Hresult(self.param2) };
        (self.event == MF_MEDIA_ENGINE_EVENT_ERROR).then(|| Error::new(code, what))
    }
}

/// An object for the attribute `MF_MEDIA_ENGINE_CALLBACK`, and the stream of what it is called with.
///
/// An engine that was made with `MF_MEDIA_ENGINE_WAITFORSTABLE_STATE` waits, in the event
/// `MF_MEDIA_ENGINE_EVENT_NOTIFYSTABLESTATE`, until a handle is signalled that comes with it. That is done at once, by the
/// object: what the stream gives later has no handle any more, and its `param1` is zero.
///
/// # Cancel safety
/// As [`Notifications`].
#[doc(alias = "MF_MEDIA_ENGINE_CALLBACK")]
#[must_use]
pub fn media_engine_events() -> (Mta<IMFMediaEngineNotify>, Notifications<MediaEngineEvent>) {
    let (notifier, events) = Notifications::channel();
    (Mta::of(EngineCallback { notifier: Guarded::new(notifier) }), events)
}

#[implement(IMFMediaEngineNotify)]
struct EngineCallback {
    notifier: Guarded<Notifier<MediaEngineEvent>>,
}

impl IMFMediaEngineNotify_Impl for EngineCallback_Impl {
    fn EventNotify(&self, event: u32, param1: usize, param2: u32) -> Result<()> {
        contain(|| {
            let (event, mut param1) = (MF_MEDIA_ENGINE_EVENT(event as i32), param1);
            if event == MF_MEDIA_ENGINE_EVENT_NOTIFYSTABLESTATE {
                // SAFETY: a handle to an event, which the engine keeps open while it waits for the signal: until now.
                let _ = unsafe { SetEvent(HANDLE(param1 as *mut c_void)) };
                param1 = 0;
            }
            self.notifier.notify(MediaEngineEvent { event, param1, param2 });
        })
    }
}
