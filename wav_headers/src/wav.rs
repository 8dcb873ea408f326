//! `Wav`: a recording under construction, chunk by chunk, with every field where it can be overwritten.

use crate::figures::Figures;

/// The bytes of a recording.
#[derive(Clone)]
pub(crate) struct Wav {
    pub(crate) bytes: Vec<u8>,
}

impl Wav {
    pub(crate) fn new() -> Wav {
        Wav { bytes: b"RIFF\x04\0\0\0WAVE".to_vec() }
    }

    /// Adds a chunk, padded to an even size, and counts it in the size of the whole.
    pub(crate) fn chunk(mut self, id: &[u8; 4], body: &[u8]) -> Wav {
        self.bytes.extend_from_slice(id);
        self.bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(2), 0);
        let riff = self.bytes.len() as u32 - 8;
        self.with_u32(4, riff)
    }

    pub(crate) fn with_u16(mut self, at: usize, value: u16) -> Wav {
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn with_u32(mut self, at: usize, value: u32) -> Wav {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self
    }
}

/// What the samples are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) tag: u16,
    pub(crate) channels: u16,
    pub(crate) bits: u16,
    /// Bytes that a sample takes.
    pub(crate) sample_bytes: u16,
}

impl Format {
    pub(crate) fn new(tag: u16, channels: u16, bits: u16) -> Format {
        Format { tag, channels, bits, sample_bytes: bits.div_ceil(8) }
    }

    /// The body of its `fmt ` chunk.
    pub(crate) fn fmt(&self) -> Vec<u8> {
        let frame = self.channels * self.sample_bytes;
        let mut body = Vec::new();
        body.extend_from_slice(&self.tag.to_le_bytes());
        body.extend_from_slice(&self.channels.to_le_bytes());
        body.extend_from_slice(&RATE.to_le_bytes());
        body.extend_from_slice(&(RATE * u32::from(frame)).to_le_bytes());
        body.extend_from_slice(&frame.to_le_bytes());
        body.extend_from_slice(&self.bits.to_le_bytes());
        body
    }

    /// The same as an extensible format.
    pub(crate) fn extensible(&self, valid: u16) -> Vec<u8> {
        let mut body = Format { tag: 0xFFFE, ..*self }.fmt();
        body.extend_from_slice(&22_u16.to_le_bytes());
        body.extend_from_slice(&valid.to_le_bytes());
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&self.tag.to_le_bytes());
        body.extend_from_slice(b"\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71");
        body
    }

    /// So many frames of noise.
    pub(crate) fn audio(&self, frames: usize) -> Vec<u8> {
        let mut audio = Vec::new();
        self.noise(frames).for_each(|value| self.sample(value, &mut audio));
        audio
    }

    /// The figures of so many frames of noise.
    pub(crate) fn figures(&self, frames: usize) -> Figures {
        Figures::of_raw(
            &self.noise(frames).flat_map(|value| (value as f32).to_le_bytes()).collect::<Vec<_>>(),
        )
    }

    /// Noise, each channel half as loud as the one before.
    fn noise(&self, frames: usize) -> impl Iterator<Item = f64> + use<> {
        let (mut seed, channels) = (0x2545_F491_4F6C_DD1D_u64, usize::from(self.channels));
        (0..frames * channels).map(move |number| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let noise = (seed >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
            noise / f64::from(1 << (number % channels).min(8))
        })
    }

    fn sample(&self, value: f64, audio: &mut Vec<u8>) {
        match (self.tag, self.sample_bytes) {
            (FLOAT, 8) => audio.extend_from_slice(&value.to_le_bytes()),
            (FLOAT, _) => audio.extend_from_slice(&(value as f32).to_le_bytes()),
            (_, 1) => audio.push(((value * 127.0) as i8 as u8) ^ 0x80),
            (_, bytes) => {
                let scaled = (value * 2_147_483_647.0) as i32;
                audio.extend_from_slice(&scaled.to_le_bytes()[4 - usize::from(bytes.min(4))..]);
            }
        }
    }
}

pub(crate) const PCM: u16 = 1;
pub(crate) const FLOAT: u16 = 3;
const RATE: u32 = 48_000;
