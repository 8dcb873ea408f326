//! Serial queues: over which queues they can be, their order, and what they keep alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::case::Family;
use crate::facts::{
    Gate, IO, LONG_FUNCTION, Log, MULTITHREADED, MULTITHREADED_KIND, Occupied, PRIVATE_MASK, RT, STANDARD,
    STANDARD_KIND, TIMER, WINDOW_KIND, code, name, pass_through, tells,
};
use crate::subject::{Subject, on};

/// What making a serial queue over this one returned, and that it runs.
fn over<S: Subject>(mf: &S, base: u32) -> String {
    let serial = match mf.allocate_serial(base) {
        Ok(serial) => serial,
        Err(code) => return name(code),
    };
    let log = Log::new();
    let put = match mf.put(serial, &tells(mf, STANDARD, &log, "runs"), None) {
        Ok(()) => log.after(1),
        Err(code) => name(code),
    };
    // Not unlocked under the item's feet.
    if put == "runs" {
        pass_through(mf, base);
    }
    let kind = if serial & PRIVATE_MASK == 0 { "a platform id" } else { "a private id" };
    format!("{kind}, {put}, {}", code(&mf.unlock_queue(serial)))
}

/// The same over a private queue, unlocked before the serial one is used.
fn over_private<S: Subject>(mf: &S, kind: u32) -> String {
    let base = mf.allocate_ex(kind).expect("a queue");
    let seen = over(mf, base);
    let _ = mf.unlock_queue(base);
    seen
}

const RUNS: &str = "a private id, runs, S_OK";

