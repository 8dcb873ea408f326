//! `Timeline`: a recording of what every work queue did, as a picture and as a trace for Perfetto. Feature `timeline`.
//!
//! ```
//! use mf_async::{Platform, QueueId, timeline};
//!
//! # #[tokio::main] async fn main() -> mf_async::Result<()> {
//! let timeline = timeline::record();
//! let platform = Platform::startup()?;
//! platform.queue(QueueId::MULTITHREADED)?.run(|| 6 * 7).await?;
//! platform.shutdown().await?;
//! # let folder = tempfile::tempdir()?; let (picture, trace) = (folder.path().join("run.svg"), folder.path().join("run.json"));
//! # /*
//! timeline.write_svg("run.svg")?;
//! timeline.write_perfetto("run.json")?;
//! # */
//! # timeline.write_svg(picture)?;
//! # timeline.write_perfetto(trace)?;
//! # Ok(()) }
//! ```

mod perfetto;
mod picture;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::async_result::QueueId;
use crate::error::Result;
use crate::observe::recorder::{self, PutBy, Recorded, Recording};
use crate::queue::WorkQueue;
use crate::sync::LockExt;

/// Starts a recording of every callback that a work queue of this process calls, on any platform.
///
/// It ends when the [`Timeline`] is dropped or [stopped](Timeline::stop). It costs three clock readings and two locks for
/// each callback while it lasts, and keeps up to a million callbacks.
#[must_use = "dropping it ends the recording"]
pub fn record() -> Timeline {
    Timeline { start: Instant::now(), recording: Recording::start(), names: Mutex::default() }
}

/// A recording of what every work queue did: the callbacks that were called, by their queues.
///
/// An awaited operation is in it only where its End runs on a queue; one that is handed straight to its task uses none.
pub struct Timeline {
    start: Instant,
    recording: Arc<Recording>,
    names: Mutex<BTreeMap<(usize, QueueId), String>>,
}

/// What was recorded of one queue, in a [`Timeline`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TimelineLane {
    /// The name of the queue: what [`Timeline::name`] has given it, or its id.
    pub name: String,
    /// The queue.
    pub queue: QueueId,
    /// Its callbacks, the one that began first in front. Callbacks that overlap are in different rows.
    pub rows: Vec<Vec<TimelineCall>>,
}

/// One callback that was called, in a [`Timeline`]. Times are counted from the start of the recording.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TimelineCall {
    /// Its number: no other call has it.
    pub number: u64,
    /// The callback's name, without the paths of its types.
    pub callback: String,
    /// The number of the callback that put it; `None` if the program or a timer did.
    pub put_by: Option<u64>,
    /// Whether a timer put it.
    pub by_timer: bool,
    /// When it was put.
    pub put: Duration,
    /// When the queue called it.
    pub began: Duration,
    /// When it returned.
    pub ended: Duration,
}

impl Timeline {
    /// Gives a queue a name for people.
    pub fn name(&self, queue: &WorkQueue, name: impl Into<String>) {
        self.names.locked().insert((queue.platform_address(), queue.id()), name.into());
    }

    /// Ends the recording; what was recorded is kept.
    pub fn stop(&self) {
        self.recording.stop();
    }

    /// How many callbacks were called after the recording had become full.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.recording.lost()
    }

    /// What was recorded so far: a lane for each queue that called something, the one that was used first in front.
    #[must_use]
    pub fn lanes(&self) -> Vec<TimelineLane> {
        let mut runs = self.recording.runs();
        runs.sort_by_key(|run| run.began);
        let names = self.names.locked().clone();
        let mut lanes: Vec<((usize, QueueId), TimelineLane)> = Vec::new();
        for run in runs {
            let key = (run.platform, run.queue);
            let at = lanes.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
                let name = names.get(&key).cloned().unwrap_or_else(|| run.queue.to_string());
                lanes.push((key, TimelineLane { name, queue: run.queue, rows: Vec::new() }));
                lanes.len() - 1
            });
            lanes[at].1.add(TimelineCall::new(&run, self.start));
        }
        lanes.into_iter().map(|(_, lane)| lane).collect()
    }

    /// The picture, as the text of an SVG file: a lane for each queue, and for each callback its wait, its run, and a line
    /// from what put it.
    #[must_use]
    pub fn svg(&self, title: &str) -> String {
        picture::picture(&self.lanes(), title)
    }

    /// Writes the picture, with the file's name as its title.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_svg(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let title = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(fs::write(path, self.svg(&title))?)
    }

    /// The trace, as the text of a JSON file, for Perfetto's viewer (ui.perfetto.dev) and for Chrome's.
    #[must_use]
    pub fn perfetto(&self) -> String {
        perfetto::trace(&self.lanes())
    }

    /// Writes the trace.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_perfetto(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(fs::write(path, self.perfetto())?)
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.recording.stop();
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline").field("calls", &self.recording.runs().len()).finish_non_exhaustive()
    }
}

impl TimelineLane {
    /// Its calls, row by row.
    pub fn calls(&self) -> impl Iterator<Item = &TimelineCall> {
        self.rows.iter().flatten()
    }

    fn add(&mut self, call: TimelineCall) {
        let is_free = |row: &&mut Vec<TimelineCall>| row.last().is_none_or(|last| last.ended <= call.began);
        match self.rows.iter_mut().find(is_free) {
            Some(row) => row.push(call),
            None => self.rows.push(vec![call]),
        }
    }
}

impl TimelineCall {
    fn new(run: &Recorded, start: Instant) -> TimelineCall {
        let since = |time: Instant| time.saturating_duration_since(start);
        TimelineCall {
            number: run.number,
            callback: short(run.callback),
            put_by: if let PutBy::Callback(number) = run.by { Some(number) } else { None },
            by_timer: run.by == PutBy::Timer,
            put: run.put.map_or(Duration::ZERO, since),
            began: since(run.began),
            ended: since(run.ended),
        }
    }
}

/// Who put the calls, in words, and where they are, for both formats.
struct Callers<'a>(BTreeMap<u64, &'a TimelineCall>);

impl<'a> Callers<'a> {
    fn of(lanes: &'a [TimelineLane]) -> Callers<'a> {
        Callers(lanes.iter().flat_map(TimelineLane::calls).map(|call| (call.number, call)).collect())
    }

    /// What put it, in words.
    fn name(&self, call: &TimelineCall) -> &str {
        match call.put_by {
            Some(number) => self.0.get(&number).map_or("a callback before the recording", |by| &by.callback),
            None if call.by_timer => "a timer",
            None => "the program",
        }
    }
}

/// A type's name without the paths in it, and a closure's without saying that it is one.
fn short(name: &str) -> String {
    let mut short = String::new();
    let mut rest = name.replace("::{{closure}}", "");
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let path: Vec<&str> = rest[..end].split("::").collect();
        let from = match path.as_slice() {
            // A method keeps its type.
            [.., of, _] if of.starts_with(char::is_uppercase) => path.len() - 2,
            _ => path.len().saturating_sub(1),
        };
        short.push_str(&path[from..].join("::"));
        let next = rest[end..].chars().next().map_or(0, char::len_utf8);
        short.push_str(&rest[end..end + next]);
        rest.drain(..end + next);
    }
    short
}

/// Largest number of callbacks that a recording keeps.
pub const LIMIT: usize = recorder::LIMIT;
