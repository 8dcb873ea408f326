//! `ByteStreamCapabilities`: what a byte stream can do.

use std::fmt;

use bitflags::bitflags;

use crate::error::{Error, Hresult, Result};

bitflags! {
    /// What a byte stream can do, with Media Foundation's values.
    #[doc(alias = "MFBYTESTREAM_CAPABILITIES")]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ByteStreamCapabilities: u32 {
        /// It can be read.
        #[doc(alias = "MFBYTESTREAM_IS_READABLE")]
        const READABLE = 0x001;
        /// It can be written.
        #[doc(alias = "MFBYTESTREAM_IS_WRITABLE")]
        const WRITABLE = 0x002;
        /// Its position can be set.
        #[doc(alias = "MFBYTESTREAM_IS_SEEKABLE")]
        const SEEKABLE = 0x004;
        /// It comes from another machine.
        #[doc(alias = "MFBYTESTREAM_IS_REMOTE")]
        const REMOTE = 0x008;
        /// It stands for a folder.
        #[doc(alias = "MFBYTESTREAM_IS_DIRECTORY")]
        const DIRECTORY = 0x080;
        /// Seeking may take long.
        #[doc(alias = "MFBYTESTREAM_HAS_SLOW_SEEK")]
        const HAS_SLOW_SEEK = 0x100;
        /// It is being downloaded to a local cache.
        #[doc(alias = "MFBYTESTREAM_IS_PARTIALLY_DOWNLOADED")]
        const PARTIALLY_DOWNLOADED = 0x200;
        /// Others may write to it, so that its length may change.
        #[doc(alias = "MFBYTESTREAM_SHARE_WRITE")]
        const SHARE_WRITE = 0x400;
        /// It needs no network.
        #[doc(alias = "MFBYTESTREAM_DOES_NOT_USE_NETWORK")]
        const DOES_NOT_USE_NETWORK = 0x800;
        // Bits without a name are kept.
        const _ = !0;
    }
}

/// `E_ACCESSDENIED` unless the stream can do what is asked.
pub(super) fn require(
    has: ByteStreamCapabilities,
    wanted: ByteStreamCapabilities,
    what: &dyn fmt::Display,
) -> Result<()> {
    if has.contains(wanted) {
        return Ok(());
    }
    let verb = if wanted == ByteStreamCapabilities::READABLE { "read" } else { "written" };
    Err(Error::new(Hresult::E_ACCESSDENIED, format!("{what} cannot be {verb}")))
}
