//! `MFInvokeCallback`: where and with what a result's callback is called, and what is kept of both.

use mf_async::Hresult;

use crate::case::Family;
use crate::facts::{
    FAST_IO, IO, LONG_FUNCTION, Log, MULTITHREADED, SIGNAL, STANDARD, Slot, TIMER, behind, code, life, name,
    pass_through, tells, tells_status, until,
};
use crate::subject::{Parameters, Subject, flagged, on};

/// What a call that is refused returned, and what was kept and called.
fn refused<S: Subject>(mf: &S, parameters: Parameters) -> String {
    let log = Log::new();
    let (kept, life) = life();
    let told = log.clone();
    let callback = mf.callback(parameters, move |_| {
        let _kept = &kept;
        told.tell("called");
    });
    let result = mf.create_result(None, Some(&callback), None).expect("a result");
    let invoked = code(&mf.invoke(&result));
    drop((callback, result));
    if invoked == "S_OK" {
        return format!("{invoked}, {}", log.after(1));
    }
    let kept = life.now();
    for queue in [STANDARD, IO, MULTITHREADED] {
        pass_through(mf, queue);
    }
    format!("{invoked}, {kept}, {}", log.all())
}

const REFUSED: &str = "MF_E_INVALID_WORKQUEUE, released, nothing";

