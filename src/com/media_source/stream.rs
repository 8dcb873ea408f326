//! The object of a media source's stream: `IMFMediaStream`.

use std::sync::Arc;

use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFMediaEvent, IMFMediaEventGenerator_Impl, IMFMediaEventQueue,
    IMFMediaSource, IMFMediaStream, IMFMediaStream_Impl, IMFStreamDescriptor,
    MEDIA_EVENT_GENERATOR_GET_EVENT_FLAGS, MF_E_SHUTDOWN,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HRESULT, IUnknown, Ref, Result};
use windows_core::implement;

use super::shared::SourceShared;
use crate::com::Mta;
use crate::com::callback::contain;
use crate::com::event_queue::has_event_queue;
use crate::com::guarded::Guarded;

/// The object of one stream, and the queue of its events.
pub(super) fn create(
    shared: &Arc<SourceShared>,
    index: usize,
) -> crate::Result<(Mta<IMFMediaStream>, Mta<IMFMediaEventQueue>)> {
    let events = shared.platform.create_event_queue()?;
    let object = MediaStreamObject { shared: Guarded::new(shared.clone()), index, events: events.clone() };
    Ok((shared.platform.keep(Mta::of(object)), events))
}

#[implement(IMFMediaStream)]
struct MediaStreamObject {
    shared: Guarded<Arc<SourceShared>>,
    index: usize,
    events: Mta<IMFMediaEventQueue>,
}

impl MediaStreamObject {
    fn events(&self) -> &IMFMediaEventQueue {
        &self.events
    }
}

has_event_queue!(MediaStreamObject_Impl);

impl IMFMediaStream_Impl for MediaStreamObject_Impl {
    fn GetMediaSource(&self) -> Result<IMFMediaSource> {
        self.shared.check()?;
        let source = self.shared.source.get().and_then(|source| source.upgrade());
        source.map(Mta::into_inner).ok_or_else(|| MF_E_SHUTDOWN.into())
    }

    fn GetStreamDescriptor(&self) -> Result<IMFStreamDescriptor> {
        self.shared.check()?;
        Ok(IMFStreamDescriptor::clone(&self.shared.tracks[self.index].descriptor))
    }

    fn RequestSample(&self, token: Ref<'_, IUnknown>) -> Result<()> {
        // SAFETY: a token goes with its sample from thread to thread as it is.
        let token = token.cloned().map(|token| unsafe { Mta::new(token) });
        contain(|| self.shared.request(self.index, &self.events, token))
    }
}
