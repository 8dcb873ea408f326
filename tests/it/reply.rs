//! Promise: a serial queue does not go on after a REPLY callback until its result was invoked again:
//! inside the callback or at any later time, once; a reply that never comes is reported, and ends with
//! the shutdown's deadline, or with the last handle to the platform, without which nobody can reply.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{
    Count, Drops, Gate, Log, both_runtimes, callback, multi_thread, paused_time, until, with,
};
use mf_async::{
    AsyncResult, CallbackFlags, CallbackParameters, Hresult, Platform, QueueId, Reply, WorkItem, WorkQueue,
};

fn started() -> (Platform, WorkQueue) {
    let platform = Platform::startup().unwrap();
    let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
    (platform, queue)
}

/// A callback that needs a reply, and names the queue itself, as the page has it.
fn replying(
    queue: &WorkQueue,
    call: impl Fn(&AsyncResult) + Send + Sync + 'static,
) -> Arc<dyn mf_async::AsyncCallback> {
    with(CallbackParameters::on(queue).with_flags(CallbackFlags::REPLY), call)
}

#[test]
fn a_reply_inside_the_callback_advances_when_it_is_back() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let log = Log::new();
        for number in 0..100 {
            let (log, replies) = (log.clone(), platform.clone());
            let called = replying(&queue, move |result| {
                log.add((number, "in"));
                replies.invoke_callback(result).unwrap();
                log.add((number, "out"));
            });
            queue.put(called).unwrap();
        }
        queue.barrier().await.unwrap();
        let expected: Vec<_> = (0..100).flat_map(|number| [(number, "in"), (number, "out")]).collect();
        assert_eq!(log.all(), expected);
        assert_eq!(queue.stats().run, 100);
    });
}

#[test]
fn a_reply_from_elsewhere_advances_and_does_not_call_again() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let (held, calls, after) = (Log::new(), Count::new(), Count::new());
        let (hold, count) = (held.clone(), calls.clone());
        let called = replying(&queue, move |result| {
            count.add();
            hold.add(result.clone());
        });
        queue.put(called).unwrap();
        until("the callback has run", || queue.stats().run == 1).await;
        assert_eq!((queue.stats().depth, queue.stats().running), (0, 1));
        queue.put(after.counts()).unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!((after.get(), queue.stats().depth, queue.stats().running), (0, 1, 1));
        let result = held.all().remove(0);
        tokio::spawn({
            let platform = platform.clone();
            async move { platform.invoke_callback(&result).unwrap() }
        })
        .await
        .unwrap();
        queue.barrier().await.unwrap();
        assert_eq!((calls.get(), after.get()), (1, 1));
    });
}

#[test]
fn a_barrier_waits_for_the_reply() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let held = Log::new();
        let hold = held.clone();
        queue.put(replying(&queue, move |result| hold.add(result.clone()))).unwrap();
        until("the callback has run", || held.len() == 1).await;
        let barrier = queue.barrier();
        let quiet = queue.quiesce();
        tokio::pin!(barrier, quiet);
        for _ in 0..20 {
            assert!(futures::poll!(&mut barrier).is_pending());
            assert!(futures::poll!(&mut quiet).is_pending());
            tokio::task::yield_now().await;
        }
        platform.invoke_callback(&held.all()[0]).unwrap();
        barrier.await.unwrap();
        quiet.await.unwrap();
    });
}

#[test]
fn the_second_reply_is_an_ordinary_invoke() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let (held, calls) = (Log::new(), Count::new());
        let (hold, count, replies) = (held.clone(), calls.clone(), platform.clone());
        let called = replying(&queue, move |result| {
            count.add();
            hold.add(result.clone());
            // Each run is replied to.
            replies.invoke_callback(result).unwrap();
        });
        queue.put(called).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!(calls.get(), 1);
        platform.invoke_callback(&held.all()[0]).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!(calls.get(), 2);
    });
}

#[test]
fn the_second_reply_inside_the_callback_queues_behind_it() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let calls = Count::new();
        let (count, replies) = (calls.clone(), platform.clone());
        let called = replying(&queue, move |result| {
            replies.invoke_callback(result).unwrap();
            if count.next() == 0 {
                replies.invoke_callback(result).unwrap();
            }
        });
        queue.put(called).unwrap();
        queue.quiesce().await.unwrap();
        assert_eq!((calls.get(), queue.stats().put), (2, 2));
    });
}