pub(crate) fn cases<S: Subject>() -> Family<S> {
    let mut invoke = Family::<S>::new("invoke");
    invoke.case(
        "on_standard_by_default",
        "IMFAsyncCallback::GetParameters: E_NOTIMPL means STANDARD",
        "held called",
        |mf| {
            let log = Log::new();
            let told = log.clone();
            let callback = mf.callback(Parameters::NotImplemented, move |_| told.tell("called"));
            let result = mf.create_result(None, Some(&callback), None).expect("a result");
            behind(mf, STANDARD, &log, || mf.invoke(&result));
            log.after(2)
        },
    );
    invoke.case(
        "on_the_queue_it_names",
        "IMFAsyncCallback::GetParameters: the callback is dispatched on the queue that it names",
        "held called",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate().expect("a queue");
            let result = mf.create_result(None, Some(&tells(mf, queue, &log, "called")), None);
            let result = result.expect("a result");
            behind(mf, queue, &log, || mf.invoke(&result));
            let seen = log.after(2);
            drop(result);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    invoke.case("queue_0", "observed: an id that names no queue means STANDARD", "held called", |mf| {
        let log = Log::new();
        let result = mf.create_result(None, Some(&tells(mf, 0, &log, "called")), None);
        let result = result.expect("a result");
        behind(mf, STANDARD, &log, || mf.invoke(&result));
        log.after(2)
    });
    invoke.case(
        "unknown_queue",
        "MFInvokeCallback: MF_E_INVALID_WORKQUEUE when there is no such queue; not called, not kept",
        REFUSED,
        |mf| refused(mf, on(0x1_0000)),
    );
    invoke.case(
        "fast_io_on_standard",
        "IMFAsyncCallback::GetParameters: flags and queue that do not fit are MF_E_INVALID_WORKQUEUE",
        REFUSED,
        |mf| refused(mf, flagged(FAST_IO, STANDARD)),
    );
    invoke.case(
        "signal_on_long_function",
        "IMFAsyncCallback::GetParameters: flags and queue that do not fit are MF_E_INVALID_WORKQUEUE",
        REFUSED,
        |mf| refused(mf, flagged(SIGNAL, LONG_FUNCTION)),
    );
    invoke.case(
        "fast_io_on_timer",
        "IMFAsyncCallback::GetParameters: TIMER takes FAST_IO",
        "S_OK: S_OK",
        |mf| {
            let log = Log::new();
            let (subject, told) = (mf.clone(), log.clone());
            let callback = mf.callback(flagged(FAST_IO, TIMER), move |result| {
                told.tell(name(subject.status(result)));
            });
            let result = mf.create_result(None, Some(&callback), None).expect("a result");
            let invoked = code(&mf.invoke(&result));
            format!("{invoked}: {}", log.after(1))
        },
    );
    invoke.case(
        "not_on_this_stack",
        "MFInvokeCallback: the callback is called from a work queue",
        "another thread",
        |mf| {
            let (log, here) = (Log::new(), std::thread::current().id());
            let told = log.clone();
            let callback = mf.callback(Parameters::NotImplemented, move |_| {
                told.tell(if std::thread::current().id() == here { "this thread" } else { "another thread" });
            });
            let result = mf.create_result(None, Some(&callback), None).expect("a result");
            let _ = mf.invoke(&result);
            log.after(1)
        },
    );
    invoke.case(
        "not_on_the_stack_of_a_callback",
        "MFInvokeCallback: the callback is called from a work queue, also if that is where the call is made",
        "S_OK outer inner",
        |mf| {
            let log = Log::new();
            let result = mf.create_result(None, Some(&tells(mf, STANDARD, &log, "inner")), None);
            let (subject, told, inner) = (mf.clone(), log.clone(), result.expect("a result"));
            let outer = mf.callback(on(STANDARD), move |_| {
                told.tell(code(&subject.invoke(&inner)));
                pass_through(&subject, MULTITHREADED);
                told.tell("outer");
            });
            let _ = mf.put(STANDARD, &outer, None);
            log.after(3)
        },
    );
    invoke.case(
        "the_status_that_was_set",
        "Writing an Asynchronous Method: the status is set, then the callback invoked, which sees it",
        "S_OK: MF_E_NOT_FOUND",
        |mf| {
            let log = Log::new();
            let result = mf.create_result(None, Some(&tells_status(mf, MULTITHREADED, &log)), None);
            let result = result.expect("a result");
            let _ = mf.set_status(&result, Hresult::MF_E_NOT_FOUND);
            let invoked = code(&mf.invoke(&result));
            format!("{invoked}: {}", log.after(1))
        },
    );
    invoke.case(
        "the_same_result",
        "IMFAsyncCallback::Invoke: the argument is the result to give to End",
        "same, its object and its state",
        |mf| {
            let (log, mine) = (Log::new(), Slot::new());
            let (object, state) = (mf.object(()), mf.object(()));
            let (subject, told, known) = (mf.clone(), log.clone(), mine.clone());
            let (my_object, my_state) = (object.clone(), state.clone());
            let callback = mf.callback(on(MULTITHREADED), move |result| {
                let same = known.get().is_some_and(|mine| subject.same_result(&mine, result));
                let object = subject.object_of(result);
                let state = subject.state(result);
                let object = object.is_ok_and(|object| subject.same_object(&object, &my_object));
                let state = state.is_ok_and(|state| subject.same_object(&state, &my_state));
                told.tell(match (same, object, state) {
                    (true, true, true) => "same, its object and its state".to_owned(),
                    other => format!("{other:?}"),
                });
            });
            let result = mf.create_result(Some(&object), Some(&callback), Some(&state)).expect("a result");
            mine.set(result.clone());
            let _ = mf.invoke(&result);
            log.wait(1);
            mine.clear();
            log.all()
        },
    );
    invoke.case(
        "what_is_kept",
        "How to Play Protected Media Files: the caller may release the result right after the call",
        "S_OK: called; released",
        |mf| {
            let log = Log::new();
            let (kept, life) = life();
            let told = log.clone();
            let callback = mf.callback(on(MULTITHREADED), move |_| {
                let _kept = &kept;
                told.tell("called");
            });
            let result = mf.create_result(None, Some(&callback), None).expect("a result");
            let invoked = code(&mf.invoke(&result));
            drop((callback, result));
            let seen = log.after(1);
            format!("{invoked}: {seen}; {}", life.end())
        },
    );
    invoke.case(
        "twice",
        "MFInvokeCallback: each call that succeeds is a call of the callback",
        "S_OK S_OK: called called",
        |mf| {
            let log = Log::new();
            let result = mf.create_result(None, Some(&tells(mf, MULTITHREADED, &log, "called")), None);
            let result = result.expect("a result");
            let first = code(&mf.invoke(&result));
            log.wait(1);
            let second = code(&mf.invoke(&result));
            format!("{first} {second}: {}", log.after(2))
        },
    );
    invoke.case(
        "without_a_callback",
        "MFASYNCRESULT: of a result without a callback the event is signalled",
        "false, S_OK, true",
        |mf| {
            let result = mf.create_result(None, None, None).expect("a result");
            let before = mf.is_signalled(&result);
            let invoked = code(&mf.invoke(&result));
            let after = until(|| mf.is_signalled(&result));
            format!("{before}, {invoked}, {after}")
        },
    );
    invoke.case(
        "event_beside_a_callback",
        "observed: the event of a result that has a callback is not signalled",
        "called, false",
        |mf| {
            let log = Log::new();
            let result = mf.create_result(None, Some(&tells(mf, MULTITHREADED, &log, "called")), None);
            let result = result.expect("a result");
            let _ = mf.is_signalled(&result);
            let _ = mf.invoke(&result);
            log.wait(1);
            pass_through(mf, MULTITHREADED);
            format!("{}, {}", log.all(), mf.is_signalled(&result))
        },
    );
    invoke
}
