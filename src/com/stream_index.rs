//! `StreamIndex`: the number of a stream, for readers, writers and sources.

use std::fmt;

/// The number by which a source reader, a sink writer and a media source know a stream, counted from zero.
///
/// A reader and a writer also take numbers that stand for streams. A call that has no use for one of these answers
/// `MF_E_INVALIDSTREAMNUMBER`. All methods take a plain `u32` as well.
///
/// A transform names its streams by *identifiers*, which need not be counted: they are not of this type.
///
/// ```
/// use mf_async::com::StreamIndex;
///
/// assert_eq!(StreamIndex::from(1), StreamIndex(1));
/// assert_eq!(StreamIndex::ALL, 0xFFFF_FFFE);
/// assert_eq!(format!("{} {}", StreamIndex::FIRST_AUDIO, StreamIndex(1)), "FIRST_AUDIO 1");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamIndex(
    /// The number, as Windows headers write it.
    pub u32,
);

impl StreamIndex {
    /// Of a reader: the first stream that holds sound.
    #[doc(alias = "MF_SOURCE_READER_FIRST_AUDIO_STREAM")]
    pub const FIRST_AUDIO: StreamIndex = StreamIndex(0xFFFF_FFFD);
    /// Of a reader: the first stream that holds pictures.
    #[doc(alias = "MF_SOURCE_READER_FIRST_VIDEO_STREAM")]
    pub const FIRST_VIDEO: StreamIndex = StreamIndex(0xFFFF_FFFC);
    /// For a read: the stream that has a sample next. The same number as [`ALL`](StreamIndex::ALL).
    #[doc(alias = "MF_SOURCE_READER_ANY_STREAM")]
    pub const ANY: StreamIndex = StreamIndex(0xFFFF_FFFE);
    /// Every stream: for a flush, a selection, the end of a segment.
    #[doc(alias = "MF_SOURCE_READER_ALL_STREAMS")]
    #[doc(alias = "MF_SINK_WRITER_ALL_STREAMS")]
    pub const ALL: StreamIndex = StreamIndex(0xFFFF_FFFE);
    /// Not a stream but the source that a reader reads: an event that is about the source has this number.
    #[doc(alias = "MF_SOURCE_READER_MEDIASOURCE")]
    pub const MEDIA_SOURCE: StreamIndex = StreamIndex(0xFFFF_FFFF);

    /// Whether it stands for one stream that the number does not name: the streams must be asked which.
    pub(crate) fn is_first_of_a_kind(self) -> bool {
        self == StreamIndex::FIRST_AUDIO || self == StreamIndex::FIRST_VIDEO
    }
}

impl From<u32> for StreamIndex {
    fn from(number: u32) -> StreamIndex {
        StreamIndex(number)
    }
}

impl PartialEq<u32> for StreamIndex {
    fn eq(&self, number: &u32) -> bool {
        self.0 == *number
    }
}

impl fmt::Display for StreamIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            StreamIndex::FIRST_AUDIO => f.write_str("FIRST_AUDIO"),
            StreamIndex::FIRST_VIDEO => f.write_str("FIRST_VIDEO"),
            StreamIndex::ALL => f.write_str("ALL"),
            StreamIndex::MEDIA_SOURCE => f.write_str("MEDIA_SOURCE"),
            StreamIndex(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Debug for StreamIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
