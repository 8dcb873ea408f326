//! An operation is a good citizen among futures: it composes with tasks, `select!`, `join!` and collections,
//! keeps success codes, and can be given a timeout, a cancellation token, or a thread that waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::both_runtimes;

use futures::future::FusedFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use mf_async::{AsyncResult, Error, ErrorKind, Hresult, Operation, Platform, QueueId, Result};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// An operation that the test completes; the result is held until then.
fn pending(platform: &Platform) -> (Operation<u32>, AsyncResult) {
    let mut held = None;
    let operation = platform.begin_end(
        &(),
        |(), callback| {
            held = Some(platform.result(callback).build()?);
            Ok(())
        },
        |(), result| result.status().ok().map(|code| code.0),
    );
    (operation, held.expect("begun"))
}

fn complete(platform: &Platform, result: AsyncResult, status: Hresult) {
    result.set_status(status);
    platform.invoke_callback(&result).expect("it is running");
}

fn code<T>(result: Result<T>) -> Hresult {
    result.err().map_or(Hresult::S_OK, Hresult::from)
}

/// Counts the calls of a canceller.
#[derive(Clone, Default)]
struct Cancels(Arc<AtomicUsize>);

impl Cancels {
    fn canceller(&self) -> impl FnOnce() + Send + 'static {
        let count = self.0.clone();
        move || _ = count.fetch_add(1, Ordering::SeqCst)
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

async fn composes() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.queue(QueueId::MULTITHREADED)?;

    let (a, b) = tokio::join!(queue.run(|| 1), queue.run(|| 2));
    assert_eq!((a?, b?), (1, 2));

    let mut all: FuturesUnordered<_> = (0..1000).map(|at| queue.run(move || at)).collect();
    let mut sum = 0;
    while let Some(value) = all.next().await {
        sum += value?;
    }
    assert_eq!(sum, 499_500);

    // One that loses goes on being awaited: nothing of it is lost.
    let (mut slow, held) = pending(&platform);
    for _ in 0..3 {
        tokio::select! {
            biased;
            _ = &mut slow => unreachable!("nobody has completed it"),
            value = queue.run(|| 3) => assert_eq!(value?, 3),
        }
    }
    complete(&platform, held, Hresult(5));
    assert_eq!((&mut slow).await?, 5);
    assert!(slow.is_terminated());

    // The futures crate's select!, in a loop, asks for a fused future.
    let (mut first, mut second) = (queue.run(|| 1), queue.run(|| 2));
    let mut values = Vec::new();
    loop {
        futures::select! {
            value = first => values.push(value?),
            value = second => values.push(value?),
            complete => break,
        }
    }
    values.sort_unstable();
    assert_eq!(values, [1, 2]);

    // Polled by one task, then by another, which is the one that is woken.
    let (operation, held) = pending(&platform);
    let shared = Arc::new(tokio::sync::Mutex::new(operation));
    let (polled, was_polled) = oneshot::channel();
    let first = tokio::spawn({
        let shared = shared.clone();
        async move {
            let mut operation = shared.lock().await;
            assert!(futures::poll!(&mut *operation).is_pending());
            drop(operation);
            let _ = polled.send(());
        }
    });
    was_polled.await.expect("the first polls");
    first.await.expect("the first ends");
    let second = tokio::spawn(async move { (&mut *shared.lock().await).await });
    tokio::task::yield_now().await;
    complete(&platform, held, Hresult(6));
    assert_eq!(second.await.expect("the second ends")?, 6);
    platform.shutdown().await
}

