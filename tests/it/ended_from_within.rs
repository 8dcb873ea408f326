//! Promise: what ends its own platform from within still ends with its own value: the last handle may be dropped in an
//! End, in a closure and in a future of that platform. What else is outstanding ends with `MF_E_SHUTDOWN`, and so does a
//! future that goes on after it. A runtime ends on all of its threads: what drops that ends with its value or so.

use std::sync::Arc;

use futures::executor::block_on;
use mf_async::{
    AsyncCallback, AsyncResult, CallbackParameters, Error, Operation, Platform, QueueId, Result,
    WorkQueueType,
};
use tokio::runtime::Builder;

use crate::support::{Drops, Gate, Wrapped, kept, within_bound};

/// The code of the user's, which ends the platform, and then gives 7.
type Code = Box<dyn FnOnce() -> u32 + Send>;

/// Begins something that calls this code.
type Begin = fn(&Platform, Code) -> Operation<u32>;

const KINDS: [(&str, Begin); 8] = [
    ("an End on STANDARD", |platform, code| {
        platform.begin_end_with(CallbackParameters::on(QueueId::STANDARD), &(), invoked(platform), end(code))
    }),
    ("an End on a window queue", |platform, code| {
        let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
        platform.begin_end_with(CallbackParameters::on(&window), &(), invoked(platform), end(code))
    }),
    ("an End of a callback that is wrapped", |platform, code| {
        let invoke = invoked(platform);
        platform.begin_end(&(), |nothing, callback| invoke(nothing, Arc::new(Wrapped(callback))), end(code))
    }),
    ("a closure", |platform, code| platform.queue(QueueId::MULTITHREADED).unwrap().run(code)),
    ("a closure on a window queue", |platform, code| {
        platform.allocate_work_queue(WorkQueueType::Window).unwrap().run(code)
    }),
    ("a future", |platform, code| {
        platform.queue(QueueId::MULTITHREADED).unwrap().spawn(async move { code() })
    }),
    ("a local future", |platform, code| {
        let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
        window.spawn_local(move || async move { code() })
    }),
    ("the body of a method", |platform, code| platform.method().call(async move { Ok(code()) })),
];

/// A Begin whose operation is called back at once.
fn invoked(platform: &Platform) -> impl Fn(&(), Arc<dyn AsyncCallback>) -> Result<()> {
    |(), callback| platform.result(callback).build()?.invoke()
}

fn end(code: Code) -> impl FnOnce(&(), &AsyncResult) -> Result<u32> + Send + 'static {
    move |(), _| Ok(code())
}

/// What the code drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    LastHandle,
    /// The last handle, of a platform that has a runtime of its own.
    LastHandleAndRuntime,
    Runtime,
}

/// How it ends, and what else is outstanding.
fn ends(begin: Begin, drops: Dropped, mut builder: Builder) -> (Result<u32>, Result<()>) {
    let runtime = builder.enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let (platform, mut runtime) = match drops {
        Dropped::LastHandleAndRuntime => (Platform::builder().runtime(runtime), None),
        _ => (Platform::builder().handle(handle.clone()), Some(runtime)),
    };
    let platform = platform.startup().unwrap();
    let (armed, _kept) = kept(&platform);
    let (last, dropped) = (platform.clone(), if drops == Dropped::Runtime { runtime.take() } else { None });
    let gate = Gate::new();
    let opened = gate.clone();
    let code = move || {
        opened.pass();
        dropped.into_iter().for_each(tokio::runtime::Runtime::shutdown_background);
        drop(last);
        7
    };
    let operation = begin(&platform, Box::new(code));
    let kept = (drops == Dropped::Runtime).then_some(platform);
    gate.open();
    let ended = match &runtime {
        Some(runtime) => runtime.block_on(operation),
        None => block_on(operation),
    };
    let armed = block_on(armed);
    drop(kept);
    (ended, armed)
}

fn each_ends(drops: Dropped, builder: fn() -> Builder) {
    let mut wrong = Vec::new();
    for (what, begin) in KINDS {
        let (ended, armed) = within_bound(move || ends(begin, drops, builder()));
        let is_beaten = drops == Dropped::Runtime && ended.as_ref().is_err_and(Error::is_shutdown);
        let right = (is_beaten || matches!(ended, Ok(7))) && armed.as_ref().is_err_and(Error::is_shutdown);
        if !right {
            wrong.push(format!("{what}: {ended:?}, {armed:?}"));
        }
    }
    assert!(wrong.is_empty(), "{drops:?}: {wrong:#?}");
}

fn workers() -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    builder
}

#[test]
fn what_drops_the_last_handle_ends_with_its_value_on_one_thread() {
    each_ends(Dropped::LastHandle, Builder::new_current_thread);
}

#[test]
fn what_drops_the_last_handle_ends_with_its_value_on_workers() {
    each_ends(Dropped::LastHandle, workers);
}

#[test]
fn what_drops_the_last_handle_and_its_runtime_ends_with_its_value() {
    each_ends(Dropped::LastHandleAndRuntime, workers);
}

#[test]
fn what_drops_the_runtime_ends() {
    each_ends(Dropped::Runtime, workers);
}

#[test]
fn a_future_that_goes_on_after_it_has_ended_its_platform_does_not() {
    within_bound(|| {
        let runtime = workers().enable_all().build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        let (gate, last, drops) = (Gate::new(), platform.clone(), Drops::new());
        let (opened, token) = (gate.clone(), drops.token());
        let future = async move {
            let _token = token;
            opened.pass();
            drop(last);
            tokio::task::yield_now().await;
        };
        let operation = platform.queue(QueueId::MULTITHREADED).unwrap().spawn(future);
        drop(platform);
        gate.open();
        assert!(runtime.block_on(operation).unwrap_err().is_shutdown());
        // The operation ends first.
        while drops.count() == 0 {
            std::thread::yield_now();
        }
    });
}
