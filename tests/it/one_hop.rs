//! Promise: an operation for which no queue was named ends in one hop. Its result is handed over, its task is woken,
//! and End runs when it polls; and where that would not do, End runs on a queue all the same.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread::ThreadId;
use std::time::Duration;

use futures::FutureExt;
use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Hresult, Operation, Platform, QueueId,
    Result, WorkQueueType,
};
use tokio::time::Instant;

use crate::support::{Gate, both_runtimes, callback, until, within_bound};

/// A component that completes in Begin, and counts its Ends and where they run.
#[derive(Default)]
struct Component {
    ends: AtomicUsize,
    threads: Mutex<Vec<ThreadId>>,
}

impl Component {
    fn begin(platform: &Platform, callback: Arc<dyn AsyncCallback>) -> Result<()> {
        platform.result(callback).build()?.invoke()
    }

    fn end(&self, result: &AsyncResult) -> Result<usize> {
        self.threads.lock().unwrap().push(std::thread::current().id());
        result.status().ok()?;
        Ok(self.ends.fetch_add(1, Ordering::SeqCst))
    }

    fn ends(&self) -> usize {
        self.ends.load(Ordering::SeqCst)
    }
}

fn begin(platform: &Platform, component: &Arc<Component>) -> Operation<usize> {
    let begun = platform.clone();
    platform.begin_end(
        component,
        |_, callback| Component::begin(&begun, callback),
        |component, result| component.end(result),
    )
}

fn runs_on(platform: &Platform, queue: QueueId) -> u64 {
    platform.queue(queue).unwrap().stats().run
}

tokio::task_local! {
    static WHO: u32;
}

#[test]
fn end_runs_in_the_poll_of_the_awaiting_task_and_on_no_queue() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let begun = platform.clone();
        let seen = WHO
            .scope(7, async move {
                begun
                    .begin_end(&begun.clone(), Component::begin, |_, _| {
                        Ok((WHO.try_with(|who| *who).ok(), std::thread::current().id()))
                    })
                    .map(|seen| (seen.unwrap(), std::thread::current().id()))
                    .await
            })
            .await;
        assert_eq!(seen.0.0, Some(7));
        assert_eq!(seen.0.1, seen.1);
        assert_eq!(runs_on(&platform, QueueId::MULTITHREADED), 0);
    });
}

#[test]
fn end_never_runs_on_the_stack_of_the_invoker() {
    both_runtimes(|| async {
        thread_local!(static IN_BEGIN: Cell<bool> = const { Cell::new(false) });
        let platform = Platform::startup().unwrap();
        let operation = platform.begin_end(
            &platform.clone(),
            |platform, callback| {
                IN_BEGIN.set(true);
                let begun = Component::begin(platform, callback);
                IN_BEGIN.set(false);
                begun
            },
            |_, _| Ok(IN_BEGIN.get()),
        );
        assert!(!operation.await.unwrap());
    });
}

#[test]
fn an_operation_with_a_named_queue_takes_it() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let (gate, component) = (Gate::new(), Arc::new(Component::default()));
        let pass = gate.clone();
        let holds = CallbackParameters::on(&queue).with_flags(CallbackFlags::BLOCKING);
        let held = platform.begin_end_with(holds, &platform.clone(), Component::begin, move |_, _| {
            pass.pass();
            Ok(())
        });
        let begun = platform.clone();
        let mut behind = platform.begin_end_with(
            CallbackParameters::on(&queue),
            &component,
            |_, callback| Component::begin(&begun, callback),
            |component, result| component.end(result),
        );
        // It is second on a serial queue whose first item is held up.
        assert!((&mut behind).now_or_never().is_none());
        assert_eq!(component.ends(), 0);
        gate.open();
        held.await.unwrap();
        assert_eq!(behind.await.unwrap(), 0);
        assert_eq!((queue.stats().put, component.ends()), (2, 1));
    });
}

#[test]
fn an_operation_that_is_dropped_with_its_result_in_hand_is_ended_on_multithreaded() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let component = Arc::new(Component::default());
        drop(begin(&platform, &component));
        begin(&platform, &component).detach();
        until("both are ended", || component.ends() == 2).await;
        until("both are counted", || runs_on(&platform, QueueId::MULTITHREADED) == 2).await;
        assert_eq!(platform.report().late_calls + platform.report().double_calls, 0);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_shutdown_ends_what_is_in_hand_and_waits_for_no_poll() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let component = Arc::new(Component::default());
        let operations: Vec<_> = (0..10).map(|_| begin(&platform, &component)).collect();
        let start = Instant::now();
        platform.shutdown().await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(4));
        assert_eq!(component.ends(), 10);
        for operation in operations {
            operation.now_or_never().expect("it has ended").unwrap();
        }
    });
}

#[test]
fn an_operation_that_a_shutdown_finds_in_hand_goes_to_its_waiting_task() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let component = Arc::new(Component::default());
        let waits = tokio::spawn(begin(&platform, &component));
        platform.shutdown().await.unwrap();
        assert_eq!(waits.await.unwrap().unwrap(), 0);
        assert_eq!(component.ends(), 1);
    });
}

