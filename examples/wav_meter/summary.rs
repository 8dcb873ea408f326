//! What a meter found out: a table for people, a line for programs.

use crate::{
    bars::{channel_name, clock},
    format::{Encoding, WavFormat},
    level::Level,
};
use std::fmt;

/// Figures of a whole file, or of as much as there was of it.
///
/// `Display` is a table of several lines, without a newline at its end.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// What was metered.
    pub(crate) format: WavFormat,
    /// How many frames there were.
    pub(crate) frames: u64,
    /// All samples of all channels.
    pub(crate) overall: Level,
    /// One per channel.
    pub(crate) channels: Vec<Level>,
}

impl Summary {
    /// Sums up channels that had that many frames each.
    pub(crate) fn new(format: WavFormat, frames: u64, channels: Vec<Level>) -> Self {
        let mut overall = Level::default();
        for channel in &channels {
            overall.merge(channel);
        }
        Self { format, frames, overall, channels }
    }

    /// How long the file plays.
    pub(crate) fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(self.format.rate)
    }

    /// `wav: channels=2 rate=48000 bits=16 frames=96000 peak_dbfs=-0.01 rms_dbfs=-3.01`; silence is `-inf`.
    pub(crate) fn machine_line(&self) -> String {
        format!(
            "wav: channels={} rate={} bits={} frames={} peak_dbfs={:.2} rms_dbfs={:.2}",
            self.format.channels,
            self.format.rate,
            self.format.bits,
            self.frames,
            self.overall.peak_dbfs(),
            self.overall.rms_dbfs(),
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = match self.format.encoding {
            Encoding::Integer => "integer",
            Encoding::Float => "float",
        };
        writeln!(f, "channels   {}", self.format.channels)?;
        writeln!(f, "rate       {} Hz", self.format.rate)?;
        writeln!(f, "bit depth  {} ({encoding})", self.format.bits)?;
        writeln!(f, "duration   {} ({} frames)", clock(self.seconds()), self.frames)?;
        write!(f, "level      {}", Row(&self.overall))?;
        // One channel is the whole already.
        let rows = if self.channels.len() > 1 { self.channels.len().min(ROWS) } else { 0 };
        for (index, channel) in self.channels[..rows].iter().enumerate() {
            let name = channel_name(index, self.channels.len());
            write!(f, "\n  {name:<8} {}", Row(channel))?;
        }
        match self.channels.len() - rows {
            left_out if rows > 0 && left_out > 0 => write!(f, "\n  and {left_out} more"),
            _ => Ok(()),
        }
    }
}

struct Row<'a>(&'a Level);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peak {:>7.2} dBFS  RMS {:>7.2} dBFS", self.0.peak_dbfs(), self.0.rms_dbfs())
    }
}

/// Channels listed one by one: more than any room has loudspeakers, fewer than a hostile file can claim.
const ROWS: usize = 32;
