//! Starts also where Windows has no Media Foundation, and says whether it has. Windows only.
//!
//! ```text
//! cargo run --package mf-async-late-loading
//! ```
//!
//! Its last line is one of these:
//! ```text
//! Media Foundation has started
//! there is no Media Foundation
//! ```

#[cfg(windows)]
fn main() -> mf_async::Result<()> {
    use mf_async::com::Platform;

    if !Platform::is_available() {
        println!("there is no Media Foundation");
        return Ok(());
    }
    let platform = Platform::startup()?;
    platform.create_source_resolver()?;
    println!("Media Foundation has started");
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this program needs Windows: it looks for the system's Media Foundation");
}