#[tokio::test]
async fn composes_on_one_thread() -> Result<()> {
    composes().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn composes_on_two() -> Result<()> {
    composes().await
}

#[tokio::test]
async fn success_codes_are_kept_in_all_three_places() -> Result<()> {
    let platform = Platform::startup()?;
    for inline in [false, true] {
        let operation = platform.begin_end(
            &(),
            |(), callback| {
                let result = platform.result(callback.clone()).build()?;
                result.set_status(Hresult::S_FALSE);
                if inline {
                    callback.invoke(&result);
                } else {
                    platform.invoke_callback(&result)?;
                }
                Ok(Hresult::MF_S_MULTIPLE_BEGIN)
            },
            |(), result| result.status().ok(),
        );
        if inline {
            assert_eq!(operation.status(), Some(Hresult::S_FALSE));
        } else {
            assert_eq!(operation.status(), Some(Hresult::S_FALSE), "the result is in hand");
        }
        let outcome = operation.outcome().await;
        assert_eq!(outcome.value?, Hresult::S_FALSE, "inline: {inline}");
        assert_eq!(outcome.status, Hresult::S_FALSE, "inline: {inline}");
        assert_eq!(outcome.begin, Hresult::MF_S_MULTIPLE_BEGIN, "inline: {inline}");
    }
    platform.shutdown().await
}

#[tokio::test]
async fn a_failure_code_of_begin_is_a_failure_whoever_returns_it_as_ok() -> Result<()> {
    let platform = Platform::startup()?;
    let failed = platform.begin_end(&(), |(), _| Ok(Hresult::MF_E_NOTACCEPTING), |(), _| Ok(()));
    assert!(failed.is_ended());
    let outcome = failed.outcome().await;
    assert_eq!(
        (outcome.begin, code(outcome.value)),
        (Hresult::MF_E_NOTACCEPTING, Hresult::MF_E_NOTACCEPTING)
    );
    Ok(())
}

#[tokio::test]
async fn ready_and_failed_are_ended() -> Result<()> {
    let ready = Operation::ready(5);
    assert!(ready.is_ended());
    assert_eq!(ready.await?, 5);
    let failed: Operation<u32> = Operation::failed(Error::new(Hresult::E_FAIL, "try"));
    assert_eq!(failed.status(), Some(Hresult::E_FAIL));
    let cancels = Cancels::default();
    assert_eq!(code(failed.cancel_with(cancels.canceller()).cancel().await), Hresult::E_FAIL);
    assert_eq!(cancels.count(), 0);
    Ok(())
}

#[tokio::test]
async fn cancel_waits_for_the_operation_s_own_verdict() -> Result<()> {
    let platform = Platform::startup()?;
    let cancels = Cancels::default();
    let (operation, held) = pending(&platform);
    let mut cancelled = operation.cancel_with(cancels.canceller()).cancel();
    assert_eq!(cancels.count(), 1);
    assert!(futures::poll!(&mut cancelled).is_pending());
    complete(&platform, held, Hresult(4));
    assert_eq!(cancelled.await?, 4, "the component was faster");
    assert_eq!(cancels.count(), 1, "once");
    platform.shutdown().await
}

#[tokio::test(start_paused = true)]
async fn a_timeout_cancels_and_says_so() -> Result<()> {
    let platform = Platform::startup()?;
    let cancels = Cancels::default();
    let (operation, held) = pending(&platform);
    let before = tokio::time::Instant::now();
    let mut late = std::pin::pin!(operation.cancel_with(cancels.canceller()).timeout(Duration::from_secs(3)));
    assert!(!late.is_terminated());
    let error = late.as_mut().await.expect_err("nobody completes it");
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::TimedOut, Hresult::ERROR_TIMEOUT));
    assert_eq!(before.elapsed(), Duration::from_secs(3));
    assert_eq!(cancels.count(), 1);
    assert!(late.is_terminated());
    assert_eq!(code(late.await), Hresult::E_ILLEGAL_METHOD_CALL);
    complete(&platform, held, Hresult::S_OK);
    platform.shutdown().await
}

#[tokio::test(start_paused = true)]
async fn a_timeout_runs_from_its_call_and_an_end_in_time_wins() -> Result<()> {
    let platform = Platform::startup()?;
    let cancels = Cancels::default();
    let (operation, held) = pending(&platform);
    let in_time = operation.cancel_with(cancels.canceller()).timeout(Duration::from_secs(3));
    complete(&platform, held, Hresult(9));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut in_time = std::pin::pin!(in_time);
    assert_eq!(in_time.as_mut().await?, 9, "both are so: the value goes first");
    assert!(in_time.is_terminated());

    let (operation, _held) = pending(&platform);
    let late = operation.timeout(Duration::from_secs(3));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = tokio::time::Instant::now();
    assert_eq!(code(late.await), Hresult::ERROR_TIMEOUT);
    assert_eq!(before.elapsed(), Duration::ZERO);

    let (operation, _held_too) = pending(&platform);
    drop(operation.cancel_with(cancels.canceller()).timeout(Duration::MAX));
    assert_eq!(cancels.count(), 1, "dropping it drops the operation");
    drop((_held, _held_too));
    platform.shutdown().await
}

