//! A component made of `Method`s keeps the contract of Begin and End: one callback for each Begin that
//! succeeded, one value for one End, and an end for every call, whatever becomes of its body.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, CancelCookie, Error, ErrorKind, Hresult,
    Method, Operation, Platform, QueueId, Result, WorkQueueType,
};
use tokio::sync::{mpsc, oneshot};

use crate::support::with;

/// Tells through a channel of every call, with the result.
fn telling() -> (Arc<dyn AsyncCallback>, mpsc::UnboundedReceiver<AsyncResult>) {
    let (send, receive) = mpsc::unbounded_channel();
    (Arc::new(move |result: &AsyncResult| drop(send.send(result.clone()))), receive)
}

/// Begins and ends with the same method, and keeps the cookie.
fn call<T: Send + 'static>(
    platform: &Platform,
    method: &Method<T>,
    begin: impl FnOnce(Arc<dyn AsyncCallback>) -> Result<CancelCookie>,
) -> (Operation<T>, Option<CancelCookie>) {
    let ender = method.clone();
    let mut cookie = None;
    let operation = platform.begin_end(
        &(),
        |(), callback| {
            cookie = Some(begin(callback)?);
            Ok(())
        },
        move |(), result| ender.end(result),
    );
    (operation, cookie)
}

fn code<T>(result: Result<T>) -> Hresult {
    result.err().map_or(Hresult::S_OK, Hresult::from)
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn the_value_comes_once() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<String>();
    let (callback, mut told) = telling();
    method.begin_with_state(callback, Arc::new(7_u32), async { Ok("value".to_owned()) })?;
    let result = told.recv().await.expect("the callback comes");
    assert_eq!(result.status(), Hresult::S_OK);
    assert_eq!(result.state::<u32>(), Some(&7));
    assert_eq!(method.end(&result)?, "value");
    assert_eq!(code(method.end(&result)), Hresult::E_FAIL);
    drop(result);
    platform.shutdown().await?;
    assert!(told.recv().await.is_none(), "the callback comes once");
    Ok(())
}

#[tokio::test]
async fn the_value_comes_once_on_one_thread() -> Result<()> {
    the_value_comes_once().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_value_comes_once_on_two() -> Result<()> {
    the_value_comes_once().await
}

#[tokio::test]
async fn a_foreign_result_is_refused_and_keeps_its_value() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>();
    let (callback, mut told) = telling();
    method.begin(callback, ready(Ok(1)))?;
    let result = told.recv().await.expect("the callback comes");
    assert_eq!(code(platform.method::<u32>().end(&result)), Hresult::E_INVALIDARG, "another object");
    assert_eq!(code(method.sibling::<u32>().end(&result)), Hresult::E_INVALIDARG, "another method");
    assert_eq!(code(platform.method::<u64>().end(&result)), Hresult::E_INVALIDARG, "another type");
    let bare = platform.event_result().build()?;
    assert_eq!(code(method.end(&bare)), Hresult::E_INVALIDARG, "no method's");
    assert_eq!(method.clone().end(&result)?, 1, "a clone is the same method");
    drop((bare, result));
    platform.shutdown().await
}

#[tokio::test]
async fn failures_and_panics_are_in_the_status_and_in_end() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>();
    let (callback, mut told) = telling();

    let failure = Error::new(Hresult::MF_E_END_OF_STREAM, "read past the end");
    method.begin(callback.clone(), ready(Err(failure.clone())))?;
    let result = told.recv().await.expect("the callback comes");
    assert_eq!(result.status(), Hresult::MF_E_END_OF_STREAM);
    assert_eq!(method.end(&result).expect_err("it failed").to_string(), failure.to_string());

    method.begin(callback.clone(), async { panic!("at the disco") })?;
    drop(result);
    let result = told.recv().await.expect("the callback comes");
    assert_eq!(result.status(), Hresult::E_UNEXPECTED);
    let error = method.end(&result).expect_err("it panicked");
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert_eq!(error.what(), "the body of the method panicked: at the disco");

    drop(result);
    method.begin_blocking(callback, || panic!("blocked"))?;
    let result = told.recv().await.expect("the callback comes");
    assert_eq!(result.status(), Hresult::E_UNEXPECTED);
    let error = method.end(&result).expect_err("it panicked");
    assert_eq!(error.what(), "the body of the method panicked: blocked");
    drop(result);
    platform.shutdown().await
}

