//! `Record`: what was chosen and done in one run; for a story also by which callback, and where.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::async_result::QueueId;
use crate::tracker::Begun;

/// What was done in one run.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) choices: Vec<u32>,
    pub(super) steps: Vec<Done>,
    /// How many things could have happened, for the step that follows.
    offers: u32,
    /// The step that is done now, and how deep it is in the middle of others.
    now: usize,
    depth: usize,
    /// The private queues, in the order in which they were first seen.
    private: Vec<QueueId>,
    told: Option<Told>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) doer: Doer,
    /// The callback that was called, if one was.
    pub(super) callback: Option<(QueueName, &'static str)>,
    /// How many things could have happened.
    pub(super) offers: u32,
    /// How much time has passed.
    pub(super) time: Duration,
    /// In the middle of how many others.
    pub(super) depth: usize,
}

/// A queue, by a name that is the same in every run: the number of a private one is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum QueueName {
    Platform(QueueId),
    Private(usize),
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doer {
    Task(Arc<str>),
    Queue(QueueName),
    Blocking,
    /// What was begun in the step of this number goes on after others did: an item of this queue, or a task.
    GoesOn(usize, Option<QueueName>),
    Runtime,
    Clock,
}

/// The story of a run that failed.
#[derive(Debug, Default)]
struct Told {
    steps: Vec<Telling>,
    instead: Option<Doer>,
    /// Where items were put that have not run, by queue and name.
    puts: HashMap<(QueueName, &'static str), VecDeque<Option<Place>>>,
}

/// The story of one step.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling {
    /// Who would have been first.
    pub(super) instead: Option<Doer>,
    /// Where its item was put.
    pub(super) put_at: Option<Place>,
    /// What it did, and where.
    pub(super) notes: Vec<(String, Option<Place>)>,
}

/// A line of the user's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) function: String,
    pub(super) line: String,
}

impl Record {
    /// A record for a story, which also says what was done where.
    pub(super) fn telling() -> Record {
        Record { told: Some(Told::default()), ..Record::default() }
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// The number of the step that is done now, from 1.
    pub(super) fn now(&self) -> usize {
        self.now + 1
    }

    pub(super) fn steps(&self) -> usize {
        self.steps.len()
    }

    /// The name of a queue.
    pub(super) fn queue(&mut self, number: u32) -> QueueName {
        let id = QueueId(number);
        if !id.is_private() {
            return QueueName::Platform(id);
        }
        let known = self.private.iter().position(|known| *known == id);
        QueueName::Private(known.unwrap_or_else(|| {
            self.private.push(id);
            self.private.len() - 1
        }))
    }

    /// The same text with the names of private queues instead of their numbers.
    pub(super) fn named(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (at, id) in self.private.iter().enumerate() {
            text = text.replace(&id.to_string(), &QueueName::Private(at).to_string());
        }
        text
    }

    /// The story, step by step.
    pub(super) fn tellings(&self) -> &[Telling] {
        self.told.as_ref().map_or(&[], |told| &told.steps)
    }

    /// One of so many was chosen.
    pub(super) fn chose(&mut self, index: usize, count: usize) {
        self.choices.push(index as u32);
        self.offers = count as u32;
    }

    /// In the middle of a callback: it goes on if this is 0, and else one of so many does first.
    pub(super) fn chose_at_pause(&mut self, index: usize, count: usize) {
        self.choices.push(index as u32);
        if index > 0 {
            self.offers = count as u32;
        }
    }

    /// A choice between the ways in which one thing goes on.
    pub(super) fn chose_alone(&mut self, index: usize) {
        self.choices.push(index as u32);
    }

    /// It would have been this one's turn.
    pub(super) fn instead_of(&mut self, first: Doer) {
        if let Some(told) = &mut self.told {
            told.instead = Some(first);
        }
    }

    pub(super) fn step(&mut self, doer: Doer) {
        let offers = std::mem::replace(&mut self.offers, 1);
        self.now = self.steps.len();
        self.steps.push(Done { doer, callback: None, offers, time: Duration::ZERO, depth: self.depth });
        if let Some(told) = &mut self.told {
            let instead = told.instead.take();
            told.steps.push(Telling { instead, ..Telling::default() });
        }
    }

    /// Nothing was done in the last step.
    pub(super) fn take_back_step(&mut self) {
        self.steps.pop();
        if let Some(told) = &mut self.told {
            told.steps.pop();
        }
        self.now = self.steps.len().saturating_sub(1);
    }

    /// The next steps are done in the middle of the one that is done now, which is returned.
    pub(super) fn begin_inner(&mut self) -> usize {
        self.depth += 1;
        self.now
    }

    /// The outer step goes on.
    pub(super) fn end_inner(&mut self, outer: usize) {
        self.depth -= 1;
        let former = &self.steps[outer];
        let goes_on = match (&former.doer, former.callback) {
            (Doer::GoesOn(step, queue), _) => Doer::GoesOn(*step, *queue),
            (_, callback) => Doer::GoesOn(outer + 1, callback.map(|(queue, _)| queue)),
        };
        self.step(goes_on);
    }

    pub(super) fn has_begun(&mut self, queue: u32, name: &'static str) {
        let queue = self.queue(queue);
        if let Some(step) = self.steps.get_mut(self.now).filter(|step| step.callback.is_none()) {
            step.callback = Some((queue, name));
        }
        if let Some(told) = &mut self.told {
            let put_at = told.puts.get_mut(&(queue, name)).and_then(VecDeque::pop_front).flatten();
            if let Some(step) = told.steps.get_mut(self.now) {
                step.put_at = put_at;
            }
        }
    }

    pub(super) fn put(&mut self, queue: u32, name: &'static str, place: Option<Place>) {
        let queue = self.queue(queue);
        if let Some(told) = &mut self.told {
            told.puts.entry((queue, name)).or_default().push_back(place.clone());
        }
        self.note(format!("put {} on {queue}", short(name)), place);
    }

    pub(super) fn note(&mut self, text: String, place: Option<Place>) {
        if let Some(step) = self.told.as_mut().and_then(|told| told.steps.get_mut(self.now)) {
            step.notes.push((text, place));
        }
    }

    pub(super) fn time_passed(&mut self, took: Duration) {
        if let Some(step) = self.steps.get_mut(self.now) {
            step.time = took;
        }
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueName::Platform(id) => write!(f, "{id}"),
            QueueName::Private(at) => write!(f, "private {}", at + 1),
        }
    }
}

