//! The test kit does what it says: each planned fault happens as named, a recording callback forgets
//! nothing, and a manual queue runs nothing that it was not told to run.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mf_async::testing::{Fault, FaultyComponent, ManualQueue, RecordingCallback};
use mf_async::{
    AsyncResult, CallbackFlags, CallbackParameters, ErrorKind, Hresult, Operation, Platform, Priority,
    QueueId, Result, WorkItem,
};

/// Begins and ends with the component.
fn ask(platform: &Platform, component: &Arc<FaultyComponent<u32>>) -> Operation<u32> {
    platform.begin_end(
        component,
        |component, callback| component.begin(callback, None),
        |component, result| component.end(result),
    )
}

fn code<T>(result: Result<T>) -> Hresult {
    result.err().map_or(Hresult::S_OK, Hresult::from)
}

#[tokio::test(start_paused = true)]
async fn each_fault_happens_as_planned() -> Result<()> {
    let platform = Platform::startup()?;
    let component = FaultyComponent::new(&platform, 7);
    component.plan([
        Fault::Late(Duration::from_secs(3)),
        Fault::Twice,
        Fault::Never,
        Fault::Dropped,
        Fault::Inline,
        Fault::WrongThread,
        Fault::FailingBegin(Hresult::MF_E_NOTACCEPTING),
        Fault::FailingBeginThatCallsBack(Hresult::MF_E_NOTACCEPTING),
        Fault::Failing(Hresult::MF_E_END_OF_STREAM),
        Fault::PanickingEnd,
    ]);
    let before = tokio::time::Instant::now();
    assert_eq!(ask(&platform, &component).await?, 7);
    assert_eq!(before.elapsed(), Duration::from_secs(3), "late");

    assert_eq!(ask(&platform, &component).await?, 7, "twice");
    assert_eq!(component.ends(), 2, "but one End");

    let never = ask(&platform, &component);
    assert!(!never.is_ended());
    assert_eq!(component.drop_results(), 1);
    assert_eq!(never.await.expect_err("let go at last").kind(), ErrorKind::Abandoned);

    assert_eq!(ask(&platform, &component).await.expect_err("let go").kind(), ErrorKind::Abandoned);

    let inline = ask(&platform, &component);
    assert!(inline.is_ended(), "before Begin was back");
    assert_eq!(inline.await?, 7);

    assert_eq!(ask(&platform, &component).await?, 7, "on the wrong thread");
    assert_eq!(code(ask(&platform, &component).await), Hresult::MF_E_NOTACCEPTING);
    assert_eq!(code(ask(&platform, &component).await), Hresult::MF_E_NOTACCEPTING);
    assert_eq!(code(ask(&platform, &component).await), Hresult::MF_E_END_OF_STREAM);
    assert_eq!(ask(&platform, &component).await.expect_err("it panics").kind(), ErrorKind::Panicked);
    assert_eq!(ask(&platform, &component).await?, 7, "the plan is over");
    component.assert_begins(11);
    drop(component);
    platform.shutdown().await
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_in_begin_ends_the_operation_and_succeeds() -> Result<()> {
    let platform = Platform::startup()?;
    let component = FaultyComponent::new(&platform, 7);
    component.plan([Fault::ShutdownNow]);
    assert_eq!(code(ask(&platform, &component).await), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(ask(&platform, &component).await), Hresult::MF_E_SHUTDOWN, "refused from now on");
    component.assert_ends(0);
    platform.shutdown().await
}

#[tokio::test]
async fn a_component_ends_a_call_once_and_only_its_own() -> Result<()> {
    let platform = Platform::startup()?;
    let component = FaultyComponent::new(&platform, 7);
    component.plan([Fault::Twice]);
    let callback = RecordingCallback::new();
    component.begin(callback.clone(), None)?;
    callback.wait_for(2).await?;
    let results = callback.take_results();
    assert!(results[0].ptr_eq(&results[1]));
    assert_eq!(component.end(&results[0])?, 7);
    assert_eq!(code(component.end(&results[1])), Hresult::E_FAIL);
    let foreign = platform.event_result().build()?;
    assert_eq!(code(component.end(&foreign)), Hresult::E_INVALIDARG);
    drop((results, foreign, component));
    platform.shutdown().await?;
    callback.assert_calls(2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_callback_forgets_nothing() -> Result<()> {
    const CALLS: usize = 200;
    let platform = Platform::startup()?;
    let callback = RecordingCallback::with_parameters(CallbackParameters {
        flags: CallbackFlags::empty(),
        queue: QueueId::MULTITHREADED,
    });
    for at in 0..CALLS {
        let result = platform.result(callback.clone()).state(Arc::new(at)).build()?;
        result.set_status(Hresult(at as u32));
        platform.invoke_callback(&result)?;
    }
    let first = callback.next_result().await?;
    callback.wait_for(CALLS).await?;
    let rest = callback.take_results();
    let states: HashSet<_> =
        rest.iter().chain([&first]).filter_map(|result| result.state::<usize>().copied()).collect();
    assert_eq!(states, (0..CALLS).collect());
    let statuses: HashSet<_> = callback.calls().iter().map(|call| call.status.0 as usize).collect();
    assert_eq!(statuses, states);
    assert!(callback.calls().iter().all(|call| call.queue == Some(QueueId::MULTITHREADED)));
    callback.assert_calls(CALLS);
    drop((first, rest));
    platform.shutdown().await
}

#[tokio::test(start_paused = true)]
async fn a_recording_callback_does_not_wait_for_ever() {
    let callback = RecordingCallback::new();
    assert_eq!(code(callback.wait_for(1).await), Hresult::ERROR_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn with_the_clock_paused_it_waits_for_hours() -> Result<()> {
    let platform = Platform::startup()?;
    let callback = RecordingCallback::on(QueueId::MULTITHREADED);
    let start = tokio::time::Instant::now();
    platform.schedule(callback.clone(), Duration::from_secs(7200))?;
    drop(callback.next_result().await?);
    assert_eq!(start.elapsed(), Duration::from_secs(7200));
    platform.shutdown().await
}

#[test]
#[should_panic(expected = "the callback was called 0 times")]
fn asserting_another_count_panics() {
    RecordingCallback::new().assert_calls(1);
}

#[tokio::test]
async fn an_item_runs_when_stepped_on_this_thread_in_order() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = ManualQueue::new(&platform)?;
    let log = Arc::new(Mutex::new(Vec::new()));
    for (name, priority) in
        [("a", Priority::Normal), ("b", Priority::Low), ("c", Priority::High), ("d", Priority::Normal)]
    {
        let log = log.clone();
        let callback =
            Arc::new(move |_: &AsyncResult| log.lock().unwrap().push((name, std::thread::current().id())));
        platform.put(&queue, WorkItem::new(callback).priority(priority))?;
    }
    tokio::task::yield_now().await;
    assert_eq!((queue.depth(), log.lock().unwrap().len()), (4, 0), "nothing runs by itself");
    assert!(queue.step());
    assert_eq!((queue.depth(), log.lock().unwrap().len()), (3, 1));
    assert_eq!(queue.run_until_idle(), 3);
    assert!(!queue.step());
    let here = std::thread::current().id();
    assert_eq!(*log.lock().unwrap(), [("c", here), ("a", here), ("d", here), ("b", here)]);
    let stats = queue.handle().stats();
    assert_eq!((stats.put, stats.run, stats.depth, stats.running), (4, 4, 0, 0));
    queue.handle().barrier().await?;
    drop(queue);
    platform.shutdown().await
}

#[tokio::test]
async fn a_serial_queue_over_it_is_stepped_item_by_item() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = ManualQueue::new(&platform)?;
    let serial = platform.allocate_serial_work_queue(&queue)?;
    let count = Arc::new(AtomicUsize::new(0));
    let runs: Vec<_> = (0..3)
        .map(|_| {
            let count = count.clone();
            serial.run(move || count.fetch_add(1, Ordering::SeqCst))
        })
        .collect();
    for ran in 1..=3 {
        assert!(queue.step());
        assert_eq!(count.load(Ordering::SeqCst), ran);
    }
    queue.run_until_idle();
    for (at, run) in runs.into_iter().enumerate() {
        assert_eq!(run.await?, at);
    }
    drop((serial, queue));
    platform.shutdown().await
}

#[tokio::test]
async fn a_future_on_it_is_polled_step_by_step() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = ManualQueue::new(&platform)?;
    let operation = queue.handle().spawn(async {
        tokio::task::yield_now().await;
        5
    });
    assert!(queue.step());
    assert!(!operation.is_ended());
    // The yield wakes by way of the runtime.
    tokio::task::yield_now().await;
    assert!(queue.step());
    assert!(operation.is_ended());
    assert_eq!(operation.await?, 5);
    drop(queue);
    platform.shutdown().await
}

#[tokio::test]
async fn dropped_it_lets_go_of_what_is_queued_and_of_what_is_put_later() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = ManualQueue::new(&platform)?;
    let handle = queue.handle().clone();
    let id = queue.id();
    let queued = handle.run(|| 1);
    drop(queue);
    assert_eq!(queued.await.expect_err("it never ran").kind(), ErrorKind::Abandoned);
    assert!(handle.run(|| 2).await.is_err());
    drop(handle);
    assert_eq!(code(platform.queue(id)), Hresult::MF_E_INVALID_WORKQUEUE);
    platform.shutdown().await
}

#[tokio::test(start_paused = true)]
async fn time_goes_by_while_a_queue_waits_to_be_stepped() {
    let platform = Platform::startup().unwrap();
    let queue = ManualQueue::new(&platform).unwrap();
    let waits = queue.handle().run(|| ());
    let start = std::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(start.elapsed() < Duration::from_secs(10), "the paused clock stood still");
    assert_eq!(queue.run_until_idle(), 1);
    waits.await.unwrap();
}

#[tokio::test]
async fn the_kit_can_be_shown() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = ManualQueue::new(&platform)?;
    let callback = RecordingCallback::on(queue.id());
    queue.handle().put(callback.clone())?;
    let shown = format!("{queue:?}");
    assert!(shown.contains("ManualQueue") && shown.contains("depth: 1"), "{shown}");
    assert!(queue.step());
    drop(callback.next_result().await?);
    let component = FaultyComponent::new(&platform, 7);
    component.plan([Fault::Dropped]);
    assert!(format!("{component:?}").contains("Dropped"), "{component:?}");
    drop(queue);
    platform.shutdown().await
}
