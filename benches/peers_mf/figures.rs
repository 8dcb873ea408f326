//! The figures: what is measured, on both sides.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "every call of an interface is unsafe; the objects called live as long as the bench"
)]

use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::channel::oneshot;
use mf_async::com::{self, Mta};
use mf_async::{Platform, QueueId, Result};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncCallback_Impl, IMFAsyncResult, IMFByteStream, MF_ACCESSMODE_READWRITE,
    MF_FILEFLAGS_NONE, MF_OPENMODE_DELETE_IF_EXIST, MFCreateAsyncResult, MFCreateTempFile, MFInvokeCallback,
    MFPutWorkItem,
};
use windows::core::{Ref, implement};

use crate::support::{Countdown, Goal, Options, Table};
use crate::support::{interleaved, per_item, two_workers};

/// `prepare` is called with the portable platform before Media Foundation starts.
pub(crate) fn main(prepare: impl FnOnce(&Platform) -> Result<()>) -> Result<()> {
    let bench = Bench::new(Options::from_args(), prepare)?;
    let mut table = Table::default();
    let figures: [(&str, Measure); 6] = [
        ("mf_put", |bench, table| bench.put(table, "mf_put", QueueId::MULTITHREADED, 15.0)),
        ("mf_put_standard", |bench, table| bench.put(table, "mf_put_standard", QueueId::STANDARD, 10.0)),
        ("mf_invoke", Bench::invoke),
        ("mf_round_trip", Bench::round_trip),
        ("com_await", Bench::awaited_read),
        ("com_await_1000", Bench::awaited_thousand),
    ];
    for (name, measure) in figures {
        if bench.options.wants(name) {
            measure(&bench, &mut table)?;
        }
    }
    println!("\n{table}");
    bench.runtime.block_on(bench.ours.shutdown())
}

type Measure = fn(&Bench, &mut Table) -> Result<()>;

/// What all figures share: both platforms, started.
struct Bench {
    options: Options,
    runtime: Runtime,
    ours: Platform,
    _theirs: com::Platform,
}

impl Bench {
    fn new(options: Options, prepare: impl FnOnce(&Platform) -> Result<()>) -> Result<Bench> {
        let runtime = two_workers();
        let ours = Platform::builder().handle(runtime.handle().clone()).startup()?;
        prepare(&ours)?;
        Ok(Bench { options, runtime, ours, _theirs: com::Platform::startup()? })
    }

    fn rounds(&self) -> usize {
        self.options.pick(15, 5)
    }

    fn items(&self) -> usize {
        self.options.pick(100_000, 20_000)
    }

    /// Put → invoke: the same callback, put again and again from a thread outside.
    fn put(&self, table: &mut Table, name: &str, id: QueueId, times: f64) -> Result<()> {
        let (items, queue) = (self.items(), self.ours.queue(id)?);
        let ours = || {
            let countdown = Countdown::new(items);
            let start = Instant::now();
            for _ in 0..items {
                queue.put(countdown.clone()).expect("the platform runs");
            }
            self.runtime.block_on(countdown.wait());
            per_item(start, items)
        };
        let theirs = || {
            let countdown = Countdown::new(items);
            let callback: Mta<IMFAsyncCallback> = Mta::of(Hit { countdown: countdown.clone() });
            let start = Instant::now();
            for _ in 0..items {
                unsafe { MFPutWorkItem(id.0, &*callback, None) }.expect("Media Foundation runs");
            }
            self.runtime.block_on(countdown.wait());
            per_item(start, items)
        };
        table.add(name, interleaved(self.rounds(), ours, theirs), Goal::Faster(times));
        Ok(())
    }

    /// A result made and invoked, as a component does at the end of a request.
    fn invoke(&self, table: &mut Table) -> Result<()> {
        let items = self.items();
        let ours = || {
            let countdown = Countdown::new(items);
            let start = Instant::now();
            for _ in 0..items {
                let result = self.ours.result(countdown.clone()).build().expect("the platform runs");
                result.invoke().expect("the platform runs");
            }
            self.runtime.block_on(countdown.wait());
            per_item(start, items)
        };
        let theirs = || {
            let countdown = Countdown::new(items);
            let callback: Mta<IMFAsyncCallback> = Mta::of(Hit { countdown: countdown.clone() });
            let start = Instant::now();
            for _ in 0..items {
                unsafe { MFCreateAsyncResult(None, &*callback, None).and_then(|r| MFInvokeCallback(&r)) }
                    .expect("Media Foundation runs");
            }
            self.runtime.block_on(countdown.wait());
            per_item(start, items)
        };
        table.add("mf_invoke", interleaved(self.rounds(), ours, theirs), Goal::Faster(10.0));
        Ok(())
    }

