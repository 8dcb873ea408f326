//! Seeking: from where, with which flags, and which positions there are.

use bitflags::bitflags;

use crate::error::{Error, Hresult, Result};

bitflags! {
    /// How to seek, with Media Foundation's values.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SeekFlags: u32 {
        /// Cancels what is in flight, all of it, when the seek has succeeded. One read alone is cancelled by what
        /// [`ByteStream::begin_cancellable_read`](crate::ByteStream::begin_cancellable_read) returns.
        #[doc(alias = "MFBYTESTREAM_SEEK_FLAG_CANCEL_PENDING_IO")]
        const CANCEL_PENDING_IO = 0x1;
        // Bits without a name have no effect.
        const _ = !0;
    }
}

/// Where the offset of a seek counts from; Media Foundation has no *end*.
#[doc(alias = "MFBYTESTREAM_SEEK_ORIGIN")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeekOrigin {
    /// From the start of the stream.
    #[doc(alias = "msoBegin")]
    Begin,
    /// From the current position.
    #[doc(alias = "msoCurrent")]
    Current,
}

/// The target of a seek from `position`; `E_INVALIDARG` if it is before the start or past any end.
pub(super) fn seek_target(position: u64, origin: SeekOrigin, offset: i64) -> Result<u64> {
    let from = match origin {
        SeekOrigin::Begin => 0,
        SeekOrigin::Current => position,
    };
    from.checked_add_signed(offset).ok_or_else(|| {
        let what = format!("seek by {offset} from {from}: before the start of the stream, or past any end");
        Error::new(Hresult::E_INVALIDARG, what)
    })
}

/// `E_INVALIDARG` unless a stream of this length may have its position there.
pub(super) fn within(length: u64, position: u64) -> Result<()> {
    if position <= length {
        return Ok(());
    }
    let what = format!("set the position to {position}, past the end of a stream of {length} bytes");
    Err(Error::new(Hresult::E_INVALIDARG, what))
}
