//! Promise: our platform does what Media Foundation does, code for code, and says where it does not and why.
//!
//! One suite, several subjects. A case is written once against the interface in `subject.rs`, and run
//! against *ours*, this crate's portable platform, everywhere; on Windows, and under Wine, also against *theirs*,
//! the system's own Media Foundation, called through `com` and the `windows` crate. Each case names the page of
//! MF's documentation, or the observation, that it stands for, and what Windows does: codes, calls in their order,
//! what is released when. A subject that does anything else fails, unless `deviations.rs` lists just
//! that, with its reason; what is listed and no longer so fails, too.
//!
//! ```text
//! cargo test --package mf-async-suites --test conformance                   every case is a test: ours::put::unknown_queue
//! cargo test --package mf-async-suites --test conformance events::          one family
//! cargo test --package mf-async-suites --test conformance -- --nocapture    the table, at the end
//! ```
//!
//! The table has a row for each case: what is expected, and what ours and theirs did; `=` says *as expected*, and a
//! number in brackets is that of the reason, below the table. Where theirs is empty it was not run: on other systems
//! than Windows there is none.
//!
//! On Windows each case against theirs has a process of its own, since Media Foundation is one for a process:
//! *before the start* is before the start, and what one case breaks no other sees.

#[cfg(windows)]
#[path = "../com/support/transform.rs"]
mod transform;

mod case;
mod deviations;
mod facts;
mod ours;
mod run;
mod subject;
mod table;
#[cfg(windows)]
mod theirs;

mod byte_positions;
mod byte_streams;
mod event_shutdown;
mod event_values;
mod events;
mod files;
mod invoke;
mod lifetime;
mod mmcss;
mod periodic;
mod put;
mod queues;
mod reply;
mod resolver;
mod results;
mod rtwq;
mod serial;
mod services;
mod timers;
mod transforms;
mod waits;

fn main() -> std::process::ExitCode {
    run::main()
}