#[test]
fn a_wrapped_callback_takes_the_queue_and_ends_once() {
    struct Logged(Arc<dyn AsyncCallback>, Arc<AtomicUsize>);
    impl AsyncCallback for Logged {
        fn parameters(&self) -> CallbackParameters {
            self.0.parameters()
        }

        fn invoke(&self, result: &AsyncResult) {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.invoke(result);
        }
    }
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let (component, calls) = (Arc::new(Component::default()), Arc::new(AtomicUsize::new(0)));
        let begun = platform.clone();
        let logs = calls.clone();
        let operation = platform.begin_end(
            &component,
            |_, callback| Component::begin(&begun, Arc::new(Logged(callback, logs))),
            |component, result| component.end(result),
        );
        assert_eq!(operation.await.unwrap(), 0);
        assert_eq!((calls.load(Ordering::SeqCst), component.ends()), (1, 1));
        until("it is counted", || runs_on(&platform, QueueId::MULTITHREADED) == 1).await;
    });
}

#[test]
fn a_wrapped_callback_that_is_kept_is_ended_by_the_shutdown() {
    struct Forwards(Arc<dyn AsyncCallback>);
    impl AsyncCallback for Forwards {
        fn parameters(&self) -> CallbackParameters {
            self.0.parameters()
        }

        fn invoke(&self, result: &AsyncResult) {
            self.0.invoke(result);
        }
    }
    both_runtimes(|| async {
        let platform = Platform::builder().shutdown_deadline(Duration::from_millis(50)).startup().unwrap();
        let mut kept = None;
        let operation = platform.begin_end(
            &(),
            |(), callback| {
                kept = Some(platform.result(Arc::new(Forwards(callback))).build()?);
                Ok(())
            },
            |(), _| Ok(()),
        );
        let shutdown = platform.shutdown();
        assert_eq!(operation.await.unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        drop(kept);
        shutdown.await.unwrap();
    });
}

#[test]
fn a_task_that_awaits_only_ready_operations_gives_others_their_turn() {
    within_bound(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let platform = Platform::startup().unwrap();
            let component = Arc::new(Component::default());
            let turns = Arc::new(AtomicUsize::new(0));
            let counts = turns.clone();
            let other = tokio::spawn(async move {
                loop {
                    counts.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            });
            for _ in 0..2000 {
                begin(&platform, &component).await.unwrap();
            }
            assert!(turns.load(Ordering::SeqCst) >= 10, "{turns:?}");
            let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
            let ended: Vec<_> = (0..2000).map(|_| queue.run(|| ())).collect();
            queue.barrier().await.unwrap();
            let before = turns.load(Ordering::SeqCst);
            for operation in ended {
                operation.await.unwrap();
            }
            assert!(turns.load(Ordering::SeqCst) >= before + 10, "{turns:?}, {before} before");
            other.abort();
        });
    });
}

/// Awaits ten thousand operations on an executor that is not tokio's.
fn ten_thousand(platform: &Platform) -> usize {
    let component = Arc::new(Component::default());
    futures::executor::block_on(async {
        for _ in 0..10_000 {
            begin(platform, &component).await.unwrap();
        }
    });
    component.ends()
}

#[test]
fn a_foreign_executor_in_a_task_and_in_a_callback_goes_through_ten_thousand() {
    within_bound(|| {
        both_runtimes(|| async {
            let platform = Platform::startup().unwrap();
            assert_eq!(ten_thousand(&platform), 10_000);
            let (inner, queue) = (platform.clone(), platform.queue(QueueId::MULTITHREADED).unwrap());
            assert_eq!(queue.run(move || ten_thousand(&inner)).await.unwrap(), 10_000);
            drop(queue);
            let inner = platform.clone();
            assert_eq!(std::thread::spawn(move || ten_thousand(&inner)).join().unwrap(), 10_000);
        });
    });
}

#[test]
fn a_result_that_is_invoked_while_it_is_in_hand_is_ended_once() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let component = Arc::new(Component::default());
        let begun = platform.clone();
        let operation = platform.begin_end(
            &component,
            |_, callback| {
                let result = begun.result(callback).build()?;
                result.invoke()?;
                result.invoke()
            },
            |component, result| component.end(result),
        );
        until("the second call is counted", || platform.report().double_calls == 1).await;
        assert_eq!(operation.await.unwrap(), 0);
        assert_eq!(component.ends(), 1);
    });
}

#[test]
fn a_poll_from_another_task_is_woken_by_the_hand_over() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let mut kept = None;
        let mut operation = platform.begin_end(
            &(),
            |(), callback| {
                kept = Some(platform.result(callback).build()?);
                Ok(())
            },
            |(), _| Ok(5),
        );
        assert!(matches!(futures::poll!(&mut operation), Poll::Pending));
        let waits = tokio::spawn(operation);
        let invoker = callback(move |_| kept.as_ref().unwrap().invoke().unwrap());
        platform.put(QueueId::MULTITHREADED, invoker).unwrap();
        assert_eq!(waits.await.unwrap().unwrap(), 5);
    });
}
