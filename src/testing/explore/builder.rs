//! `Explore`: the settings of an exploration, how it is run, and how its failure is reported.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::async_result::QueueId;
use crate::error::Result;
use crate::platform::Platform;
use crate::sync::LockExt;
use crate::testing::explore::failure::{Explored, FailedSchedule, FailureKind};
use crate::testing::explore::record::short;
use crate::testing::explore::schedule::Choices;
use crate::testing::explore::search::{Plan, Search};
use crate::testing::explore::settings::Settings;
use crate::testing::explore::strategy::Strategy;
use crate::testing::explore::wakes::SearchProgress;

/// An exploration before it runs: which schedules are tried, and how many.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use mf_async::testing::{Explore, FailureKind};
/// use mf_async::{Platform, QueueId, Result};
///
/// /// Two items of a parallel queue read a number, and write it back in a later item.
/// async fn count(platform: Platform) -> Result<()> {
///     let queue = platform.queue(QueueId::MULTITHREADED)?;
///     let number = Arc::new(AtomicU32::new(0));
///     let add = |number: Arc<AtomicU32>| async move {
///         let read = number.load(Ordering::SeqCst);
///         tokio::task::yield_now().await;
///         number.store(read + 1, Ordering::SeqCst);
///     };
///     let both = (queue.spawn(add(number.clone())), queue.spawn(add(number.clone())));
///     (both.0.await?, both.1.await?);
///     assert_eq!(number.load(Ordering::SeqCst), 2);
///     Ok(())
/// }
///
/// let failure = Explore::new().schedules(100).check(count).unwrap_err();
/// assert_eq!(failure.kind(), FailureKind::Panic);
/// // The same happens again:
/// assert!(Explore::new().replay(failure.replay()).check(count).is_err());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it does nothing until it is run"]
pub struct Explore {
    plan: Plan,
    settings: Settings,
    replay: Option<String>,
}

impl Explore {
    /// 1,000 schedules of every kind, for at most a minute.
    pub fn new() -> Explore {
        Explore::default()
    }

    /// How many schedules are run; 1,000 by default.
    pub fn schedules(mut self, schedules: usize) -> Explore {
        self.plan.schedules = schedules;
        self
    }

    /// How long schedules are started, in real time; a minute by default.
    pub fn time_limit(mut self, limit: Duration) -> Explore {
        self.plan.time_limit = limit;
        self
    }

    /// The seed of what is random. The same seed tries the same schedules.
    pub fn seed(mut self, seed: u64) -> Explore {
        self.plan.seed = seed;
        self
    }

    /// Which schedules are tried; [`Strategy::Mixed`] by default.
    pub fn strategy(mut self, strategy: Strategy) -> Explore {
        self.plan.strategy = strategy;
        self
    }

    /// How many items a parallel queue runs at the same time; 4 by default. An item that was taken out can be overtaken by
    /// one less than that.
    pub fn width(mut self, width: usize) -> Explore {
        self.settings.width = width.clamp(1, 1 << 12);
        self
    }

    /// How much time may pass while something else may happen, in the runtime's time; 100 ms by default. A timer that is due
    /// within that may come before work that waits; one that is due later may not. Zero: time passes only when nothing
    /// else may happen.
    pub fn lag(mut self, lag: Duration) -> Explore {
        self.settings.lag = lag;
        self
    }

    /// A run of more steps fails as one without end; 10,000 by default.
    pub fn steps(mut self, steps: usize) -> Explore {
        self.settings.steps = steps;
        self
    }

    /// Every callback runs whole, before anything else may happen.
    ///
    /// By default others may go on in the middle of a callback, where it calls this crate: before and after it puts an
    /// item, queues an event, invokes a result, schedules or cancels. That is as if its thread were overtaken there. Where
    /// a callback has a lock then that the others need, exploring goes on with whole callbacks by itself.
    pub fn whole_callbacks(mut self) -> Explore {
        self.settings.preempts = false;
        self
    }

    /// A panic in a callback, which its queue contains, is no failure. One of the test itself is.
    pub fn allow_panics(mut self) -> Explore {
        self.settings.allows_panics = true;
        self
    }

    /// Runs this schedule alone, which a failure has printed.
    ///
    /// The environment variable `MF_ASYNC_REPLAY` does the same without a change to the test.
    pub fn replay(mut self, schedule: &str) -> Explore {
        self.replay = Some(schedule.to_owned());
        self
    }

    /// Runs the test under every schedule, until one fails.
    ///
    /// # Panics
    /// When a schedule fails, with its story.
    #[track_caller]
    pub fn run<F, Fut>(self, test: F)
    where
        F: Fn(Platform) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + 'static,
    {
        let exhaustive = self.plan.strategy == Strategy::Exhaustive;
        match self.check(test) {
            Ok(explored) if exhaustive => println!("{explored}"),
            Ok(_) => {}
            Err(failure) => panic!("{failure}"),
        }
    }

