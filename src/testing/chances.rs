//! `FaultChances`: how probable each fault is, in an exploration.

use crate::stepping;
use crate::testing::explore::draw;
use crate::testing::fault::Fault;

/// How probable each fault is.
///
/// Which call has which fault is a part of the schedule: a fault that a failure does not need is shortened away, and a
/// replay has the same faults. Outside of an exploration no fault happens.
#[derive(Clone, Debug, Default)]
pub struct FaultChances {
    faults: Vec<Fault>,
    weights: Vec<f64>,
}

impl FaultChances {
    /// No fault.
    #[must_use]
    pub fn new() -> FaultChances {
        FaultChances::default()
    }

    /// Adds a fault that a call has with this probability, from 0 to 1. The probabilities of all faults add up to at most
    /// 1; what is left is the probability that all goes well.
    ///
    /// # Panics
    /// When a probability or their sum is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn with(mut self, probability: f64, fault: Fault) -> FaultChances {
        let sum = self.weights.iter().sum::<f64>() + probability;
        let holds = (0.0..=1.0).contains(&probability) && sum <= 1.0 + f64::EPSILON;
        assert!(
            holds,
            "the probability {probability} of a fault, {sum} with those before it, is not from 0 to 1"
        );
        self.faults.push(fault);
        self.weights.push(probability);
        self
    }

    /// What happens to the next call.
    pub(super) fn draw(&self) -> Fault {
        match draw(&self.weights).checked_sub(1) {
            Some(at) => {
                let fault = self.faults[at];
                stepping::note(|| format!("has the fault {fault:?}"));
                fault
            }
            None => Fault::None,
        }
    }
}
