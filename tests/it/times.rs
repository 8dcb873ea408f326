//! Promise: a callback that breaks the time its flags promise is counted, wherever it comes among quick ones
//! that are timed together, and the count is there as soon as the queue is quiet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mf_async::{AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Platform, QueueId, WorkQueue};
use mf_async::{Result, WorkQueueType};

/// Keeps its thread busy for so long, and says what it promises.
struct Busy(Duration, CallbackFlags);

impl AsyncCallback for Busy {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(QueueId::IO).with_flags(self.1)
    }

    fn invoke(&self, _: &AsyncResult) {
        let start = Instant::now();
        while start.elapsed() < self.0 {
            std::hint::spin_loop();
        }
    }
}

fn busy(time: Duration, flags: CallbackFlags) -> Arc<dyn AsyncCallback> {
    Arc::new(Busy(time, flags))
}

/// Puts the slow one after so many quick ones, and as many after it.
async fn slow_among_quick(queue: &WorkQueue, before: usize, slow: Arc<dyn AsyncCallback>) -> Result<()> {
    let quick = busy(Duration::ZERO, CallbackFlags::empty());
    (0..before).try_for_each(|_| queue.put(quick.clone()))?;
    queue.put(slow)?;
    (0..before).try_for_each(|_| queue.put(quick.clone()))?;
    queue.quiesce().await
}

async fn every_overrun_is_counted() -> Result<()> {
    let platform = Platform::startup()?;
    let slow = Duration::from_millis(31);
    for before in [0, 1, 2, 7, 40] {
        let base = platform.allocate_work_queue(WorkQueueType::Multithreaded)?;
        for queue in [
            platform.allocate_work_queue(WorkQueueType::Standard)?,
            platform.allocate_serial_work_queue(&base)?,
            base.clone(),
        ] {
            slow_among_quick(&queue, before, busy(slow, CallbackFlags::empty())).await?;
            let stats = queue.stats();
            assert!(stats.overrun >= 1, "{before} before: {stats:?}");
            assert!(stats.longest_run >= slow, "{before} before: {stats:?}");
            assert_eq!(stats.run, 2 * before as u64 + 1);
        }
    }
    platform.shutdown().await
}

async fn a_short_promise_is_kept_to_the_microsecond() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.queue(QueueId::IO)?;
    let slow = Duration::from_micros(60);
    slow_among_quick(&queue, 40, busy(slow, CallbackFlags::SIGNAL)).await?;
    assert!(queue.stats().overrun >= 1, "{:?}", queue.stats());
    assert!(queue.stats().longest_run >= slow, "{:?}", queue.stats());
    drop(queue);
    platform.shutdown().await
}

/// However many quick ones were timed together, a slow one that comes last is not forgotten with the group.
#[tokio::test]
async fn the_last_one_is_counted_wherever_its_group_ends() -> Result<()> {
    let platform = Platform::startup()?;
    let slow = Duration::from_millis(2);
    for before in 0..40 {
        let base = platform.allocate_work_queue(WorkQueueType::Standard)?;
        for queue in [platform.allocate_serial_work_queue(&base)?, base.clone()] {
            let quick = busy(Duration::ZERO, CallbackFlags::empty());
            (0..before).try_for_each(|_| queue.put(quick.clone()))?;
            queue.put(busy(slow, CallbackFlags::empty()))?;
            if before % 2 == 0 {
                // It runs elsewhere, and so ends the group of those before it.
                queue.put(busy(Duration::ZERO, CallbackFlags::BLOCKING))?;
            }
            queue.quiesce().await?;
            let stats = queue.stats();
            assert!(stats.longest_run >= slow, "{before} before: {stats:?}");
        }
    }
    platform.shutdown().await
}

/// The slow one keeps its own promise, and is in the middle of a group when the one with the short promise comes.
#[tokio::test]
async fn a_short_promise_is_not_broken_by_what_ran_before() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.queue(QueueId::IO)?;
    let quick = busy(Duration::ZERO, CallbackFlags::empty());
    let slow = busy(Duration::from_millis(5), CallbackFlags::empty());
    let signal = busy(Duration::ZERO, CallbackFlags::SIGNAL);
    for _ in 0..20 {
        (0..70).try_for_each(|_| queue.put(quick.clone()))?;
        queue.put(slow.clone())?;
        queue.put(signal.clone())?;
        queue.quiesce().await?;
    }
    // A system that takes the thread away at the wrong moment breaks one now and then.
    assert!(queue.stats().overrun <= 10, "{:?}", queue.stats());
    drop(queue);
    platform.shutdown().await
}

#[tokio::test]
async fn every_overrun_is_counted_on_one_thread() -> Result<()> {
    every_overrun_is_counted().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_overrun_is_counted_on_two() -> Result<()> {
    every_overrun_is_counted().await
}

#[tokio::test]
async fn a_short_promise_is_kept_on_one_thread() -> Result<()> {
    a_short_promise_is_kept_to_the_microsecond().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_promise_is_kept_on_two() -> Result<()> {
    a_short_promise_is_kept_to_the_microsecond().await
}
