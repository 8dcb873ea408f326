//! Shows the work queues at work: records the media source of `wav_meter` on a tone, and writes what every queue did
//! as a picture, a lane per queue, and as a trace for Perfetto's viewer.
//!
//! Run: `cargo run --release --features timeline --example timeline [FOLDER]`. It writes `timeline.svg` and
//! `timeline.json` into the folder, `target` if none is named, and prints what it saw:
//! ```text
//! timeline: … queues, … callbacks
//! ```

#[path = "wav_meter/format.rs"]
#[allow(dead_code)]
mod format;
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

use mf_async::byte_stream::{AccessMode, FileFlags, OpenMode};
use mf_async::{AsyncResult, EventStream, MediaEventType, Platform, QueueId, timeline};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "target".into()));
    std::fs::create_dir_all(&folder)?;
    let timeline = timeline::record();
    play(&timeline).await?;
    timeline.write_perfetto(folder.join("timeline.json"))?;
    std::fs::write(
        folder.join("timeline.svg"),
        timeline.svg("A media source reads a WAV file, a sample per request"),
    )?;
    let lanes = timeline.lanes();
    let callbacks: usize = lanes.iter().map(|lane| lane.calls().count()).sum();
    println!("timeline: {} queues, {callbacks} callbacks", lanes.len());
    Ok(())
}

/// What is recorded: the road of `wav_meter`, with a serial queue that "draws", and a timer beside it.
async fn play(timeline: &timeline::Timeline) -> Result<(), Box<dyn std::error::Error>> {
    let tone = tone::ToneFile::create()?;
    let platform = Platform::startup()?;
    let file = platform
        .open_file(AccessMode::Read, OpenMode::FailIfNotExist, FileFlags::empty(), tone.path())
        .await?;
    let source = source::WavSource::new(&platform, Arc::new(file))?;
    let drawing = platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?;
    timeline.name(&drawing, "serial (drawing)");
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
        drawing.put(draw)?;
        source.request_sample();
    }
    drawing.barrier().await?;
    platform.remove_periodic_callback(clock)?;
    drop((drawing, source, events));
    platform.shutdown().await?;
    Ok(())
}
