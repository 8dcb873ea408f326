//! An operation ends exactly once, whatever its component does and whatever its caller does with the
//! future: End is called at most once, the waiter is woken at most once, and nothing is leaked.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};

use mf_async::{AsyncCallback, AsyncResult, Error, ErrorKind, Hresult, Operation, Platform, Result};
use tokio::runtime::Runtime;

/// What the component does, in Begin or when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Component {
    BeginFails,
    BeginPanics,
    BeginCompletesThenFails,
    CompletesInline,
    CompletesLater,
    LetsGo,
    CompletesTwice,
    CompletesOnceMoreAtTheEnd,
    EndPanics,
    PlatformShutDown,
    PlatformDropped,
    RuntimeDropped,
}

/// What the caller does with the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// Polls, lets the component act, and awaits the end.
    Awaits,
    /// Awaits only when the component has acted.
    AwaitsAfterwards,
    /// Polls, drops, and then the component acts.
    PollsThenDrops,
    /// Never polls, and drops when the component has acted.
    NeverPolls,
    /// Detaches before the component acts.
    Detaches,
}

use Caller::*;
use Component::*;

const COMPONENTS: [Component; 12] = [
    BeginFails,
    BeginPanics,
    BeginCompletesThenFails,
    CompletesInline,
    CompletesLater,
    LetsGo,
    CompletesTwice,
    CompletesOnceMoreAtTheEnd,
    EndPanics,
    PlatformShutDown,
    PlatformDropped,
    RuntimeDropped,
];

const CALLERS: [Caller; 5] = [Awaits, AwaitsAfterwards, PollsThenDrops, NeverPolls, Detaches];

impl Component {
    /// Whether the operation has ended when Begin is back.
    fn ends_in_begin(self) -> bool {
        matches!(self, BeginFails | BeginPanics | BeginCompletesThenFails | CompletesInline)
    }

    /// How it ends for who waits.
    fn verdict(self) -> std::result::Result<(), (ErrorKind, Hresult)> {
        match self {
            CompletesInline | CompletesLater | CompletesTwice | CompletesOnceMoreAtTheEnd => Ok(()),
            BeginFails | BeginCompletesThenFails => Err((ErrorKind::Failed, Hresult::MF_E_NOTACCEPTING)),
            BeginPanics | EndPanics => Err((ErrorKind::Panicked, Hresult::E_UNEXPECTED)),
            LetsGo => Err((ErrorKind::Abandoned, Hresult::E_ABORT)),
            PlatformShutDown | PlatformDropped | RuntimeDropped => {
                Err((ErrorKind::Shutdown, Hresult::MF_E_SHUTDOWN))
            }
        }
    }

    /// How often End is called, late callbacks included.
    fn ends(self) -> usize {
        match self {
            BeginFails | BeginPanics | LetsGo => 0,
            _ => 1,
        }
    }
}

/// Counts what lives and what was dropped.
#[derive(Clone, Default)]
struct Census(Arc<(AtomicUsize, AtomicUsize)>);

