//! The completion cell, in every order that there is: whoever waits is woken, with the first of what ended
//! the operation.

use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use crate::async_result::QueueId;
use crate::error::{Error, ErrorKind, Hresult};
use crate::keepalive::Lender;
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
        let shutdown = Error::shutdown("wait in a model");
        let (one, other) = (promise.0.clone(), promise.0.clone());
        let completes = thread::spawn(move || one.end(Ok(7), Hresult::S_OK));
        let shuts_down = thread::spawn(move || other.end(Err(shutdown), Hresult::MF_E_SHUTDOWN));
        let ended = block_on(operation);
        let first = (completes.join().unwrap(), shuts_down.join().unwrap());
        match ended {
            Ok(value) => assert_eq!((value, first), (7, (true, false))),
            Err(error) => assert!(error.is_shutdown() && first == (false, true)),
        }
    });
}

#[test]
fn what_is_entered_while_all_are_told_ends() {
    loom::model(|| {
        let lender = Arc::new(Lender::new());
        let keepalive = lender.lend().unwrap();
        let (promise, operation) = Promise::<i32>::new(QueueId::STANDARD);
        let cell = promise.0.clone();
        let enters = thread::spawn(move || cell.enter(&keepalive));
        lender.shut_down(&Error::shutdown("wait in a model"));
        // Nobody completes it.
        assert!(block_on(operation).unwrap_err().is_shutdown());
        enters.join().unwrap();
        drop(promise);
        assert!(lender.outstanding().is_empty());
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
