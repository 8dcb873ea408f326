//! Start and end of the platform: what is refused before and after, and what becomes of what is outstanding.

use std::time::{Duration, Instant};

use crate::case::Family;
use crate::facts::{
    Gate, Log, MULTITHREADED, Occupied, STANDARD, STANDARD_KIND, code, life, name, pass_through, tells,
    tells_status, until,
};
use crate::subject::{Parameters, Subject, on};

const VERSION: u32 = 0x0002_0070;
const NO_SOCKET: u32 = 1;

/// What a call with a callback returned, and what became of the callback and of a state, at once.
fn refused<S: Subject>(mf: &S, call: impl FnOnce(&S::Callback, &S::Object) -> String) -> String {
    let log = Log::new();
    let (callback_kept, callback_life) = life();
    let (state_kept, state_life) = life();
    let told = log.clone();
    let callback = mf.callback(Parameters::NotImplemented, move |_| {
        let _kept = &callback_kept;
        told.tell("called");
    });
    let state = mf.object(state_kept);
    let returned = call(&callback, &state);
    drop((callback, state));
    format!("{returned}, callback {}, state {}, {}", callback_life.now(), state_life.now(), log.all())
}

/// The same for a call with a ready result, which was made before the shutdown.
fn refused_result<S: Subject>(mf: &S, call: impl FnOnce(&S::Result) -> String) -> String {
    let _ = mf.startup();
    let log = Log::new();
    let result = mf.create_result(None, Some(&tells(mf, STANDARD, &log, "called")), None).expect("a result");
    // It waits for the result, as long as it waits.
    let _ = mf.shutdown();
    let returned = call(&result);
    format!("{returned}, {}", log.all())
}

fn after_shutdown<S: Subject>(mf: &S) {
    let _ = mf.startup();
    let shut_down = mf.shutdown();
    assert!(shut_down.is_ok(), "the shutdown says {}", code(&shut_down));
}

/// Shuts down on another thread, does something when that has begun, and gives the code of the shutdown.
fn shut_down_while<S: Subject>(mf: &S, meanwhile: impl FnOnce()) -> String {
    let (subject, begins) = (mf.clone(), Gate::new());
    let began = begins.clone();
    let shutdown = std::thread::spawn(move || {
        begins.open();
        code(&subject.shutdown())
    });
    began.pass();
    // When queues are refused it has begun. Where they are not, it goes on all the same.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(100) {
        match mf.allocate() {
            Ok(queue) => drop(mf.unlock_queue(queue).is_ok()),
            Err(_) => break,
        }
    }
    meanwhile();
    shutdown.join().unwrap_or_else(|_| "panicked".to_owned())
}

const REFUSED: &str = "MF_E_SHUTDOWN, callback released, state released, nothing";

pub(crate) fn cases<S: Subject>() -> Family<S> {
    let mut lifetime = Family::<S>::new("lifetime");
    before(&mut lifetime);
    after(&mut lifetime);
    outstanding(&mut lifetime);
    lifetime
}

