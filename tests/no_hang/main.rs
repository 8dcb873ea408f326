//! Promise: nothing hangs and nothing is lost. Programs that nobody thought of are played: on every kind of
//! queue and both flavours of runtime, with components that break the contract in every way, user code that panics
//! wherever it is called, executors and platforms that know nothing of each other, and with a platform or a runtime that
//! goes away under them. Every operation ends once, with its own value or the code that the model predicts, serial
//! queues keep their order, the counters add up, and every object that was handed out is dropped.
//!
//! `MF_ASYNC_PROGRAMS` says how many are played. One that fails is made as small as it can be and printed
//! with its seed; `MF_ASYNC_SEED` plays from that seed on, the first if nothing is said.

mod model;
mod play;
mod program;
mod resolve;
#[expect(dead_code, reason = "the programs need one callback of it")]
#[path = "../it/support/mod.rs"]
mod support;
mod wrap;

use std::fmt::Debug;
use std::panic;
use std::str::FromStr;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::program::{Program, programs};

/// A program takes a few milliseconds; what takes so long hangs.
const BOUND: Duration = Duration::from_secs(15);

#[test]
fn any_program_ends_and_nothing_is_lost() {
    let count: u64 = variable("MF_ASYNC_PROGRAMS").unwrap_or(500);
    let first: u64 = variable("MF_ASYNC_SEED").unwrap_or(1);
    be_silent_about_what_is_planned();
    for seed in first..first + count {
        let config = Config {
            failure_persistence: None,
            max_shrink_iters: 400,
            max_shrink_time: 30_000,
            ..Config::default()
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let program = programs().new_tree(&mut runner).unwrap();
        let told = match runner.run_one(program, ends_well) {
            Ok(_) => continue,
            Err(TestError::Fail(reason, smallest)) => format!("{reason}\n{smallest:?}"),
            Err(TestError::Abort(reason)) => reason.to_string(),
        };
        panic!("MF_ASYNC_SEED={seed} MF_ASYNC_PROGRAMS=1 plays this again: {told}");
    }
}

/// Plays a program on a thread of its own; one that does not end is left to itself, and fails.
fn ends_well(program: Program) -> Result<(), TestCaseError> {
    let (ended, end) = sync_channel(1);
    let thread = std::thread::spawn(move || {
        let wrong = play::play(&program);
        let _ = ended.send(());
        wrong
    });
    if let Err(RecvTimeoutError::Timeout) = end.recv_timeout(BOUND) {
        return Err(TestCaseError::fail(format!("did not end within {BOUND:?}")));
    }
    match thread.join() {
        Ok(wrong) if wrong.is_empty() => Ok(()),
        Ok(wrong) => Err(TestCaseError::fail(format!("{wrong:#?}"))),
        Err(_) => Err(TestCaseError::fail("it panicked")),
    }
}

/// Panics that the programs are made of say nothing.
fn be_silent_about_what_is_planned() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !play::is_planned(info.payload()) {
            tell(info);
        }
    }));
}

fn variable<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}