#[tokio::test]
async fn a_sibling_runs_on_the_same_queue() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.allocate_work_queue(WorkQueueType::Standard)?;
    let sibling = platform.method::<u32>().on(&queue).sibling::<()>();
    sibling.call(ready(Ok(()))).await?;
    assert_eq!(queue.stats().run, 1);
    drop(queue);
    platform.shutdown().await
}

#[tokio::test]
async fn a_call_that_is_refused_calls_nobody_back() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>();
    let calls = Arc::new(AtomicUsize::new(0));
    let closed = platform.allocate_work_queue(WorkQueueType::Standard)?.id();
    let flags = CallbackFlags::from_bits_retain(u32::MAX);
    for parameters in [
        CallbackParameters::on(closed),
        CallbackParameters::on(QueueId::STANDARD).with_flags(flags),
        CallbackParameters::on(QueueId::MULTITHREADED).with_flags(flags),
    ] {
        let counts = calls.clone();
        let call = with(parameters, move |_| _ = counts.fetch_add(1, Ordering::SeqCst));
        assert_eq!(code(method.begin(call, ready(Ok(1)))), Hresult::MF_E_INVALID_WORKQUEUE);
    }
    platform.shutdown().await?;
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    Ok(())
}

#[tokio::test]
async fn a_cancelled_call_drops_its_body_and_calls_back() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>();
    let drops = Arc::new(AtomicUsize::new(0));
    let (callback, mut told) = telling();
    let held = Counted(drops.clone());
    let (started, starts) = oneshot::channel();
    let (_gate, closed) = oneshot::channel::<()>();
    let cookie = method.begin(callback, async move {
        let _held = held;
        let _ = started.send(());
        let _ = closed.await;
        Ok(1)
    })?;
    starts.await.expect("it starts");
    assert!(cookie.cancel());
    assert!(!cookie.cancel(), "once");
    assert_eq!(drops.load(Ordering::SeqCst), 1, "the body is gone when cancel is back");
    let result = told.recv().await.expect("the callback comes");
    assert_eq!(result.status(), Hresult::E_ABORT);
    let error = method.end(&result).expect_err("it was cancelled");
    assert_eq!((error.hresult(), error.kind()), (Hresult::E_ABORT, ErrorKind::Cancelled));
    drop(result);
    platform.shutdown().await?;
    assert!(told.recv().await.is_none(), "once");
    Ok(())
}

#[tokio::test]
async fn a_cancel_after_the_end_changes_nothing() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>();
    let (callback, mut told) = telling();
    let cookie = method.begin(callback, ready(Ok(5)))?;
    let result = told.recv().await.expect("the callback comes");
    assert!(!cookie.cancel());
    assert_eq!(method.end(&result)?, 5);
    drop(result);
    platform.shutdown().await
}

#[tokio::test]
async fn an_operation_cancels_by_the_cookie() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>();
    let (_gate, closed) = oneshot::channel::<()>();
    let (operation, cookie) = call(&platform, &method, |callback| {
        method.begin(callback, async {
            let _ = closed.await;
            Ok(1)
        })
    });
    let cookie = cookie.expect("begun");
    let operation = operation.cancel_with(move || assert!(cookie.cancel()));
    assert_eq!(code(operation.cancel().await), Hresult::E_ABORT);
    platform.shutdown().await
}

#[tokio::test]
async fn a_closure_cancelled_before_it_runs_never_does() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>().serialized();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (first, _) = call(&platform, &method, |callback| {
        method.begin_blocking(callback, move || {
            let _ = gate.recv();
            Ok(1)
        })
    });
    let runs = Arc::new(AtomicUsize::new(0));
    let ran = runs.clone();
    let (second, cookie) = call(&platform, &method, |callback| {
        method.begin_blocking(callback, move || {
            ran.fetch_add(1, Ordering::SeqCst);
            Ok(2)
        })
    });
    assert!(cookie.expect("begun").cancel());
    assert_eq!(code(second.await), Hresult::E_ABORT, "without waiting for the first");
    open.send(()).expect("the first runs");
    assert_eq!(first.await?, 1);
    platform.shutdown().await?;
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    Ok(())
}

