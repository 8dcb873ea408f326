//! `FailedSchedule`: how a schedule failed, and what it prints.

use std::fmt;
use std::time::Duration;

/// How a schedule failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The test or a callback panicked.
    Panic,
    /// The test returned an error.
    Error,
    /// Nothing could happen any more, and the test still waited.
    Stuck,
    /// The platform's shutdown after the test did not end in its time: a result, a callback or an operation was left over.
    Leak,
    /// The callback of an operation came once more, after its End had run.
    CalledTwice,
    /// The run took more steps than a run may.
    Endless,
    /// The same schedule did other things when it was run again: the test depends on a clock, a random number, an address
    /// or a thread outside.
    NotDeterministic,
    /// A callback blocked the thread that all callbacks run on.
    Blocked,
}

/// A schedule that failed, shortened, with its story. Its `Display` is what a test prints.
#[derive(Clone, Debug)]
pub struct FailedSchedule {
    pub(super) kind: FailureKind,
    pub(super) message: String,
    pub(super) test: String,
    pub(super) schedule: usize,
    pub(super) schedules: usize,
    pub(super) deviations: (usize, usize),
    pub(super) steps: (usize, usize),
    pub(super) story: String,
    pub(super) replay: String,
}

/// What an exploration that found nothing has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explored {
    /// How many schedules were run.
    pub schedules: usize,
    /// Whether those were all there are.
    pub is_complete: bool,
    /// How many steps they took in all.
    pub steps: u64,
    /// How long that took, in real time.
    pub elapsed: Duration,
}

impl FailedSchedule {
    /// How it failed.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// What failed: the panic's text, the error's, or who waits for what.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The number of the schedule that failed first, from 1.
    #[must_use]
    pub fn schedule(&self) -> usize {
        self.schedule
    }

    /// The steps of the shortened schedule, one per line.
    #[must_use]
    pub fn story(&self) -> &str {
        &self.story
    }

    /// The shortened schedule, for [`Explore::replay`](super::Explore::replay).
    #[must_use]
    pub fn replay(&self) -> &str {
        &self.replay
    }

    /// How many times the shortened schedule departs from first in, first out.
    #[must_use]
    pub fn deviations(&self) -> usize {
        self.deviations.1
    }
}

impl fmt::Display for FailedSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FailedSchedule { test, schedule, schedules, deviations, steps, story, message, replay, .. } =
            self;
        write!(f, "{test}: failed in schedule {schedule} of {schedules}")?;
        if deviations.0 != deviations.1 {
            let (from, to) = deviations;
            write!(f, ", shortened from {from} to {to} departure(s) from first in, first out")?;
        }
        if steps.1 < steps.0 {
            write!(f, ", from {} to {} steps", steps.0, steps.1)?;
        }
        writeln!(f, "\n{story}  {}: {message}", self.kind)?;
        write!(f, "replay: Explore::new().replay(\"{replay}\"), or MF_ASYNC_REPLAY={replay}")
    }
}

impl std::error::Error for FailedSchedule {}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FailureKind::Panic => "panic",
            FailureKind::Error => "error",
            FailureKind::Stuck => "stuck",
            FailureKind::Leak => "left over",
            FailureKind::CalledTwice => "called twice",
            FailureKind::Endless => "without end",
            FailureKind::NotDeterministic => "not deterministic",
            FailureKind::Blocked => "blocked",
        })
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.is_complete { ", which are all" } else { "" };
        write!(f, "{} schedules{all}, {} steps, {:.1?}", self.schedules, self.steps, self.elapsed)
    }
}
