//! Promise: what a shutdown itself drops, wakes or calls cannot wait for that shutdown: each wait is refused at once with
//! `ERROR_POSSIBLE_DEADLOCK`, and the shutdown goes on.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::executor::block_on;
use mf_async::rtwq::{BoundedQueue, PlatformEvents};
use mf_async::{Hresult, Platform, QueueId, Result, WorkItem, WorkQueue};

use crate::support::{Gate, Log, both_runtimes, callback, until, within_bound};

const DEADLOCK: Hresult = Hresult::ERROR_POSSIBLE_DEADLOCK;

fn code(answer: Result<impl Sized>) -> Hresult {
    answer.map_or_else(|error| error.hresult(), |_| Hresult::S_OK)
}

/// Waits in its drop for everything that ends with the platform, and notes the answers.
struct Waits {
    platform: Platform,
    answers: Log<Hresult>,
}

impl Waits {
    fn wait(&self) {
        self.answers.add(code(block_on(self.platform.shutdown())));
        self.answers.add(code(block_on(self.platform.shutdown_within(Duration::ZERO))));
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.wait();
    }
}

impl PlatformEvents for Waits {
    fn shutdown_start(&self) {
        self.wait();
    }

    fn shutdown_complete(&self) {
        self.wait();
    }
}

fn started() -> (Platform, Log<Hresult>, impl Fn() -> Waits) {
    let (platform, answers) = (Platform::startup().unwrap(), Log::new());
    let (of, log) = (platform.clone(), answers.clone());
    (platform, answers, move || Waits { platform: of.clone(), answers: log.clone() })
}

#[test]
fn a_listener_cannot_wait_for_the_shutdown_that_calls_it() {
    both_runtimes(|| async {
        let (platform, answers, waits) = started();
        let guard = platform.register_platform_events(Arc::new(waits()));
        platform.shutdown().await.unwrap();
        assert_eq!(answers.all(), [DEADLOCK; 4]);
        drop(guard);
    });
}

#[test]
fn what_a_scheduled_item_holds_cannot_wait_for_the_shutdown_that_drops_it() {
    both_runtimes(|| async {
        let (platform, answers, waits) = started();
        let state = Arc::new(Mutex::new(waits()));
        let item = WorkItem::new(callback(|_| ())).state(state);
        platform.schedule(item, Duration::from_secs(3600)).unwrap();
        platform.shutdown().await.unwrap();
        assert_eq!(answers.all(), [DEADLOCK; 2]);
    });
}

#[test]
fn the_event_of_a_wait_cannot_wait_for_the_shutdown_that_cancels_it() {
    both_runtimes(|| async {
        let (platform, answers, waits) = started();
        let waits = waits();
        let event = async move {
            pending::<()>().await;
            drop(waits);
        };
        platform.put_waiting(event, callback(|_| ())).unwrap();
        tokio::task::yield_now().await;
        platform.shutdown().await.unwrap();
        assert_eq!(answers.all(), [DEADLOCK; 2]);
    });
}

#[test]
fn a_future_cannot_wait_for_the_shutdown_that_drops_it() {
    both_runtimes(|| async {
        let (platform, answers, waits) = started();
        let (keep, never) = tokio::sync::oneshot::channel::<()>();
        let waits = waits();
        let future = async move {
            let _ = never.await;
            drop(waits);
        };
        let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
        let ends = queue.spawn(future);
        platform.shutdown().await.unwrap();
        assert!(ends.await.unwrap_err().is_shutdown());
        assert_eq!(answers.all(), [DEADLOCK; 2]);
        drop(keep);
    });
}

/// A shutdown that was begun outside, and is first awaited inside.
#[test]
fn it_is_refused_at_the_poll() {
    both_runtimes(|| async {
        struct Awaits(Mutex<Option<futures::future::BoxFuture<'static, Result<()>>>>, Log<Hresult>);
        impl Drop for Awaits {
            fn drop(&mut self) {
                let shutdown = self.0.lock().unwrap().take().unwrap();
                self.1.add(block_on(shutdown).unwrap_err().hresult());
            }
        }
        let (platform, answers) = (Platform::startup().unwrap(), Log::new());
        let slot = Arc::new(Awaits(Mutex::default(), answers.clone()));
        // An operation that the shutdown fails drops its End, and with it the last owner of the slot.
        let (keep, never) = tokio::sync::oneshot::channel::<()>();
        let owned = slot.clone();
        let ends = platform.queue(QueueId::IO).unwrap().spawn(async move {
            let _ = never.await;
            drop(owned);
        });
        // The shutdown fails nothing before this callback has returned.
        let gate = Gate::new();
        let held = gate.clone();
        platform.put(QueueId::LONG_FUNCTION, callback(move |_| held.pass())).unwrap();
        let shutdown = platform.shutdown();
        *slot.0.lock().unwrap() = Some(Box::pin(platform.shutdown()));
        drop(slot);
        gate.open();
        shutdown.await.unwrap();
        assert!(ends.await.unwrap_err().is_shutdown());
        assert_eq!(answers.all(), [DEADLOCK]);
        drop(keep);
    });
}

#[test]
fn barriers_and_reservations_are_refused_there() {
    both_runtimes(|| async {
        struct Listens(WorkQueue, BoundedQueue, Log<Hresult>);
        impl PlatformEvents for Listens {
            fn shutdown_start(&self) {
                self.2.add(code(block_on(self.0.barrier())));
                self.2.add(code(block_on(self.0.quiesce())));
                self.2.add(code(block_on(self.1.reserve())));
            }
        }
        let platform = Platform::startup().unwrap();
        let queue = platform.queue(QueueId::LONG_FUNCTION).unwrap();
        let bounded = queue.clone().bounded(1).unwrap();
        let (place, gate, answers) = (bounded.try_reserve().unwrap(), Gate::new(), Log::new());
        let waits = gate.clone();
        let runs = queue.run(move || waits.pass());
        let listener = Arc::new(Listens(queue, bounded, answers.clone()));
        let guard = platform.register_platform_events(listener);
        let shutdown = platform.shutdown();
        until("the listener was called", || answers.len() == 3).await;
        gate.open();
        drop((place, guard));
        shutdown.await.unwrap();
        runs.await.unwrap();
        // A reservation is refused because the platform is: before it would wait.
        assert_eq!(answers.all(), [DEADLOCK, DEADLOCK, Hresult::MF_E_SHUTDOWN]);
    });
}

/// On a thread that is none of a runtime: the last handle is dropped there.
#[test]
fn the_drop_of_the_last_handle_calls_out_as_well() {
    within_bound(|| {
        struct Blocks(Mutex<mf_async::Operation<()>>, Log<Hresult>);
        impl Drop for Blocks {
            fn drop(&mut self) {
                let waited = self.0.get_mut().unwrap().wait();
                self.1.add(waited.unwrap_err().hresult());
            }
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        let (answers, mut kept) = (Log::new(), None);
        let begin = |(): &(), callback| {
            kept = Some(callback);
            Ok(())
        };
        let never = platform.begin_end(&(), begin, |(), _| Ok(()));
        let state = Arc::new(Blocks(Mutex::new(never), answers.clone()));
        let item = WorkItem::new(callback(|_| ())).state(state);
        platform.schedule(item, Duration::from_secs(3600)).unwrap();
        drop(platform);
        assert_eq!(answers.all(), [DEADLOCK]);
    });
}
