//! How the cost of an item grows with what is queued, with the queues and with the producers, and what
//! waiting items and idle queues cost in memory. Draws target/scale-*.svg and prints each slope.
//!
//! Run: `cargo bench -p mf-async-peers --bench scale -- [--quick] [name]`. A slope is the exponent of the growth: 0 is flat.

#[path = "../../support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mf_async::{AsyncCallback, AsyncResult, Platform, QueueId, Result, WorkQueue, WorkQueueType};
use plotters::prelude::{
    ChartBuilder, Circle, EmptyElement, IntoDrawingArea, IntoLogRange, LineSeries, PointSeries, RED,
    SVGBackend, WHITE,
};
use tokio::runtime::Runtime;

use self::support::allocations::Counting;
use self::support::{Countdown, Options, per_item, two_workers};

fn main() -> Result<()> {
    let options = Options::from_args();
    let runtime = two_workers();
    let platform = Platform::builder().handle(runtime.handle().clone()).startup()?;
    let scale = Scale { options, runtime, platform };
    scale.curve("depth", "items queued", scale.options.pick(10_000_000, 1_000_000), Scale::depth)?;
    scale.curve("queues", "queues", 1000, Scale::queues)?;
    scale.curve("producers", "producers", 1000, Scale::producers)?;
    if scale.options.wants("memory") {
        scale.memory()?;
    }
    scale.runtime.block_on(scale.platform.shutdown())
}

struct Scale {
    options: Options,
    runtime: Runtime,
    platform: Platform,
}

impl Scale {
    /// Measures at 1, 10, 100, … up to `most`, in nanoseconds per item: the median of some rounds.
    fn curve(
        &self,
        name: &str,
        along: &str,
        most: usize,
        cost: fn(&Scale, usize) -> Result<f64>,
    ) -> Result<()> {
        if !self.options.wants(name) {
            return Ok(());
        }
        let mut points = Vec::new();
        let mut at = if name == "depth" { 10 } else { 1 };
        while at <= most {
            let rounds = if at > 1_000_000 { 1 } else { self.options.pick(9, 5) };
            let mut costs: Vec<f64> = (0..rounds).map(|_| cost(self, at)).collect::<Result<_>>()?;
            costs.sort_by(f64::total_cmp);
            points.push((at as f64, costs[costs.len() / 2]));
            println!("{name} {along}={at} ns={:.1}", costs[costs.len() / 2]);
            at *= 10;
        }
        println!("{name} slope={:.3}", slope(&points));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/scale-{name}.svg"));
        if let Err(error) = draw(&path, &points) {
            eprintln!("{} was not drawn: {error}", path.display());
        }
        Ok(())
    }

    /// So many are queued behind one that holds the queue; then they run.
    fn depth(&self, depth: usize) -> Result<f64> {
        let queue = self.platform.allocate_work_queue(WorkQueueType::Standard)?;
        // Small depths are repeated, so that there is something to measure.
        let repeats = (100_000 / depth).max(1);
        let mut spent = 0.0;
        for _ in 0..repeats {
            let countdown = Countdown::new(depth);
            let fill = {
                let (queue, countdown) = (queue.clone(), countdown.clone());
                move || {
                    let start = Instant::now();
                    put_all(&queue, &countdown, depth).map(|()| start)
                }
            };
            let start = self.runtime.block_on(queue.run(fill))??;
            self.runtime.block_on(countdown.wait());
            spent += per_item(start, depth);
        }
        Ok(spent / repeats as f64)
    }

    /// The same items spread over so many queues.
    fn queues(&self, count: usize) -> Result<f64> {
        let queues = (0..count)
            .map(|_| self.platform.allocate_work_queue(WorkQueueType::Standard))
            .collect::<Result<Vec<_>>>()?;
        let items = 100_000;
        let countdown = Countdown::new(items);
        let start = Instant::now();
        for queue in queues.iter().cycle().take(items) {
            queue.put(countdown.clone())?;
        }
        self.runtime.block_on(countdown.wait());
        Ok(per_item(start, items))
    }

    /// The same items put by so many tasks on one queue.
    fn producers(&self, count: usize) -> Result<f64> {
        let queue = self.platform.queue(QueueId::MULTITHREADED)?;
        let items = 100_000 / count * count;
        let countdown = Countdown::new(items);
        let start = Instant::now();
        for _ in 0..count {
            let (queue, countdown) = (queue.clone(), countdown.clone());
            self.runtime.spawn(async move { put_all(&queue, &countdown, items / count) });
        }
        self.runtime.block_on(countdown.wait());
        Ok(per_item(start, items))
    }

    /// Bytes per item that waits on a queue, its result included, and per idle queue.
    fn memory(&self) -> Result<()> {
        let items = 1 << 17;
        let (queue, callback) = (self.platform.allocate_work_queue(WorkQueueType::Standard)?, idle());
        let fill = {
            let queue = queue.clone();
            move || -> Result<isize> {
                let counting = Counting::start();
                (0..items).try_for_each(|_| queue.put(callback.clone()))?;
                Ok(counting.stop().kept)
            }
        };
        let kept = self.runtime.block_on(queue.run(fill))??;
        println!("memory pending item={} bytes", kept / items as isize);
        let count = 10_000;
        let counting = Counting::start();
        let queues = (0..count)
            .map(|_| self.platform.allocate_work_queue(WorkQueueType::Standard))
            .collect::<Result<Vec<_>>>()?;
        let kept = counting.stop().kept;
        println!("memory idle queue={} bytes", kept / count as isize);
        drop(queues);
        Ok(())
    }
}

fn idle() -> Arc<dyn AsyncCallback> {
    Arc::new(|_: &AsyncResult| {})
}

fn put_all(queue: &WorkQueue, countdown: &Arc<Countdown>, items: usize) -> Result<()> {
    (0..items).try_for_each(|_| queue.put(countdown.clone()))
}

/// The slope of the line through the logarithms, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let above: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    above / logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>()
}

/// Both axes are logarithmic; a chart without words needs no fonts.
fn draw(path: &Path, points: &[(f64, f64)]) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, (640, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let mut chart = ChartBuilder::on(&area)
        .margin(20)
        .build_cartesian_2d((first..last).log_scale(), (10.0..10_000.0).log_scale())?;
    chart.configure_mesh().x_labels(0).y_labels(0).draw()?;
    chart.draw_series(LineSeries::new(points.iter().copied(), &RED))?;
    chart.draw_series(PointSeries::of_element(points.iter().copied(), 3, &RED, &|at, size, style| {
        EmptyElement::at(at) + Circle::new((0, 0), size, style)
    }))?;
    area.present()?;
    Ok(())
}
