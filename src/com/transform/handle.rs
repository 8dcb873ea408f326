//! `TransformHandle`: what can be asked of an asynchronous transform besides samples, also after its two sides were split.

use std::fmt;
use std::sync::Arc;

use windows::Win32::Foundation::{E_NOTIMPL, S_OK};
use windows::Win32::Media::MediaFoundation::{
    CODECAPI_AVEncVideoForceKeyFrame, ICodecAPI, IMFDXGIDeviceManager, IMFTransform, MF_SA_D3D11_AWARE,
    MFT_MESSAGE_SET_D3D_MANAGER,
};
use windows::core::Interface;

use super::inner::Inner;
use crate::async_result::QueueId;
use crate::com::{Mta, Platform};
use crate::error::{Error, Result};
use crate::operation::Operation;

/// A handle to an [`AsyncTransform`](crate::com::AsyncTransform): key frames, markers, a device manager. Clones are of the same transform.
///
/// It does not keep the transform running: when the `AsyncTransform` is dropped, that is shut down.
#[derive(Clone)]
pub struct TransformHandle {
    pub(super) inner: Arc<Inner>,
    /// Last, so that it is given back last.
    pub(super) platform: Platform,
}

impl TransformHandle {
    /// Has the encoder make a key frame of the next sample that is put in.
    ///
    /// # Errors
    /// `E_NOINTERFACE` and `E_NOTIMPL` when the transform is no encoder that can.
    #[doc(alias = "CODECAPI_AVEncVideoForceKeyFrame")]
    #[doc(alias = "ICodecAPI")]
    pub fn force_key_frame(&self) -> Result<()> {
        let codec: Mta<ICodecAPI> = self.inner.transform.cast()?;
        let property = &CODECAPI_AVEncVideoForceKeyFrame;
        // Through the table: one that does not support it may say so by a success code.
        // SAFETY: the table is that of the interface; the property lives for the call.
        let supported = unsafe { (codec.vtable().IsSupported)(codec.as_raw(), property) };
        if supported != S_OK {
            let code = if supported.is_err() { supported } else { E_NOTIMPL };
            return Err(Error::new(code.into(), "force a key frame of a transform that cannot"));
        }
        self.inner.force_key_frame(codec);
        Ok(())
    }

    /// Waits until all output of what was put in before has been taken out of the transform. Begins at once.
    ///
    /// The output is taken when the stream is read: read it meanwhile. A marker behind a sample that the transform has not
    /// taken yet goes in after that sample. Unlike a drain a marker breaks nothing: the transform goes on, and keeps what it
    /// cannot make anything of yet.
    ///
    /// # Errors
    /// None here; the operation's are the transform's own, a cancellation when it is flushed, and an error of the kind
    /// [`Abandoned`](crate::ErrorKind::Abandoned) when the `AsyncTransform` is gone.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches. The marker does no harm.
    #[doc(alias = "MFT_MESSAGE_COMMAND_MARKER")]
    #[doc(alias = "METransformMarker")]
    #[track_caller]
    pub fn place_marker(&self) -> Operation<()> {
        match self.platform.promise(QueueId::MULTITHREADED) {
            Ok((promise, operation)) => {
                self.inner.place_marker(promise);
                operation
            }
            Err(error) => Operation::failed(error),
        }
    }

    /// Gives the transform the Direct3D 11 device to work on, or takes it away. To be called before the media types are set.
    ///
    /// # Errors
    /// `E_NOTIMPL` when the transform does not work on such devices; `MF_E_UNSUPPORTED_D3D_TYPE` and others of the
    /// transform.
    #[doc(alias = "MFT_MESSAGE_SET_D3D_MANAGER")]
    #[doc(alias = "MF_SA_D3D11_AWARE")]
    pub fn set_d3d_manager(&self, manager: Option<&Mta<IMFDXGIDeviceManager>>) -> Result<()> {
        // SAFETY: needs nothing.
        let attributes = unsafe { self.inner.transform.GetAttributes() }?;
        // The message's page: it must not be sent to others.
        // SAFETY: the key lives for the call.
        if unsafe { attributes.GetUINT32(&MF_SA_D3D11_AWARE) }.unwrap_or(0) == 0 {
            return Err(Error::new(E_NOTIMPL.into(), "give a device to a transform that has no use for one"));
        }
        let parameter = manager.map_or(0, |manager| manager.as_raw() as usize);
        // SAFETY: this message's parameter is null or a pointer to an object, which lives for the call; the transform takes
        // its own reference.
        Ok(unsafe { self.inner.transform.ProcessMessage(MFT_MESSAGE_SET_D3D_MANAGER, parameter) }?)
    }

    /// The transform itself: for its media types, its attributes, and what has no method here.
    #[must_use]
    pub fn as_com(&self) -> &Mta<IMFTransform> {
        &self.inner.transform
    }
}

impl fmt::Debug for TransformHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransformHandle").field("driver", &self.inner.lock().driver).finish_non_exhaustive()
    }
}