/// Starting, and what is refused before.
fn before<S: Subject>(lifetime: &mut Family<S>) {
    lifetime.unstarted("start_and_shut_down", "MFStartup, MFShutdown: S_OK", "S_OK S_OK", |mf| {
        let started = code(&mf.startup());
        format!("{started} {}", code(&mf.shutdown()))
    });
    lifetime.unstarted("start_without_sockets", "MFStartup: MFSTARTUP_LITE", "S_OK S_OK", |mf| {
        let started = code(&mf.startup_with(VERSION, NO_SOCKET));
        format!("{started} {}", code(&mf.shutdown()))
    });
    lifetime.unstarted(
        "start_a_newer_version",
        "MFStartup: MF_E_BAD_STARTUP_VERSION when a newer version is asked for",
        "MF_E_BAD_STARTUP_VERSION",
        |mf| code(&mf.startup_with(0x00FF_0070, 0)),
    );
    lifetime.unstarted(
        "start_twice",
        "MFStartup: one MFShutdown is owed for each",
        "S_OK S_OK, S_OK S_OK, S_OK MF_E_SHUTDOWN",
        |mf| {
            let started = format!("{} {}", code(&mf.startup()), code(&mf.startup()));
            let first = code(&mf.shutdown());
            let between = mf.allocate().and_then(|queue| mf.unlock_queue(queue));
            let second = code(&mf.shutdown());
            format!("{started}, {first} {}, {second} {}", code(&between), code(&mf.allocate()))
        },
    );
    lifetime.unstarted(
        "start_again",
        "MFStartup: after a shutdown it starts again",
        "S_OK: S_OK runs",
        |mf| {
            after_shutdown(mf);
            let started = code(&mf.startup());
            let log = Log::new();
            let put = code(&mf.put(STANDARD, &tells(mf, STANDARD, &log, "runs"), None));
            let seen = log.after(1);
            let _ = mf.shutdown();
            format!("{started}: {put} {seen}")
        },
    );
    lifetime.unstarted("put_before", "MFPutWorkItem: MF_E_SHUTDOWN before MFStartup", REFUSED, |mf| {
        refused(mf, |callback, state| code(&mf.put(STANDARD, callback, Some(state))))
    });
    lifetime.unstarted("put2_before", "MFPutWorkItem2: MF_E_SHUTDOWN before MFStartup", REFUSED, |mf| {
        refused(mf, |callback, state| code(&mf.put2(STANDARD, 0, callback, Some(state))))
    });
    lifetime.unstarted(
        "allocate_before",
        "MFAllocateWorkQueue: MF_E_SHUTDOWN before MFStartup",
        "MF_E_SHUTDOWN",
        |mf| code(&mf.allocate()),
    );
    lifetime.unstarted(
        "allocate_ex_before",
        "MFAllocateWorkQueueEx: MF_E_SHUTDOWN before MFStartup",
        "MF_E_SHUTDOWN",
        |mf| code(&mf.allocate_ex(STANDARD_KIND)),
    );
    lifetime.unstarted(
        "allocate_serial_before",
        "MFAllocateSerialWorkQueue: MF_E_SHUTDOWN before MFStartup",
        "MF_E_SHUTDOWN",
        |mf| code(&mf.allocate_serial(MULTITHREADED)),
    );
}

/// What is refused after a shutdown.
fn after<S: Subject>(lifetime: &mut Family<S>) {
    lifetime.unstarted("put_after", "MFPutWorkItem: MF_E_SHUTDOWN after MFShutdown", REFUSED, |mf| {
        after_shutdown(mf);
        refused(mf, |callback, state| code(&mf.put(STANDARD, callback, Some(state))))
    });
    lifetime.unstarted("put2_after", "MFPutWorkItem2: MF_E_SHUTDOWN after MFShutdown", REFUSED, |mf| {
        after_shutdown(mf);
        refused(mf, |callback, state| code(&mf.put2(MULTITHREADED, 1, callback, Some(state))))
    });
    lifetime.unstarted(
        "put_ex_after",
        "MFPutWorkItemEx: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN, nothing",
        |mf| refused_result(mf, |result| code(&mf.put_ex(STANDARD, result))),
    );
    lifetime.unstarted(
        "put_ex2_after",
        "MFPutWorkItemEx2: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN, nothing",
        |mf| refused_result(mf, |result| code(&mf.put_ex2(STANDARD, -1, result))),
    );
    lifetime.unstarted(
        "invoke_after",
        "MFInvokeCallback: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN, nothing",
        |mf| refused_result(mf, |result| code(&mf.invoke(result))),
    );
    lifetime.unstarted(
        "schedule_ex_after",
        "MFScheduleWorkItemEx: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN, nothing",
        |mf| refused_result(mf, |result| code(&mf.schedule_ex(result, -1))),
    );
    lifetime.unstarted(
        "put_waiting_after",
        "MFPutWaitingWorkItem: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN, nothing",
        |mf| {
            let signal = mf.signal(true);
            mf.set(&signal);
            refused_result(mf, |result| code(&mf.put_waiting(&signal, 0, result)))
        },
    );
    lifetime.unstarted(
        "schedule_after",
        "MFScheduleWorkItem: MF_E_SHUTDOWN after MFShutdown",
        REFUSED,
        |mf| {
            after_shutdown(mf);
            refused(mf, |callback, state| code(&mf.schedule(callback, Some(state), -1)))
        },
    );
    lifetime.unstarted(
        "cancel_after",
        "observed: cancelling after the shutdown is MF_E_SHUTDOWN",
        "MF_E_SHUTDOWN",
        |mf| {
            let _ = mf.startup();
            let callback = tells(mf, MULTITHREADED, &Log::new(), "called");
            let key = mf.schedule(&callback, None, -60_000).expect("a key");
            let _ = mf.shutdown();
            code(&mf.cancel(key))
        },
    );
    lifetime.unstarted(
        "allocate_after",
        "MFAllocateWorkQueue: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN",
        |mf| {
            after_shutdown(mf);
            code(&mf.allocate())
        },
    );
    lifetime.unstarted(
        "allocate_ex_after",
        "MFAllocateWorkQueueEx: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN",
        |mf| {
            after_shutdown(mf);
            code(&mf.allocate_ex(STANDARD_KIND))
        },
    );
    lifetime.unstarted(
        "allocate_serial_after",
        "MFAllocateSerialWorkQueue: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN",
        |mf| {
            after_shutdown(mf);
            code(&mf.allocate_serial(MULTITHREADED))
        },
    );
    lifetime.unstarted(
        "lock_shared_after",
        "MFLockSharedWorkQueue: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN",
        |mf| {
            after_shutdown(mf);
            code(&mf.lock_shared(Some(""), 0, None))
        },
    );
    lifetime.unstarted(
        "lock_queue_after",
        "MFLockWorkQueue: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN",
        |mf| {
            let _ = mf.startup();
            let queue = mf.allocate().expect("a queue");
            let _ = mf.unlock_queue(queue);
            let _ = mf.shutdown();
            code(&mf.lock_queue(queue))
        },
    );
    lifetime.unstarted(
        "add_periodic_after",
        "MFAddPeriodicCallback: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN, released",
        |mf| {
            after_shutdown(mf);
            let (kept, life) = life();
            let context = mf.object(kept);
            let added = code(&mf.add_periodic(|| {}, Some(&context)));
            drop(context);
            format!("{added}, {}", life.now())
        },
    );
    lifetime.unstarted(
        "remove_periodic_after",
        "MFRemovePeriodicCallback: MF_E_SHUTDOWN after MFShutdown",
        "MF_E_SHUTDOWN",
        |mf| {
            after_shutdown(mf);
            code(&mf.remove_periodic(1))
        },
    );
    lifetime.unstarted(
        "shut_down_again",
        "MFShutdown: no page says what a shutdown without a start returns",
        "S_OK",
        |mf| {
            after_shutdown(mf);
            code(&mf.shutdown())
        },
    );
}

