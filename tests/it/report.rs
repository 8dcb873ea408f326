//! Promise: the report says in a few lines what is outstanding: queues, what runs on them, what has not ended and
//! where that was begun, alike operations once.

use std::time::Duration;

use crate::support::{callback, paused_time};
use mf_async::byte_stream::ByteStreamFromIo;
use mf_async::{ByteStreamExt, Platform, QueueId};
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