    /// Put → invoked → notified, one at a time, from inside a task.
    fn round_trip(&self, table: &mut Table) -> Result<()> {
        let turns = self.options.pick(20_000, 2_000);
        let queue = self.ours.queue(QueueId::MULTITHREADED)?;
        let ours = || {
            let (invoked, queue) = (Arc::new(Notify::new()), queue.clone());
            let notify = invoked.clone();
            let callback: Arc<dyn mf_async::AsyncCallback> =
                Arc::new(move |_: &mf_async::AsyncResult| notify.notify_one());
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..turns {
                    queue.put(callback.clone()).expect("the platform runs");
                    invoked.notified().await;
                }
                per_item(start, turns)
            })
        };
        let theirs = || {
            let invoked = Arc::new(Notify::new());
            let callback: Mta<IMFAsyncCallback> = Mta::of(Notifying { invoked: invoked.clone() });
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..turns {
                    unsafe { MFPutWorkItem(QueueId::MULTITHREADED.0, &*callback, None) }
                        .expect("Media Foundation runs");
                    invoked.notified().await;
                }
                per_item(start, turns)
            })
        };
        table.add("mf_round_trip", interleaved(self.rounds(), ours, theirs), Goal::Faster(20.0));
        Ok(())
    }

    /// A read of a file of Media Foundation's, one at a time, awaited through [`com::begin_end`], against a callback
    /// and a channel written for it.
    fn awaited_read(&self, table: &mut Table) -> Result<()> {
        let turns = self.options.pick(5_000, 500);
        let file = unsafe {
            Mta::new(MFCreateTempFile(
                MF_ACCESSMODE_READWRITE,
                MF_OPENMODE_DELETE_IF_EXIST,
                MF_FILEFLAGS_NONE,
            )?)
        };
        unsafe { file.Write(&[7; LENGTH]) }?;
        let ours = || {
            let file = file.clone();
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..turns {
                    read_by_begin_end(&file).await;
                }
                per_item(start, turns)
            })
        };
        let theirs = || {
            let file = file.clone();
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..turns {
                    read_by_hand(&file).await;
                }
                per_item(start, turns)
            })
        };
        table.add("com_await", interleaved(2 * self.rounds(), ours, theirs), Goal::Within(1.02));
        Ok(())
    }

    /// A thousand work items of Media Foundation's in flight, each awaited, in both ways.
    fn awaited_thousand(&self, table: &mut Table) -> Result<()> {
        let batches = self.options.pick(50, 5);
        let put =
            |callback: &IMFAsyncCallback| unsafe { MFPutWorkItem(QueueId::MULTITHREADED.0, callback, None) };
        let awaited = move |_| com::begin_end(&(), |(), callback| put(callback), |(), _| Ok(()));
        let ours = || {
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..batches {
                    let all: Vec<_> = (0..1000).map(awaited).collect();
                    for one in all {
                        one.await.expect("Media Foundation runs");
                    }
                }
                per_item(start, batches * 1000)
            })
        };
        let theirs = || {
            self.inside(async move {
                let start = Instant::now();
                for _ in 0..batches {
                    let by_hand = |_| {
                        let (sender, receiver) = oneshot::channel();
                        let callback = by_hand(|_| Ok(()), sender);
                        put(&callback).expect("Media Foundation runs");
                        receiver
                    };
                    let all: Vec<_> = (0..1000).map(by_hand).collect();
                    for one in all {
                        one.await.expect("it is called").expect("it succeeds");
                    }
                }
                per_item(start, batches * 1000)
            })
        };
        table.add("com_await_1000", interleaved(self.rounds(), ours, theirs), Goal::Within(1.02));
        Ok(())
    }

    /// Runs a future as a task of the runtime, on one of its workers.
    fn inside<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        self.runtime.block_on(self.runtime.spawn(future)).expect("the measured task does not panic")
    }
}

/// How much is read at once.
const LENGTH: usize = 4096;

