//! A level meter over time: samples go in, a line comes out for every slice, and a summary at the end.

use crate::{bars::Bars, format::WavFormat, level::Level, summary::Summary};

/// Meters interleaved samples in constant memory, however many come.
///
/// A slice is 250 ms long, or so much longer that the lines of the whole file fit on a page or two. If nothing
/// knows how long the file is, slices grow with it: after 30 lines, and every 10 from then on, the next are
/// twice as long.
pub(crate) struct Meter {
    format: WavFormat,
    bars: Bars,
    /// Frames before the current slice.
    frames: u64,
    /// Each channel before the current slice.
    total: Vec<Level>,
    /// Each channel in the current slice.
    slice: Vec<Level>,
    /// Frames in the current slice.
    filled: u64,
    /// Frames until it is full.
    slice_frames: u64,
    lines: u32,
    /// How many lines there may be before slices get longer.
    enough: u32,
}

impl Meter {
    /// A meter for samples of that format, drawn that way. `frames` is how many to expect.
    pub(crate) fn new(format: WavFormat, frames: Option<u64>, bars: Bars) -> Self {
        let silence = vec![Level::default(); usize::from(format.channels)];
        let mut slice_frames = u64::from(format.rate / 4).max(1);
        while frames.is_some_and(|frames| frames.div_ceil(slice_frames) > u64::from(LINES)) {
            slice_frames = slice_frames.saturating_mul(2);
        }
        Self {
            format,
            bars,
            frames: 0,
            total: silence.clone(),
            slice: silence,
            filled: 0,
            slice_frames,
            lines: 0,
            enough: if frames.is_some() { LINES } else { LINES / 2 },
        }
    }

    /// Takes in whole frames, and gives `line` a meter line for every slice they complete.
    pub(crate) fn push(&mut self, samples: &[f32], line: &mut dyn FnMut(&str)) {
        let channels = self.slice.len();
        let mut left = samples;
        while left.len() >= channels {
            let room = usize::try_from(self.slice_frames - self.filled).unwrap_or(usize::MAX);
            let frames = room.min(left.len() / channels); // at least 1: a full slice was drawn at once
            let (now, later) = left.split_at(frames * channels);
            for (channel, level) in self.slice.iter_mut().enumerate() {
                level.add(now[channel..].iter().step_by(channels));
            }
            self.filled += frames as u64;
            left = later;
            if self.filled == self.slice_frames {
                self.draw(line);
            }
        }
    }

    /// Draws what is left and sums up.
    pub(crate) fn finish(mut self, line: &mut dyn FnMut(&str)) -> Summary {
        if self.filled > 0 {
            self.draw(line);
        }
        Summary::new(self.format, self.frames, self.total)
    }

    /// Draws the current slice and starts the next.
    fn draw(&mut self, line: &mut dyn FnMut(&str)) {
        if self.lines == 0 {
            line(&self.bars.heading(self.slice.len()));
        }
        line(&self.bars.line(self.frames as f64 / f64::from(self.format.rate), &self.slice));

        for (total, slice) in self.total.iter_mut().zip(&mut self.slice) {
            total.merge(slice);
            *slice = Level::default();
        }
        self.frames += self.filled;
        self.filled = 0;
        self.lines += 1;
        if self.lines == self.enough {
            self.slice_frames = self.slice_frames.saturating_mul(2);
            self.enough += LINES / 6;
        }
    }
}

/// Lines in a meter: as many as one still looks through.
const LINES: u32 = 60;
