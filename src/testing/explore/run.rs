//! One run: a runtime and a platform of its own, the test, the shutdown, and what was wrong.

use std::cell::RefCell;
use std::future::Future;
use std::panic;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Once};

use futures::FutureExt;
use tokio::runtime::Builder;

use crate::contain::drop_payload;
use crate::error::{Error, Hresult, Result};
use crate::platform::Platform;
use crate::report::Report;
use crate::stepping;
use crate::sync::LockExt;
use crate::testing::explore::failure::FailureKind;
use crate::testing::explore::hub::{Hub, PanicText};
use crate::testing::explore::record::{Place, Record};
use crate::testing::explore::settings::Settings;
use crate::testing::explore::strategy::Chooser;
use crate::testing::explore::wakes::{SearchProgress, Wakes};
use crate::testing::explore::world::{Halt, World};

/// What one run did.
pub(super) struct Ran {
    pub(super) record: Record,
    pub(super) chooser: Chooser,
    pub(super) wrong: Option<Wrong>,
    /// Whether a timer was due while something else could happen, or soon after.
    pub(super) clock_matters: bool,
}

/// What was wrong with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) kind: FailureKind,
    pub(super) message: String,
    /// What makes two failures the same one: a panic's place, an error's code.
    pub(super) mark: String,
}

impl Wrong {
    fn new(kind: FailureKind, mark: impl Into<String>, message: impl Into<String>) -> Option<Wrong> {
        Some(Wrong { kind, message: message.into(), mark: mark.into() })
    }

    /// Whether the other is the same failure, though its words may differ.
    pub(super) fn is_like(&self, other: &Wrong) -> bool {
        self.kind == other.kind && self.mark == other.mark
    }
}

/// Runs the test once.
pub(super) fn run<F, Fut>(
    test: &Arc<F>,
    settings: Settings,
    chooser: Chooser,
    record: Record,
    progress: &Arc<SearchProgress>,
) -> Ran
where
    F: Fn(Platform) -> Fut + 'static,
    Fut: Future<Output = Result<()>> + 'static,
{
    keep_panics();
    let is_told = record.is_told();
    // ORDERING: Relaxed, a flag that orders nothing.
    progress.is_told.store(is_told, Ordering::Relaxed);
    let hub = Hub::new(settings, chooser, record, Wakes::new(progress.clone()));
    let world = World::new(hub.clone());
    let wakes = hub.wakes.clone();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .event_interval(1)
        .on_thread_park(move || {
            let is_idle = || World::current().is_none_or(|world| world.is_idle());
            wakes.before_park(is_idle);
        })
        .build();
    let runtime = Rc::new(runtime.expect("the system gives a runtime"));
    world.set_runtime(Some(runtime.clone()));
    let stepper = stepping::install(world.clone());
    stepping::set_recording(is_told);
    Hub::enter(Some(hub.clone()));
    World::enter(Some(world.clone()));
    let entered = runtime.enter();
    let wrong = drive(test, &world);
    stepping::set_recording(false);
    // Those that follow are of the cleaning up.
    let panics = std::mem::take(&mut *hub.panics.locked());
    let record = std::mem::take(&mut *hub.record());
    world.clear();
    world.set_runtime(None);
    World::enter(None);
    drop((entered, stepper));
    drop(runtime);
    Hub::enter(None);
    let is_panic = wrong.as_ref().is_some_and(|wrong| wrong.kind == FailureKind::Panic);
    let wrong = match panics.into_iter().next() {
        Some(PanicText { message, place }) if is_panic || !settings.allows_panics => {
            Wrong::new(FailureKind::Panic, place.clone(), format!("{message}, at {place}"))
        }
        _ => wrong,
    };
    let wrong = wrong.map(|wrong| Wrong { message: record.named(&wrong.message), ..wrong });
    Ran { record, chooser: hub.chooser().take(), wrong, clock_matters: world.clock_matters.get() }
}

