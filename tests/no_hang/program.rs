//! A program: which queues there are, what is done with them, and how it ends; and how one is made up.

use proptest::prelude::*;
use proptest::sample::Index;

/// What is played, and checked.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub flavour: Flavour,
    pub queues: Vec<Made>,
    pub steps: Vec<Step>,
    /// Handles to the private queues are dropped before the end rather than after it.
    pub tidy: bool,
    pub end: End,
}

/// The runtime it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// One thread, and tokio's clock paused.
    Paused,
    /// Two workers.
    Workers,
}

/// How a queue is come by.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    Platform(u32),
    Standard,
    Multithreaded,
    Window,
    /// A serial queue over one that was made before it.
    SerialOver(Index),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Puts a work item.
    Put { queue: Index, priority: i32, body: Body },
    /// Begins an operation of a component that has this fault; it is called back on the queue. The component may have a
    /// callback of its own around the one that it was given.
    Begin { queue: Index, fault: Fault, wrapped: bool, fate: Fate },
    /// Runs a closure.
    Run { queue: Index, panics: bool, fate: Fate },
    /// Spawns a future.
    Spawn { queue: Index, future: Spawned, fate: Fate },
    /// Schedules a work item.
    Schedule { queue: Index, after: u64 },
    /// Puts a waiting work item.
    Wait { queue: Index, event: Event },
    /// Cancels what was scheduled, or waits.
    Cancel { which: Index },
    /// Lets the events that are waited for happen.
    Happen,
    /// Drops the handle to a queue.
    DropQueue { queue: Index },
    /// Waits for what was put before.
    Barrier { queue: Index },
    /// Lets a second go by, or a millisecond where it is a real one.
    Pass,
    /// The others have their turn.
    Yield,
    /// The component lets go of the results that it never completed.
    LetGo,
    /// A shutdown begins.
    BeginShutdown,
    /// Another platform is handed a queue's id and the key of an item.
    Elsewhere { queue: Index, which: Index },
    /// A component, its callback and its caller's task keep one result, and drop it in this order: see `parties`.
    Share { queue: Index, called: bool, order: u8, elsewhere: bool, panics: bool, outlives: bool },
    /// A Begin moves this across platforms.
    Move { queue: Index, what: Moved, cancelled: bool },
    /// The last handle of a further platform is dropped in the End of one of its operations.
    LastHandle { own_runtime: bool, last: LastEnd },
    /// Resolves a stream by these handlers, in this order; what never answers is cancelled.
    Resolve { handlers: Vec<Handler>, keep: bool, all: bool },
}

/// What a handler of the resolver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    Succeeds,
    /// It does not know the content.
    Unsupported,
    /// It reads, and then fails otherwise.
    Fails,
    /// It closes the stream, and fails.
    Closes,
    Panics,
    /// It panics before there is a future.
    PanicsAtOnce,
    Never,
}

/// What a work item does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Nothing,
    Panics,
    /// It asks for the blocking pool.
    Blocks,
    /// It puts another item on MULTITHREADED.
    Hops,
    /// It replies from within.
    Replies,
    /// It replies from another queue.
    RepliesLater,
    /// It keeps a serial queue waiting for its reply for ever.
    NeverReplies,
    /// It panics with what panics when it is dropped.
    PanicsWithABomb,
    /// Its state panics when it is dropped.
    PanicsWhenDropped,
    /// Its callback panics when it is asked for its name.
    NamePanics,
    /// The same for its parameters.
    ParametersPanic,
    /// It shuts the platform down from within.
    ShutsDown,
}

/// What goes wrong with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Late(u64),
    Twice,
    Never,
    LetGo,
    NoResult,
    Inline,
    WrongThread,
    Failing,
    FailingBegin,
    FailingBeginThatCallsBack,
    PanickingBegin,
    PanickingEnd,
    /// Begin panics with what panics when it is dropped.
    BombInBegin,
    /// The same for End.
    BombInEnd,
    /// The same for the work item by which the component does its work.
    BombInInvoke,
    /// It completes by way of another platform.
    ByAnother,
}

