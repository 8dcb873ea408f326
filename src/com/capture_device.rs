//! `CaptureDevice`: a camera or a microphone, found and opened without blocking a thread of the runtime.

use std::fmt;
use std::ops::Deref;

use windows::Win32::Media::MediaFoundation::{
    IMFActivate, IMFAttributes, IMFMediaSource, MF_DEVSOURCE_ATTRIBUTE_FRIENDLY_NAME,
    MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE, MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_AUDCAP_ENDPOINT_ID,
    MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_AUDCAP_GUID, MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_GUID,
    MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_SYMBOLIC_LINK, MF_E_SHUTDOWN, MFCreateDeviceSource,
    MFCreateSourceReaderFromMediaSource, MFEnumDeviceSources,
};
use windows::core::{GUID, HSTRING};

use crate::async_result::QueueId;
use crate::com::activation::{take_list, text_of};
use crate::com::offload::offload;
use crate::com::work_queue::put_once;
use crate::com::{Mta, Platform, SourceReader};
use crate::error::Result;
use crate::operation::Operation;

/// A camera or a microphone.
///
/// Media Foundation's calls that look for devices and open them may block for seconds: each is an operation on a thread of
/// its own.
///
/// When a device is lost, reads end with an error of which [`is_device_lost`](crate::Error::is_device_lost) is true. A source of one's own sends
/// the event [`MEVideoCaptureDeviceRemoved`](crate::MediaEventType::MEVideoCaptureDeviceRemoved) as well; a reader
/// does not pass that on. Look for devices again then, and open the one that has the same
/// [symbolic link](CaptureDevice::symbolic_link).
///
/// ```no_run
/// use futures::TryStreamExt;
/// use mf_async::com::{CaptureDevice, Platform, StreamIndex};
///
/// # async fn watch() -> mf_async::Result<()> {
/// let platform = Platform::startup()?;
/// let cameras = CaptureDevice::cameras(&platform).await?;
/// let Some(camera) = cameras.first() else { return Ok(()) };
/// println!("{}", camera.name()?);
/// let reader = camera.open_reader().await?;
/// let mut pictures = reader.samples(StreamIndex::FIRST_VIDEO);
/// while let Some(picture) = pictures.try_next().await? {
///     println!("at {} ms", picture.timestamp / 10_000);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[doc(alias = "IMFActivate")]
pub struct CaptureDevice {
    attributes: Mta<IMFAttributes>,
    /// What opens it; without, its attributes do.
    activate: Option<Mta<IMFActivate>>,
    /// Last, so that it is given back last.
    platform: Platform,
}

impl CaptureDevice {
    /// The cameras that there are now. Begins at once.
    ///
    /// # Errors
    /// None here; the operation's are Media Foundation's own. Where there is no camera, the list is empty.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches.
    #[doc(alias = "MFEnumDeviceSources")]
    #[doc(alias = "MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_GUID")]
    #[track_caller]
    pub fn cameras(platform: &Platform) -> Operation<Vec<CaptureDevice>> {
        CaptureDevice::find(platform, MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_GUID, |_| Ok(()))
    }

    /// The microphones, and other devices that record sound, that there are now. Begins at once.
    ///
    /// # Errors
    /// None here; the operation's are Media Foundation's own. Where there is no such device, the list is empty.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches.
    #[doc(alias = "MFEnumDeviceSources")]
    #[doc(alias = "MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_AUDCAP_GUID")]
    #[track_caller]
    pub fn microphones(platform: &Platform) -> Operation<Vec<CaptureDevice>> {
        CaptureDevice::find(platform, MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_AUDCAP_GUID, |_| Ok(()))
    }

