//! Event queues: shutting one down, and letting go of it.

use mf_async::Hresult;

use crate::case::Family;
use crate::events::{SOURCE_STARTED, idle, leaves, queue, send, which};
use crate::facts::{MULTITHREADED, code, life, name};
use crate::subject::{Events, on};

pub(crate) fn cases<S: Events>() -> Family<S> {
    let mut shutdown = Family::<S>::new("event_shutdown");
    shutdown.case(
        "after_shutdown",
        "IMFMediaEventQueue::Shutdown: from then on everything gives MF_E_SHUTDOWN",
        "S_OK: MF_E_SHUTDOWN MF_E_SHUTDOWN MF_E_SHUTDOWN MF_E_SHUTDOWN MF_E_SHUTDOWN MF_E_SHUTDOWN MF_E_SHUTDOWN",
        |mf| {
            let (queue, callback) = (queue(mf), idle(mf));
            let shut = code(&mf.shut_down_events(&queue));
            let (waiting, not) = (mf.get_event(&queue, true), mf.get_event(&queue, false));
            let begun = name(mf.begin_get_event(&queue, Some(&callback), None));
            let result = mf.create_result(None, Some(&callback), None).expect("a result");
            let ended = which(mf, &mf.end_get_event(&queue, &result));
            let sent = send(mf, &queue, SOURCE_STARTED);
            let unknown = code(&mf.queue_event_unk(&queue, SOURCE_STARTED, Hresult::S_OK, &mf.object(())));
            let event = mf.create_event(SOURCE_STARTED, 0, Hresult::S_OK, None);
            let queued = code(&mf.queue_event(&queue, &event));
            let (waiting, not) = (which(mf, &waiting), which(mf, &not));
            format!("{shut}: {waiting} {not} {begun} {ended} {sent} {unknown} {queued}")
        },
    );
    shutdown.case("shutdown_twice", "observed: a second shutdown succeeds", "S_OK S_OK", |mf| {
        let queue = queue(mf);
        let first = code(&mf.shut_down_events(&queue));
        format!("{first} {}", code(&mf.shut_down_events(&queue)))
    });
    shutdown.case(
        "shutdown_drops_events",
        "IMFMediaEventQueue::Shutdown: events not yet taken are gone, and what they carry is released",
        "kept, then released, MF_E_SHUTDOWN",
        |mf| {
            let (queue, (kept, life)) = (queue(mf), life());
            let _ = mf.queue_event_unk(&queue, SOURCE_STARTED, Hresult::S_OK, &mf.object(kept));
            let before = life.now();
            let _ = mf.shut_down_events(&queue);
            format!("{before}, then {}, {}", life.now(), which(mf, &mf.get_event(&queue, false)))
        },
    );
    shutdown.case(
        "shutdown_after_an_event",
        "observed: an event queued just before the shutdown still calls; End gives MF_E_SHUTDOWN",
        "called, MF_E_SHUTDOWN",
        |mf| {
            let queue = queue(mf);
            let (callback, slot) = leaves(mf);
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            let _ = send(mf, &queue, SOURCE_STARTED);
            let _ = mf.shut_down_events(&queue);
            let Some(result) = slot.take() else { return "not called".to_owned() };
            format!("called, {}", which(mf, &mf.end_get_event(&queue, &result)))
        },
    );
    shutdown.case(
        "shutdown_releases_a_request",
        "Media Event Generators: shutdown releases what the queue holds, its subscriber as well",
        "kept, then released",
        |mf| {
            let (queue, (kept, life)) = (queue(mf), life());
            let callback = mf.callback(on(MULTITHREADED), move |_| {
                let _kept = &kept;
            });
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            drop(callback);
            let before = life.now();
            let _ = mf.shut_down_events(&queue);
            format!("{before}, then {}", life.end())
        },
    );
    shutdown.case(
        "letting_go_drops_the_request",
        "observed: letting go of the queue with a request pending drops the request",
        "kept, then released",
        |mf| {
            let (queue, (kept, life)) = (queue(mf), life());
            let callback = mf.callback(on(MULTITHREADED), move |_| {
                let _kept = &kept;
            });
            let _ = mf.begin_get_event(&queue, Some(&callback), None);
            drop(callback);
            let before = life.now();
            drop(queue);
            format!("{before}, then {}", life.end())
        },
    );
    shutdown
}
