//! Promise: each strategy finds a race, the exhaustive one says when there are no more schedules, and a schedule replays.

use std::sync::{Arc, Mutex};

use mf_async::testing::{Explore, FailureKind, Strategy};
use mf_async::{Platform, QueueId, Result};

/// Writes numbers by items of their own, and reads them in the order in which they were written.
async fn written(platform: Platform, queue: QueueId, count: usize) -> Result<Vec<usize>> {
    let queue = platform.queue(queue)?;
    let written = Arc::new(Mutex::new(Vec::new()));
    for number in 0..count {
        let written = written.clone();
        queue.run(move || written.lock().unwrap().push(number)).detach();
    }
    queue.quiesce().await?;
    let written = written.lock().unwrap().clone();
    Ok(written)
}

async fn backwards(platform: Platform) -> Result<()> {
    let written = written(platform, QueueId::MULTITHREADED, 3).await?;
    assert_ne!(written, [2, 1, 0]);
    Ok(())
}

#[test]
fn each_finds_one_order_of_six() {
    for strategy in [Strategy::Mixed, Strategy::Random, Strategy::Pct { depth: 3 }, Strategy::Exhaustive] {
        let explored = Explore::new().strategy(strategy).check(backwards);
        let failure = explored.expect_err("one order of six is wrong");
        assert_eq!(failure.kind(), FailureKind::Panic, "{strategy:?}");
        let again = Explore::new().replay(failure.replay()).check(backwards).expect_err("it fails again");
        assert_eq!(again.story(), failure.story(), "{strategy:?}");
    }
}

/// The orders of three items that are all put before the first runs.
#[test]
fn the_exhaustive_one_sees_every_order() {
    let orders = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
    let seen = orders.clone();
    let explored = Explore::new()
        .strategy(Strategy::Exhaustive)
        .schedules(100_000)
        .whole_callbacks()
        .check(move |platform| {
            let seen = seen.clone();
            async move {
                let order = written(platform, QueueId::MULTITHREADED, 3).await?;
                seen.lock().unwrap().insert(order);
                Ok(())
            }
        })
        .expect("no order is wrong");
    println!("{explored}");
    assert!(explored.is_complete);
    assert_eq!(orders.lock().unwrap().len(), 6);
}

#[test]
fn the_exhaustive_one_says_when_it_has_not_seen_all() {
    let explored = Explore::new()
        .strategy(Strategy::Exhaustive)
        .schedules(3)
        .check(|platform| async move { written(platform, QueueId::MULTITHREADED, 3).await.map(drop) });
    let explored = explored.expect("no order is wrong");
    assert_eq!((explored.schedules, explored.is_complete), (3, false));
}

#[test]
fn the_same_seed_finds_the_same() {
    let find = |seed| Explore::new().seed(seed).check(backwards).expect_err("it is found");
    let (first, second) = (find(7), find(7));
    assert_eq!((first.schedule(), first.replay()), (second.schedule(), second.replay()));
}

#[test]
fn what_is_shortened_departs_least() {
    let failure = Explore::new().strategy(Strategy::Random).seed(5).check(|platform| async move {
        let written = written(platform, QueueId::MULTITHREADED, 4).await?;
        assert_eq!(written, [0, 1, 2, 3]);
        Ok(())
    });
    let failure = failure.expect_err("the order is not kept");
    assert_eq!(failure.deviations(), 1, "{failure}");
}
