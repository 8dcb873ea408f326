//! Putting: the four put functions, where their items run, in which order, and what is kept of them.

use std::sync::Arc;

use mf_async::Hresult;

use crate::case::Family;
use crate::facts::{
    BLOCKING, FAST_IO, Gate, IO, LOCALIZE_REMOTE, LONG_FUNCTION, Log, MULTITHREADED, Occupied, REPLY, RT,
    SIGNAL, STANDARD, Slot, TIMER, behind, code, life, name, pass_through, tells, tells_status, until, value,
};
use crate::subject::{Parameters, Subject, flagged, on};

/// What a put returned, whether the callback was called, and what became of it and of the state.
fn refused<S: Subject>(
    mf: &S,
    parameters: Parameters,
    put: fn(&S, &S::Callback, &S::Object) -> String,
) -> String {
    let log = Log::new();
    let (callback_kept, callback) = life();
    let (state_kept, state_life) = life();
    let called = log.clone();
    let callback_object = mf.callback(parameters, move |_| {
        let _kept = &callback_kept;
        called.tell("called");
    });
    let state = mf.object(state_kept);
    let put = put(mf, &callback_object, &state);
    drop((callback_object, state));
    if put == "S_OK" {
        return format!("{put}, {}", log.after(1));
    }
    let (callback, state) = (callback.now(), state_life.now());
    for queue in [STANDARD, IO, MULTITHREADED] {
        pass_through(mf, queue);
    }
    format!("{put}, callback {callback}, state {state}, {}", log.all())
}

/// What a put returned, and what was seen by the callback: how often it was called, and with what.
fn accepted<S: Subject>(mf: &S, queue: u32, parameters: Parameters) -> String {
    let log = Log::new();
    let (kept, life) = life();
    let state = mf.object(kept);
    let (subject, told, mine) = (mf.clone(), log.clone(), state.clone());
    let callback = mf.callback(parameters, move |result| {
        let same = subject.state(result).is_ok_and(|state| subject.same_object(&state, &mine));
        let object = code(&subject.object_of(result));
        told.tell(format!("state {same}, object {object}, status {}", name(subject.status(result))));
    });
    let put = mf.put(queue, &callback, Some(&state));
    if put.is_err() {
        return code(&put);
    }
    log.wait(1);
    pass_through(mf, queue);
    drop((callback, state));
    format!("{}: {}; {}", code(&put), log.all(), life.end())
}

const RUNS: &str = "S_OK: state true, object E_POINTER, status S_OK; released";
const REFUSED: &str = "MF_E_INVALID_WORKQUEUE, callback released, state released, nothing";

