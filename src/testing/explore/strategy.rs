//! `Strategy`: how the next of the things that may happen is chosen.

use std::collections::HashMap;

use crate::testing::explore::random::Generator;
use crate::testing::explore::schedule::Choices;

/// Which schedules are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// Random ones and those of PCT, depths 2 to 4, in turns: finds races of many kinds. The first is first in, first out.
    #[default]
    Mixed,
    /// Each choice at random; how often it departs from first in, first out is drawn for each schedule.
    Random,
    /// Probabilistic concurrency testing: everything that acts has a random priority, and `depth - 1` times one that is
    /// chosen falls below all others. A race that needs `depth` things to happen in one order is found with a
    /// probability that has a lower bound (Burckhardt and others, *A randomized scheduler with probabilistic guarantees of
    /// finding bugs*, 2010).
    Pct {
        /// How many things must happen in one order; 1 to 5 find most races.
        depth: usize,
    },
    /// Every schedule, up to the number that was asked for. For small components: the number of schedules grows with the
    /// factorial of what may happen at the same time.
    Exhaustive,
}

/// What may happen next, as a strategy sees it.
pub(super) struct Offered<'a> {
    /// Who acts: the oldest first. The last may be the clock.
    pub(super) actors: &'a [u64],
    /// Whether the last is the clock.
    pub(super) has_clock: bool,
    /// Whether the first is in the middle of what it does, and may go on.
    pub(super) is_pause: bool,
}

/// Makes the choices of one run.
pub(super) enum Chooser {
    Random { generator: Generator, rate: f64, pauses: f64, parts: f64, clock: bool },
    Pct { generator: Generator, pct: Pct, clock: bool },
    Exhaustive { path: Path, clock: bool },
    Fixed { choices: Choices, at: usize },
}

impl Strategy {
    /// The chooser of the schedule of this number. `steps` is how many choices a run takes, as far as is known; `clock`
    /// is whether letting time pass is a choice.
    pub(super) fn chooser(self, number: usize, seed: u64, steps: usize, clock: bool) -> Chooser {
        let mut generator = Generator::new(seed);
        let depth = match self {
            Strategy::Mixed if number % 2 == 0 => Some(2 + number / 2 % 3),
            Strategy::Pct { depth } => Some(depth.max(1)),
            _ => None,
        };
        if number == 0 && self == Strategy::Mixed {
            return Chooser::Fixed { choices: Choices::default(), at: 0 };
        }
        match depth {
            Some(depth) => {
                let pct = Pct::new(&mut generator, depth, steps);
                Chooser::Pct { generator, pct, clock }
            }
            None => {
                let rate = RATES[generator.below(RATES.len())];
                let pauses = PAUSES[generator.below(PAUSES.len())];
                let parts = PARTS[generator.below(PARTS.len())];
                Chooser::Random { generator, rate, pauses, parts, clock }
            }
        }
    }
}

impl Chooser {
    /// Whether the item that is about to run may be left in the middle, on a thread of its own.
    pub(super) fn runs_in_parts(&mut self) -> bool {
        match self {
            Chooser::Random { generator, parts, .. } => generator.chance(*parts),
            Chooser::Pct { generator, pct, .. } => {
                let is_fair = pct.at > FAIR_AFTER;
                !is_fair && generator.chance(pct.parts)
            }
            Chooser::Exhaustive { .. } => true,
            Chooser::Fixed { choices, at } => {
                *at += 1;
                choices.choices.get(*at - 1).is_some_and(|&choice| choice != 0)
            }
        }
    }

    /// Whether an item that runs in parts is left in the middle here.
    pub(super) fn leaves_part(&mut self) -> bool {
        match self {
            Chooser::Random { generator, .. } | Chooser::Pct { generator, .. } => generator.chance(LEAVES),
            Chooser::Exhaustive { path, .. } => path.choose(2) == 1,
            Chooser::Fixed { choices, at } => {
                *at += 1;
                choices.choices.get(*at - 1).is_some_and(|&choice| choice != 0)
            }
        }
    }

    /// Whether to look at who may go on in the middle of a callback; if not, the callback goes on itself.
    pub(super) fn looks_at_pause(&mut self) -> bool {
        match self {
            Chooser::Random { generator, pauses, .. } => generator.chance(*pauses),
            Chooser::Pct { .. } | Chooser::Exhaustive { .. } => true,
            Chooser::Fixed { choices, at } => {
                let looks = choices.choices.get(*at).is_some_and(|&choice| choice != 0);
                *at += usize::from(!looks);
                looks
            }
        }
    }

    /// Takes it, and leaves one of no use.
    pub(super) fn take(&mut self) -> Chooser {
        std::mem::replace(self, Chooser::Fixed { choices: Choices::default(), at: 0 })
    }

