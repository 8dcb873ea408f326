//! `Track`: one of a media source's streams as it was described, and where its samples come from.

use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt};
use windows::Win32::Media::MediaFoundation::{IMFAttributes, IMFMediaType, IMFSample, IMFStreamDescriptor};

use crate::com::Mta;
use crate::error::Result;

/// Where a stream of a media source is to begin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamStart {
    /// The position, in units of 100 ns.
    pub position: i64,
    /// The type that was chosen for the stream.
    pub media_type: Mta<IMFMediaType>,
}

pub(super) type Samples = BoxStream<'static, Result<Mta<IMFSample>>>;

/// How a stream gets its samples.
pub(super) enum Opener {
    Each(Arc<dyn Fn(StreamStart) -> Samples + Send + Sync>),
    /// Used by one future after the other.
    Once(Arc<tokio::sync::Mutex<Samples>>),
}

impl Opener {
    pub(super) fn once(samples: Samples) -> Opener {
        // Polled after its end it still says that it has ended.
        Opener::Once(Arc::new(tokio::sync::Mutex::new(samples.fuse().boxed())))
    }
}

/// One of the streams, as it was described.
pub(super) struct Track {
    pub(super) descriptor: Mta<IMFStreamDescriptor>,
    pub(super) opener: Opener,
    pub(super) attributes: Mta<IMFAttributes>,
}