    /// The devices of this type that match: `narrow` sets attributes such as
    /// `MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_CATEGORY`. Begins at once.
    ///
    /// # Errors
    /// None here; the operation's are those of `narrow`, and Media Foundation's own.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches.
    #[doc(alias = "MFEnumDeviceSources")]
    #[doc(alias = "MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE")]
    #[track_caller]
    pub fn find(
        platform: &Platform,
        source_type: GUID,
        narrow: impl FnOnce(&IMFAttributes) -> windows::core::Result<()> + Send + 'static,
    ) -> Operation<Vec<CaptureDevice>> {
        let kept = platform.clone();
        offload(platform, "look for capture devices", move || {
            let attributes = kept.create_attributes()?;
            // SAFETY: the key and the value live for the call.
            unsafe { attributes.SetGUID(&MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE, &source_type) }?;
            narrow(&attributes)?;
            let (mut list, mut count) = (std::ptr::null_mut(), 0);
            // SAFETY: the attributes, and both places, live for the call.
            unsafe { MFEnumDeviceSources(&*attributes, &mut list, &mut count) }?;
            // SAFETY: the function has just made it, for its caller.
            let found = unsafe { take_list(&kept, list, count) };
            found.iter().map(|activate| CaptureDevice::from_activate(&kept, activate)).collect()
        })
    }

    /// The camera with this [symbolic link](CaptureDevice::symbolic_link). Whether it is there shows when it is opened.
    ///
    /// # Errors
    /// `E_OUTOFMEMORY`.
    #[doc(alias = "MFCreateDeviceSource")]
    pub fn camera(platform: &Platform, symbolic_link: impl Into<HSTRING>) -> Result<CaptureDevice> {
        let (link, attributes) = (symbolic_link.into(), platform.create_attributes()?);
        let (camera, key) = (
            MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_GUID,
            MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_SYMBOLIC_LINK,
        );
        // SAFETY: all keys and values live for the calls.
        unsafe {
            attributes.SetGUID(&MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE, &camera)?;
            attributes.SetString(&key, &link)?;
        }
        Ok(CaptureDevice { attributes, activate: None, platform: platform.clone() })
    }

    /// The device that this activation object stands for.
    ///
    /// # Errors
    /// `E_NOINTERFACE` for one that has no attributes, which each must have.
    pub fn from_activate(platform: &Platform, activate: &Mta<IMFActivate>) -> Result<CaptureDevice> {
        let activate = platform.keep(activate.clone());
        let attributes = activate.cast()?;
        Ok(CaptureDevice { attributes, activate: Some(activate), platform: platform.clone() })
    }

    /// What the device is called, for people.
    ///
    /// # Errors
    /// `MF_E_ATTRIBUTENOTFOUND` when it has no name.
    #[doc(alias = "MF_DEVSOURCE_ATTRIBUTE_FRIENDLY_NAME")]
    pub fn name(&self) -> Result<String> {
        text_of(&self.attributes, &MF_DEVSOURCE_ATTRIBUTE_FRIENDLY_NAME)
    }

    /// What a camera is called, for programs: the same whenever it is plugged in at the same place.
    ///
    /// # Errors
    /// `MF_E_ATTRIBUTENOTFOUND` for what is not a camera.
    #[doc(alias = "MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_SYMBOLIC_LINK")]
    pub fn symbolic_link(&self) -> Result<String> {
        text_of(&self.attributes, &MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_SYMBOLIC_LINK)
    }

    /// What a microphone is called, for programs.
    ///
    /// # Errors
    /// `MF_E_ATTRIBUTENOTFOUND` for what is not a microphone.
    #[doc(alias = "MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_AUDCAP_ENDPOINT_ID")]
    pub fn endpoint_id(&self) -> Result<String> {
        text_of(&self.attributes, &MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_AUDCAP_ENDPOINT_ID)
    }

    /// Opens the device, and reads from it. Dropping the reader closes the device. Begins at once.
    ///
    /// # Errors
    /// None here; the operation's are the device's: `E_ACCESSDENIED` when the user does not allow it, `MF_E_VIDEO_RECORDING_DEVICE_INVALIDATED`
    /// when it is gone, `MF_E_HW_MFT_FAILED_START_STREAMING` when the hardware lacks the resources.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches, and a device that is opened all the same is closed.
    #[track_caller]
    pub fn open_reader(&self) -> Operation<SourceReader> {
        self.open_reader_with(|_| Ok(()))
    }

