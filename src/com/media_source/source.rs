//! The object of a media source: `IMFMediaSource`, and `IMFMediaSourceEx` as the frame server wants it.

use std::sync::Arc;

use windows::Win32::Foundation::E_INVALIDARG;
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFAttributes, IMFMediaEvent, IMFMediaEventGenerator_Impl,
    IMFMediaEventQueue, IMFMediaSource, IMFMediaSource_Impl, IMFMediaSourceEx, IMFMediaSourceEx_Impl,
    IMFPresentationDescriptor, MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS, MF_E_INVALIDSTREAMNUMBER,
    MF_E_UNSUPPORTED_TIME_FORMAT, MFMEDIASOURCE_CAN_PAUSE, MFMEDIASOURCE_CAN_SEEK, MFMEDIASOURCE_IS_LIVE,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::Win32::System::Variant::{VT_EMPTY, VT_I8};
use windows::core::{BOOL, GUID, HRESULT, IUnknown, Ref, Result};
use windows_core::implement;

use super::shared::{SourceShared, StreamPlan};
use super::stream;
use crate::com::Mta;
use crate::com::callback::contain;
use crate::com::event_queue::has_event_queue;
use crate::com::guarded::Guarded;
use crate::com::weak::WeakMta;

/// The object.
pub(super) fn create(shared: Arc<SourceShared>) -> crate::Result<Mta<IMFMediaSource>> {
    let object = MediaSourceObject { owner: Guarded::new(SourceOwner(shared.clone())) };
    let source: Mta<IMFMediaSourceEx> = Mta::of(object);
    let source: Mta<IMFMediaSource> = source.cast()?;
    // It is new: nothing has set this before.
    let _ = shared.source.set(WeakMta::of(&source)?);
    Ok(shared.platform.keep(source))
}

#[implement(IMFMediaSourceEx)]
struct MediaSourceObject {
    owner: Guarded<SourceOwner>,
}

/// What the object owns: a source that is released without a shutdown is shut down.
struct SourceOwner(Arc<SourceShared>);

impl Drop for SourceOwner {
    fn drop(&mut self) {
        // An error says that it was shut down before.
        let _ = self.0.shut_down();
    }
}

impl MediaSourceObject {
    fn shared(&self) -> &Arc<SourceShared> {
        &self.owner.0
    }

    fn events(&self) -> &IMFMediaEventQueue {
        &self.shared().events
    }

    /// The streams that a presentation descriptor selects.
    fn plan(&self, presentation: &IMFPresentationDescriptor) -> crate::Result<Vec<StreamPlan>> {
        let shared = self.shared();
        let mut plans = Vec::new();
        // SAFETY: needs nothing.
        for position in 0..unsafe { presentation.GetStreamDescriptorCount() }? {
            let (mut selected, mut descriptor) = (BOOL(0), None);
            // SAFETY: both places live for the call.
            unsafe { presentation.GetStreamDescriptorByIndex(position, &mut selected, &mut descriptor) }?;
            let Some(descriptor) = descriptor.filter(|_| selected.as_bool()) else { continue };
            // SAFETY: needs nothing; a media type is Media Foundation's own.
            let (id, media_type) = unsafe {
                let handler = descriptor.GetMediaTypeHandler()?;
                (descriptor.GetStreamIdentifier()?, Mta::new(handler.GetCurrentMediaType()?))
            };
            let index = id as usize;
            if index >= shared.tracks.len() || plans.iter().any(|plan: &StreamPlan| plan.index == index) {
                return Err(windows::core::Error::from(E_INVALIDARG).into());
            }
            let new = if shared.is_active(index) { None } else { Some(stream::create(shared, index)?) };
            plans.push(StreamPlan { index, media_type: shared.platform.keep(media_type), new });
        }
        if plans.is_empty() {
            return Err(windows::core::Error::from(E_INVALIDARG).into());
        }
        Ok(plans)
    }
}

has_event_queue!(MediaSourceObject_Impl);

impl IMFMediaSource_Impl for MediaSourceObject_Impl {
    fn GetCharacteristics(&self) -> Result<u32> {
        let shared = self.shared();
        shared.check()?;
        let mut all = MFMEDIASOURCE_CAN_PAUSE.0;
        if shared.can_seek() {
            all |= MFMEDIASOURCE_CAN_SEEK.0;
        }
        if shared.live {
            all |= MFMEDIASOURCE_IS_LIVE.0;
        }
        Ok(all as u32)
    }

    fn CreatePresentationDescriptor(&self) -> Result<IMFPresentationDescriptor> {
        self.shared().check()?;
        // SAFETY: needs nothing.
        unsafe { self.shared().presentation.Clone() }
    }

    fn Start(
        &self,
        presentation: Ref<'_, IMFPresentationDescriptor>,
        format: *const GUID,
        position: *const PROPVARIANT,
    ) -> Result<()> {
        contain(|| -> Result<()> {
            self.shared().check()?;
            // SAFETY: the caller passes null, or what may be read.
            let (format, position) = unsafe { (format.as_ref(), position.as_ref()) };
            let (Some(presentation), Some(position)) = (presentation.as_ref(), position) else {
                return Err(E_INVALIDARG.into());
            };
            if format.is_some_and(|format| *format != GUID::zeroed()) {
                return Err(MF_E_UNSUPPORTED_TIME_FORMAT.into());
            }
            let from = match position.vt() {
                VT_EMPTY => None,
                VT_I8 => Some(i64::try_from(position)?),
                _ => return Err(MF_E_UNSUPPORTED_TIME_FORMAT.into()),
            };
            let plans = self.plan(presentation)?;
            self.shared().start(from, position, plans)
        })
    }

    fn Stop(&self) -> Result<()> {
        contain(|| self.shared().stop())
    }

    fn Pause(&self) -> Result<()> {
        contain(|| self.shared().pause())
    }

    fn Shutdown(&self) -> Result<()> {
        contain(|| self.shared().shut_down())
    }
}

impl IMFMediaSourceEx_Impl for MediaSourceObject_Impl {
    fn GetSourceAttributes(&self) -> Result<IMFAttributes> {
        self.shared().check()?;
        Ok(IMFAttributes::clone(&self.shared().attributes))
    }

    fn GetStreamAttributes(&self, id: u32) -> Result<IMFAttributes> {
        self.shared().check()?;
        let track = self.shared().tracks.get(id as usize);
        track
            .map(|track| IMFAttributes::clone(&track.attributes))
            .ok_or_else(|| MF_E_INVALIDSTREAMNUMBER.into())
    }

    fn SetD3DManager(&self, _: Ref<'_, IUnknown>) -> Result<()> {
        // Samples come from the program, which knows its device.
        self.shared().check()
    }
}
