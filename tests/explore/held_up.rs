//! Promise: a callback that has a lock when it is overtaken is no failure, and a callback that blocks until another has
//! run is told, rather than waited for.

use std::sync::{Arc, Condvar, Mutex};

use mf_async::QueueId;
use mf_async::testing::{Explore, FailureKind, explore};

#[test]
fn a_lock_that_is_held_where_items_are_put_is_no_failure() {
    explore(|platform| async move {
        let queue = platform.queue(QueueId::MULTITHREADED)?;
        let lock = Arc::new(Mutex::new(0));
        let put = |lock: Arc<Mutex<u32>>| {
            let queue = queue.clone();
            move || {
                let mut count = lock.lock().unwrap();
                *count += 1;
                let counted = lock.clone();
                queue.run(move || *counted.lock().unwrap() += 1).detach();
            }
        };
        let both = (queue.run(put(lock.clone())), queue.run(put(lock.clone())));
        both.0.await?;
        both.1.await?;
        queue.quiesce().await?;
        assert_eq!(*lock.lock().unwrap(), 4);
        Ok(())
    });
}

/// This crate's own waits are refused, at once.
#[test]
fn a_wait_is_refused() {
    let failed = Explore::new().check(|platform| async move {
        let queue = platform.queue(QueueId::LONG_FUNCTION)?;
        let inner = queue.clone();
        queue.run(move || inner.run(|| ()).wait()).await?
    });
    let failed = failed.expect_err("it is refused");
    assert!(failed.message().contains("ERROR_POSSIBLE_DEADLOCK"), "{failed}");
    let failed =
        Explore::new().check(|platform| async move { platform.queue(QueueId::STANDARD)?.run(|| ()).wait() });
    let failed = failed.expect_err("it is refused");
    assert!(failed.message().contains("one thread of an exploration"), "{failed}");
}

#[test]
fn a_callback_that_blocks_on_another_is_told() {
    let failure = Explore::new()
        .check(|platform| async move {
            let queue = platform.queue(QueueId::MULTITHREADED)?;
            let gate = Arc::new((Mutex::new(false), Condvar::new()));
            let opened = gate.clone();
            let waits = queue.run(move || {
                let (is_open, changed) = &*opened;
                drop(changed.wait_while(is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
            });
            let opens = queue.run(move || {
                *gate.0.lock().unwrap() = true;
                gate.1.notify_all();
            });
            waits.await?;
            opens.await
        })
        .expect_err("it blocks");
    println!("{failure}");
    assert_eq!(failure.kind(), FailureKind::Blocked);
    assert!(failure.message().contains("on queue MULTITHREADED"), "{failure}");
}
