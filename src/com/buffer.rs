//! A sample's buffers: their bytes in memory, their pictures line by line, and their surfaces on the GPU.

mod locked;

use windows::Win32::Foundation::E_POINTER;
use windows::Win32::Media::MediaFoundation::{
    IMF2DBuffer2, IMFDXGIBuffer, IMFDXGIDeviceManager, IMFMediaBuffer, IMFSample, MFCreateDXGIDeviceManager,
    MFCreateDXGISurfaceBuffer,
};
use windows::core::Interface;

pub use self::locked::{Locked2D, LockedBuffer};
use crate::com::{Mta, Platform};
use crate::error::Result;

impl Mta<IMFSample> {
    /// A copy of the sample's bytes, all its buffers in one.
    ///
    /// A sample on the GPU is copied into memory for this. [`buffers`](Mta::buffers) leaves it where it is.
    ///
    /// # Errors
    /// Those of the sample's buffers.
    #[doc(alias = "ConvertToContiguousBuffer")]
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        // SAFETY: needs nothing. The buffer is one of the sample's, or Media Foundation's own.
        let buffer = unsafe { self.beside(self.ConvertToContiguousBuffer()?) };
        Ok(buffer.lock()?.to_vec())
    }

    /// The sample's buffers. Most samples have one.
    ///
    /// ```no_run
    /// # async fn frames(reader: mf_async::com::SourceReader) -> mf_async::Result<()> {
    /// use mf_async::com::StreamIndex;
    ///
    /// let read = reader.read_sample(StreamIndex::FIRST_VIDEO).await?;
    /// let Some(sample) = read.sample else { return Ok(()) };
    /// for buffer in sample.buffers()? {
    ///     match buffer.dxgi_surface() {
    ///         Ok(surface) => println!("on the GPU, subresource {}", surface.subresource_index()?),
    ///         Err(_) => println!("in memory, {} bytes", buffer.lock()?.len()),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of the sample.
    #[doc(alias = "GetBufferCount")]
    #[doc(alias = "GetBufferByIndex")]
    pub fn buffers(&self) -> Result<Vec<Mta<IMFMediaBuffer>>> {
        // SAFETY: needs nothing.
        let count = unsafe { self.GetBufferCount() }?;
        (0..count)
            // SAFETY: takes a number. A sample that every thread may use has such buffers.
            .map(|index| Ok(unsafe { self.beside(self.GetBufferByIndex(index)?) }))
            .collect()
    }
}

impl Mta<IMFMediaBuffer> {
    /// Locks the buffer: its bytes can be read until what is returned is dropped.
    ///
    /// # Errors
    /// `MF_E_INVALIDREQUEST` when it cannot be locked now, for example because it is locked as a picture.
    #[doc(alias = "IMFMediaBuffer")]
    #[doc(alias = "Lock")]
    pub fn lock(&self) -> Result<LockedBuffer> {
        LockedBuffer::new(self.clone())
    }

    /// Locks the buffer as a picture, for reading: its lines can be read until what is returned is dropped.
    ///
    /// `default_stride` is that of the media type, `MF_MT_DEFAULT_STRIDE`. It is used for a buffer that does not say its
    /// own stride because it lacks the interface `IMF2DBuffer2`. For a buffer with `IMF2DBuffer` alone it is used as well: that one
    /// does not say where its memory ends.
    ///
    /// # Errors
    /// `MF_E_INVALIDREQUEST` when it is locked for writing, or otherwise; `E_OUTOFMEMORY` when there is no room for a copy of
    /// what is on the GPU; `E_INVALIDARG` for a default stride of 0 where it is used.
    #[doc(alias = "IMF2DBuffer")]
    #[doc(alias = "IMF2DBuffer2")]
    #[doc(alias = "Lock2D")]
    #[doc(alias = "Lock2DSize")]
    pub fn lock_2d(&self, default_stride: i32) -> Result<Locked2D> {
        match self.cast::<IMF2DBuffer2>() {
            Ok(buffer) => Locked2D::of_2d(buffer),
            Err(_) => Locked2D::of_bytes(self.lock()?, default_stride),
        }
    }

    /// The surface on the GPU that holds the buffer's picture.
    ///
    /// # Errors
    /// `E_NOINTERFACE` when the buffer is in memory.
    #[doc(alias = "IMFDXGIBuffer")]
    pub fn dxgi_surface(&self) -> Result<DxgiSurface> {
        Ok(DxgiSurface { buffer: self.cast()? })
    }
}

