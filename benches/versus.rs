//! Every figure that this crate promises, beside what one would write by hand on tokio, in one run.
//!
//! Run: `cargo bench --bench versus -- [--quick] [name]`; with `--exact` the name is a whole one.
//!
//! Both sides of a figure have the same runtime of two workers, the same allocator and the same
//! callback, and their rounds are interleaved; what counts is the ratio of the medians. Figures whose name
//! ends with `_busy` are measured while two threads of this process keep two cores busy.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mf_async::{
    AsyncCallback, AsyncResult, EventStream, MediaEvent, MediaEventType, Operation, Platform, QueueId,
    Result, WorkItem, WorkItemKey, WorkQueue, WorkQueueType,
};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, oneshot};

use self::support::allocations::Counting;
use self::support::{Countdown, Goal, Load, Options, Samples, Table};
use self::support::{interleaved, nanos, one_thread, per_item, two_workers};

fn main() -> Result<()> {
    let bench = Bench::new(Options::from_args())?;
    let mut table = Table::default();
    let figures: &[(&str, Measure)] = &[
        ("put_external", Bench::put_external),
        ("put_internal", Bench::put_internal),
        ("await_one", |bench, table| bench.await_one(table, Load::Quiet)),
        ("await_1000", |bench, table| bench.await_1000(table, Load::Quiet)),
        ("await_method", |bench, table| bench.await_method(table, Load::Quiet)),
        ("await_later", |bench, table| bench.await_later(table, Load::Quiet)),
        ("await_one_busy", |bench, table| bench.await_one(table, Load::Busy)),
        ("await_1000_busy", |bench, table| bench.await_1000(table, Load::Busy)),
        ("await_method_busy", |bench, table| bench.await_method(table, Load::Busy)),
        ("await_later_busy", |bench, table| bench.await_later(table, Load::Busy)),
        ("serial", Bench::serial),
        ("serial_ready", Bench::serial_ready),
        ("serial_over", Bench::serial_over),
        ("serial_bare", Bench::serial_bare),
        ("allocs", Bench::allocations),
        ("timer", Bench::timers),
        ("depth", Bench::depth),
        ("fairness", Bench::fairness),
        ("events", Bench::events),
    ];
    for (name, measure) in figures {
        if bench.options.wants(name) {
            measure(&bench, &mut table)?;
        }
    }
    println!("\n{table}");
    bench.runtime.block_on(bench.platform.shutdown())
}

type Measure = fn(&Bench, &mut Table) -> Result<()>;

/// What all figures share.
struct Bench {
    options: Options,
    runtime: Runtime,
    platform: Platform,
}

impl Bench {
    fn new(options: Options) -> Result<Bench> {
        let runtime = two_workers();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup()?;
        Ok(Bench { options, runtime, platform })
    }

    fn rounds(&self) -> usize {
        self.options.pick(15, 7)
    }

