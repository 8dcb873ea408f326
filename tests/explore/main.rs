//! Explore: races that are found, components that pass, and what is said of a failure.

mod basics;
mod determinism;
mod examples;
mod faults;
mod held_up;
mod parts;
#[cfg(feature = "timeline")]
mod picture;
mod races;
mod stepping;
mod strategies;
