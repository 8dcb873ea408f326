//! Waiting items: on what they wait, where they run, and cancelling them.

use crate::case::Family;
use crate::facts::{
    Gate, IO, LONG_FUNCTION, Log, MULTITHREADED, Occupied, RT, STANDARD, TIMER, behind, code, life, name,
    pass_through, tells, tells_status,
};
use crate::subject::{Parameters, Subject, on};

/// A result whose callback tells its status.
fn waiting<S: Subject>(mf: &S, queue: u32, log: &Log) -> S::Result {
    mf.create_result(None, Some(&tells_status(mf, queue, log)), None).expect("a result")
}

/// What a wait on an event that is set returned for a callback on this queue, and whether it was called.
fn on_queue<S: Subject>(mf: &S, queue: u32) -> String {
    let log = Log::new();
    let signal = mf.signal(true);
    mf.set(&signal);
    match mf.put_waiting(&signal, 0, &waiting(mf, queue, &log)) {
        Ok(_) => log.after(1),
        Err(code) => name(code),
    }
}

/// Puts an item that waits for an event of its own and waits until it has run: what was set before has been
/// noticed by then.
fn wait_through<S: Subject>(mf: &S) {
    let log = Log::new();
    let signal = mf.signal(true);
    let put = mf.put_waiting(&signal, 0, &waiting(mf, MULTITHREADED, &log));
    mf.set(&signal);
    assert!(put.is_ok() && log.wait(1), "no wait gets through: {}", code(&put));
}

const FORBIDDEN: &str = "MFPutWaitingWorkItem: IO, LONG_FUNCTION, RT and TIMER are not allowed";

