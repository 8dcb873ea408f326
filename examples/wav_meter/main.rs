//! Meters a WAV file: a media source reads it through an asynchronous byte stream and posts its samples as media
//! events; a loop awaits the events and draws a level meter for each channel, then what the file holds.
//!
//! ```text
//! cargo run --release --example wav_meter [FILE]
//! ```
//!
//! Without a file it makes three seconds of tone and meters those. On a terminal a live meter moves below the lines, in
//! colours unless `NO_COLOR` is set; the tone is metered at the pace of a player there. The last line is for programs:
//! `wav: channels=2 rate=48000 bits=16 frames=144000 peak_dbfs=-0.00 rms_dbfs=-9.55`. What is wrong with a file is
//! reported in one line on standard error, and the exit code is 1.

mod bars;
mod format;
mod level;
mod live;
mod meter;
mod riff;
mod samples;
mod screen;
mod source;
mod summary;
mod tone;
mod wav;
mod wav_error;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mf_async::byte_stream::{AccessMode, ByteStreamFromIo, FileFlags, OpenMode};
use mf_async::{ByteStream, EventStream, MediaEventType, Platform};
use tokio::time::{Instant, sleep_until};

use crate::{
    bars::Bars,
    live::Live,
    meter::Meter,
    screen::Screen,
    source::{Started, WavSource},
    tone::ToneFile,
};

#[tokio::main]
async fn main() -> ExitCode {
    let mut tone = None;
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => match ToneFile::create() {
            Ok(file) => tone.insert(file).path().to_owned(),
            Err(error) => {
                eprintln!("wav_meter: make a temporary file: {error}");
                return ExitCode::FAILURE;
            }
        },
    };
    let outcome = meter_file(&path, tone.is_some()).await;
    drop(tone);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("wav_meter: {}: {reason}", path.display());
            ExitCode::FAILURE
        }
    }
}

async fn meter_file(path: &Path, is_tone: bool) -> Result<(), Box<dyn std::error::Error>> {
    let platform = Platform::startup()?;
    let metered = meter_on(&platform, path, is_tone).await;
    platform.shutdown().await?;
    metered
}

async fn meter_on(platform: &Platform, path: &Path, is_tone: bool) -> Result<(), Box<dyn std::error::Error>> {
    let source = WavSource::new(platform, open(platform, path).await?)?;
    let mut events = EventStream::lossless(&source)?;
    let mut screen = Screen::new();
    let mut meters = None;
    // A tone that is over in no time is nothing to look at.
    let paced = (is_tone && screen.moves() && io::stdout().is_terminal()).then(Instant::now);

    // Two requests on their way: while one sample is metered, the next is read.
    source.request_sample();
    source.request_sample();
    let failed = loop {
        let event = events.next().await.ok_or("the source went away")??;
        match event.event_type() {
            MediaEventType::MEStreamStarted => {
                let Some(Started { format, frames }) = event.value().as_object().copied() else { continue };
                let bars = |terminal| Bars::choose(terminal, |name| std::env::var(name).ok());
                let meter = Meter::new(format, frames, bars(io::stdout().is_terminal()));
                meters = Some((meter, Live::new(format, frames, bars(screen.moves()))));
            }
            MediaEventType::MEMediaSample => {
                let Some(((meter, live), samples)) =
                    meters.as_mut().zip(event.value().as_object::<Vec<f32>>())
                else {
                    continue;
                };
                for samples in samples.chunks(live.samples_per_picture()) {
                    meter.push(samples, &mut |line| screen.line(line));
                    live.push(samples);
                    screen.paint(|| live.picture());
                    if let Some(start) = paced {
                        sleep_until(start + Duration::from_secs_f64(live.seconds())).await;
                    }
                }
            }
            MediaEventType::MEEndOfStream => break None,
            _ => break Some(event.value().as_str().unwrap_or("the source failed").to_owned()),
        }
        source.request_sample();
    };

    screen.done();
    // What could be read of a file that breaks off is reported all the same.
    if let Some((meter, _)) = meters {
        let summary = meter.finish(&mut |line| screen.line(line));
        screen.line(&summary.to_string());
        screen.line(&summary.machine_line());
    }
    screen.written()?;
    failed.map_or(Ok(()), |reason| Err(reason.into()))
}

/// The file as a byte stream; a pipe, which has no length and cannot seek, and a file that hides its length, by way of
/// tokio.
async fn open(platform: &Platform, path: &Path) -> Result<Arc<dyn ByteStream>, Box<dyn std::error::Error>> {
    if tokio::fs::metadata(path).await.is_ok_and(|metadata| !metadata.is_file() || metadata.len() == 0) {
        let pipe = tokio::fs::File::open(path).await?;
        return Ok(Arc::new(ByteStreamFromIo::reader(platform, pipe)));
    }
    let flags = FileFlags::empty();
    Ok(Arc::new(platform.open_file(AccessMode::Read, OpenMode::FailIfNotExist, flags, path).await?))
}
