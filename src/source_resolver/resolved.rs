//! `ResolvedObject`: what a resolver made, a media source or a byte stream.

use std::fmt;
use std::sync::Arc;

use crate::async_result::Unknown;
use crate::byte_stream::ByteStream;

/// The object that a resolver made.
#[derive(Clone)]
pub enum ResolvedObject {
    /// A media source, whose type depends on its handler.
    #[doc(alias = "MF_OBJECT_MEDIASOURCE")]
    MediaSource(Unknown),
    /// A byte stream.
    #[doc(alias = "MF_OBJECT_BYTESTREAM")]
    ByteStream(Arc<dyn ByteStream>),
}

impl ResolvedObject {
    /// The media source, if the object is one of this type.
    #[must_use]
    pub fn media_source<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        match self {
            ResolvedObject::MediaSource(source) => source.clone().downcast().ok(),
            ResolvedObject::ByteStream(_) => None,
        }
    }

    /// The byte stream, if the object is one.
    #[must_use]
    pub fn byte_stream(&self) -> Option<&Arc<dyn ByteStream>> {
        match self {
            ResolvedObject::MediaSource(_) => None,
            ResolvedObject::ByteStream(stream) => Some(stream),
        }
    }
}

impl fmt::Debug for ResolvedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResolvedObject::MediaSource(_) => "MediaSource",
            ResolvedObject::ByteStream(_) => "ByteStream",
        })
    }
}
