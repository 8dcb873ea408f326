//! Shortening: of the schedules that fail in the same way, one that departs least from first in, first out.

use std::time::{Duration, Instant};

use crate::testing::explore::schedule::Choices;

/// Looks for a shorter schedule that fails as `failing` does. `fails` runs one: it returns the choices that were made if it
/// fails in the same way.
pub(super) fn shorten(failing: Choices, mut fails: impl FnMut(&Choices) -> Option<Choices>) -> Choices {
    let until = Instant::now() + PATIENCE;
    let mut tries = TRIES;
    let mut left = || {
        tries -= 1;
        tries > 0 && Instant::now() < until
    };
    let first = failing.with(Vec::new());
    let mut best = remove(failing, &mut fails, &mut left);
    // From the other end: with no departure, then with one, at every place.
    let mut fewest = 0;
    while fewest < best.deviations().min(MOST) {
        match search(&first, fewest, best.choices.len().min(DEEP), &mut fails, &mut left) {
            Some(found) => {
                best = found;
                break;
            }
            None => fewest += 1,
        }
    }
    best
}

/// Takes departures away, first many at a time, while it still fails.
fn remove(
    mut best: Choices,
    fails: &mut impl FnMut(&Choices) -> Option<Choices>,
    left: &mut impl FnMut() -> bool,
) -> Choices {
    let mut size = best.deviations().max(1);
    while size > 0 {
        let mut from = 0;
        let mut is_better = false;
        loop {
            let places = departures(&best);
            if from >= places.len() {
                break;
            }
            if !left() {
                return best;
            }
            let mut fewer = best.clone();
            for &place in &places[from..(from + size).min(places.len())] {
                fewer.choices[place] = 0;
            }
            match fails(&best.with(fewer.choices)) {
                Some(found) if found.deviations() < best.deviations() => {
                    best = found;
                    is_better = true;
                }
                _ => from += size,
            }
        }
        if !is_better || size > 1 {
            size /= 2;
        }
    }
    best
}

/// Tries every schedule with this number of departures within its first choices.
fn search(
    first: &Choices,
    count: usize,
    depth: usize,
    fails: &mut impl FnMut(&Choices) -> Option<Choices>,
    left: &mut impl FnMut() -> bool,
) -> Option<Choices> {
    let mut places: Vec<(usize, u32)> = (0..count).map(|at| (at, 1)).collect();
    loop {
        if !left() {
            return None;
        }
        let mut choices = vec![0; places.last().map_or(0, |last| last.0 + 1)];
        places.iter().for_each(|&(place, choice)| choices[place] = choice);
        if let Some(found) = fails(&first.with(choices)) {
            if found.deviations() <= count {
                return Some(found);
            }
        }
        if !next(&mut places, depth) {
            return None;
        }
    }
}

/// The next places and choices, as an odometer counts; false after the last.
fn next(places: &mut [(usize, u32)], depth: usize) -> bool {
    for at in (0..places.len()).rev() {
        if places[at].1 < WIDEST {
            places[at].1 += 1;
            return true;
        }
        places[at].1 = 1;
        let limit = depth.saturating_sub(places.len() - 1 - at);
        if places[at].0 + 1 < limit {
            let from = places[at].0 + 1;
            places[at..].iter_mut().enumerate().for_each(|(after, place)| *place = (from + after, 1));
            return true;
        }
    }
    false
}

fn departures(choices: &Choices) -> Vec<usize> {
    let all = choices.choices.iter().enumerate();
    all.filter(|(_, choice)| **choice != 0).map(|(place, _)| place).collect()
}

/// How long it looks, in real time and in runs.
const PATIENCE: Duration = Duration::from_secs(3);
const TRIES: usize = 6000;

/// The search from the other end goes so deep: departures, the first choices, and the choices at each.
const MOST: usize = 3;
const DEEP: usize = 60;
const WIDEST: u32 = 4;
