//! Promise: what an exploration tries is within Media Foundation's contract: the order of serial queues, priorities, as
//! many at the same time as a queue is wide, replies, items that block, and times.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mf_async::testing::{Explore, explore};
use mf_async::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, Platform, Priority, QueueId, Result,
    WorkItem, WorkQueue, WorkQueueType,
};

/// Notes its number.
struct Noting {
    parameters: CallbackParameters,
    number: usize,
    noted: Arc<Mutex<Vec<usize>>>,
}

impl AsyncCallback for Noting {
    fn parameters(&self) -> CallbackParameters {
        self.parameters
    }

    fn invoke(&self, _: &AsyncResult) {
        self.noted.lock().unwrap().push(self.number);
    }
}

/// Puts items of these priorities, with these flags, and returns the order in which they ran.
async fn order(queue: &WorkQueue, flags: CallbackFlags, items: &[Priority]) -> Result<Vec<usize>> {
    let noted = Arc::new(Mutex::new(Vec::new()));
    for (number, priority) in items.iter().enumerate() {
        let parameters = CallbackParameters::on(queue).with_flags(flags);
        let callback = Arc::new(Noting { parameters, number, noted: noted.clone() });
        queue.put(WorkItem::new(callback).priority(*priority))?;
    }
    queue.quiesce().await?;
    let noted = noted.lock().unwrap().clone();
    Ok(noted)
}

const THREE: [Priority; 3] = [Priority::Normal; 3];

fn serial_queues(platform: &Platform) -> Result<Vec<WorkQueue>> {
    let over = platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?;
    Ok(vec![
        platform.queue(QueueId::STANDARD)?,
        platform.allocate_work_queue(WorkQueueType::Standard)?,
        platform.allocate_work_queue(WorkQueueType::Window)?,
        platform.allocate_serial_work_queue(&over)?,
        over,
    ])
}

#[test]
fn serial_queues_keep_their_order() {
    Explore::new().schedules(300).run(|platform| async move {
        for queue in serial_queues(&platform)? {
            for flags in [CallbackFlags::empty(), CallbackFlags::BLOCKING] {
                assert_eq!(order(&queue, flags, &THREE).await?, [0, 1, 2], "{queue:?} {flags:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn a_parallel_queue_is_overtaken_by_less_than_its_width() {
    Explore::new().width(2).run(|platform| async move {
        let queue = platform.queue(QueueId::MULTITHREADED)?;
        let order = order(&queue, CallbackFlags::empty(), &[Priority::Normal; 5]).await?;
        for (place, number) in order.iter().enumerate() {
            // Two at the same time: when one runs, at most one that was put before it has not.
            let before = order[place..].iter().filter(|later| *later < number).count();
            assert!(before <= 1, "{order:?}");
        }
        Ok(())
    });
}

#[test]
fn high_items_come_first_on_a_serial_queue() {
    // Whole, so that all are put before the first runs.
    Explore::new().whole_callbacks().run(|platform| async move {
        let items = [Priority::Low, Priority::Normal, Priority::High];
        let queue = platform.allocate_work_queue(WorkQueueType::Standard)?;
        assert_eq!(order(&queue, CallbackFlags::empty(), &items).await?, [2, 1, 0]);
        Ok(())
    });
}

#[test]
fn nothing_runs_before_the_reply() {
    struct Replies(QueueId, Platform, Arc<Mutex<Vec<&'static str>>>);
    impl AsyncCallback for Replies {
        fn parameters(&self) -> CallbackParameters {
            CallbackParameters::on(self.0).with_flags(CallbackFlags::REPLY)
        }

        fn invoke(&self, result: &AsyncResult) {
            let (platform, noted, result) = (self.1.clone(), self.2.clone(), result.clone());
            let reply = move |_: &AsyncResult| {
                noted.lock().unwrap().push("reply");
                platform.invoke_callback(&result).unwrap();
            };
            self.1.put(QueueId::MULTITHREADED, WorkItem::new(Arc::new(reply))).unwrap();
        }
    }
    explore(|platform| async move {
        let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?;
        let noted = Arc::new(Mutex::new(Vec::new()));
        queue.put(WorkItem::new(Arc::new(Replies(queue.id(), platform.clone(), noted.clone()))))?;
        let behind = noted.clone();
        queue.run(move || behind.lock().unwrap().push("behind")).await?;
        assert_eq!(*noted.lock().unwrap(), ["reply", "behind"]);
        Ok(())
    });
}

#[test]
fn timers_come_in_their_order_and_not_before_work_that_is_long_due() {
    explore(|platform| async move {
        let noted = Arc::new(Mutex::new(Vec::new()));
        let note = |number| {
            let parameters = CallbackParameters::on(QueueId::STANDARD);
            WorkItem::new(Arc::new(Noting { parameters, number, noted: noted.clone() }))
        };
        platform.schedule(note(3), Duration::from_secs(2))?;
        platform.schedule(note(2), Duration::from_secs(1))?;
        platform.put(QueueId::STANDARD, note(1))?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        platform.queue(QueueId::STANDARD)?.quiesce().await?;
        assert_eq!(*noted.lock().unwrap(), [1, 2, 3]);
        Ok(())
    });
}

#[test]
fn local_futures_are_not_overtaken_on_their_thread() {
    use std::cell::Cell;
    use std::rc::Rc;
    explore(|platform| async move {
        let window = platform.allocate_work_queue(WorkQueueType::Window)?;
        let queue = platform.queue(QueueId::MULTITHREADED)?;
        let local = || {
            let queue = queue.clone();
            window.spawn_local(move || async move {
                let inside = Rc::new(Cell::new(0));
                for _ in 0..3 {
                    queue.run(|| ()).await?;
                    inside.set(inside.get() + 1);
                }
                Ok::<_, mf_async::Error>(inside.get())
            })
        };
        let both = (local(), local());
        assert_eq!((both.0.await??, both.1.await??), (3, 3));
        Ok(())
    });
}

#[test]
fn a_second_platform_is_explored_as_well() {
    let failure = Explore::new().check(|_| async {
        let platform = Platform::startup()?;
        let queue = platform.queue(QueueId::MULTITHREADED)?;
        let order = order(&queue, CallbackFlags::empty(), &THREE).await?;
        platform.shutdown().await?;
        assert_eq!(order, [0, 1, 2]);
        Ok(())
    });
    assert!(failure.is_err());
}
