//! The trace-event format of Chrome's and Perfetto's viewers: runs and waits per queue, and arrows from who put them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::record::{Lane, PutBy, Run};

/// The trace of these queues, as the text of a JSON file.
pub(crate) fn trace(lanes: &[Lane]) -> String {
    let mut events = vec![name(PROGRAM, "the program puts")];
    let mut thread = PROGRAM;
    let mut threads = Vec::new();
    for lane in lanes {
        for (row, runs) in lane.rows.iter().enumerate() {
            thread += 1;
            let number = if lane.rows.len() > 1 { format!(" {}", row + 1) } else { String::new() };
            events.push(name(thread, &format!("{}{number}", lane.name)));
            threads.extend(runs.iter().map(|run| (run, thread, lane.name.as_str())));
        }
    }
    for &(run, thread, queue) in &threads {
        events.push(json!({
            "ph": "X", "pid": 1, "tid": thread, "ts": micros(run.from), "dur": micros(run.to) - micros(run.from),
            "cat": "run", "name": run.callback,
            "args": {
                "queue": queue,
                "put by": run.put_by.to_string(),
                "waited": format!("{:.1?}", run.from.saturating_sub(run.put)),
            },
        }));
        // Waits overlap, so they are asynchronous events: a track per queue.
        for (phase, at) in [("b", run.put), ("e", run.from)] {
            events.push(json!({
                "ph": phase, "pid": 1, "tid": thread, "ts": micros(at), "cat": "wait", "id": run.number,
                "name": format!("{queue}: waits"),
            }));
        }
        events.extend(arrow(run, thread, &threads));
    }
    format!("{:#}\n", json!({ "traceEvents": events, "displayTimeUnit": "ns" }))
}

/// From the lane that put the run to the run.
fn arrow(run: &Run, thread: u32, threads: &[(&Run, u32, &str)]) -> Vec<Value> {
    let from = match &run.put_by {
        PutBy::Other => return Vec::new(),
        PutBy::Program => PROGRAM,
        PutBy::Run(number, _) => match threads.iter().find(|(other, ..)| other.number == *number) {
            Some((_, thread, _)) => *thread,
            None => return Vec::new(),
        },
    };
    let end = |phase: &str, thread: u32, at: Duration| {
        json!({
            "ph": phase, "bp": "e", "pid": 1, "tid": thread, "ts": micros(at), "cat": "put", "id": run.number,
            "name": "put",
        })
    };
    vec![end("s", from, run.put), end("f", thread, run.from)]
}

fn name(thread: u32, name: &str) -> Value {
    json!({ "ph": "M", "pid": 1, "tid": thread, "name": "thread_name", "args": { "name": name } })
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

/// The lane of what no callback put.
const PROGRAM: u32 = 1;
