//! Everything at once, for as long as one likes, with faults: memory stays flat, the counters add up, every
//! operation ends. Run it with `cargo run --release --package mf-async-suites --example soak -- --minutes 5`.
//!
//! It prints a line every few seconds and ends with exit code 1 when something does not balance.

#[expect(dead_code, reason = "it counts bytes alone")]
#[path = "../../benches/support/allocations.rs"]
mod allocations;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures::FutureExt;
use hdrhistogram::Histogram;
use mf_async::byte_stream::MemoryByteStream;
use mf_async::event_stream::DropOldest;
use mf_async::rtwq::BoundedQueue;
use mf_async::{
    AsyncCallback, AsyncResult, ByteStreamExt, CallbackFlags, CallbackParameters, ErrorKind, EventStream,
    Hresult, MediaEvent, Platform, QueueId, Result, WorkItem, WorkQueue, WorkQueueType,
};

use allocations::Counting;

/// What was begun and how it ended; at the end they are the same number.
#[derive(Default)]
struct Tally {
    begun: AtomicU64,
    values: AtomicU64,
    failed: AtomicU64,
    abandoned: AtomicU64,
    panicked: AtomicU64,
    cancelled: AtomicU64,
    timed_out: AtomicU64,
    unexpected: AtomicU64,
    objects: AtomicU64,
    dropped: AtomicU64,
    /// Plain items, and their calls.
    put: AtomicU64,
    called: AtomicU64,
}

impl Tally {
    fn count<T>(&self, value: &Result<T>) {
        let counter = match value.as_ref().map_err(mf_async::Error::kind) {
            Ok(_) => &self.values,
            Err(ErrorKind::Failed) => &self.failed,
            Err(ErrorKind::Abandoned) => &self.abandoned,
            Err(ErrorKind::Panicked) => &self.panicked,
            Err(ErrorKind::Cancelled) => &self.cancelled,
            Err(ErrorKind::TimedOut) => &self.timed_out,
            Err(_) => &self.unexpected,
        };
        counter.fetch_add(1, Relaxed);
    }

    fn ended(&self) -> u64 {
        let ways =
            [&self.values, &self.failed, &self.abandoned, &self.panicked, &self.cancelled, &self.timed_out];
        ways.into_iter().chain([&self.unexpected]).map(|way| way.load(Relaxed)).sum()
    }

    /// Everything that was put on the queues that are there all the time.
    fn items(queues: &[WorkQueue], limited: &BoundedQueue) -> u64 {
        queues.iter().chain([limited.queue()]).map(|queue| queue.stats().put).sum()
    }

    /// Something whose drop is counted.
    fn object(self: &Arc<Self>) -> Arc<Object> {
        self.objects.fetch_add(1, Relaxed);
        Arc::new(Object(self.clone()))
    }
}

struct Object(Arc<Tally>);

impl Drop for Object {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Relaxed);
    }
}

