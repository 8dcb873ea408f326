//! Plays a program, and holds what happens against what may.

#[path = "play/ends.rs"]
mod ends;
#[path = "play/moved.rs"]
mod moved;
#[path = "play/parties.rs"]
mod parties;

use std::any::Any;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Hresult, Operation, Platform, QueueId,
    Result, WorkItem, WorkItemKey, WorkQueue, WorkQueueType,
};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::SetOnce;

use crate::model::{Doubt, Verdict};
use crate::program::{Body, End, Event, Fate, Fault, Flavour, Made, Program, Spawned, Step};
use crate::resolve;
use crate::support::with;
use crate::wrap::{Asked, Wrapped, panicking_waker};

/// Plays it to its end, and says everything that was not as promised.
pub(crate) fn play(program: &Program) -> Vec<String> {
    let runtime = match program.flavour {
        Flavour::Paused => Builder::new_current_thread().enable_all().start_paused(true).build(),
        Flavour::Workers => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
    };
    let runtime = runtime.unwrap();
    let mut play = Play::new(program, &runtime);
    runtime.block_on(async {
        for step in &program.steps {
            play.step(step).await;
        }
    });
    play.end(runtime)
}

/// Whether a program is made of such panics.
pub(crate) fn is_planned(payload: &(dyn Any + Send)) -> bool {
    let text = payload.downcast_ref::<&str>().copied();
    payload.is::<Token>() || text.is_some_and(|text| text == "planned" || text.starts_with(TOKIO_REFUSES))
}

/// How tokio says that a runtime is not to be dropped on a thread of a runtime.
const TOKIO_REFUSES: &str = "Cannot drop a runtime";

/// What callbacks share with the player. They own no platform, which would keep itself.
#[derive(Default)]
struct Shared {
    platform: Mutex<Option<Platform>>,
    made: AtomicUsize,
    dropped: AtomicUsize,
    kept: Mutex<Vec<AsyncResult>>,
    wakers: Mutex<Vec<Waker>>,
    wrong: Mutex<Vec<String>>,
    /// The platform or its runtime is going.
    gone: AtomicBool,
    /// A shutdown was begun.
    shutting_down: AtomicBool,
}

impl Shared {
    fn platform(&self) -> Option<Platform> {
        self.platform.lock().unwrap().clone()
    }

    fn wrong(&self, what: impl Into<String>) {
        self.wrong.lock().unwrap().push(what.into());
    }

    /// Something whose drop is counted.
    fn token(self: &Arc<Self>, panics: bool) -> Token {
        self.made.fetch_add(1, SeqCst);
        Token { shared: self.clone(), panics, number: 0 }
    }

    /// The value of an operation.
    fn value(self: &Arc<Self>, number: usize) -> Token {
        self.made.fetch_add(1, SeqCst);
        Token { shared: self.clone(), panics: false, number }
    }

    /// Panics with what panics when it is dropped.
    fn panic_with_a_bomb(self: &Arc<Self>) -> ! {
        std::panic::panic_any(self.token(true))
    }
}

pub(crate) struct Token {
    shared: Arc<Shared>,
    panics: bool,
    /// The operation whose value it is.
    number: usize,
}

impl Drop for Token {
    fn drop(&mut self) {
        self.shared.dropped.fetch_add(1, SeqCst);
        assert!(!self.panics || std::thread::panicking(), "planned");
    }
}

/// One queue.
struct Slot {
    id: QueueId,
    handle: Option<WorkQueue>,
    /// One item at a time.
    serial: bool,
    /// Strictly as put, whatever the priorities.
    strict: bool,
    takes_waits: bool,
    /// The slot below.
    base: Option<usize>,
    /// It awaits a reply that never comes, or what is below does.
    stuck: bool,
    /// The same, if what would reply is let go.
    may_stick: bool,
    seen: Arc<Seen>,
}

/// What the items of a queue see of each other.
#[derive(Default)]
struct Seen {
    running: AtomicUsize,
    awaits_reply: AtomicBool,
    order: Mutex<Vec<(i32, usize)>>,
}

/// A work item, however it was put.
struct Work {
    what: String,
    slot: usize,
    calls: Arc<AtomicUsize>,
    key: Option<WorkItemKey>,
    least: Least,
    cancelled: bool,
}

/// How often it is called at least.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Least {
    Never,
    MaybeOnce,
    /// Once, if the end is in order.
    Once,
}

/// An operation, and what was wrong with it.
#[derive(Clone)]
struct Started {
    what: String,
    slot: usize,
    fault: Fault,
    number: usize,
}

struct Begun {
    started: Started,
    operation: Operation<Token>,
}

