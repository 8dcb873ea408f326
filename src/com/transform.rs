//! `AsyncTransform`: an asynchronous transform (MFT) as a sink of samples and a stream of samples.

mod calls;
mod event_callback;
mod handle;
mod inner;
mod markers;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::sink::Sink;
use futures::stream::{FusedStream, Stream};
use windows::Win32::Media::MediaFoundation::{
    IMFActivate, IMFAsyncCallback, IMFSample, IMFTransform, MF_TRANSFORM_ASYNC, MF_TRANSFORM_ASYNC_UNLOCK,
    MFT_MESSAGE_COMMAND_FLUSH,
};

pub use self::handle::TransformHandle;

use self::event_callback::TransformEventCallback;
use self::inner::Inner;
use crate::com::{Mta, Platform};
use crate::error::{Error, Hresult, Result};

/// An asynchronous transform: a [`Sink`] of samples in, a [`Stream`] of samples out.
///
/// It calls `ProcessInput` and `ProcessOutput` only when the transform has asked for it, by the rules of
/// [`TransformDriver`](crate::transform::TransformDriver). Both sides may be used by one task, or, after `split`, by two. Who only puts in and never
/// takes out will wait: a transform holds a few samples, not all.
///
/// Closing the sink drains the transform; the stream then ends. To go on after a drain use
/// [`drain`](AsyncTransform::drain). When the output format changes, the transform's first available type is
/// chosen, unless [`on_format_change`](AsyncTransform::on_format_change) says otherwise.
///
/// Dropping it shuts the transform down. If it came from an `IMFActivate`, that keeps it, and would give it out again as it is:
/// call `ShutdownObject` of the activation object, too. [`FoundTransform::open`](crate::com::FoundTransform::open) sees to that.
///
/// # Cancel safety
/// No sample is lost when a future of `next`, `send` or `flush` is dropped, except that a `send` which was not
/// ready yet still has its sample.
#[doc(alias = "IMFTransform")]
#[doc(alias = "MFT")]
pub struct AsyncTransform {
    inner: Arc<Inner>,
    ended: bool,
    /// What made it and still has it.
    maker: Option<Mta<IMFActivate>>,
    /// Last, so that it is given back last.
    platform: Platform,
}

impl AsyncTransform {
    /// Unlocks an asynchronous transform and listens to its events. Its media types may be set before or after,
    /// as long as it is before the first sample.
    ///
    /// # Errors
    /// `E_INVALIDARG` when it is not asynchronous; `E_NOINTERFACE` when it lacks what asynchronous ones must have.
    #[doc(alias = "MF_TRANSFORM_ASYNC_UNLOCK")]
    pub fn new(platform: &Platform, transform: Mta<IMFTransform>) -> Result<AsyncTransform> {
        // SAFETY: needs nothing.
        let attributes = unsafe { transform.GetAttributes() }?;
        // SAFETY: the key lives for the call.
        if unsafe { attributes.GetUINT32(&MF_TRANSFORM_ASYNC) }.unwrap_or(0) == 0 {
            return Err(Error::new(Hresult::E_INVALIDARG, "unlock a transform that is not asynchronous"));
        }
        // SAFETY: the key lives for the call.
        unsafe { attributes.SetUINT32(&MF_TRANSFORM_ASYNC_UNLOCK, 1) }?;
        let (mut input, mut output) = ([0], [0]);
        // SAFETY: both places live for the call. A transform whose ids are just counted says E_NOTIMPL.
        let _ = unsafe { transform.GetStreamIDs(&mut input, &mut output) };
        let inner = Inner::new(platform.keep(transform), input[0], output[0])?;
        let event_callback: Mta<IMFAsyncCallback> =
            Mta::of(TransformEventCallback::new(Arc::downgrade(&inner)));
        // SAFETY: the callback lives for the call, and the transform takes its own reference.
        unsafe { inner.generator.BeginGetEvent(&*event_callback, None) }?;
        Ok(AsyncTransform { inner, ended: false, maker: None, platform: platform.clone() })
    }

    /// The activation object still has the transform, and must forget it in the end.
    pub(super) fn made_by(mut self, maker: Option<Mta<IMFActivate>>) -> AsyncTransform {
        self.maker = maker;
        self
    }

    /// A handle for key frames, markers and a device manager, which works after `split`, too.
    #[must_use]
    pub fn handle(&self) -> TransformHandle {
        TransformHandle { inner: self.inner.clone(), platform: self.platform.clone() }
    }