fn drive<F, Fut>(test: &Arc<F>, world: &Rc<World>) -> Option<Wrong>
where
    F: Fn(Platform) -> Fut + 'static,
    Fut: Future<Output = Result<()>> + 'static,
{
    let platform = match Platform::startup() {
        Ok(platform) => platform,
        Err(error) => return wrong_by(&error),
    };
    world.count_own_tasks();
    let (test, of_test) = (test.clone(), platform.clone());
    let outcome = match ended(world, "the test", async move { test(of_test).await }) {
        Ok(outcome) => outcome,
        Err(halt) => return halted(halt, "the test", &platform.report(), world),
    };
    match outcome {
        Err(()) => return Wrong::new(FailureKind::Panic, "", "the test panicked"),
        Ok(Err(error)) => return wrong_by(&error),
        Ok(Ok(())) => {}
    }
    let shutdown = platform.shutdown();
    let ended = ended(world, "the shutdown", shutdown);
    let report = platform.report();
    match ended {
        Err(halt) => return halted(halt, "the shutdown", &report, world),
        Ok(Ok(Err(error))) if error.hresult() == Hresult::ERROR_TIMEOUT => {
            return Wrong::new(FailureKind::Leak, "", format!("after the test had ended: {error}"));
        }
        Ok(Ok(Err(error))) => return wrong_by(&error),
        Ok(_) => {}
    }
    if report.double_calls > 0 {
        let message = format!(
            "the callbacks of operations came {} time(s) after their End had run",
            report.double_calls
        );
        return Wrong::new(FailureKind::CalledTwice, "", message);
    }
    None
}

/// Steps until this future, a task of the world's, has ended; `Err(())` if it has panicked.
fn ended<T: 'static>(
    world: &Rc<World>,
    name: &str,
    future: impl Future<Output = T> + 'static,
) -> std::result::Result<std::result::Result<T, ()>, Halt> {
    let value = Rc::new(RefCell::new(None));
    let set = value.clone();
    let future = panic::AssertUnwindSafe(future).catch_unwind();
    let task = async move {
        let ended = future.await.map_err(drop_payload);
        *set.borrow_mut() = Some(ended);
    };
    world.add_own_task(name, Box::pin(task));
    world.until(|| value.borrow().is_some())?;
    Ok(value.take().unwrap_or(Err(())))
}

fn wrong_by(error: &Error) -> Option<Wrong> {
    Wrong::new(FailureKind::Error, error.hresult().to_string(), error.to_string())
}

/// Who waits for what when nothing happens any more, or too much does.
fn halted(halt: Halt, who: &str, report: &Report, world: &World) -> Option<Wrong> {
    let (kind, what) = match halt {
        Halt::Stuck => (FailureKind::Stuck, format!("nothing can happen any more, and {who} still waits")),
        Halt::Endless => {
            let steps = world.hub.record().steps();
            (FailureKind::Endless, format!("{who} has not ended after {steps} steps"))
        }
    };
    let mut message = what;
    for operation in &report.operations {
        message += &format!("\n    {}, begun at {}", operation.what, Place::of(operation.begun));
    }
    for queue in &report.queues {
        world.hub.record().queue(queue.id.0);
        let on = format!("on queue {}{}", queue.id, Place::allocated(queue.allocated));
        for running in &queue.running {
            let waits =
                if running.awaits_reply { "has returned, and its reply is awaited" } else { "has not ended" };
            message += &format!("\n    {} {on} {waits}", running.name);
        }
        if queue.stats.depth > 0 {
            message += &format!("\n    {} item(s) wait {on}", queue.stats.depth);
        }
    }
    let pending = [
        (report.scheduled, "scheduled item(s)"),
        (report.waiting, "item(s) that wait for an event"),
        (report.periodic, "periodic callback(s)"),
        (report.results, "asynchronous result(s) that are held"),
    ];
    for (count, what) in pending.into_iter().filter(|(count, _)| *count > 0) {
        message += &format!("\n    {count} {what}");
    }
    Wrong::new(kind, who, message)
}

/// Panics of threads that explore are kept, and not printed: thousands of runs may panic before the shortest is printed.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let Some(hub) = Hub::current() else { return former(info) };
            let place = info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let message = text.unwrap_or("a panic without a text").to_owned();
            hub.panics.locked().push(PanicText { message, place });
        }));
    });
}