struct Play<'a> {
    program: &'a Program,
    shared: Arc<Shared>,
    /// Another platform on the same runtime.
    other: Platform,
    /// How many operations were begun.
    operations: usize,
    slots: Vec<Slot>,
    works: Vec<Work>,
    begun: Vec<Begun>,
    cancels: Vec<Arc<AtomicUsize>>,
    cancelled: HashMap<QueueId, u64>,
    happened: Arc<SetOnce<()>>,
    shutting_down: bool,
    /// Something stands in the way of an end in order.
    kept: bool,
}

impl Play<'_> {
    fn new<'a>(program: &'a Program, runtime: &Runtime) -> Play<'a> {
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        let shared = Arc::new(Shared::default());
        *shared.platform.lock().unwrap() = Some(platform.clone());
        let mut slots: Vec<Slot> = Vec::new();
        for made in &program.queues {
            let slot = make(&platform, made, &slots);
            slots.push(slot);
        }
        Play {
            program,
            shared,
            other: Platform::builder().handle(runtime.handle().clone()).startup().unwrap(),
            operations: 0,
            slots,
            works: Vec::new(),
            begun: Vec::new(),
            cancels: Vec::new(),
            cancelled: HashMap::new(),
            happened: Arc::default(),
            shutting_down: false,
            kept: false,
        }
    }

    async fn step(&mut self, step: &Step) {
        let platform = self.shared.platform().unwrap();
        match step {
            Step::Put { queue, priority, body } => {
                self.put(&platform, queue.index(self.slots.len()), *priority, *body)
            }
            Step::Begin { queue, fault, wrapped, fate } => {
                let started = self.started(step, queue.index(self.slots.len()), *fault);
                let operation = self.begin(&platform, &started, *wrapped);
                self.fate(started, *fate, operation).await;
            }
            Step::Run { queue, panics, fate } => {
                let slot = queue.index(self.slots.len());
                let Some(handle) = self.slots[slot].handle.clone() else { return };
                let (shared, token, panics) = (self.shared.clone(), self.shared.token(false), *panics);
                let fault = if panics { Fault::PanickingEnd } else { Fault::None };
                let started = self.started(step, slot, fault);
                let number = started.number;
                let operation = handle.run(move || {
                    assert!(!panics, "planned");
                    let _used = token;
                    shared.value(number)
                });
                drop(handle);
                self.fate(started, *fate, operation).await;
            }
            Step::Spawn { queue, future, fate } => {
                let slot = queue.index(self.slots.len());
                let Some(handle) = self.slots[slot].handle.clone() else { return };
                let fault = match future {
                    Spawned::Yields(_) => Fault::None,
                    Spawned::Never => Fault::Never,
                    Spawned::Panics => Fault::PanickingEnd,
                };
                let started = self.started(step, slot, fault);
                let operation = handle.spawn(spawned(&self.shared, *future, started.number));
                drop(handle);
                self.fate(started, *fate, operation).await;
            }
            Step::Schedule { queue, after } => {
                let slot = queue.index(self.slots.len());
                let (calls, callback) = self.counting(slot);
                let after = self.time(*after);
                let key = platform
                    .schedule(WorkItem::new(callback).state(Arc::new(self.shared.token(false))), after);
                self.work(step, slot, calls, key, Least::MaybeOnce);
            }
            Step::Wait { queue, event } => self.wait(&platform, step, queue.index(self.slots.len()), *event),
            Step::Cancel { which } => {
                let keyed: Vec<_> =
                    (0..self.works.len()).filter(|at| self.works[*at].key.is_some()).collect();
                if !keyed.is_empty() {
                    self.cancel(&platform, keyed[which.index(keyed.len())]);
                }
            }
            Step::Happen => {
                let _ = self.happened.set(());
            }
            Step::DropQueue { queue } => {
                let slot = queue.index(self.slots.len());
                drop(self.slots[slot].handle.take());
            }
            Step::Barrier { queue } => {
                let slot = &self.slots[queue.index(self.slots.len())];
                if let (Some(handle), false) = (&slot.handle, slot.stuck) {
                    let barrier = handle.barrier();
                    if let Err(error) = barrier.await {
                        // A shutdown whose time has run out drops what is queued, and a barrier says so.
                        if !(self.shutting_down && error.is_shutdown()) {
                            self.shared.wrong(format!("a barrier failed: {error}"));
                        }
                    }
                }
            }
            Step::Pass => tokio::time::sleep(self.time(1000)).await,
            Step::Yield => tokio::task::yield_now().await,
            Step::LetGo => {
                let kept = std::mem::take(&mut *self.shared.kept.lock().unwrap());
                drop(kept);
            }
            Step::Elsewhere { queue, which } => {
                self.elsewhere(queue.index(self.slots.len()), which);
            }
            Step::Share { queue, called, order, elsewhere, panics, outlives } => {
                let slot = queue.index(self.slots.len());
                let drops = parties::Drops { order: *order, elsewhere: *elsewhere, outlives: *outlives };
                self.share(&platform, step, slot, *called, *panics, drops).await;
            }
            Step::Move { queue, what, cancelled } => {
                let slot = queue.index(self.slots.len());
                self.move_across(&platform, step, slot, *what, *cancelled).await;
            }
            Step::LastHandle { own_runtime, last } => self.last_handle(step, *own_runtime, *last).await,
            Step::Resolve { handlers, keep, all } => {
                if let Err(wrong) = resolve::resolve(&platform, handlers, *keep, *all).await {
                    if !self.shutting_down {
                        self.shared.wrong(format!("{step:?}: {wrong}"));
                    }
                }
            }
            Step::BeginShutdown => {
                self.shutting_down = true;
                self.shared.shutting_down.store(true, SeqCst);
                // What comes after it may be in its way.
                let deadline = match self.program.flavour {
                    Flavour::Paused => Duration::from_secs(5),
                    Flavour::Workers => Duration::from_millis(3),
                };
                drop(platform.shutdown_within(deadline));
            }
        }
    }

    fn started(&mut self, step: &Step, slot: usize, fault: Fault) -> Started {
        self.operations += 1;
        Started { what: format!("{step:?}"), slot, fault, number: self.operations }
    }

    /// Another platform takes neither ids nor keys of this one for its own.
    fn elsewhere(&self, slot: usize, which: &proptest::sample::Index) {
        let id = self.slots[slot].id;
        if id.is_private() {
            let put = self.other.put(id, with(CallbackParameters::default(), |_| {}));
            let code = put.map_err(|error| error.hresult());
            if code != Err(Hresult::MF_E_INVALID_WORKQUEUE) {
                self.shared.wrong(format!("another platform put an item on {id}: {code:?}"));
            }
        }
        let keys: Vec<_> = self.works.iter().filter_map(|work| work.key).collect();
        if !keys.is_empty() {
            let code = self.other.cancel_work_item(keys[which.index(keys.len())]);
            let code = code.map_err(|error| error.hresult());
            if code != Err(Hresult::MF_E_NOT_FOUND) {
                self.shared.wrong(format!("another platform cancelled an item: {code:?}"));
            }
        }
    }

    /// Milliseconds of virtual time, microseconds of real time.
    fn time(&self, amount: u64) -> Duration {
        match self.program.flavour {
            Flavour::Paused => Duration::from_millis(amount),
            Flavour::Workers => Duration::from_micros(amount),
        }
    }

    /// So long that nothing but what is stuck takes longer; where something may be, and time is real,
    /// so short that nobody minds.
    fn deadline(&self) -> Duration {
        match self.program.flavour {
            Flavour::Workers if self.in_the_way() => Duration::from_millis(3),
            Flavour::Paused if self.in_the_way() => Duration::from_secs(60),
            _ => Duration::from_secs(3600),
        }
    }

    /// Whether something keeps a shutdown from ending before its deadline.
    fn in_the_way(&self) -> bool {
        let handles = self.slots.iter().any(|slot| slot.id.is_private() && slot.handle.is_some());
        self.kept || handles || self.slots.iter().any(|slot| slot.stuck)
    }

    fn put(&mut self, platform: &Platform, at: usize, priority: i32, body: Body) {
        let slot = &self.slots[at];
        // Without a serial queue a reply is a put.
        let replies = matches!(body, Body::Replies | Body::RepliesLater | Body::NeverReplies);
        let body = if replies && !slot.strict { Body::Nothing } else { body };
        let replies = replies && slot.strict;
        // What is refused is dropped on the caller's stack, and that panic is the caller's.
        let may_be_refused = self.shutting_down || slot.handle.is_none();
        let asks = matches!(body, Body::NamePanics | Body::ParametersPanic);
        let body =
            if (body == Body::PanicsWhenDropped || asks) && may_be_refused { Body::Nothing } else { body };
        let flags = match body {
            Body::Blocks => CallbackFlags::BLOCKING,
            _ if replies => CallbackFlags::REPLY,
            _ => CallbackFlags::empty(),
        };
        let number = self.works.len();
        let calls = Arc::new(AtomicUsize::new(0));
        let (shared, seen, called, serial) =
            (self.shared.clone(), slot.seen.clone(), calls.clone(), slot.serial);
        let callback = with(CallbackParameters::on(slot.id).with_flags(flags), move |result| {
            called.fetch_add(1, SeqCst);
            if serial {
                if seen.running.fetch_add(1, SeqCst) > 0 {
                    shared.wrong(format!("item {number} runs beside another of its serial queue"));
                }
                // Without a platform or a runtime nothing waits for a reply.
                let unreplied = seen.awaits_reply.swap(replies, SeqCst);
                if unreplied && !shared.gone.load(SeqCst) {
                    shared.wrong(format!("item {number} runs before the one before it was replied to"));
                }
                seen.order.lock().unwrap().push((priority, number));
            }
            let guard = Leave(serial.then(|| seen.clone()));
            perform(&shared, &seen, body, result);
            drop(guard);
        });
        let callback: Arc<dyn AsyncCallback> = match body {
            Body::NamePanics => Arc::new(Wrapped::new(callback, Asked::Name)),
            Body::ParametersPanic => Arc::new(Wrapped::new(callback, Asked::Parameters)),
            _ => callback,
        };
        let panics = body == Body::PanicsWhenDropped;
        let state = self.shared.token(panics);
        let put = || match &slot.handle {
            Some(handle) => handle.put(WorkItem::new(callback).state(Arc::new(state)).priority(priority)),
            None => platform.put(slot.id, WorkItem::new(callback).state(Arc::new(state)).priority(priority)),
        };
        // An item that has run before the put returns is let go by whoever is last, which may be the caller.
        let Ok(put) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(put)) else {
            if !panics {
                self.shared.wrong(format!("item {number}: the put of {body:?} panicked"));
            }
            return;
        };
        if body == Body::ParametersPanic {
            let code = put.map_err(|error| error.hresult());
            if code != Err(Hresult::E_UNEXPECTED) {
                self.shared.wrong(format!("item {number}: parameters that panic: {code:?}"));
            }
            return;
        }
        let accepted = put.is_ok();
        let step = format!("item {number}: put {body:?}");
        self.work(&step, at, calls, put.map(|()| None), Least::Once);
        if accepted && matches!(body, Body::NeverReplies | Body::RepliesLater) {
            self.stick(at, body == Body::NeverReplies);
        }
    }

    /// The queue and those over it may go on only when the platform ends.
    fn stick(&mut self, at: usize, forever: bool) {
        for other in at..self.slots.len() {
            let chain = std::iter::successors(Some(other), |at| self.slots[*at].base);
            if chain.into_iter().any(|below| below == at) {
                self.slots[other].stuck |= forever;
                self.slots[other].may_stick = true;
            }
        }
    }

    fn counting(&self, slot: usize) -> (Arc<AtomicUsize>, Arc<dyn AsyncCallback>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let (called, token) = (calls.clone(), self.shared.token(false));
        let callback = with(CallbackParameters::on(self.slots[slot].id), move |_| {
            let _used = &token;
            called.fetch_add(1, SeqCst);
        });
        (calls, callback)
    }

    /// Writes a work item down, and checks the code of one that was refused.
    fn work(
        &mut self,
        what: &(impl std::fmt::Debug + ?Sized),
        slot: usize,
        calls: Arc<AtomicUsize>,
        put: Result<impl Into<Option<WorkItemKey>>>,
        least: Least,
    ) {
        let what = format!("{what:?}");
        let (key, least) = match put {
            Ok(key) => (key.into(), least),
            Err(error) => {
                self.refused(&what, slot, error.hresult());
                (None, Least::Never)
            }
        };
        self.works.push(Work { what, slot, calls, key, least, cancelled: false });
    }

    fn refused(&self, what: &str, slot: usize, code: Hresult) {
        let right = match code {
            Hresult::MF_E_SHUTDOWN => self.shutting_down,
            Hresult::MF_E_INVALID_WORKQUEUE => {
                let slot = &self.slots[slot];
                slot.handle.is_none() || (what.starts_with("Wait") && !slot.takes_waits)
            }
            _ => false,
        };
        if !right {
            self.shared.wrong(format!("{what} was refused with {code}"));
        }
    }

    fn wait(&mut self, platform: &Platform, step: &Step, slot: usize, event: Event) {
        let (calls, callback) = self.counting(slot);
        let (happened, token) = (self.happened.clone(), self.shared.token(false));
        let event = async move {
            let _used = token;
            match event {
                Event::Ready => {}
                Event::Happens => {
                    happened.wait().await;
                }
                Event::Never => std::future::pending().await,
                Event::Panics => panic!("planned"),
            }
        };
        let state = Arc::new(self.shared.token(false));
        let key = platform
            .result(callback)
            .state(state)
            .build()
            .and_then(|result| platform.put_waiting(event, &result));
        // A queue that is closed by then lets go of it.
        let least = if self.slots[slot].id.is_private() { Least::MaybeOnce } else { Least::Once };
        self.work(step, slot, calls, key, least);
    }

    fn cancel(&mut self, platform: &Platform, at: usize) {
        let work = &self.works[at];
        let Some(key) = work.key else { return };
        match platform.cancel_work_item(key) {
            Ok(()) => {
                if work.cancelled {
                    self.shared.wrong(format!("{} was cancelled twice", work.what));
                }
                let slot = &self.slots[work.slot];
                *self.cancelled.entry(slot.id).or_default() += 1;
                let scheduled = work.what.starts_with("Schedule");
                self.works[at].cancelled = true;
                if scheduled {
                    self.works[at].least = Least::Never;
                }
            }
            Err(error) if error.hresult() == Hresult::MF_E_NOT_FOUND => {}
            Err(error) if error.is_shutdown() && self.shutting_down => {}
            Err(error) => self.shared.wrong(format!("{} could not be cancelled: {error}", work.what)),
        }
    }

    /// Begins an operation of a component that has this fault.
    fn begin(&mut self, platform: &Platform, started: &Started, wrapped: bool) -> Operation<Token> {
        let Started { slot, fault, number, .. } = *started;
        let (shared, other) = (self.shared.clone(), self.other.clone());
        self.kept |= fault == Fault::Never;
        let late = match fault {
            Fault::Late(after) => self.time(after),
            _ => Duration::ZERO,
        };
        let paused = self.program.flavour == Flavour::Paused;
        let begin = |callback: Arc<dyn AsyncCallback>| {
            let callback = if wrapped { Arc::new(Wrapped::new(callback, Asked::Nothing)) } else { callback };
            let result = || {
                let token = Arc::new(shared.token(false));
                platform.result(callback.clone()).object(token.clone()).state(token).build()
            };
            match fault {
                Fault::None | Fault::PanickingEnd | Fault::BombInEnd => platform.invoke_callback(&result()?),
                Fault::Late(_) => platform.schedule(&result()?, late).map(drop),
                Fault::Twice => {
                    let result = result()?;
                    platform.invoke_callback(&result)?;
                    platform.invoke_callback(&result)
                }
                Fault::Never => {
                    shared.kept.lock().unwrap().push(result()?);
                    Ok(())
                }
                Fault::LetGo => result().map(drop),
                Fault::NoResult => Ok(()),
                Fault::Inline => {
                    callback.invoke(&result()?);
                    Ok(())
                }
                Fault::WrongThread => {
                    let result = result()?;
                    let call = move || callback.invoke(&result);
                    match paused {
                        // The clock would not wait for a thread that the runtime does not know.
                        true => drop(tokio::task::spawn_blocking(call)),
                        false => drop(std::thread::spawn(call)),
                    }
                    Ok(())
                }
                Fault::Failing => {
                    let result = result()?;
                    result.set_status(Hresult::E_ACCESSDENIED);
                    platform.invoke_callback(&result)
                }
                Fault::FailingBegin => Err(Hresult::E_ACCESSDENIED.into()),
                Fault::FailingBeginThatCallsBack => {
                    platform.invoke_callback(&result()?)?;
                    Err(Hresult::E_ACCESSDENIED.into())
                }
                Fault::PanickingBegin => panic!("planned"),
                Fault::BombInBegin => shared.panic_with_a_bomb(),
                Fault::BombInInvoke => {
                    let panics = shared.clone();
                    let work = with(CallbackParameters::default(), move |_| panics.panic_with_a_bomb());
                    platform.put(QueueId::MULTITHREADED, WorkItem::new(work).state(result()?))
                }
                Fault::ByAnother => other.invoke_callback(&result()?),
            }
        };
        let (shared, token) = (self.shared.clone(), self.shared.token(false));
        let end = move |result: &AsyncResult| {
            let _used = token;
            assert!(fault != Fault::PanickingEnd, "planned");
            if fault == Fault::BombInEnd {
                shared.panic_with_a_bomb();
            }
            result.status().ok()?;
            Ok(shared.value(number))
        };
        // The platform knows of some from their Begin on, and of others when there is a result.
        if slot % 2 == 0 {
            platform.begin_end_with(
                CallbackParameters::on(self.slots[slot].id),
                &(),
                |(), callback| begin(callback),
                |(), result| end(result),
            )
        } else {
            platform.begin_end(&(), |(), callback| begin(callback), |(), result| end(result))
        }
    }

    async fn fate(&mut self, started: Started, fate: Fate, operation: Operation<Token>) {
        let Started { slot, fault, .. } = started;
        let canceller = || {
            let cancels = Arc::new(AtomicUsize::new(0));
            let token = self.shared.token(false);
            let count = cancels.clone();
            let call = move || {
                let _used = &token;
                count.fetch_add(1, SeqCst);
            };
            (cancels, call)
        };
        match fate {
            Fate::Dropped => drop(operation),
            Fate::Detached => operation.detach(),
            Fate::CancelledByDrop => {
                let (cancels, call) = canceller();
                drop(operation.cancel_with(call));
                self.cancels.push(cancels);
            }
            Fate::Cancelled => {
                let (cancels, call) = canceller();
                let operation = operation.cancel_with(call).cancel();
                self.cancels.push(cancels);
                self.begun.push(Begun { started, operation });
            }
            Fate::TimedOut(after) => {
                let value = operation.timeout(self.time(after * 500)).await;
                if Verdict::of(&value) != Verdict::TimedOut {
                    self.judge(&started, &value, self.doubt_now());
                }
            }
            Fate::Awaited if fault != Fault::Never && !self.slots[slot].stuck => {
                let value = operation.await;
                self.judge(&started, &value, self.doubt_now());
            }
            // A paused clock stands still while a thread of the pool waits for it.
            Fate::AwaitedElsewhere
                if !matches!(fault, Fault::Never | Fault::Late(_)) && !self.slots[slot].may_stick =>
            {
                let elsewhere = move || futures::executor::block_on(operation);
                let value = tokio::task::spawn_blocking(elsewhere).await.unwrap();
                self.judge(&started, &value, self.doubt_now());
            }
            Fate::PolledByAPanic => {
                let mut operation = operation;
                let waker = panicking_waker();
                let mut cx = std::task::Context::from_waker(&waker);
                match std::pin::Pin::new(&mut operation).poll(&mut cx) {
                    Poll::Ready(value) => self.judge(&started, &value, self.doubt_now()),
                    Poll::Pending => self.begun.push(Begun { started, operation }),
                }
            }
            Fate::PanickingCanceller => {
                let (cancels, call) = canceller();
                let panics = move || {
                    call();
                    panic!("planned");
                };
                drop(operation.cancel_with(panics));
                self.cancels.push(cancels);
            }
            Fate::Awaited | Fate::AwaitedAtTheEnd | Fate::AwaitedElsewhere => {
                self.begun.push(Begun { started, operation });
            }
        }
    }

    fn doubt_now(&self) -> Doubt {
        if self.shutting_down { Doubt::Disturbed } else { Doubt::None }
    }

    fn judge(&self, started: &Started, value: &Result<Token>, doubt: Doubt) {
        let Started { what, slot, fault, number } = started;
        let foreign = self.slots[*slot].id.is_private() && slot % 2 == 0;
        let slot = &self.slots[*slot];
        let closed = slot.handle.is_none();
        let doubt = if slot.stuck { Doubt::Disturbed } else { doubt };
        let verdict = Verdict::of(value);
        if !verdict.is_allowed(*fault, closed, foreign, doubt) {
            self.shared.wrong(format!("{what} ended with {verdict:?}"));
        }
        if let Ok(token) = value {
            if token.number != *number {
                self.shared.wrong(format!("{what} ended with the value of another, {}", token.number));
            }
        }
    }

    fn end(mut self, runtime: Runtime) -> Vec<String> {
        if self.program.tidy {
            for slot in self.slots.iter_mut().filter(|slot| slot.id.is_private()) {
                drop(slot.handle.take());
            }
        }
        let in_the_way = self.in_the_way();
        self.shared.gone.store(self.program.end != End::Shutdown, SeqCst);
        let platform = self.shared.platform().unwrap();
        let mut in_order = false;
        let runtime = match self.program.end {
            End::Shutdown => {
                let ended = runtime.block_on(platform.shutdown_within(self.deadline()));
                in_order = !(self.shutting_down || in_the_way && self.program.flavour == Flavour::Workers)
                    && self.slots.iter().all(|slot| !slot.stuck);
                if let (true, false, Err(error)) = (in_order, in_the_way, ended) {
                    self.shared.wrong(format!("the shutdown failed: {error}"));
                }
                self.all_ended("after the shutdown", |_, _| true);
                self.drop_platform(platform);
                Some(runtime)
            }
            End::DropPlatform => {
                self.drop_platform(platform);
                Some(runtime)
            }
            End::DropRuntime => {
                drop(runtime);
                self.ending("without a runtime", |_, _| true);
                self.drop_platform(platform);
                None
            }
            End::DropRuntimeInShutdown => {
                let shutdown = platform.shutdown_within(Duration::from_secs(3600));
                drop(runtime);
                let _ = futures::executor::block_on(shutdown);
                self.all_ended("after the shutdown without a runtime", |_, _| true);
                self.drop_platform(platform);
                None
            }
            End::DropRuntimeInside { of_another, waits } => {
                self.drop_runtime_inside(&platform, runtime, of_another, waits);
                self.ending("after a callback has dropped the runtime", |_, _| true);
                self.drop_platform(platform);
                None
            }
            End::DropPlatformOnTheWay(last) => {
                self.drop_platform_in_end(platform, &runtime, last);
                Some(runtime)
            }
        };
        self.await_all(runtime.as_ref(), in_order);
        let cancels = self.cancels.iter().filter(|cancels| cancels.load(SeqCst) > 1).count();
        if cancels > 0 {
            self.shared.wrong(format!("{cancels} cancellers were called twice"));
        }
        drop(std::mem::take(&mut *self.shared.kept.lock().unwrap()));
        self.balance(runtime.as_ref(), in_order);
        self.slots.iter_mut().for_each(|slot| drop(slot.handle.take()));
        drop(runtime);
        drop(std::mem::take(&mut *self.shared.wakers.lock().unwrap()));
        let shared = self.shared.clone();
        let count = || (shared.made.load(SeqCst), shared.dropped.load(SeqCst));
        if !soon(None, || count().0 == count().1) {
            let (made, dropped) = count();
            self.shared.wrong(format!("of {made} objects {dropped} were dropped"));
        }
        self.called_and_ordered(in_order);
        std::mem::take(&mut *self.shared.wrong.lock().unwrap())
    }

    fn drop_platform(&self, platform: Platform) {
        self.shared.gone.store(true, SeqCst);
        let shared = self.shared.platform.lock().unwrap().take();
        drop((platform, shared));
    }

    fn all_ended(&self, when: &str, which: impl Fn(&Begun, &Slot) -> bool) {
        for begun in self.begun.iter().filter(|begun| which(begun, &self.slots[begun.started.slot])) {
            if !begun.operation.is_ended() {
                self.shared.wrong(format!("{} has not ended {when}", begun.started.what));
            }
        }
    }

    /// The same, and threads of their own have some time.
    fn ending(&self, when: &str, which: impl Fn(&Begun, &Slot) -> bool) {
        let chosen = || self.begun.iter().filter(|begun| which(begun, &self.slots[begun.started.slot]));
        soon(None, || chosen().all(|begun| begun.operation.is_ended()));
        self.all_ended(when, which);
    }

    fn await_all(&mut self, runtime: Option<&Runtime>, in_order: bool) {
        for begun in std::mem::take(&mut self.begun) {
            let Begun { started, mut operation } = begun;
            let value = match runtime {
                Some(runtime) => runtime.block_on(operation),
                None => operation.wait(),
            };
            let doubt = if in_order { Doubt::InOrder } else { Doubt::Disturbed };
            self.judge(&started, &value, doubt);
        }
    }

    /// Every queue's counters add up, and nothing is left in it.
    fn balance(&self, runtime: Option<&Runtime>, in_order: bool) {
        for slot in self.slots.iter().filter(|slot| !slot.stuck && (in_order || !slot.may_stick)) {
            let Some(handle) = &slot.handle else { continue };
            let stats = || handle.stats();
            let balanced = || {
                let stats = stats();
                stats.put == stats.run + stats.abandoned && stats.depth == 0 && stats.running == 0
            };
            if !soon(runtime, balanced) {
                self.shared.wrong(format!("queue {}: {:?}", slot.id, stats()));
            }
            let cancelled = self.cancelled.get(&slot.id).copied().unwrap_or_default();
            if stats().cancelled != cancelled {
                self.shared.wrong(format!("queue {}: {cancelled} were cancelled: {:?}", slot.id, stats()));
            }
        }
    }

    fn called_and_ordered(&self, in_order: bool) {
        for work in &self.works {
            let calls = work.calls.load(SeqCst);
            let certain = in_order && work.least == Least::Once && !self.slots[work.slot].stuck;
            let most = usize::from(work.least != Least::Never);
            if calls > most || (certain && calls == 0) {
                self.shared.wrong(format!("{} was called {calls} times", work.what));
            }
        }
        for slot in self.slots.iter().filter(|slot| slot.serial) {
            let order = slot.seen.order.lock().unwrap();
            let sorted = |which: &dyn Fn(i32) -> bool| {
                let numbers: Vec<_> =
                    order.iter().filter(|(p, _)| which(*p)).map(|(_, number)| *number).collect();
                numbers.is_sorted()
            };
            let right =
                if slot.strict { sorted(&|_| true) } else { (-1..=1).all(|p| sorted(&|other| other == p)) };
            if !right {
                self.shared.wrong(format!("queue {}: items ran in the order {order:?}", slot.id));
            }
        }
    }
}