#[tokio::test]
async fn a_serialized_method_waits_for_a_closure_that_was_cancelled() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>().serialized();
    let closed = Arc::new(AtomicUsize::new(0));
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (started, starts) = oneshot::channel();
    let over = closed.clone();
    let (first, cookie) = call(&platform, &method, |callback| {
        method.begin_blocking(callback, move || {
            let _ = started.send(());
            let _ = gate.recv();
            over.store(1, Ordering::SeqCst);
            Ok(1)
        })
    });
    let seen = closed.clone();
    let (second, _) = call(&platform, &method, |callback| {
        method.begin(callback, async move { Ok(seen.load(Ordering::SeqCst) as u32) })
    });
    starts.await.expect("it starts");
    assert!(cookie.expect("begun").cancel());
    assert_eq!(code(first.await), Hresult::E_ABORT, "at once");
    open.send(()).expect("the closure waits");
    assert_eq!(second.await?, 1, "the second ran when the closure was over");
    platform.shutdown().await
}

async fn one_at_a_time() -> Result<()> {
    const CALLS: usize = 100;
    let platform = Platform::startup()?;
    let numbers = platform.method::<usize>().serialized();
    let words = numbers.sibling::<String>();
    let log = Arc::new(Mutex::new(Vec::new()));
    let inside = Arc::new(AtomicUsize::new(0));
    let (callback, mut told) = telling();
    for at in 0..CALLS {
        let (log, inside) = (log.clone(), inside.clone());
        let step = async move {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "nobody else is inside");
            tokio::task::yield_now().await;
            log.lock().unwrap().push(at);
            assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
        };
        match at % 3 {
            0 => numbers.begin(callback.clone(), step.map_to(at))?,
            1 => words.begin(callback.clone(), step.map_to("word".to_owned()))?,
            _ => numbers.begin_blocking(callback.clone(), {
                let runtime = tokio::runtime::Handle::current();
                move || runtime.block_on(step.map_to(at))
            })?,
        };
    }
    for _ in 0..CALLS {
        let result = told.recv().await.expect("each calls back");
        assert_eq!(result.status(), Hresult::S_OK);
    }
    assert_eq!(*log.lock().unwrap(), (0..CALLS).collect::<Vec<_>>());
    platform.shutdown().await
}

/// `async { self.await; Ok(value) }`, as a method.
trait MapTo: Future<Output = ()> + Sized {
    fn map_to<T>(self, value: T) -> impl Future<Output = Result<T>> {
        async {
            self.await;
            Ok(value)
        }
    }
}

impl<F: Future<Output = ()>> MapTo for F {}

#[tokio::test]
async fn one_at_a_time_in_the_order_of_the_begins_on_one_thread() -> Result<()> {
    one_at_a_time().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_at_a_time_in_the_order_of_the_begins_on_two() -> Result<()> {
    one_at_a_time().await
}

#[tokio::test]
async fn the_order_goes_on_past_failed_panicked_and_cancelled_calls() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>().serialized();
    let (_gate, closed) = oneshot::channel::<()>();
    let (stuck, stuck_cookie) = call(&platform, &method, |callback| {
        method.begin(callback, async {
            let _ = closed.await;
            Ok(0)
        })
    });
    let (waiting, waiting_cookie) = call(&platform, &method, |callback| method.begin(callback, ready(Ok(1))));
    let (panics, _) = call(&platform, &method, |callback| method.begin(callback, async { panic!() }));
    let (last, _) = call(&platform, &method, |callback| method.begin(callback, ready(Ok(4))));
    assert!(waiting_cookie.expect("begun").cancel());
    assert_eq!(code(waiting.await), Hresult::E_ABORT);
    assert!(stuck_cookie.expect("begun").cancel());
    assert_eq!(code(stuck.await), Hresult::E_ABORT);
    assert_eq!(code(panics.await), Hresult::E_UNEXPECTED);
    assert_eq!(last.await?, 4);
    platform.shutdown().await
}

#[tokio::test]
async fn a_place_is_taken_even_by_a_task_that_has_used_up_its_budget() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<usize>().serialized();
    let log = Arc::new(Mutex::new(Vec::new()));
    let (callback, mut told) = telling();
    while tokio::task::coop::has_budget_remaining() {
        tokio::task::coop::consume_budget().await;
    }
    for at in 0..8 {
        let log = log.clone();
        method.begin(callback.clone(), async move {
            log.lock().unwrap().push(at);
            Ok(at)
        })?;
    }
    for _ in 0..8 {
        told.recv().await.expect("each calls back");
    }
    assert_eq!(*log.lock().unwrap(), (0..8).collect::<Vec<_>>());
    platform.shutdown().await
}