/// Where on the GPU a buffer's picture is: a texture, and which part of it.
///
/// The picture is there as long as the sample lives; then another may take its place. So keep the sample while
/// the texture is used, but not for long: a decoder has few of them, and waits for one that comes back.
#[derive(Clone, Debug)]
#[doc(alias = "IMFDXGIBuffer")]
pub struct DxgiSurface {
    buffer: Mta<IMFDXGIBuffer>,
}

impl DxgiSurface {
    /// The texture, as an `ID3D11Texture2D` for example. It is bound to the rules of its device about threads.
    ///
    /// # Errors
    /// `E_NOINTERFACE` when it is something else; `MF_E_INVALIDREQUEST` while the buffer is locked.
    #[doc(alias = "GetResource")]
    pub fn resource<I: Interface>(&self) -> Result<I> {
        let mut resource = std::ptr::null_mut();
        // SAFETY: both places live for the call.
        unsafe { self.buffer.GetResource(&I::IID, &mut resource) }?;
        if resource.is_null() {
            return Err(windows::core::Error::from(E_POINTER).into());
        }
        // SAFETY: the interface that was asked for, and the reference that the call has added.
        Ok(unsafe { I::from_raw(resource) })
    }

    /// Which of the texture's subresources it is: decoders have one texture with many slices.
    ///
    /// # Errors
    /// The buffer's own.
    #[doc(alias = "GetSubresourceIndex")]
    pub fn subresource_index(&self) -> Result<u32> {
        // SAFETY: needs nothing.
        Ok(unsafe { self.buffer.GetSubresourceIndex() }?)
    }

    /// The interface itself, for what has no method here.
    #[must_use]
    pub fn as_com(&self) -> &Mta<IMFDXGIBuffer> {
        &self.buffer
    }
}

/// What is on the GPU.
impl Platform {
    /// A buffer whose picture is this subresource of a texture, an `ID3D11Texture2D`. Nothing is copied.
    ///
    /// # Errors
    /// `E_INVALIDARG` for what is not such a texture.
    #[doc(alias = "MFCreateDXGISurfaceBuffer")]
    pub fn create_dxgi_surface_buffer<I: Interface>(
        &self,
        texture: &Mta<I>,
        subresource_index: u32,
    ) -> Result<Mta<IMFMediaBuffer>> {
        let texture: windows::core::IUnknown = texture.as_ref().cast().map_err(crate::Error::from)?;
        // SAFETY: the GUID and the texture live for the call.
        let buffer = unsafe { MFCreateDXGISurfaceBuffer(&I::IID, &texture, subresource_index, false) }?;
        // SAFETY: a buffer of Media Foundation's; of the texture the caller has said that threads may share it.
        Ok(self.keep(unsafe { Mta::new(buffer) }))
    }

    /// A device manager for a Direct3D 11 device, an `ID3D11Device`: the value of a reader's attribute
    /// `MF_SOURCE_READER_D3D_MANAGER`, and what [`set_d3d_manager`](crate::com::TransformHandle::set_d3d_manager) takes.
    ///
    /// The device is to be made with `D3D11_CREATE_DEVICE_VIDEO_SUPPORT`, and protected by
    /// `ID3D10Multithread::SetMultithreadProtected`.
    ///
    /// # Errors
    /// `E_INVALIDARG` for what is no such device.
    #[doc(alias = "MFCreateDXGIDeviceManager")]
    #[doc(alias = "ResetDevice")]
    pub fn create_dxgi_device_manager<I: Interface>(
        &self,
        device: &Mta<I>,
    ) -> Result<Mta<IMFDXGIDeviceManager>> {
        let device: windows::core::IUnknown = device.as_ref().cast().map_err(crate::Error::from)?;
        let (mut token, mut manager) = (0, None);
        // SAFETY: both places live for the call.
        unsafe { MFCreateDXGIDeviceManager(&mut token, &mut manager) }?;
        let manager = manager.ok_or_else(|| windows::core::Error::from(E_POINTER))?;
        // SAFETY: the device lives for the call, and the manager takes its own reference.
        unsafe { manager.ResetDevice(&device, token) }?;
        // SAFETY: a manager of Media Foundation's, which exists to be shared by threads; of the device the caller has said so.
        Ok(self.keep(unsafe { Mta::new(manager) }))
    }
}