/// Counts an item out even when it unwinds.
struct Leave(Option<Arc<Seen>>);

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(seen) = &self.0 {
            if std::thread::panicking() {
                // A callback that panicked is not waited for.
                seen.awaits_reply.store(false, SeqCst);
            }
            seen.running.fetch_sub(1, SeqCst);
        }
    }
}

fn make(platform: &Platform, made: &Made, slots: &[Slot]) -> Slot {
    let base = match made {
        Made::SerialOver(below) if !slots.is_empty() => Some(below.index(slots.len())),
        _ => None,
    };
    let handle = match made {
        Made::Platform(number) => platform.queue(*number),
        Made::Standard => platform.allocate_work_queue(WorkQueueType::Standard),
        Made::Multithreaded => platform.allocate_work_queue(WorkQueueType::Multithreaded),
        Made::Window => platform.allocate_work_queue(WorkQueueType::Window),
        Made::SerialOver(_) => {
            let below = base.map_or(QueueId::MULTITHREADED, |base| slots[base].id);
            platform.allocate_serial_work_queue(below)
        }
    };
    let handle = handle.unwrap();
    let strict = matches!(made, Made::SerialOver(_));
    Slot {
        id: handle.id(),
        serial: strict || matches!(made, Made::Platform(1 | 2 | 4) | Made::Standard | Made::Window),
        strict,
        takes_waits: handle.id().is_private() || matches!(handle.id().0, 1 | 5),
        base,
        stuck: false,
        may_stick: false,
        seen: Arc::default(),
        handle: Some(handle),
    }
}