impl Census {
    fn new_one(&self) -> Counted {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone())
    }

    fn made(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    fn dropped(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

struct Counted(Census);

impl Drop for Counted {
    fn drop(&mut self) {
        (self.0.0).1.fetch_add(1, Ordering::SeqCst);
    }
}

/// Counts its wakes.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn poll<F: Future + Unpin>(future: &mut F, wakes: &Arc<Wakes>) -> Poll<F::Output> {
    let waker = Waker::from(wakes.clone());
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

/// One world for one case; nothing in it runs by itself.
struct World {
    component: Component,
    runtime: Option<Runtime>,
    platform: Option<Platform>,
    held: Option<AsyncResult>,
    callback: Option<Weak<dyn AsyncCallback>>,
    values: Census,
    closures: Census,
    ends: Arc<AtomicUsize>,
}

impl World {
    fn new(component: Component) -> World {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        World {
            component,
            runtime: Some(runtime),
            platform: Some(platform),
            held: None,
            callback: None,
            values: Census::default(),
            closures: Census::default(),
            ends: Arc::default(),
        }
    }

    fn begin(&mut self) -> Operation<Counted> {
        let platform = self.platform.clone().unwrap();
        let (component, ends, values) = (self.component, self.ends.clone(), self.values.clone());
        let in_end = self.closures.new_one();
        platform.begin_end(
            &(),
            |(), callback| {
                self.callback = Some(Arc::downgrade(&callback));
                let result = platform.result(callback).build()?;
                match component {
                    BeginFails => return Err(Error::new(Hresult::MF_E_NOTACCEPTING, "begin")),
                    BeginPanics => panic!("in Begin"),
                    BeginCompletesThenFails => {
                        call(&result);
                        return Err(Error::new(Hresult::MF_E_NOTACCEPTING, "begin"));
                    }
                    CompletesInline => call(&result),
                    _ => self.held = Some(result),
                }
                Ok(())
            },
            move |(), result| {
                let _in_end = &in_end;
                ends.fetch_add(1, Ordering::SeqCst);
                assert!(component != EndPanics, "in End");
                result.status().ok().map(|_| values.new_one())
            },
        )
    }

    /// The component's time has come.
    fn act(&mut self) {
        match self.component {
            CompletesLater | EndPanics => self.held.take().iter().for_each(call),
            LetsGo => drop(self.held.take()),
            CompletesTwice => {
                let held = self.held.take().unwrap();
                call(&held);
                call(&held);
            }
            CompletesOnceMoreAtTheEnd => call(self.held.as_ref().unwrap()),
            PlatformShutDown => {
                let shutdown = self.platform.as_ref().unwrap().shutdown();
                let verdict = self.runtime.as_ref().unwrap().block_on(shutdown);
                assert_eq!(verdict.expect_err("a result is held").hresult(), Hresult::ERROR_TIMEOUT);
            }
            PlatformDropped => drop(self.platform.take()),
            RuntimeDropped => drop(self.runtime.take()),
            _ => {}
        }
    }

    /// All is over: a callback that is still held is called, late.
    fn check(mut self, case: &str) {
        self.held.take().iter().for_each(call);
        drop(self.platform.take());
        drop(self.runtime.take());
        assert_eq!(self.ends.load(Ordering::SeqCst), self.component.ends(), "{case}: calls of End");
        assert_eq!(self.values.made(), self.values.dropped(), "{case}: values");
        assert_eq!((self.closures.made(), self.closures.dropped()), (1, 1), "{case}: what End holds");
        let callback = self.callback.expect("begun");
        assert_eq!(callback.strong_count(), 0, "{case}: the callback is let go");
    }
}

fn call(result: &AsyncResult) {
    result.callback().unwrap().invoke(result);
}

fn check_verdict(component: Component, ended: Poll<Result<Counted>>, case: &str) {
    let Poll::Ready(value) = ended else { panic!("{case}: it does not hang") };
    let verdict = value.map(drop).map_err(|error| (error.kind(), error.hresult()));
    assert_eq!(verdict, component.verdict(), "{case}");
}

#[test]
fn every_component_with_every_caller() {
    for component in COMPONENTS {
        for caller in CALLERS {
            let case = format!("{component:?} × {caller:?}");
            let mut world = World::new(component);
            let wakes = Arc::new(Wakes::default());
            let mut operation = world.begin();
            assert_eq!(operation.is_ended(), component.ends_in_begin(), "{case}: ended in Begin");
            let mut woken = 0;
            match caller {
                Awaits => {
                    let first = poll(&mut operation, &wakes);
                    if component.ends_in_begin() {
                        check_verdict(component, first, &case);
                    } else {
                        assert!(first.is_pending(), "{case}");
                        world.act();
                        woken = 1;
                        assert!(operation.is_ended(), "{case}");
                        check_verdict(component, poll(&mut operation, &wakes), &case);
                    }
                    let again = poll(&mut operation, &wakes);
                    let Poll::Ready(Err(error)) = again else { panic!("{case}: polled once more") };
                    assert_eq!(error.hresult(), Hresult::E_ILLEGAL_METHOD_CALL, "{case}");
                    drop(operation);
                }
                AwaitsAfterwards => {
                    world.act();
                    check_verdict(component, poll(&mut operation, &wakes), &case);
                    drop(operation);
                }
                PollsThenDrops => {
                    let first = poll(&mut operation, &wakes);
                    assert_eq!(first.is_ready(), component.ends_in_begin(), "{case}");
                    drop((first, operation));
                    world.act();
                }
                NeverPolls => {
                    world.act();
                    drop(operation);
                }
                Detaches => {
                    operation.detach();
                    world.act();
                }
            }
            assert_eq!(wakes.count(), woken, "{case}: wakes");
            assert_eq!(Arc::strong_count(&wakes), 1, "{case}: no waker is kept");
            world.check(&case);
        }
    }
}

#[test]
fn the_canceller_is_called_once_and_only_while_the_operation_is_on_its_way() {
    for component in COMPONENTS {
        for act_first in [false, true] {
            let case = format!("{component:?}, acted first: {act_first}");
            let mut world = World::new(component);
            let cancels = Arc::new(AtomicUsize::new(0));
            let counter = cancels.clone();
            let operation = world.begin().cancel_with(move || _ = counter.fetch_add(1, Ordering::SeqCst));
            let on_its_way = !component.ends_in_begin() && !act_first;
            if act_first {
                world.act();
            }
            drop(operation);
            assert_eq!(cancels.load(Ordering::SeqCst), usize::from(on_its_way), "{case}");
            if !act_first {
                world.act();
            }
            world.check(&case);
        }
    }
}

#[test]
fn who_detaches_an_operation_does_not_cancel_it() {
    for component in COMPONENTS {
        let case = format!("{component:?}");
        let mut world = World::new(component);
        let cancels = Arc::new(AtomicUsize::new(0));
        let counter = cancels.clone();
        world.begin().cancel_with(move || counter.fetch_add(1, Ordering::SeqCst)).detach();
        world.act();
        assert_eq!(cancels.load(Ordering::SeqCst), 0, "{case}");
        world.check(&case);
    }
}

#[test]
fn what_has_ended_or_is_not_wanted_is_not_outstanding_when_a_result_is_made_for_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
    for ends in [false, true] {
        let mut begun = None;
        let operation = platform.begin_end(
            &(),
            |(), callback| {
                begun = Some(callback);
                Ok(())
            },
            |(), _| Ok(()),
        );
        let callback = begun.expect("begun");
        let kept = if ends {
            // The platform learns of the operation with a result of its own; this one is another's.
            let others = platform.result(Arc::new(|_: &AsyncResult| ())).build();
            callback.invoke(&others.unwrap());
            assert!(operation.is_ended());
            Some(operation)
        } else {
            drop(operation);
            None
        };
        let result = platform.result(callback).build().unwrap();
        let report = platform.report();
        assert!(report.operations.is_empty(), "it ends: {ends}\n{report}");
        drop((result, kept));
    }
}

#[test]
fn what_has_ended_is_not_ended_again_before_it_is_awaited() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
    let mut begun = None;
    let operation = platform.begin_end(
        &(),
        |(), callback| {
            begun = Some(callback.clone());
            platform.result(callback).build().map(|result| call(&result))
        },
        |(), _| Ok(7),
    );
    drop(begun);
    let outcome = runtime.block_on(operation.outcome());
    assert_eq!((outcome.value.unwrap(), outcome.status), (7, Hresult::S_OK));
}

