//! The guide: a chapter for each problem that brings people here.
//!
#![doc = include_str!("guide/chapters.md")]
//!
//! There is nothing here but text: this module exists in the documentation only. Its programs are compiled and
//! run with the tests.

#[doc = include_str!("guide/begin_end.md")]
pub mod begin_end {}

#[doc = include_str!("guide/events.md")]
pub mod events {}

#[doc = include_str!("guide/component.md")]
pub mod component {}

#[doc = include_str!("guide/not_called.md")]
pub mod not_called {}

#[doc = include_str!("guide/ordering.md")]
pub mod ordering {}

#[doc = include_str!("guide/ends.md")]
pub mod ends {}

#[doc = include_str!("guide/cancel_safety.md")]
pub mod cancel_safety {}

#[doc = include_str!("guide/shutdown.md")]
pub mod shutdown {}

#[doc = include_str!("guide/testing.md")]
pub mod testing {}

#[doc = include_str!("guide/finding_a_race.md")]
pub mod finding_a_race {}

#[doc = include_str!("guide/windows.md")]
pub mod windows {}

#[doc = include_str!("guide/other_bindings.md")]
pub mod other_bindings {}

#[doc = include_str!("guide/cpp.md")]
pub mod cpp {}

#[doc = include_str!("guide/speed.md")]
pub mod speed {}

#[doc = include_str!("guide/promises.md")]
pub mod promises {}

#[doc = include_str!("guide/limits.md")]
pub mod limits {}
