//! The samples that a sample-grabber sink gets, as a stream.

use windows::Win32::Foundation::E_OUTOFMEMORY;
use windows::Win32::Media::MediaFoundation::{
    IMFClockStateSink_Impl, IMFPresentationClock, IMFSampleGrabberSinkCallback,
    IMFSampleGrabberSinkCallback_Impl,
};
use windows::core::{GUID, Ref, Result};
use windows_core::implement;

use crate::com::Mta;
use crate::com::callback::contain;
use crate::com::clock::ClockStateEvent;
use crate::com::guarded::Guarded;
use crate::com::notifications::{Notifications, Notifier};
use crate::com::startup::Started;

/// What a sample-grabber sink passes to its callback.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SampleGrabberEvent {
    /// A sample.
    #[doc(alias = "OnProcessSample")]
    Sample(GrabbedSample),
    /// What the presentation clock did.
    Clock(ClockStateEvent),
    /// Another presentation clock, or none.
    #[doc(alias = "OnSetPresentationClock")]
    PresentationClock(Option<Mta<IMFPresentationClock>>),
    /// The sink is shut down.
    #[doc(alias = "OnShutdown")]
    Shutdown,
}

/// A sample, copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrabbedSample {
    /// The major type, such as `MFMediaType_Audio`.
    pub major_type: GUID,
    /// The sample's flags.
    pub flags: u32,
    /// When it is to be presented, in units of 100 ns; `i64::MAX` if it does not say.
    pub time: i64,
    /// How long it lasts, in units of 100 ns; `i64::MAX` if it does not say.
    pub duration: i64,
    /// The sample's bytes.
    pub bytes: Vec<u8>,
}

/// An object for `MFCreateSampleGrabberSinkActivate`, and the stream of what it is called with.
///
/// Samples are copied. When more than 64 MiB of them wait to be taken, which is 8 pictures of 1920 by 1080 in RGB32, the
/// oldest sample makes room for the newest; [`grab_samples_with`] takes another limit. What the clock does is not lost for that.
///
/// # Cancel safety
/// As [`Notifications`].
#[doc(alias = "IMFSampleGrabberSinkCallback")]
#[doc(alias = "MFCreateSampleGrabberSinkActivate")]
#[must_use]
pub fn grab_samples() -> (Mta<IMFSampleGrabberSinkCallback>, Notifications<SampleGrabberEvent>) {
    grab_samples_with(64 << 20)
}

/// As [`grab_samples`], with the most bytes that may wait to be taken. The newest sample is kept, however large.
///
/// # Cancel safety
/// As [`Notifications`].
#[must_use]
pub fn grab_samples_with(
    most_bytes: usize,
) -> (Mta<IMFSampleGrabberSinkCallback>, Notifications<SampleGrabberEvent>) {
    let (notifier, samples) = Notifications::weighed(
        most_bytes,
        |event| match event {
            SampleGrabberEvent::Sample(sample) => sample.bytes.len(),
            _ => 0,
        },
        false,
    );
    (Mta::of(GrabberCallback { notifier: Guarded::new(notifier) }), samples)
}

#[implement(IMFSampleGrabberSinkCallback)]
struct GrabberCallback {
    notifier: Guarded<Notifier<SampleGrabberEvent>>,
}

impl GrabberCallback {
    fn clock(&self, state: ClockStateEvent) -> Result<()> {
        contain(|| self.notifier.notify(SampleGrabberEvent::Clock(state)))
    }
}

impl IMFClockStateSink_Impl for GrabberCallback_Impl {
    fn OnClockStart(&self, system_time: i64, offset: i64) -> Result<()> {
        self.clock(ClockStateEvent::Start { system_time, offset })
    }

    fn OnClockStop(&self, system_time: i64) -> Result<()> {
        self.clock(ClockStateEvent::Stop { system_time })
    }

    fn OnClockPause(&self, system_time: i64) -> Result<()> {
        self.clock(ClockStateEvent::Pause { system_time })
    }

    fn OnClockRestart(&self, system_time: i64) -> Result<()> {
        self.clock(ClockStateEvent::Restart { system_time })
    }

    fn OnClockSetRate(&self, system_time: i64, rate: f32) -> Result<()> {
        self.clock(ClockStateEvent::SetRate { system_time, rate })
    }
}

impl IMFSampleGrabberSinkCallback_Impl for GrabberCallback_Impl {
    fn OnSetPresentationClock(&self, clock: Ref<'_, IMFPresentationClock>) -> Result<()> {
        contain(|| {
            // SAFETY: the clock of a media session, which every thread of it uses.
            let clock = clock.cloned().map(|clock| unsafe { Mta::new(clock) }.keeping(Started::current()));
            self.notifier.notify(SampleGrabberEvent::PresentationClock(clock));
        })
    }

    fn OnProcessSample(
        &self,
        major_type: *const GUID,
        flags: u32,
        time: i64,
        duration: i64,
        bytes: *const u8,
        length: u32,
    ) -> Result<()> {
        contain(|| {
            // SAFETY: null or a GUID that lives for the call, as the sink passes it.
            let major_type = unsafe { major_type.as_ref() }.copied().unwrap_or_default();
            let bytes = if bytes.is_null() || length == 0 {
                Vec::new()
            } else {
                let mut copy = Vec::new();
                copy.try_reserve_exact(length as usize).map_err(|_| E_OUTOFMEMORY)?;
                // SAFETY: the sink passes that many bytes, which live for the call.
                copy.extend_from_slice(unsafe { std::slice::from_raw_parts(bytes, length as usize) });
                copy
            };
            let sample = GrabbedSample { major_type, flags, time, duration, bytes };
            self.notifier.notify(SampleGrabberEvent::Sample(sample));
            Ok(())
        })
    }

    fn OnShutdown(&self) -> Result<()> {
        contain(|| self.notifier.notify(SampleGrabberEvent::Shutdown))
    }
}
