//! The completion cell, in every order that there is: whoever waits is woken, with the first of what ended
//! the operation.

use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use crate::async_result::QueueId;
use crate::error::{Error, ErrorKind};
use crate::operation::Promise;

#[test]
fn a_value_reaches_whoever_waits() {
    loom::model(|| {
        let (promise, operation) = Promise::new(QueueId::STANDARD);
        let thread = thread::spawn(move || promise.complete(Ok(7)));
        assert_eq!(block_on(operation).unwrap(), 7);
        thread.join().unwrap();
    });
}

#[test]
fn a_callback_that_is_let_go_reaches_whoever_waits() {
    loom::model(|| {
        let (promise, operation) = Promise::<i32>::new(QueueId::STANDARD);
        let thread = thread::spawn(move || drop(promise));
        assert_eq!(block_on(operation).unwrap_err().kind(), ErrorKind::Abandoned);
        thread.join().unwrap();
    });
}

#[test]
fn of_two_ends_the_first_counts() {
    loom::model(|| {
        let (promise, operation) = Promise::new(QueueId::STANDARD);
        let callback: Arc<dyn crate::keepalive::Armed> = promise.0.clone();
        let ends = [
            thread::spawn(move || promise.complete(Ok(7))),
            thread::spawn(move || callback.shut_down(&Error::shutdown("wait"))),
        ];
        match block_on(operation) {
            Ok(value) => assert_eq!(value, 7),
            Err(error) => assert!(error.is_shutdown()),
        }
        ends.into_iter().for_each(|end| end.join().unwrap());
    });
}

#[test]
fn an_operation_that_is_dropped_takes_its_value_along() {
    loom::model(|| {
        let value = Arc::new(());
        let (promise, operation) = Promise::new(QueueId::STANDARD);
        let given = value.clone();
        let thread = thread::spawn(move || promise.complete(Ok(given)));
        drop(operation);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    });
}
