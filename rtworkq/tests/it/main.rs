//! The system's Media Foundation on this crate's `rtworkq.dll`, which is to lie beside this program: under Wine
//! `bash .ci/wine --rtworkq` sees to that, and the README says how it is done on Windows.
//!
//! Media Foundation is one for a process, so that each test plays in a process of its own: see `support`.
#![cfg(windows)]

mod allocations;
mod codes;
mod counts;
mod cut_off;
mod environment;
mod exits;
mod explored;
mod foreign;
mod installed;
mod joined;
mod pipeline;
mod stepped;
mod support;
