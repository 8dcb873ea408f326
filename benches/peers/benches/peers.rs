//! Put → invoke and round trip beside other executors and thread pools, each as its documentation uses it.
//!
//! Run: `cargo bench -p mf-async-peers --bench peers -- [--quick] [name]`. Each has two threads and the same callback.
//! GLib's main context is left out: it needs a system library to build.

#[path = "../../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use futures::executor::block_on;
use mf_async::{AsyncResult, Platform, QueueId, Result, WorkQueue};

use self::support::{Countdown, Goal, Options, Table, interleaved, per_item, two_workers};

fn main() -> Result<()> {
    let options = Options::from_args();
    let runtime = two_workers();
    let platform = Platform::builder().handle(runtime.handle().clone()).startup()?;
    let queue = platform.queue(QueueId::MULTITHREADED)?;
    let handle = runtime.handle().clone();
    let rayon = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("the bench needs threads");
    let pool = threadpool::ThreadPool::new(2);
    let executor: Arc<async_executor::Executor<'static>> = Arc::default();
    for _ in 0..2 {
        let executor = executor.clone();
        std::thread::spawn(move || block_on(executor.run(std::future::pending::<()>())));
    }
    let peers: Vec<(&str, Spawn)> = vec![
        ("tokio", Box::new(move |job| drop(handle.spawn(async move { job.run() })))),
        ("rayon", Box::new(move |job| rayon.spawn(move || job.run()))),
        ("threadpool", Box::new(move |job| pool.execute(move || job.run()))),
        ("async_executor", Box::new(move |job| executor.spawn(async move { job.run() }).detach())),
        ("smol", Box::new(|job| smol::spawn(async move { job.run() }).detach())),
        ("blocking", Box::new(|job| blocking::unblock(move || job.run()).detach())),
    ];
    let mut table = Table::default();
    for (name, spawn) in &peers {
        if !options.wants(name) {
            continue;
        }
        // `blocking` starts up to 500 threads for a flood; a smaller one is enough to see it.
        let items = options.pick(100_000, 20_000);
        let rounds = options.pick(9, 5);
        let flood = interleaved(rounds, || flood_ours(&queue, items), || flood_theirs(spawn, items));
        table.add(&format!("put_{name}"), flood, Goal::Shown);
        let trips = items / 10;
        let trip = interleaved(rounds, || trips_ours(&queue, trips), || trips_theirs(spawn, trips));
        table.add(&format!("trip_{name}"), trip, Goal::Shown);
    }
    println!("\n{table}");
    drop(queue);
    runtime.block_on(platform.shutdown())
}

type Spawn = Box<dyn Fn(Job)>;

/// What is to be run, of one type for all peers, so that none pays for a box that another has not.
enum Job {
    Count(Arc<Countdown>),
    Answer(Sender<()>),
}

impl Job {
    fn run(self) {
        match self {
            Job::Count(countdown) => countdown.hit(),
            Job::Answer(answer) => answer.send(()).unwrap_or_default(),
        }
    }
}

fn flood_ours(queue: &WorkQueue, items: usize) -> f64 {
    let countdown = Countdown::new(items);
    let start = Instant::now();
    for _ in 0..items {
        queue.put(countdown.clone()).expect("the queue is open");
    }
    block_on(countdown.wait());
    per_item(start, items)
}

fn flood_theirs(spawn: &Spawn, items: usize) -> f64 {
    let countdown = Countdown::new(items);
    let start = Instant::now();
    for _ in 0..items {
        spawn(Job::Count(countdown.clone()));
    }
    block_on(countdown.wait());
    per_item(start, items)
}

fn trips_ours(queue: &WorkQueue, trips: usize) -> f64 {
    let (answer, answered): (Sender<()>, Receiver<()>) = channel();
    let callback = Arc::new(move |_: &AsyncResult| answer.send(()).unwrap_or_default());
    let start = Instant::now();
    for _ in 0..trips {
        queue.put(callback.clone()).expect("the queue is open");
        answered.recv().expect("the callback answers");
    }
    per_item(start, trips)
}

fn trips_theirs(spawn: &Spawn, trips: usize) -> f64 {
    let (answer, answered) = channel();
    let start = Instant::now();
    for _ in 0..trips {
        spawn(Job::Answer(answer.clone()));
        answered.recv().expect("the job answers");
    }
    per_item(start, trips)
}
