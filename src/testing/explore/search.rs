//! `Search`: the loop over schedules, and what is made of the first that fails.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::platform::Platform;
use crate::testing::explore::failure::{Explored, FailedSchedule, FailureKind};
use crate::testing::explore::random::Generator;
use crate::testing::explore::record::{Done, Record, short};
use crate::testing::explore::run::{Ran, Wrong, run};
use crate::testing::explore::schedule::Choices;
use crate::testing::explore::settings::Settings;
use crate::testing::explore::shrink::shorten;
use crate::testing::explore::story::tell;
use crate::testing::explore::strategy::{Chooser, Path, Strategy};
use crate::testing::explore::wakes::SearchProgress;

/// Which schedules are run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) schedules: usize,
    pub(super) time_limit: Duration,
    pub(super) seed: u64,
    pub(super) strategy: Strategy,
}

impl Default for Plan {
    fn default() -> Plan {
        let time_limit = Duration::from_secs(60);
        Plan { schedules: 1000, time_limit, seed: 1, strategy: Strategy::default() }
    }
}

/// An exploration that runs.
pub(super) struct Search {
    test: String,
    plan: Plan,
    settings: Settings,
    progress: Arc<SearchProgress>,
}

impl Search {
    pub(super) fn new(test: String, plan: Plan, settings: Settings, progress: Arc<SearchProgress>) -> Search {
        Search { test, plan, settings, progress }
    }

    /// Runs schedules until one fails.
    pub(super) fn search<F, Fut>(&self, test: &Arc<F>) -> std::result::Result<Explored, Box<FailedSchedule>>
    where
        F: Fn(Platform) -> Fut + 'static,
        Fut: Future<Output = Result<()>> + 'static,
    {
        let started = Instant::now();
        let mut seeds = Generator::new(self.plan.seed);
        let (mut longest, mut clock_matters) = (LEAST_STEPS, false);
        let mut path = Path::default();
        let mut explored = Explored { schedules: 0, is_complete: false, steps: 0, elapsed: Duration::ZERO };
        for number in 0..self.plan.schedules {
            let seed = seeds.next() >> SEED_BITS;
            // Now and then without a reason to: another schedule may have timers that none had so far.
            let clock = clock_matters || number % 8 == 7;
            let chooser = if self.plan.strategy == Strategy::Exhaustive {
                Chooser::Exhaustive { path: std::mem::take(&mut path), clock: clock_matters }
            } else {
                self.plan.strategy.chooser(number, seed, longest, clock)
            };
            let ran = self.run(test, chooser, Record::default());
            explored.schedules += 1;
            explored.steps += ran.record.steps() as u64;
            let choices = Choices::new(seed, !self.settings.preempts, ran.record.choices.clone());
            if let Some(wrong) = ran.wrong {
                return Err(self.fail(test, number + 1, choices, &ran.record, wrong));
            }
            if number < CHECKED || number % CHECKED_EVERY == 0 {
                self.check_again(test, number + 1, &choices, &ran.record)?;
            }
            longest = longest.max(ran.record.choices.len());
            clock_matters |= ran.clock_matters;
            if let Chooser::Exhaustive { path: walked, .. } = ran.chooser {
                path = walked;
                if !path.advance() {
                    explored.is_complete = true;
                    break;
                }
            }
            if started.elapsed() > self.plan.time_limit {
                break;
            }
        }
        explored.elapsed = started.elapsed();
        Ok(explored)
    }

    /// Runs one schedule.
    pub(super) fn replay<F, Fut>(
        mut self,
        test: &Arc<F>,
        choices: Choices,
    ) -> std::result::Result<Explored, Box<FailedSchedule>>
    where
        F: Fn(Platform) -> Fut + 'static,
        Fut: Future<Output = Result<()>> + 'static,
    {
        let started = Instant::now();
        self.settings.preempts &= !choices.whole;
        let ran = self.run(test, fixed(&choices), Record::telling());
        match ran.wrong {
            Some(wrong) => {
                let (deviations, steps) = (choices.deviations(), ran.record.steps());
                Err(self.failure(1, &choices, &ran.record, wrong, (deviations, steps)))
            }
            None => Ok(Explored {
                schedules: 1,
                is_complete: false,
                steps: ran.record.steps() as u64,
                elapsed: started.elapsed(),
            }),
        }
    }

