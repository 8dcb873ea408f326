//! Lists cameras and microphones, and reads some pictures of the first camera. Windows only.
//!
//! ```text
//! cargo run --example camera
//! ```

#[cfg(windows)]
fn main() -> mf_async::Result<()> {
    tokio::runtime::Runtime::new().expect("a runtime starts").block_on(windows_only::run())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example needs Windows: it uses the system's Media Foundation");
}

#[cfg(windows)]
mod windows_only {
    use futures::{StreamExt, TryStreamExt};
    use mf_async::com::{CaptureDevice, Platform, StreamIndex};

    pub(crate) async fn run() -> mf_async::Result<()> {
        let platform = Platform::startup()?;
        for microphone in CaptureDevice::microphones(&platform).await? {
            println!("microphone: {}", microphone.name()?);
        }
        let cameras = CaptureDevice::cameras(&platform).await?;
        for camera in &cameras {
            println!("camera: {}", camera.name()?);
        }
        let Some(camera) = cameras.first() else {
            println!("no camera");
            return Ok(());
        };

        let reader = camera.open_reader().await?;
        let mut pictures = reader.samples(StreamIndex::FIRST_VIDEO).take(30);
        let mut count = 0;
        loop {
            match pictures.try_next().await {
                Ok(Some(picture)) => count += usize::from(picture.sample.is_some()),
                Ok(None) => break,
                Err(lost) if lost.is_device_lost() => {
                    println!("the camera is lost: {lost}");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        println!("{count} pictures");
        Ok(())
    }
}