/// One worker's round: what it does depends on its number only.
async fn round(
    platform: &Platform,
    queues: &[WorkQueue],
    limited: &BoundedQueue,
    tally: &Arc<Tally>,
    number: u64,
) -> Result<()> {
    let queue = &queues[(number / KINDS) as usize % queues.len()];
    tally.begun.fetch_add(1, Relaxed);
    match number % KINDS {
        0..=4 => {
            let object = tally.object();
            tally.count(&queue.run(move || drop(object)).await);
        }
        5 => {
            let object = tally.object();
            let future = async move {
                tokio::task::yield_now().await;
                drop(object);
            };
            tally.count(&queue.spawn(future).await);
        }
        6 => tally.count(&queue.run(|| panic!("planned")).await),
        7 => {
            // A callback that is dropped without being called.
            let operation = platform.begin_end(
                &(),
                |(), callback| platform.result(callback).object(tally.object()).build().map(drop),
                |(), _| Ok(()),
            );
            tally.count(&operation.await);
        }
        8 => {
            // One that comes late, and one that comes in time.
            let delay = Duration::from_millis(number / 16 % 4);
            let operation = platform.begin_end(
                &tally.object(),
                |object, callback| platform.schedule(WorkItem::new(callback).state(object.clone()), delay),
                |_, _| Ok(()),
            );
            tally.count(&operation.timeout(Duration::from_millis(1)).await);
        }
        9 => {
            // One that comes twice.
            let begin = |callback| {
                let result = platform.result(callback).state(tally.object()).build()?;
                result.invoke()?;
                result.invoke()
            };
            tally.count(&platform.begin_end(&(), |(), callback| begin(callback), |(), _| Ok(())).await);
        }
        10 => {
            // A wait that is cancelled: it calls back, with that status.
            let operation = platform.begin_end(
                &tally.object(),
                |object, callback| {
                    let item = WorkItem::new(callback).state(object.clone());
                    platform.put_waiting(std::future::pending(), item)
                },
                |_, result| result.status().ok(),
            );
            tally.count(&operation.cancel().await);
        }
        11 => {
            // A method that fails, awaited both ways.
            let method = platform.method::<u64>();
            let body = |object| async move {
                drop(object);
                Err(Hresult::MF_E_END_OF_STREAM.into())
            };
            tally.begun.fetch_add(1, Relaxed);
            tally.count(&method.call(body(tally.object())).await);
            let operation = platform.begin_end(
                &method,
                |method, callback| method.begin(callback, body(tally.object())),
                |method, result| method.end(result),
            );
            tally.count(&operation.await);
        }
        12 => {
            let stream = MemoryByteStream::new(platform, vec![7; 4096]);
            tally.count(&stream.read_exact(vec![0; 4096]).await);
        }
        13 => {
            // Events, of which some are dropped.
            let events = Arc::new(platform.create_event_queue()?);
            let mut stream = EventStream::new(&events, DropOldest(4))?;
            for at in 0..16_i64 {
                events.queue_event(MediaEvent::new(1).with_value(at))?;
            }
            let mut last = None;
            while let Some(event) = stream.next().await {
                last = event?.value().as_i64();
                if last == Some(15) {
                    break;
                }
            }
            events.shutdown();
            tally.count(&last.ok_or_else(|| Hresult::MF_E_NO_EVENTS_AVAILABLE.into()));
        }
        14 => {
            // A queue of its own, over another.
            let serial = platform.allocate_serial_work_queue(queue)?;
            tally.count(&serial.run(|| ()).await);
        }
        15 => {
            let operation = queue.run(|| ()).cancel_with(|| ());
            tally.count(&operation.cancel().await);
        }
        16 => {
            // Many plain items, some of which panic, and one that waits for all of them.
            for at in 0..BURST {
                let (counted, object) = (tally.clone(), tally.object());
                let callback = move |_: &AsyncResult| {
                    let _used = &object;
                    counted.called.fetch_add(1, Relaxed);
                    assert!(at != 7, "planned");
                };
                tally.put.fetch_add(1, Relaxed);
                queue.put(WorkItem::new(Arc::new(callback)).priority(at as i32 % 3 - 1))?;
            }
            tally.count(&queue.barrier().await);
        }
        17 => {
            // More than the queue takes at a time wait for room.
            let object = tally.object();
            tally.count(&limited.run(move || drop(object)).await);
        }
        18 => {
            // A serial queue that goes on when it is replied to, from another one.
            let serial = platform.allocate_serial_work_queue(queue)?;
            let parameters = CallbackParameters::on(&serial).with_flags(CallbackFlags::REPLY);
            serial.put(
                WorkItem::new(Arc::new(Replies { parameters, platform: platform.clone() }))
                    .state(tally.object()),
            )?;
            tally.count(&serial.run(|| ()).await);
        }
        _ => {
            // A future that is dropped while it waits: its event is still there for the next.
            let events = Arc::new(platform.create_event_queue()?);
            let mut stream = EventStream::lossless(&events)?;
            let in_vain = stream.next().now_or_never().is_none();
            events.queue_event(MediaEvent::new(1).with_value(1_i64))?;
            let event = stream.next().await;
            events.shutdown();
            let came = in_vain && matches!(event, Some(Ok(event)) if event.value().as_i64() == Some(1));
            tally.count(&if came { Ok(()) } else { Err(Hresult::E_UNEXPECTED.into()) });
        }
    }
    Ok(())
}

/// A callback that replies from the queue for everybody.
struct Replies {
    parameters: CallbackParameters,
    platform: Platform,
}

impl AsyncCallback for Replies {
    fn parameters(&self) -> CallbackParameters {
        self.parameters
    }

