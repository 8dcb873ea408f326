//! Periodic callbacks: how often they come, and removing them.

use std::time::{Duration, Instant};

use crate::case::Family;
use crate::facts::{Gate, Log, MULTITHREADED, TIMER, code, life, pass_through, tells, value};
use crate::subject::Subject;

pub(crate) fn cases<S: Subject>() -> Family<S> {
    let mut periodic = Family::<S>::new("periodic");
    periodic
        .case("interval", "observed: the periodic interval is 10 ms", "10", |mf| value(&mf.periodicity()));
    periodic.case(
        "again_and_again",
        "MFAddPeriodicCallback: the callback is called at a fixed interval until it is removed",
        "S_OK: 5 calls, in 40 ms or more; S_OK",
        |mf| {
            let log = Log::new();
            let (told, start) = (log.clone(), Instant::now());
            let key = mf.add_periodic(move || told.tell("tick"), None);
            let calls = if log.wait(5) { "5 calls" } else { "fewer calls" };
            // Five intervals begin with the first and end before the fifth.
            let time = if start.elapsed() >= Duration::from_millis(40) { "40 ms or more" } else { "no time" };
            let removed = code(&key.and_then(|key| mf.remove_periodic(key)));
            format!("{}: {calls}, in {time}; {removed}", code(&key))
        },
    );
    periodic.case(
        "removed",
        "MFRemovePeriodicCallback: at most one more call follows its return",
        "S_OK, at most one more",
        |mf| {
            let log = Log::new();
            let told = log.clone();
            let key = mf.add_periodic(move || told.tell("tick"), None).expect("a key");
            log.wait(2);
            let removed = code(&mf.remove_periodic(key));
            let before = log.count();
            // Ten intervals.
            let later = Log::new();
            let _ = mf.schedule(&tells(mf, MULTITHREADED, &later, "later"), None, -100);
            later.wait(1);
            let more = log.count() - before;
            format!(
                "{removed}, {}",
                if more <= 1 { "at most one more".to_owned() } else { format!("{more} more") }
            )
        },
    );
    periodic.case(
        "remove_unknown",
        "MFRemovePeriodicCallback: MF_E_NOT_FOUND for a key that nobody has",
        "MF_E_NOT_FOUND",
        |mf| code(&mf.remove_periodic(0x7FFF_FFFF)),
    );
    periodic.case(
        "remove_twice",
        "MFRemovePeriodicCallback: what is removed is not found again",
        "S_OK MF_E_NOT_FOUND",
        |mf| {
            let key = mf.add_periodic(|| {}, None).expect("a key");
            let first = code(&mf.remove_periodic(key));
            format!("{first} {}", code(&mf.remove_periodic(key)))
        },
    );
    periodic.case(
        "keys_differ",
        "MFAddPeriodicCallback: each callback has a key of its own",
        "two keys",
        |mf| {
            let (one, other) = (mf.add_periodic(|| {}, None), mf.add_periodic(|| {}, None));
            let seen = if one == other { "one key" } else { "two keys" };
            for key in [one, other].into_iter().flatten() {
                let _ = mf.remove_periodic(key);
            }
            seen.to_owned()
        },
    );
    periodic.case(
        "the_other_goes_on",
        "MFRemovePeriodicCallback: the key is of one callback",
        "S_OK, the other goes on",
        |mf| {
            let log = Log::new();
            let told = log.clone();
            let one = mf.add_periodic(|| {}, None).expect("a key");
            let other = mf.add_periodic(move || told.tell("tick"), None).expect("a key");
            let removed = code(&mf.remove_periodic(one));
            let goes_on = if log.wait(log.count() + 2) { "the other goes on" } else { "the other stops" };
            let _ = mf.remove_periodic(other);
            format!("{removed}, {goes_on}")
        },
    );
    periodic.case(
        "the_context",
        "observed: the context is held, and released some time after the removal",
        "kept, then released",
        |mf| {
            let (kept, life) = life();
            let context = mf.object(kept);
            let key = mf.add_periodic(|| {}, Some(&context)).expect("a key");
            drop(context);
            let before = life.now();
            let _ = mf.remove_periodic(key);
            format!("{before}, then {}", life.end())
        },
    );
    periodic.case(
        "never_two_at_once",
        "Using Work Queues: periodic callbacks use the TIMER queue, one at a time",
        "one at a time, later",
        |mf| {
            let log = Log::new();
            let (gate, told, waits) = (Gate::new(), log.clone(), Gate::new());
            let held = gate.clone();
            let starts = waits.clone();
            let key = mf.add_periodic(
                move || {
                    told.tell("starts");
                    starts.open();
                    held.pass();
                },
                None,
            );
            waits.pass();
            // Ten intervals while the first call runs.
            let later = Log::new();
            let _ = mf.schedule(&tells(mf, MULTITHREADED, &later, "later"), None, -100);
            later.wait(1);
            let seen = log.count();
            let later_seen = later.all();
            gate.open();
            let _ = key.map(|key| mf.remove_periodic(key));
            pass_through(mf, TIMER);
            let seen = if seen == 1 { "one at a time".to_owned() } else { format!("{seen} at once") };
            format!("{seen}, {later_seen}")
        },
    );
    periodic.case("from_within", "MFRemovePeriodicCallback: a callback may remove itself", "S_OK", |mf| {
        let log = Log::new();
        let (subject, told) = (mf.clone(), log.clone());
        let slot = crate::facts::Slot::new();
        let key = slot.clone();
        let added = mf.add_periodic(
            move || {
                if let (Some(key), 0) = (key.take(), told.count()) {
                    told.tell(code(&subject.remove_periodic(key)));
                }
            },
            None,
        );
        slot.set(added.expect("a key"));
        log.after(1)
    });
    periodic
}
