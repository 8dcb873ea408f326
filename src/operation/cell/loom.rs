//! An operation's callback and its cell, in every order that there is: the waiter is woken with the first of what ended
//! the operation, and End runs once, in the poll or on a queue.
//!
//! Operations are begun as the platform begins them. In the place of its queues is a [`Platform`] that runs each item
//! on a thread of the item's own.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use futures::task::noop_waker_ref;
use loom::future::block_on;
use loom::thread;

use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackParameters, Dispatch, Parts, QueueId, Shortcut,
};
use crate::error::{Error, ErrorKind, Hresult, Result};
use crate::operation::{Begin, Operation, Promise};
use crate::sync::LockExt;
use crate::tracker::Tracker;

/// A platform whose queues have a thread for each item.
struct Platform {
    tracker: Tracker<Weak<dyn Dispatch>>,
    items: Mutex<Vec<thread::JoinHandle<()>>>,
    /// How often an End has run.
    ends: AtomicUsize,
}

impl Dispatch for Platform {
    fn invoke(&self, result: &AsyncResult) -> Result<()> {
        self.invoke_accepted(result)
    }

    fn invoke_accepted(&self, result: &AsyncResult) -> Result<()> {
        result.set_invoked();
        match result.callback().map(|callback| callback.shortcut()) {
            Some(Shortcut::HandOver(own)) if own.hand_over(result) => Ok(()),
            _ => self.put_accepted(result),
        }
    }

    fn invoke_failed(&self, result: &AsyncResult) -> Result<()> {
        self.invoke_accepted(result)
    }

    fn put_accepted(&self, result: &AsyncResult) -> Result<()> {
        let result = result.clone();
        let item = thread::spawn(move || result.callback().unwrap().invoke(&result));
        self.items.locked().push(item);
        Ok(())
    }

    fn check(&self, _: &AsyncResult) -> Result<()> {
        Ok(())
    }
}

impl Platform {
    fn new() -> Arc<Platform> {
        Arc::new_cyclic(|this: &Weak<Platform>| Platform {
            tracker: Tracker::new(this.clone(), None),
            items: Mutex::default(),
            ends: AtomicUsize::new(0),
        })
    }

    /// Begins an operation whose End gives 7. `component` is handed the result while Begin is on its way.
    fn begin(self: &Arc<Self>, is_queue_named: bool, component: impl FnOnce(AsyncResult)) -> Operation<i32> {
        let parameters = CallbackParameters::on(QueueId::MULTITHREADED);
        let platform = self.clone();
        let begin = |callback: Arc<dyn AsyncCallback>| {
            let parts = Parts { callback: Some(callback), ..Parts::default() };
            component(AsyncResult::new(parts, Some(self.tracker.token("begin in a model")?)));
            Ok(Begin::with_code(Hresult::S_OK))
        };
        let end = move |_: &AsyncResult| {
            platform.ends.fetch_add(1, Ordering::Relaxed);
            Ok(7)
        };
        Operation::begin(self.tracker.handle(), parameters, is_queue_named, begin, end)
    }

    /// The same with a component that invokes the callback on a thread of its own.
    fn begin_elsewhere(self: &Arc<Self>, is_queue_named: bool) -> (Operation<i32>, thread::JoinHandle<()>) {
        let mut component = None;
        let operation = self.begin(is_queue_named, |result| component = Some(invoke_elsewhere(result)));
        (operation, component.unwrap())
    }

    fn begin_shutdown(self: &Arc<Self>) -> thread::JoinHandle<()> {
        let platform = self.clone();
        thread::spawn(move || assert!(platform.tracker.start_draining()))
    }

    /// Waits until all that was put has run.
    fn drained(&self) {
        loop {
            let item = self.items.locked().pop();
            let Some(item) = item else { return };
            item.join().unwrap();
        }
    }

    fn ends(&self) -> usize {
        self.ends.load(Ordering::Relaxed)
    }

    /// How many callbacks were invoked late, and how many again.
    fn extra_calls(&self) -> (u64, u64) {
        self.tracker.handle().extra_calls()
    }
}

fn invoke_elsewhere(result: AsyncResult) -> thread::JoinHandle<()> {
    thread::spawn(move || result.invoke().unwrap())
}

fn down() -> Error {
    Error::shutdown("wait in a model")
}

