//! The picture: a lane per queue, waits thin, runs thick, and a line down from the lane that put a callback.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use crate::timeline::{Callers, TimelineCall, TimelineLane};

/// The picture of these queues, as the text of an SVG file.
pub(super) fn picture(lanes: &[TimelineLane], title: &str) -> String {
    let calls = || lanes.iter().flat_map(TimelineLane::calls);
    let first = calls().map(|call| call.put).min().unwrap_or_default();
    let last = calls().map(|call| call.ended).max().unwrap_or_default();
    let scale = Scale { first, span: last.saturating_sub(first).max(Duration::from_micros(1)) };
    let callers = Callers::of(lanes);

    let mut tops = Vec::new();
    let mut bottom = TOP + PROGRAM;
    let mut middles = BTreeMap::new();
    for lane in lanes {
        tops.push(bottom);
        for row in &lane.rows {
            middles.extend(row.iter().map(|call| (call.number, bottom + ROW / 2.0)));
            bottom += ROW;
        }
        bottom += GAP;
    }

    let mut svg = Svg::new(WIDTH, bottom + BELOW);
    svg.text("title", LEFT_TEXT, 28.0, title);
    legend(&mut svg);
    axis(&mut svg, &scale, TOP - 8.0, bottom);
    svg.text("name", LEFT_TEXT, TOP + PROGRAM / 2.0, "the program");
    for (lane, top) in lanes.iter().zip(&tops) {
        let middle = top + lane.rows.len() as f64 * ROW / 2.0;
        let count = lane.calls().count();
        svg.text("name", LEFT_TEXT, middle, &lane.name);
        let plural = if count == 1 { "" } else { "s" };
        svg.text("note", LEFT_TEXT, middle + 14.0, &format!("{count} callback{plural}"));
        svg.line("rule", (LEFT_TEXT, top - GAP / 2.0), (WIDTH - LEFT_TEXT, top - GAP / 2.0));
    }
    // Lines and waits lie below the runs, and the dots above them.
    for call in calls() {
        let wait = middles[&call.number] + WAIT;
        let (put, began) = (scale.at(call.put), scale.at(call.began));
        svg.bar("wait", (put, began - put), wait, 3.0, "");
        if let Some(source) = source(call, &middles) {
            svg.line("put", (put, source), (put, wait));
        }
    }
    for (lane, color) in lanes.iter().zip((0..COLORS).cycle()) {
        for call in lane.calls() {
            let (began, ended) = (scale.at(call.began), scale.at(call.ended));
            let words = format!(
                "{}\nput by {}\nwaited {:.1?}, ran {:.1?}",
                call.callback,
                callers.name(call),
                call.began.saturating_sub(call.put),
                call.ended.saturating_sub(call.began)
            );
            let class = format!("run c{color}");
            svg.bar(&class, (began, ended - began), middles[&call.number], BAR, &words);
        }
    }
    for call in calls() {
        if let Some(source) = source(call, &middles) {
            svg.dot(scale.at(call.put), source);
        }
    }
    svg.end()
}

/// Where in the height the lane is that put it.
fn source(call: &TimelineCall, middles: &BTreeMap<u64, f64>) -> Option<f64> {
    match call.put_by {
        None if call.by_timer => None,
        None => Some(TOP + PROGRAM / 2.0 - 4.0),
        Some(number) => middles.get(&number).copied(),
    }
}

/// The time that the picture shows, and where in it a moment is.
struct Scale {
    first: Duration,
    span: Duration,
}

impl Scale {
    fn at(&self, time: Duration) -> f64 {
        let part = time.saturating_sub(self.first).as_secs_f64() / self.span.as_secs_f64();
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }
}

fn legend(svg: &mut Svg) {
    let (y, x) = (24.0, WIDTH - 350.0);
    svg.line("put", (x, y - 7.0), (x, y + 7.0));
    svg.dot(x, y - 7.0);
    svg.text("note", x + 8.0, y + 4.0, "is put");
    svg.bar("wait", (x + 62.0, 30.0), y, 3.0, "");
    svg.text("note", x + 98.0, y + 4.0, "waits");
    svg.bar("run c1", (x + 150.0, 30.0), y, BAR, "");
    svg.text("note", x + 186.0, y + 4.0, "runs, a colour per queue");
}

/// Four to nine marks at round times.
fn axis(svg: &mut Svg, scale: &Scale, top: f64, bottom: f64) {
    let nanos = scale.span.as_nanos().max(1);
    let decade = 10_u128.pow(nanos.ilog10());
    let steps = [decade / 5, decade / 2, decade];
    let step = steps.into_iter().find(|step| *step > 0 && nanos / step < 9).unwrap_or(decade);
    for mark in (0..=nanos / step).map(|count| count * step) {
        let time = Duration::from_nanos(u64::try_from(mark).unwrap_or(u64::MAX));
        let x = scale.at(scale.first + time);
        let words = match time.as_secs_f64() * 1e3 {
            0.0 => "0".to_owned(),
            part if part < 1.0 => format!("{} µs", round(part * 1e3)),
            whole => format!("{} ms", round(whole)),
        };
        svg.line("grid", (x, top), (x, bottom));
        svg.text("note middle", x, bottom + 16.0, &words);
    }
}

/// An SVG file that is being written.
struct Svg(String);

/// Writing into a string does not fail.
macro_rules! add {
    ($svg:expr, $($text:tt)*) => {
        let _ = writeln!($svg.0, $($text)*);
    };
}

impl Svg {
    /// On a card that has a colour of its own, so that it can lie on any page.
    fn new(width: f64, height: f64) -> Svg {
        let mut svg = Svg(String::new());
        add!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" font-family="{FONT}" font-size="12">"#,
            round(width),
            round(height)
        );
        add!(svg, "<style>{STYLE}</style>");
        let (width, height) = (round(width - 1.0), round(height - 1.0));
        add!(svg, r#"<rect class="card" x="0.5" y="0.5" width="{width}" height="{height}" rx="8"/>"#);
        svg
    }

    fn text(&mut self, class: &str, x: f64, y: f64, words: &str) {
        let words = escape(words);
        add!(self, r#"<text class="{class}" x="{}" y="{}">{words}</text>"#, round(x), round(y));
    }

    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let (x1, y1, x2, y2) = (round(from.0), round(from.1), round(to.0), round(to.1));
        add!(self, r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#);
    }

    fn dot(&mut self, x: f64, y: f64) {
        add!(self, r#"<circle class="put-at" cx="{}" cy="{}" r="2"/>"#, round(x), round(y));
    }

    /// A bar from `x` on, `width` long, around the height `middle`. The words are shown where the pointer rests.
    fn bar(&mut self, class: &str, (x, width): (f64, f64), middle: f64, height: f64, words: &str) {
        let (x, y, width) = (round(x), round(middle - height / 2.0), round(width.max(1.5)));
        let title =
            if words.is_empty() { String::new() } else { format!("<title>{}</title>", escape(words)) };
        let rx = (height / 2.0).min(2.0);
        add!(
            self,
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{rx}">{title}</rect>"#
        );
    }

    fn end(mut self) -> String {
        add!(self, "</svg>");
        self.0
    }
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
const FONT: &str = "ui-sans-serif, system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif";

/// On a light page and, where the viewer asks for it, on a dark one.
const STYLE: &str = "
.card { fill: #ffffff; stroke: #d0d7de }
.title { fill: #1f2328; font-size: 14px; font-weight: 600 }
.name { fill: #1f2328; font-weight: 600 }
.note { fill: #59636e; font-size: 11px }
.middle { text-anchor: middle }
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
