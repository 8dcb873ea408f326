//! Promise: a race is found, replays exactly, and is told; what has none passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mf_async::testing::{Explore, FailureKind, explore};
use mf_async::{Platform, QueueId, Result};

async fn count(platform: Platform, queue: QueueId) -> Result<()> {
    let queue = platform.queue(queue)?;
    let number = Arc::new(AtomicU32::new(0));
    let add = |number: Arc<AtomicU32>| async move {
        let read = number.load(Ordering::SeqCst);
        tokio::task::yield_now().await;
        number.store(read + 1, Ordering::SeqCst);
    };
    let first = queue.spawn(add(number.clone()));
    let second = queue.spawn(add(number.clone()));
    first.await?;
    second.await?;
    assert_eq!(number.load(Ordering::SeqCst), 2);
    Ok(())
}

#[test]
fn a_lost_update_is_found() {
    let test = |platform| count(platform, QueueId::MULTITHREADED);
    let failure = Explore::new().check(test).unwrap_err();
    println!("{failure}");
    assert_eq!(failure.kind(), FailureKind::Panic);
    let again = Explore::new().replay(failure.replay()).check(test).unwrap_err();
    assert_eq!(again.story(), failure.story());
}

#[test]
fn nothing_passes() {
    explore(|_| async { Ok(()) });
}

#[test]
fn the_clock_is_not_waited_for() {
    explore(|platform| async move {
        let queue = platform.queue(QueueId::STANDARD)?;
        queue.spawn(tokio::time::sleep(std::time::Duration::from_secs(3600))).await
    });
}

#[test]
fn what_waits_for_ever_is_stuck() {
    let failure = Explore::new()
        .check(|platform| async move {
            let queue = platform.queue(QueueId::STANDARD)?;
            queue.run(|| ()).await?;
            let (send, receive) = tokio::sync::oneshot::channel::<()>();
            let waits = queue.spawn(async move { drop(receive.await) });
            waits.await?;
            drop(send);
            Ok(())
        })
        .unwrap_err();
    println!("{failure}");
    assert_eq!(failure.kind(), FailureKind::Stuck);
}