#[test]
fn a_panicking_reply_callback_is_not_waited_for() {
    both_runtimes(|| async {
        let (_platform, queue) = started();
        queue.put(replying(&queue, |_| panic!("expected in a test"))).unwrap();
        let after = Count::new();
        queue.put(after.counts()).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!((after.get(), queue.stats().panicked), (1, 1));
    });
}

#[test]
fn a_reply_before_the_panic_counts_once() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let calls = Count::new();
        let (count, replies) = (calls.clone(), platform.clone());
        let called = replying(&queue, move |result| {
            count.add();
            replies.invoke_callback(result).unwrap();
            panic!("expected in a test");
        });
        queue.put(called).unwrap();
        queue.run(|| ()).await.unwrap();
        assert_eq!((calls.get(), queue.stats().panicked), (1, 1));
    });
}

#[test]
fn after_a_panic_the_result_is_an_ordinary_one() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let held = Log::new();
        let hold = held.clone();
        let called = replying(&queue, move |result| {
            hold.add(result.clone());
            panic!("expected in a test");
        });
        queue.put(called).unwrap();
        queue.barrier().await.unwrap();
        platform.invoke_callback(&held.all()[0]).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!(held.len(), 2);
    });
}

#[test]
fn a_blocking_callback_may_need_a_reply_too() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let held = Log::new();
        let hold = held.clone();
        let flags = CallbackFlags::REPLY | CallbackFlags::BLOCKING;
        let called = with(CallbackParameters::on(&queue).with_flags(flags), move |result| {
            hold.add(result.clone());
        });
        queue.put(called).unwrap();
        let after = queue.run(|| ());
        until("it awaits its reply", || {
            platform
                .report()
                .queues
                .iter()
                .any(|queue| queue.running.iter().any(|running| running.awaits_reply))
        })
        .await;
        assert!(!after.is_ended());
        platform.invoke_callback(&held.all()[0]).unwrap();
        after.await.unwrap();
    });
}

#[test]
fn elsewhere_the_flag_means_nothing() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        for queue in [QueueId::STANDARD, QueueId::MULTITHREADED, QueueId::LONG_FUNCTION] {
            let calls = Count::new();
            let count = calls.clone();
            let called = with(CallbackParameters::on(queue).with_flags(CallbackFlags::REPLY), move |_| {
                count.add();
            });
            let result = platform.result(called).build().unwrap();
            platform.invoke_callback(&result).unwrap();
            platform.invoke_callback(&result).unwrap();
            platform.queue(queue).unwrap().barrier().await.unwrap();
            assert_eq!(calls.get(), 2);
        }
    });
}

#[test]
fn the_queue_holds_the_result_until_the_reply_and_not_longer() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let (drops, held) = (Drops::new(), Log::new());
        let hold = held.clone();
        let called = replying(&queue, move |result| hold.add(result.clone()));
        queue.put(WorkItem::new(called).state(Arc::new(drops.token()))).unwrap();
        until("the callback has run", || queue.stats().run == 1).await;
        let result = held.all().remove(0);
        // The log's callback is the result's own, and holds the log: break the ring.
        platform.invoke_callback(&result).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!(drops.count(), 0);
        drop(result);
        held.clear();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_reply_while_the_platform_drains_is_taken() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let held = Log::new();
        let hold = held.clone();
        let after = Count::new();
        queue.put(replying(&queue, move |result| hold.add(result.clone()))).unwrap();
        queue.put(after.counts()).unwrap();
        drop(queue);
        until("the callback has run", || held.len() == 1).await;
        let shutdown = platform.shutdown();
        platform.invoke_callback(&held.all().remove(0)).unwrap();
        held.clear();
        shutdown.await.unwrap();
        assert_eq!(after.get(), 1);
    });
}

