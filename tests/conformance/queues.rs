//! Private queues: allocating, locking and unlocking them, of what kinds they are, and shared queues.

use crate::case::Family;
use crate::facts::{
    Gate, IO, LONG_FUNCTION, Log, MULTITHREADED, MULTITHREADED_KIND, Occupied, PRIVATE_MASK, RT, STANDARD,
    STANDARD_KIND, TIMER, WINDOW_KIND, behind, code, name, tells, value,
};
use crate::subject::{Answer, Subject, on};

/// What a put on this queue returned, and that its item ran.
fn put<S: Subject>(mf: &S, queue: u32) -> String {
    let log = Log::new();
    match mf.put(queue, &tells(mf, STANDARD, &log, "runs"), None) {
        Ok(()) => log.after(1),
        Err(code) => name(code),
    }
}

/// Allocates, and says whether the id is a private one.
fn allocated<S: Subject>(mf: &S, allocated: Answer<u32>) -> String {
    match allocated {
        Ok(queue) => {
            let kind = if queue & PRIVATE_MASK == 0 { "a platform id" } else { "a private id" };
            let runs = put(mf, queue);
            format!("{kind}, {runs}, {}", code(&mf.unlock_queue(queue)))
        }
        Err(code) => name(code),
    }
}

const ALLOCATED: &str = "a private id, runs, S_OK";

/// Whether two items of a queue run at the same time, and if not, that the first ends before the second starts.
fn overlap<S: Subject>(mf: &S, kind: u32) -> String {
    let log = Log::new();
    let queue = mf.allocate_ex(kind).expect("a queue");
    let second = Gate::new();
    let (told, waits) = (log.clone(), second.clone());
    // The first waits until the second has started, or until everything that was put elsewhere has run.
    let others = Gate::new();
    let free = others.clone();
    let first = mf.callback(on(queue), move |_| {
        crate::facts::until(|| waits.is_open() || free.is_open());
        told.tell(if waits.is_open() { "overlapped" } else { "first" });
    });
    let (told, starts) = (log.clone(), second);
    let next = mf.callback(on(queue), move |_| {
        starts.open();
        told.tell("second");
    });
    let _ = mf.put(queue, &first, None);
    let _ = mf.put(queue, &next, None);
    if kind == MULTITHREADED_KIND {
        log.wait(2);
    } else {
        crate::facts::pass_through(mf, STANDARD);
        crate::facts::pass_through(mf, MULTITHREADED);
    }
    others.open();
    log.wait(2);
    let _ = mf.unlock_queue(queue);
    if log.all().contains("overlapped") { "at the same time".to_owned() } else { log.all() }
}