/// For models of four threads, whose orders are too many: threads are interrupted three times at most. Most errors
/// need two.
fn bounded(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn a_result_in_hand_reaches_the_waiter() {
    loom::model(|| {
        let platform = Platform::new();
        let (operation, component) = platform.begin_elsewhere(false);
        assert_eq!(block_on(operation).unwrap(), 7);
        component.join().unwrap();
        platform.drained();
        assert_eq!((platform.ends(), platform.tracker.tokens()), (1, 0));
    });
}

#[test]
fn a_value_from_a_queue_reaches_the_waiter() {
    loom::model(|| {
        let platform = Platform::new();
        let (operation, component) = platform.begin_elsewhere(true);
        assert_eq!(block_on(operation).unwrap(), 7);
        component.join().unwrap();
        platform.drained();
        assert_eq!((platform.ends(), platform.tracker.tokens()), (1, 0));
    });
}

#[test]
fn a_waiter_that_changes_its_waker_is_woken_by_the_last() {
    loom::model(|| {
        let platform = Platform::new();
        let (operation, component) = platform.begin_elsewhere(false);
        let mut operation = pin!(operation);
        let value = match operation.as_mut().poll(&mut Context::from_waker(noop_waker_ref())) {
            Poll::Ready(value) => value,
            Poll::Pending => block_on(operation),
        };
        assert_eq!(value.unwrap(), 7);
        component.join().unwrap();
    });
}

#[test]
fn an_operation_that_ends_before_its_beginner_returns_keeps_its_value() {
    loom::model(|| {
        for is_queue_named in [false, true] {
            let platform = Platform::new();
            let (operation, component) = platform.begin_elsewhere(is_queue_named);
            // All that has the callback is gone but the operation.
            component.join().unwrap();
            platform.drained();
            assert!(operation.is_ended());
            assert_eq!(block_on(operation).unwrap(), 7);
        }
    });
}

#[test]
fn an_operation_that_ended_within_begin_keeps_its_value() {
    loom::model(|| {
        let platform = Platform::new();
        // The checker does not see the cell's `OnceLock`: this is the order in which it is empty at the end.
        let operation = platform.begin(true, |result| {
            invoke_elsewhere(result).join().unwrap();
            platform.drained();
        });
        assert_eq!((platform.ends(), block_on(operation).unwrap()), (1, 7));
    });
}

#[test]
fn a_result_in_hand_of_a_dropped_operation_is_ended_once_on_a_queue() {
    loom::model(|| {
        let platform = Platform::new();
        let (operation, component) = platform.begin_elsewhere(false);
        drop(operation);
        component.join().unwrap();
        platform.drained();
        assert_eq!((platform.ends(), platform.tracker.tokens()), (1, 0));
        assert_eq!(platform.extra_calls(), (0, 0));
    });
}

#[test]
fn what_is_put_in_hand_while_the_platform_drains_is_ended_once_without_a_poll() {
    bounded(|| {
        let platform = Platform::new();
        let shutdown = platform.begin_shutdown();
        let (operation, component) = platform.begin_elsewhere(false);
        component.join().unwrap();
        shutdown.join().unwrap();
        platform.drained();
        // Its token is back, though it was not polled.
        assert_eq!((platform.ends(), platform.tracker.tokens()), (1, 0));
        assert_eq!(block_on(operation).unwrap(), 7);
        assert_eq!(platform.extra_calls(), (0, 0));
    });
}

#[test]
fn what_begin_itself_put_in_hand_while_the_platform_drains_is_ended_once_without_a_poll() {
    bounded(|| {
        let platform = Platform::new();
        let shutdown = platform.begin_shutdown();
        let operation = platform.begin(false, |result| result.invoke().unwrap());
        shutdown.join().unwrap();
        platform.drained();
        assert_eq!((platform.ends(), platform.tracker.tokens()), (1, 0));
        assert_eq!(block_on(operation).unwrap(), 7);
        assert_eq!(platform.extra_calls(), (0, 0));
    });
}

#[test]
fn a_result_in_hand_polled_while_the_platform_drains_is_ended_once() {
    loom::model(|| {
        let platform = Platform::new();
        let operation = platform.begin(false, |result| result.invoke().unwrap());
        let shutdown = platform.begin_shutdown();
        assert_eq!(block_on(operation).unwrap(), 7);
        shutdown.join().unwrap();
        platform.drained();
        assert_eq!((platform.ends(), platform.tracker.tokens()), (1, 0));
        assert_eq!(platform.extra_calls(), (0, 0));
    });
}

#[test]
fn a_result_in_hand_dropped_while_the_platform_drains_is_ended_once() {
    loom::model(|| {
        let platform = Platform::new();
        let operation = platform.begin(false, |result| result.invoke().unwrap());
        let shutdown = platform.begin_shutdown();
        drop(operation);
        shutdown.join().unwrap();
        platform.drained();
        assert_eq!((platform.ends(), platform.tracker.tokens()), (1, 0));
        assert_eq!(platform.extra_calls(), (0, 0));
    });
}

#[test]
fn a_result_in_hand_or_the_end_of_the_platform_reaches_the_waiter() {
    bounded(|| {
        let platform = Platform::new();
        let (operation, component) = platform.begin_elsewhere(false);
        let shutdown = thread::spawn({
            let platform = platform.clone();
            move || {
                assert!(platform.tracker.start_draining());
                platform.tracker.close(&down());
            }
        });
        let ended = block_on(operation);
        component.join().unwrap();
        shutdown.join().unwrap();
        platform.drained();
        // A late callback still calls End, and is counted.
        assert_eq!(platform.ends(), 1);
        match ended {
            Ok(value) => assert_eq!(value, 7),
            Err(error) => assert!(error.is_shutdown()),
        }
        assert_eq!((platform.extra_calls().1, platform.tracker.tokens()), (0, 0));
    });
}

#[test]
fn of_two_invocations_one_ends_the_operation_and_the_other_is_counted() {
    bounded(|| {
        let platform = Platform::new();
        let mut both = Vec::new();
        let operation = platform.begin(false, |result| {
            both.push(invoke_elsewhere(result.clone()));
            both.push(invoke_elsewhere(result));
        });
        assert_eq!(block_on(operation).unwrap(), 7);
        both.into_iter().for_each(|component| component.join().unwrap());
        platform.drained();
        assert_eq!((platform.ends(), platform.extra_calls()), (1, (0, 1)));
    });
}

#[test]
fn a_callback_dropped_un_invoked_reaches_the_waiter() {
    loom::model(|| {
        let platform = Platform::new();
        let mut component = None;
        let operation = platform.begin(false, |result| component = Some(thread::spawn(move || drop(result))));
        assert_eq!(block_on(operation).unwrap_err().kind(), ErrorKind::Abandoned);
        component.unwrap().join().unwrap();
        assert_eq!((platform.ends(), platform.tracker.tokens()), (0, 0));
    });
}

#[test]
fn what_a_shutdown_refuses_to_invoke_ends_with_the_shutdown() {
    bounded(|| {
        let platform = Platform::new();
        let tracker = platform.tracker.handle().clone();
        let mut component = None;
        let operation = platform.begin(true, |result| {
            component = Some(thread::spawn(move || {
                // As the platform's own `invoke`: the component is refused, and drops the result.
                if tracker.is_running() { result.invoke().unwrap() } else { drop(result) }
            }));
        });
        let shutdown = platform.begin_shutdown();
        // Joined first, because the checker does not see that the drop of the last owner comes before the poll.
        component.unwrap().join().unwrap();
        match block_on(operation) {
            Ok(value) => assert_eq!(value, 7),
            Err(error) => assert!(error.is_shutdown(), "{error}"),
        }
        shutdown.join().unwrap();
        platform.drained();
    });
}

#[test]
fn a_promised_value_reaches_the_waiter() {
    loom::model(|| {
        let (promise, operation) = Promise::new(QueueId::STANDARD, None);
        let thread = thread::spawn(move || promise.complete(Ok(7)));
        assert_eq!(block_on(operation).unwrap(), 7);
        thread.join().unwrap();
    });
}

#[test]
fn a_dropped_promise_reaches_the_waiter() {
    loom::model(|| {
        let (promise, operation) = Promise::<i32>::new(QueueId::STANDARD, None);
        let thread = thread::spawn(move || drop(promise));
        assert_eq!(block_on(operation).unwrap_err().kind(), ErrorKind::Abandoned);
        thread.join().unwrap();
    });
}

#[test]
fn of_two_ends_the_first_counts() {
    loom::model(|| {
        let (promise, operation) = Promise::new(QueueId::STANDARD, None);
        let (one, other) = (promise.callback.clone(), promise.callback.clone());
        let completes = thread::spawn(move || one.finish(Ok(7), Hresult::S_OK));
        let shuts_down = thread::spawn(move || other.finish(Err(down()), Hresult::MF_E_SHUTDOWN));
        let ended = block_on(operation);
        let first = (completes.join().unwrap(), shuts_down.join().unwrap());
        match ended {
            Ok(value) => assert_eq!((value, first), (7, (true, false))),
            Err(error) => assert!(error.is_shutdown() && first == (false, true)),
        }
    });
}

#[test]
fn what_registers_while_the_platform_closes_ends() {
    loom::model(|| {
        let platform = Platform::new();
        let closes = thread::spawn({
            let platform = platform.clone();
            move || platform.tracker.close(&down())
        });
        let mut held = None;
        // Nothing invokes its callback.
        let operation = platform.begin(false, |result| held = Some(result));
        assert!(block_on(operation).unwrap_err().is_shutdown());
        closes.join().unwrap();
        drop(held);
        assert!(platform.tracker.handle().outstanding().is_empty());
    });
}

#[test]
fn an_operation_that_is_dropped_takes_its_value_along() {
    loom::model(|| {
        let value = Arc::new(());
        let (promise, operation) = Promise::new(QueueId::STANDARD, None);
        let given = value.clone();
        let thread = thread::spawn(move || promise.complete(Ok(given)));
        drop(operation);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    });
}
