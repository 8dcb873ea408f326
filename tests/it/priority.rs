//! Promise: of what waits on a queue the more urgent goes first, and within one priority the first in is
//! the first out; nothing that runs is interrupted; a serial queue keeps the order of the puts.

use crate::support::{Count, Gate, Log, both_runtimes, callback, multi_thread};
use mf_async::{Platform, Priority, QueueId, WorkItem, WorkQueueType};

#[test]
fn a_saturated_queue_is_emptied_by_priority() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let mut queues = vec![platform.allocate_work_queue(WorkQueueType::Standard).unwrap()];
        for id in [QueueId::STANDARD, QueueId::RT, QueueId::TIMER] {
            queues.push(platform.queue(id).unwrap());
        }
        for queue in queues {
            let log = Log::new();
            let (seen, puts) = (log.clone(), queue.clone());
            // Put from a callback of the queue: until it is back, all of them wait.
            let fill = callback(move |_| {
                for number in 0..300 {
                    for priority in [0_i32, -1, 1, 7, -9] {
                        puts.put(WorkItem::new(seen.adds((priority.signum(), number))).priority(priority))
                            .unwrap();
                    }
                }
            });
            queue.put(fill).unwrap();
            queue.quiesce().await.unwrap();
            let mut expected = Vec::new();
            expected.extend((0..300).flat_map(|number| [(1, number); 2]));
            expected.extend((0..300).map(|number| (0, number)));
            expected.extend((0..300).flat_map(|number| [(-1, number); 2]));
            assert_eq!(log.all(), expected);
        }
    });
}

#[test]
fn something_urgent_overtakes_a_batch_that_was_taken_already() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let log = Log::new();
        let filler = queue.clone();
        let seen = log.clone();
        queue
            .put(callback(move |_| {
                for number in 0..100 {
                    filler.put(seen.adds(number)).unwrap();
                }
                let (puts, seen) = (filler.clone(), seen.clone());
                // This one runs when the batch is out of the inbox already.
                let urgent = callback(move |_| {
                    puts.put(WorkItem::new(seen.adds(-1)).priority(Priority::High)).unwrap();
                });
                filler.put(WorkItem::new(urgent).priority(Priority::High)).unwrap();
            }))
            .unwrap();
        queue.quiesce().await.unwrap();
        assert_eq!(log.all(), (-1..100).collect::<Vec<_>>());
    });
}

#[test]
fn however_many_are_urgent_all_of_them_overtake_the_batch() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let (log, puts) = (Log::new(), queue.clone());
        let seen = log.clone();
        let fill = callback(move |_| {
            for number in 0..1000 {
                let (again, log) = (puts.clone(), seen.clone());
                let item = callback(move |_| {
                    log.add((number, 0));
                    // Many in between are quick, so that they are taken out together.
                    for urgent in if number % 100 == 99 { 1..4 } else { 1..1 } {
                        again
                            .put(WorkItem::new(log.adds((number, urgent))).priority(Priority::High))
                            .unwrap();
                    }
                });
                puts.put(item).unwrap();
            }
        });
        queue.put(fill).unwrap();
        queue.quiesce().await.unwrap();
        assert_eq!(log.len(), 1030);
        assert!(log.all().is_sorted(), "{:?}", log.all());
    });
}

#[test]
fn of_two_low_items_the_second_waits_for_what_the_first_puts() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let quick = Count::new();
        for _ in 0..50 {
            let (log, puts) = (Log::new(), queue.clone());
            let (seen, quick) = (log.clone(), quick.clone());
            let fill = callback(move |_| {
                (0..100).for_each(|_| puts.put(quick.counts()).unwrap());
                let (again, log) = (puts.clone(), seen.clone());
                let first = callback(move |_| {
                    log.add("low");
                    again.put(log.adds("normal")).unwrap();
                });
                puts.put(WorkItem::new(first).priority(Priority::Low)).unwrap();
                puts.put(WorkItem::new(seen.adds("low")).priority(Priority::Low)).unwrap();
            });
            queue.put(fill).unwrap();
            queue.quiesce().await.unwrap();
            assert_eq!(log.all(), ["low", "normal", "low"]);
        }
        assert_eq!(quick.get(), 5000);
    });
}

#[test]
fn a_low_item_waits_for_what_came_later_but_is_not_lost() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let log = Log::new();
        let (seen, puts) = (log.clone(), queue.clone());
        let fill = callback(move |_| {
            puts.put(WorkItem::new(seen.adds("low")).priority(Priority::Low)).unwrap();
            puts.put(seen.adds("normal")).unwrap();
            let (seen, again) = (seen.clone(), puts.clone());
            let late = callback(move |_| again.put(seen.adds("late")).unwrap());
            puts.put(late).unwrap();
        });
        queue.put(fill).unwrap();
        queue.quiesce().await.unwrap();
        assert_eq!(log.all(), ["normal", "late", "low"]);
    });
}

#[test]
fn inside_a_serial_queue_the_order_is_that_of_the_puts() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
        let log = Log::new();
        for number in 0..1000_i32 {
            queue.put(WorkItem::new(log.adds(number)).priority(number % 3 - 1)).unwrap();
        }
        queue.barrier().await.unwrap();
        assert_eq!(log.all(), (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn a_serial_queue_competes_below_with_the_priority_of_its_item() {
    both_runtimes(|| async {
        let platform = Platform::startup().unwrap();
        let base = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let serials =
            [-1, 0, 1].map(|priority| (priority, platform.allocate_serial_work_queue(&base).unwrap()));
        let log = Log::new();
        let seen = log.clone();
        let fill = callback(move |_| {
            for (priority, serial) in &serials {
                (0..3).for_each(|_| {
                    serial.put(WorkItem::new(seen.adds(*priority)).priority(*priority)).unwrap()
                });
            }
        });
        base.put(fill).unwrap();
        base.quiesce().await.unwrap();
        assert_eq!(log.all(), [1, 1, 1, 0, 0, 0, -1, -1, -1]);
    });
}

#[test]
fn a_saturated_parallel_queue_starts_the_urgent_first() {
    multi_thread(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
        // Two workers, and the 64 helpers that come because those are held up: no other thread runs an item.
        let (gate, busy, log) = (Gate::new(), Log::new(), Log::new());
        for _ in 0..66 {
            let (gate, busy) = (gate.clone(), busy.clone());
            let occupy = callback(move |_| {
                busy.add(());
                gate.pass();
            });
            queue.put(occupy).unwrap();
        }
        crate::support::until("all threads are busy", || busy.len() == 66).await;
        for priority in [-1, 0, 1] {
            for _ in 0..1000 {
                queue.put(WorkItem::new(log.adds(priority)).priority(priority)).unwrap();
            }
        }
        gate.open();
        crate::support::until("all have run", || log.len() == 3000).await;
        // What runs at the same time may be logged in another order: an item of each other thread, and a group of 32 that
        // one of them has just taken.
        let all = log.all();
        for (at, priority) in all.iter().enumerate() {
            let overtaken = all[at..].iter().filter(|later| *later > priority).count();
            assert!(overtaken <= 65 + 32, "{overtaken} more urgent ones behind number {at}: {all:?}");
        }
        queue.barrier().await.unwrap();
    });
}
