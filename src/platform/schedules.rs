//! A whole platform under thousands of random schedules: in every interleaving, what was begun ends
//! once, what was accepted runs or is dropped, and nothing is left.
//!
//! All that is locked or counted by this crate is a place where the schedule may change; tokio's runtime is the
//! real one, of one thread and with its clock paused, and is polled by a thread of the schedule's until all is over.

mod world;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use shuttle::thread;

use self::world::{Calling, Counting, Token, World, check};
use crate::async_result::{AsyncResult, CallbackFlags, CallbackParameters, QueueId};
use crate::error::{Hresult, Result};
use crate::operation::Operation;
use crate::platform::Platform;
use crate::queue::{WorkItem, WorkQueue, WorkQueueType};

/// One of each kind that has no thread of its own.
fn queues(platform: &Platform) -> Vec<WorkQueue> {
    vec![
        platform.queue(QueueId::MULTITHREADED).unwrap(),
        platform.allocate_work_queue(WorkQueueType::Standard).unwrap(),
        platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap(),
    ]
}

fn ends_or_is_shut_down(value: Result<Token>) -> bool {
    match value {
        Ok(_) => true,
        Err(error) => {
            assert!(error.is_shutdown(), "{error}");
            false
        }
    }
}

fn balanced(queue: &WorkQueue) {
    let stats = queue.stats();
    assert_eq!((stats.put, stats.depth, stats.running), (stats.run + stats.abandoned, 0, 0), "{stats:?}");
}

#[test]
fn shutdown_while_putting() {
    check(|| {
        let world = World::new();
        let platform = world.platform();
        let queues = queues(&platform);
        let putters: Vec<_> = queues
            .into_iter()
            .map(|queue| {
                let tokens: Vec<_> = (0..3).map(|_| world.token()).collect();
                thread::spawn(move || {
                    let run: Vec<Operation<Token>> =
                        tokens.into_iter().map(|token| queue.run(move || token)).collect();
                    let (calls, counts) = Counting::on(queue.id());
                    let accepted = usize::from(queue.put(counts).is_ok());
                    let values = run.into_iter().map(|operation| ends_or_is_shut_down(block_on(operation)));
                    let values = values.filter(|value| *value).count();
                    (queue, accepted, calls, values)
                })
            })
            .collect();
        let shutdown = platform.shutdown();
        let ended: Vec<_> = putters.into_iter().map(|putter| putter.join().unwrap()).collect();
        let queues: Vec<_> = ended
            .into_iter()
            .map(|(queue, accepted, calls, values)| (queue.stats(), queue, accepted, calls, values))
            .collect();
        let mut checked = Vec::new();
        for (_, queue, accepted, calls, values) in queues {
            checked.push((queue.unheld(), accepted, calls, values));
        }
        block_on(shutdown).unwrap();
        for (queue, accepted, calls, values) in checked {
            assert_eq!(calls.load(SeqCst), accepted);
            balanced(&queue);
            assert_eq!(queue.stats().run as usize, accepted + values);
        }
        world.end();
    });
}

#[test]
fn cancel_while_firing() {
    check(|| {
        let world = World::new();
        let platform = world.platform();
        let items: Vec<_> = (0..4)
            .map(|at| {
                let (calls, counts) = Counting::on(QueueId::MULTITHREADED);
                let delay = Duration::from_millis(1 + at / 2);
                let key = platform.schedule(WorkItem::new(counts).state(world.state()), delay).unwrap();
                (calls, key)
            })
            .collect();
        let cancelled: Vec<_> = items
            .iter()
            .map(|(_, key)| match platform.cancel_work_item(*key) {
                Ok(()) => true,
                Err(error) => {
                    assert_eq!(error.hresult(), Hresult::MF_E_NOT_FOUND);
                    false
                }
            })
            .collect();
        // Each has been cancelled or is called.
        for ((calls, _), cancelled) in items.iter().zip(&cancelled) {
            while !cancelled && calls.load(SeqCst) == 0 {
                thread::yield_now();
            }
        }
        block_on(platform.shutdown()).unwrap();
        for ((calls, key), cancelled) in items.iter().zip(cancelled) {
            assert_eq!(calls.load(SeqCst), usize::from(!cancelled), "{key}");
        }
        drop(platform);
        world.end();
    });
}

