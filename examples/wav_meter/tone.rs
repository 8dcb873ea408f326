//! Three seconds of test tone as a WAV file, for a run without a recording.

use std::{
    f64::consts::TAU,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A temporary file that holds the tone, and is removed when this is dropped.
pub(crate) struct ToneFile {
    path: PathBuf,
}

impl ToneFile {
    /// Writes the file, under a name that no other file has.
    pub(crate) fn create() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("wav_meter-{}-{count}.wav", process::id()));
        // `create_new`: what already lies under that name isn't ours to write through.
        let file = File::create_new(&path)?;
        let this = Self { path };
        let mut file = BufWriter::new(file);
        write_tone(&mut file)?;
        file.flush()?;
        Ok(this)
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ToneFile {
    fn drop(&mut self) {
        // Nothing can be done about a temporary file that won't go.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes a stereo WAV file, 48 kHz, 16 bit: a sweep from 100 Hz to 6.4 kHz on the left that swells and
/// fades, and a 1 kHz tone on the right that comes in four beats.
pub(crate) fn write_tone(out: &mut impl Write) -> io::Result<()> {
    let data_bytes = FRAMES * FRAME_BYTES;
    out.write_all(b"RIFF")?;
    out.write_all(&(36 + data_bytes).to_le_bytes())?;
    out.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x02\0")?; // 16 bytes: PCM, 2 channels
    out.write_all(&RATE.to_le_bytes())?;
    out.write_all(&(RATE * FRAME_BYTES).to_le_bytes())?;
    out.write_all(b"\x04\0\x10\0data")?; // 4 bytes per frame, 16 bits per sample
    out.write_all(&data_bytes.to_le_bytes())?;

    for frame in 0..FRAMES {
        let time = f64::from(frame) / f64::from(RATE);
        let part = f64::from(frame) / f64::from(FRAMES);
        // The phase of a sweep is the integral of its frequency, which doubles six times.
        let octaves = 6.0;
        let phase = 100.0 * SECONDS / (octaves * 2_f64.ln()) * ((octaves * part).exp2() - 1.0);
        let left = (TAU * phase).sin() * swell(part);
        let right = (TAU * 1000.0 * time).sin() * swell((4.0 * part).fract()).powi(2) * 0.5;
        for sample in [left, right] {
            out.write_all(&((sample * f64::from(i16::MAX)).round() as i16).to_le_bytes())?;
        }
    }
    Ok(())
}

/// From silence to full scale and back while `part` goes from 0 to 1.
fn swell(part: f64) -> f64 {
    (1.0 - (TAU * part).cos()) / 2.0
}

const RATE: u32 = 48_000;
const SECONDS: f64 = 3.0;
const FRAMES: u32 = 3 * RATE;
const FRAME_BYTES: u32 = 4;
