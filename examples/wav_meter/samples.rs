//! Bytes of a `data` chunk as numbers: interleaved `f32`, full scale at 1.0.

use crate::format::{Encoding, WavFormat};

/// Appends to `samples` what the whole frames in `frames` say.
///
/// Integers land in -1.0 ..= 1.0, the lowest value on -1.0. Bits of a sample below the format's valid ones
/// count as zero. Floats are passed on as they are, above full scale too, so that a meter shows it;
/// not-a-number becomes silence, and what `f32` can't hold its largest value, so that sums stay sums.
pub(crate) fn decode(format: &WavFormat, frames: &[u8], samples: &mut Vec<f32>) {
    samples.reserve(frames.len() / usize::from(format.sample_bytes));
    // Everything is shifted up to 32 bits first: one scale fits all, one mask cuts what isn't valid.
    let mask = u32::MAX << (32 - u32::from(format.bits).clamp(1, 32));
    let scaled = |bits: u32| ((bits & mask) as i32) as f32 * (1.0 / FULL_SCALE);

    // One loop per width: the choice is made once, not per sample.
    match (format.encoding, format.sample_bytes) {
        (Encoding::Integer, 1) => extend(samples, frames, |[a]: [u8; 1]| {
            scaled(u32::from(a ^ 0x80) << 24) // unsigned, silence at 128
        }),
        (Encoding::Integer, 2) => {
            extend(samples, frames, |[a, b]: [u8; 2]| scaled(u32::from_le_bytes([0, 0, a, b])))
        }
        (Encoding::Integer, 3) => {
            extend(samples, frames, |[a, b, c]: [u8; 3]| scaled(u32::from_le_bytes([0, a, b, c])))
        }
        (Encoding::Integer, _) => extend(samples, frames, |bytes: [u8; 4]| scaled(u32::from_le_bytes(bytes))),
        (Encoding::Float, 8) => extend(samples, frames, |bytes: [u8; 8]| finite(f64::from_le_bytes(bytes))),
        (Encoding::Float, _) => {
            extend(samples, frames, |bytes: [u8; 4]| finite(f64::from(f32::from_le_bytes(bytes))))
        }
    }
}

fn extend<const N: usize>(samples: &mut Vec<f32>, bytes: &[u8], sample: impl Fn([u8; N]) -> f32) {
    // `slice::as_chunks` would do, but is younger than the oldest compiler this has to build with.
    samples.extend(bytes.chunks_exact(N).map(|chunk| {
        let mut array = [0; N];
        array.copy_from_slice(chunk);
        sample(array)
    }));
}

fn finite(sample: f64) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32 }
}

/// 2³¹: one more than the largest 32-bit sample, as `sox` and most of the world have it.
const FULL_SCALE: f32 = 2_147_483_648.0;
