//! Reply mode: a serial queue goes on when its item is replied to, not when the callback returns.

use crate::case::Family;
use crate::facts::{Gate, Log, MULTITHREADED, REPLY, STANDARD, Slot, code, life, name, pass_through, tells};
use crate::subject::{Subject, flagged};

/// A serial queue, and a callback on it that asks for a reply and leaves its result to be replied with.
fn asking<S: Subject>(mf: &S, log: &Log) -> (u32, S::Callback, Slot<S::Result>) {
    let queue = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
    let (slot, told) = (Slot::new(), log.clone());
    let leaves = slot.clone();
    let callback = mf.callback(flagged(REPLY, queue), move |result| {
        told.tell("asked");
        leaves.set(result.clone());
    });
    (queue, callback, slot)
}

pub(crate) fn cases<S: Subject>() -> Family<S> {
    let mut reply = Family::<S>::new("reply");
    reply.case(
        "waits_for_the_reply",
        "MFAllocateSerialWorkQueue: with REPLY the next item waits until MFInvokeCallback with the result",
        "asked, S_OK: asked replied next",
        |mf| {
            let log = Log::new();
            let (queue, callback, slot) = asking(mf, &log);
            let _ = mf.put(queue, &callback, None);
            let _ = mf.put(queue, &tells(mf, queue, &log, "next"), None);
            let Some(result) = slot.take() else { return "not called".to_owned() };
            // What the queue would run by now if it had not waited comes before this.
            pass_through(mf, MULTITHREADED);
            pass_through(mf, STANDARD);
            let before = log.all();
            log.tell("replied");
            let replied = code(&mf.invoke(&result));
            let seen = log.after(3);
            drop((result, callback));
            let _ = mf.unlock_queue(queue);
            format!("{before}, {replied}: {seen}")
        },
    );
    reply.case(
        "calls_once",
        "MFAllocateSerialWorkQueue: the reply does not invoke the callback again",
        "asked next",
        |mf| {
            let log = Log::new();
            let (queue, callback, slot) = asking(mf, &log);
            let _ = mf.put(queue, &callback, None);
            let Some(result) = slot.take() else { return "not called".to_owned() };
            if let Err(code) = mf.invoke(&result) {
                return name(code);
            }
            let _ = mf.put(queue, &tells(mf, queue, &log, "next"), None);
            log.wait(2);
            pass_through(mf, queue);
            drop((result, callback));
            let _ = mf.unlock_queue(queue);
            log.all()
        },
    );
    reply.case(
        "within_invoke",
        "MFAllocateSerialWorkQueue: the reply may come inside Invoke; the next still waits for its return",
        "S_OK returns next",
        |mf| {
            let log = Log::new();
            let queue = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
            let gate = Gate::new();
            let (subject, told, waits) = (mf.clone(), log.clone(), gate.clone());
            let callback = mf.callback(flagged(REPLY, queue), move |result| {
                told.tell(code(&subject.invoke(result)));
                waits.pass();
                told.tell("returns");
            });
            let _ = mf.put(queue, &callback, None);
            let _ = mf.put(queue, &tells(mf, queue, &log, "next"), None);
            log.wait(1);
            pass_through(mf, MULTITHREADED);
            pass_through(mf, STANDARD);
            gate.open();
            let seen = log.after(3);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    reply.case(
        "many",
        "MFAllocateSerialWorkQueue: each item waits for the reply to the one before",
        "asked asked asked asked",
        |mf| {
            let log = Log::new();
            let (queue, callback, slot) = asking(mf, &log);
            for _ in 0..4 {
                let _ = mf.put(queue, &callback, None);
            }
            for number in 1..=4 {
                let Some(result) = slot.take() else { return log.all() };
                if log.count() != number {
                    return format!("{} calls before the reply {number}", log.count());
                }
                if let Err(code) = mf.invoke(&result) {
                    return name(code);
                }
            }
            pass_through(mf, queue);
            drop(callback);
            let _ = mf.unlock_queue(queue);
            log.all()
        },
    );
    reply.case(
        "the_queue_keeps_the_result",
        "MFAllocateSerialWorkQueue: the queue keeps what it waits for",
        "kept, then released",
        |mf| {
            let log = Log::new();
            let (queue, callback, slot) = asking(mf, &log);
            let (kept, life) = life();
            let _ = mf.put(queue, &callback, Some(&mf.object(kept)));
            let Some(result) = slot.take() else { return "not called".to_owned() };
            pass_through(mf, MULTITHREADED);
            let before = life.now();
            let _ = mf.invoke(&result);
            drop((result, callback));
            let after = life.end();
            let _ = mf.unlock_queue(queue);
            format!("{before}, then {after}")
        },
    );
    reply.case(
        "a_second_reply_is_an_invocation",
        "MFInvokeCallback: after the reply the result is as any other; invoked, its callback is called",
        "S_OK S_OK: asked asked",
        |mf| {
            let log = Log::new();
            let (queue, callback, slot) = asking(mf, &log);
            let _ = mf.put(queue, &callback, None);
            let Some(result) = slot.take() else { return "not called".to_owned() };
            let first = code(&mf.invoke(&result));
            if first != "S_OK" {
                return first;
            }
            pass_through(mf, queue);
            let second = code(&mf.invoke(&result));
            let seen = log.after(2);
            // That call awaits a reply in turn.
            let again = slot.take();
            let replied = again.map(|result| mf.invoke(&result));
            drop((result, callback, replied));
            let _ = mf.unlock_queue(queue);
            format!("{first} {second}: {seen}")
        },
    );
    reply.case(
        "another_queue_goes_on",
        "MFAllocateSerialWorkQueue: only the serial queue waits, not the one below or beside it",
        "asked beside below",
        |mf| {
            let log = Log::new();
            let (queue, callback, slot) = asking(mf, &log);
            let beside = mf.allocate_serial(MULTITHREADED).expect("a serial queue");
            let _ = mf.put(queue, &callback, None);
            let result = slot.take();
            let _ = mf.put(beside, &tells(mf, beside, &log, "beside"), None);
            log.wait(2);
            let _ = mf.put(MULTITHREADED, &tells(mf, MULTITHREADED, &log, "below"), None);
            let seen = log.after(3);
            if let Some(result) = result {
                let _ = mf.invoke(&result);
            }
            drop(callback);
            let _ = (mf.unlock_queue(queue), mf.unlock_queue(beside));
            seen
        },
    );
    reply
}