#[test]
fn a_reply_that_never_comes_is_reported_and_ends_with_the_deadline() {
    paused_time(|| async {
        let (platform, queue) = started();
        let (drops, after) = (Drops::new(), Count::new());
        queue.put(WorkItem::new(replying(&queue, |_| {})).state(Arc::new(drops.token()))).unwrap();
        let id = queue.id();
        queue.put(WorkItem::new(after.counts()).state(Arc::new(drops.token()))).unwrap();
        let waits = queue.run(|| ());
        drop(queue);
        let start = tokio::time::Instant::now();
        let error = platform.shutdown().await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        assert_eq!(error.hresult(), Hresult::ERROR_TIMEOUT);
        assert!(error.what().contains("awaits the reply to"), "{error}");
        assert!(error.what().contains(&id.to_string()), "{error}");
        assert_eq!(waits.await.unwrap_err().hresult(), Hresult::MF_E_SHUTDOWN);
        assert_eq!((after.get(), drops.count()), (0, 2));
    });
}

#[test]
fn without_a_handle_nobody_can_reply_and_a_shutdown_on_its_way_does_not_wait() {
    paused_time(|| async {
        let (platform, queue) = started();
        let (first, second, after) = (Count::new(), Count::new(), Count::new());
        let (in_first, in_second) = (first.clone(), second.clone());
        queue.put(replying(&queue, move |_| in_first.add())).unwrap();
        queue.put(replying(&queue, move |_| in_second.add())).unwrap();
        queue.put(after.counts()).unwrap();
        until("the first has run", || first.get() == 1).await;
        drop(queue);
        let shutdown = platform.shutdown_within(Duration::from_secs(3600));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!((second.get(), after.get()), (0, 0));
        let start = tokio::time::Instant::now();
        drop(platform);
        shutdown.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!((second.get(), after.get()), (1, 1));
    });
}

#[test]
fn a_reply_after_the_shutdown_harms_nobody() {
    paused_time(|| async {
        let (platform, queue) = started();
        let held = Log::new();
        let hold = held.clone();
        queue.put(replying(&queue, move |result| hold.add(result.clone()))).unwrap();
        drop(queue);
        until("the callback has run", || held.len() == 1).await;
        platform.shutdown().await.unwrap_err();
        // The queue has let go of it; whether this is a late reply or a late invoke, nothing is called.
        let _ = platform.invoke_callback(&held.all()[0]);
        let error = platform.invoke_callback(&held.all()[0]).unwrap_err();
        assert_eq!(error.hresult(), Hresult::MF_E_SHUTDOWN);
        assert_eq!(held.len(), 1);
    });
}

