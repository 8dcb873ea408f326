//! Three ways to stop a component that is slow: cancel, a timeout, a cancellation token.
//!
//! Run: `cargo run --example cancel`. It prints:
//! ```text
//! cancel:    E_ABORT (0x80004004): run the body of a method: it was cancelled
//! timeout:   ERROR_TIMEOUT (0x800705B4): wait for an operation: it had not ended after 10ms, and is asked to stop
//! cancel_on: E_ABORT (0x80004004): run the body of a method: it was cancelled
//! ```

use std::time::Duration;

use mf_async::{Method, Operation, Platform, Result};
use tokio_util::sync::CancellationToken;

/// Begins what takes an hour. The cookie that Begin returns makes the operation cancellable.
pub fn begin_slow(platform: &Platform, slow: &Method<()>) -> Operation<()> {
    platform.begin_end(
        slow,
        |slow, callback| slow.begin(callback, an_hour()),
        |slow, result| slow.end(result),
    )
}

async fn an_hour() -> Result<()> {
    tokio::time::sleep(Duration::from_secs(3600)).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let platform = Platform::startup()?;
    let slow = platform.method();

    let cancelled = begin_slow(&platform, &slow).cancel().await;
    println!("cancel:    {}", cancelled.expect_err("it was cancelled"));

    let late = begin_slow(&platform, &slow).timeout(Duration::from_millis(10)).await;
    println!("timeout:   {}", late.expect_err("it is late"));

    let token = CancellationToken::new();
    let operation = begin_slow(&platform, &slow).cancel_on(&token);
    token.cancel();
    println!("cancel_on: {}", operation.await.expect_err("it was cancelled"));

    platform.shutdown().await
}
