//! What a read of a source reader brings.

use bitflags::bitflags;
use windows::Win32::Media::MediaFoundation::{IMFMediaEvent, IMFSample};

use crate::com::{Mta, StreamIndex};
use crate::error::Result;

/// What a read brought.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// The stream it is from.
    pub stream_index: StreamIndex,
    /// What happened on the stream.
    pub flags: SampleFlags,
    /// When it is to be presented, in units of 100 ns; in a gap, where that begins.
    pub timestamp: i64,
    /// The sample; none at the end of the stream and in a gap.
    pub sample: Option<Mta<IMFSample>>,
}

impl Sample {
    /// Whether the stream has ended; further reads give nothing but this.
    #[must_use]
    pub fn is_end_of_stream(&self) -> bool {
        self.flags.contains(SampleFlags::END_OF_STREAM)
    }

    /// A copy of the sample's bytes; none if there is no sample. [`buffers`](Mta::buffers) copies nothing.
    ///
    /// # Errors
    /// Those of the sample's buffers.
    #[doc(alias = "ConvertToContiguousBuffer")]
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        self.sample.as_ref().map_or_else(|| Ok(Vec::new()), |sample| sample.to_vec())
    }

    /// Neither a sample nor anything to say but, perhaps, that the stream has ended.
    pub(super) fn is_nothing(&self) -> bool {
        self.sample.is_none() && (self.flags - SampleFlags::END_OF_STREAM).is_empty()
    }
}

bitflags! {
    /// What happened on a stream, with Media Foundation's values.
    #[doc(alias = "MF_SOURCE_READER_FLAG")]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SampleFlags: u32 {
        /// An error, which a read ends with; the reader takes no call after it.
        #[doc(alias = "MF_SOURCE_READERF_ERROR")]
        const ERROR = 0x1;
        /// The stream has ended.
        #[doc(alias = "MF_SOURCE_READERF_ENDOFSTREAM")]
        const END_OF_STREAM = 0x2;
        /// There are new streams.
        #[doc(alias = "MF_SOURCE_READERF_NEWSTREAM")]
        const NEW_STREAM = 0x4;
        /// The type in which the source has the stream changed.
        #[doc(alias = "MF_SOURCE_READERF_NATIVEMEDIATYPECHANGED")]
        const NATIVE_MEDIA_TYPE_CHANGED = 0x10;
        /// The type in which samples come changed.
        #[doc(alias = "MF_SOURCE_READERF_CURRENTMEDIATYPECHANGED")]
        const CURRENT_MEDIA_TYPE_CHANGED = 0x20;
        /// A gap.
        #[doc(alias = "MF_SOURCE_READERF_STREAMTICK")]
        const STREAM_TICK = 0x100;
        /// All effects were removed.
        #[doc(alias = "MF_SOURCE_READERF_ALLEFFECTSREMOVED")]
        const ALL_EFFECTS_REMOVED = 0x200;
        // Bits that have no name are carried along unharmed.
        const _ = !0;
    }
}

/// An event of a source.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SourceReaderEvent {
    /// The stream that it is about, or [`MEDIA_SOURCE`](StreamIndex::MEDIA_SOURCE).
    pub stream_index: StreamIndex,
    /// The event.
    pub event: Mta<IMFMediaEvent>,
}
