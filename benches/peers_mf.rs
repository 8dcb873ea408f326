//! The portable platform beside the system's own Media Foundation, and an awaited call of it beside one awaited by
//! hand, in one process. Windows only.
//!
//! Run: `cargo bench --bench peers_mf -- [--quick] [name]`; under Wine: `bash .ci/wine --bench peers_mf`.

#[cfg(windows)]
mod support;

#[cfg(windows)]
#[path = "peers_mf/figures.rs"]
mod figures;

#[cfg(windows)]
fn main() -> mf_async::Result<()> {
    figures::main(|_| Ok(()))
}

#[cfg(not(windows))]
fn main() {
    println!("nothing to compare with: this bench needs the Media Foundation of Windows, or Wine's");
}