async fn read_by_begin_end(file: &Mta<IMFByteStream>) {
    unsafe { file.SetCurrentPosition(0) }.expect("the file is open");
    let mut buffer = vec![0; LENGTH];
    let place = Place(buffer.as_mut_ptr());
    let read = com::begin_end(
        file,
        |file, callback| unsafe { file.BeginRead(place.room(), callback, None) },
        move |file, result| unsafe { file.EndRead(result) }.map(|count| (buffer, count)),
    );
    let (_buffer, count) = read.await.expect("the file is read");
    assert_eq!(count as usize, LENGTH);
}

async fn read_by_hand(file: &Mta<IMFByteStream>) {
    unsafe { file.SetCurrentPosition(0) }.expect("the file is open");
    let mut buffer = vec![0; LENGTH];
    let place = Place(buffer.as_mut_ptr());
    let ended = file.clone();
    let (sender, read) = oneshot::channel();
    let end = move |result: &IMFAsyncResult| unsafe { ended.EndRead(result) }.map(|count| (buffer, count));
    let callback = by_hand(end, sender);
    unsafe { file.BeginRead(place.room(), &*callback, None) }.expect("the file is open");
    drop(callback);
    let (_buffer, count) = read.await.expect("it is called").expect("the file is read");
    assert_eq!(count as usize, LENGTH);
}

/// Where a buffer lies that its End call owns.
struct Place(*mut u8);

// It is an address, and only Media Foundation writes there.
unsafe impl Send for Place {}

impl Place {
    unsafe fn room<'a>(&self) -> &'a mut [u8] {
        unsafe { std::slice::from_raw_parts_mut(self.0, LENGTH) }
    }
}

/// Counts down.
#[implement(IMFAsyncCallback)]
struct Hit {
    countdown: Arc<Countdown>,
}

impl IMFAsyncCallback_Impl for Hit_Impl {
    fn GetParameters(&self, flags: *mut u32, queue: *mut u32) -> windows::core::Result<()> {
        multithreaded(flags, queue)
    }

    fn Invoke(&self, _: Ref<'_, IMFAsyncResult>) -> windows::core::Result<()> {
        self.countdown.hit();
        Ok(())
    }
}

/// Notifies what waits.
#[implement(IMFAsyncCallback)]
struct Notifying {
    invoked: Arc<Notify>,
}

impl IMFAsyncCallback_Impl for Notifying_Impl {
    fn GetParameters(&self, flags: *mut u32, queue: *mut u32) -> windows::core::Result<()> {
        multithreaded(flags, queue)
    }

    fn Invoke(&self, _: Ref<'_, IMFAsyncResult>) -> windows::core::Result<()> {
        self.invoked.notify_one();
        Ok(())
    }
}

/// What one writes by hand: calls End and sends what it returns.
#[implement(IMFAsyncCallback)]
struct ByHand<T, E>
where
    T: Send + 'static,
    E: FnOnce(&IMFAsyncResult) -> windows::core::Result<T> + Send + 'static,
{
    waiting: Mutex<Option<Waiting<T, E>>>,
}

type Waiting<T, E> = (E, oneshot::Sender<windows::core::Result<T>>);

fn by_hand<T, E>(end: E, sender: oneshot::Sender<windows::core::Result<T>>) -> Mta<IMFAsyncCallback>
where
    T: Send + 'static,
    E: FnOnce(&IMFAsyncResult) -> windows::core::Result<T> + Send + 'static,
{
    Mta::of(ByHand { waiting: Mutex::new(Some((end, sender))) })
}

impl<T, E> IMFAsyncCallback_Impl for ByHand_Impl<T, E>
where
    T: Send + 'static,
    E: FnOnce(&IMFAsyncResult) -> windows::core::Result<T> + Send + 'static,
{
    fn GetParameters(&self, flags: *mut u32, queue: *mut u32) -> windows::core::Result<()> {
        multithreaded(flags, queue)
    }

    fn Invoke(&self, result: Ref<'_, IMFAsyncResult>) -> windows::core::Result<()> {
        let waiting = self.waiting.lock().expect("no End of these panics").take();
        if let (Some((end, sender)), Ok(result)) = (waiting, result.ok()) {
            let _ = sender.send(end(result));
        }
        Ok(())
    }
}

fn multithreaded(flags: *mut u32, queue: *mut u32) -> windows::core::Result<()> {
    unsafe {
        *flags = 0;
        *queue = QueueId::MULTITHREADED.0;
    }
    Ok(())
}
