//! The skeleton of a RIFF file: its header, and where a chunk lies.

use std::ops::RangeInclusive;

use crate::{format::WavFormat, wav_error::WavError};

/// A chunk, without its bytes.
#[derive(Clone, Copy)]
pub(crate) struct Chunk {
    /// Its name, `fmt ` for one.
    pub(crate) id: [u8; 4],
    /// Where its body starts in the file.
    pub(crate) start: u64,
    /// Bytes in its body; `None` for "until the file ends".
    pub(crate) size: Option<u64>,
}

impl Chunk {
    /// Where its body ends.
    pub(crate) fn end(&self) -> Option<u64> {
        self.size.map(|size| self.start.saturating_add(size))
    }

    /// Where the next chunk starts: chunks are padded to an even size.
    pub(crate) fn next(&self) -> Option<u64> {
        self.size.map(|size| self.start.saturating_add(size).saturating_add(size % 2))
    }

    /// How much of its body is worth gathering: never more than a few bytes, independent of the size in its header.
    pub(crate) fn body_bytes(&self) -> usize {
        let most = if self.id == *b"ds64" { DS64_BYTES } else { WavFormat::CHUNK_BYTES };
        upto(self.size, 0, most)
    }

    /// The error of a file that ends at `position`, inside this chunk.
    pub(crate) fn missing(&self, position: u64) -> Option<WavError> {
        let promised = self.size?;
        let present = position.saturating_sub(self.start);
        (present < promised).then(|| match self.has_name() {
            true => WavError::Truncated { chunk: self.id, promised, present },
            false => WavError::NoChunk { offset: self.start - CHUNK_HEADER as u64 },
        })
    }

    /// Whether its name can be one.
    pub(crate) fn has_name(&self) -> bool {
        self.id.iter().all(|byte| (b' '..=b'~').contains(byte))
    }
}

/// How many of `len` bytes at `position` lie before `end`.
pub(crate) fn upto(end: Option<u64>, position: u64, len: usize) -> usize {
    end.map_or(len, |end| usize::try_from(end.saturating_sub(position)).map_or(len, |left| left.min(len)))
}

/// The size in a header, unless it is one that writers leave there when they can't come back to fill in the
/// true one: 0, or as much as they think a file can have, less some headers.
pub(crate) fn promised(size: u32) -> Option<u64> {
    let placeholder = size == 0 || ABOUT_2_GIB.contains(&size) || size >= NEARLY_4_GIB;
    (!placeholder).then_some(u64::from(size))
}

/// Accepts the beginning of a RIFF or RF64 file, be it only a few bytes of it.
pub(crate) fn check_riff(head: &[u8]) -> Result<(), WavError> {
    let len = head.len().min(4);
    if [b"RIFF", b"RF64", b"BW64"].iter().any(|magic| magic.starts_with(&head[..len])) {
        return Ok(());
    }
    let mut start = [0; 4];
    start[..len].copy_from_slice(&head[..len]);
    Err(WavError::NotRiff { start, len })
}

/// The chunk name at `at`.
pub(crate) fn id_at(bytes: &[u8], at: usize) -> [u8; 4] {
    [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
}

/// The number at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(id_at(bytes, at))
}

/// `RIFF`, a size, `WAVE`.
pub(crate) const RIFF_HEADER: usize = 12;

/// A name and a size.
pub(crate) const CHUNK_HEADER: usize = 8;

/// `ds64` starts with the sizes of the file and of `data`; what follows isn't needed.
pub(crate) const DS64_BYTES: usize = 16;

/// `sox -t wav -` (14.4.2) writes 0x7FFFF000 to a pipe, and reads it as "until the file ends"; `arecord -t wav`
/// (alsa-utils 1.2) writes 0x80000000. Both add the headers for the size of the file. Others write the largest number.
const ABOUT_2_GIB: RangeInclusive<u32> = 0x7FFF_F000..=0x8000_0100;

/// Others write -1, or -1 less the headers.
const NEARLY_4_GIB: u32 = 0xFFFF_F000;
