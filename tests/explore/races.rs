//! Promise: of the races that authors of components ship, each is found within 1,000 schedules and 10 s, replays exactly, and
//! its mended twin passes.

mod callback_outlives_owner;
mod cancel_against_completion;
mod credit_after_its_event;
mod order_on_multithreaded;
mod rearm_before_end;
mod reply_lost;
mod shutdown_against_event;
mod stop_against_request;
mod timer_during_unregister;
mod two_subscribers;

use std::time::{Duration, Instant};

use mf_async::testing::{Explore, FailureKind};
use mf_async::{Platform, Result};

/// A component with a race, or its mended twin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Twin {
    Racy,
    Mended,
}

/// Checks both twins.
#[track_caller]
fn planted<Fut>(kind: FailureKind, test: fn(Platform, Twin) -> Fut)
where
    Fut: Future<Output = Result<()>> + 'static,
{
    let racy = move |platform| test(platform, Twin::Racy);
    let started = Instant::now();
    let failure = Explore::new().check(racy).expect_err("the race is found");
    println!("{failure}\nfound, shortened and told in {:?}", started.elapsed());
    assert_eq!(failure.kind(), kind);
    assert!(started.elapsed() < Duration::from_secs(10));

    let again = Explore::new().replay(failure.replay()).check(racy).expect_err("it fails again");
    assert_eq!((again.kind(), again.message(), again.story()), (kind, failure.message(), failure.story()));

    let mended =
        Explore::new().schedules(schedules()).seed(2).check(move |platform| test(platform, Twin::Mended));
    match mended {
        Ok(explored) => println!("mended: {explored}"),
        Err(failure) => panic!("the mended twin fails: {failure}"),
    }
}

/// How many schedules a mended twin passes: `MF_ASYNC_SCHEDULES`, or as many as take a second or two without optimization.
fn schedules() -> usize {
    std::env::var("MF_ASYNC_SCHEDULES").map_or(1000, |number| number.parse().expect("a number"))
}