    /// As [`open_reader`](CaptureDevice::open_reader), with attributes for the reader, such as
    /// `MF_SOURCE_READER_D3D_MANAGER` or `MF_SOURCE_READER_ENABLE_ADVANCED_VIDEO_PROCESSING`. Begins at once.
    ///
    /// # Errors
    /// As [`open_reader`](CaptureDevice::open_reader); those of `prepare`.
    ///
    /// # Cancel safety
    /// As [`open_reader`](CaptureDevice::open_reader).
    #[track_caller]
    pub fn open_reader_with(
        &self,
        prepare: impl FnOnce(&IMFAttributes) -> windows::core::Result<()> + Send + 'static,
    ) -> Operation<SourceReader> {
        let device = self.clone();
        offload(&self.platform, "open a capture device", move || {
            let source = device.open()?;
            let reader = SourceReader::create_with(&device.platform, |attributes| {
                prepare(attributes)?;
                // SAFETY: both objects live for the call, and the reader is Media Foundation's own.
                unsafe { Ok(Mta::new(MFCreateSourceReaderFromMediaSource(&**source, attributes)?)) }
            })?;
            // From now on the reader shuts it down.
            let _source = source.into_inner();
            Ok(reader)
        })
    }

    /// Opens the device as a media source, for a session, a capture engine or a reader. Begins at once.
    ///
    /// Each call opens it anew. An activation object that lacks `DetachObject`, as it may, gives the same source again until that
    /// is shut down.
    ///
    /// # Errors
    /// As [`open_reader`](CaptureDevice::open_reader).
    ///
    /// # Cancel safety
    /// As [`open_reader`](CaptureDevice::open_reader).
    #[doc(alias = "ActivateObject")]
    #[track_caller]
    pub fn open_source(&self) -> Operation<CaptureSource> {
        let device = self.clone();
        offload(&self.platform, "open a capture device", move || device.open())
    }

    /// What the device is known by, for attributes that have no method here.
    #[must_use]
    pub fn attributes(&self) -> &Mta<IMFAttributes> {
        &self.attributes
    }

    fn open(&self) -> Result<CaptureSource> {
        let Some(activate) = &self.activate else {
            // SAFETY: the attributes live for the call.
            return Ok(self.opened(unsafe { MFCreateDeviceSource(&*self.attributes) }?));
        };
        // SAFETY: needs nothing.
        let mut source = unsafe { activate.ActivateObject::<IMFMediaSource>() }?;
        // SAFETY: needs nothing.
        if unsafe { source.GetCharacteristics() }.is_err_and(|error| error.code() == MF_E_SHUTDOWN) {
            // The former one, from an object that could not be detached.
            // SAFETY: needs nothing.
            source = unsafe { activate.ShutdownObject().and_then(|()| activate.ActivateObject()) }?;
        }
        // Else the activation object would give this one again.
        // SAFETY: needs nothing. It need not be implemented, so an error says nothing.
        let _ = unsafe { activate.DetachObject() };
        Ok(self.opened(source))
    }

    fn opened(&self, source: IMFMediaSource) -> CaptureSource {
        // SAFETY: a media source must be free-threaded or neutral, as the page *Media Foundation and COM* says.
        CaptureSource { source: Some(self.platform.keep(unsafe { Mta::new(source) })) }
    }
}

impl fmt::Debug for CaptureDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureDevice").field("name", &self.name().ok()).finish_non_exhaustive()
    }
}

/// A device that is open, as a media source. Dropping it shuts the source down, on a work queue, and so closes the
/// device.
///
/// What reads from the source shuts it down itself, as a reader and a capture engine do: give it to them by
/// [`into_inner`](CaptureSource::into_inner).
pub struct CaptureSource {
    source: Option<Mta<IMFMediaSource>>,
}

impl CaptureSource {
    /// The source, which must be shut down by `Shutdown` in the end.
    #[must_use]
    pub fn into_inner(mut self) -> Mta<IMFMediaSource> {
        self.source.take().expect("it is there until the end")
    }
}

impl Deref for CaptureSource {
    type Target = Mta<IMFMediaSource>;

    fn deref(&self) -> &Mta<IMFMediaSource> {
        self.source.as_ref().expect("it is there until the end")
    }
}

impl Drop for CaptureSource {
    fn drop(&mut self) {
        if let Some(source) = self.source.take() {
            // Elsewhere: it waits for the device. If it cannot, Media Foundation is shut down.
            let _ = put_once(QueueId::MULTITHREADED, move || {
                // SAFETY: needs nothing. An error says that it was shut down before.
                let _ = unsafe { source.Shutdown() };
            });
        }
    }
}

impl fmt::Debug for CaptureSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureSource").finish_non_exhaustive()
    }
}
