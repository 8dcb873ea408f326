//! `FindTransforms`: a search for asynchronous transforms, such as hardware encoders, and their opening.

use std::fmt;

use windows::Win32::Media::MediaFoundation::{
    IMFActivate, IMFTransform, MFT_ENUM_FLAG, MFT_ENUM_FLAG_ASYNCMFT, MFT_ENUM_FLAG_HARDWARE,
    MFT_ENUM_FLAG_LOCALMFT, MFT_ENUM_FLAG_SORTANDFILTER, MFT_ENUM_HARDWARE_URL_Attribute,
    MFT_FRIENDLY_NAME_Attribute, MFT_REGISTER_TYPE_INFO, MFTEnumEx,
};
use windows::core::GUID;

use crate::com::activation::{take_list, text_of};
use crate::com::offload::offload;
use crate::com::{AsyncTransform, Mta, Platform};
use crate::error::Result;
use crate::operation::Operation;

/// A search for transforms (MFTs) by what they do and what they take and give.
///
/// Without other [`flags`](FindTransforms::flags) it finds the asynchronous ones, in software, in hardware and those
/// that this process has registered, the best first.
///
/// ```no_run
/// use futures::{SinkExt, StreamExt};
/// use mf_async::com::{FindTransforms, Mta, Platform};
/// use windows::Win32::Media::MediaFoundation::*;
///
/// # async fn encode(nv12: Mta<IMFMediaType>, h264: Mta<IMFMediaType>, picture: Mta<IMFSample>) -> mf_async::Result<()> {
/// let platform = Platform::startup()?;
/// let encoders = FindTransforms::new(MFT_CATEGORY_VIDEO_ENCODER)
///     .output(MFMediaType_Video, MFVideoFormat_H264)
///     .find(&platform)
///     .await?;
/// let Some(encoder) = encoders.first() else { return Ok(()) };
/// let mut encoder = encoder.open().await?;
/// // SAFETY: both types live for the calls. An encoder wants its output type first.
/// unsafe {
///     encoder.as_com().SetOutputType(0, h264.as_ref(), 0)?;
///     encoder.as_com().SetInputType(0, nv12.as_ref(), 0)?;
/// }
/// encoder.force_key_frame()?;
/// encoder.send(picture).await?;
/// encoder.close().await?;
/// while let Some(encoded) = encoder.next().await {
///     println!("{} bytes", encoded?.to_vec()?.len());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "MFTEnumEx")]
#[must_use = "it finds nothing before `find` is called"]
pub struct FindTransforms {
    category: GUID,
    input: Option<MFT_REGISTER_TYPE_INFO>,
    output: Option<MFT_REGISTER_TYPE_INFO>,
    flags: MFT_ENUM_FLAG,
}

impl FindTransforms {
    /// Transforms of this category, `MFT_CATEGORY_VIDEO_ENCODER` for example.
    #[doc(alias = "MFT_CATEGORY")]
    pub fn new(category: GUID) -> FindTransforms {
        let kinds = MFT_ENUM_FLAG_ASYNCMFT | MFT_ENUM_FLAG_HARDWARE | MFT_ENUM_FLAG_LOCALMFT;
        FindTransforms { category, input: None, output: None, flags: kinds | MFT_ENUM_FLAG_SORTANDFILTER }
    }

    /// Only those that take this type.
    #[doc(alias = "MFT_REGISTER_TYPE_INFO")]
    pub fn input(mut self, major: GUID, subtype: GUID) -> FindTransforms {
        self.input = Some(MFT_REGISTER_TYPE_INFO { guidMajorType: major, guidSubtype: subtype });
        self
    }

    /// Only those that give this type.
    pub fn output(mut self, major: GUID, subtype: GUID) -> FindTransforms {
        self.output = Some(MFT_REGISTER_TYPE_INFO { guidMajorType: major, guidSubtype: subtype });
        self
    }

    /// Which kinds, and in what order, instead. Those of `MFT_ENUM_FLAG_SYNCMFT` cannot be [opened](FoundTransform::open) here: they
    /// have no events to await.
    #[doc(alias = "MFT_ENUM_FLAG")]
    pub fn flags(mut self, flags: MFT_ENUM_FLAG) -> FindTransforms {
        self.flags = flags;
        self
    }

