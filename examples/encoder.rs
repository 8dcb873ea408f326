//! Finds an asynchronous H.264 encoder, in hardware if there is one, and encodes two seconds of pictures. Windows only.
//!
//! ```text
//! cargo run --example encoder
//! ```

#[cfg(windows)]
fn main() -> mf_async::Result<()> {
    tokio::runtime::Runtime::new().expect("a runtime starts").block_on(windows_only::run())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example needs Windows: it encodes with the system's Media Foundation");
}

#[cfg(windows)]
#[allow(unsafe_code, clippy::undocumented_unsafe_blocks, reason = "all it does is fill in media types")]
mod windows_only {
    use futures::{SinkExt, StreamExt, TryStreamExt};
    use mf_async::com::{AsyncTransform, FindTransforms, Platform};
    use windows::Win32::Media::MediaFoundation::*;

    const WIDTH: u64 = 320;
    const HEIGHT: u64 = 240;
    const PICTURES: i64 = 60;

    pub(crate) async fn run() -> mf_async::Result<()> {
        let platform = Platform::startup()?;
        let encoders = FindTransforms::new(MFT_CATEGORY_VIDEO_ENCODER)
            .output(MFMediaType_Video, MFVideoFormat_H264)
            .find(&platform)
            .await?;
        let Some(found) = encoders.first() else {
            println!("no asynchronous encoder");
            return Ok(());
        };
        println!("{found:?}, hardware: {}", found.is_hardware());
        let encoder = found.open().await?;
        set_types(&platform, &encoder)?;

        let (handle, (mut input, output)) = (encoder.handle(), encoder.split());
        let put = async {
            for index in 0..PICTURES {
                if index == PICTURES / 2 {
                    handle.force_key_frame()?;
                }
                // A grey picture: brightness for each pixel, then half as much colour.
                let grey = vec![(index * 4) as u8; (WIDTH * HEIGHT) as usize];
                let colour = vec![128; (WIDTH * HEIGHT / 2) as usize];
                let time = index * 10_000_000 / 30;
                let picture = platform.create_sample(&[grey, colour].concat(), time, 10_000_000 / 30)?;
                input.send(picture).await?;
            }
            input.close().await
        };
        let take = output.try_fold((0, 0), async |(count, bytes), encoded| {
            let is_key = unsafe { encoded.GetUINT32(&MFSampleExtension_CleanPoint) }.unwrap_or(0) == 1;
            if is_key {
                println!("picture {count} is a key frame");
            }
            Ok((count + 1, bytes + encoded.to_vec()?.len()))
        });
        let (put, taken) = tokio::join!(put, take);
        let (count, bytes) = put.and(taken)?;
        println!("{count} pictures, {bytes} bytes");
        Ok(())
    }

    /// The output type first, as encoders want it.
    fn set_types(platform: &Platform, encoder: &AsyncTransform) -> mf_async::Result<()> {
        let h264 = platform.create_media_type(MFMediaType_Video, MFVideoFormat_H264)?;
        let nv12 = platform.create_media_type(MFMediaType_Video, MFVideoFormat_NV12)?;
        for of in [&h264, &nv12] {
            unsafe {
                of.SetUINT64(&MF_MT_FRAME_SIZE, WIDTH << 32 | HEIGHT)?;
                of.SetUINT64(&MF_MT_FRAME_RATE, 30 << 32 | 1)?;
                of.SetUINT32(&MF_MT_INTERLACE_MODE, MFVideoInterlace_Progressive.0 as u32)?;
            }
        }
        unsafe {
            h264.SetUINT32(&MF_MT_AVG_BITRATE, 1_000_000)?;
            encoder.as_com().SetOutputType(0, h264.as_ref(), 0)?;
            encoder.as_com().SetInputType(0, nv12.as_ref(), 0)?;
        }
        Ok(())
    }
}