#[test]
fn cancel_while_it_happens() {
    check(|| {
        let world = World::new();
        let platform = world.platform();
        let (calls, status) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Hresult::E_FAIL)));
        let (count, seen) = (calls.clone(), status.clone());
        let called =
            Arc::new(Calling(CallbackParameters::on(QueueId::MULTITHREADED), move |result: &AsyncResult| {
                *seen.lock().unwrap() = result.status();
                count.fetch_add(1, SeqCst);
            }));
        let result = platform.result(called).state(world.state()).build().unwrap();
        let (send, receive) = tokio::sync::oneshot::channel::<()>();
        let taken = Arc::new(AtomicUsize::new(0));
        let takes = taken.clone();
        let event = async move {
            drop(receive.await);
            takes.fetch_add(1, SeqCst);
        };
        let key = platform.put_waiting(event, &result).unwrap();
        drop(result);
        let happens = thread::spawn(move || {
            let _ = send.send(());
        });
        let cancelled = platform.cancel_work_item(key).is_ok();
        happens.join().unwrap();
        block_on(platform.shutdown()).unwrap();
        assert_eq!(calls.load(SeqCst), 1);
        // By its key or, if that came too late or was not used, by the shutdown; a signal that a poll has taken is never lost.
        let expected =
            if taken.load(SeqCst) == 1 { Hresult::S_OK } else { Hresult::MF_E_OPERATION_CANCELLED };
        assert_eq!(*status.lock().unwrap(), expected, "cancelled: {cancelled}");
        drop(platform);
        world.end();
    });
}

#[test]
fn the_last_handle_dropped_on_a_queue_thread() {
    check(|| {
        let world = World::new();
        let platform = world.platform();
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        let handle = Mutex::new(Some((platform.clone(), queue.clone())));
        let last: Operation<()> = queue.run(move || drop(handle.lock().unwrap().take()));
        let token = world.token();
        let behind = queue.run(move || token);
        let mut held = Vec::new();
        let never: Operation<()> = platform.begin_end(
            &(),
            |(), callback| {
                held.push(platform.result(callback).state(world.state()).build()?);
                Ok(())
            },
            |(), _| Ok(()),
        );
        let other = thread::spawn(move || {
            drop(queue);
            drop(platform);
        });
        assert!(block_on(never).unwrap_err().is_shutdown());
        drop(held);
        let _ = block_on(last);
        ends_or_is_shut_down(block_on(behind));
        other.join().unwrap();
        world.end();
    });
}

#[test]
fn a_queue_closed_in_its_own_callback_while_it_is_put_on_by_number() {
    check(|| {
        let world = World::new();
        let platform = world.platform();
        let queue = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        let id = queue.id();
        let handle = Mutex::new(Some(queue.clone()));
        queue.run(move || drop(handle.lock().unwrap().take())).detach();
        let (calls, counts) = Counting::on(id);
        let putter = thread::spawn({
            let (platform, state) = (platform.clone(), world.state());
            move || platform.put(id, WorkItem::new(counts).state(state))
        });
        drop(queue);
        let accepted = match putter.join().unwrap() {
            Ok(()) => 1,
            Err(error) => {
                let code = error.hresult();
                assert!(matches!(code, Hresult::MF_E_INVALID_WORKQUEUE | Hresult::MF_E_SHUTDOWN), "{error}");
                0
            }
        };
        block_on(platform.shutdown()).unwrap();
        assert_eq!(calls.load(SeqCst), accepted);
        drop(platform);
        world.end();
    });
}

#[test]
fn a_queue_locked_by_number_while_its_last_handle_goes() {
    check(|| {
        let world = World::new();
        let platform = world.platform();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let id = queue.id();
        let locker = thread::spawn({
            let (platform, token) = (platform.clone(), world.token());
            move || match platform.queue(id) {
                // A handle keeps the queue open.
                Ok(queue) => drop(block_on(queue.run(move || token)).unwrap()),
                Err(error) => assert_eq!(error.hresult(), Hresult::MF_E_INVALID_WORKQUEUE),
            }
        });
        drop(queue);
        locker.join().unwrap();
        block_on(platform.shutdown()).unwrap();
        drop(platform);
        world.end();
    });
}

#[test]
fn a_reply_while_the_last_platform_goes() {
    check(|| {
        let world = World::new();
        let platform = world.platform();
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        let held = Arc::new(Mutex::new(None));
        // Its callback does not own what the result is held by.
        let hold = Arc::downgrade(&held);
        let flags = CallbackParameters::on(&queue).with_flags(CallbackFlags::REPLY);
        let replying = Calling(flags, move |result: &AsyncResult| {
            if let Some(held) = hold.upgrade() {
                *held.lock().unwrap() = Some(result.clone());
            }
        });
        queue.put(WorkItem::new(Arc::new(replying)).state(world.state())).unwrap();
        let token = world.token();
        let behind = queue.run(move || token);
        let replier = thread::spawn({
            let (platform, held) = (platform.clone(), held.clone());
            move || {
                // Once, if the callback has run by now.
                let result = held.lock().unwrap().take();
                if let Some(result) = result {
                    let _ = platform.invoke_callback(&result);
                }
            }
        });
        drop(queue);
        drop(platform);
        // No reply can come after the replier has ended: the item behind runs, or fails.
        ends_or_is_shut_down(block_on(behind));
        replier.join().unwrap();
        drop(held);
        world.end();
    });
}

