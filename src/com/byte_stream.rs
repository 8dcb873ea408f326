//! Byte streams in both directions: `IMFByteStream` as a [`ByteStream`](crate::ByteStream), and every byte stream as
//! an `IMFByteStream`.

mod from_com;
mod to_com;

pub use self::from_com::ComByteStream;
pub use self::to_com::{byte_stream_object, byte_stream_object_with};
