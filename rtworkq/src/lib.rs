//! The system's own Media Foundation on a tokio queue.
//!
//! Media Foundation's work queues are those of `rtworkq.dll`: `MFPutWorkItem`, `MFInvokeCallback` and their kin in
//! `mfplat.dll` pass each call on to a function of that DLL whose name begins with `Rtwq`. This crate has those functions,
//! on a [`mf_async::Platform`]. Its member `dll` is the file that is put beside a program under the name `rtworkq.dll`.
//!
//! There are two forms. Without a word in the program, the DLL starts a runtime of its own at the first `MFStartup`. A
//! program that calls [`install()`] before that has Media Foundation run on its own runtime, and sees it in its own
//! [report](mf_async::Platform::report).
//!
//! It is a tool for tests and for looking. The README says what for, how, and what is not known.
#![cfg(windows)]
#![allow(clippy::missing_safety_doc, reason = "each function's contract is its page's")]

mod guard;
mod settings;

mod com;
mod inside;

mod lifetime;
mod result;

mod callback;
mod join;
mod step;
mod timed;
mod wait;

mod exports;
#[macro_use]
mod functions;
mod install;

pub use crate::functions::{Functions, PeriodicCallback, Raw, own_functions};
pub use crate::install::{ENTRY, install};
pub use crate::lifetime::{is_started, locks, report};
pub use crate::settings::Settings;
pub use crate::step::{Stepper, step_by_hand, step_by_hand_on_started};
