//! The promise: what is put on a queue of the system's Media Foundation ends, once, on that queue, and is released.

use std::future::Future;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::support::{LIMIT, is_wine, until, within};
use futures::task::SpawnExt;
use mf_async::com;
use mf_async::{ErrorKind, Hresult, QueueId, WorkQueueType};
use windows::Win32::Foundation::HANDLE;
use windows::Win32::Media::MediaFoundation::{MFLockWorkQueue, MFUnlockWorkQueue};
use windows::Win32::System::Com::{APTTYPE, APTTYPE_MTA, APTTYPEQUALIFIER, CoGetApartmentType};
use windows::Win32::System::Threading::{CreateEventW, SetEvent};

fn all_kinds(platform: &com::Platform) -> Vec<(String, com::WorkQueue)> {
    let mut queues = Vec::new();
    for id in [1, 2, 3, 4, 5, 7] {
        queues.push((format!("platform queue {id}"), platform.queue(id).unwrap()));
    }
    for kind in [WorkQueueType::Standard, WorkQueueType::Window, WorkQueueType::Multithreaded] {
        queues.push((format!("{kind:?}"), platform.allocate_work_queue(kind).unwrap()));
    }
    queues.push(("serial".into(), platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap()));
    queues.push(("shared".into(), platform.lock_shared_work_queue("", 0, None).unwrap().0));
    queues.push((
        "shared of a class".into(),
        platform.lock_shared_work_queue("Playback", 0, Some(0)).unwrap().0,
    ));
    queues
}

fn in_mta() -> bool {
    let (mut kind, mut qualifier) = (APTTYPE::default(), APTTYPEQUALIFIER::default());
    unsafe { CoGetApartmentType(&raw mut kind, &raw mut qualifier) }.is_ok() && kind == APTTYPE_MTA
}

/// An auto-reset event, not signalled.
fn event() -> OwnedHandle {
    let event = unsafe { CreateEventW(None, false, false, None) }.unwrap();
    unsafe { OwnedHandle::from_raw_handle(event.0) }
}

