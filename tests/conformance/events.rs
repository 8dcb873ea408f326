//! Event queues: `GetEvent`, `BeginGetEvent` and `EndGetEvent` in every state.

use mf_async::Hresult;

use crate::case::Family;
use crate::facts::{Gate, Log, MULTITHREADED, Occupied, Slot, code, life, name, pass_through, tells};
use crate::subject::{Answer, Events, on};

pub(crate) const SOURCE_STARTED: u32 = 201;
pub(crate) const SESSION_ENDED: u32 = 107;
pub(crate) const EXTENDED_TYPE: u32 = 2;

/// The event's type, or the code.
pub(crate) fn which<S: Events>(mf: &S, event: &Answer<S::Event>) -> String {
    event.as_ref().map_or_else(|code| name(*code), |event| mf.event_type(event).to_string())
}

pub(crate) fn queue<S: Events>(mf: &S) -> S::EventQueue {
    mf.create_event_queue().expect("an event queue")
}

pub(crate) fn send<S: Events>(mf: &S, queue: &S::EventQueue, kind: u32) -> String {
    code(&mf.queue_event_var(queue, kind, Hresult::S_OK, 0))
}

/// A callback that leaves its result.
pub(crate) fn leaves<S: Events>(mf: &S) -> (S::Callback, Slot<S::Result>) {
    let slot = Slot::new();
    let left = slot.clone();
    (mf.callback(on(MULTITHREADED), move |result| left.set(result.clone())), slot)
}

/// Gives a thread that is about to wait the time to do so. If it takes longer nothing is wrong, and less is seen.
fn give_way<S: Events>(mf: &S) {
    for _ in 0..50 {
        std::thread::yield_now();
        pass_through(mf, MULTITHREADED);
    }
}

pub(crate) fn idle<S: Events>(mf: &S) -> S::Callback {
    mf.callback(on(MULTITHREADED), |_| {})
}

