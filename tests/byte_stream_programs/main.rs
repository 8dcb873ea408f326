//! Promise: whatever is done with a byte stream, in whatever order, it is what bytes and a position are: random programs
//! are played on every kind of stream, over objects that give little and late, and held against a model.
//!
//! The programs are the same in every run. One that fails is printed as small as it can be made.

mod adapter;
mod device;
mod model;
mod stream;

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tokio::runtime::{Builder, Runtime};

/// What a program came to: what was not as promised.
type Verdict = Result<(), String>;

/// What a model and a stream must agree on.
macro_rules! agree {
    ($is:expr, $should:expr, $($what:tt)+) => {{
        let (is, should) = (&$is, &$should);
        if is != should {
            return Err(format!("{}: is {is:?}, should be {should:?}", format_args!($($what)+)));
        }
    }};
}
use agree;

/// Plays `count` programs on each flavour of runtime.
fn play<P: Debug, F: Future<Output = Verdict>>(
    count: u32,
    programs: impl Strategy<Value = P>,
    play: impl Fn(P) -> F,
) {
    let one = Builder::new_current_thread().enable_all().build().unwrap();
    let many = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for runtime in [one, many] {
        play_on(&runtime, count, &programs, &play);
    }
}

fn play_on<P: Debug, F: Future<Output = Verdict>>(
    runtime: &Runtime,
    count: u32,
    programs: &impl Strategy<Value = P>,
    play: &impl Fn(P) -> F,
) {
    let config =
        Config { cases: count, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let played = runner.run(programs, |program| {
        let ended = runtime.block_on(async { tokio::time::timeout(BOUND, play(program)).await });
        match ended {
            Ok(verdict) => verdict.map_err(TestCaseError::fail),
            Err(_) => Err(TestCaseError::fail(format!("did not end within {BOUND:?}"))),
        }
    });
    match played {
        Ok(()) => {}
        Err(TestError::Fail(reason, smallest)) => panic!("{reason}\n{smallest:?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// A program takes less than a millisecond; what takes so long hangs.
const BOUND: Duration = Duration::from_secs(20);

/// Bytes that tell where they come from.
fn bytes(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|number| (number.wrapping_mul(2_654_435_761) >> 8) as u8).collect()
}
