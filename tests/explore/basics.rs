//! Promise: every way to fail is told from the others, at once and with who waits for what.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mf_async::event::GetEventFlags;
use mf_async::testing::{Explore, FailedSchedule, FailureKind, explore};
use mf_async::{
    AsyncCallback, AsyncResult, Error, Hresult, MediaEvent, MediaEventType, Platform, QueueId, Result,
    WorkItem,
};

fn failure<Fut>(test: fn(Platform) -> Fut) -> Box<FailedSchedule>
where
    Fut: Future<Output = Result<()>> + 'static,
{
    let failure = Explore::new().schedules(200).check(test).expect_err("it fails");
    println!("{failure}");
    failure
}

#[test]
fn nothing_passes() {
    explore(|_| async { Ok(()) });
}

#[test]
fn time_is_not_waited_for() {
    let started = Instant::now();
    explore(|platform| async move {
        let queue = platform.queue(QueueId::STANDARD)?;
        queue.spawn(tokio::time::sleep(Duration::from_secs(3600))).await
    });
    assert!(started.elapsed() < Duration::from_secs(3600));
}

#[test]
fn an_error_is_a_failure() {
    let failure =
        failure(|_| async { Err(Error::new(Hresult::MF_E_NOTACCEPTING, "give it what it did not ask for")) });
    assert_eq!(failure.kind(), FailureKind::Error);
    assert!(failure.message().contains("MF_E_NOTACCEPTING"));
}

#[test]
fn a_panic_in_a_callback_is_a_failure() {
    async fn panics(platform: Platform) -> Result<()> {
        let callback = Arc::new(|_: &AsyncResult| panic!("the callback's own text"));
        platform.put(QueueId::STANDARD, WorkItem::new(callback))
    }
    let failure = failure(panics);
    assert_eq!(failure.kind(), FailureKind::Panic);
    assert!(failure.message().starts_with("the callback's own text, at tests/explore/basics.rs:"));
    assert!(Explore::new().schedules(20).allow_panics().check(panics).is_ok());
}

#[test]
fn what_waits_for_ever_is_stuck() {
    let started = Instant::now();
    let failure = failure(|platform| async move {
        let queue = platform.queue(QueueId::STANDARD)?;
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        let waits = queue.spawn(async move { drop(receive.await) });
        waits.await?;
        drop(send);
        Ok(())
    });
    assert_eq!(failure.kind(), FailureKind::Stuck);
    assert!(failure.message().contains("a future on STANDARD"), "{failure}");
    assert!(failure.message().contains("begun at tests/explore/basics.rs:"), "{failure}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_result_that_is_never_dropped_is_left_over() {
    let failure = failure(|platform| async move {
        let result = platform.result(Arc::new(|_: &AsyncResult| ())).build()?;
        std::mem::forget(result);
        Ok(())
    });
    assert_eq!(failure.kind(), FailureKind::Leak);
}

#[test]
fn a_callback_that_comes_again_is_told() {
    let failure = failure(|platform| async move {
        let begun = Arc::new(Mutex::new(None));
        let keep = begun.clone();
        let operation = platform.begin_end(
            &(),
            |(), callback: Arc<dyn AsyncCallback>| {
                let result = platform.result(callback).build()?;
                *keep.lock().unwrap() = Some(result.clone());
                result.invoke()
            },
            |(), result| result.status().ok(),
        );
        operation.await?;
        let again = begun.lock().unwrap().take();
        again.map_or(Ok(()), |result| result.invoke())
    });
    assert_eq!(failure.kind(), FailureKind::CalledTwice);
}

#[test]
fn what_never_ends_is_told() {
    async fn endless(_: Platform) -> Result<()> {
        loop {
            tokio::task::yield_now().await;
        }
    }
    let failure = Explore::new().steps(500).check(endless).expect_err("it never ends");
    assert_eq!(failure.kind(), FailureKind::Endless);
}

#[test]
fn tasks_of_the_runtime_have_their_turns() {
    let found = Explore::new().check(|platform| async move {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (of_task, of_item) = (written.clone(), written.clone());
        let task = tokio::spawn(async move { of_task.lock().unwrap().push("task") });
        let item = platform.queue(QueueId::STANDARD)?.run(move || of_item.lock().unwrap().push("item"));
        item.await?;
        task.await.expect("it ends");
        assert_eq!(*written.lock().unwrap(), ["task", "item"]);
        Ok(())
    });
    assert_eq!(found.expect_err("either may be first").kind(), FailureKind::Panic);
}

/// What the test does after its last await is overtaken, too: an item is left in the middle meanwhile.
#[test]
fn an_item_in_the_middle_sees_the_test_go_on() {
    let failure = failure(|platform| async move {
        let events = Arc::new(platform.create_event_queue()?);
        let is_stopped = Arc::new(Mutex::new(false));
        let queue = platform.queue(QueueId::MULTITHREADED)?;
        let (of_item, stops) = (events.clone(), is_stopped.clone());
        let item = queue.run(move || {
            let is_stopped = *stops.lock().unwrap();
            if !is_stopped {
                of_item.queue_event(MediaEvent::new(MediaEventType::MEMediaSample))?;
            }
            Ok::<_, Error>(())
        });
        *is_stopped.lock().unwrap() = true;
        events.queue_event(MediaEvent::new(MediaEventType::MESourceStopped))?;
        item.await??;
        let mut seen = Vec::new();
        while let Ok(event) = events.get_event(GetEventFlags::NO_WAIT) {
            seen.push(event.event_type());
        }
        assert_eq!(seen.last(), Some(&MediaEventType::MESourceStopped));
        Ok(())
    });
    assert_eq!(failure.kind(), FailureKind::Panic);
}