    /// Looks for them, on a thread of its own. Begins at once.
    ///
    /// # Errors
    /// None here; the operation's are Media Foundation's own. Where there is none, the list is empty.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches.
    #[track_caller]
    #[must_use = "await it for what was found"]
    pub fn find(self, platform: &Platform) -> Operation<Vec<FoundTransform>> {
        let kept = platform.clone();
        offload(platform, "look for transforms", move || {
            let (mut list, mut count) = (std::ptr::null_mut(), 0);
            let [input, output] = [&self.input, &self.output].map(|of| of.as_ref().map(std::ptr::from_ref));
            // SAFETY: the types, and both places, live for the call.
            unsafe { MFTEnumEx(self.category, self.flags, input, output, &mut list, &mut count) }?;
            // SAFETY: the function has just made it, for its caller.
            let found = unsafe { take_list(&kept, list, count) };
            Ok(found.into_iter().map(|activate| FoundTransform::new(&kept, activate)).collect())
        })
    }
}

/// A transform that was found, and can be opened.
#[derive(Clone)]
#[doc(alias = "IMFActivate")]
pub struct FoundTransform {
    activate: Mta<IMFActivate>,
    /// Last, so that it is given back last.
    platform: Platform,
}

impl FoundTransform {
    /// The transform that this activation object makes.
    #[must_use]
    pub fn new(platform: &Platform, activate: Mta<IMFActivate>) -> FoundTransform {
        FoundTransform { activate: platform.keep(activate), platform: platform.clone() }
    }

    /// What it is called, for people.
    ///
    /// # Errors
    /// `MF_E_ATTRIBUTENOTFOUND` when it has no name.
    #[doc(alias = "MFT_FRIENDLY_NAME_Attribute")]
    pub fn name(&self) -> Result<String> {
        text_of(&self.activate, &MFT_FRIENDLY_NAME_Attribute)
    }

    /// Whether it is hardware.
    #[doc(alias = "MFT_ENUM_HARDWARE_URL_Attribute")]
    #[must_use]
    pub fn is_hardware(&self) -> bool {
        text_of(&self.activate, &MFT_ENUM_HARDWARE_URL_Attribute).is_ok()
    }

    /// Makes the transform and unlocks it, on a thread of its own, as a driver may be loaded. Begins at once.
    ///
    /// Each call makes another. An activation object that lacks `DetachObject`, as it may, has one at a time: while one
    /// is open, the next call fails with `MF_E_MULTIPLE_SUBSCRIBERS`.
    ///
    /// # Errors
    /// None here; the operation's are the transform's own, `MF_E_HW_MFT_FAILED_START_STREAMING` for example, and those of
    /// [`AsyncTransform::new`].
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches, and a transform that comes of it all the same is shut down.
    #[doc(alias = "ActivateObject")]
    #[track_caller]
    pub fn open(&self) -> Operation<AsyncTransform> {
        let (activate, platform) = (self.activate.clone(), self.platform.clone());
        offload(&self.platform, "open a transform", move || {
            // SAFETY: needs nothing. A transform is of the multithreaded apartment, as the page *Media Foundation and COM*
            // says, and so is this thread.
            let transform = unsafe { Mta::new(activate.ActivateObject::<IMFTransform>()?) };
            let opened = AsyncTransform::new(&platform, transform);
            // The next is to be another, if that is implemented.
            // SAFETY: needs nothing.
            let detached = opened.is_ok() && unsafe { activate.DetachObject() }.is_ok();
            if opened.is_err() {
                // SAFETY: needs nothing. There is nothing to be done about an error.
                let _ = unsafe { activate.ShutdownObject() };
            }
            Ok(opened?.made_by((!detached).then_some(activate)))
        })
    }

    /// The activation object itself, for what has no method here.
    #[must_use]
    pub fn as_com(&self) -> &Mta<IMFActivate> {
        &self.activate
    }
}

impl fmt::Debug for FoundTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoundTransform").field("name", &self.name().ok()).finish_non_exhaustive()
    }
}