impl fmt::Display for Doer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doer::Task(name) => f.write_str(name),
            Doer::Queue(queue) => write!(f, "{queue}"),
            Doer::Blocking => f.write_str("blocking item"),
            Doer::GoesOn(step, _) => write!(f, "step {step}"),
            Doer::Runtime => f.write_str("tokio's tasks"),
            Doer::Clock => f.write_str("the clock"),
        }
    }
}

impl Place {
    /// A line that this crate keeps.
    pub(super) fn of(begun: Begun) -> String {
        format!("{}:{}", begun.file(), begun.line())
    }

    /// Where a private queue was allocated.
    pub(super) fn allocated(begun: Option<Begun>) -> String {
        begun.map_or_else(String::new, |begun| format!(" (allocated at {})", Place::of(begun)))
    }
}

/// A name without the paths of its modules: `<a::b::Source as c::Callback>::invoke` is `<Source as Callback>::invoke`.
pub(super) fn short(name: &str) -> String {
    let mut out = String::new();
    let mut path = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() || matches!(c, '_' | ':' | '{' | '}' | '#') {
            path.push(c);
        } else {
            out.push_str(&last(&path));
            path.clear();
            out.push(c);
        }
    }
    out.push_str(&last(&path));
    out
}

/// The last segment of a path; a closure has its function's.
fn last(path: &str) -> String {
    let is_method = path.starts_with("::");
    // A segment has one `:` after it, and an empty one before the next.
    let mut segments = path.rsplit(':').filter(|segment| !segment.is_empty()).peekable();
    let mut is_closure = false;
    while segments.next_if(|segment| segment.starts_with('{')).is_some() {
        is_closure = true;
    }
    let name = segments.next().unwrap_or_default();
    let colons = if is_method && !name.is_empty() { "::" } else { "" };
    format!("{colons}{name}{}", if is_closure { "::{closure}" } else { "" })
}

/// Where the user's code is that has called this, if that can be found.
pub(super) fn place() -> Option<Place> {
    let trace = std::backtrace::Backtrace::force_capture().to_string();
    let here = std::env::current_dir().unwrap_or_default();
    let here = here.to_string_lossy();
    let mut function = "";
    for line in trace.lines().map(str::trim) {
        let Some(at) = line.strip_prefix("at ") else {
            function = line.split_once(": ").map_or(line, |(_, function)| function);
            continue;
        };
        let path = at.strip_prefix("./").unwrap_or(at);
        let is_relative = path.len() < at.len();
        let is_ours =
            if is_relative { *here == *CRATE && path.starts_with("src/") } else { path.starts_with(SOURCES) };
        if is_ours || !path.contains(".rs:") || OTHERS.iter().any(|other| path.contains(other)) {
            continue;
        }
        let path = path.strip_prefix(&*here).map_or(path, |path| path.trim_start_matches(['/', '\\']));
        // Without the column.
        let line = path.rsplit_once(':').map_or(path, |(line, _)| line).to_owned();
        return Some(Place { function: function_of(function), line });
    }
    None
}

/// Where this crate's own code is.
const CRATE: &str = env!("CARGO_MANIFEST_DIR");
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");

/// A function of a backtrace: `Source::invoke`. Empty if it has no name of its own, as a block.
fn function_of(name: &str) -> String {
    let (of, method) = match name.strip_prefix('<').and_then(|rest| rest.rsplit_once(">::")) {
        Some((of, method)) => (of.split(" as ").next().unwrap_or(of), method),
        None => ("", name),
    };
    let method = method.split('<').next().unwrap_or(method);
    let named = |segment: &&str| !segment.is_empty() && !segment.starts_with('{');
    let Some(method) = method.rsplit(':').find(named) else { return String::new() };
    if of.is_empty() { method.to_owned() } else { format!("{}::{method}", short(of)) }
}

/// What the paths of other people's code have in them.
const OTHERS: [&str; 3] = ["/rustc/", "/.cargo/registry/", "/rustlib/"];

#[cfg(test)]
#[cfg(not(any(mf_async_loom, mf_async_shuttle)))]
mod tests {
    use super::{function_of, short};

    #[test]
    fn a_function_has_its_type() {
        assert_eq!(function_of("<my::Source as mf::Callback>::invoke::{{closure}}"), "Source::invoke");
        assert_eq!(function_of("my::tests::stops::{{closure}}::{{closure}}"), "stops");
        assert_eq!(function_of("{async_block#0}<a::B>"), "");
    }

    #[test]
    fn a_short_name_has_no_paths() {
        assert_eq!(short("my::source::Source"), "Source");
        assert_eq!(short("<a::b::Source as c::Callback>::invoke"), "<Source as Callback>::invoke");
        assert_eq!(short("a::Operation<alloc::vec::Vec<u8>>"), "Operation<Vec<u8>>");
        assert_eq!(short("a::b::begin::{{closure}}::{{closure}}"), "begin::{closure}");
        assert_eq!(short("a read from memory"), "a read from memory");
    }
}
