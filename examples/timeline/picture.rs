//! The picture: a lane per queue, waits thin, runs thick, and a line down from the lane that put a callback.

use std::collections::HashMap;
use std::time::Duration;

use svg::Document;
use svg::node::element::{Circle, Group, Line, Rectangle, Style, Text, Title};

use crate::record::{Lane, PutBy, Run};

/// The picture of these queues, as the text of an SVG file.
pub(crate) fn picture(lanes: &[Lane], title: &str) -> String {
    let runs = || lanes.iter().flat_map(Lane::runs);
    let first = runs().map(|run| run.put).min().unwrap_or_default();
    let last = runs().map(|run| run.to).max().unwrap_or_default();
    let scale = Scale { first, span: last.saturating_sub(first).max(Duration::from_micros(1)) };

    let mut tops = Vec::new();
    let mut bottom = TOP + PROGRAM;
    for lane in lanes {
        tops.push(bottom);
        bottom += lane.rows.len() as f64 * ROW + GAP;
    }
    let mut middles = HashMap::new();
    for (lane, top) in lanes.iter().zip(&tops) {
        for (row, runs) in lane.rows.iter().enumerate() {
            middles.extend(runs.iter().map(|run| (run.number, top + (row as f64 + 0.5) * ROW)));
        }
    }

    let mut picture = Document::new()
        .set("viewBox", (0.0, 0.0, WIDTH, bottom + BELOW))
        .set("font-family", "ui-sans-serif, system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif")
        .set("font-size", 12)
        .add(Style::new(STYLE))
        .add(frame(bottom + BELOW))
        .add(text("title", LEFT_TEXT, 28.0, title))
        .add(legend())
        .add(axis(&scale, TOP - 8.0, bottom))
        .add(text("name", LEFT_TEXT, TOP + PROGRAM / 2.0, "the program"));
    let (mut below, mut above, mut dots) = (Group::new(), Group::new(), Group::new());
    for ((lane, top), color) in lanes.iter().zip(&tops).zip(0..) {
        let middle = top + lane.rows.len() as f64 * ROW / 2.0;
        let count = lane.runs().count();
        picture = picture
            .add(text("name", LEFT_TEXT, middle, &lane.name))
            .add(text("note", LEFT_TEXT, middle + 14.0, &format!("{count} callback{}", plural(count))))
            .add(rule(*top - GAP / 2.0));
        for run in lane.runs() {
            below = below.add(draw_wait(run, &scale, &middles));
            above = above.add(draw_run(run, color, &scale, middles[&run.number]));
            if let Some(source) = source(run, &middles) {
                dots = dots.add(dot(scale.at(run.put), source));
            }
        }
    }
    picture.add(below).add(above).add(dots).to_string()
}

/// The time that the picture shows, and where in it a moment is.
struct Scale {
    first: Duration,
    span: Duration,
}

impl Scale {
    fn at(&self, time: Duration) -> f64 {
        let part = time.saturating_sub(self.first).as_secs_f64() / self.span.as_secs_f64();
        round(LEFT + part * (WIDTH - LEFT - RIGHT))
    }
}

/// The line from who put it, and its wait.
fn draw_wait(run: &Run, scale: &Scale, middles: &HashMap<u64, f64>) -> Group {
    let wait = middles[&run.number] + WAIT;
    let (put, from) = (scale.at(run.put), scale.at(run.from));
    let group = Group::new().add(bar(put, (from - put).max(1.5), wait, 3.0).set("class", "wait"));
    match source(run, middles) {
        Some(source) => group.add(line("put", put, source, put, wait)),
        None => group,
    }
}

/// Where in the height the lane that put it is.
fn source(run: &Run, middles: &HashMap<u64, f64>) -> Option<f64> {
    match &run.put_by {
        PutBy::Other => None,
        PutBy::Program => Some(TOP + PROGRAM / 2.0 - 4.0),
        PutBy::Run(number, _) => middles.get(number).copied(),
    }
}

/// Its run, and all about it in words where the pointer rests.
fn draw_run(run: &Run, color: usize, scale: &Scale, middle: f64) -> Group {
    let (from, to) = (scale.at(run.from), scale.at(run.to));
    let words = format!(
        "{}\nput by {}\nwaited {:.1?}, ran {:.1?}",
        run.callback,
        run.put_by,
        run.from.saturating_sub(run.put),
        run.to.saturating_sub(run.from)
    );
    Group::new()
        .add(bar(from, (to - from).max(1.5), middle, BAR).set("class", format!("run c{}", color % COLORS)))
        .add(Title::new(words))
}

fn dot(x: f64, y: f64) -> Circle {
    Circle::new().set("class", "put-at").set("cx", round(x)).set("cy", round(y)).set("r", 2)
}

