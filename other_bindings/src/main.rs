//! Hands source readers of other bindings to `com`: of bindings made by `windows-bindgen`, and of an older `windows`.
//! Windows only.
//!
//! ```text
//! cargo run --package mf-async-other-bindings -- tone.wav
//! ```
//!
//! It reads the file once with each, and prints what was read:
//! ```text
//! windows-bindgen 0.100: … samples, … bytes
//! windows 0.61: … samples, … bytes
//! ```

#[cfg(windows)]
#[allow(
    dead_code,
    non_snake_case,
    non_camel_case_types,
    unreachable_pub,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    reason = "it is generated"
)]
#[rustfmt::skip]
mod bindings;
#[cfg(windows)]
mod windows_only;

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Runtime::new()?.block_on(windows_only::run())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example needs Windows: it reads with the system's Media Foundation");
}