pub(crate) fn cases<S: Subject>() -> Family<S> {
    let mut put = Family::<S>::new("put");
    put.case("on_standard", "MFPutWorkItem: the item runs once, with its state", RUNS, |mf| {
        accepted(mf, STANDARD, Parameters::NotImplemented)
    });
    put.case("on_rt", "observed: each platform queue accepts items", RUNS, |mf| accepted(mf, RT, on(RT)));
    put.case("on_io", "observed: each platform queue accepts items", RUNS, |mf| accepted(mf, IO, on(IO)));
    put.case("on_timer", "observed: each platform queue accepts items", RUNS, |mf| {
        accepted(mf, TIMER, on(TIMER))
    });
    put.case("on_multithreaded", "observed: each platform queue accepts items", RUNS, |mf| {
        accepted(mf, MULTITHREADED, on(MULTITHREADED))
    });
    put.case("on_long_function", "observed: each platform queue accepts items", RUNS, |mf| {
        accepted(mf, LONG_FUNCTION, on(LONG_FUNCTION))
    });
    put.case("on_0", "observed: an id without private bits that names no queue is accepted", RUNS, |mf| {
        accepted(mf, 0, Parameters::NotImplemented)
    });
    put.case("on_6", "observed: an id without private bits that names no queue is accepted", RUNS, |mf| {
        accepted(mf, 6, Parameters::NotImplemented)
    });
    put.case(
        "on_0x4000",
        "observed: an id without private bits that names no queue is accepted",
        RUNS,
        |mf| accepted(mf, 0x4000, Parameters::NotImplemented),
    );
    put.case(
        "on_0xffff",
        "observed: an id without private bits that names no queue is accepted",
        RUNS,
        |mf| accepted(mf, 0xFFFF, Parameters::NotImplemented),
    );
    put.case(
        "unnamed_queues_are_standard",
        "observed: an item on an id that names no queue runs as on STANDARD",
        "held on 0 held on 0x4000",
        |mf| {
            let log = Log::new();
            behind(mf, STANDARD, &log, || mf.put(0, &tells(mf, STANDARD, &log, "on 0"), None));
            log.wait(2);
            behind(mf, STANDARD, &log, || mf.put(0x4000, &tells(mf, STANDARD, &log, "on 0x4000"), None));
            log.after(4)
        },
    );
    put.case(
        "on_unknown_private",
        "observed: a private id that was never allocated is refused",
        REFUSED,
        |mf| {
            refused(mf, Parameters::NotImplemented, |mf, callback, state| {
                code(&mf.put(0x1_0000, callback, Some(state)))
            })
        },
    );
    put.case("put2_on_unknown", "MFPutWorkItem2: MF_E_INVALID_WORKQUEUE for an invalid id", REFUSED, |mf| {
        refused(mf, Parameters::NotImplemented, |mf, callback, state| {
            code(&mf.put2(0x1_0000, 1, callback, Some(state)))
        })
    });
    put.case(
        "put_ex_on_unknown",
        "MFPutWorkItemEx: MF_E_INVALID_WORKQUEUE for an invalid id",
        REFUSED,
        |mf| {
            refused(mf, Parameters::NotImplemented, |mf, callback, state| {
                mf.create_result(None, Some(callback), Some(state))
                    .map_or_else(name, |result| code(&mf.put_ex(0x1_0000, &result)))
            })
        },
    );
    put.case(
        "put_ex2_on_unknown",
        "MFPutWorkItemEx2: MF_E_INVALID_WORKQUEUE for an invalid id",
        REFUSED,
        |mf| {
            refused(mf, Parameters::NotImplemented, |mf, callback, state| {
                mf.create_result(None, Some(callback), Some(state))
                    .map_or_else(name, |result| code(&mf.put_ex2(0x1_0000, -1, &result)))
            })
        },
    );
    put.case("on_all", "Work Queue Identifiers: ALL is for registration with MMCSS only", REFUSED, |mf| {
        refused(mf, Parameters::NotImplemented, |mf, callback, state| {
            code(&mf.put(0xFFFF_FFFF, callback, Some(state)))
        })
    });
    put.case(
        "fast_io_on_standard",
        "IMFAsyncCallback::GetParameters: FAST_IO is for IO and TIMER",
        REFUSED,
        |mf| {
            refused(mf, flagged(FAST_IO, STANDARD), |mf, callback, state| {
                code(&mf.put(STANDARD, callback, Some(state)))
            })
        },
    );
    put.case(
        "fast_io_on_multithreaded",
        "IMFAsyncCallback::GetParameters: FAST_IO is for IO and TIMER",
        REFUSED,
        |mf| {
            refused(mf, flagged(FAST_IO, IO), |mf, callback, state| {
                code(&mf.put(MULTITHREADED, callback, Some(state)))
            })
        },
    );
    put.case(
        "signal_on_standard",
        "IMFAsyncCallback::GetParameters: SIGNAL is for IO and TIMER",
        REFUSED,
        |mf| {
            refused(mf, flagged(SIGNAL, STANDARD), |mf, callback, state| {
                code(&mf.put(STANDARD, callback, Some(state)))
            })
        },
    );
    put.case("fast_io_on_io", "IMFAsyncCallback::GetParameters: IO takes FAST_IO", RUNS, |mf| {
        accepted(mf, IO, flagged(FAST_IO, IO))
    });
    put.case("fast_io_on_timer", "IMFAsyncCallback::GetParameters: TIMER takes FAST_IO", RUNS, |mf| {
        accepted(mf, TIMER, flagged(FAST_IO, TIMER))
    });
    put.case("signal_on_io", "IMFAsyncCallback::GetParameters: IO takes SIGNAL", RUNS, |mf| {
        accepted(mf, IO, flagged(SIGNAL, IO))
    });
    put.case("blocking_on_standard", "IMFAsyncCallback::GetParameters: BLOCKING goes anywhere", RUNS, |mf| {
        accepted(mf, STANDARD, flagged(BLOCKING, STANDARD))
    });
    put.case("localize_on_multithreaded", "mfapi.h: LOCALIZE_REMOTE is a flag as any other", RUNS, |mf| {
        accepted(mf, MULTITHREADED, flagged(LOCALIZE_REMOTE, MULTITHREADED))
    });
    put.case(
        "reply_on_multithreaded",
        "MFAllocateSerialWorkQueue: only serial queues await replies",
        RUNS,
        |mf| accepted(mf, MULTITHREADED, flagged(REPLY, MULTITHREADED)),
    );
    put.case(
        "the_argument_decides",
        "MFPutWorkItem: the queue is the one given, whatever the callback names",
        "held item",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate().expect("a queue");
            let item = tells(mf, MULTITHREADED, &log, "item");
            behind(mf, queue, &log, || mf.put(queue, &item, None));
            let seen = log.after(2);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    put.case(
        "parameters_are_asked_at_every_put",
        "IMFAsyncCallback::GetParameters: by the thread that puts, before the put returns; not remembered",
        "S_OK asked here, MF_E_INVALID_WORKQUEUE asked here",
        |mf| {
            let asked = Log::new();
            let (tell, here) = (asked.clone(), std::thread::current().id());
            let ask = move || {
                let mine = std::thread::current().id() == here;
                tell.tell(if mine { "asked here" } else { "asked elsewhere" });
                // The second time it is incompatible with the queue.
                if tell.count() > 1 { (FAST_IO, STANDARD) } else { (0, STANDARD) }
            };
            let callback = mf.callback(Parameters::Ask(Arc::new(ask)), |_| {});
            let first = code(&mf.put(STANDARD, &callback, None));
            let once = asked.all();
            let second = code(&mf.put(STANDARD, &callback, None));
            let both = asked.all();
            pass_through(mf, STANDARD);
            format!("{first} {once}, {second}{}", both.strip_prefix(&once).unwrap_or(&both))
        },
    );
    put.case(
        "another_thread",
        "Using Work Queues: items run on the queue's threads, never on that of the put",
        "another thread",
        |mf| {
            let (log, here) = (Log::new(), std::thread::current().id());
            let told = log.clone();
            let callback = mf.callback(on(MULTITHREADED), move |_| {
                told.tell(if std::thread::current().id() == here { "this thread" } else { "another thread" });
            });
            let _ = mf.put(MULTITHREADED, &callback, None);
            log.after(1)
        },
    );
    put.case(
        "from_a_callback",
        "MFPutWorkItem: a callback may put on its own queue, and goes on before that runs",
        "S_OK outer inner",
        |mf| {
            let log = Log::new();
            let inner = tells(mf, STANDARD, &log, "inner");
            let (subject, told) = (mf.clone(), log.clone());
            let outer = mf.callback(on(STANDARD), move |_| {
                told.tell(code(&subject.put(STANDARD, &inner, None)));
                pass_through(&subject, MULTITHREADED);
                told.tell("outer");
            });
            let _ = mf.put(STANDARD, &outer, None);
            log.after(3)
        },
    );
    put.case(
        "standard_in_order",
        "Using Work Queues: STANDARD takes items out as they were put",
        "in order",
        |mf| {
            let log = Log::new();
            for number in 0..200 {
                let told = log.clone();
                let callback = mf.callback(on(STANDARD), move |_| told.tell(number.to_string()));
                let _ = mf.put(STANDARD, &callback, None);
            }
            let expected: Vec<_> = (0..200).map(|number: u32| number.to_string()).collect();
            if log.after(200) == expected.join(" ") { "in order".to_owned() } else { log.all() }
        },
    );
    put.case(
        "standard_one_at_a_time",
        "Using Work Queues: the next item starts when the callback before has returned",
        "held next",
        |mf| {
            let log = Log::new();
            behind(mf, STANDARD, &log, || mf.put(STANDARD, &tells(mf, STANDARD, &log, "next"), None));
            log.after(2)
        },
    );
    put.case(
        "multithreaded_overlaps",
        "MFASYNC_WORKQUEUE_TYPE: a multithreaded queue runs items at the same time",
        "both at once",
        |mf| {
            let (log, one, other) = (Log::new(), Gate::new(), Gate::new());
            for (mine, theirs) in [(one.clone(), other.clone()), (other, one)] {
                let told = log.clone();
                let callback = mf.callback(on(MULTITHREADED), move |_| {
                    mine.open();
                    told.tell(if theirs.pass() { "met" } else { "alone" });
                });
                let _ = mf.put(MULTITHREADED, &callback, None);
            }
            if log.after(2) == "met met" { "both at once".to_owned() } else { log.all() }
        },
    );
    put.case(
        "priorities",
        "MFPutWorkItemEx2: 1 before 0 before -1, of what waits; by order within one priority",
        "held high high2 normal low",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate().expect("a queue");
            let occupied = Occupied::new(mf, queue, &log);
            for (priority, entry) in [(-1, "low"), (0, "normal"), (1, "high"), (1, "high2")] {
                let _ = mf.put2(queue, priority, &tells(mf, queue, &log, entry), None);
            }
            occupied.free();
            let seen = log.after(5);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    put.case(
        "put_has_priority_0",
        "MFPutWorkItem: an item without a priority has 0",
        "held high plain plain_ex low",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate().expect("a queue");
            let occupied = Occupied::new(mf, queue, &log);
            let _ = mf.put2(queue, -1, &tells(mf, queue, &log, "low"), None);
            let _ = mf.put(queue, &tells(mf, queue, &log, "plain"), None);
            let result = mf.create_result(None, Some(&tells(mf, queue, &log, "plain_ex")), None);
            let _ = mf.put_ex(queue, &result.expect("a result"));
            let _ = mf.put2(queue, 1, &tells(mf, queue, &log, "high"), None);
            occupied.free();
            let seen = log.after(5);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    put.case(
        "priorities_out_of_range",
        "MFPutWorkItem2: no page says what other numbers mean; they are accepted",
        "S_OK S_OK: two calls",
        |mf| {
            let log = Log::new();
            let callback = tells(mf, MULTITHREADED, &log, "called");
            let big = code(&mf.put2(MULTITHREADED, 5, &callback, None));
            let small = code(&mf.put2(MULTITHREADED, -7, &callback, None));
            let calls = if log.after(2) == "called called" { "two calls" } else { "not two calls" };
            format!("{big} {small}: {calls}")
        },
    );
    put.case(
        "the_same_result",
        "MFPutWorkItemEx: the callback receives the very result that was put",
        "S_OK S_OK: same same",
        |mf| {
            let (log, mine) = (Log::new(), Slot::new());
            let (subject, told, known) = (mf.clone(), log.clone(), mine.clone());
            let callback = mf.callback(on(MULTITHREADED), move |result| {
                let same = known.get().is_some_and(|mine| subject.same_result(&mine, result));
                told.tell(if same { "same" } else { "another" });
            });
            let result = mf.create_result(None, Some(&callback), None).expect("a result");
            mine.set(result.clone());
            let first = code(&mf.put_ex(MULTITHREADED, &result));
            log.wait(1);
            let second = code(&mf.put_ex2(MULTITHREADED, 0, &result));
            log.wait(2);
            mine.clear();
            format!("{first} {second}: {}", log.after(2))
        },
    );
    put.case(
        "again_after_it_ran",
        "observed: a result may be put again after it ran, with whatever status it has by then",
        "S_OK S_OK: S_OK MF_E_UNEXPECTED",
        |mf| {
            let log = Log::new();
            let callback = tells_status(mf, MULTITHREADED, &log);
            let result = mf.create_result(None, Some(&callback), None).expect("a result");
            let first = code(&mf.put_ex(MULTITHREADED, &result));
            log.wait(1);
            let _ = mf.set_status(&result, Hresult::MF_E_UNEXPECTED);
            let second = code(&mf.put_ex(MULTITHREADED, &result));
            format!("{first} {second}: {}", log.after(2))
        },
    );
    put.case(
        "one_callback_twice",
        "MFPutWorkItem: each put is an item, also of one callback",
        "two calls",
        |mf| {
            let log = Log::new();
            let callback = tells(mf, MULTITHREADED, &log, "called");
            let _ = mf.put(MULTITHREADED, &callback, None);
            let _ = mf.put(MULTITHREADED, &callback, None);
            if log.after(2) == "called called" { "two calls".to_owned() } else { log.all() }
        },
    );
    put.case(
        "what_invoke_returns",
        "observed: what `Invoke` returns is ignored",
        "S_OK, status S_OK, next",
        |mf| {
            let log = Log::new();
            let callback = mf.failing_callback(|_| {});
            let result = mf.create_result(None, Some(&callback), None).expect("a result");
            let put = code(&mf.put_ex(STANDARD, &result));
            let _ = mf.put(STANDARD, &tells(mf, STANDARD, &log, "next"), None);
            format!("{put}, status {}, {}", name(mf.status(&result)), log.after(1))
        },
    );
    put.case(
        "what_is_kept",
        "MFPutWorkItem: callback and state are held until the item has run, and no longer",
        "S_OK: callback kept, state kept; then callback released, state released",
        |mf| {
            let log = Log::new();
            let (callback_kept, callback_life) = life();
            let (state_kept, state_life) = life();
            let occupied = Occupied::new(mf, STANDARD, &log);
            let callback = mf.callback(on(STANDARD), move |_| {
                let _kept = &callback_kept;
            });
            let state = mf.object(state_kept);
            let put = code(&mf.put(STANDARD, &callback, Some(&state)));
            drop((callback, state));
            let before = format!("callback {}, state {}", callback_life.now(), state_life.now());
            occupied.free();
            format!("{put}: {before}; then callback {}, state {}", callback_life.end(), state_life.end())
        },
    );
    put.case(
        "without_a_callback",
        "MFASYNCRESULT: a result without a callback is legal; to dispatch it is to signal its event",
        "false, S_OK, true",
        |mf| {
            let result = mf.create_result(None, None, None).expect("a result");
            let before = mf.is_signalled(&result);
            let put = code(&mf.put_ex(MULTITHREADED, &result));
            let after = until(|| mf.is_signalled(&result));
            format!("{before}, {put}, {after}")
        },
    );
    put.case(
        "threads_of_multithreaded",
        "Media Foundation and COM: queue threads are in the multithreaded apartment, joined; observed as well",
        "in the MTA",
        |mf| apartment(mf, MULTITHREADED),
    );
    put.case(
        "threads_of_standard",
        "Media Foundation and COM: queue threads are in the multithreaded apartment, joined; observed as well",
        "in the MTA",
        |mf| apartment(mf, STANDARD),
    );
    put.case(
        "threads_of_long_function",
        "Media Foundation and COM: threads of LONG_FUNCTION have an apartment of their own",
        "in an STA",
        |mf| apartment(mf, LONG_FUNCTION),
    );
    put
}

/// In which apartment an item of this queue runs.
fn apartment<S: Subject>(mf: &S, queue: u32) -> String {
    let log = Log::new();
    let (subject, told) = (mf.clone(), log.clone());
    let callback = mf.callback(on(queue), move |_| {
        told.tell(match (subject.in_mta(), subject.in_sta()) {
            (true, _) => "in the MTA",
            (_, true) => "in an STA",
            _ => "in none",
        });
    });
    let put = mf.put(queue, &callback, None);
    value(&put.map(|()| log.after(1)))
}