pub(crate) fn cases<S: Subject>() -> Family<S> {
    let mut queues = Family::<S>::new("queues");
    queues.case(
        "allocate",
        "MFAllocateWorkQueue: an id with a private bit, good for puts",
        ALLOCATED,
        |mf| allocated(mf, mf.allocate()),
    );
    queues.case("allocate_standard", "MFAllocateWorkQueueEx: a standard queue", ALLOCATED, |mf| {
        allocated(mf, mf.allocate_ex(STANDARD_KIND))
    });
    queues.case("allocate_window", "MFAllocateWorkQueueEx: a queue with a message loop", ALLOCATED, |mf| {
        allocated(mf, mf.allocate_ex(WINDOW_KIND))
    });
    queues.case("allocate_multithreaded", "MFAllocateWorkQueueEx: a multithreaded queue", ALLOCATED, |mf| {
        allocated(mf, mf.allocate_ex(MULTITHREADED_KIND))
    });
    queues.case(
        "allocate_another_kind",
        "MFAllocateWorkQueueEx: E_INVALIDARG for what is no type of queue",
        "E_INVALIDARG",
        |mf| code(&mf.allocate_ex(3)),
    );
    queues.case("too_many", "MFAllocateWorkQueue: E_FAIL when there are too many queues", "E_FAIL", |mf| {
        let failure = (0..70_000).find_map(|_| mf.allocate().err());
        failure.map_or("none of 70000 allocations failed".to_owned(), name)
    });
    queues.case("ids_differ", "MFAllocateWorkQueue: each queue has an id of its own", "64 ids", |mf| {
        let mut ids: Vec<_> = (0..64).filter_map(|_| mf.allocate().ok()).collect();
        for id in &ids {
            let _ = mf.unlock_queue(*id);
        }
        ids.sort_unstable();
        ids.dedup();
        format!("{} ids", ids.len())
    });
    queues.case(
        "private_standard",
        "MFASYNC_WORKQUEUE_TYPE: a standard queue runs one item at a time",
        "first second",
        |mf| overlap(mf, STANDARD_KIND),
    );
    queues.case(
        "private_window",
        "MFASYNC_WORKQUEUE_TYPE: a window queue runs one item at a time",
        "first second",
        |mf| overlap(mf, WINDOW_KIND),
    );
    queues.case(
        "private_multithreaded",
        "MFASYNC_WORKQUEUE_TYPE: a multithreaded queue runs items at the same time",
        "at the same time",
        |mf| overlap(mf, MULTITHREADED_KIND),
    );
    queues.case(
        "window_has_one_thread",
        "MFASYNC_WORKQUEUE_TYPE: a window queue has a thread with a message loop",
        "one thread",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate_ex(WINDOW_KIND).expect("a queue");
            for _ in 0..50 {
                let told = log.clone();
                let callback =
                    mf.callback(on(queue), move |_| told.tell(format!("{:?}", std::thread::current().id())));
                let _ = mf.put(queue, &callback, None);
            }
            let seen = log.after(50);
            let _ = mf.unlock_queue(queue);
            let first = seen.split(' ').next().unwrap_or_default();
            if seen.split(' ').all(|thread| thread == first) { "one thread".to_owned() } else { seen.clone() }
        },
    );
    queues.case(
        "in_order",
        "Using Work Queues: a private queue takes items out as they were put",
        "in order",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate().expect("a queue");
            for number in 0..200 {
                let told = log.clone();
                let callback = mf.callback(on(queue), move |_| told.tell(number.to_string()));
                let _ = mf.put(queue, &callback, None);
            }
            let seen = log.after(200);
            let _ = mf.unlock_queue(queue);
            let expected: Vec<_> = (0..200).map(|number: u32| number.to_string()).collect();
            if seen == expected.join(" ") { "in order".to_owned() } else { seen }
        },
    );
    queues.case(
        "runs_its_own",
        "MFPutWorkItem: an item waits for those of its own queue, and for no other's",
        "on the other, held on this",
        |mf| {
            let log = Log::new();
            let (this, other) = (mf.allocate().expect("a queue"), mf.allocate().expect("a queue"));
            let occupied = Occupied::new(mf, this, &log);
            let _ = mf.put(this, &tells(mf, this, &log, "on this"), None);
            let _ = mf.put(other, &tells(mf, other, &log, "on the other,"), None);
            log.wait(1);
            occupied.free();
            let seen = log.after(3);
            let _ = (mf.unlock_queue(this), mf.unlock_queue(other));
            seen
        },
    );
    queues.case(
        "unlocked_is_gone",
        "MFUnlockWorkQueue: an allocation is a lock; taken off, the id is good for nothing",
        "runs, S_OK, MF_E_INVALID_WORKQUEUE",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let before = put(mf, queue);
            let unlocked = code(&mf.unlock_queue(queue));
            format!("{before}, {unlocked}, {}", put(mf, queue))
        },
    );
    queues.case(
        "locks_are_counted",
        "MFLockWorkQueue: allocated and locked, a queue is unlocked twice",
        "S_OK, S_OK, runs, S_OK, MF_E_INVALID_WORKQUEUE",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let locked = code(&mf.lock_queue(queue));
            let first = code(&mf.unlock_queue(queue));
            let between = put(mf, queue);
            let second = code(&mf.unlock_queue(queue));
            format!("{locked}, {first}, {between}, {second}, {}", put(mf, queue))
        },
    );
    queues.case(
        "unlock_once_too_often",
        "observed: releasing a private id once too often fails",
        "S_OK, MF_E_INVALID_WORKQUEUE",
        |mf| {
            let queue = mf.allocate().expect("a queue");
            let first = code(&mf.unlock_queue(queue));
            format!("{first}, {}", code(&mf.unlock_queue(queue)))
        },
    );
    queues.case(
        "unlock_unknown",
        "observed: a private id that was never allocated cannot be released",
        "MF_E_INVALID_WORKQUEUE",
        |mf| code(&mf.unlock_queue(0x1_0000)),
    );
    queues.case(
        "lock_unknown",
        "MFLockWorkQueue: there is no lock on what is not there",
        "MF_E_INVALID_WORKQUEUE",
        |mf| code(&mf.lock_queue(0x1_0000)),
    );
    queues.case(
        "unlock_platform_queues",
        "observed: releasing an id without private bits succeeds and does nothing",
        "S_OK S_OK S_OK S_OK S_OK S_OK, runs",
        |mf| {
            let all = [STANDARD, RT, IO, TIMER, MULTITHREADED, LONG_FUNCTION];
            let codes: Vec<_> = all.iter().map(|queue| code(&mf.unlock_queue(*queue))).collect();
            format!("{}, {}", codes.join(" "), put(mf, STANDARD))
        },
    );
    queues.case(
        "unlock_0",
        "observed: releasing an id without private bits succeeds, whatever it is",
        "S_OK S_OK",
        |mf| format!("{} {}", code(&mf.unlock_queue(0)), code(&mf.unlock_queue(0xFFFF))),
    );
    queues.case(
        "lock_platform_queues",
        "MFLockWorkQueue: a lock on a queue of the platform's own succeeds and does nothing",
        "S_OK, S_OK, runs",
        |mf| {
            let locked = code(&mf.lock_queue(MULTITHREADED));
            format!("{locked}, {}, {}", code(&mf.unlock_queue(MULTITHREADED)), put(mf, MULTITHREADED))
        },
    );
    queues.case(
        "items_at_the_last_unlock",
        "observed: what is queued when the last lock goes away still runs",
        "S_OK: held one two",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate().expect("a queue");
            let occupied = Occupied::new(mf, queue, &log);
            let _ = mf.put(queue, &tells(mf, queue, &log, "one"), None);
            let _ = mf.put(queue, &tells(mf, queue, &log, "two"), None);
            // Media Foundation may wait here for what runs.
            let (subject, gate) = (mf.clone(), Gate::new());
            let unlocking = std::thread::spawn({
                let gate = gate.clone();
                move || {
                    gate.open();
                    code(&subject.unlock_queue(queue))
                }
            });
            gate.pass();
            crate::facts::pass_through(mf, MULTITHREADED);
            occupied.free();
            let unlocked = unlocking.join().unwrap_or_else(|_| "panicked".to_owned());
            format!("{unlocked}: {}", log.after(3))
        },
    );
    queues.case(
        "shared_without_a_class",
        "observed: the empty class without a task id gives a private id, the same at every call",
        "S_OK S_OK: the same private id, runs",
        |mf| {
            let (first, second) = (mf.lock_shared(Some(""), 0, None), mf.lock_shared(Some(""), 0, None));
            let codes = format!("{} {}", code(&first), code(&second));
            let (Ok((first, _)), Ok((second, _))) = (first, second) else { return codes };
            let same = if first == second { "the same" } else { "another" };
            let kind = if first & PRIVATE_MASK == 0 { "platform" } else { "private" };
            let runs = put(mf, first);
            let _ = (mf.unlock_queue(first), mf.unlock_queue(second));
            format!("{codes}: {same} {kind} id, {runs}")
        },
    );
    queues.case(
        "shared_locks_are_counted",
        "MFLockSharedWorkQueue: one unlock is owed for each call",
        "S_OK, runs, S_OK",
        |mf| {
            let (first, second) = (mf.lock_shared(Some(""), 0, None), mf.lock_shared(Some(""), 0, None));
            let (Ok((first, _)), Ok((second, _))) = (first, second) else { return "no queue".to_owned() };
            let unlocked = code(&mf.unlock_queue(first));
            let between = put(mf, second);
            format!("{unlocked}, {between}, {}", code(&mf.unlock_queue(second)))
        },
    );
    queues.case("shared_without_a_class_name", "observed: a missing class is E_POINTER", "E_POINTER", |mf| {
        code(&mf.lock_shared(None, 0, None))
    });
    queues.case(
        "shared_empty_class_with_a_task",
        "observed: the empty class with a task id pointer is E_INVALIDARG",
        "E_INVALIDARG",
        |mf| code(&mf.lock_shared(Some(""), 0, Some(0))),
    );
    queues.case(
        "shared_empty_class_with_a_priority",
        "MFLockSharedWorkQueue: of the empty class the priority is 0",
        "E_INVALIDARG",
        |mf| code(&mf.lock_shared(Some(""), 1, None)),
    );
    queues.case(
        "shared_by_class",
        "MFLockSharedWorkQueue: one queue for each class, and the id of its task",
        "the same private id, the same task, not 0; runs",
        |mf| {
            let (first, second) =
                (mf.lock_shared(Some("Audio"), 0, Some(0)), mf.lock_shared(Some("Audio"), 0, Some(0)));
            let (first, second) = match (first, second) {
                (Ok(first), Ok(second)) => (first, second),
                (first, second) => return format!("{} {}", code(&first), code(&second)),
            };
            let same = if first.0 == second.0 { "the same" } else { "another" };
            let kind = if first.0 & PRIVATE_MASK == 0 { "platform" } else { "private" };
            let task = if first.1 == second.1 { "the same" } else { "another" };
            let zero = if first.1 == 0 { "0" } else { "not 0" };
            let runs = put(mf, first.0);
            let _ = (mf.unlock_queue(first.0), mf.unlock_queue(second.0));
            format!("{same} {kind} id, {task} task, {zero}; {runs}")
        },
    );
    queues.case(
        "shared_by_two_classes",
        "MFLockSharedWorkQueue: each class has a queue of its own",
        "two queues",
        |mf| {
            let (first, second) =
                (mf.lock_shared(Some("Audio"), 0, Some(0)), mf.lock_shared(Some("Games"), 0, Some(0)));
            let (Ok((first, _)), Ok((second, _))) = (first, second) else { return "no queue".to_owned() };
            let _ = (mf.unlock_queue(first), mf.unlock_queue(second));
            if first == second { "one queue" } else { "two queues" }.to_owned()
        },
    );
    queues.case(
        "shared_unknown_class",
        "AvSetMmThreadCharacteristics: ERROR_INVALID_TASK_NAME for a class that MMCSS does not know",
        "ERROR_INVALID_TASK_NAME",
        |mf| value(&mf.lock_shared(Some("No Such Class"), 0, Some(0)).map(|_| "a queue")),
    );
    queues.case(
        "shared_overlaps",
        "MFLockSharedWorkQueue: a shared queue is multithreaded",
        "met met",
        |mf| {
            let Ok((queue, _)) = mf.lock_shared(Some(""), 0, None) else { return "no queue".to_owned() };
            let (log, one, other) = (Log::new(), Gate::new(), Gate::new());
            for (mine, theirs) in [(one.clone(), other.clone()), (other, one)] {
                let told = log.clone();
                let callback = mf.callback(on(queue), move |_| {
                    mine.open();
                    told.tell(if theirs.pass() { "met" } else { "alone" });
                });
                let _ = mf.put(queue, &callback, None);
            }
            let seen = log.after(2);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    queues.case(
        "standard_is_not_a_private_queue",
        "Work Queues and Threading Improvements: a private queue does not wait for STANDARD",
        "runs, held",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate().expect("a queue");
            behind(mf, STANDARD, &log, || {
                let put = mf.put(queue, &tells(mf, queue, &log, "runs,"), None);
                log.wait(1);
                put
            });
            let seen = log.after(2);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    queues
}
