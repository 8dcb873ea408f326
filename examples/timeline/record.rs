//! What ran on which queue, and when, gathered from the spans that work queues open around callbacks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use mf_async::WorkQueue;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// A layer that keeps every callback that ran. Clones keep the same.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Inner>);

struct Inner {
    start: Instant,
    runs: Mutex<Vec<Run>>,
    names: Mutex<BTreeMap<String, String>>,
}

/// One callback: what it was, who put it, and when it was put, began and ended, from the start on.
#[derive(Clone, Default)]
pub(crate) struct Run {
    pub(crate) number: u64,
    pub(crate) queue: String,
    pub(crate) callback: String,
    pub(crate) put_by: PutBy,
    pub(crate) put: Duration,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

/// What was going on when a callback was put.
#[derive(Clone, Default, PartialEq)]
pub(crate) enum PutBy {
    /// Nothing that is traced: a timer, a thread of the system's.
    #[default]
    Other,
    /// The main task.
    Program,
    /// Another callback: its number, and its name.
    Run(u64, String),
}

/// A queue's runs, in rows in which none overlaps another.
pub(crate) struct Lane {
    pub(crate) name: String,
    pub(crate) rows: Vec<Vec<Run>>,
}

impl Recorder {
    pub(crate) fn new() -> Recorder {
        Recorder(Arc::new(Inner { start: Instant::now(), runs: Mutex::default(), names: Mutex::default() }))
    }

    /// Gives a queue a name for people.
    pub(crate) fn name(&self, queue: &WorkQueue, name: &str) {
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(queue.id().to_string(), name.to_owned());
    }

    /// Every queue that something ran on, the one that was used first above.
    pub(crate) fn lanes(&self) -> Vec<Lane> {
        let mut runs = self.0.runs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        runs.sort_by_key(|run| run.from);
        let names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lanes: Vec<(String, Lane)> = Vec::new();
        for run in runs {
            let at = lanes.iter().position(|(queue, _)| *queue == run.queue).unwrap_or_else(|| {
                let name = names.get(&run.queue).unwrap_or(&run.queue).clone();
                lanes.push((run.queue.clone(), Lane { name, rows: Vec::new() }));
                lanes.len() - 1
            });
            lanes[at].1.add(run);
        }
        lanes.into_iter().map(|(_, lane)| lane).collect()
    }
}

impl Lane {
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.rows.iter().flatten()
    }

    fn add(&mut self, run: Run) {
        let free = |row: &&mut Vec<Run>| row.last().is_none_or(|last| last.to <= run.from);
        match self.rows.iter_mut().find(free) {
            Some(row) => row.push(run),
            None => self.rows.push(vec![run]),
        }
    }
}

impl fmt::Display for PutBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutBy::Other => "a timer or the system",
            PutBy::Program => "the program",
            PutBy::Run(_, name) => name,
        })
    }
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::DEBUG
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| is_run(span.metadata())) else { return };
        let now = self.0.start.elapsed();
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        // A span is open as long as something that was put from within lives, so a parent is still there.
        let put_by = match span.parent() {
            None => PutBy::Other,
            Some(parent) => {
                let extensions = parent.extensions();
                let running = extensions.get::<Run>().map(|run| (run.number, &run.callback));
                let over = || extensions.get::<Ran>().map(|Ran(number, callback)| (*number, callback));
                match running.or_else(over) {
                    Some((number, callback)) => PutBy::Run(number, callback.clone()),
                    None => PutBy::Program,
                }
            }
        };
        span.extensions_mut().insert(Run {
            number: id.into_u64(),
            queue: fields.queue,
            callback: short(&fields.callback),
            put_by,
            put: now.saturating_sub(fields.waited),
            from: now,
            to: now,
        });
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| is_run(span.metadata())) else { return };
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<Entered>() {
            Some(entered) => entered.again(1),
            None => extensions.insert(Entered { thread: thread::current().id(), depth: 1 }),
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let Some(entered) = extensions.get_mut::<Entered>() else { return };
        entered.again(-1);
        if entered.depth == 0 {
            if let Some(mut run) = extensions.remove::<Run>() {
                run.to = self.0.start.elapsed();
                extensions.insert(Ran(run.number, run.callback.clone()));
                self.0.runs.lock().unwrap_or_else(PoisonError::into_inner).push(run);
            }
        }
    }
}

/// How often a run's span is entered on the run's own thread. What was put from within enters it again, around
/// its own: perhaps on another thread while the run goes on, perhaps here when it is over.
struct Entered {
    thread: ThreadId,
    depth: i32,
}

impl Entered {
    fn again(&mut self, by: i32) {
        if self.thread == thread::current().id() {
            self.depth += by;
        }
    }
}

/// A run that is over, for what was put from within.
struct Ran(u64, String);

fn is_run(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "mf_async" && metadata.name() == "run"
}

/// Reads the fields of a run's span.
#[derive(Default)]
struct Fields {
    queue: String,
    callback: String,
    waited: Duration,
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "waited_ns" {
            self.waited = Duration::from_nanos(value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "callback" {
            value.clone_into(&mut self.callback);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "queue" {
            self.queue = format!("{value:?}");
        }
    }
}

/// A type's name without the paths in it, and a closure's without saying that it is one.
fn short(name: &str) -> String {
    let mut short = String::new();
    let mut rest = name.replace("::{{closure}}", "");
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let path: Vec<&str> = rest[..end].split("::").collect();
        let from = match path.as_slice() {
            // A method keeps its type.
            [.., of, _] if of.starts_with(char::is_uppercase) => path.len() - 2,
            _ => path.len().saturating_sub(1),
        };
        short.push_str(&path[from..].join("::"));
        let next = rest[end..].chars().next().map_or(0, char::len_utf8);
        short.push_str(&rest[end..end + next]);
        rest.drain(..end + next);
    }
    short
}
