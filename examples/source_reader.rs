//! Decodes any file that the system can read, and measures how loud it is. Windows only.
//!
//! ```text
//! cargo run --example source_reader -- tone.mp3
//! ```

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Runtime::new()?.block_on(windows_only::run())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example needs Windows: it reads with the system's Media Foundation");
}

#[cfg(windows)]
#[allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "all it does is ask and fill in a media type"
)]
mod windows_only {
    use futures::TryStreamExt;
    use mf_async::com::{Mta, Platform, SourceReader, StreamIndex};
    use windows::Win32::Media::MediaFoundation::*;

    pub(crate) async fn run() -> Result<(), Box<dyn std::error::Error>> {
        let file = std::env::args_os().nth(1).ok_or("usage: source_reader FILE")?;
        let platform = Platform::startup()?;
        let reader = SourceReader::open(&platform, file.as_os_str()).await?;

        // Sound as 16-bit samples; the reader finds the decoder.
        let sound = StreamIndex::FIRST_AUDIO;
        reader.set_media_type(sound, &pcm()?)?;
        let format = reader.media_type(sound)?;
        let channels = unsafe { format.GetUINT32(&MF_MT_AUDIO_NUM_CHANNELS) }?;
        let rate = unsafe { format.GetUINT32(&MF_MT_AUDIO_SAMPLES_PER_SECOND) }?;

        let mut level = Level::default();
        let mut samples = reader.samples(sound);
        while let Some(sample) = samples.try_next().await? {
            level.add(&sample.to_vec()?);
        }
        println!(
            "wav: channels={channels} rate={rate} bits=16 frames={} peak_dbfs={:.2} rms_dbfs={:.2}",
            level.count / u64::from(channels.max(1)),
            level.peak_dbfs(),
            level.rms_dbfs(),
        );
        Ok(())
    }

    fn pcm() -> windows::core::Result<Mta<IMFMediaType>> {
        unsafe {
            let pcm = MFCreateMediaType()?;
            pcm.SetGUID(&MF_MT_MAJOR_TYPE, &MFMediaType_Audio)?;
            pcm.SetGUID(&MF_MT_SUBTYPE, &MFAudioFormat_PCM)?;
            pcm.SetUINT32(&MF_MT_AUDIO_BITS_PER_SAMPLE, 16)?;
            Ok(Mta::new(pcm))
        }
    }

    /// How loud 16-bit samples are, full scale being 1.0.
    #[derive(Default)]
    struct Level {
        count: u64,
        peak: f64,
        squares: f64,
    }

    impl Level {
        fn add(&mut self, bytes: &[u8]) {
            for sample in bytes.chunks_exact(2) {
                let sample = f64::from(i16::from_le_bytes([sample[0], sample[1]])) / 32_768.0;
                self.count += 1;
                self.peak = self.peak.max(sample.abs());
                self.squares += sample * sample;
            }
        }

        fn peak_dbfs(&self) -> f64 {
            20.0 * self.peak.log10()
        }

        fn rms_dbfs(&self) -> f64 {
            10.0 * (self.squares / self.count.max(1) as f64).log10()
        }
    }
}
