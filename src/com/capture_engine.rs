//! The events and the samples of a capture engine as streams.

use windows::Win32::Media::MediaFoundation::{
    IMFCaptureEngineOnEventCallback, IMFCaptureEngineOnEventCallback_Impl, IMFCaptureEngineOnSampleCallback,
    IMFCaptureEngineOnSampleCallback_Impl, IMFCaptureEngineOnSampleCallback2,
    IMFCaptureEngineOnSampleCallback2_Impl, IMFMediaEvent, IMFSample,
};
use windows::core::{Ref, Result};
use windows_core::implement;

use crate::com::Mta;
use crate::com::callback::contain;
use crate::com::guarded::Guarded;
use crate::com::notifications::{Notifications, Notifier};
use crate::com::startup::Started;
use crate::event_stream::overflow::Policy;
use crate::event_stream::{DropNewest, DropOldest, Latest, Overflow};

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

/// What a capture engine's sink passes to its callback.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CaptureEngineSample {
    /// A sample. The engine has few of them: one that is kept is missing there.
    #[doc(alias = "OnSample")]
    Sample(Mta<IMFSample>),
    /// Samples that come from now on have another format.
    #[doc(alias = "OnSynchronizedEvent")]
    FormatChange(Mta<IMFMediaEvent>),
}

/// The choices by which no more than so many samples wait: [`Latest`], [`DropOldest`] and [`DropNewest`].
pub trait BoundedOverflow: Overflow {}

impl BoundedOverflow for Latest {}
impl BoundedOverflow for DropOldest {}
impl BoundedOverflow for DropNewest {}

/// An object for `SetSampleCallback` of a capture engine's sinks, and the stream of the samples that it is called with.
///
/// The engine waits for no one. When as many samples wait to be taken as `overflow` says, it also says which one is
/// dropped: the oldest or the newest. [`dropped`](Notifications::dropped) counts it. Changes of the format are not lost for
/// that. More than [`CAPACITY`](Notifications::CAPACITY) never wait. A call without a sample, which the engine may make,
/// is not passed on.
///
/// ```no_run
/// use futures::StreamExt;
/// use mf_async::com::{CaptureEngineSample, capture_engine_samples};
/// use mf_async::event_stream::DropOldest;
/// use windows::Win32::Media::MediaFoundation::IMFCapturePreviewSink;
///
/// # async fn preview(sink: IMFCapturePreviewSink, stream: u32) -> mf_async::Result<()> {
/// let (callback, mut samples) = capture_engine_samples(DropOldest(2));
/// // SAFETY: the callback lives for the call, and the sink takes its own reference.
/// unsafe { sink.SetSampleCallback(stream, callback.as_ref()) }?;
/// while let Some(CaptureEngineSample::Sample(sample)) = samples.next().await {
///     println!("{} bytes, {} were dropped", sample.to_vec()?.len(), samples.dropped());
/// }
/// # Ok(()) }
/// ```
///
/// # Cancel safety
/// As [`Notifications`].
#[doc(alias = "IMFCaptureEngineOnSampleCallback")]
#[doc(alias = "IMFCaptureEngineOnSampleCallback2")]
#[must_use]
pub fn capture_engine_samples(
    overflow: impl BoundedOverflow,
) -> (Mta<IMFCaptureEngineOnSampleCallback>, Notifications<CaptureEngineSample>) {
    let (most, drop_newest) = match overflow.policy() {
        Policy::DropOldest(most) => (most, false),
        Policy::DropNewest(most) => (most, true),
        Policy::Wait => (usize::MAX, false),
    };
    let weight = |item: &CaptureEngineSample| usize::from(matches!(item, CaptureEngineSample::Sample(_)));
    let (notifier, samples) = Notifications::weighed(most, weight, drop_newest);
    let callback: Mta<IMFCaptureEngineOnSampleCallback2> =
        Mta::of(CaptureSampleCallback { notifier: Guarded::new(notifier) });
    // SAFETY: the same object by the interface that its own is made of.
    (unsafe { Mta::new(callback.into_inner().into()) }, samples)
}

#[implement(IMFCaptureEngineOnSampleCallback2)]
struct CaptureSampleCallback {
    notifier: Guarded<Notifier<CaptureEngineSample>>,
}

impl IMFCaptureEngineOnSampleCallback_Impl for CaptureSampleCallback_Impl {
    fn OnSample(&self, sample: Ref<'_, IMFSample>) -> Result<()> {
        contain(|| {
            if let Some(sample) = sample.cloned() {
                // SAFETY: a sample of Media Foundation's.
                let sample = unsafe { Mta::new(sample) };
                self.notifier.notify(CaptureEngineSample::Sample(sample.keeping(Started::current())));
            }
        })
    }
}

impl IMFCaptureEngineOnSampleCallback2_Impl for CaptureSampleCallback_Impl {
    fn OnSynchronizedEvent(&self, event: Ref<'_, IMFMediaEvent>) -> Result<()> {
        contain(|| {
            if let Some(event) = event.cloned() {
                // SAFETY: an event of Media Foundation's.
                let event = unsafe { Mta::new(event) };
                self.notifier.notify(CaptureEngineSample::FormatChange(event.keeping(Started::current())));
            }
        })
    }
}