    /// A schedule has failed: shortens it and reports it.
    fn fail<F, Fut>(
        &self,
        test: &Arc<F>,
        number: usize,
        choices: Choices,
        record: &Record,
        wrong: Wrong,
    ) -> Box<FailedSchedule>
    where
        F: Fn(Platform) -> Fut + 'static,
        Fut: Future<Output = Result<()>> + 'static,
    {
        let before = (choices.deviations(), record.steps());
        let again = self.run(test, fixed(&choices), Record::default());
        if let Some(difference) = difference(record, &again.record) {
            return self.not_deterministic(number, &choices, difference);
        }
        let shortest = shorten(choices, |choices| {
            let ran = self.run(test, fixed(choices), Record::default());
            let fails = ran.wrong.is_some_and(|other| other.is_like(&wrong));
            fails.then(|| choices.with(ran.record.choices))
        });
        let told = self.run(test, fixed(&shortest), Record::telling());
        match told.wrong {
            Some(wrong) => self.failure(number, &shortest, &told.record, wrong, before),
            None => {
                let difference = "it failed, and did not fail when it was run again".to_owned();
                self.not_deterministic(number, &shortest, difference)
            }
        }
    }

    fn failure(
        &self,
        number: usize,
        choices: &Choices,
        told: &Record,
        wrong: Wrong,
        before: (usize, usize),
    ) -> Box<FailedSchedule> {
        Box::new(FailedSchedule {
            kind: wrong.kind,
            message: wrong.message,
            test: self.test.clone(),
            schedule: number,
            schedules: self.plan.schedules,
            deviations: (before.0, choices.deviations()),
            steps: (before.1, told.steps()),
            story: tell(told),
            replay: choices.to_string(),
        })
    }

    fn check_again<F, Fut>(
        &self,
        test: &Arc<F>,
        number: usize,
        choices: &Choices,
        record: &Record,
    ) -> std::result::Result<(), Box<FailedSchedule>>
    where
        F: Fn(Platform) -> Fut + 'static,
        Fut: Future<Output = Result<()>> + 'static,
    {
        let again = self.run(test, fixed(choices), Record::default());
        match difference(record, &again.record) {
            Some(difference) => Err(self.not_deterministic(number, choices, difference)),
            None => Ok(()),
        }
    }

    fn not_deterministic(&self, number: usize, choices: &Choices, difference: String) -> Box<FailedSchedule> {
        let message = format!(
            "the same schedule was run twice, and {difference}. Something outside decides: a clock, a random number, an \
             address, a thread, or what an earlier run has left behind"
        );
        let wrong = Wrong { kind: FailureKind::NotDeterministic, message, mark: String::new() };
        let none = Record::default();
        self.failure(number, choices, &none, wrong, (choices.deviations(), 0))
    }

    fn run<F, Fut>(&self, test: &Arc<F>, chooser: Chooser, record: Record) -> Ran
    where
        F: Fn(Platform) -> Fut + 'static,
        Fut: Future<Output = Result<()>> + 'static,
    {
        run(test, self.settings, chooser, record, &self.progress)
    }
}

fn fixed(choices: &Choices) -> Chooser {
    Chooser::Fixed { choices: choices.clone(), at: 0 }
}

/// The first step in which two runs differ.
fn difference(first: &Record, second: &Record) -> Option<String> {
    let (first, second) = (&first.steps, &second.steps);
    let length = first.len().max(second.len());
    let at = (0..length).find(|&at| first.get(at) != second.get(at))?;
    let shown = |step: Option<&Done>| match step {
        None => "had ended".to_owned(),
        Some(Done { doer, callback, offers, time, depth: _ }) => {
            let callback = callback.map_or_else(String::new, |(_, name)| format!(" called {}", short(name)));
            let time = if time.is_zero() { String::new() } else { format!(", {time:?} passed") };
            format!("was {doer}{callback}, one of {offers}{time}")
        }
    };
    Some(format!("step {} {} at first, and {} then", at + 1, shown(first.get(at)), shown(second.get(at))))
}

/// What a run takes before any is known.
const LEAST_STEPS: usize = 8;

/// Seeds are short enough to be written down.
const SEED_BITS: u32 = 40;

/// So many schedules are run twice, and later one in so many.
const CHECKED: usize = 2;
const CHECKED_EVERY: usize = 64;
