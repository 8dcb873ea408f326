//! Explore: races that are found, components that pass, and what is said of a failure.

mod basics;
mod races;
