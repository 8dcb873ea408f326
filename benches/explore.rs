//! How many schedules `testing::explore` runs per second.
//!
//! `cargo bench --features test-util --bench explore`. The program under test: three items of a parallel queue add to one
//! number; the same with one serial queue per item; and nothing at all, which is what a run costs by itself.

use std::future::Future;
use std::sync::{Arc, Mutex};

use mf_async::testing::{Explore, Strategy};
use mf_async::{Platform, QueueId, Result};

/// Items that add to one number.
async fn add(platform: Platform, serial: bool) -> Result<()> {
    let number = Arc::new(Mutex::new(0));
    let mut added = Vec::new();
    for _ in 0..3 {
        let queue = if serial {
            platform.allocate_serial_work_queue(QueueId::MULTITHREADED)?
        } else {
            platform.queue(QueueId::MULTITHREADED)?
        };
        let number = number.clone();
        added.push(queue.run(move || *number.lock().unwrap() += 1));
    }
    for added in added {
        added.await?;
    }
    assert_eq!(*number.lock().unwrap(), 3);
    Ok(())
}

fn measure<Fut>(name: &str, explore: Explore, test: fn(Platform) -> Fut)
where
    Fut: Future<Output = Result<()>> + 'static,
{
    let explored = explore.schedules(SCHEDULES).check(test).unwrap_or_else(|failed| panic!("{failed}"));
    let seconds = explored.elapsed.as_secs_f64();
    let (schedules, steps) = (explored.schedules as f64 / seconds, explored.steps as f64 / seconds);
    println!("{name:40} {schedules:9.0} schedules/s {steps:10.0} steps/s");
}

fn main() {
    let whole = || Explore::new().whole_callbacks();
    measure("nothing", Explore::new(), |_| async { Ok(()) });
    measure("three items", Explore::new(), |platform| add(platform, false));
    measure("three items, whole callbacks", whole(), |platform| add(platform, false));
    measure("three items, random", whole().strategy(Strategy::Random), |platform| add(platform, false));
    measure("three serial queues", Explore::new(), |platform| add(platform, true));
    measure("three serial queues, whole callbacks", whole(), |platform| add(platform, true));
}

const SCHEDULES: usize = 20_000;
