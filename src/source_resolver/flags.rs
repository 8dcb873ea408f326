//! `ResolutionFlags`: what a resolver is to make, and how.

use bitflags::bitflags;

use crate::error::{Error, Hresult, Result};

bitflags! {
    /// What a resolver is to make, and how, with Media Foundation's values.
    #[doc(alias = "MF_RESOLUTION_FLAGS")]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ResolutionFlags: u32 {
        /// A media source.
        #[doc(alias = "MF_RESOLUTION_MEDIASOURCE")]
        const MEDIA_SOURCE = 0x1;
        /// A byte stream.
        #[doc(alias = "MF_RESOLUTION_BYTESTREAM")]
        const BYTE_STREAM = 0x2;
        /// If the handlers for the content type and the extension fail, all others are asked. Not together with
        /// `KEEP_BYTE_STREAM_ALIVE_ON_FAIL`.
        #[doc(alias = "MF_RESOLUTION_CONTENT_DOES_NOT_HAVE_TO_MATCH_EXTENSION_OR_MIME_TYPE")]
        const CONTENT_DOES_NOT_HAVE_TO_MATCH = 0x10;
        /// The caller's byte stream is not closed when no media source can be made of it, and is where it was.
        #[doc(alias = "MF_RESOLUTION_KEEP_BYTE_STREAM_ALIVE_ON_FAIL")]
        const KEEP_BYTE_STREAM_ALIVE_ON_FAIL = 0x20;
        /// Accepted and without effect, because every handler is registered by the program.
        #[doc(alias = "MF_RESOLUTION_DISABLE_LOCAL_PLUGINS")]
        const DISABLE_LOCAL_PLUGINS = 0x40;
        /// To be read; the default.
        #[doc(alias = "MF_RESOLUTION_READ")]
        const READ = 0x1_0000;
        /// To be written.
        #[doc(alias = "MF_RESOLUTION_WRITE")]
        const WRITE = 0x2_0000;
        // Bits without a name are passed to the handlers.
        const _ = !0;
    }
}

impl ResolutionFlags {
    pub(super) fn check(self) -> Result<()> {
        let exclusive =
            ResolutionFlags::CONTENT_DOES_NOT_HAVE_TO_MATCH | ResolutionFlags::KEEP_BYTE_STREAM_ALIVE_ON_FAIL;
        if self.contains(exclusive) {
            let what = format!("resolve with {self:?}: {exclusive:?} exclude each other");
            return Err(Error::new(Hresult::MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS, what));
        }
        let wanted = self & (ResolutionFlags::MEDIA_SOURCE | ResolutionFlags::BYTE_STREAM);
        if wanted == ResolutionFlags::MEDIA_SOURCE || wanted == ResolutionFlags::BYTE_STREAM {
            return Ok(());
        }
        let what = format!("resolve with {self:?}: ask for exactly one of MEDIA_SOURCE and BYTE_STREAM");
        Err(Error::new(Hresult::MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS, what))
    }
}