pub(crate) fn cases<S: Subject>() -> Family<S> {
    let mut serial = Family::<S>::new("serial");
    serial.case("over_standard", "observed: over each platform queue", RUNS, |mf| over(mf, STANDARD));
    serial.case("over_rt", "observed: over each platform queue", RUNS, |mf| over(mf, RT));
    serial.case("over_io", "observed: over each platform queue", RUNS, |mf| over(mf, IO));
    serial.case("over_timer", "observed: over each platform queue", RUNS, |mf| over(mf, TIMER));
    serial
        .case("over_multithreaded", "observed: over each platform queue", RUNS, |mf| over(mf, MULTITHREADED));
    serial
        .case("over_long_function", "observed: over each platform queue", RUNS, |mf| over(mf, LONG_FUNCTION));
    serial.case(
        "over_private_multithreaded",
        "MFAllocateSerialWorkQueue: over a multithreaded queue",
        RUNS,
        |mf| over_private(mf, MULTITHREADED_KIND),
    );
    serial.case(
        "over_private_standard",
        "MFAllocateSerialWorkQueue: not on its list; accepted",
        RUNS,
        |mf| over_private(mf, STANDARD_KIND),
    );
    serial.case("over_window", "MFAllocateSerialWorkQueue: not on its list; accepted", RUNS, |mf| {
        over_private(mf, WINDOW_KIND)
    });
    serial.case("over_serial", "observed: over another serial queue", RUNS, |mf| {
        let base = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
        let seen = over(mf, base);
        let _ = mf.unlock_queue(base);
        seen
    });
    serial.case("over_shared", "MFAllocateSerialWorkQueue: over a shared queue", RUNS, |mf| {
        let Ok((base, _)) = mf.lock_shared(Some(""), 0, None) else { return "no shared queue".to_owned() };
        let seen = over(mf, base);
        let _ = mf.unlock_queue(base);
        seen
    });
    serial.case(
        "over_unknown",
        "MFAllocateSerialWorkQueue: there is no serial queue over what is not there",
        "MF_E_INVALID_WORKQUEUE",
        |mf| code(&mf.allocate_serial(0x1_0000)),
    );
    serial.case(
        "keeps_its_base",
        "observed: a serial queue keeps the queue below alive",
        "S_OK: runs",
        |mf| {
            let log = Log::new();
            let base = mf.allocate_ex(MULTITHREADED_KIND).expect("a queue");
            let queue = mf.allocate_serial(base).expect("a serial queue");
            let unlocked = code(&mf.unlock_queue(base));
            let _ = mf.put(queue, &tells(mf, queue, &log, "runs"), None);
            let seen = log.after(1);
            let _ = mf.unlock_queue(queue);
            format!("{unlocked}: {seen}")
        },
    );
    serial.case(
        "in_order_and_alone",
        "MFAllocateSerialWorkQueue: first in, first out, and never two at the same time",
        "1000 items, in order, 0 overlaps",
        |mf| {
            let queue = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
            let (log, running, overlaps) =
                (Log::new(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            for number in 0..1000 {
                let (told, running, overlaps) = (log.clone(), running.clone(), overlaps.clone());
                let callback = mf.callback(on(queue), move |_| {
                    overlaps.fetch_add(running.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                    told.tell(number.to_string());
                    running.fetch_sub(1, Ordering::SeqCst);
                });
                let _ = mf.put(queue, &callback, None);
            }
            let seen = log.after(1000);
            let _ = mf.unlock_queue(queue);
            let expected: Vec<_> = (0..1000).map(|number: u32| number.to_string()).collect();
            let order = if seen == expected.join(" ") { "in order" } else { "out of order" };
            format!("{} items, {order}, {} overlaps", log.count(), overlaps.load(Ordering::SeqCst))
        },
    );
    serial.case(
        "one_at_a_time",
        "MFAllocateSerialWorkQueue: the next starts when the one before is done",
        "held next",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
            let occupied = Occupied::new(mf, queue, &log);
            let _ = mf.put(queue, &tells(mf, queue, &log, "next"), None);
            pass_through(mf, MULTITHREADED);
            occupied.free();
            let seen = log.after(2);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    serial.case(
        "two_on_one_base",
        "Work Queues and Threading Improvements: serial queues on one base serialise each itself",
        "met met",
        |mf| {
            let queues = [mf.allocate_serial(MULTITHREADED), mf.allocate_serial(MULTITHREADED)];
            let (log, one, other) = (Log::new(), Gate::new(), Gate::new());
            let gates = [(one.clone(), other.clone()), (other, one)];
            for (queue, (mine, theirs)) in queues.iter().zip(gates) {
                let (told, queue) = (log.clone(), queue.expect("a serial queue"));
                let callback = mf.callback(on(queue), move |_| {
                    mine.open();
                    told.tell(if theirs.pass() { "met" } else { "alone" });
                });
                let _ = mf.put(queue, &callback, None);
            }
            let seen = log.after(2);
            for queue in queues {
                let _ = mf.unlock_queue(queue.expect("a serial queue"));
            }
            seen
        },
    );
    serial.case(
        "on_serial_keeps_both_orders",
        "MFAllocateSerialWorkQueue: over a serial queue, that one's order holds, too",
        "held upper lower",
        |mf| {
            let log = Log::new();
            let lower = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
            let upper = mf.allocate_serial(lower).expect("a serial queue");
            let occupied = Occupied::new(mf, lower, &log);
            let _ = mf.put(upper, &tells(mf, upper, &log, "upper"), None);
            let _ = mf.put(lower, &tells(mf, lower, &log, "lower"), None);
            pass_through(mf, MULTITHREADED);
            occupied.free();
            let seen = log.after(3);
            let _ = (mf.unlock_queue(upper), mf.unlock_queue(lower));
            seen
        },
    );
    serial.case(
        "priorities_do_not_reorder",
        "MFAllocateSerialWorkQueue: the order is that of the puts, whatever their priorities",
        "held low normal high",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
            let occupied = Occupied::new(mf, queue, &log);
            for (priority, entry) in [(-1, "low"), (0, "normal"), (1, "high")] {
                let _ = mf.put2(queue, priority, &tells(mf, queue, &log, entry), None);
            }
            occupied.free();
            let seen = log.after(4);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    serial.case(
        "unlocked_is_gone",
        "MFAllocateSerialWorkQueue: it is released by MFUnlockWorkQueue",
        "S_OK, MF_E_INVALID_WORKQUEUE, MF_E_INVALID_WORKQUEUE",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
            let unlocked = code(&mf.unlock_queue(queue));
            let put = code(&mf.put(queue, &tells(mf, STANDARD, &log, "runs"), None));
            format!("{unlocked}, {put}, {}", code(&mf.unlock_queue(queue)))
        },
    );
    serial.case(
        "items_at_the_last_unlock",
        "observed: what is queued when the last lock goes away still runs",
        "S_OK: held one two",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
            let occupied = Occupied::new(mf, queue, &log);
            let _ = mf.put(queue, &tells(mf, queue, &log, "one"), None);
            let _ = mf.put(queue, &tells(mf, queue, &log, "two"), None);
            let unlocked = code(&mf.unlock_queue(queue));
            occupied.free();
            format!("{unlocked}: {}", log.after(3))
        },
    );
    serial
}
