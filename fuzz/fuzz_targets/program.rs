//! Programs as in the test `no_hang`, made up by the fuzzer: each ends, and nothing is lost.

#![no_main]

#[path = "../../tests/no_hang/model.rs"]
mod model;
#[path = "../../tests/no_hang/play.rs"]
mod play;
#[allow(dead_code, reason = "the test makes whole programs up")]
#[path = "../../tests/no_hang/program.rs"]
mod program;
#[path = "../../tests/no_hang/resolve.rs"]
mod resolve;
#[allow(dead_code, clippy::all, reason = "it is the tests', and one callback of it is needed")]
#[path = "../../tests/it/support/mod.rs"]
mod support;
mod threads;
#[path = "../../tests/no_hang/wrap.rs"]
mod wrap;

use std::fmt::Debug;
use std::panic;

use libfuzzer_sys::{Corpus, fuzz_target};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use program::{Flavour, Program};

fuzz_target!(
    init: {
        // The fuzzer's own hook ends the process at any panic, planned ones as well.
        let end = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !play::is_planned(info.payload()) {
                end(info);
            }
        }));
    },
    |bytes: &[u8]| -> Corpus {
        let Some(program) = program(bytes) else { return Corpus::Reject };
        let wrong = threads::settled(|| play::play(&program));
        assert!(wrong.is_empty(), "{wrong:#?}\n{program:?}");
        Corpus::Keep
    }
);

/// A byte says how it begins and ends, and each further two make a queue, or a step: a small change of the bytes is
/// one of the program, and a piece that is cut out is a step less.
fn program(bytes: &[u8]) -> Option<Program> {
    let (shape, pieces) = bytes.split_first()?;
    let mut pieces = pieces.chunks_exact(2);
    let queues: Vec<_> = pieces
        .by_ref()
        .take(1 + usize::from(shape & 3))
        .map(|piece| one_of(program::queue(), piece))
        .collect();
    let steps = pieces.take(24).map(|piece| one_of(program::step(), piece)).collect();
    if queues.is_empty() {
        return None;
    }
    Some(Program {
        flavour: if shape & 4 == 0 { Flavour::Paused } else { Flavour::Workers },
        queues,
        steps,
        tidy: shape & 8 == 0,
        end: one_of(program::end(), &[shape >> 4]),
    })
}

/// The one that these bytes name.
fn one_of<T: Debug>(strategy: impl Strategy<Value = T>, piece: &[u8]) -> T {
    let mut seed = [0; 32];
    seed[..piece.len()].copy_from_slice(piece);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy.new_tree(&mut runner).expect("a strategy that filters nothing").current()
}