    /// Has the encoder make a key frame of the next sample that is put in.
    ///
    /// # Errors
    /// As [`TransformHandle::force_key_frame`].
    #[doc(alias = "CODECAPI_AVEncVideoForceKeyFrame")]
    pub fn force_key_frame(&mut self) -> Result<()> {
        self.handle().force_key_frame()
    }

    /// What to do when the output format changes: choose one of the types that the transform has now, and set it.
    /// It is given the output stream's id. A panic in it fails the transform with `E_UNEXPECTED`.
    #[doc(alias = "MF_E_TRANSFORM_STREAM_CHANGE")]
    pub fn on_format_change(
        &mut self,
        choose: impl Fn(&IMFTransform, u32) -> windows::core::Result<()> + Send + Sync + 'static,
    ) {
        let former = self.inner.lock().choose.replace(Arc::new(choose));
        drop(former);
    }

    /// Lets out everything that was put in; what comes of it waits in the stream. Samples may follow: the first of them
    /// gets the attribute `MFSampleExtension_Discontinuity`, as Media Foundation demands it.
    ///
    /// # Errors
    /// The transform's own; `MF_E_SHUTDOWN`.
    ///
    /// # Cancel safety
    /// Dropped, the drain goes on; called again, it waits for the same one.
    #[doc(alias = "MFT_MESSAGE_COMMAND_DRAIN")]
    pub async fn drain(&mut self) -> Result<()> {
        poll_fn(|cx| self.inner.poll_drain(cx)).await
    }

    /// Throws away everything that was put in and not taken out.
    ///
    /// # Errors
    /// The transform's own.
    #[doc(alias = "MFT_MESSAGE_COMMAND_FLUSH")]
    pub fn flush(&mut self) -> Result<()> {
        self.inner.message(MFT_MESSAGE_COMMAND_FLUSH, 0)?;
        let mut state = self.inner.lock();
        state.driver.flush();
        (state.draining, state.kept_is_key) = (false, false);
        let void = (state.kept.take(), std::mem::take(&mut state.ready));
        let markers = state.markers.take_all();
        drop(state);
        drop(void);
        let error = Error::new(Hresult::MF_E_OPERATION_CANCELLED, "await a marker: flushed");
        markers.into_iter().for_each(|promise| promise.complete(Err(error.clone())));
        Ok(())
    }

    /// The transform itself: for its media types, its attributes, and what has no method here.
    #[must_use]
    pub fn as_com(&self) -> &Mta<IMFTransform> {
        &self.inner.transform
    }
}

impl Sink<Mta<IMFSample>> for AsyncTransform {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_give(cx)
    }

    fn start_send(self: Pin<&mut Self>, sample: Mta<IMFSample>) -> Result<()> {
        let mut state = self.inner.lock();
        if state.kept.is_some() || state.closed {
            drop(state);
            return Err(Error::new(
                Hresult::MF_E_NOTACCEPTING,
                "put a sample into a transform that is not ready",
            ));
        }
        state.kept = Some(sample);
        state.kept_is_key = std::mem::take(&mut state.next_is_key);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_give(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let drained = self.inner.poll_drain(cx);
        if drained.is_ready() {
            self.inner.lock().closed = true;
            self.inner.wake();
        }
        drained
    }
}

impl Stream for AsyncTransform {
    type Item = Result<Mta<IMFSample>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Mta<IMFSample>>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let item = this.inner.poll_output(cx);
        this.ended = matches!(item, Poll::Ready(None | Some(Err(_))));
        item
    }
}

impl FusedStream for AsyncTransform {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl Drop for AsyncTransform {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        state.driver.shut_down();
        state.failed.get_or_insert_with(|| Error::shutdown("use a transform that is shut down"));
        // Dropped, they end.
        let markers = state.markers.take_all();
        drop(state);
        drop(markers);
        // SAFETY: needs nothing. An error would mean that it is shut down.
        let _ = unsafe { self.inner.shutdown.Shutdown() };
        if let Some(maker) = self.maker.take() {
            // SAFETY: needs nothing. Else it would give out what is shut down.
            let _ = unsafe { maker.ShutdownObject() };
        }
    }
}

impl fmt::Debug for AsyncTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncTransform").field("driver", &self.inner.lock().driver).finish_non_exhaustive()
    }
}