pub(crate) fn cases<S: Events>() -> Family<S> {
    let mut events = Family::<S>::new("events");
    events.case(
        "empty_without_waiting",
        "IMFMediaEventGenerator::GetEvent: MF_E_NO_EVENTS_AVAILABLE",
        "MF_E_NO_EVENTS_AVAILABLE",
        |mf| which(mf, &mf.get_event(&queue(mf), false)),
    );
    events.case(
        "in_order",
        "IMFMediaEventGenerator::GetEvent: an event that is there is given at once, and removed",
        "S_OK S_OK: 201 107 MF_E_NO_EVENTS_AVAILABLE",
        |mf| {
            let queue = queue(mf);
            let sent = format!("{} {}", send(mf, &queue, SOURCE_STARTED), send(mf, &queue, SESSION_ENDED));
            let (first, second) = (mf.get_event(&queue, true), mf.get_event(&queue, false));
            let third = mf.get_event(&queue, false);
            format!("{sent}: {} {} {}", which(mf, &first), which(mf, &second), which(mf, &third))
        },
    );
    events.case(
        "waits_for_an_event",
        "IMFMediaEventGenerator::GetEvent: without a flag it waits until an event is queued",
        "107",
        |mf| {
            let (queue, started) = (queue(mf), Gate::new());
            let (subject, waits, starts) = (mf.clone(), queue.clone(), started.clone());
            let waiter = std::thread::spawn(move || {
                starts.open();
                which(&subject, &subject.get_event(&waits, true))
            });
            started.pass();
            give_way(mf);
            let _ = send(mf, &queue, SESSION_ENDED);
            waiter.join().unwrap_or_else(|_| "panicked".to_owned())
        },
    );
    events.case(
        "a_waiter_is_woken_by_shutdown",
        "IMFMediaEventQueue::GetEvent: one who waits is released with MF_E_SHUTDOWN",
        "MF_E_SHUTDOWN",
        |mf| {
            let (queue, started) = (queue(mf), Gate::new());
            let (subject, waits, starts) = (mf.clone(), queue.clone(), started.clone());
            let waiter = std::thread::spawn(move || {
                starts.open();
                which(&subject, &subject.get_event(&waits, true))
            });
            started.pass();
            give_way(mf);
            let _ = mf.shut_down_events(&queue);
            waiter.join().unwrap_or_else(|_| "panicked".to_owned())
        },
    );
    events.case(
        "begin",
        "IMFMediaEventGenerator::BeginGetEvent: S_OK when nothing is outstanding",
        "S_OK",
        |mf| name(mf.begin_get_event(&queue(mf), Some(&idle(mf)), None)),
    );
    events.case(
        "begin_without_a_callback",
        "IMFMediaEventGenerator::BeginGetEvent: E_INVALIDARG without a callback",
        "E_INVALIDARG",
        |mf| name(mf.begin_get_event(&queue(mf), None, None)),
    );
    events.case(
        "begin_without_a_callback_after_shutdown",
        "observed: a missing callback is E_INVALIDARG even after the shutdown",
        "E_INVALIDARG",
        |mf| {
            let queue = queue(mf);
            let _ = mf.shut_down_events(&queue);
            name(mf.begin_get_event(&queue, None, None))
        },
    );
    events.case(
        "begin_again",
        "IMFMediaEventGenerator::BeginGetEvent: the same callback and state give MF_S_MULTIPLE_BEGIN",
        "S_OK MF_S_MULTIPLE_BEGIN",
        |mf| {
            let (queue, callback) = (queue(mf), idle(mf));
            let first = name(mf.begin_get_event(&queue, Some(&callback), None));
            format!("{first} {}", name(mf.begin_get_event(&queue, Some(&callback), None)))
        },
    );
    events.case(
        "begin_again_with_that_state",
        "IMFMediaEventGenerator::BeginGetEvent: the same callback and state give MF_S_MULTIPLE_BEGIN",
        "S_OK MF_S_MULTIPLE_BEGIN",
        |mf| {
            let (queue, callback, state) = (queue(mf), idle(mf), mf.object(()));
            let first = name(mf.begin_get_event(&queue, Some(&callback), Some(&state)));
            format!("{first} {}", name(mf.begin_get_event(&queue, Some(&callback), Some(&state))))
        },
    );
    events.case(
        "begin_again_with_another_state",
        "IMFMediaEventGenerator::BeginGetEvent: the same callback with another state gives MF_E_MULTIPLE_BEGIN",
        "S_OK MF_E_MULTIPLE_BEGIN",
        |mf| {
            let (queue, callback, state) = (queue(mf), idle(mf), mf.object(()));
            let first = name(mf.begin_get_event(&queue, Some(&callback), None));
            format!("{first} {}", name(mf.begin_get_event(&queue, Some(&callback), Some(&state))))
        },
    );
    events.case(
        "begin_by_another",
        "IMFMediaEventGenerator::BeginGetEvent: another callback gives MF_E_MULTIPLE_SUBSCRIBERS",
        "S_OK MF_E_MULTIPLE_SUBSCRIBERS",
        |mf| {
            let (queue, callback) = (queue(mf), idle(mf));
            let first = name(mf.begin_get_event(&queue, Some(&callback), None));
            format!("{first} {}", name(mf.begin_get_event(&queue, Some(&idle(mf)), None)))
        },
    );
    events.case(
        "refused_is_not_kept",
        "observed: a request that is refused, or was made before, takes no reference",
        "MF_E_MULTIPLE_BEGIN: released, MF_E_MULTIPLE_SUBSCRIBERS: released",
        |mf| {
            let (queue, callback) = (queue(mf), idle(mf));
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            let (kept, state_life) = life();
            let state = mf.object(kept);
            let refused = name(mf.begin_get_event(&queue, Some(&callback), Some(&state)));
            drop(state);
            let (kept, other_life) = life();
            let other = mf.callback(on(MULTITHREADED), move |_| {
                let _kept = &kept;
            });
            let also = name(mf.begin_get_event(&queue, Some(&other), None));
            drop(other);
            format!("{refused}: {}, {also}: {}", state_life.now(), other_life.now())
        },
    );
    events.case(
        "multiple_begin_calls_once",
        "IMFMediaEventGenerator::BeginGetEvent: MF_S_MULTIPLE_BEGIN adds no second request",
        "called",
        |mf| {
            let (queue, log) = (queue(mf), Log::new());
            let callback = tells(mf, MULTITHREADED, &log, "called");
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            let _ = (send(mf, &queue, SOURCE_STARTED), send(mf, &queue, SESSION_ENDED));
            log.wait(1);
            pass_through(mf, MULTITHREADED);
            log.all()
        },
    );
    events.case(
        "called_for_an_event",
        "IMFMediaEventQueue::BeginGetEvent: the callback is invoked when an event comes; End gives it",
        "called, 201 with the state",
        |mf| {
            let (queue, state) = (queue(mf), mf.object(()));
            let (callback, slot) = leaves(mf);
            let _ = mf.begin_get_event(&queue, Some(&callback), Some(&state));
            let before = if slot.get().is_some() { "called before, " } else { "" };
            let _ = send(mf, &queue, SOURCE_STARTED);
            let Some(result) = slot.take() else { return "not called".to_owned() };
            let same = mf.state(&result).is_ok_and(|stored| mf.same_object(&stored, &state));
            let event = which(mf, &mf.end_get_event(&queue, &result));
            format!("{before}called, {event} with {}", if same { "the state" } else { "another state" })
        },
    );
    events.case(
        "called_for_an_event_that_is_there",
        "MFInvokeCallback: also for an event that is there already, the callback is called from a work queue",
        "S_OK, another thread",
        |mf| {
            let (queue, log, here) = (queue(mf), Log::new(), std::thread::current().id());
            let _ = send(mf, &queue, SOURCE_STARTED);
            let told = log.clone();
            let callback = mf.callback(on(MULTITHREADED), move |_| {
                told.tell(if std::thread::current().id() == here { "this thread" } else { "another thread" });
            });
            let begun = name(mf.begin_get_event(&queue, Some(&callback), None));
            format!("{begun}, {}", log.after(1))
        },
    );
    events.case(
        "get_while_outstanding",
        "IMFMediaEventGenerator::GetEvent: MF_E_MULTIPLE_SUBSCRIBERS while a request is outstanding",
        "MF_E_MULTIPLE_SUBSCRIBERS MF_E_MULTIPLE_SUBSCRIBERS",
        |mf| {
            let (queue, callback) = (queue(mf), idle(mf));
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            let (waiting, not) = (mf.get_event(&queue, true), mf.get_event(&queue, false));
            format!("{} {}", which(mf, &waiting), which(mf, &not))
        },
    );
    events.case(
        "outstanding_until_end",
        "observed: inside the callback, before End, both forms of GetEvent give MF_E_MULTIPLE_SUBSCRIBERS",
        "MF_E_MULTIPLE_SUBSCRIBERS MF_E_MULTIPLE_SUBSCRIBERS, MF_S_MULTIPLE_BEGIN, 201; MF_E_NO_EVENTS_AVAILABLE",
        |mf| {
            let queue = queue(mf);
            let (callback, slot) = leaves(mf);
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            let _ = send(mf, &queue, SOURCE_STARTED);
            let Some(result) = slot.take() else { return "not called".to_owned() };
            let (waiting, not) = (mf.get_event(&queue, true), mf.get_event(&queue, false));
            let begun = name(mf.begin_get_event(&queue, Some(&callback), None));
            let ended = which(mf, &mf.end_get_event(&queue, &result));
            let free = which(mf, &mf.get_event(&queue, false));
            format!("{} {}, {begun}, {ended}; {free}", which(mf, &waiting), which(mf, &not))
        },
    );
    events.case(
        "again_after_end",
        "IMFMediaEventGenerator::BeginGetEvent: after End the next request is accepted",
        "201 S_OK 107",
        |mf| {
            let queue = queue(mf);
            let (callback, slot) = leaves(mf);
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            let _ = (send(mf, &queue, SOURCE_STARTED), send(mf, &queue, SESSION_ENDED));
            let Some(result) = slot.take() else { return "not called".to_owned() };
            let first = which(mf, &mf.end_get_event(&queue, &result));
            let again = name(mf.begin_get_event(&queue, Some(&callback), None));
            let Some(result) = slot.take() else { return format!("{first} {again} not called") };
            format!("{first} {again} {}", which(mf, &mf.end_get_event(&queue, &result)))
        },
    );
    events.case(
        "each_request_has_its_own_result",
        "IMFMediaEventGenerator::EndGetEvent: the result is that of the request",
        "another, E_FAIL",
        |mf| {
            let queue = queue(mf);
            let (callback, slot) = leaves(mf);
            let _ = (send(mf, &queue, SOURCE_STARTED), send(mf, &queue, SESSION_ENDED));
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            let Some(first) = slot.take() else { return "not called".to_owned() };
            let _ = mf.end_get_event(&queue, &first);
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            let Some(second) = slot.take() else { return "not called again".to_owned() };
            let same = if mf.same_result(&first, &second) { "the same" } else { "another" };
            // The former request has ended, and is not this one.
            format!("{same}, {}", which(mf, &mf.end_get_event(&queue, &first)))
        },
    );
    events.case("end_twice", "observed: ending the same request twice is E_FAIL", "201 E_FAIL", |mf| {
        let queue = queue(mf);
        let (callback, slot) = leaves(mf);
        let _ = mf.begin_get_event(&queue, Some(&callback), None);
        let _ = (send(mf, &queue, SOURCE_STARTED), send(mf, &queue, SESSION_ENDED));
        let Some(result) = slot.take() else { return "not called".to_owned() };
        let first = which(mf, &mf.end_get_event(&queue, &result));
        format!("{first} {}", which(mf, &mf.end_get_event(&queue, &result)))
    });
    events.case(
        "end_with_a_foreign_result",
        "observed: ending with a result of someone else is E_FAIL",
        "E_FAIL, then 201",
        |mf| {
            let queue = queue(mf);
            let (callback, slot) = leaves(mf);
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            let _ = send(mf, &queue, SOURCE_STARTED);
            let Some(result) = slot.take() else { return "not called".to_owned() };
            let foreign = mf.create_result(None, Some(&callback), None).expect("a result");
            let refused = which(mf, &mf.end_get_event(&queue, &foreign));
            format!("{refused}, then {}", which(mf, &mf.end_get_event(&queue, &result)))
        },
    );
    events.case(
        "end_without_a_request",
        "observed: ending with a result of someone else is E_FAIL",
        "E_FAIL",
        |mf| {
            let foreign = mf.create_result(None, Some(&idle(mf)), None).expect("a result");
            which(mf, &mf.end_get_event(&queue(mf), &foreign))
        },
    );
    events.case(
        "on_the_queue_it_names",
        "IMFAsyncCallback::GetParameters: the callback of a request runs on the queue that it names",
        "held called",
        |mf| {
            let (queue, log) = (queue(mf), Log::new());
            let work = mf.allocate().expect("a queue");
            let occupied = Occupied::new(mf, work, &log);
            let _ = mf.begin_get_event(&queue, Some(&tells(mf, work, &log, "called")), None);
            let _ = send(mf, &queue, SOURCE_STARTED);
            pass_through(mf, MULTITHREADED);
            occupied.free();
            let seen = log.after(2);
            let _ = mf.unlock_queue(work);
            seen
        },
    );
    events.case(
        "one_for_each_event",
        "IMFMediaEventGenerator::BeginGetEvent: End, handle, Begin again, until the last event",
        "20 events, in order",
        |mf| {
            let (queue, log) = (queue(mf), Log::new());
            // The callback begins the next request with itself.
            let own = Slot::<S::Callback>::new();
            let (subject, events, told, again) = (mf.clone(), queue.clone(), log.clone(), own.clone());
            let callback = mf.callback(on(MULTITHREADED), move |result| {
                let taken = subject.end_get_event(&events, result);
                // Begun first: what the case sees last is then the last of it.
                if let Some(callback) = again.get() {
                    let _ = subject.begin_get_event(&events, Some(&callback), None);
                }
                told.tell(which(&subject, &taken));
            });
            own.set(callback.clone());
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            for kind in 1..=20 {
                let _ = send(mf, &queue, kind);
                log.wait(kind as usize);
            }
            let seen = log.all();
            own.clear();
            let _ = mf.shut_down_events(&queue);
            drop(callback);
            let expected: Vec<_> = (1..=20).map(|number: u32| number.to_string()).collect();
            if seen == expected.join(" ") { "20 events, in order".to_owned() } else { seen }
        },
    );
    events.case(
        "a_producer_does_not_wait",
        "Media Event Generators: queueing an event returns at once, whoever subscribes",
        "1000 S_OK, then 1000 events",
        |mf| {
            let queue = queue(mf);
            let sent = (0..1000).filter(|_| send(mf, &queue, SOURCE_STARTED) == "S_OK").count();
            let mut taken = 0;
            while mf.get_event(&queue, false).is_ok() {
                taken += 1;
            }
            format!("{sent} S_OK, then {taken} events")
        },
    );
    events
}
