//! Runs the cases: each a test by its name, for each subject that there is here.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::case::{Case, Family};
use crate::ours::Ours;
use crate::subject::{Events, Kind, Resolving, Rtwq, Services, Subject, Transforms};
use crate::table::Table;
use crate::{
    byte_positions, byte_streams, event_shutdown, event_values, events, files, invoke, lifetime, mmcss,
    periodic, put, queues, reply, resolver, results, rtwq, serial, services, timers, transforms, waits,
};
use crate::{deviations, facts};

/// No case takes anywhere near as long; what does, hangs.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// There are to be no fewer cases.
const LEAST: usize = 370;

/// How many cases at the same time; as many as there are processors where that is not said. A case in a process of its
/// own mostly waits.
const THREADS: Option<usize> = if cfg!(windows) { Some(6) } else { None };

/// Every case there is.
pub(crate) fn cases<S: Events + Resolving + Services + Rtwq + Transforms>() -> Vec<Case<S>> {
    let families: [Family<S>; 21] = [
        lifetime::cases(),
        put::cases(),
        invoke::cases(),
        results::cases(),
        queues::cases(),
        serial::cases(),
        reply::cases(),
        timers::cases(),
        waits::cases(),
        periodic::cases(),
        events::cases(),
        event_values::cases(),
        event_shutdown::cases(),
        byte_streams::cases(),
        byte_positions::cases(),
        files::cases(),
        resolver::cases(),
        mmcss::cases(),
        services::cases(),
        rtwq::cases(),
        transforms::cases(),
    ];
    families.into_iter().flat_map(|family| family.cases).collect()
}

pub(crate) fn main() -> ExitCode {
    #[cfg(windows)]
    if let Some(path) = crate::theirs::process::asked_for() {
        return crate::theirs::process::play(&path);
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(THREADS);
    let table = Table::new(&cases::<Ours>());
    let mut trials = vec![Trial::test("suite::the_lists_are_in_order", the_lists_are_in_order)];
    for case in cases::<Ours>() {
        let table = table.clone();
        let name = format!("ours::{}", case.path());
        trials.extend(trial(Kind::Ours, name, case.path(), case.expected, table, move || play(case)));
    }
    #[cfg(windows)]
    for case in cases::<crate::theirs::Theirs>() {
        use crate::theirs::{Theirs, process};
        let (table, path) = (table.clone(), case.path());
        let seen = move || process::spawn(&path);
        let name = format!("theirs::{}", case.path());
        trials.extend(trial(Theirs::kind(), name, case.path(), case.expected, table, seen));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if arguments.nocapture && !arguments.list {
        print!("{table}");
    }
    conclusion.exit_code()
}

/// The test of one case, unless it is not to be run against this subject.
fn trial(
    kind: Kind,
    name: String,
    path: String,
    expected: &'static str,
    table: Arc<Table>,
    seen: impl FnOnce() -> Result<String, String> + Send + 'static,
) -> Option<Trial> {
    if let Some(reason) = deviations::not_run(kind, &path) {
        table.not_run(kind, &path, reason);
        return None;
    }
    Some(Trial::test(name, move || {
        let seen = seen().unwrap_or_else(|error| format!("failed: {error}"));
        table.seen(kind, &path, &seen);
        judge(kind, &path, expected, &seen).map_err(Failed::from)
    }))
}

/// Whether what is seen is what is expected, or a deviation that is listed.
fn judge(kind: Kind, path: &str, expected: &str, seen: &str) -> Result<(), String> {
    match deviations::of(kind, path) {
        None if seen == expected => Ok(()),
        None => Err(format!("Media Foundation: {expected}\n      {kind:?}: {seen}")),
        Some(listed) if seen == expected => {
            Err(format!("it is as expected, {expected}, but listed as deviating: {}", listed.seen))
        }
        Some(listed) if seen == listed.seen => Ok(()),
        Some(listed) => {
            Err(format!("Media Foundation: {expected}\n  listed: {}\n  {kind:?}: {seen}", listed.seen))
        }
    }
}

/// Plays a case in this process, on a thread of its own. What panics or does not end has failed.
pub(crate) fn play<S: Subject>(case: Case<S>) -> Result<String, String> {
    let (ended, end) = sync_channel(1);
    let body = move || {
        let mf = S::new();
        if case.started {
            mf.startup().map_err(|code| format!("the start says {code}"))?;
        }
        let seen = (case.run)(&mf);
        // That everything was given back is part of every case.
        if case.started && S::kind() == Kind::Ours {
            mf.shutdown().map_err(|code| format!("{seen}; but the shutdown says {code}"))?;
        }
        Ok(seen)
    };
    let thread = std::thread::Builder::new().spawn(move || {
        let seen = std::panic::catch_unwind(body).unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
            Err(format!("panicked: {}", text.unwrap_or_default()))
        });
        let _ = ended.send(seen);
    });
    drop(thread.map_err(|error| error.to_string())?);
    match end.recv_timeout(BOUND) {
        Ok(seen) => seen,
        Err(RecvTimeoutError::Timeout) => Err(format!("it did not end within {BOUND:?}")),
        Err(RecvTimeoutError::Disconnected) => Err("its thread went away".to_owned()),
    }
}

/// Names are unique, there are enough of them, and what is listed as deviating exists.
fn the_lists_are_in_order() -> Result<(), Failed> {
    assert!(facts::PATIENCE < BOUND);
    let cases = cases::<Ours>();
    let mut paths = HashSet::new();
    for case in &cases {
        assert!(paths.insert(case.path()), "there are two cases {}", case.path());
        assert!(
            case.stands_for.contains(": "),
            "{}: it says what it stands for as `page: text`",
            case.path()
        );
        assert!(!case.expected.is_empty(), "{}: nothing is expected", case.path());
    }
    assert!(paths.len() >= LEAST, "there are {} cases, fewer than {LEAST}", paths.len());
    let mut listed = HashSet::new();
    for (kind, path, reason) in deviations::all() {
        assert!(paths.contains(path), "{path} is listed, and there is no such case");
        assert!(listed.insert((format!("{kind:?}"), path)), "{path} is listed twice for {kind:?}");
        assert!(reason.len() > 20, "{path} is listed without a reason");
    }
    Ok(())
}
