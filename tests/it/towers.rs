//! Promise: serial queues may be stacked as high as one likes; a wait for a queue's own items is refused, wherever it was
//! made; a window queue's items stay on its thread.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Drops, Gate, Log, both_runtimes, callback, multi_thread, until, with};
use mf_async::{CallbackFlags, CallbackParameters, ErrorKind, Platform, QueueId, WorkQueueType};

#[test]
fn two_thousand_serial_queues_on_top_of_each_other() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let mut tower = vec![platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap()];
        for _ in 0..2000 {
            tower.push(platform.allocate_serial_work_queue(tower.last().unwrap()).unwrap());
        }
        let top = tower.last().unwrap().clone();
        let log = Log::new();
        (0..10).for_each(|number| top.put(log.adds(number)).unwrap());
        top.barrier().await.unwrap();
        assert_eq!(log.all(), (0..10).collect::<Vec<_>>());
        tower[1000].run(|| ()).await.unwrap();
        // The top goes last, and the whole tower with it.
        drop(tower);
        top.run(|| ()).await.unwrap();
        drop(top);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_tower_whose_runtime_goes_abandons_what_it_has() {
    both_runtimes(|| async {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        let mut tower = vec![platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap()];
        for _ in 0..2000 {
            tower.push(platform.allocate_serial_work_queue(tower.last().unwrap()).unwrap());
        }
        let top = tower.last().unwrap().clone();
        (0..10).for_each(|_| top.put(callback(|_| {})).unwrap());
        std::thread::spawn(|| drop(runtime)).join().unwrap();
        assert_eq!(top.stats().abandoned, 10);
    });
}

#[test]
fn a_wait_that_was_made_outside_is_refused_inside() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let (barrier, quiet) = (queue.barrier(), queue.quiesce());
        let inside = queue.spawn(async move { (barrier.await, quiet.await) });
        let (barrier, quiet) = inside.await.unwrap();
        assert_eq!(barrier.unwrap_err().kind(), ErrorKind::WouldDeadlock);
        assert_eq!(quiet.unwrap_err().kind(), ErrorKind::WouldDeadlock);
        assert!(queue.stats().run < 10);
    });
}

#[test]
fn what_blocks_stays_on_a_windows_thread() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let window = platform.allocate_work_queue(WorkQueueType::Window).unwrap();
        let over = platform.allocate_serial_work_queue(&window).unwrap();
        let threads = Log::new();
        let blocking = CallbackParameters::on(QueueId::STANDARD).with_flags(CallbackFlags::BLOCKING);
        for queue in [&window, &over] {
            let add = threads.clone();
            queue.put(with(blocking, move |_| add.add(std::thread::current().id()))).unwrap();
            queue.set_long_running(true);
            let add = threads.clone();
            queue.put(callback(move |_| add.add(std::thread::current().id()))).unwrap();
            queue.quiesce().await.unwrap();
        }
        let threads = threads.all();
        assert_eq!(threads.len(), 4);
        assert!(threads.iter().all(|thread| *thread == threads[0]));
    });
}

#[test]
fn a_turn_counts_in_none_of_the_counters_below() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let base = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let middle = platform.allocate_serial_work_queue(&base).unwrap();
        let top = platform.allocate_serial_work_queue(&middle).unwrap();
        let seen = Arc::new((base.clone(), middle.clone()));
        let stats = top.run(move || (seen.0.stats(), seen.1.stats())).await.unwrap();
        for stats in [stats.0, stats.1] {
            assert_eq!((stats.put, stats.run, stats.depth, stats.running), (0, 0, 0, 0));
        }
    });
}

#[test]
fn a_turn_that_was_handed_over_is_abandoned_with_its_tower() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let base = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let mut tower = vec![base.clone()];
        for _ in 0..20 {
            tower.push(platform.allocate_serial_work_queue(tower.last().unwrap()).unwrap());
        }
        let (first, second) = (Gate::new(), Gate::new());
        let pass = first.clone();
        base.put(callback(move |_| pass.pass())).unwrap();
        let (top, drops) = (tower.last().unwrap().clone(), Drops::new());
        let token = drops.token();
        top.put(callback(move |_| _ = &token)).unwrap();
        let (pass, holds) = (second.clone(), Gate::new());
        let held = holds.clone();
        base.put(callback(move |_| {
            held.open();
            pass.pass();
        }))
        .unwrap();
        // The turn lies behind the second callback now: it was nested too deep to run inside the first turn.
        first.open();
        until("the second callback runs", || holds.is_open()).await;
        let barrier = top.barrier();
        platform.shutdown_within(Duration::ZERO).await.unwrap_err();
        assert_eq!((top.stats().run, top.stats().abandoned, drops.count()), (0, 1, 1));
        barrier.await.unwrap_err();
        second.open();
    });
}
