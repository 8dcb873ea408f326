//! Exploring: a test is run under many orders of what may happen, and the shortest order in which it fails is printed.
//!
//! Each run has a runtime and a platform of its own, whose queues run nothing by themselves, on one thread. A scheduler
//! decides at every step which of the things that may happen next does.

mod builder;
mod failure;
mod hub;
mod parts;
mod random;
mod record;
mod run;
mod schedule;
mod search;
mod settings;
mod shrink;
mod story;
mod strategy;
mod wakes;
mod world;

use std::future::Future;

pub use self::builder::Explore;
pub use self::failure::{Explored, FailedSchedule, FailureKind};
pub use self::strategy::Strategy;
use crate::error::Result;
use crate::platform::Platform;

/// Runs a test under 1,000 schedules; fails with the story of the first that fails, shortened.
///
/// [`Explore`] has settings: how many schedules, which, for how long.
///
/// # Panics
/// When a schedule fails.
#[track_caller]
pub fn explore<F, Fut>(test: F)
where
    F: Fn(Platform) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + 'static,
{
    Explore::new().run(test);
}

/// Which fault happens, of those with these probabilities, counted from 1; 0 is none. Outside of an exploration none does.
pub(super) fn draw(weights: &[f64]) -> usize {
    if weights.is_empty() { 0 } else { hub::Hub::current().map_or(0, |hub| hub.choose_fault(weights)) }
}