pub(crate) fn cases<S: Subject>() -> Family<S> {
    let mut waits = Family::<S>::new("waits");
    waits.case(
        "set_before",
        "MFPutWaitingWorkItem: an event that is set calls the callback",
        "S_OK: S_OK",
        |mf| {
            let log = Log::new();
            let signal = mf.signal(true);
            mf.set(&signal);
            let put = mf.put_waiting(&signal, 0, &waiting(mf, MULTITHREADED, &log));
            format!("{}: {}", code(&put), log.after(1))
        },
    );
    waits.case(
        "set_after",
        "MFPutWaitingWorkItem: the callback is invoked when the event is signalled, and not before",
        "S_OK: nothing, then S_OK",
        |mf| {
            let log = Log::new();
            let signal = mf.signal(true);
            let put = mf.put_waiting(&signal, 0, &waiting(mf, MULTITHREADED, &log));
            wait_through(mf);
            let before = log.all();
            mf.set(&signal);
            format!("{}: {before}, then {}", code(&put), log.after(1))
        },
    );
    waits.case("once", "MFPutWaitingWorkItem: one call, however often the event is set", "S_OK", |mf| {
        let log = Log::new();
        let signal = mf.signal(false);
        let _ = mf.put_waiting(&signal, 0, &waiting(mf, MULTITHREADED, &log));
        mf.set(&signal);
        log.wait(1);
        mf.set(&signal);
        wait_through(mf);
        log.all()
    });
    waits.case(
        "not_on_this_stack",
        "MFPutWaitingWorkItem: the callback is called from a work queue, also if the event is set already",
        "another thread",
        |mf| {
            let (log, here) = (Log::new(), std::thread::current().id());
            let told = log.clone();
            let callback = mf.callback(on(MULTITHREADED), move |_| {
                told.tell(if std::thread::current().id() == here { "this thread" } else { "another thread" });
            });
            let signal = mf.signal(true);
            mf.set(&signal);
            let result = mf.create_result(None, Some(&callback), None).expect("a result");
            let _ = mf.put_waiting(&signal, 0, &result);
            log.after(1)
        },
    );
    waits.case("on_standard", "MFPutWaitingWorkItem: STANDARD is allowed", "S_OK", |mf| {
        on_queue(mf, STANDARD)
    });
    waits.case("on_multithreaded", "MFPutWaitingWorkItem: MULTITHREADED is allowed", "S_OK", |mf| {
        on_queue(mf, MULTITHREADED)
    });
    waits.case("on_serial", "MFPutWaitingWorkItem: a serial queue is allowed", "S_OK", |mf| {
        let queue = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
        let seen = on_queue(mf, queue);
        let _ = mf.unlock_queue(queue);
        seen
    });
    waits.case("on_shared", "MFPutWaitingWorkItem: a shared queue is allowed", "S_OK", |mf| {
        let Ok((queue, _)) = mf.lock_shared(Some(""), 0, None) else { return "no shared queue".to_owned() };
        let seen = on_queue(mf, queue);
        let _ = mf.unlock_queue(queue);
        seen
    });
    waits.case("on_io", FORBIDDEN, "MF_E_INVALID_WORKQUEUE", |mf| on_queue(mf, IO));
    waits.case("on_long_function", FORBIDDEN, "MF_E_INVALID_WORKQUEUE", |mf| on_queue(mf, LONG_FUNCTION));
    waits.case("on_rt", FORBIDDEN, "MF_E_INVALID_WORKQUEUE", |mf| on_queue(mf, RT));
    waits.case("on_timer", FORBIDDEN, "MF_E_INVALID_WORKQUEUE", |mf| on_queue(mf, TIMER));
    waits.case(
        "on_unknown",
        "MFPutWaitingWorkItem: a queue that is not there is told at once",
        "MF_E_INVALID_WORKQUEUE",
        |mf| on_queue(mf, 0x1_0000),
    );
    waits.case(
        "on_the_queue_it_names",
        "MFPutWaitingWorkItem: the callback runs on the queue that it names",
        "held S_OK",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
            let signal = mf.signal(true);
            mf.set(&signal);
            let occupied = Occupied::new(mf, queue, &log);
            let _ = mf.put_waiting(&signal, 0, &waiting(mf, queue, &log));
            wait_through(mf);
            occupied.free();
            let seen = log.after(2);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    waits.case(
        "on_standard_by_default",
        "MFPutWaitingWorkItem: a callback that names no queue runs on STANDARD",
        "held called",
        |mf| {
            let log = Log::new();
            let told = log.clone();
            let callback = mf.callback(Parameters::NotImplemented, move |_| told.tell("called"));
            let result = mf.create_result(None, Some(&callback), None).expect("a result");
            let signal = mf.signal(true);
            mf.set(&signal);
            behind(mf, STANDARD, &log, || {
                let put = mf.put_waiting(&signal, 0, &result).map(drop);
                wait_through(mf);
                put
            });
            log.after(2)
        },
    );
    waits.case(
        "a_callback_that_takes_long",
        "Using Work Queues: a callback holds the queue that it runs on, and neither waits nor timers",
        "later waited held",
        |mf| {
            let (log, started, gate) = (Log::new(), Gate::new(), Gate::new());
            let queue = mf.allocate().expect("a queue");
            let (told, starts, holds) = (log.clone(), started.clone(), gate.clone());
            let callback = mf.callback(on(queue), move |_| {
                starts.open();
                holds.pass();
                told.tell("held");
            });
            let result = mf.create_result(None, Some(&callback), None).expect("a result");
            let signal = mf.signal(true);
            let _ = mf.put_waiting(&signal, 0, &result);
            drop((callback, result));
            let _ = mf.schedule(&tells(mf, MULTITHREADED, &log, "later"), None, -60);
            mf.set(&signal);
            started.pass();
            log.wait(1);
            wait_through(mf);
            log.tell("waited");
            gate.open();
            let seen = log.after(3);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    waits.case(
        "cancel",
        "observed: cancelling a pending wait calls the callback with MF_E_OPERATION_CANCELLED",
        "S_OK: MF_E_OPERATION_CANCELLED",
        |mf| {
            let log = Log::new();
            let signal = mf.signal(true);
            let key = mf.put_waiting(&signal, 0, &waiting(mf, MULTITHREADED, &log)).expect("a key");
            let cancelled = code(&mf.cancel(key));
            format!("{cancelled}: {}", log.after(1))
        },
    );
    waits.case(
        "cancelled_is_called_once",
        "observed: what is cancelled has ended; its event calls nobody any more",
        "MF_E_OPERATION_CANCELLED",
        |mf| {
            let log = Log::new();
            let signal = mf.signal(true);
            let key = mf.put_waiting(&signal, 0, &waiting(mf, MULTITHREADED, &log)).expect("a key");
            let _ = mf.cancel(key);
            log.wait(1);
            mf.set(&signal);
            wait_through(mf);
            log.all()
        },
    );
    waits.case("cancel_twice", "observed: a second cancel is MF_E_NOT_FOUND", "S_OK MF_E_NOT_FOUND", |mf| {
        let log = Log::new();
        let signal = mf.signal(true);
        let key = mf.put_waiting(&signal, 0, &waiting(mf, MULTITHREADED, &log)).expect("a key");
        let first = code(&mf.cancel(key));
        log.wait(1);
        format!("{first} {}", code(&mf.cancel(key)))
    });
    waits.case(
        "cancel_after_it_ran",
        "MFCancelWorkItem: what has run is not found",
        "S_OK, MF_E_NOT_FOUND",
        |mf| {
            let log = Log::new();
            let signal = mf.signal(true);
            mf.set(&signal);
            let key = mf.put_waiting(&signal, 0, &waiting(mf, MULTITHREADED, &log)).expect("a key");
            let seen = log.after(1);
            format!("{seen}, {}", code(&mf.cancel(key)))
        },
    );
    waits.case(
        "keeps_what_it_waits_for",
        "observed: the item has a reference of its own to the event; the caller may close it at once",
        "S_OK: S_OK",
        |mf| {
            let log = Log::new();
            let signal = mf.signal(true);
            mf.set(&signal);
            let occupied = Occupied::new(mf, STANDARD, &log);
            let put = code(&mf.put_waiting(&signal, 0, &waiting(mf, STANDARD, &log)));
            drop(signal);
            occupied.free();
            let seen = log.after(2);
            format!("{put}: {}", seen.trim_start_matches("held "))
        },
    );
    waits.case(
        "one_result_twice",
        "observed: one result can wait twice, with two keys",
        "two keys: S_OK S_OK",
        |mf| {
            let log = Log::new();
            let signal = mf.signal(true);
            let result = waiting(mf, STANDARD, &log);
            let keys = (mf.put_waiting(&signal, 0, &result), mf.put_waiting(&signal, 0, &result));
            mf.set(&signal);
            let differ = if keys.0 == keys.1 { "one key" } else { "two keys" };
            format!("{differ}: {}", log.after(2))
        },
    );
    waits.case(
        "an_event_that_stays_set_calls_all",
        "MFPutWaitingWorkItem: a manual-reset event calls everybody who waits",
        "S_OK S_OK S_OK",
        |mf| {
            let log = Log::new();
            let signal = mf.signal(true);
            for _ in 0..3 {
                let _ = mf.put_waiting(&signal, 0, &waiting(mf, MULTITHREADED, &log));
            }
            mf.set(&signal);
            log.after(3)
        },
    );
    waits.case(
        "an_event_that_resets_calls_one",
        "MFPutWaitingWorkItem: an auto-reset event is consumed by the wait",
        "S_OK, then S_OK S_OK",
        |mf| {
            let log = Log::new();
            let signal = mf.signal(false);
            for _ in 0..2 {
                let _ = mf.put_waiting(&signal, 0, &waiting(mf, MULTITHREADED, &log));
            }
            mf.set(&signal);
            log.wait(1);
            wait_through(mf);
            let one = log.all();
            mf.set(&signal);
            format!("{one}, then {}", log.after(2))
        },
    );
    waits.case(
        "what_is_kept",
        "MFPutWaitingWorkItem: the result is held until it was called, and no longer",
        "kept, then released",
        |mf| {
            let (kept, life) = life();
            let log = Log::new();
            let signal = mf.signal(true);
            let (callback, state) = (tells(mf, MULTITHREADED, &log, "called"), mf.object(kept));
            let result = mf.create_result(None, Some(&callback), Some(&state)).expect("a result");
            let _ = mf.put_waiting(&signal, 0, &result);
            drop((callback, state, result));
            let before = life.now();
            mf.set(&signal);
            log.wait(1);
            format!("{before}, then {}", life.end())
        },
    );
    waits.case(
        "cancelled_is_released",
        "MFCancelWorkItem: what is cancelled is let go",
        "S_OK, released",
        |mf| {
            let (kept, life) = life();
            let signal = mf.signal(true);
            let (callback, state) = (tells(mf, MULTITHREADED, &Log::new(), "called"), mf.object(kept));
            let result = mf.create_result(None, Some(&callback), Some(&state)).expect("a result");
            let key = mf.put_waiting(&signal, 0, &result).expect("a key");
            drop((callback, state, result));
            format!("{}, {}", code(&mf.cancel(key)), life.end())
        },
    );
    waits.case(
        "priorities",
        "MFPutWaitingWorkItem: items are performed in the order of their priorities",
        "held high low",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate().expect("a queue");
            let occupied = Occupied::new(mf, queue, &log);
            let signal = mf.signal(true);
            mf.set(&signal);
            for (priority, entry) in [(-1, "low"), (1, "high")] {
                let callback = tells(mf, queue, &log, entry);
                let result = mf.create_result(None, Some(&callback), None).expect("a result");
                let _ = mf.put_waiting(&signal, priority, &result);
                wait_through(mf);
            }
            pass_through(mf, MULTITHREADED);
            occupied.free();
            let seen = log.after(3);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    waits
}