/// What the Begin of an operation takes across platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// The other platform makes the result, and this one invokes its callback.
    Result,
    /// The other platform makes the result, which is invoked without a platform in hand.
    ResultByItself,
    /// The other platform's queue is named, and this platform invokes the callback.
    Queue,
    /// The other platform's queue is named, and its result invoked.
    QueueAndResult,
    /// The other platform schedules the result, and Begin returns its key.
    Key,
    /// A method of the other platform serves the call, and Begin returns its cookie.
    Cookie,
}

/// How the End is called that drops the last handle of its platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastEnd {
    /// In the poll of the task that awaits.
    Awaited,
    /// On the queue that the operation names.
    OnItsQueue,
    /// On MULTITHREADED, because it is not awaited.
    Detached,
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is awaited at once, if it is bound to end, and else at the end.
    Awaited,
    AwaitedAtTheEnd,
    Dropped,
    Detached,
    /// It has a canceller, and is dropped.
    CancelledByDrop,
    /// It has a canceller, is cancelled, and awaited at the end.
    Cancelled,
    /// It is given so many milliseconds, and awaited at once.
    TimedOut(u64),
    /// It is awaited by an executor that knows nothing of tokio, if it is bound to end.
    AwaitedElsewhere,
    /// It is polled with a waker that panics, and awaited at the end.
    PolledByAPanic,
    /// Its canceller panics, and it is dropped.
    PanickingCanceller,
}

/// A future that is polled by a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spawned {
    Yields(u8),
    Never,
    Panics,
}

/// What a waiting item waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Ready,
    Happens,
    Never,
    Panics,
}

/// How the platform and its runtime go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In order.
    Shutdown,
    /// The platform is dropped, and the runtime goes on.
    DropPlatform,
    /// The runtime is dropped under the platform.
    DropRuntime,
    /// The runtime is dropped while a shutdown is on its way.
    DropRuntimeInShutdown,
    /// The runtime is dropped by a callback: one of its own platform, or one that runs on another runtime. A plain drop
    /// waits for threads, which tokio refuses on a thread of a runtime by a panic; the other way does not wait.
    DropRuntimeInside { of_another: bool, waits: bool },
    /// The last handle of the platform is dropped in the End of an operation.
    DropPlatformOnTheWay(LastEnd),
}

pub(crate) fn programs() -> impl Strategy<Value = Program> {
    (
        prop_oneof![Just(Flavour::Paused), Just(Flavour::Workers)],
        prop::collection::vec(queue(), 1..5),
        prop::collection::vec(step(), 0..24),
        prop::bool::weighted(0.8),
        end(),
    )
        .prop_map(|(flavour, queues, steps, tidy, end)| Program { flavour, queues, steps, tidy, end })
}

pub(crate) fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => Just(End::Shutdown),
        2 => Just(End::DropPlatform),
        2 => Just(End::DropRuntime),
        2 => Just(End::DropRuntimeInShutdown),
        2 => (any::<bool>(), any::<bool>())
            .prop_map(|(of_another, waits)| End::DropRuntimeInside { of_another, waits }),
        2 => last_end().prop_map(End::DropPlatformOnTheWay),
    ]
}