    /// Runs a future as a task of the runtime, on one of its workers.
    fn inside<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        self.runtime.block_on(self.runtime.spawn(future)).expect("the measured task does not panic")
    }

    /// Put → invoke from a thread outside of the runtime, against a task per item.
    fn put_external(&self, table: &mut Table) -> Result<()> {
        let items = self.options.pick(400_000, 100_000);
        let queue = self.platform.queue(QueueId::MULTITHREADED)?;
        let put = || {
            let countdown = Countdown::new(items);
            let start = Instant::now();
            put_all(&queue, &countdown, items);
            self.runtime.block_on(countdown.wait());
            per_item(start, items)
        };
        let spawn = || {
            let countdown = Countdown::new(items);
            let start = Instant::now();
            spawn_all(self.runtime.handle(), &countdown, items);
            self.runtime.block_on(countdown.wait());
            per_item(start, items)
        };
        table.add("put_external", interleaved(self.rounds(), put, spawn), Goal::Faster(8.0));
        Ok(())
    }

    /// The same from inside a task.
    fn put_internal(&self, table: &mut Table) -> Result<()> {
        let items = self.options.pick(400_000, 100_000);
        let queue = self.platform.queue(QueueId::MULTITHREADED)?;
        let put = || {
            let queue = queue.clone();
            self.inside(async move {
                let countdown = Countdown::new(items);
                let start = Instant::now();
                put_all(&queue, &countdown, items);
                countdown.wait().await;
                per_item(start, items)
            })
        };
        let spawn = || {
            self.inside(async move {
                let countdown = Countdown::new(items);
                let start = Instant::now();
                for _ in 0..items {
                    let countdown = countdown.clone();
                    tokio::spawn(async move { countdown.hit() });
                }
                countdown.wait().await;
                per_item(start, items)
            })
        };
        table.add("put_internal", interleaved(self.rounds(), put, spawn), Goal::Faster(8.0));
        Ok(())
    }

    /// Adds a figure of what is awaited: so many items a round, on both sides.
    fn add_awaited(
        &self,
        table: &mut Table,
        (name, load): (&str, Load),
        goal: Goal,
        ours: impl FnMut() -> f64,
        other: impl FnMut() -> f64,
    ) {
        let _neighbours = load.start();
        table.add(&load.name(name), interleaved(self.rounds(), ours, other), load.goal(goal));
    }

    /// One operation at a time.
    fn await_one(&self, table: &mut Table, load: Load) -> Result<()> {
        let items = self.options.pick(100_000, 30_000);
        let ours = || {
            let platform = self.platform.clone();
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..items {
                    assert!(matches!(answer(&platform).await, Ok(42)));
                }
                per_item(start, items)
            })
        };
        let other = || {
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..items {
                    assert!(matches!(answer_by_hand().await, Ok(42)));
                }
                per_item(start, items)
            })
        };
        self.add_awaited(table, ("await_one", load), Goal::Within(0.35), ours, other);
        Ok(())
    }

    /// A thousand operations in flight, awaited in turn.
    fn await_1000(&self, table: &mut Table, load: Load) -> Result<()> {
        const FLIGHT: usize = 1000;
        let flights = self.options.pick(200, 60);
        let ours = || {
            let platform = self.platform.clone();
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..flights {
                    let flight: Vec<_> = (0..FLIGHT).map(|_| answer(&platform)).collect();
                    for operation in flight {
                        assert!(matches!(operation.await, Ok(42)));
                    }
                }
                per_item(start, flights * FLIGHT)
            })
        };
        let other = || {
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..flights {
                    let flight: Vec<_> = (0..FLIGHT).map(|_| answer_by_hand()).collect();
                    for receiver in flight {
                        assert!(matches!(receiver.await, Ok(42)));
                    }
                }
                per_item(start, flights * FLIGHT)
            })
        };
        self.add_awaited(table, ("await_1000", load), Goal::Faster(4.0), ours, other);
        Ok(())
    }

    /// A method whose body is an `async` block, one call at a time, against a task with the same body.
    fn await_method(&self, table: &mut Table, load: Load) -> Result<()> {
        let items = self.options.pick(50_000, 15_000);
        let ours = || {
            let method = self.platform.method();
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..items {
                    assert!(matches!(method.call(async { Ok(42) }).await, Ok(42)));
                }
                per_item(start, items)
            })
        };
        let other = || {
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..items {
                    assert!(matches!(tokio::spawn(async { 42 }).await, Ok(42)));
                }
                per_item(start, items)
            })
        };
        self.add_awaited(table, ("await_method", load), Goal::Within(1.0), ours, other);
        Ok(())
    }

    /// One operation at a time that a thread completes later, against a `oneshot` that the same thread sends.
    fn await_later(&self, table: &mut Table, load: Load) -> Result<()> {
        let items = self.options.pick(20_000, 5_000);
        let completing = Completing::start();
        let ours = || {
            let (platform, completing) = (self.platform.clone(), completing.hand.clone());
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..items {
                    assert!(matches!(answer_later(&platform, &completing).await, Ok(42)));
                }
                per_item(start, items)
            })
        };
        let other = || {
            let completing = completing.hand.clone();
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..items {
                    assert!(matches!(answer_later_by_hand(&completing).await, Ok(42)));
                }
                per_item(start, items)
            })
        };
        self.add_awaited(table, ("await_later", load), Goal::Within(1.15), ours, other);
        Ok(())
    }

    /// One item at a time, in order: puts with a callback on a private queue, against a channel and a task that loops.
    fn serial(&self, table: &mut Table) -> Result<()> {
        let queue = self.platform.allocate_work_queue(WorkQueueType::Standard)?;
        let figure = interleaved(self.rounds(), || self.put_serial(&queue), || self.channel(true));
        table.add("serial", figure, Goal::Within(0.6));
        Ok(())
    }

    /// The same with a ready result.
    fn serial_ready(&self, table: &mut Table) -> Result<()> {
        let queue = self.platform.allocate_work_queue(WorkQueueType::Standard)?;
        let figure = interleaved(self.rounds(), || self.put_ready(&queue), || self.channel(false));
        table.add("serial_ready", figure, Goal::Within(0.9));
        Ok(())
    }

    /// Puts with a callback on a serial queue over another.
    fn serial_over(&self, table: &mut Table) -> Result<()> {
        let queue = self.platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?;
        let figure = interleaved(self.rounds(), || self.put_serial(&queue), || self.channel(true));
        table.add("serial_over", figure, Goal::Shown);
        Ok(())
    }

    /// Ready results, against a channel that carries nothing but the callback.
    fn serial_bare(&self, table: &mut Table) -> Result<()> {
        let queue = self.platform.allocate_work_queue(WorkQueueType::Standard)?;
        let figure = interleaved(self.rounds(), || self.put_ready(&queue), || self.bare_channel());
        table.add("serial_bare", figure, Goal::Shown);
        Ok(())
    }

    fn serial_items(&self) -> usize {
        self.options.pick(400_000, 100_000)
    }

    fn put_serial(&self, queue: &WorkQueue) -> f64 {
        let (items, queue) = (self.serial_items(), queue.clone());
        self.inside(async move {
            let countdown = Countdown::new(items);
            let start = Instant::now();
            put_all(&queue, &countdown, items);
            countdown.wait().await;
            per_item(start, items)
        })
    }

    fn put_ready(&self, queue: &WorkQueue) -> f64 {
        let (items, queue, platform) = (self.serial_items(), queue.clone(), self.platform.clone());
        self.inside(async move {
            let countdown = Countdown::new(items);
            let result = platform.result(countdown.clone()).build().expect("the platform is open");
            let start = Instant::now();
            for _ in 0..items {
                queue.put(&result).expect("the queue is open");
            }
            countdown.wait().await;
            per_item(start, items)
        })
    }

    /// The queue by hand, which carries what ours does: a result with its callback, made for each item or once.
    fn channel(&self, fresh: bool) -> f64 {
        let (items, platform) = (self.serial_items(), self.platform.clone());
        self.inside(async move {
            let (send, mut receive) = mpsc::unbounded_channel::<AsyncResult>();
            let task = tokio::spawn(async move {
                while let Some(result) = receive.recv().await {
                    if let Some(callback) = result.callback() {
                        callback.invoke(&result);
                    }
                }
            });
            let countdown = Countdown::new(items);
            let make = || platform.result(countdown.clone()).build();
            let ready = make().expect("the platform is open");
            let start = Instant::now();
            for _ in 0..items {
                let result = if fresh { make().expect("the platform is open") } else { ready.clone() };
                let _ = send.send(result);
            }
            countdown.wait().await;
            let took = per_item(start, items);
            drop(send);
            let _ = task.await;
            took
        })
    }

    /// The queue by hand, which carries only the callback.
    fn bare_channel(&self) -> f64 {
        let items = self.serial_items();
        self.inside(async move {
            let (send, mut receive) = mpsc::unbounded_channel::<Arc<Countdown>>();
            let task = tokio::spawn(async move {
                while let Some(countdown) = receive.recv().await {
                    countdown.hit();
                }
            });
            let countdown = Countdown::new(items);
            let start = Instant::now();
            for _ in 0..items {
                let _ = send.send(countdown.clone());
            }
            countdown.wait().await;
            let took = per_item(start, items);
            drop(send);
            let _ = task.await;
            took
        })
    }

    /// Allocations per item, on one thread, once the queues have grown to their size.
    fn allocations(&self, table: &mut Table) -> Result<()> {
        let items = 10_000;
        let runtime = one_thread();
        runtime.block_on(async {
            let platform = Platform::startup()?;
            let queue = platform.queue(QueueId::MULTITHREADED)?;
            let callback: Arc<dyn AsyncCallback> = Arc::new(|_: &AsyncResult| {});
            let state: Arc<dyn std::any::Any + Send + Sync> = Arc::new(7);
            let ready = platform.result(callback.clone()).build()?;
            let put_ready = || drop((0..items).try_for_each(|_| queue.put(&ready)));
            let put = || {
                let put = |_| queue.put(WorkItem::new(callback.clone()).state(state.clone()));
                drop((0..items).try_for_each(put));
            };
            let per_item = |count: usize| Samples::exact(count as f64 / items as f64);
            for (name, put) in [("allocs_put_ready", &put_ready as &dyn Fn()), ("allocs_put", &put)] {
                // Twice, until the queues have their size.
                for _ in 0..2 {
                    put();
                    queue.quiesce().await?;
                }
                let counting = Counting::start();
                put();
                queue.quiesce().await?;
                let ours = counting.stop();
                table.add(name, (per_item(ours.count), Samples::exact(f64::NAN)), Goal::Exactly(0.0));
            }
            let by_hand = {
                let counting = Counting::start();
                for _ in 0..items {
                    assert!(matches!(answer_by_hand().await, Ok(42)));
                }
                counting.stop()
            };
            let ours = {
                let counting = Counting::start();
                for _ in 0..items {
                    assert!(matches!(answer(&platform).await, Ok(42)));
                }
                counting.stop()
            };
            table.add("allocs_await", (per_item(ours.count), per_item(by_hand.count)), Goal::Exactly(2.0));
            drop((ready, queue));
            platform.shutdown().await
        })
    }

    /// Items that wait for a time: memory, scheduling and cancelling, against a sleeping task each.
    fn timers(&self, table: &mut Table) -> Result<()> {
        let items = self.options.pick(1_000_000, 250_000);
        let (mut schedule, mut spawn) = (Vec::new(), Vec::new());
        let ours = || {
            let platform = self.platform.clone();
            let (made, cancelled) = self.inside(async move {
                let callback: Arc<dyn AsyncCallback> = Arc::new(|_: &AsyncResult| {});
                let mut keys: Vec<WorkItemKey> = Vec::with_capacity(items);
                let start = Instant::now();
                for delay in delays(items) {
                    keys.extend(platform.schedule(callback.clone(), delay));
                }
                let made = per_item(start, items);
                assert_eq!(keys.len(), items);
                let start = Instant::now();
                for key in keys {
                    assert!(platform.cancel_work_item(key).is_ok());
                }
                (made, per_item(start, items))
            });
            schedule.push(made);
            cancelled
        };
        let other = || {
            let (made, aborted) = self.inside(async move {
                let mut tasks = Vec::with_capacity(items);
                let start = Instant::now();
                for delay in delays(items) {
                    tasks.push(tokio::spawn(tokio::time::sleep(delay)));
                }
                let made = per_item(start, items);
                let start = Instant::now();
                for task in &tasks {
                    task.abort();
                }
                let aborted = per_item(start, items);
                // Not measured: the tasks are really gone before the next round.
                for task in tasks {
                    let _ = task.await;
                }
                (made, aborted)
            });
            spawn.push(made);
            aborted
        };
        let cancel = interleaved(self.options.pick(5, 3), ours, other);
        // The first of each did not count above, either.
        let made = (Samples::of(schedule.split_off(1)), Samples::of(spawn.split_off(1)));
        table.add("timer_schedule", made, Goal::Within(0.3));
        table.add("timer_cancel", cancel, Goal::Within(0.7));
        self.timer_bytes(table)
    }

    fn timer_bytes(&self, table: &mut Table) -> Result<()> {
        let items = 1_000_000;
        let each = |kept: isize| Samples::exact(kept as f64 / items as f64);
        let ours = {
            let callback: Arc<dyn AsyncCallback> = Arc::new(|_: &AsyncResult| {});
            // A platform of its own, whose tables have not grown yet.
            let platform = Platform::builder().handle(self.runtime.handle().clone()).startup()?;
            let counting = Counting::start();
            for delay in delays(items) {
                platform.schedule(callback.clone(), delay)?;
            }
            let counted = counting.stop();
            self.runtime.block_on(platform.shutdown())?;
            counted
        };
        let runtime = two_workers();
        let counting = Counting::start();
        for delay in delays(items) {
            runtime.spawn(async move { tokio::time::sleep(delay).await });
        }
        let other = counting.stop();
        drop(runtime);
        table.add("timer_bytes", (each(ours.kept), each(other.kept)), Goal::AtMost(71.0));
        Ok(())
    }

    /// What an item costs while a million others wait (ours), against ten (other). Every callback puts
    /// its own result again, so that the depth stays.
    fn depth(&self, table: &mut Table) -> Result<()> {
        let calls = self.options.pick(2_000_000, 1_000_000);
        let rounds = self.options.pick(7, 3);
        let at = |depth: usize| self.cost_at_depth(depth, calls).unwrap_or_else(|error| panic!("{error}"));
        table.add("depth", interleaved(rounds, || at(1_000_000), || at(10)), Goal::Within(1.3));
        Ok(())
    }

    fn cost_at_depth(&self, depth: usize, calls: usize) -> Result<f64> {
        let queue = self.platform.allocate_work_queue(WorkQueueType::Standard)?;
        let again = queue.clone();
        let countdown = Countdown::new(calls);
        let going = Arc::new(AtomicBool::new(true));
        let callback: Arc<dyn AsyncCallback> = Arc::new({
            let (countdown, going) = (countdown.clone(), going.clone());
            move |result: &AsyncResult| {
                if going.load(Ordering::Relaxed) {
                    let _ = again.put(result);
                    countdown.hit();
                }
            }
        });
        let fill = {
            let (queue, platform) = (queue.clone(), self.platform.clone());
            move || -> Result<()> {
                for _ in 0..depth {
                    let result = platform.result(callback.clone()).build()?;
                    queue.put(&result)?;
                }
                Ok(())
            }
        };
        // On the queue itself, so that none of them runs before all are there.
        self.runtime.block_on(queue.run(fill))??;
        let warm = queue.stats().run;
        let start = Instant::now();
        self.runtime.block_on(countdown.wait());
        let run = queue.stats().run - warm;
        let took = per_item(start, run as usize);
        going.store(false, Ordering::Relaxed);
        self.runtime.block_on(queue.quiesce())?;
        Ok(took)
    }

    /// The 99th percentile of a round trip to a task that has nothing to do with the queue, while a
    /// thousand callbacks of 5 µs put themselves again and again, against tasks that spawn themselves.
    fn fairness(&self, table: &mut Table) -> Result<()> {
        const CHAINS: usize = 1000;
        let queue = self.platform.queue(QueueId::MULTITHREADED)?;
        let trips = self.options.pick(500, 100);
        let ours = || {
            let going = Arc::new(AtomicBool::new(true));
            let callback: Arc<dyn AsyncCallback> = Arc::new({
                let (queue, going) = (queue.clone(), going.clone());
                move |result: &AsyncResult| {
                    work(Duration::from_micros(5));
                    if going.load(Ordering::Relaxed) {
                        let _ = queue.put(result);
                    }
                }
            });
            for _ in 0..CHAINS {
                let _ = queue.put(callback.clone());
            }
            let latency = self.round_trips(trips);
            going.store(false, Ordering::Relaxed);
            drop(callback);
            let _ = self.runtime.block_on(queue.quiesce());
            latency
        };
        let other = || {
            fn step(going: Arc<AtomicBool>) {
                work(Duration::from_micros(5));
                if going.load(Ordering::Relaxed) {
                    tokio::spawn(async move { step(going) });
                }
            }
            let going = Arc::new(AtomicBool::new(true));
            for _ in 0..CHAINS {
                let going = going.clone();
                self.runtime.spawn(async move { step(going) });
            }
            let latency = self.round_trips(trips);
            going.store(false, Ordering::Relaxed);
            while Arc::strong_count(&going) > 1 {
                thread::yield_now();
            }
            latency
        };
        table.add("fairness", interleaved(self.options.pick(5, 3), ours, other), Goal::Within(1.0));
        Ok(())
    }

    /// Events of one task to another, through an event queue and its stream, against an unbounded channel of
    /// the same events.
    fn events(&self, table: &mut Table) -> Result<()> {
        let items = self.options.pick(200_000, 50_000);
        let event = || MediaEvent::new(MediaEventType::MEMediaSample).with_value(7_i64);
        let ours = || {
            let platform = self.platform.clone();
            self.inside(async move {
                let queue = Arc::new(platform.create_event_queue()?);
                let mut stream = EventStream::lossless(&queue)?;
                let start = Instant::now();
                let reader = tokio::spawn(async move {
                    for _ in 0..items {
                        assert!(matches!(stream.next().await, Some(Ok(_))));
                    }
                });
                for _ in 0..items {
                    queue.queue_event(event())?;
                }
                reader.await.expect("the reader gets every event");
                Ok(per_item(start, items))
            })
            .unwrap_or_else(|error: mf_async::Error| panic!("{error}"))
        };
        let other = || {
            self.inside(async move {
                let (send, mut receive) = mpsc::unbounded_channel();
                let start = Instant::now();
                let reader = tokio::spawn(async move {
                    for _ in 0..items {
                        assert!(receive.recv().await.is_some());
                    }
                });
                for _ in 0..items {
                    let _ = send.send(event());
                }
                reader.await.expect("the reader gets every event");
                per_item(start, items)
            })
        };
        table.add("events", interleaved(self.rounds(), ours, other), Goal::Within(0.9));
        Ok(())
    }

    /// The 99th percentile of so many round trips to a task that echoes.
    fn round_trips(&self, trips: usize) -> f64 {
        let (send, mut receive) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
        let echo = self.runtime.spawn(async move {
            while let Some(reply) = receive.recv().await {
                let _ = reply.send(());
            }
        });
        let mut took = Vec::with_capacity(trips);
        for _ in 0..trips {
            let (reply, replied) = oneshot::channel();
            let start = Instant::now();
            let _ = send.send(reply);
            let _ = replied.blocking_recv();
            took.push(nanos(start.elapsed()));
        }
        drop(send);
        let _ = self.runtime.block_on(echo);
        took.sort_by(f64::total_cmp);
        took[trips * 99 / 100]
    }
}