#[test]
fn a_timeout_without_a_timer_is_an_error_not_a_panic() {
    let platform = Platform::builder().worker_threads(1).startup().unwrap();
    let (operation, held) = pending(&platform);
    let error = futures::executor::block_on(operation.timeout(Duration::from_secs(1))).unwrap_err();
    assert_eq!(error.hresult(), Hresult::E_ILLEGAL_METHOD_CALL);
    drop(held);
    let bare = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let value = bare.block_on(async { Operation::ready(1).timeout(Duration::from_secs(1)).await });
    assert_eq!(value.unwrap(), 1, "one that has ended needs none");
}

#[tokio::test]
async fn a_token_cancels_and_the_verdict_is_the_operation_s() -> Result<()> {
    let platform = Platform::startup()?;
    let cancels = Cancels::default();
    let token = CancellationToken::new();
    let (operation, held) = pending(&platform);
    let task = tokio::spawn(operation.cancel_with(cancels.canceller()).cancel_on(&token));
    tokio::task::yield_now().await;
    assert_eq!(cancels.count(), 0);
    token.cancel();
    while cancels.count() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!task.is_finished(), "it waits for the verdict");
    complete(&platform, held, Hresult::E_ABORT);
    assert_eq!(code(task.await.expect("no panic")), Hresult::E_ABORT);
    assert_eq!(cancels.count(), 1);
    platform.shutdown().await
}

#[tokio::test]
async fn it_waits_for_the_verdict_however_often_it_is_polled() -> Result<()> {
    let platform = Platform::startup()?;
    let (cancels, token) = (Cancels::default(), CancellationToken::new());
    let (operation, held) = pending(&platform);
    let mut operation = std::pin::pin!(operation.cancel_with(cancels.canceller()).cancel_on(&token));
    token.cancel();
    for _ in 0..3 {
        assert!(futures::poll!(&mut operation).is_pending());
    }
    complete(&platform, held, Hresult(6));
    assert_eq!(operation.await?, 6);
    assert_eq!(cancels.count(), 1);
    platform.shutdown().await
}

#[tokio::test]
async fn a_canceller_that_is_not_needed_any_more_is_dropped() -> Result<()> {
    let platform = Platform::startup()?;
    let owned = Arc::new(());
    let owns = owned.clone();
    let (operation, held) = pending(&platform);
    let mut operation = operation.cancel_with(move || drop(owns));
    complete(&platform, held, Hresult::S_OK);
    (&mut operation).await?;
    assert_eq!(Arc::strong_count(&owned), 1);
    platform.shutdown().await
}

#[tokio::test]
async fn a_token_without_a_canceller_detaches_at_once() -> Result<()> {
    let platform = Platform::startup()?;
    let token = CancellationToken::new();
    let ends = Arc::new(AtomicUsize::new(0));
    let held = Mutex::new(None);
    let counter = ends.clone();
    let operation = platform.begin_end(
        &(),
        |(), callback| {
            *held.lock().unwrap() = Some(platform.result(callback).build()?);
            Ok(())
        },
        move |(), _| Ok(counter.fetch_add(1, Ordering::SeqCst)),
    );
    let mut operation = std::pin::pin!(operation.cancel_on(&token));
    assert!(!operation.is_terminated());
    token.cancel();
    let error = operation.as_mut().await.expect_err("it was cancelled");
    assert!(operation.is_terminated());
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Cancelled, Hresult::MF_E_OPERATION_CANCELLED));
    let held = held.lock().unwrap().take().expect("begun");
    complete(&platform, held, Hresult::S_OK);
    platform.shutdown().await?;
    assert_eq!(ends.load(Ordering::SeqCst), 1, "End is called all the same");
    Ok(())
}

