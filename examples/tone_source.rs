//! A media source of one's own, as a virtual camera has one, played by the system's reader. Windows only.
//!
//! ```text
//! cargo run --example tone_source
//! ```
//!
//! It prints: `20 samples, 352800 bytes, 2000 ms`

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(tokio::runtime::Runtime::new()?.block_on(windows_only::run())?)
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example needs Windows: the system's Media Foundation plays the source");
}

#[cfg(windows)]
#[allow(unsafe_code, reason = "the attributes of a media type are set by unsafe methods")]
mod windows_only {
    use futures::{TryStreamExt, stream};
    use mf_async::com::{Mta, Platform, SourceReader, StreamIndex, media_source};
    use windows::Win32::Media::MediaFoundation::*;

    pub(crate) async fn run() -> mf_async::Result<()> {
        let platform = Platform::startup()?;
        // Two seconds of a tone, a tenth of a second each.
        let kept = platform.clone();
        let tone = stream::iter((0..20).map(move |i| kept.create_sample(&tone(i), i * 1_000_000, 1_000_000)));
        let source = media_source(&platform, &pcm(&platform)?, tone)?;

        let reader = SourceReader::from_media_source(&platform, &source).await?;
        let (mut count, mut bytes, mut samples) = (0, 0, reader.samples(StreamIndex::FIRST_AUDIO));
        while let Some(sample) = samples.try_next().await? {
            (count, bytes) = (count + 1, bytes + sample.to_vec()?.len());
        }
        println!("{count} samples, {bytes} bytes, {} ms", bytes * 10 / 1_764);
        Ok(())
    }

    /// One tenth of a second: 4,410 frames of two channels of 16 bits.
    fn tone(tenth: i64) -> Vec<u8> {
        let frames = tenth * 4_410..(tenth + 1) * 4_410;
        let value = |frame: i64| (frame as f64 * 440.0 * std::f64::consts::TAU / 44_100.0).sin() * 8_000.0;
        frames.flat_map(|frame| (value(frame) as i16).to_le_bytes().repeat(2)).collect()
    }

    fn pcm(platform: &Platform) -> mf_async::Result<Mta<IMFMediaType>> {
        let kind = platform.create_media_type(MFMediaType_Audio, MFAudioFormat_PCM)?;
        for (key, value) in [
            (MF_MT_AUDIO_NUM_CHANNELS, 2),
            (MF_MT_AUDIO_SAMPLES_PER_SECOND, 44_100),
            (MF_MT_AUDIO_BITS_PER_SAMPLE, 16),
            (MF_MT_AUDIO_BLOCK_ALIGNMENT, 4),
            (MF_MT_AUDIO_AVG_BYTES_PER_SECOND, 176_400),
            (MF_MT_ALL_SAMPLES_INDEPENDENT, 1),
        ] {
            // SAFETY: the key lives for the call.
            unsafe { kind.SetUINT32(&key, value) }?;
        }
        Ok(kind)
    }
}