    /// As [`run`](Explore::run), and returns what it found.
    ///
    /// # Errors
    /// The failure of the first schedule that fails, shortened.
    ///
    /// # Panics
    /// When the schedule that is to be replayed cannot be read, or the system gives no thread.
    #[track_caller]
    pub fn check<F, Fut>(self, test: F) -> std::result::Result<Explored, Box<FailedSchedule>>
    where
        F: Fn(Platform) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + 'static,
    {
        let replay = self.replay.or_else(|| std::env::var("MF_ASYNC_REPLAY").ok());
        let replay: Option<Choices> =
            replay.map(|text| text.parse().unwrap_or_else(|wrong| panic!("{wrong}")));
        let name = std::thread::current().name().unwrap_or("the test").to_owned();
        let (test, mut settings) = (Arc::new(test), self.settings);
        loop {
            let progress: Arc<SearchProgress> = Arc::default();
            let search = Search::new(name.clone(), self.plan, settings, progress.clone());
            match on_a_thread(search, replay.clone(), test.clone(), &progress) {
                Ok(found) => return found,
                // Its thread stays, with the lock that it waits for.
                Err(HeldUp::Overtaken) => settings.preempts = false,
                Err(HeldUp::Blocked) => {
                    return Err(Box::new(held_up(name, self.plan.schedules, &progress)));
                }
            }
        }
    }
}

/// Why a search makes no progress.
enum HeldUp {
    /// A callback blocks, and none is in the middle.
    Blocked,
    /// What goes on in the middle of a callback waits for a lock that the callback has.
    Overtaken,
}

/// Searches on a thread of its own, so that a callback which does not return is no hang.
fn on_a_thread<F, Fut>(
    search: Search,
    replay: Option<Choices>,
    test: Arc<F>,
    progress: &SearchProgress,
) -> std::result::Result<std::result::Result<Explored, Box<FailedSchedule>>, HeldUp>
where
    F: Fn(Platform) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + 'static,
{
    let (send, ended) = sync_channel(1);
    let name = std::thread::current().name().unwrap_or("the test").to_owned();
    let thread = std::thread::Builder::new().name(name);
    let thread = thread.spawn(move || {
        let found = match replay {
            Some(choices) => search.replay(&test, choices),
            None => search.search(&test),
        };
        // Received, unless this thread was given up.
        let _ = send.send(found);
    });
    let thread = thread.expect("the system gives a thread");
    let (mut steps, mut held_up) = (0, Duration::ZERO);
    loop {
        match ended.recv_timeout(LOOK) {
            Ok(found) => {
                let _ = thread.join();
                return Ok(found);
            }
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Ok(()) => return Err(HeldUp::Blocked),
                Err(payload) => std::panic::resume_unwind(payload),
            },
            Err(RecvTimeoutError::Timeout) => {
                // ORDERING: Relaxed, in all three: counters that order nothing.
                let now = progress.steps.load(Ordering::Relaxed);
                held_up = if now == steps { held_up + LOOK } else { Duration::ZERO };
                steps = now;
                let slow = if progress.is_told.load(Ordering::Relaxed) { 4 } else { 1 };
                if held_up > HELD_UP * slow {
                    return Err(HeldUp::Blocked);
                }
                if held_up > HELD_UP_IN_BETWEEN * slow && progress.depth.load(Ordering::Relaxed) > 0 {
                    return Err(HeldUp::Overtaken);
                }
            }
        }
    }
}

/// A callback does not return. Its thread cannot be ended, and stays.
fn held_up(test: String, schedules: usize, progress: &SearchProgress) -> FailedSchedule {
    let callback = *progress.callback.locked();
    let who = callback.map_or_else(
        || "the test".to_owned(),
        |(queue, name)| format!("the test, or the callback {} on queue {}", short(name), QueueId(queue)),
    );
    let message = format!(
        "{who}, has blocked its thread for {HELD_UP:?}. All callbacks run on one thread, one after the other: one that blocks \
         until another has run cannot be explored"
    );
    FailedSchedule {
        kind: FailureKind::Blocked,
        message,
        test,
        schedule: 0,
        schedules,
        deviations: (0, 0),
        steps: (0, 0),
        story: String::new(),
        replay: String::new(),
    }
}

/// How often it is looked whether a search goes on, in real time.
const LOOK: Duration = Duration::from_millis(500);

/// What goes on in the middle of another callback, and takes longer, is taken for one that waits for that one's lock.
const HELD_UP_IN_BETWEEN: Duration = Duration::from_secs(1);

/// A step that takes longer, in real time, is taken for one that waits for another.
const HELD_UP: Duration = Duration::from_secs(10);
