//! How loud a stretch of samples is: its peak and its power.

/// Peak and sum of squares of any number of samples, full scale being 1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Level {
    peak: f32,
    squares: f64,
    samples: u64,
}

impl Level {
    /// Takes these samples in.
    pub(crate) fn add<'a>(&mut self, samples: impl Iterator<Item = &'a f32>) {
        // A copy that nothing else can see stays in registers while the loop runs.
        let mut level = *self;
        for &sample in samples {
            level.peak = level.peak.max(sample.abs());
            level.squares += f64::from(sample) * f64::from(sample);
            level.samples += 1;
        }
        *self = level;
    }

    /// Takes in everything `other` has.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.peak = self.peak.max(other.peak);
        self.squares += other.squares;
        self.samples += other.samples;
    }

    /// The largest deviation from zero, in dB below full scale; silence is -∞.
    pub(crate) fn peak_dbfs(&self) -> f64 {
        20.0 * f64::from(self.peak).log10()
    }

    /// The root of the mean square, in dB below full scale: a full-scale sine has -3.01, a constant counts
    /// like any signal.
    pub(crate) fn rms_dbfs(&self) -> f64 {
        // No samples are as silent as silence.
        10.0 * (self.squares / self.samples.max(1) as f64).log10()
    }
}