/// What becomes of what is outstanding when the platform is shut down.
fn outstanding<S: Subject>(lifetime: &mut Family<S>) {
    lifetime.unstarted(
        "queued_items_run",
        "observed: items that are queued when the last shutdown is called still run",
        "S_OK: held and 50 behind it",
        |mf| {
            let _ = mf.startup();
            let log = Log::new();
            let occupied = Occupied::new(mf, STANDARD, &log);
            for _ in 0..50 {
                let _ = mf.put(STANDARD, &tells(mf, STANDARD, &log, "ran"), None);
            }
            let shut_down = shut_down_while(mf, || occupied.free());
            log.wait(51);
            let held = if log.all().starts_with("held ") { "held" } else { "not held" };
            format!("{shut_down}: {held} and {} behind it", log.count() - 1)
        },
    );
    lifetime.unstarted(
        "what_ran_is_released",
        "MFLockPlatform: the platform waits for the results, so that nothing of them is left",
        "S_OK: released released",
        |mf| {
            let _ = mf.startup();
            let (callback_kept, callback_life) = life();
            let (state_kept, state_life) = life();
            let callback = mf.callback(on(MULTITHREADED), move |_| {
                let _kept = &callback_kept;
            });
            let _ = mf.put(MULTITHREADED, &callback, Some(&mf.object(state_kept)));
            drop(callback);
            let shut_down = code(&mf.shutdown());
            format!("{shut_down}: {} {}", callback_life.now(), state_life.now())
        },
    );
    lifetime.unstarted(
        "a_scheduled_item",
        "observed: a scheduled item that is pending at the shutdown is dropped, uncalled; Windows leaks it",
        "S_OK: kept",
        |mf| {
            let _ = mf.startup();
            let (kept, life) = life();
            let callback = mf.callback(on(MULTITHREADED), move |_| {
                let _kept = &kept;
            });
            let _ = mf.schedule(&callback, None, -60_000);
            drop(callback);
            let shut_down = code(&mf.shutdown());
            format!("{shut_down}: {}", life.now())
        },
    );
    lifetime.unstarted(
        "a_waiting_item",
        "MFShutdown: no page says what becomes of a wait; it is not called",
        "S_OK: nothing",
        |mf| {
            let _ = mf.startup();
            let log = Log::new();
            let signal = mf.signal(true);
            let result = mf.create_result(None, Some(&tells_status(mf, MULTITHREADED, &log)), None);
            let _ = mf.put_waiting(&signal, 0, &result.expect("a result"));
            let shut_down = code(&mf.shutdown());
            format!("{shut_down}: {}", log.all())
        },
    );
    lifetime.unstarted(
        "a_platform_lock",
        "observed: the shutdown succeeds while the platform is locked",
        "S_OK S_OK: S_OK",
        |mf| {
            let _ = mf.startup();
            let locked = format!("{} {}", code(&mf.lock_platform()), code(&mf.lock_platform()));
            format!("{locked}: {}", code(&mf.shutdown()))
        },
    );
    lifetime.unstarted(
        "platform_locks_are_counted",
        "MFUnlockPlatform: each lock is unlocked once; then the shutdown has nothing to wait for",
        "S_OK S_OK, S_OK S_OK: S_OK",
        |mf| {
            let _ = mf.startup();
            let locked = format!("{} {}", code(&mf.lock_platform()), code(&mf.lock_platform()));
            let unlocked = format!("{} {}", code(&mf.unlock_platform()), code(&mf.unlock_platform()));
            format!("{locked}, {unlocked}: {}", code(&mf.shutdown()))
        },
    );
    lifetime.unstarted(
        "a_queue_that_is_locked",
        "MFLockWorkQueue: the shutdown ends although a queue is locked",
        "S_OK",
        |mf| {
            let _ = mf.startup();
            let _ = mf.allocate();
            code(&mf.shutdown())
        },
    );
    lifetime.unstarted(
        "a_result_that_is_held",
        "MFLockPlatform: a result delays the shutdown, up to a limit and no further",
        "S_OK, later",
        |mf| {
            let _ = mf.startup();
            let result = mf.create_result(None, None, None).expect("a result");
            let start = Instant::now();
            let shut_down = code(&mf.shutdown());
            let waited = start.elapsed();
            drop(result);
            format!("{shut_down}, {}", if waited > Duration::from_millis(250) { "later" } else { "at once" })
        },
    );
    lifetime.unstarted(
        "a_result_that_is_let_go",
        "MFLockPlatform: the shutdown goes on when the last result is released",
        "S_OK",
        |mf| {
            let _ = mf.startup();
            let result = mf.create_result(None, None, None).expect("a result");
            shut_down_while(mf, || drop(result))
        },
    );
    lifetime.unstarted(
        "a_callback_may_put",
        "MFShutdown: a callback that still runs may put, since its operation may need another hop",
        "S_OK: S_OK, hop",
        |mf| {
            let _ = mf.startup();
            let (log, put, started, gate) = (Log::new(), Log::new(), Gate::new(), Gate::new());
            let hop = tells(mf, MULTITHREADED, &log, "hop");
            let (subject, told) = (mf.clone(), put.clone());
            let (starts, waits) = (started.clone(), gate.clone());
            let callback = mf.callback(on(STANDARD), move |_| {
                starts.open();
                waits.pass();
                told.tell(code(&subject.put(MULTITHREADED, &hop, None)));
            });
            let _ = mf.put(STANDARD, &callback, None);
            drop(callback);
            started.pass();
            let shut_down = shut_down_while(mf, || gate.open());
            format!("{shut_down}: {}, {}", put.after(1), log.after(1))
        },
    );
    lifetime.unstarted(
        "from_a_callback",
        "MFShutdown: it must not be called from a queue's thread, for which it would wait",
        "E_ILLEGAL_METHOD_CALL, then S_OK",
        |mf| {
            let _ = mf.startup();
            let log = Log::new();
            let (subject, told) = (mf.clone(), log.clone());
            let callback = mf.callback(on(STANDARD), move |_| {
                told.tell(subject.shutdown().map_or_else(name, |()| "shut down".to_owned()));
            });
            let _ = mf.put(STANDARD, &callback, None);
            drop(callback);
            let seen = log.after(1);
            pass_through(mf, STANDARD);
            format!("{seen}, then {}", code(&mf.shutdown()))
        },
    );
    lifetime.unstarted(
        "a_periodic_callback",
        "MFShutdown: what was added and not removed is let go, and called no more",
        "S_OK: released",
        |mf| {
            let _ = mf.startup();
            let (kept, life) = life();
            let context = mf.object(kept);
            let _ = mf.add_periodic(|| {}, Some(&context));
            drop(context);
            let shut_down = code(&mf.shutdown());
            until(|| life.is_over());
            format!("{shut_down}: {}", life.now())
        },
    );
}