    fn invoke(&self, result: &AsyncResult) {
        let (platform, result) = (self.platform.clone(), result.clone());
        let reply = move |_: &AsyncResult| drop(platform.invoke_callback(&result));
        // One that cannot be put any more is not waited for: what panics is not.
        assert!(self.platform.put(QueueId::MULTITHREADED, Arc::new(reply)).is_ok(), "planned");
    }
}

/// The process's memory in KiB, where the system says.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().split(' ').next()?.parse().ok()
}

/// How long the threads there are have run, and have waited for a processor, where the system says: on a busy
/// machine a round takes as long as they are kept waiting.
fn scheduled() -> Option<(Duration, Duration)> {
    let mut both = [Duration::ZERO; 2];
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let Ok(times) = std::fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
        for (sum, time) in both.iter_mut().zip(times.split(' ')) {
            *sum += Duration::from_nanos(time.parse().ok()?);
        }
    }
    Some((both[0], both[1]))
}

/// `--minutes 5`, or `--seconds 10`; a minute if nothing is said.
fn time() -> Option<Duration> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |text: &String| text.parse::<f64>().ok().filter(|number| (0.0..1e6).contains(number));
    match arguments.as_slice() {
        [] => Some(Duration::from_secs(60)),
        [unit, amount] if unit == "--minutes" => {
            number(amount).map(|amount| Duration::from_secs_f64(amount * 60.0))
        }
        [unit, amount] if unit == "--seconds" => number(amount).map(Duration::from_secs_f64),
        _ => None,
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(time) = time() else {
        eprintln!("usage: soak [--minutes <number> | --seconds <number>]");
        return ExitCode::FAILURE;
    };
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"planned") {
            report(info);
        }
    }));
    match soak(time).await {
        Ok(wrong) if wrong.is_empty() => {
            println!("everything balances");
            ExitCode::SUCCESS
        }
        Ok(wrong) => {
            wrong.iter().for_each(|wrong| eprintln!("soak: {wrong}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs for so long, and says what did not balance.
async fn soak(time: Duration) -> Result<Vec<String>> {
    let counting = Counting::start();
    let platform = Platform::startup()?;
    let tally = Arc::new(Tally::default());
    let mut queues = vec![];
    for id in [QueueId::STANDARD, QueueId::IO, QueueId::MULTITHREADED, QueueId::LONG_FUNCTION] {
        queues.push(platform.queue(id)?);
    }
    for kind in [WorkQueueType::Standard, WorkQueueType::Multithreaded, WorkQueueType::Window] {
        queues.push(platform.allocate_work_queue(kind)?);
    }
    queues.push(platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?);
    let ticks = Arc::new(AtomicU64::new(0));
    let tick = ticks.clone();
    platform.add_periodic_callback(move || {
        tick.fetch_add(1, Relaxed);
    })?;

    let limited = platform.allocate_work_queue(WorkQueueType::Standard)?.bounded(LIMIT)?;
    let start = Instant::now();
    let until = start + time;
    let stalls = Stalls::start();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (platform, queues, tally) = (platform.clone(), queues.clone(), tally.clone());
            let limited = limited.clone();
            tokio::spawn(async move {
                let mut latencies =
                    Histogram::<u64>::new_with_bounds(1, MOST, 3).expect("the bounds are possible");
                let mut number = worker;
                while Instant::now() < until {
                    let start = Instant::now();
                    round(&platform, &queues, &limited, &tally, number).await?;
                    latencies.saturating_record(start.elapsed().as_nanos() as u64);
                    number += 1;
                }
                Ok::<_, mf_async::Error>(latencies)
            })
        })
        .collect();

    let memory = watch(until, time, &tally).await;
    let mut latencies = Histogram::<u64>::new_with_bounds(1, MOST, 3).expect("the bounds are possible");
    for worker in workers {
        let of_worker = worker.await.expect("a worker panicked")?;
        latencies.add(of_worker).expect("they are alike");
    }
    let items = Tally::items(&queues, &limited);
    println!(
        "{items} items, {:.0} a second; the machine itself stood still for {:?} at most",
        items as f64 / start.elapsed().as_secs_f64(),
        stalls.longest()
    );
    if let Some((ran, waited)) = scheduled() {
        println!("its threads ran for {ran:.0?}, and for {waited:.0?} they waited for a processor");
    }
    println!("a round took, in µs:");
    for share in [50.0, 90.0, 99.0, 99.9, 100.0] {
        println!("  {share:>5} %  {:>10.1}", latencies.value_at_percentile(share) as f64 / 1000.0);
    }

    let handles: Vec<_> = queues.iter().map(WorkQueue::stats).collect();
    let mut wrong = Vec::new();
    for (queue, stats) in queues.iter().zip(handles) {
        let accounted = stats.run + stats.abandoned + (stats.depth + stats.running) as u64;
        // A callback that comes twice may be on its way when this is read, and is in `depth` then.
        if stats.put != accounted {
            wrong.push(format!("{queue:?} does not balance: {stats:?}"));
        }
    }
    drop((queues, limited));
    platform.shutdown().await?;
    drop(platform);
    let left = counting.stop().kept / 1024;
    println!("{left} KiB were allocated since the start and not freed");
    if left > LEFT {
        wrong.push(format!("{left} KiB are left of what was allocated"));
    }
    let (begun, ended) = (tally.begun.load(Relaxed), tally.ended());
    let (made, dropped) = (tally.objects.load(Relaxed), tally.dropped.load(Relaxed));
    println!(
        "{begun} begun, {ended} ended: {} with a value; {} ticks",
        tally.values.load(Relaxed),
        ticks.load(Relaxed)
    );
    if begun != ended {
        wrong.push(format!("{begun} operations were begun and {ended} ended"));
    }
    if made != dropped {
        wrong.push(format!("{made} objects were made and {dropped} dropped"));
    }
    let (put, called) = (tally.put.load(Relaxed), tally.called.load(Relaxed));
    if put != called {
        wrong.push(format!("{put} plain items were put and {called} called"));
    }
    let unexpected = tally.unexpected.load(Relaxed);
    if unexpected > 0 {
        wrong.push(format!("{unexpected} operations ended in a way that was not planned"));
    }
    // From a tenth of the time on nothing grows any more.
    if let [early, .., late] = memory[memory.len() / 10..] {
        println!("memory: {early} KiB early, {late} KiB late");
        if late > early + early / 4 + 4096 {
            wrong.push(format!("memory grew from {early} to {late} KiB"));
        }
    }
    Ok(wrong)
}

/// How long a thread that only sleeps was kept from it: what a round takes longer than that is ours.
struct Stalls(Arc<AtomicU64>);

impl Stalls {
    fn start() -> Stalls {
        let longest = Arc::new(AtomicU64::new(0));
        let seen = Arc::downgrade(&longest);
        std::thread::spawn(move || {
            while let Some(longest) = seen.upgrade() {
                let start = Instant::now();
                std::thread::sleep(HEARTBEAT);
                let late = start.elapsed().saturating_sub(HEARTBEAT);
                longest.fetch_max(late.as_micros() as u64, Relaxed);
            }
        });
        Stalls(longest)
    }

    fn longest(&self) -> Duration {
        Duration::from_micros(self.0.load(Relaxed))
    }
}

/// Prints a line now and then; gives the memory at each.
async fn watch(until: Instant, time: Duration, tally: &Tally) -> Vec<u64> {
    let start = Instant::now();
    let pause = (time / 30).clamp(Duration::from_millis(200), Duration::from_secs(5));
    let mut memory = Vec::new();
    while Instant::now() < until {
        tokio::time::sleep(pause).await;
        let resident = resident();
        memory.extend(resident);
        println!(
            "{:>7.1} s  {:>12} begun  {:>12} ended  {:>8} KiB",
            start.elapsed().as_secs_f64(),
            tally.begun.load(Relaxed),
            tally.ended(),
            resident.unwrap_or_default()
        );
    }
    memory
}

const WORKERS: u64 = 32;

/// So many KiB may be left when all has ended: tokio keeps what its queues and pools have grown to, which was 0.4 to 1.2 MiB. In
/// half a minute a byte lost by each callback is as much.
const LEFT: isize = 8 * 1024;

/// How many kinds of round there are.
const KINDS: u64 = 20;

/// So many plain items are put at once.
const BURST: u64 = 128;

/// Fewer than there are workers, so that some wait for room.
const LIMIT: usize = 2;

const HEARTBEAT: Duration = Duration::from_millis(5);

/// The longest round that is counted apart from longer ones: a minute, in nanoseconds.
const MOST: u64 = 60_000_000_000;