    pub(super) fn choose(&mut self, offered: &Offered<'_>) -> usize {
        let all = offered.actors.len();
        let without_clock = (all - usize::from(offered.has_clock)).max(1);
        let count = |clock: bool| if clock { all } else { without_clock };
        match self {
            Chooser::Random { generator, clock, .. } if offered.is_pause => {
                let others = count(*clock) - 1;
                if others == 0 { 0 } else { 1 + generator.below(others) }
            }
            Chooser::Random { generator, rate, clock, .. } => {
                if generator.chance(*rate) {
                    generator.below(count(*clock))
                } else {
                    0
                }
            }
            Chooser::Pct { generator, pct, clock } => pct.choose(generator, &offered.actors[..count(*clock)]),
            Chooser::Exhaustive { path, clock } => path.choose(count(*clock)),
            Chooser::Fixed { choices, at } => {
                *at += 1;
                choices.choices.get(*at - 1).map_or(0, |&choice| (choice as usize).min(all - 1))
            }
        }
    }

    /// Which of these faults happens; 0 is none. The weights are probabilities.
    pub(super) fn choose_fault(&mut self, weights: &[f64]) -> usize {
        match self {
            Chooser::Random { generator, .. } | Chooser::Pct { generator, .. } => {
                let mut left = generator.fraction();
                let found = weights.iter().position(|weight| {
                    left -= weight;
                    left < 0.0
                });
                found.map_or(0, |found| found + 1)
            }
            Chooser::Exhaustive { path, .. } => path.choose(weights.len() + 1),
            Chooser::Fixed { choices, at } => {
                *at += 1;
                choices.choices.get(*at - 1).map_or(0, |&choice| (choice as usize).min(weights.len()))
            }
        }
    }
}

/// The priorities of one run, and where they change.
pub(super) struct Pct {
    priorities: HashMap<u64, u64>,
    /// The numbers of the choices at which the one that is chosen falls below all others.
    changes: Vec<usize>,
    at: usize,
    fallen: u64,
    /// How many items run in parts.
    parts: f64,
}

impl Pct {
    fn new(generator: &mut Generator, depth: usize, steps: usize) -> Pct {
        let changes = (1..depth).map(|_| generator.below(steps.max(1))).collect();
        let parts = PARTS[generator.below(PARTS.len())];
        Pct { priorities: HashMap::new(), changes, at: 0, fallen: FALLEN, parts }
    }

    fn choose(&mut self, generator: &mut Generator, actors: &[u64]) -> usize {
        self.at += 1;
        if self.at > FAIR_AFTER {
            // What is never chosen may be what the others wait for.
            return generator.below(actors.len());
        }
        let highest = self.highest(generator, actors);
        if !self.changes.contains(&(self.at - 1)) {
            return highest;
        }
        self.fallen -= 1;
        self.priorities.insert(actors[highest], self.fallen);
        self.highest(generator, actors)
    }

    fn highest(&mut self, generator: &mut Generator, actors: &[u64]) -> usize {
        let priorities = &mut self.priorities;
        let mut priority = |actor| *priorities.entry(actor).or_insert_with(|| generator.next().max(FALLEN));
        let ranked = actors.iter().enumerate().map(|(index, actor)| (priority(*actor), index));
        ranked.max_by_key(|(priority, index)| (*priority, std::cmp::Reverse(*index))).map_or(0, |(_, at)| at)
    }
}

/// A walk through the tree of all choices: each with how many there were.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    choices: Vec<(u32, u32)>,
    at: usize,
}

impl Path {
    fn choose(&mut self, count: usize) -> usize {
        if self.at == self.choices.len() {
            self.choices.push((0, 0));
        }
        let choice = &mut self.choices[self.at];
        choice.1 = count as u32;
        self.at += 1;
        (choice.0 as usize).min(count - 1)
    }

    /// Goes on to the next leaf; false if this was the last.
    pub(super) fn advance(&mut self) -> bool {
        self.choices.truncate(self.at);
        self.at = 0;
        while let Some((choice, count)) = self.choices.last_mut() {
            if *choice + 1 < *count {
                *choice += 1;
                return true;
            }
            self.choices.pop();
        }
        false
    }
}

/// How often a random schedule departs from first in, first out.
const RATES: [f64; 4] = [1.0, 1.0, 0.4, 0.15];

/// How often others go on in the middle of a callback.
const PAUSES: [f64; 4] = [0.0, 0.1, 0.3, 0.5];

/// How many items run in parts, and how often such an item is left where it can be.
const PARTS: [f64; 4] = [0.0, 0.3, 0.6, 1.0];
const LEAVES: f64 = 0.5;

/// Below this are the priorities of what has fallen.
const FALLEN: u64 = 1 << 32;

/// After so many choices all are fair.
const FAIR_AFTER: usize = 1000;