#[test]
fn without_a_platform_nobody_can_reply_and_nothing_waits_for_it() {
    multi_thread(|| async {
        let (platform, queue) = started();
        let (drops, count) = (Drops::new(), Count::new());
        queue.put(WorkItem::new(replying(&queue, |_| {})).state(Arc::new(drops.token()))).unwrap();
        queue.put(WorkItem::new(count.counts()).state(Arc::new(drops.token()))).unwrap();
        until("the reply is awaited", || {
            platform
                .report()
                .queues
                .iter()
                .any(|queue| queue.running.iter().any(|running| running.awaits_reply))
        })
        .await;
        assert_eq!(count.get(), 0);
        drop(queue);
        drop(platform);
        until("all is let go", || drops.count() == 2).await;
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn a_reply_that_races_with_the_callbacks_return_is_never_lost() {
    multi_thread(|| async {
        let (platform, queue) = started();
        let (send, receive) = std::sync::mpsc::channel::<AsyncResult>();
        let replies = platform.clone();
        let replier = std::thread::spawn(move || {
            while let Ok(result) = receive.recv() {
                replies.invoke_callback(&result).unwrap();
            }
        });
        let calls = Count::new();
        for _ in 0..20_000 {
            let (send, count) = (send.clone(), calls.clone());
            let called = replying(&queue, move |result| {
                count.add();
                send.send(result.clone()).unwrap();
            });
            queue.put(called).unwrap();
        }
        drop(send);
        queue.barrier().await.unwrap();
        assert_eq!(calls.get(), 20_000);
        replier.join().unwrap();
    });
}

#[test]
fn while_a_reply_is_awaited_the_threads_below_are_free() {
    multi_thread(|| async {
        let (platform, first) = started();
        let held = Log::new();
        let mut queues = vec![first];
        for _ in 0..9 {
            queues.push(platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap());
        }
        for queue in &queues {
            let hold = held.clone();
            queue.put(replying(queue, move |result| hold.add(result.clone()))).unwrap();
        }
        until("all await replies", || held.len() == 10).await;
        let gate = Gate::new();
        let open = gate.clone();
        platform.put(QueueId::MULTITHREADED, callback(move |_| open.open())).unwrap();
        gate.pass();
        for result in held.all() {
            platform.invoke_callback(&result).unwrap();
        }
        for queue in queues {
            queue.barrier().await.unwrap();
        }
    });
}

#[test]
fn without_a_runtime_the_queue_that_awaits_a_reply_is_let_go() {
    let drops = Drops::new();
    let counted = drops.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let platform = runtime.block_on(async move {
        let (platform, queue) = started();
        queue.put(WorkItem::new(replying(&queue, |_| {})).state(Arc::new(counted.token()))).unwrap();
        queue.put(WorkItem::new(callback(|_| {})).state(Arc::new(counted.token()))).unwrap();
        let awaits_reply = || platform.report().queues.iter().flat_map(|queue| &queue.running).count() == 1;
        until("the reply is awaited", awaits_reply).await;
        platform
    });
    drop(runtime);
    drop(platform);
    assert_eq!(drops.count(), 2);
}

/// Its callback was called, and only an invoke is the reply: anything else would call it again behind itself.
#[test]
fn a_result_whose_reply_is_awaited_can_only_be_invoked() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let (held, calls) = (Log::new(), Count::new());
        let (hold, count) = (held.clone(), calls.clone());
        let called = replying(&queue, move |result| {
            count.add();
            hold.add(result.clone());
        });
        queue.put(called).unwrap();
        until("the callback has run", || queue.stats().run == 1).await;
        let result = held.all().remove(0);
        held.clear();
        let refused = [
            platform.schedule(&result, Duration::ZERO),
            platform.schedule(&result, Duration::from_secs(3600)),
            platform.put_waiting(std::future::ready(()), &result),
            platform.put_waiting(std::future::pending(), &result),
        ];
        let other = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        let puts = [
            queue.put(&result),
            other.put(&result),
            platform.put(&queue, &result),
            platform.put(QueueId::MULTITHREADED, &result),
        ];
        for refused in refused.map(|refused| refused.map(drop)).into_iter().chain(puts) {
            assert_eq!(refused.unwrap_err().hresult(), Hresult::E_ILLEGAL_METHOD_CALL);
        }
        result.invoke().unwrap();
        queue.barrier().await.unwrap();
        assert_eq!(calls.get(), 1);
        other.barrier().await.unwrap();
        // Replied to, it is a result like any other.
        let key = platform.schedule(&result, Duration::from_secs(3600)).unwrap();
        platform.cancel_work_item(key).unwrap();
        drop((result, queue));
        platform.shutdown().await.unwrap();
    });
}

/// Both call its callback, and there is one reply.
#[test]
fn of_two_serial_queues_with_one_result_the_first_awaits_the_reply() {
    both_runtimes(|| async {
        let (platform, first) = started();
        let second = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        let (calls, gate) = (Count::new(), Gate::new());
        let count = calls.clone();
        let result = platform.result(replying(&first, move |_| count.add())).build().unwrap();
        // Held up, so that the result is on both before one calls it.
        let (held_up, blocking) = (gate.clone(), CallbackFlags::BLOCKING);
        second
            .put(with(CallbackParameters::on(&second).with_flags(blocking), move |_| held_up.pass()))
            .unwrap();
        second.put(&result).unwrap();
        first.put(&result).unwrap();
        let behind = first.run(|| ());
        until("the first calls it", || calls.get() == 1).await;
        gate.open();
        second.barrier().await.unwrap();
        assert_eq!(calls.get(), 2);
        assert!(!behind.is_ended());
        result.invoke().unwrap();
        behind.await.unwrap();
        assert_eq!(calls.get(), 2);
        drop((result, first, second));
        platform.shutdown().await.unwrap();
    });
}

