//! The trace-event format of Perfetto's and Chrome's viewers: runs and waits per queue, and arrows from what put them.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::timeline::{Callers, TimelineCall, TimelineLane};

/// The trace of these queues, as the text of a JSON file.
pub(super) fn trace(lanes: &[TimelineLane]) -> String {
    let callers = Callers::of(lanes);
    let mut tracks = vec![(PROGRAM, "the program puts".to_owned())];
    let mut calls: Vec<(&TimelineCall, u32, &str)> = Vec::new();
    for lane in lanes {
        for (row, of_row) in lane.rows.iter().enumerate() {
            let number = if lane.rows.len() > 1 { format!(" {}", row + 1) } else { String::new() };
            let track = tracks.len() as u32 + PROGRAM;
            tracks.push((track, format!("{}{number}", lane.name)));
            calls.extend(of_row.iter().map(|call| (call, track, lane.name.as_str())));
        }
    }
    let mut events = Vec::new();
    for (track, name) in &tracks {
        events.push(format!(
            r#"{{"ph": "M", "pid": 1, "tid": {track}, "name": "thread_name", "args": {{"name": {}}}}}"#,
            Quoted(name)
        ));
    }
    for &(call, track, queue) in &calls {
        let (began, took) = (micros(call.began), micros(call.ended.saturating_sub(call.began)));
        events.push(format!(
            concat!(
                r#"{{"ph": "X", "pid": 1, "tid": {}, "ts": {}, "dur": {}, "cat": "run", "name": {}, "#,
                r#""args": {{"queue": {}, "put by": {}, "waited": {}}}}}"#
            ),
            track,
            began,
            took,
            Quoted(&call.callback),
            Quoted(queue),
            Quoted(callers.name(call)),
            Quoted(&format!("{:.1?}", call.began.saturating_sub(call.put)))
        ));
        // Waits overlap, so they are asynchronous events: a track per queue.
        for (phase, at) in [("b", call.put), ("e", call.began)] {
            events.push(format!(
                r#"{{"ph": "{phase}", "pid": 1, "tid": {track}, "ts": {}, "cat": "wait", "id": {}, "name": {}}}"#,
                micros(at),
                call.number,
                Quoted(&format!("{queue}: waits"))
            ));
        }
        let from = match call.put_by {
            None if call.by_timer => None,
            None => Some(PROGRAM),
            Some(number) => {
                calls.iter().find(|(other, ..)| other.number == number).map(|(_, track, _)| *track)
            }
        };
        // An arrow from the track that put it.
        let ends = from.map(|from| [("s", from, call.put), ("f", track, call.began)]);
        for (phase, track, at) in ends.into_iter().flatten() {
            events.push(format!(
                r#"{{"ph": "{phase}", "bp": "e", "pid": 1, "tid": {track}, "ts": {}, "cat": "put", "id": {}, "name": "put"}}"#,
                micros(at),
                call.number
            ));
        }
    }
    format!("{{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n{}\n]}}\n", events.join(",\n"))
}

/// A text as a JSON string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", c as u32)?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

/// The track of what no callback put.
const PROGRAM: u32 = 1;
