//! `World`: the runtime of one schedule, and the callbacks and the values that are counted in it.

use std::sync::Arc;
use std::time::Duration;

use shuttle::scheduler::RandomScheduler;
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use shuttle::{Config, MaxSteps, Runner, thread};
use tokio::runtime::{Builder, Runtime};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId, Unknown};
use crate::platform::Platform;

/// A runtime that a thread of the schedule's polls, and what is counted.
pub(super) struct World {
    runtime: Arc<Runtime>,
    over: Arc<AtomicBool>,
    driver: Option<thread::JoinHandle<()>>,
    made: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

/// Something whose drop is counted.
pub(super) struct Token(Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl World {
    pub(super) fn new() -> World {
        let runtime =
            Arc::new(Builder::new_current_thread().enable_all().start_paused(true).build().unwrap());
        let over = Arc::new(AtomicBool::new(false));
        let driver = thread::spawn({
            let (runtime, over) = (runtime.clone(), over.clone());
            move || {
                while !over.load(SeqCst) {
                    // Time stands still while any thread may go on, and passes in steps of 1 ms.
                    runtime.block_on(async {
                        tokio::task::yield_now().await;
                        tokio::time::advance(Duration::from_millis(1)).await;
                    });
                    thread::yield_now();
                }
            }
        });
        World { runtime, over, driver: Some(driver), made: Arc::default(), dropped: Arc::default() }
    }

    pub(super) fn platform(&self) -> Platform {
        Platform::builder().handle(self.runtime.handle().clone()).startup().unwrap()
    }

    pub(super) fn token(&self) -> Token {
        self.made.fetch_add(1, SeqCst);
        Token(self.dropped.clone())
    }

    pub(super) fn state(&self) -> Option<Unknown> {
        Some(Arc::new(Wrapped(Mutex::new(self.token()))))
    }

    /// The runtime goes on until everything that was handed out is dropped; if that is never, it goes on until
    /// the schedule is too long.
    pub(super) fn end(mut self) {
        while self.made.load(SeqCst) > self.dropped.load(SeqCst) {
            thread::yield_now();
        }
        self.over.store(true, SeqCst);
        self.driver.take().unwrap().join().unwrap();
    }
}

/// A state is shared.
struct Wrapped(#[expect(dead_code, reason = "only dropped")] Mutex<Token>);

/// A callback that counts its calls, on this queue.
pub(super) struct Counting {
    parameters: CallbackParameters,
    calls: Arc<AtomicUsize>,
}

impl Counting {
    pub(super) fn on(queue: QueueId) -> (Arc<AtomicUsize>, Arc<dyn AsyncCallback>) {
        let calls = Arc::new(AtomicUsize::new(0));
        (calls.clone(), Arc::new(Counting { parameters: CallbackParameters::on(queue), calls }))
    }
}

impl AsyncCallback for Counting {
    fn parameters(&self) -> CallbackParameters {
        self.parameters
    }

    fn invoke(&self, _: &AsyncResult) {
        self.calls.fetch_add(1, SeqCst);
    }
}

/// A callback that is called with its result.
pub(super) struct Calling<F>(pub(super) CallbackParameters, pub(super) F);

impl<F: Fn(&AsyncResult) + Send + Sync> AsyncCallback for Calling<F> {
    fn parameters(&self) -> CallbackParameters {
        self.0
    }

    fn invoke(&self, result: &AsyncResult) {
        self.1(result);
    }
}

/// Plays a model under as many schedules as the environment asks for.
pub(super) fn check(model: impl Fn() + Send + Sync + 'static) {
    let number = |name, usual| std::env::var(name).map_or(usual, |value| value.parse().unwrap());
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    // What does not end by itself is taken for a hang.
    config.max_steps = MaxSteps::FailAfter(200_000);
    let schedules = number("MF_ASYNC_SCHEDULES", 1000);
    let seed = number("MF_ASYNC_SEED", 1);
    println!("MF_ASYNC_SEED={seed} MF_ASYNC_SCHEDULES={schedules} plays these again");
    let scheduler = RandomScheduler::new_from_seed(seed as u64, schedules);
    Runner::new(scheduler, config).run(model);
}
