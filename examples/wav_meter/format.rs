//! What the samples of a WAV file mean, as its `fmt ` chunk says.

use crate::wav_error::WavError;

/// The meaning of the bytes in a `data` chunk.
///
/// Each value keeps to this: `channels` and `rate` are not 0, and `sample_bytes` is 1 to 4 for
/// integers, 4 or 8 for floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WavFormat {
    /// Integers or floats.
    pub(crate) encoding: Encoding,
    /// Samples per frame.
    pub(crate) channels: u16,
    /// Frames per second.
    pub(crate) rate: u32,
    /// Bytes a sample takes in the file.
    pub(crate) sample_bytes: u8,
    /// How many bits of those carry the signal: the upper ones, if not all.
    pub(crate) bits: u8,
}

/// How a sample is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Two's complement, except that samples of one byte are unsigned with 128 as silence.
    Integer,
    /// IEEE 754, full scale at 1.0.
    Float,
}

impl WavFormat {
    /// As much of a `fmt ` chunk as [`parse`](Self::parse) ever looks at.
    pub(crate) const CHUNK_BYTES: usize = 40;

    /// Reads the body of a `fmt ` chunk; bytes beyond the first 40 don't matter.
    pub(crate) fn parse(chunk: &[u8]) -> Result<Self, WavError> {
        if chunk.len() < 16 {
            return bad(format!("{} bytes instead of 16 or more", chunk.len()));
        }
        let channels = u16_at(chunk, 2);
        let rate = u32_at(chunk, 4);
        let frame_bytes = u16_at(chunk, 12);
        let container_bits = u16_at(chunk, 14);

        let (tag, bits) = match u16_at(chunk, 0) {
            EXTENSIBLE if chunk.len() < Self::CHUNK_BYTES => {
                return bad(format!("{} bytes instead of the 40 of an extensible format", chunk.len()));
            }
            EXTENSIBLE => {
                let valid = u16_at(chunk, 18);
                // Some writers leave the valid bits 0 to say "all".
                (sub_format(chunk)?, if valid == 0 { container_bits } else { valid })
            }
            tag => (tag, container_bits),
        };
        let encoding = match tag {
            PCM => Encoding::Integer,
            FLOAT => Encoding::Float,
            tag => return Err(WavError::Codec { tag }),
        };

        if channels == 0 || rate == 0 {
            return bad(format!("{channels} channels at {rate} Hz"));
        }
        let sample_bytes = sample_bytes(encoding, container_bits, frame_bytes, channels)?;
        let room = 8 * sample_bytes;
        let bits = if encoding == Encoding::Float { room } else { bits.min(room) };
        Ok(Self { encoding, channels, rate, sample_bytes: sample_bytes as u8, bits: bits as u8 })
    }

    /// Bytes per frame: one sample of every channel.
    pub(crate) fn frame_bytes(&self) -> usize {
        usize::from(self.channels) * usize::from(self.sample_bytes)
    }
}

/// How far apart samples are. The bits say it where they fill bytes, because a wrong block align is more common than
/// samples with gaps; 24 bits may lie in 4 bytes, and what fills no bytes lies where the block align says.
fn sample_bytes(encoding: Encoding, bits: u16, block_align: u16, channels: u16) -> Result<u16, WavError> {
    let per_sample = if block_align % channels == 0 { block_align / channels } else { 0 };
    match (encoding, bits) {
        (Encoding::Integer, 24) if per_sample == 4 => Ok(4),
        (Encoding::Integer, 8 | 16 | 24 | 32) | (Encoding::Float, 32 | 64) => Ok(bits / 8),
        (Encoding::Integer, 9..32) if (bits.div_ceil(8)..=4).contains(&per_sample) => Ok(per_sample),
        (Encoding::Integer, 9..32) => {
            let right = u32::from(channels) * u32::from(bits.div_ceil(8));
            bad(format!(
                "the block align is {block_align} bytes, and should be {right} for {channels} channels of {bits} bits"
            ))
        }
        (Encoding::Integer, _) => bad(format!("integer samples of {bits} bits")),
        (Encoding::Float, _) => bad(format!("float samples of {bits} bits")),
    }
}

fn bad<T>(what: String) -> Result<T, WavError> {
    Err(WavError::BadFormat(what))
}

/// The format tag inside a sub-format GUID.
fn sub_format(chunk: &[u8]) -> Result<u16, WavError> {
    let mut guid = [0; 16];
    guid.copy_from_slice(&chunk[24..40]);
    if guid[2..] == MEDIA_TAIL || guid[2..] == AMBISONIC_TAIL {
        Ok(u16_at(&guid, 0))
    } else {
        Err(WavError::SubFormat { guid })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

const PCM: u16 = 0x0001;
const FLOAT: u16 = 0x0003;
const EXTENSIBLE: u16 = 0xFFFE;

/// `xxxxxxxx-0000-0010-8000-00AA00389B71`: every registered format tag is a GUID too.
const MEDIA_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// `xxxxxxxx-0721-11D3-8644-C8C1CA000000`: the same tags in ambisonic files (`.amb`).
const AMBISONIC_TAIL: [u8; 14] = [0, 0, 0x21, 0x07, 0xD3, 0x11, 0x86, 0x44, 0xC8, 0xC1, 0xCA, 0, 0, 0];
