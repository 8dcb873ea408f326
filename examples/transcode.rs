//! Writes the sound of any file that the system can read into a new WAV file. Windows only.
//!
//! ```text
//! cargo run --example transcode -- tone.mp3 tone.wav
//! ```

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Runtime::new()?.block_on(windows_only::run())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example needs Windows: it reads and writes with the system's Media Foundation");
}

#[cfg(windows)]
#[allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "all it does is fill in a media type and an attribute"
)]
mod windows_only {
    use futures::TryStreamExt;
    use mf_async::com::{Mta, Platform, SinkWriter, SourceReader, StreamIndex};
    use windows::Win32::Media::MediaFoundation::*;
    use windows::core::HSTRING;

    pub(crate) async fn run() -> Result<(), Box<dyn std::error::Error>> {
        let mut files = std::env::args_os().skip(1);
        let (Some(from), Some(to)) = (files.next(), files.next()) else {
            return Err("usage: transcode IN OUT.wav".into());
        };
        let platform = Platform::startup()?;
        let reader = SourceReader::open(&platform, from.as_os_str()).await?;
        let sound = StreamIndex::FIRST_AUDIO;
        let pcm = platform.create_media_type(MFMediaType_Audio, MFAudioFormat_PCM)?;
        unsafe { pcm.SetUINT32(&MF_MT_AUDIO_BITS_PER_SAMPLE, 16) }?;
        reader.set_media_type(sound, &pcm)?;
        // Now it has all that belongs to it: rate, channels, sizes.
        let pcm = reader.media_type(sound)?;

        let to = HSTRING::from(to.as_os_str());
        let writer = SinkWriter::open_with(&platform, move |attributes| unsafe {
            attributes.SetGUID(&MF_TRANSCODE_CONTAINERTYPE, &MFTranscodeContainerType_WAVE)?;
            Ok(Mta::new(MFCreateSinkWriterFromURL(&to, None::<&IMFByteStream>, attributes)?))
        })
        .await?;
        let stream = writer.add_stream(&pcm)?;
        writer.set_input_media_type(stream, &pcm).await?;
        writer.begin_writing().await?;

        let (mut count, mut samples) = (0, reader.samples(sound));
        while let Some(read) = samples.try_next().await? {
            let Some(sample) = read.sample else { continue };
            writer.write_sample(stream, &sample)?;
            count += 1;
            // No more than so many wait to be written.
            if count % 64 == 0 {
                writer.place_marker(stream).await?;
            }
        }
        writer.finalize().await?;
        println!("{count} samples");
        Ok(())
    }
}
