//! The figures of the bench `peers_mf`, with Media Foundation's work queues on the program's own runtime. Windows only, with
//! this crate's `rtworkq.dll` beside the program.
//!
//! Run, under Wine: `bash .ci/wine --rtworkq --package mf-async-rtworkq --bench installed -- [--quick] [name]`.

#[cfg(windows)]
#[path = "../../benches/support/mod.rs"]
mod support;

#[cfg(windows)]
#[path = "../../benches/peers_mf/figures.rs"]
mod figures;

#[cfg(windows)]
fn main() -> mf_async::Result<()> {
    figures::main(mf_async_rtworkq::install)
}

#[cfg(not(windows))]
fn main() {
    println!("nothing to measure: this bench needs the Media Foundation of Windows, or Wine's");
}
