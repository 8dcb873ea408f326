//! Objects that Media Foundation itself makes and that are free-threaded for certain, made without `unsafe`.

use windows::Win32::Foundation::E_POINTER;
use windows::Win32::Media::MediaFoundation::{
    IMFAttributes, IMFByteStream, IMFMediaBuffer, IMFMediaEventQueue, IMFMediaSession, IMFMediaType,
    IMFSample, IMFSourceResolver, MF_ACCESSMODE_READ, MF_FILEFLAGS_NONE, MF_MT_MAJOR_TYPE, MF_MT_SUBTYPE,
    MF_OPENMODE_FAIL_IF_NOT_EXIST, MFCreateAttributes, MFCreateEventQueue, MFCreateFile,
    MFCreateMediaSession, MFCreateMediaType, MFCreateMemoryBuffer, MFCreateSample, MFCreateSourceResolver,
};
use windows::core::{GUID, HSTRING, Interface};

use crate::com::offload::offload;
use crate::com::{Mta, Platform};
use crate::error::{Error, Hresult, Result};
use crate::operation::Operation;

/// What Media Foundation makes. Each keeps it started.
impl Platform {
    /// A media type of these: `MFMediaType_Audio` and `MFAudioFormat_PCM`, for example. All else is to be set.
    ///
    /// # Errors
    /// `E_OUTOFMEMORY`.
    #[doc(alias = "MFCreateMediaType")]
    pub fn create_media_type(&self, major: GUID, subtype: GUID) -> Result<Mta<IMFMediaType>> {
        // SAFETY: both keys and both values live for the calls.
        unsafe {
            let made = self.made(MFCreateMediaType()?);
            made.SetGUID(&MF_MT_MAJOR_TYPE, &major)?;
            made.SetGUID(&MF_MT_SUBTYPE, &subtype)?;
            Ok(made)
        }
    }

    /// An empty store of attributes.
    ///
    /// # Errors
    /// `E_OUTOFMEMORY`.
    #[doc(alias = "MFCreateAttributes")]
    pub fn create_attributes(&self) -> Result<Mta<IMFAttributes>> {
        let mut made = None;
        // SAFETY: takes where to store the new object.
        unsafe { MFCreateAttributes(&mut made, 4) }?;
        Ok(self.made(made.ok_or_else(|| windows::core::Error::from(E_POINTER))?))
    }

    /// A sample with one buffer, which holds a copy of these bytes; `time` and `duration` are in units of 100 ns.
    ///
    /// ```no_run
    /// # fn silence(platform: &mf_async::com::Platform) -> mf_async::Result<()> {
    /// let sample = platform.create_sample(&[0; 1764], 0, 100_000)?; // 10 ms of CD sound
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `E_OUTOFMEMORY`; `E_INVALIDARG` for 4 GiB and more.
    #[doc(alias = "MFCreateSample")]
    pub fn create_sample(&self, bytes: &[u8], time: i64, duration: i64) -> Result<Mta<IMFSample>> {
        let buffer = self.create_memory_buffer(bytes)?;
        // SAFETY: the buffer lives for the call, and the rest takes numbers.
        unsafe {
            let made = self.made(MFCreateSample()?);
            made.AddBuffer(&*buffer)?;
            made.SetSampleTime(time)?;
            made.SetSampleDuration(duration)?;
            Ok(made)
        }
    }

    /// A buffer that holds a copy of these bytes.
    ///
    /// # Errors
    /// `E_OUTOFMEMORY`; `E_INVALIDARG` for 4 GiB and more.
    #[doc(alias = "MFCreateMemoryBuffer")]
    pub fn create_memory_buffer(&self, bytes: &[u8]) -> Result<Mta<IMFMediaBuffer>> {
        let length = u32::try_from(bytes.len()).map_err(|_| {
            Error::new(Hresult::E_INVALIDARG, format!("make a buffer of {} bytes", bytes.len()))
        })?;
        // SAFETY: takes a number.
        let made = self.made(unsafe { MFCreateMemoryBuffer(length) }?);
        let mut place = std::ptr::null_mut();
        // SAFETY: takes a place that lives for the call.
        unsafe { made.Lock(&mut place, None, None) }?;
        if !place.is_null() {
            // SAFETY: a locked buffer has room for what it was made for; it is new, so nothing else uses it.
            unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
        // SAFETY: it is locked, and takes a number that is no more than it has room for.
        unsafe { made.Unlock().and_then(|()| made.SetCurrentLength(length)) }?;
        Ok(made)
    }

    /// A queue of events, for an object of one's own that sends them.
    ///
    /// # Errors
    /// `E_OUTOFMEMORY`.
    #[doc(alias = "MFCreateEventQueue")]
    pub fn create_event_queue(&self) -> Result<Mta<IMFMediaEventQueue>> {
        // SAFETY: needs nothing.
        Ok(self.made(unsafe { MFCreateEventQueue() }?))
    }

    /// A media session, without a configuration. Shut it down before it is released.
    ///
    /// # Errors
    /// Media Foundation's own.
    #[doc(alias = "MFCreateMediaSession")]
    pub fn create_media_session(&self) -> Result<Mta<IMFMediaSession>> {
        // SAFETY: takes no configuration.
        Ok(self.made(unsafe { MFCreateMediaSession(None::<&IMFAttributes>) }?))
    }

    /// A file to read, as a byte stream. Opened on a thread of its own, since that may take long; begins at once.
    ///
    /// # Errors
    /// None here; the operation's are those of the file, `ERROR_FILE_NOT_FOUND` for example.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches.
    #[doc(alias = "MFCreateFile")]
    #[track_caller]
    pub fn open_file(&self, path: impl Into<HSTRING>) -> Operation<Mta<IMFByteStream>> {
        let (path, platform) = (path.into(), self.clone());
        offload(self, "open a file", move || {
            let (access, mode) = (MF_ACCESSMODE_READ, MF_OPENMODE_FAIL_IF_NOT_EXIST);
            // SAFETY: the name lives for the call.
            Ok(platform.made(unsafe { MFCreateFile(access, mode, MF_FILEFLAGS_NONE, &path) }?))
        })
    }

    /// A resolver of URLs and byte streams to media sources.
    ///
    /// # Errors
    /// `E_OUTOFMEMORY`.
    #[doc(alias = "MFCreateSourceResolver")]
    pub fn create_source_resolver(&self) -> Result<Mta<IMFSourceResolver>> {
        // SAFETY: needs nothing.
        Ok(self.made(unsafe { MFCreateSourceResolver() }?))
    }

    /// For the objects of this file only.
    fn made<I: Interface>(&self, made: I) -> Mta<I> {
        // SAFETY: of the objects made here the page *Media Foundation and COM* says that they are thread-safe, and Media
        // Foundation passes them between its threads; they were just made in this process.
        self.keep(unsafe { Mta::new(made) })
    }
}