#[tokio::test(start_paused = true)]
async fn shutdown_drops_pending_bodies_and_does_not_wait() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.allocate_work_queue(WorkQueueType::Standard)?;
    let method = platform.method::<u32>().on(&queue).serialized();
    drop(queue);
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = oneshot::channel::<()>();
    let held = Counted(drops.clone());
    let (running, _) = call(&platform, &method, |callback| {
        method.begin(callback, async move {
            let _held = held;
            let _ = receiver.await;
            Ok(1)
        })
    });
    let held = Counted(drops.clone());
    let (waiting, _) = call(&platform, &method, |callback| {
        method.begin(callback, async move {
            let _held = held;
            Ok(2)
        })
    });
    drop(method);
    let before = tokio::time::Instant::now();
    platform.shutdown().await?;
    assert_eq!(before.elapsed(), std::time::Duration::ZERO);
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    assert!(sender.is_closed());
    assert_eq!(code(running.await), Hresult::MF_E_SHUTDOWN);
    assert_eq!(code(waiting.await), Hresult::MF_E_SHUTDOWN);
    Ok(())
}

#[tokio::test]
async fn a_begin_that_is_refused_drops_the_body_and_never_calls_back() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>().serialized();
    platform.shutdown().await?;
    let drops = Arc::new(AtomicUsize::new(0));
    let (callback, mut told) = telling();
    let held = Counted(drops.clone());
    let refused = method.begin(callback.clone(), async move {
        let _held = held;
        Ok(1)
    });
    assert_eq!(code(refused), Hresult::MF_E_SHUTDOWN);
    let held = Counted(drops.clone());
    let refused = method.begin_blocking(callback, move || {
        let _held = held;
        Ok(1)
    });
    assert_eq!(code(refused), Hresult::MF_E_SHUTDOWN);
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    assert!(told.recv().await.is_none(), "the callback is let go");
    Ok(())
}

#[tokio::test]
async fn a_body_that_nothing_can_wake_ends_abandoned() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>();
    let (operation, cookie) = call(&platform, &method, |callback| method.begin(callback, pending()));
    let error = operation.await.expect_err("nothing can wake it");
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Abandoned, Hresult::E_ABORT));
    assert!(!cookie.expect("begun").cancel());
    platform.shutdown().await
}

#[test]
fn a_runtime_that_dies_ends_the_calls() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
    let method = platform.method::<u32>();
    let (sender, receiver) = oneshot::channel::<()>();
    let (operation, _) = call(&platform, &method, |callback| {
        method.begin(callback, async move {
            let _ = receiver.await;
            Ok(1)
        })
    });
    runtime.block_on(async { tokio::task::yield_now().await });
    drop(runtime);
    drop(sender);
    let error = futures::executor::block_on(operation).expect_err("no runtime, no value");
    assert_eq!(error.hresult(), Hresult::MF_E_SHUTDOWN);
}

#[tokio::test]
async fn a_callback_whose_queue_is_closed_is_failed_not_forgotten() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>();
    let ender = method.clone();
    let operation = platform.begin_end_with(
        mf_async::CallbackParameters::on(QueueId(0x7fff_0000)),
        &(),
        |(), callback| method.begin(callback, ready(Ok(1))),
        move |(), result| ender.end(result),
    );
    assert_eq!(code(operation.await), Hresult::MF_E_INVALID_WORKQUEUE);
    platform.shutdown().await
}

#[tokio::test]
async fn bodies_are_polled_on_the_method_s_queue() -> Result<()> {
    let platform = Platform::startup()?;
    let queue = platform.allocate_work_queue(WorkQueueType::Standard)?;
    let method = platform.method::<()>().on(&queue);
    let before = queue.stats().put;
    let (operation, _) = call(&platform, &method, |callback| {
        method.begin(callback, async {
            tokio::task::yield_now().await;
            Ok(())
        })
    });
    operation.await?;
    assert_eq!(queue.stats().put - before, 2, "two polls");
    drop((method, queue));
    platform.shutdown().await
}