#[test]
fn a_future_woken_while_it_is_polled() {
    check(|| {
        let world = World::new();
        let platform = world.platform();
        for queue in queues(&platform) {
            let (ready, waker) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None::<Waker>)));
            let (came, store) = (ready.clone(), waker.clone());
            let mut token = Some(world.token());
            let operation = queue.spawn(poll_fn(move |cx| {
                let former = store.lock().unwrap().replace(cx.waker().clone());
                drop(former);
                if came.load(SeqCst) { Poll::Ready(token.take().unwrap()) } else { Poll::Pending }
            }));
            let wakes = thread::spawn(move || {
                // In the first poll, or right behind it.
                let waker = loop {
                    let waker = waker.lock().unwrap().take();
                    if let Some(waker) = waker {
                        break waker;
                    }
                    thread::yield_now();
                };
                ready.store(true, SeqCst);
                // Nothing else ever wakes it.
                waker.wake();
            });
            drop(block_on(operation).unwrap());
            wakes.join().unwrap();
        }
        block_on(platform.shutdown()).unwrap();
        drop(platform);
        world.end();
    });
}

#[test]
fn a_future_woken_while_it_is_shut_down() {
    check(|| {
        let world = World::new();
        let platform = world.platform();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let (store, token) = (waker.clone(), world.token());
        let mut token = Some(token);
        let mut polls = 0;
        let operation = queue.spawn(poll_fn(move |cx| {
            polls += 1;
            if polls == 3 {
                return Poll::Ready(token.take().unwrap());
            }
            *store.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        }));
        let wakes = thread::spawn({
            let waker = waker.clone();
            move || {
                for _ in 0..4 {
                    let woken = waker.lock().unwrap().clone();
                    if let Some(waker) = woken {
                        waker.wake();
                    }
                    thread::yield_now();
                }
            }
        });
        drop(queue);
        let shutdown = platform.shutdown();
        ends_or_is_shut_down(block_on(operation));
        wakes.join().unwrap();
        drop(waker.lock().unwrap().take());
        block_on(shutdown).unwrap();
        drop(platform);
        world.end();
    });
}

#[test]
fn a_put_that_waits_for_room_while_it_is_shut_down() {
    check(|| {
        let world = World::new();
        let platform = world.platform();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap().bounded(1).unwrap();
        let place = queue.try_reserve().unwrap();
        let putters: Vec<_> = (0..2)
            .map(|_| {
                let (calls, counts) = Counting::on(queue.queue().id());
                let (queue, state) = (queue.clone(), world.state());
                thread::spawn(move || {
                    let put = block_on(queue.put(WorkItem::new(counts).state(state)));
                    (put, calls)
                })
            })
            .collect();
        let uses = thread::spawn(move || drop(place));
        drop(queue);
        let shutdown = platform.shutdown();
        let put: Vec<_> = putters.into_iter().map(|putter| putter.join().unwrap()).collect();
        uses.join().unwrap();
        block_on(shutdown).unwrap();
        for (put, calls) in put {
            match put {
                Ok(()) => assert_eq!(calls.load(SeqCst), 1),
                Err(error) => assert!(error.is_shutdown() && calls.load(SeqCst) == 0, "{error}"),
            }
        }
        drop(platform);
        world.end();
    });
}

#[test]
fn results_put_in_hand_while_it_is_shut_down() {
    check(|| {
        let world = World::new();
        let platform = world.platform();
        // A queue is made under a lock that the schedules do not see: this one is there before the threads are.
        drop(platform.queue(QueueId::MULTITHREADED).unwrap());
        let beginners: Vec<_> = [true, false]
            .map(|is_polled| {
                let (platform, state, token) = (platform.clone(), world.state(), world.token());
                thread::spawn(move || {
                    let (ends, mut component) = (Arc::new(AtomicUsize::new(0)), None);
                    let count = ends.clone();
                    let operation = platform.begin_end(
                        &(),
                        |(), callback| {
                            let result = platform.result(callback).state(state).build()?;
                            component = Some(thread::spawn(move || result.invoke().is_ok()));
                            Ok(())
                        },
                        move |(), _| {
                            count.fetch_add(1, SeqCst);
                            Ok(token)
                        },
                    );
                    let has_ended = is_polled && ends_or_is_shut_down(block_on(operation));
                    let accepted = component.is_some_and(|component| component.join().unwrap());
                    (ends, accepted, has_ended)
                })
            })
            .into();
        let shutdown = platform.shutdown();
        let begun: Vec<_> = beginners.into_iter().map(|beginner| beginner.join().unwrap()).collect();
        block_on(shutdown).unwrap();
        for (ends, accepted, has_ended) in begun {
            let ends = ends.load(SeqCst);
            assert!(usize::from(has_ended) <= ends && ends <= usize::from(accepted));
        }
        drop(platform);
        world.end();
    });
}