#[tokio::test]
async fn a_token_is_too_late_for_an_operation_that_has_ended() -> Result<()> {
    let cancels = Cancels::default();
    let token = CancellationToken::new();
    token.cancel();
    let ready = Operation::ready(1).cancel_with(cancels.canceller()).cancel_on(&token);
    assert_eq!(ready.await?, 1);
    assert_eq!(cancels.count(), 0);
    Ok(())
}

#[test]
fn a_thread_waits() {
    let platform = Platform::builder().worker_threads(1).startup().unwrap();
    let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
    for at in 0..100 {
        assert_eq!(queue.run(move || at).wait().unwrap(), at);
    }
    let mut operation = queue.run(|| 1);
    assert_eq!(operation.wait().unwrap(), 1);
    assert_eq!(code(operation.wait()), Hresult::E_ILLEGAL_METHOD_CALL);
    let (mut operation, held) = pending(&platform);
    drop(held);
    assert_eq!(operation.wait().unwrap_err().kind(), ErrorKind::Abandoned);
}

#[tokio::test]
async fn a_thread_that_is_needed_is_refused_and_the_operation_goes_on() -> Result<()> {
    let platform = Platform::startup()?;
    let (mut operation, held) = pending(&platform);
    let cancels = Cancels::default();
    operation = operation.cancel_with(cancels.canceller());
    let error = operation.wait().expect_err("this is a runtime's thread");
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::WouldDeadlock, Hresult::ERROR_POSSIBLE_DEADLOCK));

    let queue = platform.queue(QueueId::MULTITHREADED)?;
    let (mut operation, error) = queue
        .run(move || {
            let error = operation.wait();
            (operation, error)
        })
        .await?;
    let error = error.expect_err("this is a queue's callback");
    assert!(error.what().contains("MULTITHREADED"), "{error}");
    assert_eq!(cancels.count(), 0);
    complete(&platform, held, Hresult(3));
    assert_eq!((&mut operation).await?, 3);

    let mut ready = Operation::ready(1);
    assert_eq!(ready.wait()?, 1, "there is nothing to wait for");
    platform.shutdown().await
}

#[test]
fn a_blocking_thread_of_a_runtime_waits() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        let (mut operation, held) = pending(&platform);
        let waits = tokio::task::spawn_blocking(move || operation.wait());
        let (refused, waiting) = (queue.clone(), queue.clone());
        // A task is refused all the same, and goes on after it.
        let task = tokio::spawn(async move {
            let code = code(refused.run(|| 1).wait());
            tokio::task::yield_now().await;
            (code, refused.run(|| 2).await.unwrap())
        });
        assert_eq!(task.await.unwrap(), (Hresult::ERROR_POSSIBLE_DEADLOCK, 2));
        complete(&platform, held, Hresult(3));
        assert_eq!(waits.await.unwrap().unwrap(), 3);
        // A thread that only knows of the runtime is no thread of it.
        let runtime = tokio::runtime::Handle::current();
        let entered = std::thread::spawn(move || {
            let _entered = runtime.enter();
            waiting.run(|| 4).wait().unwrap()
        });
        assert_eq!(tokio::task::spawn_blocking(|| entered.join().unwrap()).await.unwrap(), 4);
        drop(queue);
        platform.shutdown().await.unwrap();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_tokio_lets_block_in_place_waits() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.queue(QueueId::MULTITHREADED)?;
    let waits = queue.clone();
    let task = tokio::spawn(async move { tokio::task::block_in_place(|| waits.run(|| 5).wait()) });
    assert_eq!(task.await.unwrap()?, 5);
    drop(queue);
    platform.shutdown().await
}

#[tokio::test]
async fn an_operation_with_a_token_that_has_ended_is_terminated() -> Result<()> {
    let platform = Platform::startup()?;
    let mut operation = Box::pin(Operation::ready(7).cancel_on(&CancellationToken::new()));
    assert!(!operation.is_terminated());
    assert_eq!(operation.as_mut().await?, 7);
    assert!(operation.is_terminated());
    platform.shutdown().await
}
