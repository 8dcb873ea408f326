//! A future on a work queue ends with the platform: it is dropped, whoever awaits it is told, and the
//! shutdown does not wait for it. What a closure or a future panics with says what panicked.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::task::{FutureObj, Spawn};
use mf_async::{ErrorKind, Hresult, Platform, QueueId, Result, WorkQueueType};
use tokio::sync::oneshot;

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_drops_a_pending_future_at_once() -> Result<()> {
    for kind in [WorkQueueType::Standard, WorkQueueType::Multithreaded] {
        let platform = Platform::startup()?;
        let queue = platform.allocate_work_queue(kind)?;
        let drops = Arc::new(AtomicUsize::new(0));
        let (gate, closed) = oneshot::channel::<()>();
        let held = Counted(drops.clone());
        let operation = queue.spawn(async move {
            let _held = held;
            let _ = closed.await;
        });
        let (spawn_gate, closed) = oneshot::channel::<()>();
        let held = Counted(drops.clone());
        let nobodys = async move {
            let _held = held;
            let _ = closed.await;
        };
        queue.spawn_obj(FutureObj::new(Box::new(nobodys))).expect("it spawns");
        drop(queue);
        let before = tokio::time::Instant::now();
        platform.shutdown().await?;
        assert_eq!(before.elapsed(), Duration::ZERO, "{kind:?}");
        assert_eq!(drops.load(Ordering::SeqCst), 2, "{kind:?}");
        assert!(gate.is_closed() && spawn_gate.is_closed());
        assert_eq!(operation.await.expect_err("it was dropped").hresult(), Hresult::MF_E_SHUTDOWN);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_drops_a_pending_local_future() -> Result<()> {
    let platform = Platform::startup()?;
    let window = platform.allocate_work_queue(WorkQueueType::Window)?;
    let drops = Arc::new(AtomicUsize::new(0));
    let (started, starts) = oneshot::channel();
    let (gate, closed) = oneshot::channel::<()>();
    let held = Counted(drops.clone());
    let operation = window.spawn_local(move || async move {
        let local = Rc::new(Cell::new(held));
        let _ = started.send(());
        let _ = closed.await;
        drop(local);
    });
    starts.await.expect("it starts");
    drop(window);
    platform.shutdown().await?;
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert!(gate.is_closed());
    assert_eq!(operation.await.expect_err("it was dropped").hresult(), Hresult::MF_E_SHUTDOWN);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_future_that_has_not_started_ends_with_the_shutdown() -> Result<()> {
    let platform = Platform::startup()?;
    let window = platform.allocate_work_queue(WorkQueueType::Window)?;
    let (started, starts) = oneshot::channel();
    let (gate, closed) = std::sync::mpsc::channel::<()>();
    let holds_the_thread = window.run(move || {
        let _ = started.send(());
        closed.recv().is_err()
    });
    starts.await.expect("it starts");
    let local = window.spawn_local(|| async { 1 });
    platform.shutdown_within(Duration::ZERO).await.expect_err("its thread is held up");
    drop(gate);
    assert_eq!(local.await.expect_err("it did not start").hresult(), Hresult::MF_E_SHUTDOWN);
    drop((holds_the_thread, window));
    Ok(())
}

#[tokio::test]
async fn a_future_that_has_ended_is_gone_though_its_waker_is_kept() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.allocate_work_queue(WorkQueueType::Standard)?;
    let (keep, kept) = oneshot::channel();
    let mut keep = Some(keep);
    let five = queue.spawn(std::future::poll_fn(move |cx| {
        if let Some(keep) = keep.take() {
            let _ = keep.send(cx.waker().clone());
        }
        std::task::Poll::Ready(5)
    }));
    let waker = kept.await.expect("it is polled");
    assert_eq!(five.await?, 5);
    drop(queue);
    waker.wake_by_ref();
    platform.shutdown().await
}

#[tokio::test]
async fn panics_say_what_panicked() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.queue(QueueId::MULTITHREADED)?;
    let error = queue.run(|| -> () { panic!("one") }).await.expect_err("it panics");
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert_eq!(error.what(), "the closure on the work queue panicked: one");
    let error = queue.spawn(async { panic!("two") }).await.expect_err("it panics");
    assert_eq!(error.what(), "the future on the work queue panicked: two");
    platform.shutdown().await
}

#[tokio::test]
async fn a_future_that_nothing_can_wake_is_abandoned() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.queue(QueueId::STANDARD)?;
    let error = queue.spawn(std::future::pending::<()>()).await.expect_err("nothing can wake it");
    assert_eq!(error.kind(), ErrorKind::Abandoned);
    platform.shutdown().await
}

#[tokio::test]
async fn a_future_that_is_woken_while_it_is_polled_is_polled_again() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.queue(QueueId::MULTITHREADED)?;
    let mut polls = 0;
    let counted = queue.spawn(std::future::poll_fn(move |cx| {
        polls += 1;
        // Twice is once, and once is enough.
        cx.waker().wake_by_ref();
        cx.waker().wake_by_ref();
        if polls == 100 { Poll::Ready(polls) } else { Poll::Pending }
    }));
    assert_eq!(counted.await?, 100);
    assert_eq!(queue.stats().put, 100);
    platform.shutdown().await
}

#[tokio::test]
async fn a_queue_says_whether_it_takes_futures() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.queue(QueueId::MULTITHREADED)?;
    assert!(Spawn::status(&queue).is_ok());
    platform.shutdown().await?;
    assert!(Spawn::status(&queue).unwrap_err().is_shutdown());
    assert!(queue.spawn_obj(FutureObj::new(Box::new(async {}))).unwrap_err().is_shutdown());
    Ok(())
}

#[tokio::test]
async fn a_local_future_is_reported_with_its_queue() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.allocate_work_queue(WorkQueueType::Window)?;
    let (waits, there) = oneshot::channel();
    let never = queue.spawn_local(move || async move {
        let _ = waits.send(());
        std::future::pending::<()>().await;
    });
    there.await.unwrap();
    let what = format!("a local future on {}", queue.id());
    let report = platform.report();
    assert!(report.operations.iter().any(|operation| operation.what == what), "{report}");
    drop((never, queue));
    platform.shutdown().await
}
