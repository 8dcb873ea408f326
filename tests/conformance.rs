//! Promise: our platform does what Media Foundation does, code for code, and says where it does not and why.
//!
//! One suite, several subjects. A case is written once against the interface in `conformance/subject.rs`, and run
//! against *ours*, this crate's portable platform, everywhere; on Windows, and under Wine, also against *theirs*,
//! the system's own Media Foundation, called through `com` and the `windows` crate. Each case names the page of
//! MF's documentation, or the observation, that it stands for, and what Windows does: codes, calls in their order,
//! what is released when. A subject that does anything else fails, unless `conformance/deviations.rs` lists just
//! that, with its reason; what is listed and no longer so fails, too.
//!
//! ```text
//! cargo test --test conformance                                 every case is a test: ours::put::unknown_queue
//! cargo test --test conformance events::                        one family
//! cargo test --test conformance -- --nocapture                  the table, at the end
//! ```
//!
//! The table has a row for each case: what is expected, and what ours and theirs did; `=` says *as expected*, and a
//! number in brackets is that of the reason, below the table. Where theirs is empty it was not run: on other systems
//! than Windows there is none.
//!
//! On Windows each case against theirs has a process of its own, since Media Foundation is one for a process:
//! *before the start* is before the start, and what one case breaks no other sees.

#[cfg(windows)]
#[path = "com_support/transform.rs"]
mod transform;

mod conformance {
    pub(crate) mod case;
    pub(crate) mod deviations;
    pub(crate) mod facts;
    pub(crate) mod ours;
    pub(crate) mod run;
    pub(crate) mod subject;
    pub(crate) mod table;
    #[cfg(windows)]
    pub(crate) mod theirs;

    pub(crate) mod byte_positions;
    pub(crate) mod byte_streams;
    pub(crate) mod event_shutdown;
    pub(crate) mod event_values;
    pub(crate) mod events;
    pub(crate) mod files;
    pub(crate) mod invoke;
    pub(crate) mod lifetime;
    pub(crate) mod mmcss;
    pub(crate) mod periodic;
    pub(crate) mod put;
    pub(crate) mod queues;
    pub(crate) mod reply;
    pub(crate) mod resolver;
    pub(crate) mod results;
    pub(crate) mod rtwq;
    pub(crate) mod serial;
    pub(crate) mod services;
    pub(crate) mod timers;
    pub(crate) mod transforms;
    pub(crate) mod waits;
}

fn main() -> std::process::ExitCode {
    conformance::run::main()
}
