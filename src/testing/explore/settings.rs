//! `Settings`: what every run of an exploration has in common.

use std::time::Duration;

/// What every run has in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// How many items a parallel queue runs at the same time.
    pub(super) width: usize,
    /// How much time may pass while something else may happen.
    pub(super) lag: Duration,
    /// More steps than this are taken for a run without end.
    pub(super) steps: usize,
    /// Whether others may go on in the middle of a callback, where it calls this crate.
    pub(super) preempts: bool,
    /// Whether a callback may panic.
    pub(super) allows_panics: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            width: 4,
            lag: Duration::from_millis(100),
            steps: 10_000,
            preempts: true,
            allows_panics: false,
        }
    }
}
