//! What the test files share: runtimes with a bound on time, gates, drop counters, logs and callbacks.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use mf_async::{AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Operation, Platform, QueueId};
use tokio::runtime::Builder;

/// No test takes anywhere near as long; what does, hangs.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// Runs the body twice: on a current-thread runtime, then on a multi-thread one.
pub(crate) fn both_runtimes<F: Future<Output = ()>>(body: impl FnOnce() -> F + Copy + Send + 'static) {
    eprintln!("on a current-thread runtime:");
    current_thread(body);
    eprintln!("on a multi-thread runtime:");
    multi_thread(body);
}

/// Runs the body on a current-thread runtime.
pub(crate) fn current_thread<F: Future<Output = ()>>(body: impl FnOnce() -> F + Send + 'static) {
    within_bound(|| Builder::new_current_thread().enable_all().build().unwrap().block_on(body()));
}

/// Runs the body on a runtime of two workers.
pub(crate) fn multi_thread<F: Future<Output = ()>>(body: impl FnOnce() -> F + Send + 'static) {
    within_bound(|| {
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(body());
    });
}

/// Runs the body on a current-thread runtime whose clock stands still until everything waits for it.
pub(crate) fn paused_time<F: Future<Output = ()>>(body: impl FnOnce() -> F + Send + 'static) {
    within_bound(|| {
        Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(body());
    });
}

/// Runs the body on a thread of its own; if it does not end in time, that is a failure and not a hang.
pub(crate) fn within_bound<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (ended, end) = sync_channel(1);
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let thread = std::thread::Builder::new().name(test).spawn(move || {
        let value = body();
        ended.send(()).unwrap();
        value
    });
    if let Err(RecvTimeoutError::Timeout) = end.recv_timeout(BOUND) {
        panic!("did not end within {BOUND:?}");
    }
    thread.unwrap().join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

/// What threads wait at until it is opened; a wait that takes too long fails.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate::default()
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.0.0.lock().unwrap()
    }

    /// Blocks the thread until the gate is open.
    pub(crate) fn pass(&self) {
        assert!(self.passes_within(BOUND / 2), "the gate was not opened");
    }

    pub(crate) fn passes_within(&self, limit: Duration) -> bool {
        let open = self.0.0.lock().unwrap();
        !self.0.1.wait_timeout_while(open, limit, |open| !*open).unwrap().1.timed_out()
    }
}

/// Counts what is dropped.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

impl Drops {
    pub(crate) fn new() -> Drops {
        Drops::default()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Something whose drop is counted.
    pub(crate) fn token(&self) -> DropToken {
        DropToken(self.0.clone())
    }
}

pub(crate) struct DropToken(Arc<AtomicUsize>);

impl Drop for DropToken {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// What happened, in order.
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone + Send + 'static> Log<T> {
    pub(crate) fn new() -> Log<T> {
        Log(Arc::default())
    }

    pub(crate) fn add(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn clear(&self) {
        let former = std::mem::take(&mut *self.0.lock().unwrap());
        drop(former);
    }

    /// A callback with default parameters that adds the entry.
    pub(crate) fn adds(&self, entry: T) -> Arc<dyn AsyncCallback>
    where
        T: Sync,
    {
        let log = self.clone();
        callback(move |_| log.add(entry.clone()))
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Log<T> {
        Log(self.0.clone())
    }
}

/// A counter that callbacks share.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn new() -> Count {
        Count::default()
    }

    pub(crate) fn add(&self) {
        self.next();
    }

    /// Adds one, and tells how many there were before.
    pub(crate) fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A callback with default parameters that counts.
    pub(crate) fn counts(&self) -> Arc<dyn AsyncCallback> {
        let count = self.clone();
        callback(move |_| {
            count.add();
        })
    }
}

/// A callback with default parameters.
pub(crate) fn callback(call: impl Fn(&AsyncResult) + Send + Sync + 'static) -> Arc<dyn AsyncCallback> {
    Arc::new(call)
}

/// A callback that names a queue.
pub(crate) fn on(
    queue: impl Into<QueueId>,
    call: impl Fn(&AsyncResult) + Send + Sync + 'static,
) -> Arc<dyn AsyncCallback> {
    with(CallbackParameters::on(queue), call)
}

/// A callback that has flags, and names STANDARD.
pub(crate) fn flagged(
    flags: CallbackFlags,
    call: impl Fn(&AsyncResult) + Send + Sync + 'static,
) -> Arc<dyn AsyncCallback> {
    with(CallbackParameters::default().with_flags(flags), call)
}

/// A callback with these parameters.
pub(crate) fn with(
    parameters: CallbackParameters,
    call: impl Fn(&AsyncResult) + Send + Sync + 'static,
) -> Arc<dyn AsyncCallback> {
    Arc::new(With(parameters, call))
}

struct With<F>(CallbackParameters, F);

impl<F: Fn(&AsyncResult) + Send + Sync> AsyncCallback for With<F> {
    fn parameters(&self) -> CallbackParameters {
        self.0
    }

    fn invoke(&self, result: &AsyncResult) {
        (self.1)(result);
    }
}

/// Waits until the condition holds, giving way to other tasks; fails when it takes too long.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < BOUND / 2, "waited in vain: {what}");
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
}

/// Keeps the thread busy for so long, as a callback that computes does.
pub(crate) fn work_for(time: Duration) {
    let start = std::time::Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// A callback of the user's around an operation's own.
pub(crate) struct Wrapped(pub(crate) Arc<dyn AsyncCallback>);

impl AsyncCallback for Wrapped {
    fn parameters(&self) -> CallbackParameters {
        self.0.parameters()
    }

    fn invoke(&self, result: &AsyncResult) {
        self.0.invoke(result);
    }
}

/// An operation, and its callback, which a component keeps.
pub(crate) type Kept = (Operation<()>, Arc<dyn AsyncCallback>);

/// An operation whose callback is kept.
pub(crate) fn kept(platform: &Platform) -> Kept {
    let mut kept = None;
    let begin = |(): &(), callback| {
        kept = Some(callback);
        Ok(())
    };
    let operation = platform.begin_end(&(), begin, |(), _| Ok(()));
    (operation, kept.unwrap())
}