#[test]
fn a_callback_races_with_the_caller_s_drop() {
    for round in 0..500 {
        let mut world = World::new(CompletesLater);
        let mut operation = world.begin();
        let wakes = Arc::new(Wakes::default());
        assert!(poll(&mut operation, &wakes).is_pending());
        let result = world.held.take().unwrap();
        let start = Arc::new(Barrier::new(2));
        let other = std::thread::spawn({
            let start = start.clone();
            move || {
                start.wait();
                call(&result);
            }
        });
        start.wait();
        if round % 2 == 0 {
            drop(operation);
        } else {
            let value = futures::executor::block_on(operation);
            assert!(value.is_ok());
        }
        other.join().unwrap();
        assert!(wakes.count() <= 1);
        world.check("a race");
    }
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let mut world = World::new(CompletesLater);
    let mut operation = world.begin();
    let (first, second) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
    for _ in 0..3 {
        assert!(poll(&mut operation, &first).is_pending());
        assert!(poll(&mut operation, &second).is_pending());
    }
    assert_eq!(Arc::strong_count(&first), 1, "a waker that is replaced is let go");
    world.act();
    assert_eq!((first.count(), second.count()), (0, 1));
    assert!(poll(&mut operation, &first).is_ready());
    world.check("wakers");
}

#[test]
fn an_operation_may_be_ended_by_the_waker_s_own_hand() {
    /// Polls the operation that it is woken for, on the stack of the wake.
    struct Greedy(Mutex<Option<Operation<Counted>>>, Census);
    impl Wake for Greedy {
        fn wake(self: Arc<Self>) {
            let operation = self.0.lock().unwrap().take();
            let value = futures::executor::block_on(operation.unwrap());
            assert!(value.is_ok());
            drop(self.1.new_one());
        }
    }
    let mut world = World::new(CompletesLater);
    let greedy = Arc::new(Greedy(Mutex::default(), Census::default()));
    let mut operation = world.begin();
    let waker = Waker::from(greedy.clone());
    assert!(Pin::new(&mut operation).poll(&mut Context::from_waker(&waker)).is_pending());
    *greedy.0.lock().unwrap() = Some(operation);
    world.act();
    assert_eq!(greedy.1.dropped(), 1, "no lock is held while a waker runs");
    world.check("greedy");
}

#[test]
fn the_panic_is_there_to_be_resumed() {
    let mut world = World::new(EndPanics);
    let mut operation = world.begin();
    world.act();
    let wakes = Arc::new(Wakes::default());
    let Poll::Ready(Err(error)) = poll(&mut operation, &wakes) else { panic!("it has ended") };
    assert_eq!(error.what(), "the End call panicked: in End");
    let payload = error.into_panic().expect("it is there");
    let resumed = catch_unwind(AssertUnwindSafe(|| std::panic::resume_unwind(payload)));
    assert_eq!(resumed.unwrap_err().downcast_ref::<&str>(), Some(&"in End"));
    world.check("panic");
}
