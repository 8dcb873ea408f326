//! What the benches share: arguments, interleaved rounds and their median, and the table.

#![allow(dead_code, reason = "every bench uses its part of it")]

pub(crate) mod allocations;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mf_async::{AsyncCallback, AsyncResult};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// What was asked for on the command line: `cargo bench --bench versus -- [--quick] [--exact] [name]`.
pub(crate) struct Options {
    /// Fewer and smaller rounds.
    pub(crate) quick: bool,
    exact: bool,
    filter: Option<String>,
}

impl Options {
    /// Reads the command line; what cargo adds of its own is passed over.
    pub(crate) fn from_args() -> Options {
        let args: Vec<String> = std::env::args().skip(1).collect();
        Options {
            quick: args.iter().any(|arg| arg == "--quick" || arg == "--test"),
            exact: args.iter().any(|arg| arg == "--exact"),
            filter: args.into_iter().find(|arg| !arg.starts_with('-')),
        }
    }

    /// Whether a figure of this name is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let matches =
            |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        self.filter.as_ref().is_none_or(matches)
    }

    /// The first in a full run, the second in a quick one.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// What a figure is to reach.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// The other takes at least so many times as long.
    Faster(f64),
    /// It takes at most so many times as long as the other.
    Within(f64),
    /// Exactly so many, to a thousandth.
    Exactly(f64),
    /// At most so many, rounded as the goal is.
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
            Goal::Exactly(count) => (ours - count).abs() < 0.001,
            Goal::AtMost(most) => ours.round() <= most,
            Goal::Shown => true,
        }
    }

    fn verdict(self, ours: f64, other: f64) -> &'static str {
        match self {
            Goal::Shown => "-",
            _ if self.reached(ours, other) => "yes",
            _ => "NO",
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::Faster(least) => write!(f, ">={least}x"),
            Goal::Within(most) => write!(f, "<={most}x"),
            Goal::Exactly(count) => write!(f, "={count}"),
            Goal::AtMost(most) => write!(f, "<={most}"),
            Goal::Shown => f.write_str("-"),
        }
    }
}

/// What else the machine has to do while a figure is measured.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Load {
    Quiet,
    /// Two neighbours keep two cores busy.
    Busy,
}

impl Load {
    /// The figure's name under this load.
    pub(crate) fn name(self, name: &str) -> String {
        match self {
            Load::Quiet => name.to_owned(),
            Load::Busy => format!("{name}_busy"),
        }
    }

    /// The figure's goal under this load: busy neighbours may make a ratio so much worse.
    pub(crate) fn goal(self, goal: Goal) -> Goal {
        const WORSE: f64 = 1.25;
        match (self, goal) {
            (Load::Busy, Goal::Faster(least)) => Goal::Faster(least / WORSE),
            (Load::Busy, Goal::Within(most)) => Goal::Within(most * WORSE),
            _ => goal,
        }
    }

    /// The load, until it is dropped.
    pub(crate) fn start(self) -> Neighbours {
        let ended = Arc::new(AtomicBool::new(false));
        let spin = || {
            let ended = ended.clone();
            thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let count = if self == Load::Busy { 2 } else { 0 };
        let threads = (0..count).map(|_| spin()).collect();
        Neighbours { ended, threads }
    }
}

/// Threads that spin.
pub(crate) struct Neighbours {
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
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
        let ok = goal.verdict(a, b);
        let ratio = goal.ratio(a, b);
        println!("figure {name} ours={a:.3} other={b:.3} ratio={ratio:.3} goal={goal} ok={ok}");
        self.0.push(Figure { name: name.to_owned(), ours, other, goal });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = "figure                 ours           (spread)     other           (spread)    ratio      goal  met";
        writeln!(f, "{line}")?;
        let (mut goals, mut met) = (0, 0);
        for figure in &self.0 {
            let (a, b) = (figure.ours.median(), figure.other.median());
            let spread = |samples: &Samples| match samples.extremes() {
                (least, most) if least < most => format!("({least:.0}..{most:.0})"),
                _ => String::new(),
            };
            let number = |number: f64| match number {
                number if number.is_nan() => "-".to_owned(),
                // A count per item, of which a hundredth matters.
                number if number < 10.0 => format!("{number:.3}"),
                number => format!("{number:.1}"),
            };
            let ratio = figure.goal.ratio(a, b);
            if figure.goal != Goal::Shown {
                goals += 1;
                met += usize::from(figure.goal.reached(a, b));
            }
            writeln!(
                f,
                "{:<17} {:>9} {:>18} {:>9} {:>18} {:>8} {:>9} {:>4}",
                figure.name,
                number(a),
                spread(&figure.ours),
                number(b),
                spread(&figure.other),
                if ratio.is_nan() { "-".to_owned() } else { format!("{ratio:.2}") },
                figure.goal.to_string(),
                figure.goal.verdict(a, b),
            )?;
        }
        write!(
            f,
            "in nanoseconds, allocations or bytes: the median, and the least and the most of all rounds"
        )?;
        if goals > 0 {
            write!(f, "\n{met} of {goals} goals met")?;
        }
        Ok(())
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

/// The callback of the throughput figures: counts down, and the last call wakes what waits. Both sides
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
