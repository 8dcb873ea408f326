//! What the benches share: arguments, interleaved rounds and their median, and the table.

#![allow(dead_code, reason = "every bench uses its part of it")]

pub(crate) mod allocations;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mf_async::{AsyncCallback, AsyncResult};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// What was asked for on the command line: `cargo bench --bench versus -- [--quick] [name]`.
pub(crate) struct Options {
    /// Fewer and smaller rounds.
    pub(crate) quick: bool,
    filter: Option<String>,
}

impl Options {
    /// Reads the command line; what cargo adds of its own is passed over.
    pub(crate) fn from_args() -> Options {
        let args: Vec<String> = std::env::args().skip(1).collect();
        Options {
            quick: args.iter().any(|arg| arg == "--quick" || arg == "--test"),
            filter: args.into_iter().find(|arg| !arg.starts_with('-')),
        }
    }

    /// Whether a figure of this name is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()))
    }

    /// The first in a full run, the second in a quick one.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// What a figure is to reach.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// The other takes at least so many times as long.
    Faster(f64),
    /// It takes at most so many times as long as the other.
    Within(f64),
    /// It takes less than the other.
    Below,
    /// Exactly so many, to a thousandth.
    Exactly(f64),
    /// At most so many.
    AtMost(f64),
    /// None; it is there to be seen.
    Shown,
}

impl Goal {
    fn ratio(self, ours: f64, other: f64) -> f64 {
        match self {
            Goal::Faster(_) => other / ours,
            _ => ours / other,
        }
    }

    fn reached(self, ours: f64, other: f64) -> bool {
        let ratio = self.ratio(ours, other);
        match self {
            Goal::Faster(least) => ratio >= least,
            Goal::Within(most) => ratio <= most,
            Goal::Below => ratio < 1.0,
            Goal::Exactly(count) => (ours - count).abs() < 0.001,
            Goal::AtMost(most) => ours <= most,
            Goal::Shown => true,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::Faster(least) => write!(f, ">={least}x"),
            Goal::Within(most) => write!(f, "<={most}x"),
            Goal::Below => f.write_str("<1x"),
            Goal::Exactly(count) => write!(f, "={count}"),
            Goal::AtMost(most) => write!(f, "<={most}"),
            Goal::Shown => f.write_str("-"),
        }
    }
}

/// Several rounds of one side: the median counts, the spread says how far it can be trusted.
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// One exact value, a count for instance.
    pub(crate) fn exact(value: f64) -> Samples {
        Samples(vec![value])
    }

    /// What was measured on the way, round by round.
    pub(crate) fn of(rounds: Vec<f64>) -> Samples {
        Samples(rounds)
    }

    /// The middle of all rounds.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn extremes(&self) -> (f64, f64) {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        (least, self.0.iter().copied().fold(0.0, f64::max))
    }
}

/// Runs the two sides in turn, after one round of each that does not count.
pub(crate) fn interleaved(
    rounds: usize,
    mut ours: impl FnMut() -> f64,
    mut other: impl FnMut() -> f64,
) -> (Samples, Samples) {
    ours();
    other();
    let mut samples = (Samples(Vec::new()), Samples(Vec::new()));
    for _ in 0..rounds {
        samples.0.0.push(ours());
        samples.1.0.push(other());
    }
    samples
}

struct Figure {
    name: String,
    ours: Samples,
    other: Samples,
    goal: Goal,
}

/// All figures of a run.
#[derive(Default)]
pub(crate) struct Table(Vec<Figure>);

impl Table {
    /// Prints a figure's line at once and keeps it for the closing table.
    pub(crate) fn add(&mut self, name: &str, (ours, other): (Samples, Samples), goal: Goal) {
        let (a, b) = (ours.median(), other.median());
        let ok = if goal.reached(a, b) { "yes" } else { "no" };
        let ratio = goal.ratio(a, b);
        println!("figure {name} ours={a:.3} other={b:.3} ratio={ratio:.3} goal={goal} ok={ok}");
        self.0.push(Figure { name: name.to_owned(), ours, other, goal });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line =
            "figure              ours            (spread)     other            (spread)    ratio   goal  ok";
        writeln!(f, "{line}")?;
        for figure in &self.0 {
            let (a, b) = (figure.ours.median(), figure.other.median());
            let spread = |samples: &Samples| {
                let (least, most) = samples.extremes();
                format!("({least:.0}..{most:.0})")
            };
            writeln!(
                f,
                "{:<16} {:>9} {:>18} {:>9} {:>18} {:>8.2} {:>6} {:>3}",
                figure.name,
                format!("{a:.1}"),
                spread(&figure.ours),
                format!("{b:.1}"),
                spread(&figure.other),
                figure.goal.ratio(a, b),
                figure.goal.to_string(),
                if figure.goal.reached(a, b) { "yes" } else { "NO" },
            )?;
        }
        write!(
            f,
            "in nanoseconds, allocations or bytes: the median, and the least and the most of all rounds"
        )
    }
}

/// The runtime that both sides share: two workers.
pub(crate) fn two_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("the bench needs a runtime")
}

/// A runtime on the current thread, where the same program does the same steps every time.
pub(crate) fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("the bench needs a runtime")
}

/// Nanoseconds per item since `start`.
pub(crate) fn per_item(start: Instant, items: usize) -> f64 {
    nanos(start.elapsed()) / items as f64
}

/// A duration as a number.
pub(crate) fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

/// The callback of the throughput figures: counts down, and the last call tells who waits. Both sides
/// of a figure call the same one.
pub(crate) struct Countdown {
    left: AtomicUsize,
    ended: Notify,
}

impl Countdown {
    /// Expects so many calls.
    pub(crate) fn new(calls: usize) -> Arc<Countdown> {
        Arc::new(Countdown { left: AtomicUsize::new(calls), ended: Notify::new() })
    }

    /// One call.
    pub(crate) fn hit(&self) {
        // ORDERING: AcqRel, so that the last call comes after all others.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ended.notify_one();
        }
    }

    /// Waits for the last call.
    pub(crate) async fn wait(&self) {
        self.ended.notified().await;
    }
}

impl AsyncCallback for Countdown {
    fn invoke(&self, _: &AsyncResult) {
        self.hit();
    }
}
