//! A deadline on a queue is met when what was put before it has run in time, and a miss is told and counted.

use std::time::Duration;

use mf_async::rtwq::DeadlineStatus;
use mf_async::{Platform, WorkQueueType};
use tokio::sync::oneshot;

#[tokio::test(start_paused = true)]
async fn what_runs_in_time_meets_it() {
    let platform = Platform::startup().unwrap();
    let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    let ran = queue.run(|| ());
    let mut deadline = queue.set_deadline(Duration::from_secs(1));
    ran.await.unwrap();
    assert_eq!(deadline.ended().await.unwrap(), DeadlineStatus::Met);
    assert_eq!(queue.stats().missed_deadlines, 0);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_is_near_then_missed_and_counted() {
    let platform = Platform::startup().unwrap();
    let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    let (open, gate) = oneshot::channel::<()>();
    let blocked = queue.run(move || gate.blocking_recv());
    queue.set_long_running(true);
    let started = tokio::time::Instant::now();
    let mut deadline = queue.set_deadline_with_warning(Duration::from_secs(10), Duration::from_secs(4));
    assert_eq!(deadline.status(), DeadlineStatus::Pending);
    // The blocked item holds the paused clock, so time is moved by hand.
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::task::yield_now().await;
    assert_eq!(deadline.status(), DeadlineStatus::Warning);
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(deadline.ended().await.unwrap(), DeadlineStatus::Missed);
    assert_eq!(started.elapsed(), Duration::from_secs(11));
    assert_eq!(queue.stats().missed_deadlines, 1);
    drop(open);
    blocked.await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn what_is_put_later_does_not_count() {
    let platform = Platform::startup().unwrap();
    let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    let mut deadline = queue.set_deadline(Duration::ZERO);
    let later = queue.run(|| ());
    assert_eq!(deadline.ended().await.unwrap(), DeadlineStatus::Met);
    later.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cancelled_is_never_missed() {
    let platform = Platform::startup().unwrap();
    let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    queue.set_long_running(true);
    let (open, gate) = oneshot::channel::<()>();
    let blocked = queue.run(move || gate.blocking_recv());
    drop(queue.set_deadline(Duration::from_secs(1)));
    tokio::time::advance(Duration::from_secs(5)).await;
    drop(open);
    blocked.await.unwrap().unwrap_err();
    queue.barrier().await.unwrap();
    assert_eq!(queue.stats().missed_deadlines, 0);
}