fn bar(x: f64, width: f64, middle: f64, height: f64) -> Rectangle {
    Rectangle::new()
        .set("x", x)
        .set("y", round(middle - height / 2.0))
        .set("width", round(width))
        .set("height", height)
        .set("rx", (height / 2.0).min(2.0))
}

/// The card it lies on, which has a colour of its own, so that it can lie on any page.
fn frame(height: f64) -> Rectangle {
    Rectangle::new()
        .set("class", "card")
        .set("x", 0.5)
        .set("y", 0.5)
        .set("width", WIDTH - 1.0)
        .set("height", height - 1.0)
        .set("rx", 8)
}

fn legend() -> Group {
    let (y, x) = (24.0, WIDTH - 350.0);
    Group::new()
        .add(line("put", x, y - 7.0, x, y + 7.0))
        .add(dot(x, y - 7.0))
        .add(text("note", x + 8.0, y + 4.0, "is put"))
        .add(bar(x + 62.0, 30.0, y, 3.0).set("class", "wait"))
        .add(text("note", x + 98.0, y + 4.0, "waits"))
        .add(bar(x + 150.0, 30.0, y, BAR).set("class", "run c1"))
        .add(text("note", x + 186.0, y + 4.0, "runs, a colour per queue"))
}

/// Four to nine marks at round times.
fn axis(scale: &Scale, top: f64, bottom: f64) -> Group {
    let nanos = scale.span.as_nanos().max(1);
    let decade = 10_u128.pow(nanos.ilog10());
    let step = [decade / 5, decade / 2, decade]
        .into_iter()
        .find(|step| *step > 0 && nanos / step < 9)
        .unwrap_or(decade);
    let mut group = Group::new();
    for mark in (0..=nanos / step).map(|count| count * step) {
        let time = Duration::from_nanos(u64::try_from(mark).unwrap_or(u64::MAX));
        let x = scale.at(scale.first + time);
        let words = match time.as_secs_f64() * 1e3 {
            0.0 => "0".to_owned(),
            part if part < 1.0 => format!("{} µs", round(part * 1e3)),
            whole => format!("{} ms", round(whole)),
        };
        group = group
            .add(line("grid", x, top, x, bottom))
            .add(text("note", x, bottom + 16.0, &words).set("text-anchor", "middle"));
    }
    group
}

fn rule(y: f64) -> Line {
    line("rule", LEFT_TEXT, y, WIDTH - LEFT_TEXT, y)
}

fn line(class: &str, x1: f64, y1: f64, x2: f64, y2: f64) -> Line {
    Line::new()
        .set("class", class)
        .set("x1", round(x1))
        .set("y1", round(y1))
        .set("x2", round(x2))
        .set("y2", round(y2))
}

fn text(class: &str, x: f64, y: f64, words: &str) -> Text {
    Text::new(words).set("class", class).set("x", round(x)).set("y", round(y))
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 160.0;
const LEFT_TEXT: f64 = 16.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BELOW: f64 = 30.0;
/// The height of the lane of the program itself.
const PROGRAM: f64 = 40.0;
const ROW: f64 = 22.0;
/// How thick a run is drawn.
const BAR: f64 = 12.0;
/// How far below its run a wait is drawn, where no run hides it.
const WAIT: f64 = 9.0;
/// Between two lanes.
const GAP: f64 = 22.0;
const COLORS: usize = 5;

/// On a light page and, where the viewer asks for it, on a dark one.
const STYLE: &str = "
.card { fill: #ffffff; stroke: #d0d7de }
.title { fill: #1f2328; font-size: 14px; font-weight: 600 }
.name { fill: #1f2328; font-weight: 600 }
.note { fill: #59636e; font-size: 11px }
.grid { stroke: #eaeef2 } .rule { stroke: #d0d7de; stroke-width: .6 }
.put { stroke: #8c959f; stroke-width: .8; stroke-opacity: .75 } .put-at { fill: #6e7781 }
.wait { fill: #e3a008 }
.run { stroke: #ffffff; stroke-width: .6 }
.c0 { fill: #0d9488 } .c1 { fill: #2563eb } .c2 { fill: #9333ea } .c3 { fill: #db2777 } .c4 { fill: #65a30d }
@media (prefers-color-scheme: dark) {
.card { fill: #0d1117; stroke: #30363d } .title, .name { fill: #e6edf3 } .note { fill: #9198a1 }
.grid { stroke: #1c2128 } .rule { stroke: #30363d } .run { stroke: #0d1117 }
.put { stroke: #768390 } .put-at { fill: #9198a1 } .wait { fill: #f0b72f }
.c0 { fill: #14b8a6 } .c1 { fill: #4c8dff } .c2 { fill: #b57bff } .c3 { fill: #f472b6 } .c4 { fill: #a3e635 }
}
";