fn put_all(queue: &WorkQueue, countdown: &Arc<Countdown>, items: usize) {
    for _ in 0..items {
        queue.put(countdown.clone()).expect("the queue is open");
    }
}

fn spawn_all(handle: &Handle, countdown: &Arc<Countdown>, items: usize) {
    for _ in 0..items {
        let countdown = countdown.clone();
        handle.spawn(async move { countdown.hit() });
    }
}

/// An operation whose component completes it at once, on a queue.
fn answer(platform: &Platform) -> Operation<u32> {
    platform.begin_end(
        &(),
        |(), callback| platform.result(callback).build()?.invoke(),
        |(), result| result.status().ok().map(|_| 42),
    )
}

/// The same by hand: a task that answers.
fn answer_by_hand() -> oneshot::Receiver<u32> {
    let (send, receive) = oneshot::channel();
    tokio::spawn(async move { send.send(42) });
    receive
}

/// An operation whose component completes it on a thread of its own.
fn answer_later(platform: &Platform, completing: &Hand) -> Operation<u32> {
    platform.begin_end(
        &(),
        |(), callback| {
            let result = platform.result(callback).build()?;
            completing.send(Unanswered::Result(result)).expect("the thread receives");
            Ok(())
        },
        |(), result| result.status().ok().map(|_| 42),
    )
}

