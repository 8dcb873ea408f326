//! Shows the work queues at work: runs the media source of `wav_meter` on a tone and writes what every queue did
//! as a trace for Chrome's or Perfetto's viewer and as a picture, a lane per queue.
//!
//! ```text
//! cargo run --release --features tracing --example timeline [FOLDER]
//! ```
//!
//! It writes `timeline.json` and `timeline.svg` into the folder, `target` if none is named, and prints how many
//! callbacks ran: `timeline: 3 queues, 42 callbacks`.

#[path = "wav_meter/format.rs"]
#[allow(dead_code)]
mod format;
#[path = "timeline/lanes.rs"]
mod lanes;
#[path = "wav_meter/riff.rs"]
#[allow(dead_code)]
mod riff;
#[path = "wav_meter/samples.rs"]
mod samples;
#[path = "wav_meter/source.rs"]
#[allow(dead_code)]
mod source;
#[path = "wav_meter/tone.rs"]
mod tone;
#[path = "wav_meter/wav.rs"]
#[allow(dead_code)]
mod wav;
#[path = "wav_meter/wav_error.rs"]
mod wav_error;

use std::path::PathBuf;
use std::sync::Arc;

use mf_async::{
    AccessMode, AsyncResult, EventStream, FileFlags, MediaEventType, OpenMode, Platform, QueueId,
};
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "target".into()));
    let lanes = lanes::Lanes::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lanes.clone()))?;

    let tone = tone::ToneFile::create()?;
    let platform = Platform::startup()?;
    play(&platform, &tone).instrument(tracing::info_span!("the program")).await?;
    platform.shutdown().await?;

    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("timeline.json"), lanes.to_chrome())?;
    std::fs::write(folder.join("timeline.svg"), lanes.to_svg())?;
    println!("timeline: {}", lanes.summary());
    Ok(())
}

/// The road of `wav_meter`, with a serial queue that "draws", and a timer beside it.
async fn play(platform: &Platform, tone: &tone::ToneFile) -> Result<(), Box<dyn std::error::Error>> {
    let file = platform
        .open_file(AccessMode::Read, OpenMode::FailIfNotExist, FileFlags::empty(), tone.path())
        .await?;
    let source = source::WavSource::new(platform, Arc::new(file))?;
    let drawing = platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?;
    let clock = platform.add_periodic_callback(|| ())?;
    let mut events = EventStream::lossless(&source)?;
    source.request_sample();
    while let Some(event) = events.next().await {
        let event = event?;
        if event.event_type() == MediaEventType::MEEndOfStream {
            break;
        }
        // A callback, as a C++ program would put one.
        let draw = Arc::new(move |_: &AsyncResult| {
            std::hint::black_box(
                event.value().as_object::<Vec<f32>>().map(|samples| samples.iter().sum::<f32>()),
            );
        });
        drawing.put(draw, None)?;
        source.request_sample();
    }
    drawing.barrier().await?;
    platform.remove_periodic_callback(clock)?;
    Ok(())
}
