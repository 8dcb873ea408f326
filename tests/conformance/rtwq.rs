//! What only the real-time work queue API has: long-running queues, deadlines, and who hears of the platform.

use crate::case::Family;
use crate::facts::{
    Gate, LONG_FUNCTION, Log, MULTITHREADED, MULTITHREADED_KIND, Occupied, STANDARD, code, pass_through,
    tells, until,
};
use crate::subject::{Rtwq, on};

const UNKNOWN: u32 = 0x1_0000;
/// A minute and a moment, in units of 100 ns.
const FAR: i64 = 600_000_000;
const NOW: i64 = 1;

pub(crate) fn cases<S: Rtwq>() -> Family<S> {
    let mut rtwq = Family::<S>::new("rtwq");
    long_running(&mut rtwq);
    deadlines(&mut rtwq);
    platform_events(&mut rtwq);
    rtwq
}

fn long_running<S: Rtwq>(rtwq: &mut Family<S>) {
    rtwq.case(
        "long_running_keeps_the_order",
        "RtwqSetLongRunning: a hint that changes nothing of what a serial queue promises",
        "S_OK: held 1 2 3",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let enabled = code(&mf.set_long_running(queue, true));
            let log = Log::new();
            let occupied = Occupied::new(mf, queue, &log);
            for entry in ["1", "2", "3"] {
                let _ = mf.put(queue, &tells(mf, queue, &log, entry), None);
            }
            occupied.free();
            let seen = log.after(4);
            let _ = mf.unlock_queue(queue);
            format!("{enabled}: {seen}")
        },
    );
    rtwq.case(
        "long_running_and_back",
        "RtwqSetLongRunning: the default is false, and can be set again; also while something runs",
        "S_OK S_OK: held called",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let log = Log::new();
            let occupied = Occupied::new(mf, queue, &log);
            let enabled = code(&mf.set_long_running(queue, true));
            let disabled = code(&mf.set_long_running(queue, false));
            let _ = mf.put(queue, &tells(mf, queue, &log, "called"), None);
            occupied.free();
            let seen = log.after(2);
            let _ = mf.unlock_queue(queue);
            format!("{enabled} {disabled}: {seen}")
        },
    );
    rtwq.case(
        "long_running_holds_up_no_other",
        "RtwqSetLongRunning: what takes long there keeps no thread from the other queues",
        "S_OK: called",
        |mf| {
            let queue = mf.allocate_ex(MULTITHREADED_KIND).expect("a queue");
            let enabled = code(&mf.set_long_running(queue, true));
            let (gate, log) = (Gate::new(), Log::new());
            for _ in 0..16 {
                let held = gate.clone();
                let blocks = mf.callback(on(queue), move |_| {
                    held.pass();
                });
                let _ = mf.put(queue, &blocks, None);
            }
            let _ = mf.put(MULTITHREADED, &tells(mf, MULTITHREADED, &log, "called"), None);
            let seen = log.after(1);
            gate.open();
            let _ = mf.unlock_queue(queue);
            format!("{enabled}: {seen}")
        },
    );
    rtwq.case(
        "long_functions_hold_up_no_other",
        "Work Queue Identifiers: what takes long on LONG_FUNCTION keeps no thread from the other queues",
        "called",
        |mf| {
            let (gate, log) = (Gate::new(), Log::new());
            for _ in 0..16 {
                let held = gate.clone();
                let blocks = mf.callback(on(LONG_FUNCTION), move |_| {
                    held.pass();
                });
                let _ = mf.put(LONG_FUNCTION, &blocks, None);
            }
            let _ = mf.put(MULTITHREADED, &tells(mf, MULTITHREADED, &log, "called"), None);
            let seen = log.after(1);
            gate.open();
            seen
        },
    );
    rtwq.case(
        "long_running_of_an_unknown_queue",
        "RtwqSetLongRunning: there is nothing to set",
        "MF_E_INVALID_WORKQUEUE",
        |mf| code(&mf.set_long_running(UNKNOWN, true)),
    );
}

