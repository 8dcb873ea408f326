//! Promise: the report says in a few lines what is outstanding: queues, what runs on them, what has not ended, what is
//! scheduled, waits, is queued or held, each with its name and the line that made it, alike ones once. A shutdown that had
//! to wait says for what.

use std::sync::Arc;
#[cfg(feature = "tracing")]
use std::sync::Mutex;
use std::time::Duration;

#[cfg(debug_assertions)]
use crate::support::{Gate, Log, multi_thread};
use crate::support::{callback, paused_time};
use mf_async::byte_stream::ByteStreamFromIo;
use mf_async::{
    AsyncCallback, AsyncResult, ByteStreamExt, CallbackParameters, Platform, QueueId, WorkQueueType,
};
use tokio::sync::oneshot;

#[test]
fn a_thousand_alike_operations_are_one_line() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        let mut gates = Vec::new();
        let mut begin = || {
            let (gate, closed) = oneshot::channel::<()>();
            gates.push(gate);
            queue.spawn(closed)
        };
        let first = begin();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let others: Vec<_> = (0..1000).map(|_| begin()).collect();
        queue.barrier().await.unwrap();
        let report = platform.report();
        assert_eq!(report.operations.len(), 1001);
        let text = report.to_string();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("since")).collect();
        // `begin` begins them all, in one line; the oldest of the alike is told.
        assert_eq!(lines.len(), 1, "{text}");
        let told =
            format!("since 3.0s     1001 × a future on {}: Receiver<()>, begun at {}:", queue.id(), file!());
        assert!(lines[0].starts_with(&told), "{text}");
        assert!(!text.contains("::"), "{text}");
        drop((first, others, gates));
    });
}

#[test]
fn queues_timers_and_what_runs_are_listed() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        queue.run(|| ()).await.unwrap();
        let result = platform.result(callback(|_| {})).build().unwrap();
        platform.schedule(&result, Duration::from_secs(60)).unwrap();
        platform.put_waiting(std::future::pending(), &result).unwrap();
        let text = platform.report().to_string();
        let id = queue.id().to_string();
        let row = text.lines().find(|line| line.starts_with(&id)).unwrap_or_else(|| panic!("{text}"));
        assert!(row.contains(concat!("; 1 handle, allocated at ", file!(), ":")), "{text}");
        assert!(text.ends_with("1 result held; 1 scheduled, 1 waiting, 0 periodic"), "{text}");

        let seen = platform.clone();
        let inside = queue.run(move || seen.report().to_string()).await.unwrap();
        assert!(inside.contains("\n  runs Operation<String> since "), "{inside}");
    });
}

#[test]
fn a_request_of_a_byte_stream_says_what_it_is() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let (other_end, empty) = tokio::io::duplex(16);
        let stream = ByteStreamFromIo::reader(&platform, empty);
        let read = stream.read(vec![0; 4]);
        let what = "a read from a byte stream over tokio::io";
        let report = platform.report();
        assert!(report.operations.iter().any(|operation| operation.what == what), "{report}");
        drop(other_end);
        assert!(read.await.unwrap().is_empty());
        assert!(platform.report().operations.is_empty());
    });
}

/// A callback with a name and a queue of its own.
struct Retry(QueueId);

impl AsyncCallback for Retry {
    fn parameters(&self) -> CallbackParameters {
        CallbackParameters::on(self.0)
    }

    fn invoke(&self, _: &AsyncResult) {}
}

/// The line of a report that begins with `start`.
fn line_of(text: &str, start: &str) -> String {
    let found = text.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("no line begins with {start:?}:\n{text}")).to_owned()
}

#[test]
fn scheduled_and_waiting_items_are_named() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let line = line!() + 1;
        let later = || platform.schedule(Arc::new(Retry(QueueId::IO)), Duration::from_secs(60)).unwrap();
        later();
        tokio::time::sleep(Duration::from_secs(2)).await;
        later();
        platform.put_waiting(std::future::pending(), Arc::new(Retry(QueueId::STANDARD))).unwrap();
        platform.add_periodic_callback(|| ()).unwrap();

        let text = platform.report().to_string();
        let here = |line: u32| format!("at {}:{line}:", file!());
        let scheduled = line_of(&text, "due in 58.0s");
        assert!(scheduled.starts_with("due in 58.0s   2 × Retry on IO, scheduled at "), "{text}");
        assert!(scheduled.contains(&here(line)), "{text}");
        let waits = line_of(&text, "waits");
        assert!(waits.starts_with("waits          Retry on STANDARD, put at "), "{text}");
        assert!(waits.contains(&here(line + 4)), "{text}");
        let ticks = line_of(&text, "due in 10.0ms");
        assert!(
            ticks.contains("a periodic callback on TIMER, ") && ticks.contains(&here(line + 5)),
            "{text}"
        );
    });
}

