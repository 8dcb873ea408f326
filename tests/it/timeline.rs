//! Promise: a timeline has every callback that a queue called while it was recorded, with what put it, and writes it as
//! a picture and as a trace that any viewer can read.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{callback, multi_thread};
use mf_async::timeline::{Timeline, TimelineCall, TimelineLane, record};
use mf_async::{AsyncCallback, AsyncResult, Platform, WorkQueue, WorkQueueType};

/// A queue of this test's own. Other tests of this process are recorded as well, on other lanes.
fn named_queue(platform: &Platform, timeline: &Timeline, name: &str) -> WorkQueue {
    let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    timeline.name(&queue, name);
    queue
}

fn lane(timeline: &Timeline, name: &str) -> TimelineLane {
    let found = timeline.lanes().into_iter().find(|lane| lane.name == name);
    found.unwrap_or_else(|| panic!("no lane is called {name}"))
}

fn calls(timeline: &Timeline, name: &str) -> Vec<TimelineCall> {
    lane(timeline, name).calls().cloned().collect()
}

/// A callback with a name that must be escaped.
struct Odd;

impl AsyncCallback for Odd {
    fn invoke(&self, _: &AsyncResult) {}

    fn name(&self) -> &'static str {
        "Odd<\"&\\\u{1}>"
    }
}

#[test]
fn it_says_what_put_each_callback() {
    multi_thread(|| async {
        let timeline = record();
        let platform = Platform::startup().unwrap();
        let (first, second) =
            (named_queue(&platform, &timeline, "first"), named_queue(&platform, &timeline, "second"));
        let next = second.clone();
        first.put(callback(move |_| next.put(callback(|_| ())).unwrap())).unwrap();
        first.barrier().await.unwrap();
        let later = second.id();
        let (done, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let timed = crate::support::on(later, move |_| done.send(()).unwrap());
        platform.schedule(timed, Duration::ZERO).unwrap();
        ended.recv().await.unwrap();
        second.barrier().await.unwrap();

        let (of_first, of_second) = (calls(&timeline, "first"), calls(&timeline, "second"));
        assert_eq!((of_first.len(), of_second.len()), (1, 2));
        assert_eq!((of_first[0].put_by, of_first[0].by_timer), (None, false));
        assert_eq!(of_second[0].put_by, Some(of_first[0].number));
        assert_eq!((of_second[1].put_by, of_second[1].by_timer), (None, true));
        assert_eq!(of_first[0].callback, "it_says_what_put_each_callback");
        for call in of_first.iter().chain(&of_second) {
            assert!(call.put <= call.began && call.began <= call.ended, "{call:?}");
        }
    });
}

#[test]
fn a_recording_that_has_stopped_keeps_what_it_had() {
    multi_thread(|| async {
        let (timeline, other) = (record(), record());
        let platform = Platform::startup().unwrap();
        let queue = named_queue(&platform, &timeline, "mine");
        other.name(&queue, "mine");
        let put = async || {
            queue.put(callback(|_| ())).unwrap();
            queue.barrier().await.unwrap();
        };
        put().await;
        timeline.stop();
        put().await;
        assert_eq!((calls(&timeline, "mine").len(), calls(&other, "mine").len()), (1, 2));
        assert_eq!(timeline.lost(), 0);
    });
}

#[test]
fn callbacks_that_overlap_are_in_different_rows() {
    multi_thread(|| async {
        let timeline = record();
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        timeline.name(&queue, "wide");
        // Each waits until the other runs as well.
        let both = Arc::new(std::sync::Barrier::new(2));
        for _ in 0..2 {
            let both = both.clone();
            queue.put(callback(move |_| _ = both.wait())).unwrap();
        }
        queue.barrier().await.unwrap();
        assert_eq!(lane(&timeline, "wide").rows.len(), 2);
    });
}

#[test]
fn the_picture_and_the_trace_are_well_formed() {
    multi_thread(|| async {
        let timeline = record();
        let platform = Platform::startup().unwrap();
        let queue = named_queue(&platform, &timeline, "<odd & \"quoted\">");
        queue.put(Arc::new(Odd)).unwrap();
        queue.barrier().await.unwrap();
        timeline.stop();

        let trace = timeline.perfetto();
        assert_eq!(json(trace.trim_end()), "", "{trace}");
        let calls: usize = timeline.lanes().iter().map(|lane| lane.calls().count()).sum();
        assert_eq!(trace.matches("\"ph\": \"X\"").count(), calls);
        assert!(trace.contains(r#""name": "Odd<\"&\\\u0001>""#), "{trace}");

        let picture = timeline.svg("A <title>");
        assert_eq!(picture.matches("\nwaited ").count(), calls);
        assert!(picture.contains("A &lt;title&gt;") && picture.contains("&lt;odd &amp; \"quoted\"&gt;"));
        // Every element is closed: by itself, or by an end of its own.
        for element in ["svg", "style", "text", "title", "rect"] {
            let begun = picture.matches(&format!("<{element}")).count();
            let ended = picture.matches(&format!("</{element}>")).count();
            let alone = picture
                .lines()
                .filter(|line| line.starts_with(&format!("<{element}")) && line.ends_with("/>"));
            assert_eq!(begun, ended + alone.count(), "{element}");
        }

        let folder = tempfile::tempdir().unwrap();
        timeline.write_svg(folder.path().join("run.svg")).unwrap();
        timeline.write_perfetto(folder.path().join("run.json")).unwrap();
        let written = std::fs::read_to_string(folder.path().join("run.svg")).unwrap();
        assert!(written.contains(">run</text>"), "the file's name is the title");
        assert_eq!(std::fs::read_to_string(folder.path().join("run.json")).unwrap(), trace);
        assert!(timeline.write_svg(folder.path().join("no/such/folder.svg")).is_err());
    });
}

/// Reads a JSON value off the front of a text; panics where there is none.
fn json(text: &str) -> &str {
    fn list<'a>(mut text: &'a str, end: char, item: impl Fn(&'a str) -> &'a str) -> &'a str {
        if let Some(rest) = text.trim_start().strip_prefix(end) {
            return rest;
        }
        loop {
            text = item(text).trim_start();
            match text.strip_prefix(end) {
                Some(rest) => return rest,
                None => text = text.strip_prefix(',').unwrap_or_else(|| panic!("no comma: {text:.60}")),
            }
        }
    }
    fn string(text: &str) -> &str {
        let mut rest = text.trim_start().strip_prefix('"').unwrap_or_else(|| panic!("no string: {text:.60}"));
        loop {
            let at = rest.find(['"', '\\']).expect("the string ends");
            assert!(!rest[..at].contains(char::is_control));
            if rest.as_bytes()[at] == b'"' {
                return &rest[at + 1..];
            }
            rest = &rest[at + 2..];
        }
    }
    let text = text.trim_start();
    match text.as_bytes()[0] {
        b'{' => list(&text[1..], '}', |entry| {
            let rest = string(entry).trim_start();
            json(rest.strip_prefix(':').expect("a name has a value"))
        }),
        b'[' => list(&text[1..], ']', json),
        b'"' => string(text),
        _ => {
            let end = text.find(|c: char| !"+-.0123456789eE".contains(c)).unwrap_or(text.len());
            text[..end].parse::<f64>().expect("a number");
            &text[end..]
        }
    }
}
