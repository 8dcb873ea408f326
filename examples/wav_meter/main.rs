//! Meters a WAV file: a media source reads it through an asynchronous byte stream and posts its samples as media
//! events; a loop awaits the events and draws a level meter for each channel, then what the file holds.
//!
//! ```text
//! cargo run --release --example wav_meter [FILE]
//! ```
//!
//! Without a file it makes three seconds of tone and meters those. The last line is for programs:
//! `wav: channels=2 rate=48000 bits=16 frames=144000 peak_dbfs=-0.00 rms_dbfs=-9.55`. What is wrong with a file is
//! reported in one line on standard error, and the exit code is 1.

mod bars;
mod format;
mod level;
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

use mf_async::byte_stream::{AccessMode, ByteStreamFromIo, FileFlags, OpenMode};
use mf_async::{ByteStream, EventStream, MediaEventType, Platform};

use crate::{
    bars::Bars,
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
    let outcome = meter_file(&path).await;
    drop(tone);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("wav_meter: {}: {reason}", path.display());
            ExitCode::FAILURE
        }
    }
}

async fn meter_file(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let platform = Platform::startup()?;
    let metered = meter_on(&platform, path).await;
    platform.shutdown().await?;
    metered
}

async fn meter_on(platform: &Platform, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let source = WavSource::new(platform, open(platform, path).await?)?;
    let mut events = EventStream::lossless(&source)?;
    let mut screen = Lines::new(Screen::new(source.length()));
    let mut meter = None;

    // Two requests on their way: while one sample is metered, the next is read.
    source.request_sample();
    source.request_sample();
    let failed = loop {
        let event = events.next().await.ok_or("the source went away")??;
        match event.event_type() {
            MediaEventType::MEStreamStarted => {
                let Some(Started { format, frames }) = event.value().as_object().copied() else { continue };
                meter = Some(Meter::new(format, frames, Bars::detect(io::stdout().is_terminal())));
            }
            MediaEventType::MEMediaSample => {
                if let (Some(meter), Some(samples)) = (&mut meter, event.value().as_object::<Vec<f32>>()) {
                    meter.push(samples, &mut |line| screen.line(line));
                }
                screen.position(source.position());
            }
            MediaEventType::MEEndOfStream => break None,
            _ => break Some(event.value().as_str().unwrap_or("the source failed").to_owned()),
        }
        source.request_sample();
    };

    screen.done();
    // What could be read of a file that breaks off is reported all the same.
    if let Some(meter) = meter {
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

/// The screen, and the first error in writing to it.
struct Lines {
    screen: Screen,
    written: io::Result<()>,
}

impl Lines {
    fn new(screen: Screen) -> Lines {
        Lines { screen, written: Ok(()) }
    }

    fn line(&mut self, line: &str) {
        if self.written.is_ok() {
            self.written = self.screen.line(line);
        }
    }

    fn position(&self, bytes: u64) {
        self.screen.position(bytes);
    }

    fn done(&self) {
        self.screen.done();
    }

    /// Whether everything was written. A reader that closed its pipe has seen what it wanted.
    fn written(self) -> io::Result<()> {
        match self.written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}
