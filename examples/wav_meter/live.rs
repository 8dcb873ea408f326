//! The live meter: a bar for each channel with the peak held, and how far the file has been read.
//!
//! It is plain data: samples go in, and [`Live::picture`] returns the lines to show.

use crate::{
    bars::{Bars, FIGURE, FLOOR, channel_name, clock, figure},
    format::WavFormat,
    level::Level,
};

/// What a terminal shows while a file is read.
pub(crate) struct Live {
    format: WavFormat,
    bars: Bars,
    /// How many seconds the file has, if that is known.
    length: Option<f64>,
    frames: u64,
    channels: Vec<Held>,
}

/// One channel: its level now, and the highest peak of late.
struct Held {
    now: Level,
    peak_dbfs: f64,
    /// When that peak was, in seconds of the file.
    at: f64,
}

impl Live {
    /// A meter for samples of that format. `frames` is how many to expect.
    pub(crate) fn new(format: WavFormat, frames: Option<u64>, bars: Bars) -> Self {
        let silent = || Held { now: Level::default(), peak_dbfs: f64::NEG_INFINITY, at: 0.0 };
        Self {
            format,
            bars,
            length: frames.map(|frames| frames as f64 / f64::from(format.rate)),
            frames: 0,
            channels: (0..usize::from(format.channels).min(SHOWN)).map(|_| silent()).collect(),
        }
    }

    /// Samples in one picture: the meter shows the level of so many.
    pub(crate) fn samples_per_picture(&self) -> usize {
        (self.format.rate as usize / PICTURES_PER_SECOND).max(1) * usize::from(self.format.channels)
    }

    /// Takes in whole frames, which are the level of the next picture.
    pub(crate) fn push(&mut self, samples: &[f32]) {
        let all = usize::from(self.format.channels);
        self.frames += (samples.len() / all) as u64;
        let seconds = self.seconds();
        for (index, channel) in self.channels.iter_mut().enumerate() {
            channel.now = Level::default();
            channel.now.add(samples.iter().skip(index).step_by(all));
            if channel.now.peak_dbfs() >= channel.held(seconds) {
                (channel.peak_dbfs, channel.at) = (channel.now.peak_dbfs(), seconds);
            }
        }
    }

    /// How much of the file was taken in, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(self.format.rate)
    }

    /// The picture: labelled columns, a line for each channel, and the progress.
    pub(crate) fn picture(&self) -> Vec<String> {
        let width = self.bars.columns().saturating_sub(NAME + 4 + 3 * (FIGURE + 1)).clamp(8, 60);
        let key = format!("{FLOOR} to 0 dBFS");
        let heading = ["RMS", "peak", "hold"].map(|what| format!(" {what:>FIGURE$}")).concat();
        let mut picture = vec![format!("  {:<NAME$}  {key:<width$}{heading}", "level")];
        let all = usize::from(self.format.channels);
        for (index, channel) in self.channels.iter().enumerate() {
            let hold = channel.held(self.seconds());
            let bar = self.bars.bar(&channel.now, Some(hold), width);
            let figures = [channel.now.rms_dbfs(), channel.now.peak_dbfs(), hold]
                .map(|dbfs| format!(" {:>FIGURE$}", figure(dbfs)))
                .concat();
            picture.push(format!("  {:<NAME$}  {bar}{figures}", channel_name(index, all)));
        }
        if all > self.channels.len() {
            picture.push(format!("  and {} channels more", all - self.channels.len()));
        }
        picture.push(match self.length {
            Some(length) => {
                let part = if length > 0.0 { self.seconds() / length } else { 1.0 };
                let bar = self.bars.progress(part, width);
                let percent = (part * 100.0).clamp(0.0, 100.0);
                format!("  {:<NAME$}  {bar} {percent:>3.0} %  {}", "read", clock(self.seconds()))
            }
            None => format!("  {:<NAME$}  {}", "read", clock(self.seconds())),
        });
        picture
    }
}

impl Held {
    /// The held peak: it stays for a while, then falls.
    fn held(&self, seconds: f64) -> f64 {
        self.peak_dbfs - FALL * (seconds - self.at - HOLD).max(0.0)
    }
}

/// As many channels as a terminal has room for.
const SHOWN: usize = 8;

const PICTURES_PER_SECOND: usize = 30;

/// How long a peak is held, in seconds.
const HOLD: f64 = 1.5;

/// How fast it falls then, in dB per second.
const FALL: f64 = 20.0;

const NAME: usize = 5;
