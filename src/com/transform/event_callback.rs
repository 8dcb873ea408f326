//! The one callback that hears of every event of an asynchronous transform.

use std::sync::Weak;

use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncCallback_Impl, IMFAsyncResult, IMFMediaEvent, METransformDrainComplete,
    METransformHaveOutput, METransformMarker, METransformNeedInput, MF_E_SHUTDOWN, MF_EVENT_MFT_CONTEXT,
};
use windows::core::{IUnknownImpl, Ref};
use windows_core::implement;

use super::inner::Inner;
use crate::async_result::{CallbackParameters, QueueId};
use crate::com::callback::{contain, write_parameters};
use crate::com::guarded::Guarded;
use crate::error::{Error, Result};
use crate::transform::TransformEvent;

/// The one callback that hears of every event, and asks for the next.
#[implement(IMFAsyncCallback)]
pub(super) struct TransformEventCallback {
    inner: Guarded<EventSide>,
}

impl TransformEventCallback {
    pub(super) fn new(inner: Weak<Inner>) -> TransformEventCallback {
        TransformEventCallback { inner: Guarded::new(EventSide(inner)) }
    }
}

struct EventSide(Weak<Inner>);

impl Drop for EventSide {
    /// A queue of events that is shut down releases its callback without a call.
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.event(Err(Error::from(windows::core::Error::from(MF_E_SHUTDOWN))));
        }
    }
}

impl IMFAsyncCallback_Impl for TransformEventCallback_Impl {
    fn GetParameters(&self, flags: *mut u32, queue: *mut u32) -> windows::core::Result<()> {
        write_parameters(CallbackParameters::on(QueueId::MULTITHREADED), flags, queue)
    }

    fn Invoke(&self, result: Ref<'_, IMFAsyncResult>) -> windows::core::Result<()> {
        contain(|| {
            // Gone with its `AsyncTransform`, which has shut the transform down: there are no further events.
            let Some(inner) = self.inner.0.upgrade() else { return };
            // SAFETY: the result lives for the call.
            let event = unsafe { inner.generator.EndGetEvent(result.as_ref()) };
            if inner.event(event.map_err(Error::from).and_then(|event| read(&event))) {
                let this: IMFAsyncCallback = self.to_interface();
                // SAFETY: the callback lives for the call, and the transform takes its own reference.
                if let Err(error) = unsafe { inner.generator.BeginGetEvent(&this, None) } {
                    inner.event(Err(error.into()));
                }
            }
        })
    }
}

/// What an event says; `None` for one that does not matter here.
fn read(event: &IMFMediaEvent) -> Result<Option<TransformEvent>> {
    // SAFETY: needs nothing.
    unsafe { event.GetStatus() }?.ok()?;
    // SAFETY: needs nothing.
    let kind = unsafe { event.GetType() }? as i32;
    Ok(match kind {
        kind if kind == METransformNeedInput.0 => Some(TransformEvent::NeedInput),
        kind if kind == METransformHaveOutput.0 => Some(TransformEvent::HaveOutput),
        kind if kind == METransformDrainComplete.0 => Some(TransformEvent::DrainComplete),
        kind if kind == METransformMarker.0 => {
            // SAFETY: the key lives for the call.
            let context = unsafe { event.GetUINT64(&MF_EVENT_MFT_CONTEXT) }.unwrap_or(0);
            Some(TransformEvent::Marker(context))
        }
        _ => None,
    })
}
