//! What can be observed of a subject: codes, calls in their order, releases, and which queue somebody waits on.
//!
//! Nothing sleeps. What is to happen is waited for, up to a limit at which it counts as not happening; that
//! something does not happen is seen by something later that has happened.

use std::fmt::Display;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use mf_async::Hresult;

use crate::subject::{Answer, Subject, on};

/// What has not happened by then does not happen. Shorter where much is known not to, which costs as much each time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(if cfg!(windows) { 5 } else { 10 });

pub(crate) const STANDARD: u32 = 1;
pub(crate) const RT: u32 = 2;
pub(crate) const IO: u32 = 3;
pub(crate) const TIMER: u32 = 4;
pub(crate) const MULTITHREADED: u32 = 5;
pub(crate) const LONG_FUNCTION: u32 = 7;
pub(crate) const PRIVATE_MASK: u32 = 0xFFFF_0000;

/// The kinds of private queues, for `allocate_ex`.
pub(crate) const STANDARD_KIND: u32 = 0;
pub(crate) const WINDOW_KIND: u32 = 1;
pub(crate) const MULTITHREADED_KIND: u32 = 2;

pub(crate) const FAST_IO: u32 = 1;
pub(crate) const SIGNAL: u32 = 2;
pub(crate) const BLOCKING: u32 = 4;
pub(crate) const REPLY: u32 = 8;
pub(crate) const LOCALIZE_REMOTE: u32 = 0x10;

/// An HRESULT by its name.
pub(crate) fn name(code: Hresult) -> String {
    code.name().map_or_else(|| format!("0x{:08X}", code.0), str::to_owned)
}

/// The code that a call returned.
pub(crate) fn code<T>(answer: &Answer<T>) -> String {
    name(answer.as_ref().err().copied().unwrap_or(Hresult::S_OK))
}

/// The value that a call returned, or the code.
pub(crate) fn value<T: Display>(answer: &Answer<T>) -> String {
    answer.as_ref().map_or_else(|code| name(*code), ToString::to_string)
}

/// Entries in the order in which they came.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Log {
    pub(crate) fn new() -> Log {
        Log::default()
    }

    pub(crate) fn tell(&self, entry: impl Into<String>) {
        let (entries, told) = &*self.0;
        entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry.into());
        told.notify_all();
    }

    /// How many there are now.
    pub(crate) fn count(&self) -> usize {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// All there are now.
    pub(crate) fn all(&self) -> String {
        let entries = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.is_empty() { "nothing".to_owned() } else { entries.join(" ") }
    }

    /// All there are when there are so many, or when there are not so many after a while.
    pub(crate) fn after(&self, count: usize) -> String {
        self.wait(count);
        self.all()
    }

    /// Whether there come to be so many.
    pub(crate) fn wait(&self, count: usize) -> bool {
        let (entries, told) = &*self.0;
        let entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = told.wait_timeout_while(entries, PATIENCE, |entries| entries.len() < count);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// What threads wait at until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate(Log);

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate::default()
    }

    pub(crate) fn open(&self) {
        self.0.tell("open");
    }

    /// Whether it was opened in time.
    pub(crate) fn pass(&self) -> bool {
        self.0.wait(1)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.count() > 0
    }
}

/// What a callback leaves for the case, or the case for a callback.
#[derive(Clone)]
pub(crate) struct Slot<T>(Arc<(Mutex<Option<T>>, Condvar)>);

impl<T: Clone> Slot<T> {
    pub(crate) fn new() -> Slot<T> {
        Slot(Arc::new((Mutex::new(None), Condvar::new())))
    }

    pub(crate) fn set(&self, value: T) {
        let former = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).replace(value);
        self.0.1.notify_all();
        drop(former);
    }

    pub(crate) fn get(&self) -> Option<T> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is there, or comes; nothing if it does not come. The slot is empty then.
    pub(crate) fn take(&self) -> Option<T> {
        let value = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(value, PATIENCE, |value| value.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }

    pub(crate) fn clear(&self) {
        let former = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(former);
    }
}

/// Something to be kept, and how to know of its end.
pub(crate) fn life() -> (Arc<()>, Life) {
    let kept = Arc::new(());
    let life = Life(Arc::downgrade(&kept));
    (kept, life)
}

pub(crate) struct Life(Weak<()>);

impl Life {
    pub(crate) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// "released", or "kept" when it is not released after a while.
    pub(crate) fn end(&self) -> &'static str {
        until(|| self.is_over());
        self.now()
    }

    /// "released" or "kept", as it is now.
    pub(crate) fn now(&self) -> &'static str {
        if self.is_over() { "released" } else { "kept" }
    }
}

/// Looks again and again until it is so; false if it never is. For what nobody tells.
pub(crate) fn until(mut so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !so() {
        if start.elapsed() > PATIENCE {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// A queue on which an item runs until this lets it go on, or is dropped.
pub(crate) struct Occupied(Gate);

impl Occupied {
    /// Occupies a queue that runs one item at a time. When it goes on it tells `held`.
    pub(crate) fn new<S: Subject>(mf: &S, queue: u32, log: &Log) -> Occupied {
        let (gate, started) = (Gate::new(), Gate::new());
        let (held, starts, log) = (gate.clone(), started.clone(), log.clone());
        let blocker = mf.callback(on(queue), move |_| {
            starts.open();
            held.pass();
            log.tell("held");
        });
        let put = mf.put(queue, &blocker, None);
        assert!(put.is_ok() && started.pass(), "queue {queue:#x} cannot be occupied: {}", code(&put));
        Occupied(gate)
    }

    /// Lets the item go on.
    pub(crate) fn free(self) {}
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// What is told by what `start` starts, with `held` before it if that ran on this queue, which runs one item
/// at a time.
///
/// An item holds the queue; `start` starts something; then each other queue of the platform runs an item that
/// was put later, so that whatever was on one of them has run; then the queue is let go.
pub(crate) fn behind<S: Subject>(mf: &S, queue: u32, log: &Log, start: impl FnOnce() -> Answer) {
    let occupied = Occupied::new(mf, queue, log);
    let started = start();
    if started.is_err() {
        log.tell(code(&started));
    }
    for other in [STANDARD, RT, IO, TIMER, MULTITHREADED, LONG_FUNCTION] {
        if other != queue {
            pass_through(mf, other);
        }
    }
    occupied.free();
}

/// Puts an item and waits until it has run: on a queue that takes items out in order, everything put before
/// was taken out before.
pub(crate) fn pass_through<S: Subject>(mf: &S, queue: u32) {
    let gate = Gate::new();
    let opens = gate.clone();
    let marker = mf.callback(on(queue), move |_| opens.open());
    let put = mf.put(queue, &marker, None);
    assert!(put.is_ok() && gate.pass(), "nothing gets through queue {queue:#x}: {}", code(&put));
}

/// A callback on this queue that tells an entry.
pub(crate) fn tells<S: Subject>(mf: &S, queue: u32, log: &Log, entry: &'static str) -> S::Callback {
    let log = log.clone();
    mf.callback(on(queue), move |_| log.tell(entry))
}

/// A callback on this queue that tells the status of its result.
pub(crate) fn tells_status<S: Subject>(mf: &S, queue: u32, log: &Log) -> S::Callback {
    let (subject, log) = (mf.clone(), log.clone());
    mf.callback(on(queue), move |result| log.tell(name(subject.status(result))))
}