fn deadlines<S: Rtwq>(rtwq: &mut Family<S>) {
    rtwq.case(
        "deadline",
        "RtwqSetDeadline: gives what RtwqCancelDeadline cancels it by",
        "S_OK, cancelled S_OK",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let deadline = mf.set_deadline(queue, FAR);
            let set = code(&deadline);
            let cancelled = deadline.map(|deadline| code(&mf.cancel_deadline(deadline)));
            let _ = mf.unlock_queue(queue);
            format!("{set}, cancelled {}", cancelled.unwrap_or_else(|_| "never".to_owned()))
        },
    );
    rtwq.case(
        "deadline_with_a_warning",
        "RtwqSetDeadline2: adds a pre-deadline",
        "S_OK, cancelled S_OK",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let deadline = mf.set_deadline2(queue, FAR, FAR / 2);
            let set = code(&deadline);
            let cancelled = deadline.map(|deadline| code(&mf.cancel_deadline(deadline)));
            let _ = mf.unlock_queue(queue);
            format!("{set}, cancelled {}", cancelled.unwrap_or_else(|_| "never".to_owned()))
        },
    );
    rtwq.case(
        "deadline_that_is_changed",
        "RtwqSetDeadline: to change it, a new one is set and the old one released",
        "S_OK S_OK, cancelled S_OK S_OK: called",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let (former, latter) = (mf.set_deadline(queue, FAR), mf.set_deadline(queue, 2 * FAR));
            let set = format!("{} {}", code(&former), code(&latter));
            let cancelled: Vec<_> = [former, latter]
                .into_iter()
                .map(|deadline| {
                    deadline.map_or_else(|_| "never".to_owned(), |set| code(&mf.cancel_deadline(set)))
                })
                .collect();
            let log = Log::new();
            let _ = mf.put(queue, &tells(mf, queue, &log, "called"), None);
            let seen = log.after(1);
            let _ = mf.unlock_queue(queue);
            format!("{set}, cancelled {}: {seen}", cancelled.join(" "))
        },
    );
    rtwq.case(
        "deadline_that_is_missed",
        "RtwqSetDeadline: whoever misses it still runs, once and in order",
        "S_OK: held 1 2 3",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let log = Log::new();
            let occupied = Occupied::new(mf, queue, &log);
            for entry in ["1", "2", "3"] {
                let _ = mf.put(queue, &tells(mf, queue, &log, entry), None);
            }
            let deadline = mf.set_deadline(queue, NOW);
            for other in [STANDARD, MULTITHREADED] {
                pass_through(mf, other);
            }
            occupied.free();
            let seen = log.after(4);
            let _ = mf.unlock_queue(queue);
            format!("{}: {seen}", code(&deadline))
        },
    );
    rtwq.case(
        "deadline_of_a_queue_that_goes",
        "RtwqCancelDeadline: it is cancelled by what was given for it, also when the queue is released before",
        "S_OK, cancelled S_OK",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let deadline = mf.set_deadline(queue, FAR);
            let _ = mf.unlock_queue(queue);
            let set = code(&deadline);
            let cancelled = deadline.map(|deadline| code(&mf.cancel_deadline(deadline)));
            format!("{set}, cancelled {}", cancelled.unwrap_or_else(|_| "never".to_owned()))
        },
    );
    rtwq.case(
        "deadline_of_an_unknown_queue",
        "RtwqSetDeadline: there is no work to be done by then",
        "MF_E_INVALID_WORKQUEUE",
        |mf| code(&mf.set_deadline(UNKNOWN, FAR)),
    );
    rtwq.unstarted(
        "deadline_at_the_shutdown",
        "RtwqShutdown: waits for work that is outstanding, which a deadline is not",
        "S_OK: S_OK",
        |mf| {
            let _ = mf.startup();
            let deadline = mf.set_deadline(STANDARD, FAR);
            format!("{}: {}", code(&deadline), code(&mf.shutdown()))
        },
    );
}

fn platform_events<S: Rtwq>(rtwq: &mut Family<S>) {
    rtwq.unstarted(
        "platform_events",
        "IRtwqPlatformEvents: ShutdownStart before the shutdown, ShutdownComplete after it",
        "S_OK: ShutdownStart ShutdownComplete",
        |mf| {
            let _ = mf.startup();
            let log = Log::new();
            let told = log.clone();
            let listener = mf.register_platform_events(move |event| {
                if event != "InitializationComplete" {
                    told.tell(event);
                }
            });
            let registered = code(&listener);
            let _ = mf.shutdown();
            until(|| listener.is_err() || log.count() >= 2);
            format!("{registered}: {}", log.all())
        },
    );
    rtwq.unstarted(
        "platform_events_and_what_is_queued",
        "IRtwqPlatformEvents::ShutdownComplete: comes when what was queued has run",
        "S_OK: ShutdownStart ran ShutdownComplete",
        |mf| {
            let _ = mf.startup();
            let (log, gate) = (Log::new(), Gate::new());
            let (told, opens) = (log.clone(), gate.clone());
            let listener = mf.register_platform_events(move |event| {
                if event == "ShutdownStart" {
                    told.tell(event);
                    opens.open();
                } else if event == "ShutdownComplete" {
                    told.tell(event);
                }
            });
            let registered = code(&listener);
            let ran = log.clone();
            let runs = mf.callback(on(MULTITHREADED), move |_| {
                gate.pass();
                ran.tell("ran");
            });
            if listener.is_ok() {
                let _ = mf.put(MULTITHREADED, &runs, None);
            }
            let _ = mf.shutdown();
            until(|| listener.is_err() || log.count() >= 3);
            format!("{registered}: {}", log.all())
        },
    );
    rtwq.unstarted(
        "platform_events_that_are_unregistered",
        "RtwqUnregisterPlatformEvents: nothing is told any more",
        "S_OK S_OK: nothing",
        |mf| {
            let _ = mf.startup();
            let log = Log::new();
            let told = log.clone();
            let listener = mf.register_platform_events(move |event| {
                if event != "InitializationComplete" {
                    told.tell(event);
                }
            });
            let registered = code(&listener);
            let unregistered = listener.map(|listener| code(&mf.unregister_platform_events(listener)));
            let _ = mf.shutdown();
            format!("{registered} {}: {}", unregistered.unwrap_or_else(|_| "never".to_owned()), log.all())
        },
    );
    rtwq.unstarted(
        "platform_events_for_two",
        "RtwqRegisterPlatformEvents: whoever is registered is told",
        "S_OK S_OK: 2 were told of the start and 2 of the end",
        |mf| {
            let _ = mf.startup();
            let (starts, ends) = (Log::new(), Log::new());
            let listeners: Vec<_> = (0..2)
                .map(|_| {
                    let (starts, ends) = (starts.clone(), ends.clone());
                    mf.register_platform_events(move |event| match event {
                        "ShutdownStart" => starts.tell(event),
                        "ShutdownComplete" => ends.tell(event),
                        _ => {}
                    })
                })
                .collect();
            let registered: Vec<_> = listeners.iter().map(code).collect();
            let _ = mf.shutdown();
            until(|| listeners.iter().any(Result::is_err) || ends.count() >= 2);
            let (starts, ends) = (starts.count(), ends.count());
            format!("{}: {starts} were told of the start and {ends} of the end", registered.join(" "))
        },
    );
}