/// The same by hand: the thread sends the answer.
fn answer_later_by_hand(completing: &Hand) -> oneshot::Receiver<u32> {
    let (send, receive) = oneshot::channel();
    completing.send(Unanswered::Oneshot(send)).expect("the thread receives");
    receive
}

/// A thread that completes what it is handed, of either side.
struct Completing {
    hand: Hand,
}

type Hand = std::sync::mpsc::Sender<Unanswered>;

enum Unanswered {
    Result(AsyncResult),
    Oneshot(oneshot::Sender<u32>),
}

impl Completing {
    /// The thread ends with the last of the senders.
    fn start() -> Completing {
        let (hand, handed) = std::sync::mpsc::channel();
        thread::spawn(move || {
            for unanswered in handed {
                match unanswered {
                    Unanswered::Result(result) => result.invoke().expect("the platform is open"),
                    Unanswered::Oneshot(send) => send.send(42).expect("the answer is awaited"),
                }
            }
        });
        Completing { hand }
    }
}

/// Delays between one and ten hours, the same ones every time, in no order.
fn delays(items: usize) -> impl Iterator<Item = Duration> {
    let mut seed = 1_u64;
    (0..items).map(move |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(3_600_000 + (seed >> 33) % 32_400_000)
    })
}

/// Keeps the thread busy.
fn work(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}