pub(crate) fn queue() -> impl Strategy<Value = Made> {
    prop_oneof![
        2 => prop::sample::select(vec![1, 2, 3, 4, 5, 7]).prop_map(Made::Platform),
        1 => Just(Made::Standard),
        1 => Just(Made::Multithreaded),
        1 => Just(Made::Window),
        3 => any::<Index>().prop_map(Made::SerialOver),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    prop_oneof![
        8 => (index(), -1..=1, body()).prop_map(|(queue, priority, body)| Step::Put { queue, priority, body }),
        8 => (index(), fault(), any::<bool>(), fate())
            .prop_map(|(queue, fault, wrapped, fate)| Step::Begin { queue, fault, wrapped, fate }),
        2 => (index(), any::<bool>(), fate()).prop_map(|(queue, panics, fate)| Step::Run { queue, panics, fate }),
        3 => (index(), spawned(), fate()).prop_map(|(queue, future, fate)| Step::Spawn { queue, future, fate }),
        3 => (index(), 0..2000_u64).prop_map(|(queue, after)| Step::Schedule { queue, after }),
        3 => (index(), event()).prop_map(|(queue, event)| Step::Wait { queue, event }),
        3 => index().prop_map(|which| Step::Cancel { which }),
        1 => Just(Step::Happen),
        1 => index().prop_map(|queue| Step::DropQueue { queue }),
        1 => index().prop_map(|queue| Step::Barrier { queue }),
        1 => Just(Step::Pass),
        2 => Just(Step::Yield),
        1 => Just(Step::LetGo),
        1 => Just(Step::BeginShutdown),
        1 => (index(), index()).prop_map(|(queue, which)| Step::Elsewhere { queue, which }),
        1 => (index(), any::<bool>(), 0..6_u8, any::<bool>(), any::<bool>(), prop::bool::weighted(0.2)).prop_map(
            |(queue, called, order, elsewhere, panics, outlives)| {
                Step::Share { queue, called, order, elsewhere, panics, outlives }
            }
        ),
        1 => (index(), moved(), any::<bool>())
            .prop_map(|(queue, what, cancelled)| Step::Move { queue, what, cancelled }),
        1 => (prop::bool::weighted(0.2), last_end())
            .prop_map(|(own_runtime, last)| Step::LastHandle { own_runtime, last }),
        1 => (prop::collection::vec(handler(), 0..4), any::<bool>(), any::<bool>())
            .prop_map(|(handlers, keep, all)| Step::Resolve { handlers, keep, all }),
    ]
}

fn moved() -> impl Strategy<Value = Moved> {
    prop::sample::select(vec![
        Moved::Result,
        Moved::ResultByItself,
        Moved::Queue,
        Moved::QueueAndResult,
        Moved::Key,
        Moved::Cookie,
    ])
}

fn last_end() -> impl Strategy<Value = LastEnd> {
    prop::sample::select(vec![LastEnd::Awaited, LastEnd::OnItsQueue, LastEnd::Detached])
}

fn handler() -> impl Strategy<Value = Handler> {
    prop::sample::select(vec![
        Handler::Succeeds,
        Handler::Unsupported,
        Handler::Fails,
        Handler::Closes,
        Handler::Panics,
        Handler::PanicsAtOnce,
        Handler::Never,
    ])
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        6 => Just(Body::Nothing),
        2 => Just(Body::Panics),
        2 => Just(Body::Blocks),
        2 => Just(Body::Hops),
        2 => Just(Body::Replies),
        2 => Just(Body::RepliesLater),
        1 => Just(Body::NeverReplies),
        1 => Just(Body::PanicsWithABomb),
        1 => Just(Body::PanicsWhenDropped),
        1 => Just(Body::NamePanics),
        1 => Just(Body::ParametersPanic),
        1 => Just(Body::ShutsDown),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::None),
        2 => (0..3000_u64).prop_map(Fault::Late),
        1 => Just(Fault::Twice),
        2 => Just(Fault::Never),
        1 => Just(Fault::LetGo),
        1 => Just(Fault::NoResult),
        1 => Just(Fault::Inline),
        1 => Just(Fault::WrongThread),
        1 => Just(Fault::Failing),
        1 => Just(Fault::FailingBegin),
        1 => Just(Fault::FailingBeginThatCallsBack),
        1 => Just(Fault::PanickingBegin),
        1 => Just(Fault::PanickingEnd),
        1 => Just(Fault::BombInBegin),
        1 => Just(Fault::BombInEnd),
        1 => Just(Fault::BombInInvoke),
        1 => Just(Fault::ByAnother),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::Awaited),
        4 => Just(Fate::AwaitedAtTheEnd),
        1 => Just(Fate::Dropped),
        1 => Just(Fate::Detached),
        1 => Just(Fate::CancelledByDrop),
        1 => Just(Fate::Cancelled),
        1 => (0..3_u64).prop_map(Fate::TimedOut),
        1 => Just(Fate::AwaitedElsewhere),
        1 => Just(Fate::PolledByAPanic),
        1 => Just(Fate::PanickingCanceller),
    ]
}

fn spawned() -> impl Strategy<Value = Spawned> {
    prop_oneof![3 => (0..5_u8).prop_map(Spawned::Yields), 1 => Just(Spawned::Never), 1 => Just(Spawned::Panics)]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![Just(Event::Ready), Just(Event::Happens), Just(Event::Never), Just(Event::Panics)]
}
