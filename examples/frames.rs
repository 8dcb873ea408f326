//! Reads the pictures of a file line by line, where they are, and says how bright they are. Windows only.
//!
//! ```text
//! cargo run --example frames -- clip.mp4
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
#[allow(unsafe_code, clippy::undocumented_unsafe_blocks, reason = "all it does is ask a media type")]
mod windows_only {
    use futures::TryStreamExt;
    use mf_async::com::{Platform, SourceReader, StreamIndex};
    use windows::Win32::Media::MediaFoundation::*;

    pub(crate) async fn run() -> Result<(), Box<dyn std::error::Error>> {
        let file = std::env::args_os().nth(1).ok_or("usage: frames FILE")?;
        let platform = Platform::startup()?;
        let reader = SourceReader::open(&platform, file.as_os_str()).await?;

        // NV12: first the brightness of every pixel, a byte each, then the colours.
        let pictures = StreamIndex::FIRST_VIDEO;
        reader
            .set_media_type(pictures, &platform.create_media_type(MFMediaType_Video, MFVideoFormat_NV12)?)?;
        let format = reader.media_type(pictures)?;
        let size = unsafe { format.GetUINT64(&MF_MT_FRAME_SIZE) }?;
        let (width, height) = ((size >> 32) as usize, size as u32 as usize);
        let stride = unsafe { format.GetUINT32(&MF_MT_DEFAULT_STRIDE) }.map_or(width as i32, |it| it as i32);

        let (mut frames, mut on_gpu, mut sum) = (0_u64, 0, 0_u64);
        let (mut samples, mut line) = (reader.samples(pictures), vec![0; width]);
        while let Some(read) = samples.try_next().await? {
            let Some(sample) = read.sample else { continue };
            for buffer in sample.buffers()? {
                on_gpu += usize::from(buffer.dxgi_surface().is_ok());
                // The lock is over before the next sample is awaited.
                let locked = buffer.lock_2d(stride)?;
                for number in 0..height {
                    if locked.copy_scan_line(number, &mut line) {
                        sum += line.iter().map(|&pixel| u64::from(pixel)).sum::<u64>();
                    }
                }
            }
            frames += 1;
        }
        let pixels = (frames * (width * height) as u64).max(1);
        println!("{frames} frames of {width} x {height}, {on_gpu} on the GPU, brightness {}", sum / pixels);
        Ok(())
    }
}