/// What a work item does.
fn perform(shared: &Arc<Shared>, seen: &Arc<Seen>, body: Body, result: &AsyncResult) {
    let reply = |shared: &Shared, seen: &Seen, result: &AsyncResult| {
        seen.awaits_reply.store(false, SeqCst);
        let Some(platform) = shared.platform() else { return };
        let _ = platform.invoke_callback(result);
    };
    match body {
        Body::Nothing
        | Body::NeverReplies
        | Body::PanicsWhenDropped
        | Body::NamePanics
        | Body::ParametersPanic => {}
        Body::ShutsDown => {
            let Some(platform) = shared.platform() else { return };
            // It would wait for the callback that it is called in.
            let ended = futures::FutureExt::now_or_never(platform.shutdown());
            let refused =
                matches!(&ended, Some(Err(error)) if error.hresult() == Hresult::ERROR_POSSIBLE_DEADLOCK);
            let is_going = shared.gone.load(SeqCst) || shared.shutting_down.load(SeqCst);
            let was_over = is_going && ended.is_some();
            if !(refused || was_over) {
                shared.wrong(format!("a shutdown in a callback: {ended:?}"));
            }
        }
        Body::Panics => panic!("planned"),
        Body::PanicsWithABomb => shared.panic_with_a_bomb(),
        Body::Blocks => std::thread::yield_now(),
        Body::Hops => {
            let Some(platform) = shared.platform() else { return };
            let token = shared.token(false);
            let hop = with(CallbackParameters::default(), move |_| {
                let _used = &token;
            });
            let _ =
                platform.put(QueueId::MULTITHREADED, WorkItem::new(hop).state(Arc::new(shared.token(false))));
        }
        Body::Replies => reply(shared, seen, result),
        Body::RepliesLater => {
            let Some(platform) = shared.platform() else { return };
            let (result, shared, seen) = (result.clone(), shared.clone(), seen.clone());
            let later = with(CallbackParameters::default(), move |_| reply(&shared, &seen, &result));
            let _ = platform.put(QueueId::MULTITHREADED, later);
        }
    }
}

fn spawned(
    shared: &Arc<Shared>,
    future: Spawned,
    number: usize,
) -> impl Future<Output = Token> + Send + use<> {
    let (shared, token) = (shared.clone(), shared.token(false));
    async move {
        let _used = token;
        match future {
            Spawned::Yields(times) => {
                for _ in 0..times {
                    yield_at_once().await;
                }
            }
            Spawned::Never => {
                poll_fn(|cx| {
                    shared.wakers.lock().unwrap().push(cx.waker().clone());
                    Poll::<()>::Pending
                })
                .await;
            }
            Spawned::Panics => panic!("planned"),
        }
        shared.value(number)
    }
}

/// Woken while it is polled, so that the next poll is put by a callback. (tokio's own wakes later, which in
/// a shutdown may be too late.)
async fn yield_at_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Whether the condition holds, now or in a moment.
fn soon(runtime: Option<&Runtime>, condition: impl Fn() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(5);
    while !condition() {
        if Instant::now() > until {
            return false;
        }
        // One without workers of its own runs only while somebody is in it.
        if let Some(runtime) = runtime {
            runtime.block_on(tokio::task::yield_now());
        }
        std::thread::yield_now();
    }
    true
}
