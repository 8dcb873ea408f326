//! What ran on which queue, and when, gathered from the spans that work queues open around callbacks.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use svg::Document;
use svg::node::element::{Line, Rectangle, Text, Title};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// A layer that keeps every callback that ran. Clones keep the same.
#[derive(Clone)]
pub(crate) struct Lanes(Arc<Inner>);

struct Inner {
    start: Instant,
    runs: Mutex<Vec<Run>>,
}

/// One callback: when it was put, when it ran, on which queue, and what was going on when it was put.
#[derive(Clone, Default)]
struct Run {
    queue: String,
    callback: String,
    put_in: String,
    waited: Duration,
    from: Duration,
    to: Duration,
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes(Arc::new(Inner { start: Instant::now(), runs: Mutex::default() }))
    }
}

impl Lanes {
    /// How much there is.
    pub(crate) fn summary(&self) -> String {
        let runs = self.runs();
        format!("{} queues, {} callbacks", by_queue(&runs).len(), runs.len())
    }

    /// The trace-event format of Chrome's and Perfetto's viewers: a lane per queue, the wait before each run.
    pub(crate) fn to_chrome(&self) -> String {
        let runs = self.runs();
        let mut events = Vec::new();
        for (lane, (queue, runs)) in by_queue(&runs).into_iter().enumerate() {
            let (wait, run) = (2 * lane, 2 * lane + 1);
            events.push(format!(
                r#"{{"ph":"M","pid":1,"tid":{wait},"name":"thread_name","args":{{"name":"{queue}: waits"}}}}"#
            ));
            events.push(format!(
                r#"{{"ph":"M","pid":1,"tid":{run},"name":"thread_name","args":{{"name":"{queue}: runs"}}}}"#
            ));
            for one in runs {
                let put = one.from.saturating_sub(one.waited);
                events.push(one.slice("wait", wait, put, one.from));
                events.push(one.slice(&one.callback, run, one.from, one.to));
            }
        }
        format!("{{\"traceEvents\":[\n{}\n]}}\n", events.join(",\n"))
    }

    /// A picture of the same: a lane per queue, waits thin, runs thick.
    pub(crate) fn to_svg(&self) -> String {
        let runs = self.runs();
        let lanes = by_queue(&runs);
        let first = runs.iter().map(|run| run.from.saturating_sub(run.waited)).min().unwrap_or_default();
        let last = runs.iter().map(|run| run.to).max().unwrap_or_default();
        let scale = WIDTH / (last.saturating_sub(first)).as_secs_f64().max(1e-9);
        let at = |time: Duration| LEFT + time.saturating_sub(first).as_secs_f64() * scale;
        let height = TOP + lanes.len() as f64 * LANE + 24.0;

        let mut picture = Document::new()
            .set("viewBox", (0.0, 0.0, LEFT + WIDTH + 12.0, height))
            .set("font-family", "sans-serif")
            .set("font-size", 11)
            .add(Rectangle::new().set("width", "100%").set("height", "100%").set("fill", "white"))
            .add(Text::new("Work queues: waiting (thin) and running (thick)").set("x", 8).set("y", 16));
        for (lane, (queue, runs)) in lanes.iter().enumerate() {
            let middle = TOP + (lane as f64 + 0.5) * LANE;
            let rule =
                Line::new().set("x1", LEFT).set("x2", LEFT + WIDTH).set("y1", middle).set("y2", middle);
            picture = picture
                .add(Text::new(queue.to_owned()).set("x", 8).set("y", middle + 4.0))
                .add(rule.set("stroke", "#ddd"));
            for run in runs {
                let title = format!(
                    "{} put by {}, waited {:.1?}, ran {:.1?}",
                    run.callback,
                    run.put_in,
                    run.waited,
                    run.to - run.from
                );
                let put = run.from.saturating_sub(run.waited);
                let bar = |from: Duration, to: Duration, thick: f64, fill: &str| {
                    Rectangle::new()
                        .set("x", round(at(from)))
                        .set("width", round((at(to) - at(from)).max(0.8)))
                        .set("y", middle - thick / 2.0)
                        .set("height", thick)
                        .set("fill", fill)
                        .set("stroke", "white")
                        .set("stroke-width", 0.4)
                };
                picture = picture
                    .add(bar(put, run.from, 3.0, "#f0a030"))
                    .add(bar(run.from, run.to, 18.0, "#3070b0").add(Title::new(title)));
            }
        }
        let span = format!("{:.2?}", last.saturating_sub(first));
        picture = picture
            .add(Text::new("0").set("x", LEFT).set("y", height - 8.0))
            .add(Text::new(span).set("x", LEFT + WIDTH).set("y", height - 8.0).set("text-anchor", "end"));
        picture.to_string()
    }

    fn runs(&self) -> Vec<Run> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S> Layer<S> for Lanes
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::DEBUG
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| is_run(span.metadata())) else { return };
        let mut run = Run::default();
        attributes.record(&mut Fields(&mut run));
        run.from = self.0.start.elapsed();
        run.put_in = span.parent().map_or_else(String::new, |parent| {
            parent
                .extensions()
                .get::<Run>()
                .map_or_else(|| parent.name().to_owned(), |by| by.callback.clone())
        });
        span.extensions_mut().insert(run);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(run) = span.extensions_mut().get_mut::<Run>() {
            run.to = self.0.start.elapsed();
        }
    }

    /// Not when the run ends: what was put from within keeps its span.
    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        if let Some(run) = span.extensions_mut().remove::<Run>() {
            self.0.runs.lock().unwrap_or_else(PoisonError::into_inner).push(run);
        }
    }
}

fn is_run(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "mf_async" && metadata.name() == "run"
}

impl Run {
    fn slice(&self, name: &str, lane: usize, from: Duration, to: Duration) -> String {
        let mut escaped = String::new();
        for character in name.chars().filter(|character| !character.is_control()) {
            let quote = if matches!(character, '"' | '\\') { "\\" } else { "" };
            let _ = write!(escaped, "{quote}{character}");
        }
        let (start, length) = (from.as_secs_f64() * 1e6, (to.saturating_sub(from)).as_secs_f64() * 1e6);
        format!(
            r#"{{"ph":"X","pid":1,"tid":{lane},"ts":{start:.3},"dur":{length:.3},"name":"{escaped}","args":{{"put by":"{}"}}}}"#,
            self.put_in.replace(['"', '\\'], "'")
        )
    }
}

/// Reads the fields of a run's span.
struct Fields<'a>(&'a mut Run);

impl Visit for Fields<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "waited_ns" {
            self.0.waited = Duration::from_nanos(value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "callback" {
            value.clone_into(&mut self.0.callback);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "queue" {
            self.0.queue = format!("{value:?}");
        }
    }
}

fn by_queue(runs: &[Run]) -> BTreeMap<String, Vec<&Run>> {
    let mut lanes: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        lanes.entry(run.queue.clone()).or_default().push(run);
    }
    lanes
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

const LEFT: f64 = 130.0;
const WIDTH: f64 = 860.0;
const TOP: f64 = 26.0;
const LANE: f64 = 34.0;
