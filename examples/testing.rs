//! Testing code that awaits a component, with the test kit: faults on demand, no time passes, and a queue
//! that is stepped by hand. In a test suite the two functions would be `#[tokio::test(start_paused = true)]`.
//!
//! Run: `cargo run --example testing --features test-util`. It prints:
//! ```text
//! an hour late: ERROR_TIMEOUT (0x800705B4): wait for an operation: it had not ended after 1s, and goes on
//! twice: 42, with 1 call of End
//! queued 2, stepped once, queued 1
//! ```

use std::time::Duration;

use mf_async::testing::{Fault, FaultyComponent, ManualQueue};
use mf_async::{Platform, Result};

async fn faults_are_survived() -> Result<()> {
    let platform = Platform::startup()?;
    let component = FaultyComponent::new(&platform, 42);
    component.plan([Fault::Late(Duration::from_secs(3600)), Fault::Twice]);
    let ask = || {
        platform.begin_end(
            &component,
            |component, callback| component.begin(callback, None),
            |component, result| component.end(result),
        )
    };
    let error = ask().timeout(Duration::from_secs(1)).await.expect_err("it is late");
    println!("an hour late: {error}");
    let answer = ask().await?;
    println!("twice: {answer}, with {} call of End", component.ends());
    component.assert_begins(2);
    drop(component);
    platform.shutdown().await
}

async fn items_run_when_stepped() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = ManualQueue::new(&platform)?;
    let first = queue.handle().run(|| 1);
    let second = queue.handle().run(|| 2);
    let before = queue.depth();
    assert!(queue.step() && first.is_ended() && !second.is_ended());
    println!("queued {before}, stepped once, queued {}", queue.depth());
    assert_eq!(queue.run_until_idle(), 1);
    assert_eq!(first.await? + second.await?, 3);
    drop(queue);
    platform.shutdown().await
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<()> {
    faults_are_survived().await?;
    items_run_when_stepped().await
}