/// A result that was scheduled first, and whose reply is awaited when its time comes.
#[test]
fn a_time_or_an_event_that_comes_meanwhile_is_the_reply() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        for waits in [false, true] {
            let calls = Count::new();
            let count = calls.clone();
            let result = platform.result(replying(&queue, move |_| count.add())).build().unwrap();
            let (happens, happened) = tokio::sync::oneshot::channel::<()>();
            if waits {
                let event = async move { drop(happened.await) };
                platform.put_waiting(event, &result).unwrap();
            } else {
                platform.schedule(&result, Duration::from_millis(20)).unwrap();
            }
            queue.put(&result).unwrap();
            let behind = queue.run(|| ());
            until("the callback has run", || calls.get() == 1).await;
            drop(happens);
            behind.await.unwrap();
            assert_eq!(calls.get(), 1);
        }
        drop(queue);
        platform.shutdown().await.unwrap();
    });
}

/// It would come from an item of a queue above, which waits behind the one that awaits it.
#[test]
fn a_reply_that_comes_from_above_does_not_cost_a_shutdown_its_deadline() {
    both_runtimes(|| async {
        for above in 1..4 {
            let (platform, queue) = started();
            let mut queues = vec![queue];
            for _ in 0..above {
                let base = queues.last().unwrap().id();
                queues.push(platform.allocate_serial_work_queue(base).unwrap());
            }
            let (held, log) = (Log::new(), Log::new());
            let (hold, first) = (held.clone(), log.clone());
            queues[0]
                .put(replying(&queues[0], move |result| {
                    first.add("awaits its reply");
                    hold.add(result.clone());
                }))
                .unwrap();
            let (replies, second) = (held.clone(), log.clone());
            let top = queues.last().unwrap();
            top.run(|| ()).detach();
            top.run(move || {
                second.add("replies");
                replies.all().remove(0).invoke().unwrap();
                replies.clear();
            })
            .detach();
            queues[0].put(log.adds("behind it")).unwrap();
            until("it awaits its reply", || held.len() == 1).await;
            drop(queues);
            let start = std::time::Instant::now();
            platform.shutdown().await.unwrap();
            assert!(start.elapsed() < Duration::from_secs(5), "the deadline");
            assert_eq!(log.all(), ["awaits its reply", "replies", "behind it"]);
        }
    });
}

/// Where a callback leaves its reply.
type Kept = Arc<Mutex<Option<Reply>>>;

#[test]
fn a_reply_apart_from_the_result_advances_and_owns_nothing() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let (kept, drops, after) = (Kept::default(), Drops::new(), Count::new());
        let (keep, token) = (kept.clone(), drops.token());
        let called = replying(&queue, move |result| {
            let _ = &token;
            *keep.lock().unwrap() = result.to_reply();
        });
        queue.put(called).unwrap();
        let next = after.clone();
        queue.put(callback(move |_| next.add())).unwrap();
        until("the first is called", || kept.lock().unwrap().is_some()).await;
        assert_eq!((after.get(), drops.count()), (0, 0), "the queue waits, and keeps what it waits for");
        let reply = kept.lock().unwrap().take().unwrap();
        assert!(reply.send());
        until("the second is called", || after.get() == 1).await;
        until("the first is released", || drops.count() == 1).await;
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_reply_apart_that_is_dropped_replies_and_one_too_late_does_not() {
    both_runtimes(|| async {
        let (platform, queue) = started();
        let (kept, after) = (Kept::default(), Count::new());
        queue.put(replying(&queue, |result| drop(result.to_reply()))).unwrap();
        let (keep, replies) = (kept.clone(), platform.clone());
        let replied = replying(&queue, move |result| {
            *keep.lock().unwrap() = result.to_reply();
            replies.invoke_callback(result).unwrap();
            assert!(result.to_reply().is_none(), "the reply was given");
        });
        queue.put(replied).unwrap();
        let next = after.clone();
        let plain = callback(move |result| {
            assert!(result.to_reply().is_none(), "none is awaited");
            next.add();
        });
        queue.put(plain).unwrap();
        queue.barrier().await.unwrap();
        assert_eq!((after.get(), queue.stats().panicked), (1, 0));
        let late = kept.lock().unwrap().take().expect("one was awaited");
        // An item that waits for a reply of its own is not told by that of another.
        let other = Kept::default();
        let keep = other.clone();
        queue.put(replying(&queue, move |result| *keep.lock().unwrap() = result.to_reply())).unwrap();
        until("the other is called", || other.lock().unwrap().is_some()).await;
        assert!(!late.send());
        assert!(other.lock().unwrap().take().unwrap().send());
        queue.barrier().await.unwrap();
        platform.shutdown().await.unwrap();
    });
}