#[tokio::test]
async fn a_body_may_cancel_itself() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>().serialized();
    let (give, take) = oneshot::channel::<CancelCookie>();
    let (first, cookie) = call(&platform, &method, |callback| {
        method.begin(callback, async move {
            let cookie = take.await.expect("it is given");
            assert!(cookie.cancel(), "while it is polled");
            Ok(1)
        })
    });
    let (second, _) = call(&platform, &method, |callback| method.begin(callback, ready(Ok(2))));
    assert!(give.send(cookie.expect("begun")).is_ok());
    assert_eq!(code(first.await), Hresult::E_ABORT);
    assert_eq!(second.await?, 2);
    platform.shutdown().await
}

#[tokio::test]
async fn a_body_that_panics_when_it_is_dropped_harms_nobody() -> Result<()> {
    /// Panics when it is dropped, unless something panics already.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "the bomb goes off");
        }
    }
    let platform = Platform::startup()?;
    let method = platform.method::<u32>().serialized();
    let (_gate, closed) = oneshot::channel::<()>();
    let bomb = Bomb;
    let (first, cookie) = call(&platform, &method, |callback| {
        method.begin(callback, async move {
            let _bomb = bomb;
            let _ = closed.await;
            Ok(1)
        })
    });
    let (second, _) = call(&platform, &method, |callback| method.begin(callback, ready(Ok(2))));
    assert!(cookie.expect("begun").cancel());
    assert_eq!(code(first.await), Hresult::E_ABORT);
    assert_eq!(second.await?, 2);

    let bomb = Bomb;
    let (third, _) = call(&platform, &method, |callback| {
        method.begin(callback, async move {
            drop(bomb);
            Ok(3)
        })
    });
    assert_eq!(code(third.await), Hresult::E_UNEXPECTED);
    platform.shutdown().await
}

#[test]
fn a_begin_on_a_runtime_that_is_gone_fails_and_calls_nobody() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
    let method = platform.method::<u8>();
    let (callback, mut told) = telling();
    let first = method.begin(callback.clone(), async { Ok(1) }).unwrap();
    assert!(runtime.block_on(told.recv()).is_some());
    drop((first, runtime));
    let begun = method.begin(callback, async { Ok(2) });
    assert_eq!(code(begun.map(drop)), Hresult::MF_E_SHUTDOWN);
    assert_eq!(told.try_recv().unwrap_err(), mpsc::error::TryRecvError::Disconnected);
}

#[tokio::test]
async fn a_call_gives_the_value_or_the_error_of_its_body() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>();
    assert_eq!(method.call(async { Ok(1) }).await?, 1);
    let outcome = method.call(async { Ok(2) }).outcome().await;
    assert_eq!((outcome.status, outcome.begin), (Hresult::S_OK, Hresult::S_OK));

    let failure = Error::new(Hresult::MF_E_END_OF_STREAM, "read past the end");
    let outcome = method.call(ready(Err(failure.clone()))).outcome().await;
    assert_eq!(outcome.status, Hresult::MF_E_END_OF_STREAM);
    assert_eq!(outcome.value.expect_err("it failed").to_string(), failure.to_string());
    platform.shutdown().await
}

#[tokio::test]
async fn a_call_whose_body_panics_says_so() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>().serialized();
    let error = method.call(async { panic!("at the disco") }).await.expect_err("it panicked");
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Panicked, Hresult::E_UNEXPECTED));
    assert_eq!(error.what(), "the body of the method panicked: at the disco");
    assert_eq!(method.call(ready(Ok(2))).await?, 2, "the order goes on");
    platform.shutdown().await
}

