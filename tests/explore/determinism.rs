//! Promise: a test that does not do the same under the same schedule is told so, with the first difference.

use std::sync::atomic::{AtomicUsize, Ordering};

use mf_async::QueueId;
use mf_async::testing::{Explore, FailureKind};

static RUNS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn what_remembers_former_runs_is_not_deterministic() {
    let failure = Explore::new()
        .check(|platform| async move {
            let queue = platform.queue(QueueId::STANDARD)?;
            for _ in 0..1 + RUNS.fetch_add(1, Ordering::SeqCst) % 2 {
                queue.run(|| ()).await?;
            }
            Ok(())
        })
        .expect_err("every other run has one step more");
    println!("{failure}");
    assert_eq!(failure.kind(), FailureKind::NotDeterministic);
    assert!(failure.message().contains("step 4"), "{failure}");
}
