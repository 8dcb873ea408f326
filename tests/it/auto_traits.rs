//! Promise: what can be sent to, or shared with, another thread is said once, here; and handles stay small.

use std::fmt::Debug;
use std::future::Future;
use std::mem::size_of;
use std::panic::UnwindSafe;
use std::rc::Rc;

use mf_async::report::{OperationReport, QueueReport, QueueStats, RunningReport};
use mf_async::rtwq::{BoundedQueue, PeriodicKey, Permit, PlatformEvents, PlatformEventsGuard};
use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Error, ErrorKind, Hresult, Operation,
    Outcome, Platform, PlatformBuilder, PlatformLock, Priority, QueueId, Report, Unknown, WorkItemKey,
    WorkQueue, WorkQueueType,
};

/// `value!(Type: Send Sync Unpin)`: the type has these; with a `!` in front it has not.
macro_rules! has {
    ($type:ty: $($rest:tt)*) => { has!(@ [$type] $($rest)*); };
    (@ [$type:ty]) => {};
    (@ [$type:ty] !$trait:ident $($rest:tt)*) => {
        const _: () = {
            // Two ways to be `Ambiguous` if the type has the trait, so that it then does not compile.
            trait Ambiguous<A> { fn here() {} }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Has;
            impl<T: ?Sized + $trait> Ambiguous<Has> for T {}
            let _ = <$type as Ambiguous<_>>::here;
        };
        has!(@ [$type] $($rest)*);
    };
    (@ [$type:ty] $trait:ident $($rest:tt)*) => {
        const _: () = {
            const fn has<T: ?Sized + $trait>() {}
            has::<$type>()
        };
        has!(@ [$type] $($rest)*);
    };
}

#[rustfmt::skip]
mod table {
    use super::*;

    has!(Platform:             Send Sync Unpin Clone Debug);
    has!(PlatformBuilder:      Send Sync Unpin Default Debug);
    has!(PlatformLock:         Send Sync Unpin !Clone Debug);
    has!(PlatformEventsGuard:  Send Sync Unpin !Clone Debug);
    has!(dyn PlatformEvents:   Send Sync);
    has!(WorkQueue:            Send Sync Unpin Clone Debug);
    has!(BoundedQueue:         Send Sync Unpin Clone Debug);
    has!(Permit:             Send Sync Unpin !Clone Debug);
    has!(dyn AsyncCallback:    Send Sync);
    has!(AsyncResult:          Send Sync Unpin Clone Debug);
    has!(Unknown:              Send Sync Unpin Clone);
    has!(Operation<u8>:        Send Unpin Future !Clone Debug);
    // What it gives need not be shared to be waited for, but has to come from another thread.
    has!(Operation<std::cell::Cell<u8>>: Send Unpin Future);
    // Whatever it gives, it is never pinned.
    has!(Operation<std::marker::PhantomPinned>: Unpin);
    has!(Outcome<u8>:          Send Sync Unpin Clone Debug);
    has!(Outcome<Rc<u8>>:      !Send !Sync);
    has!(Error:                Send Sync Unpin Clone Debug);
    has!(ErrorKind:            Send Sync Unpin Copy Eq Debug);
    has!(Hresult:              Send Sync Unpin Copy Eq Ord Debug UnwindSafe);
    has!(QueueId:              Send Sync Unpin Copy Eq Ord Debug UnwindSafe);
    has!(WorkItemKey:          Send Sync Unpin Copy Eq Ord Debug);
    has!(PeriodicKey:          Send Sync Unpin Copy Eq Ord Debug);
    has!(Priority:             Send Sync Unpin Copy Eq Ord Default Debug);
    has!(WorkQueueType:        Send Sync Unpin Copy Eq Default Debug);
    has!(CallbackFlags:        Send Sync Unpin Copy Eq Default Debug);
    has!(CallbackParameters:   Send Sync Unpin Copy Eq Default Debug);
    has!(QueueStats:           Send Sync Unpin Copy Eq Default Debug);
    has!(QueueReport:          Send Sync Unpin Clone Debug);
    has!(RunningReport:        Send Sync Unpin Clone Debug);
    has!(OperationReport:      Send Sync Unpin Clone Debug);
    has!(Report:               Send Sync Unpin Clone Debug);
}

#[test]
fn handles_are_small() {
    let word = size_of::<usize>();
    for (name, size, words) in [
        ("Platform", size_of::<Platform>(), 1),
        ("AsyncResult", size_of::<AsyncResult>(), 1),
        ("Option<AsyncResult>", size_of::<Option<AsyncResult>>(), 1),
        ("WorkQueue", size_of::<WorkQueue>(), 4),
        ("Unknown", size_of::<Unknown>(), 2),
    ] {
        assert_eq!(size, words * word, "{name}");
    }
    assert_eq!((size_of::<Hresult>(), size_of::<QueueId>(), size_of::<CallbackParameters>()), (4, 4, 8));
    assert_eq!((size_of::<WorkItemKey>(), size_of::<PeriodicKey>()), (8, 4));
    // An error is an HRESULT, a kind, a text and a cause: what a `Result` carries around.
    assert!(size_of::<Error>() <= 6 * word, "{}", size_of::<Error>());
}

#[test]
fn the_futures_of_the_platform_and_its_queues_can_be_sent_and_outlive_them() {
    fn sent<F: Future + Send + 'static>(_: F) {}
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
    let queue = platform.queue(QueueId::STANDARD).unwrap();
    sent(queue.barrier());
    sent(queue.quiesce());
    sent(queue.run(|| ()));
    sent(queue.spawn(async {}));
    let limited = queue.clone().bounded(1).unwrap();
    sent(limited.reserve());
    sent(limited.run(|| ()));
    sent(limited.spawn(async {}));
    sent(limited.put(std::sync::Arc::new(|_: &AsyncResult| ())));
    sent(platform.shutdown());
    sent(platform.shutdown_within(std::time::Duration::ZERO));
}