#[tokio::test]
async fn a_call_that_is_dropped_drops_its_body() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>();
    let drops = Arc::new(AtomicUsize::new(0));
    let slow = || {
        let held = Counted(drops.clone());
        let (started, starts) = oneshot::channel();
        let (gate, closed) = oneshot::channel::<()>();
        let operation = method.call(async move {
            let _held = held;
            let _ = started.send(());
            let _ = closed.await;
            Ok(1)
        });
        (operation, starts, gate)
    };
    let (operation, starts, gate) = slow();
    starts.await.expect("it starts before it is awaited");
    drop(operation);
    assert_eq!(drops.load(Ordering::SeqCst), 1, "the body is gone when the drop returns");
    assert!(gate.is_closed());

    let (operation, starts, _gate) = slow();
    starts.await.expect("it starts");
    let error = operation.cancel().await.expect_err("it was cancelled");
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Cancelled, Hresult::E_ABORT));

    let (operation, starts, _gate) = slow();
    starts.await.expect("it starts");
    let late = operation.timeout(std::time::Duration::ZERO).await.expect_err("it is late");
    assert_eq!(late.hresult(), Hresult::ERROR_TIMEOUT);
    assert_eq!(drops.load(Ordering::SeqCst), 3, "a timeout cancels, too");

    let (operation, starts, gate) = slow();
    starts.await.expect("it starts");
    operation.detach();
    assert_eq!(drops.load(Ordering::SeqCst), 3, "detached, it goes on");
    gate.send(()).expect("it waits");
    platform.shutdown().await
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_calls_and_does_not_wait() -> Result<()> {
    let platform = Platform::startup()?;
    let method = platform.method::<u32>();
    let (gate, closed) = oneshot::channel::<()>();
    let operation = method.call(async move {
        let _ = closed.await;
        Ok(1)
    });
    let before = tokio::time::Instant::now();
    platform.shutdown().await?;
    assert_eq!(before.elapsed(), std::time::Duration::ZERO);
    assert!(gate.is_closed(), "the body is gone");
    assert_eq!(code(operation.await), Hresult::MF_E_SHUTDOWN);

    let drops = Arc::new(AtomicUsize::new(0));
    let held = Counted(drops.clone());
    let refused = method.call(async move {
        let _held = held;
        Ok(1)
    });
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert_eq!(code(refused.await), Hresult::MF_E_SHUTDOWN);
    Ok(())
}

#[tokio::test]
async fn a_call_that_nothing_can_wake_ends_abandoned() -> Result<()> {
    let platform = Platform::startup()?;
    let error = platform.method::<u32>().call(pending()).await.expect_err("nothing can wake it");
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Abandoned, Hresult::E_ABORT));
    platform.shutdown().await
}

async fn calls_and_begins_keep_one_order() -> Result<()> {
    const CALLS: usize = 60;
    let platform = Platform::startup()?;
    let method = platform.method::<usize>().serialized();
    let log = Arc::new(Mutex::new(Vec::new()));
    let (callback, mut told) = telling();
    let mut operations = Vec::new();
    for at in 0..CALLS {
        let log = log.clone();
        let step = async move {
            tokio::task::yield_now().await;
            log.lock().unwrap().push(at);
            Ok(at)
        };
        if at % 2 == 0 {
            operations.push((at, method.call(step)));
        } else {
            method.begin(callback.clone(), step)?;
        }
    }
    for (at, operation) in operations {
        assert_eq!(operation.await?, at);
    }
    for _ in 0..CALLS / 2 {
        told.recv().await.expect("each calls back");
    }
    assert_eq!(*log.lock().unwrap(), (0..CALLS).collect::<Vec<_>>());
    platform.shutdown().await
}

#[tokio::test]
async fn calls_and_begins_keep_one_order_on_one_thread() -> Result<()> {
    calls_and_begins_keep_one_order().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_begins_keep_one_order_on_two() -> Result<()> {
    calls_and_begins_keep_one_order().await
}

/// A body that awaits its sibling waits for itself; the report names the call that has the turn.
#[tokio::test]
async fn a_report_says_whose_turn_a_call_waits_for() -> Result<()> {
    let platform = Platform::startup()?;
    let outer = platform.method::<()>().serialized();
    let inner = outer.sibling::<()>();
    let (has_begun, begun) = tokio::sync::oneshot::channel();
    let line = line!() + 1;
    let waits = outer.call(async move {
        let awaited = inner.call(async { Ok(()) });
        let _ = has_begun.send(());
        awaited.await
    });
    begun.await.unwrap();
    let report = platform.report().to_string();
    let whose = format!("waits for its turn, behind the call begun at {}:{line}:", file!());
    assert!(report.contains(&whose), "{report}");
    // Cancelled, the outer call gives the turn back.
    assert_eq!(waits.cancel().await.unwrap_err().hresult(), Hresult::E_ABORT);
    outer.call(async { Ok(()) }).await?;
    assert!(!platform.report().to_string().contains("waits for its turn"), "{}", platform.report());
    platform.shutdown().await
}