fn set(event: &OwnedHandle) {
    use std::os::windows::io::AsRawHandle;
    unsafe { SetEvent(HANDLE(event.as_raw_handle())) }.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_queue_runs_closures_and_futures() {
    let platform = com::Platform::startup().unwrap();
    for (name, queue) in all_kinds(&platform) {
        let here = std::thread::current().id();
        let (there, mta) = within(queue.run(|| (std::thread::current().id(), in_mta()))).await.unwrap();
        assert_ne!(there, here, "{name}");
        assert!(mta || queue.id() == QueueId::LONG_FUNCTION, "{name}");
        let polls = Arc::new(AtomicU32::new(0));
        let counted = polls.clone();
        let mut left = 3;
        let future = std::future::poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::SeqCst);
            if left == 0 {
                return Poll::Ready("done");
            }
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        assert_eq!(within(queue.spawn(future)).await.unwrap(), "done", "{name}");
        assert_eq!(polls.load(Ordering::SeqCst), 4, "{name}");
    }
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serial_queue_runs_one_at_a_time_and_in_order() {
    let platform = com::Platform::startup().unwrap();
    let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let running = Arc::new(AtomicUsize::new(0));
    let operations: Vec<_> = (0..200)
        .map(|number| {
            let (order, running) = (order.clone(), running.clone());
            queue.run(move || {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                order.lock().unwrap().push(number);
                running.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    for operation in operations {
        within(operation).await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..200).collect::<Vec<_>>());
    drop(queue);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_queued_runs_although_the_handle_is_gone_and_then_the_queue_goes() {
    let platform = com::Platform::startup().unwrap();
    for kind in [WorkQueueType::Standard, WorkQueueType::Multithreaded] {
        let queue = platform.allocate_work_queue(kind).unwrap();
        let id = queue.id().0;
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let first = queue.run(move || gate.recv().is_err());
        let others: Vec<_> = (0..20).map(|number| queue.run(move || number)).collect();
        drop(queue);
        drop(open);
        assert!(within(first).await.unwrap());
        for (number, operation) in others.into_iter().enumerate() {
            assert_eq!(within(operation).await.unwrap(), number);
        }
        until("the queue is unlocked", || {
            let locked = unsafe { MFLockWorkQueue(id) }.is_ok();
            if locked {
                unsafe { MFUnlockWorkQueue(id) }.unwrap();
            }
            !locked
        });
    }
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_goes_although_all_that_may_take_long_does() {
    let platform = com::Platform::startup().unwrap();
    let long = platform.queue(QueueId::LONG_FUNCTION).unwrap();
    // None of the threads of single-threaded apartments is free, nor is one made for it.
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let busy: Vec<_> = (0..64)
        .map(|_| {
            let gate = gate.clone();
            long.run(move || gate.lock().unwrap().recv().is_err())
        })
        .collect();
    let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    let id = queue.id().0;
    drop(queue);
    until("the queue is unlocked", || {
        let locked = unsafe { MFLockWorkQueue(id) }.is_ok();
        if locked {
            unsafe { MFUnlockWorkQueue(id) }.unwrap();
        }
        !locked
    });
    drop(open);
    for operation in busy {
        assert!(within(operation).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_error_and_the_queue_goes_on() {
    let platform = com::Platform::startup().unwrap();
    let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
    let error = within(queue.run(|| panic!("in the closure"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    let error = within(queue.spawn(async { panic!("in the future") })).await.unwrap_err();
    assert_eq!((error.kind(), error.hresult()), (ErrorKind::Panicked, Hresult::E_UNEXPECTED));
    assert_eq!(within(queue.run(|| 1)).await.unwrap(), 1);
    drop(queue);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_future_may_wait_for_others_and_for_tokio() {
    let platform = com::Platform::startup().unwrap();
    let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let timer = tokio::time::sleep(Duration::from_millis(5));
    let spawned = queue.spawn(async move {
        timer.await;
        receiver.await.unwrap()
    });
    queue.spawn(async move { sender.send(7).unwrap() }).detach();
    assert_eq!(within(spawned).await.unwrap(), 7);
    let handle = queue.spawn_with_handle(async { 8 }).unwrap();
    assert_eq!(within(handle).await, 8);
    drop(queue);
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn wakes_from_everywhere_poll_one_at_a_time() {
    let platform = com::Platform::startup().unwrap();
    let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
    let waker = Arc::new(Mutex::new(None::<Waker>));
    let (stored, running) = (waker.clone(), AtomicU32::new(0));
    let stop = Arc::new(AtomicU32::new(0));
    let seen = stop.clone();
    let operation = queue.spawn(std::future::poll_fn(move |cx| {
        assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
        *stored.lock().unwrap() = Some(cx.waker().clone());
        let done = seen.load(Ordering::SeqCst) == 4;
        running.fetch_sub(1, Ordering::SeqCst);
        if done { Poll::Ready(()) } else { Poll::Pending }
    }));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (waker, stop) = (waker.clone(), stop.clone());
            std::thread::spawn(move || {
                let wake = || {
                    let waker = waker.lock().unwrap().clone();
                    waker.inspect(Waker::wake_by_ref);
                };
                (0..500).for_each(|_| wake());
                stop.fetch_add(1, Ordering::SeqCst);
                wake();
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    waker.lock().unwrap().take().inspect(Waker::wake_by_ref);
    within(operation).await.unwrap();
    drop((queue, waker));
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_platform_fails_what_would_never_end() {
    let platform = com::Platform::startup().unwrap();
    let queue = platform.queue(QueueId::MULTITHREADED).unwrap();
    let (_sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let never = queue.spawn(async { receiver.await.unwrap() });
    // This one has no waker left, so nothing can poll it again.
    let lost = queue.spawn(std::future::pending::<()>());
    assert_eq!(within(lost).await.unwrap_err().kind(), ErrorKind::Abandoned);
    let late = queue.schedule(Duration::from_secs(3600));
    let quiet = event();
    let waits = queue.wait_for(&quiet);
    drop((queue, platform));
    for operation in [never, late, waits] {
        assert_eq!(within(operation).await.unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_item_comes_after_its_time_and_may_be_cancelled() {
    let platform = com::Platform::startup().unwrap();
    for queue in [
        platform.queue(QueueId::MULTITHREADED).unwrap(),
        platform.allocate_work_queue(WorkQueueType::Standard).unwrap(),
    ] {
        let start = Instant::now();
        within(queue.schedule(Duration::from_millis(30))).await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(29));
        within(queue.schedule(Duration::ZERO)).await.unwrap();

        let hour = queue.schedule(Duration::from_secs(3600));
        let error = within(hour.cancel()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.hresult()),
            (ErrorKind::Cancelled, Hresult::MF_E_OPERATION_CANCELLED)
        );
        drop(queue.schedule(Duration::MAX));
    }
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_when_the_handle_is_signalled_or_it_is_cancelled() {
    let platform = com::Platform::startup().unwrap();
    let queue = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
    let handle = event();
    let mut waits = queue.wait_for(&handle);
    assert!(futures::poll!(&mut waits).is_pending());
    set(&handle);
    within(waits).await.unwrap();

    let waits = queue.wait_for(&handle);
    let error = within(waits.cancel()).await.unwrap_err();
    assert_eq!(error.hresult(), Hresult::MF_E_OPERATION_CANCELLED);

    // The caller's handle may be closed: the wait has its own.
    let other = handle.try_clone().unwrap();
    let waits = queue.wait_for(&other);
    drop(other);
    set(&handle);
    within(waits).await.unwrap();
    drop((queue, handle));
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_periodic_callback_is_called_until_its_guard_is_dropped() {
    let platform = com::Platform::startup().unwrap();
    let held = Arc::new(());
    let captured = held.clone();
    let (sender, mut ticks) = tokio::sync::mpsc::unbounded_channel();
    let guard = platform
        .add_periodic_callback(move || {
            let _ = &captured;
            let _ = sender.send(());
            panic!("contained");
        })
        .unwrap();
    for _ in 0..3 {
        within(ticks.recv()).await.unwrap();
    }
    drop(guard);
    within(async { while ticks.recv().await.is_some() {} }).await;
    assert_eq!(Arc::strong_count(&held), 1, "what it captured is dropped");
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_periodic_callback_may_panic_and_so_may_what_it_leaves_behind() {
    struct Bomb(std::sync::mpsc::Sender<()>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            panic!("contained");
        }
    }
    let platform = com::Platform::startup().unwrap();
    let (arrives, arrived) = std::sync::mpsc::channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (dropped, is_dropped) = std::sync::mpsc::channel();
    let (gate, bomb) = (Mutex::new(gate), Bomb(dropped));
    let guard = platform
        .add_periodic_callback(move || {
            let _ = &bomb;
            arrives.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            panic!("contained");
        })
        .unwrap();
    arrived.recv_timeout(LIMIT).unwrap();
    // The call that is running has the last of it now. Elsewhere: the removal may wait for it.
    let removed = std::thread::spawn(move || drop(guard));
    if is_wine() {
        removed.join().unwrap();
    }
    drop(open);
    is_dropped.recv_timeout(LIMIT).unwrap();
    drop(platform);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_none_are_refused() {
    let platform = com::Platform::startup().unwrap();
    let error = platform.queue(0x10000).unwrap_err();
    assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE);
    let error = platform.lock_shared_work_queue("", 0, Some(0)).unwrap_err();
    assert_eq!(error.hresult(), Hresult::E_INVALIDARG);
    drop(platform);
}

/// What is handed out may be handed on.
#[test]
fn handles_and_futures_cross_threads() {
    fn crosses<T: Send + Sync + Unpin>(_: impl FnOnce() -> T) {}
    fn sends<T: Future + Send>(_: impl FnOnce() -> T) {}
    crosses(|| -> com::WorkQueue { unreachable!() });
    crosses(|| -> com::PeriodicCallback { unreachable!() });
    sends(|| -> mf_async::Operation<()> { unreachable!() });
}