#[test]
#[cfg(debug_assertions)]
fn queued_items_and_held_results_are_named() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::STANDARD).unwrap();
        let (gate, entered, kept) = (Gate::new(), Gate::new(), Log::new());
        let (pass, enter, keep) = (gate.clone(), entered.clone(), kept.clone());
        let keeps = callback(move |result| {
            keep.add(result.clone());
            enter.open();
            pass.pass();
        });
        let line = line!();
        queue.put(keeps).unwrap();
        for _ in 0..3 {
            queue.put(Arc::new(Retry(QueueId::IO))).unwrap();
        }
        let result = platform.result(Arc::new(Retry(QueueId::IO))).build().unwrap();
        entered.pass();
        let here = |after: u32| format!("at {}:{}:", file!(), line + after);

        let text = platform.report().to_string();
        let queued = line_of(&text, "queued");
        assert!(queued.starts_with("queued         3 × Retry on STANDARD, put at "), "{text}");
        assert!(queued.contains(&here(3)), "{text}");
        let held = line_of(&text, "held           Retry, made at ");
        assert!(held.contains(&here(5)), "{text}");
        let kept_line = line_of(&text, "held           queued_items_and_held_results_are_named, made at ");
        assert!(kept_line.contains(&here(1)), "{text}");

        gate.open();
        queue.barrier().await.unwrap();
        // What a callback has kept is held after its item has ended.
        assert_eq!(platform.report().items.len(), 2);
        kept.clear();
        drop(result);
        assert!(platform.report().items.is_empty());
    });
}

#[test]
fn a_call_that_comes_after_the_end_is_counted() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let begin = || {
            let mut kept = None;
            let begin = |(): &(), callback: Arc<dyn AsyncCallback>| {
                kept = Some((callback.clone(), platform.result(callback).build()?));
                Ok(())
            };
            let operation = platform.begin_end(&(), begin, |(), _| Ok(()));
            (operation, kept.unwrap())
        };
        let (dropped, (callback, result)) = begin();
        drop(dropped);
        callback.invoke(&result);
        assert_eq!(platform.report().late_calls, 0, "it had not ended");
        callback.invoke(&result);
        assert_eq!((platform.report().late_calls, platform.report().double_calls), (0, 1));
        drop((callback, result));
        let (ended, (callback, result)) = begin();
        platform.shutdown_within(Duration::ZERO).await.unwrap_err();
        assert!(ended.await.unwrap_err().is_shutdown());
        callback.invoke(&result);
        let report = platform.report();
        assert_eq!((report.late_calls, report.double_calls), (1, 1));
        assert!(report.to_string().contains("too late"), "{report}");
    });
}

#[test]
fn a_shutdown_that_had_to_wait_says_for_what() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let lock = platform.lock().unwrap();
        let shutdown = tokio::spawn(platform.shutdown());
        // With the clock paused, two seconds pass when nothing else can happen: the shutdown waits.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(platform.report().shutdown.is_none());
        drop((queue, lock));
        shutdown.await.unwrap().unwrap();

        let report = platform.report();
        let went = report.shutdown.as_ref().unwrap();
        assert_eq!(went.took, Duration::from_secs(2));
        assert!(went.waited_for[0].starts_with("1 handle to queue 0x"), "{report}");
        assert!(went.waited_for.iter().any(|line| line.contains("a platform lock, begun at ")), "{report}");
        assert!(report.to_string().contains("; shut down in 2.0s, which waited for\n  1 handle"), "{report}");
    });
}

#[test]
fn a_shutdown_that_had_nothing_to_wait_for_says_nothing() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        platform.shutdown().await.unwrap();
        let report = platform.report();
        assert!(report.shutdown.as_ref().unwrap().waited_for.is_empty(), "{report}");
        assert!(report.to_string().ends_with("; shut down in 0.0ns"), "{report}");
    });
}

/// Keeps the events of the feature `tracing`, as text.
#[cfg(feature = "tracing")]
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

#[cfg(feature = "tracing")]
impl tracing::Subscriber for Events {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
#[cfg(feature = "tracing")]
fn with_tracing_it_is_an_event() {
    let events = Events::default();
    let _default = tracing::subscriber::set_default(events.clone());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let platform = Platform::startup().unwrap();
        let lock = platform.lock().unwrap();
        let shutdown = tokio::spawn(platform.shutdown());
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(lock);
        shutdown.await.unwrap().unwrap();
    });
    let events = events.0.lock().unwrap();
    let of_shutdown: Vec<_> =
        events.iter().filter(|event| event.contains("a shutdown had to wait")).collect();
    assert_eq!(of_shutdown.len(), 1, "{events:?}");
    assert!(
        of_shutdown[0].contains("took=2s") && of_shutdown[0].contains("a platform lock, begun at"),
        "{events:?}"
    );
}
