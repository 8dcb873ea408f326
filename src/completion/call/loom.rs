//! A call that this crate serves, in every order that there is: its callback is invoked once, and End gives what was
//! first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use loom::thread;

use crate::async_result::{AsyncCallback, AsyncResult, Dispatch};
use crate::completion::{Call, Completer, Identity};
use crate::error::{Error, ErrorKind, Hresult, Result};
use crate::sync::LockExt;
use crate::tracker::Tracker;

const A_CALL: &str = "a call of a model";

/// A platform that runs what it is given at once, and the caller: its callback ends the call.
struct Platform {
    tracker: Tracker<Weak<dyn Dispatch>>,
    component: Arc<()>,
    caller: Arc<Caller>,
}

#[derive(Default)]
struct Caller {
    calls: AtomicUsize,
    ended: Mutex<Option<Result<i32>>>,
    component: Arc<()>,
}

impl AsyncCallback for Caller {
    fn invoke(&self, result: &AsyncResult) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let ended = Call::<i32>::end(&Identity::of(&self.component), A_CALL, result);
        let status = ended.as_ref().map_or_else(Error::hresult, |_| Hresult::S_OK);
        assert_eq!(result.status(), status);
        *self.ended.locked() = Some(ended);
    }
}

impl Dispatch for Platform {
    fn invoke(&self, result: &AsyncResult) -> Result<()> {
        self.invoke_accepted(result)
    }

    fn invoke_accepted(&self, result: &AsyncResult) -> Result<()> {
        result.set_invoked();
        result.callback().unwrap().invoke(result);
        Ok(())
    }

    fn invoke_failed(&self, result: &AsyncResult) -> Result<()> {
        self.invoke_accepted(result)
    }

    fn put_accepted(&self, result: &AsyncResult) -> Result<()> {
        self.invoke_accepted(result)
    }

    fn check(&self, _: &AsyncResult) -> Result<()> {
        Ok(())
    }
}

impl Platform {
    fn new() -> Arc<Platform> {
        let caller = Arc::new(Caller::default());
        Arc::new_cyclic(|this: &Weak<Platform>| Platform {
            tracker: Tracker::new(this.clone(), None),
            component: caller.component.clone(),
            caller,
        })
    }

    fn call(&self) -> Arc<Completer<i32>> {
        let of = Identity::of(&self.component);
        Arc::new(Completer::new(&self.tracker, of, A_CALL, self.caller.clone(), None).unwrap())
    }

    /// What the callback found, which was called once.
    fn ended(&self) -> Result<i32> {
        assert_eq!((self.caller.calls.load(Ordering::Relaxed), self.tracker.tokens()), (1, 0));
        self.caller.ended.locked().take().unwrap()
    }
}

fn interruption() -> Error {
    Error::new(Hresult::E_ABORT, "interrupt a model")
}

#[test]
fn a_call_that_is_completed_and_interrupted_is_called_back_once_with_the_first() {
    loom::model(|| {
        let platform = Platform::new();
        let call = platform.call();
        let interrupted = thread::spawn({
            let call = call.clone();
            move || call.complete(Err(interruption()))
        });
        let completed = call.complete(Ok(7));
        drop(call);
        assert_ne!(interrupted.join().unwrap(), completed);
        match platform.ended() {
            Ok(value) => assert!(value == 7 && completed),
            Err(error) => assert!(error.hresult() == Hresult::E_ABORT && !completed),
        }
    });
}

#[test]
fn a_call_that_is_completed_while_others_drop_it_is_called_back_once() {
    loom::model(|| {
        let platform = Platform::new();
        let call = platform.call();
        let completes = thread::spawn({
            let call = call.clone();
            move || assert!(call.complete(Ok(7)))
        });
        drop(call);
        completes.join().unwrap();
        assert_eq!(platform.ended().unwrap(), 7);
    });
}

#[test]
fn a_call_that_is_interrupted_while_its_body_is_dropped_is_called_back_once() {
    loom::model(|| {
        let platform = Platform::new();
        let body = platform.call();
        let pending = Arc::downgrade(&body);
        let interrupts =
            thread::spawn(move || pending.upgrade().is_some_and(|call| call.complete(Err(interruption()))));
        // The last owner completes it, if nothing has.
        drop(body);
        let interrupted = interrupts.join().unwrap();
        let kind = platform.ended().unwrap_err().kind();
        assert_eq!(kind, if interrupted { ErrorKind::Cancelled } else { ErrorKind::Abandoned });
    });
}

#[test]
fn a_call_dropped_while_the_platform_closes_is_called_back_once() {
    loom::model(|| {
        let platform = Platform::new();
        let body = platform.call();
        let closes = thread::spawn({
            let platform = platform.clone();
            move || platform.tracker.close(&Error::shutdown("end a model"))
        });
        drop(body);
        closes.join().unwrap();
        platform.tracker.drop_own();
        assert!(matches!(platform.ended().unwrap_err().kind(), ErrorKind::Abandoned | ErrorKind::Shutdown));
    });
}
