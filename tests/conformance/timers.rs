//! Scheduled items: when and where they run, and cancelling them.

use std::time::{Duration, Instant};

use mf_async::Hresult;

use crate::case::Family;
use crate::facts::{
    Gate, Log, MULTITHREADED, Occupied, STANDARD, Slot, behind, code, life, name, pass_through, tells,
    tells_status,
};
use crate::subject::{Parameters, Subject, on};

/// Longer than any case lasts: what is scheduled for then is pending.
const FAR: i64 = -60_000;

pub(crate) fn cases<S: Subject>() -> Family<S> {
    let mut timers = Family::<S>::new("timers");
    timers.case(
        "not_before_its_time",
        "MFScheduleWorkItem: the callback is invoked after so many milliseconds",
        "S_OK: called; not before",
        |mf| {
            let log = Log::new();
            let start = Instant::now();
            let scheduled = mf.schedule(&tells(mf, MULTITHREADED, &log, "called"), None, -50);
            let seen = log.after(1);
            let early = if start.elapsed() < Duration::from_millis(50) { "before" } else { "not before" };
            format!("{}: {seen}; {early}", code(&scheduled))
        },
    );
    timers.case(
        "state_and_status",
        "MFScheduleWorkItem: the callback receives its state, and the status S_OK",
        "S_OK, the state, no object",
        |mf| {
            let log = Log::new();
            let state = mf.object(());
            let (subject, told, mine) = (mf.clone(), log.clone(), state.clone());
            let callback = mf.callback(on(MULTITHREADED), move |result| {
                let same = subject.state(result).is_ok_and(|state| subject.same_object(&state, &mine));
                let object = if subject.object_of(result).is_ok() { "an object" } else { "no object" };
                let state = if same { "the state" } else { "another state" };
                told.tell(format!("{}, {state}, {object}", name(subject.status(result))));
            });
            let _ = mf.schedule(&callback, Some(&state), -1);
            log.after(1)
        },
    );
    timers.case(
        "of_a_ready_result",
        "MFScheduleWorkItemEx: the result's callback is invoked with it, and with its status",
        "S_OK: MF_E_NOT_FOUND",
        |mf| {
            let log = Log::new();
            let result = mf.create_result(None, Some(&tells_status(mf, MULTITHREADED, &log)), None);
            let result = result.expect("a result");
            let _ = mf.set_status(&result, Hresult::MF_E_NOT_FOUND);
            let scheduled = code(&mf.schedule_ex(&result, -1));
            format!("{scheduled}: {}", log.after(1))
        },
    );
    timers.case("once", "MFScheduleWorkItem: an item is invoked once", "called later", |mf| {
        let log = Log::new();
        let _ = mf.schedule(&tells(mf, MULTITHREADED, &log, "called"), None, -10);
        // Time enough for a second call, if there were one.
        let _ = mf.schedule(&tells(mf, MULTITHREADED, &log, "later"), None, -60);
        log.wait(2);
        pass_through(mf, MULTITHREADED);
        log.all()
    });
    timers.case(
        "in_the_order_of_their_times",
        "MFScheduleWorkItem: each item has its own time",
        "soon later",
        |mf| {
            let log = Log::new();
            let _ = mf.schedule(&tells(mf, MULTITHREADED, &log, "later"), None, -80);
            let _ = mf.schedule(&tells(mf, MULTITHREADED, &log, "soon"), None, -10);
            log.after(2)
        },
    );
    timers.case(
        "at_once",
        "MFScheduleWorkItem: a timeout of 0 is as soon as possible",
        "S_OK: called",
        |mf| {
            let log = Log::new();
            let scheduled = mf.schedule(&tells(mf, MULTITHREADED, &log, "called"), None, 0);
            format!("{}: {}", code(&scheduled), log.after(1))
        },
    );
    timers.case(
        "positive",
        "MFScheduleWorkItem: the timeout is negative; no page says what a positive one means",
        "E_INVALIDARG",
        |mf| {
            let scheduled = mf.schedule(&tells(mf, MULTITHREADED, &Log::new(), "called"), None, 60_000);
            if let Ok(key) = scheduled {
                let _ = mf.cancel(key);
            }
            code(&scheduled)
        },
    );
    timers.case(
        "on_the_queue_it_names",
        "MFScheduleWorkItemEx: the timer calls MFInvokeCallback, so the callback's own queue counts",
        "held called",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate().expect("a queue");
            let occupied = Occupied::new(mf, queue, &log);
            let fired = Log::new();
            let _ = mf.schedule(&tells(mf, queue, &log, "called"), None, -10);
            let _ = mf.schedule(&tells(mf, MULTITHREADED, &fired, "fired"), None, -60);
            fired.wait(1);
            occupied.free();
            let seen = log.after(2);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    timers.case(
        "on_standard_by_default",
        "MFScheduleWorkItemEx: the timer calls MFInvokeCallback, whose default is STANDARD",
        "held called",
        |mf| {
            let log = Log::new();
            let told = log.clone();
            let callback = mf.callback(Parameters::NotImplemented, move |_| told.tell("called"));
            behind(mf, STANDARD, &log, || {
                let scheduled = mf.schedule(&callback, None, -10).map(drop);
                let fired = Log::new();
                let _ = mf.schedule(&tells(mf, MULTITHREADED, &fired, "fired"), None, -60);
                fired.wait(1);
                scheduled
            });
            log.after(2)
        },
    );
    timers.case(
        "a_callback_that_takes_long",
        "Using Work Queues: a callback holds the queue that it runs on, and no timer",
        "later held",
        |mf| {
            let (log, started, gate) = (Log::new(), Gate::new(), Gate::new());
            let queue = mf.allocate().expect("a queue");
            let (told, starts, waits) = (log.clone(), started.clone(), gate.clone());
            let holds = mf.callback(on(queue), move |_| {
                starts.open();
                waits.pass();
                told.tell("held");
            });
            // Both beforehand: nobody touches the platform from outside while the callback runs.
            let _ = mf.schedule(&tells(mf, MULTITHREADED, &log, "later"), None, -60);
            let _ = mf.schedule(&holds, None, -10);
            started.pass();
            log.wait(1);
            gate.open();
            let seen = log.after(2);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    timers.case(
        "on_an_unknown_queue",
        "MFScheduleWorkItem: a queue that is not there is told at once, and nothing kept",
        "MF_E_INVALID_WORKQUEUE, released",
        |mf| {
            let (kept, life) = life();
            let callback = mf.callback(on(0x1_0000), move |_| {
                let _kept = &kept;
            });
            let scheduled = code(&mf.schedule(&callback, None, FAR));
            drop(callback);
            format!("{scheduled}, {}", life.now())
        },
    );
    timers.case("keys_differ", "MFScheduleWorkItem: each item has a key of its own", "16 keys", |mf| {
        let callback = tells(mf, MULTITHREADED, &Log::new(), "called");
        let mut keys: Vec<_> = (0..16).filter_map(|_| mf.schedule(&callback, None, FAR).ok()).collect();
        keys.iter().for_each(|key| assert!(mf.cancel(*key).is_ok(), "{key:#x} cannot be cancelled"));
        keys.sort_unstable();
        keys.dedup();
        format!("{} keys", keys.len())
    });
    timers.case(
        "cancel",
        "observed: cancelling a pending scheduled item succeeds, releases it at once, and never calls it",
        "S_OK, callback released, state released, later",
        |mf| {
            let log = Log::new();
            let (callback_kept, callback_life) = life();
            let (state_kept, state_life) = life();
            let told = log.clone();
            let callback = mf.callback(on(MULTITHREADED), move |_| {
                let _kept = &callback_kept;
                told.tell("called");
            });
            let state = mf.object(state_kept);
            let key = mf.schedule(&callback, Some(&state), -100).expect("a key");
            drop((callback, state));
            let cancelled = code(&mf.cancel(key));
            let (callback, state) = (callback_life.now(), state_life.now());
            let _ = mf.schedule(&tells(mf, MULTITHREADED, &log, "later"), None, -150);
            log.wait(1);
            pass_through(mf, MULTITHREADED);
            format!("{cancelled}, callback {callback}, state {state}, {}", log.all())
        },
    );
    timers.case("cancel_twice", "observed: a second cancel is MF_E_NOT_FOUND", "S_OK MF_E_NOT_FOUND", |mf| {
        let callback = tells(mf, MULTITHREADED, &Log::new(), "called");
        let key = mf.schedule(&callback, None, FAR).expect("a key");
        let first = code(&mf.cancel(key));
        format!("{first} {}", code(&mf.cancel(key)))
    });
    timers.case(
        "cancel_after_it_ran",
        "MFCancelWorkItem: what has run is not found, and no harm done",
        "called, MF_E_NOT_FOUND",
        |mf| {
            let log = Log::new();
            let key = mf.schedule(&tells(mf, MULTITHREADED, &log, "called"), None, -1).expect("a key");
            let seen = log.after(1);
            format!("{seen}, {}", code(&mf.cancel(key)))
        },
    );
    timers.case(
        "cancel_unknown",
        "MFCancelWorkItem: MF_E_NOT_FOUND for a key that nobody has",
        "MF_E_NOT_FOUND MF_E_NOT_FOUND",
        |mf| format!("{} {}", code(&mf.cancel(0)), code(&mf.cancel(0x0BAD_0BAD_0BAD))),
    );
    timers.case("cancel_one_of_two", "MFCancelWorkItem: the key is of one item", "S_OK: other", |mf| {
        let log = Log::new();
        let key = mf.schedule(&tells(mf, MULTITHREADED, &log, "this"), None, -40).expect("a key");
        let _ = mf.schedule(&tells(mf, MULTITHREADED, &log, "other"), None, -60);
        let cancelled = code(&mf.cancel(key));
        format!("{cancelled}: {}", log.after(1))
    });
    timers.case(
        "cancel_from_a_callback",
        "MFCancelWorkItem: it may be called from a callback",
        "S_OK",
        |mf| {
            let log = Log::new();
            let pending = tells(mf, MULTITHREADED, &log, "called");
            let key = mf.schedule(&pending, None, FAR).expect("a key");
            let (subject, told) = (mf.clone(), log.clone());
            let cancels = mf.callback(on(STANDARD), move |_| told.tell(code(&subject.cancel(key))));
            let _ = mf.put(STANDARD, &cancels, None);
            log.after(1)
        },
    );
    timers.case(
        "cancel_does_not_wait_for_a_running_callback",
        "MFCancelWorkItem: it is an attempt, and does not wait for what runs",
        "MF_E_NOT_FOUND, then returned",
        |mf| {
            let (log, started) = (Log::new(), Slot::new());
            let gate = Gate::new();
            let (told, tells_start, waits) = (log.clone(), started.clone(), gate.clone());
            let callback = mf.callback(on(MULTITHREADED), move |_| {
                tells_start.set(());
                waits.pass();
                told.tell("then returned");
            });
            let key = mf.schedule(&callback, None, -1).expect("a key");
            started.take();
            let cancelled = code(&mf.cancel(key));
            log.tell(format!("{cancelled},"));
            gate.open();
            log.after(2)
        },
    );
    timers.case(
        "what_is_kept",
        "MFScheduleWorkItem: the item is held until it has run, and no longer",
        "kept, then released",
        |mf| {
            let (kept, life) = life();
            let state = mf.object(kept);
            let log = Log::new();
            let callback = tells(mf, MULTITHREADED, &log, "called");
            let _ = mf.schedule(&callback, Some(&state), -30);
            drop((callback, state));
            let before = life.now();
            log.wait(1);
            format!("{before}, then {}", life.end())
        },
    );
    timers.case(
        "one_result_twice",
        "MFScheduleWorkItemEx: each call is an item of its own, also of one result",
        "two keys: called called",
        |mf| {
            let log = Log::new();
            let result = mf.create_result(None, Some(&tells(mf, MULTITHREADED, &log, "called")), None);
            let result = result.expect("a result");
            let keys = (mf.schedule_ex(&result, -10), mf.schedule_ex(&result, -30));
            let differ = if keys.0 == keys.1 { "one key" } else { "two keys" };
            format!("{differ}: {}", log.after(2))
        },
    );
    timers
}
