//! The story of a run: a line for each step, and one for each thing that it did.

use std::fmt::Write;

use crate::testing::explore::record::{Doer, Done, Place, Record, Telling, short};

/// What was done, a line for each step.
pub(super) fn tell(record: &Record) -> String {
    let steps = || record.steps.iter().zip(record.tellings());
    // What goes on and does nothing more is left out.
    let is_told = |(done, telling): &(&Done, &Telling)| {
        !matches!(done.doer, Doer::GoesOn(..)) || !telling.notes.is_empty()
    };
    // The number of each step in the story.
    let numbers: Vec<_> = steps()
        .scan(0, |told, step| {
            *told += usize::from(is_told(&step));
            Some(*told)
        })
        .collect();
    let told = steps().enumerate().filter(|(_, step)| is_told(step));
    let lines: Vec<_> = told.map(|(at, (done, telling))| Line::new(&numbers, at, done, telling)).collect();
    let widths = lines.iter().fold((0, 0), |(on, what), line| {
        (line.on.chars().count().max(on), line.what.chars().count().min(WIDE).max(what))
    });
    let mut story = String::new();
    let hidden = lines.len().saturating_sub(LONG);
    if hidden > 0 {
        _ = writeln!(story, "  … {hidden} steps before");
    }
    for line in &lines[hidden..] {
        let (on, what, at) = (&line.on, &line.what, &line.place);
        let text = format!("{:>4}{} {on:2$}  {what:3$}  {at}", line.number, line.mark, widths.0, widths.1);
        _ = writeln!(story, "{}", text.trim_end());
        for note in &line.notes {
            _ = writeln!(story, "      {:1$}    {note}", "", widths.0);
        }
    }
    if lines.iter().any(|line| !line.mark.trim().is_empty()) {
        _ = writeln!(story, "  * not the oldest of what could happen");
    }
    story
}

struct Line {
    number: usize,
    mark: &'static str,
    on: String,
    what: String,
    place: String,
    notes: Vec<String>,
}

impl Line {
    fn new(numbers: &[usize], at: usize, done: &Done, telling: &Telling) -> Line {
        let on = match (&done.doer, done.callback) {
            (_, Some((queue, _))) => queue.to_string(),
            (Doer::Task(_), None) => "task".to_owned(),
            (Doer::Clock, None) if done.time.is_zero() => Doer::Runtime.to_string(),
            (Doer::Clock, None) => "clock".to_owned(),
            (Doer::GoesOn(_, Some(queue)), None) => queue.to_string(),
            (Doer::GoesOn(_, None), None) => "task".to_owned(),
            (doer, None) => doer.to_string(),
        };
        let what = match (&done.doer, done.callback) {
            (_, Some((_, name))) => short(name),
            (Doer::Task(name), None) => name.to_string(),
            (Doer::Clock, None) if done.time.is_zero() => "go on".to_owned(),
            (Doer::Clock, None) => format!("{:?} pass", done.time),
            (Doer::Queue(_) | Doer::Blocking, None) => "an item is handed on".to_owned(),
            (Doer::GoesOn(step, _), None) => format!("step {} goes on", numbers[step - 1]),
            (Doer::Runtime, None) => "go on".to_owned(),
        };
        let what =
            if done.depth > 0 { format!("{}in between: {what}", "  ".repeat(done.depth)) } else { what };
        let place =
            telling.put_at.as_ref().map_or_else(String::new, |place| format!("put at {}", shown(place)));
        let mut notes = Vec::new();
        for (text, place) in &telling.notes {
            notes.push(match place {
                Some(place) => format!("{text}   {}", shown(place)),
                None => text.clone(),
            });
        }
        if let Some(first) = &telling.instead {
            notes.push(format!("although {first} waited longer"));
        }
        Line {
            number: numbers[at],
            mark: if telling.instead.is_some() { "*" } else { " " },
            on,
            what,
            place,
            notes,
        }
    }
}

fn shown(place: &Place) -> String {
    let Place { function, line } = place;
    if function.is_empty() { line.clone() } else { format!("{line} ({function})") }
}

/// A story has so many steps at most: the last ones.
const LONG: usize = 80;

/// Wider names do not push the others' places away.
const WIDE: usize = 48;
