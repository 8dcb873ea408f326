//! The states of a presentation clock as a stream.

use windows::Win32::Media::MediaFoundation::{IMFClockStateSink, IMFClockStateSink_Impl};
use windows::core::Result;
use windows_core::implement;

use crate::com::Mta;
use crate::com::callback::contain;
use crate::com::guarded::Guarded;
use crate::com::notifications::{Notifications, Notifier};

/// What a presentation clock did; `system_time` is when, in units of 100 ns.
#[doc(alias = "IMFClockStateSink")]
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClockStateEvent {
    /// It was started.
    #[doc(alias = "OnClockStart")]
    Start {
        /// When.
        system_time: i64,
        /// At which presentation time, in units of 100 ns; `i64::MAX` means where it was.
        offset: i64,
    },
    /// It was stopped.
    #[doc(alias = "OnClockStop")]
    Stop {
        /// When.
        system_time: i64,
    },
    /// It was paused.
    #[doc(alias = "OnClockPause")]
    Pause {
        /// When.
        system_time: i64,
    },
    /// It goes on after a pause, where it was.
    #[doc(alias = "OnClockRestart")]
    Restart {
        /// When.
        system_time: i64,
    },
    /// Its rate changed.
    #[doc(alias = "OnClockSetRate")]
    SetRate {
        /// When.
        system_time: i64,
        /// The new rate; 1 is normal.
        rate: f32,
    },
}

/// An object for `IMFPresentationClock::AddClockStateSink`, and the stream of what it is called with.
///
/// ```no_run
/// use futures::StreamExt;
/// use windows::Win32::Media::MediaFoundation::IMFPresentationClock;
///
/// # async fn watch(clock: IMFPresentationClock) -> windows::core::Result<()> {
/// let (sink, mut states) = mf_async::com::clock_states();
/// unsafe { clock.AddClockStateSink(&*sink) }?;
/// drop(sink);
/// while let Some(state) = states.next().await {
///     println!("{state:?}");
/// }
/// # Ok(()) }
/// ```
///
/// # Cancel safety
/// As [`Notifications`].
#[doc(alias = "AddClockStateSink")]
#[must_use]
pub fn clock_states() -> (Mta<IMFClockStateSink>, Notifications<ClockStateEvent>) {
    let (notifier, states) = Notifications::channel();
    (Mta::of(ClockCallback { notifier: Guarded::new(notifier) }), states)
}

#[implement(IMFClockStateSink)]
struct ClockCallback {
    notifier: Guarded<Notifier<ClockStateEvent>>,
}

impl IMFClockStateSink_Impl for ClockCallback_Impl {
    fn OnClockStart(&self, system_time: i64, offset: i64) -> Result<()> {
        contain(|| self.notifier.notify(ClockStateEvent::Start { system_time, offset }))
    }

    fn OnClockStop(&self, system_time: i64) -> Result<()> {
        contain(|| self.notifier.notify(ClockStateEvent::Stop { system_time }))
    }

    fn OnClockPause(&self, system_time: i64) -> Result<()> {
        contain(|| self.notifier.notify(ClockStateEvent::Pause { system_time }))
    }

    fn OnClockRestart(&self, system_time: i64) -> Result<()> {
        contain(|| self.notifier.notify(ClockStateEvent::Restart { system_time }))
    }

    fn OnClockSetRate(&self, system_time: i64, rate: f32) -> Result<()> {
        contain(|| self.notifier.notify(ClockStateEvent::SetRate { system_time, rate }))
    }
}
