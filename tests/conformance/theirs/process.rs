//! Theirs: a process for each case, since Media Foundation is one for a process.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::channel;

use windows::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};

use crate::run::{self, BOUND};
use crate::theirs::Theirs;

/// Names the case that a process is to play.
const CASE: &str = "MF_ASYNC_CONFORMANCE_CASE";

/// What comes before what was seen, and before why nothing was.
const SEEN: &str = "seen: ";
const FAILED: &str = "failed: ";

/// The case that this process is to play, if it is one of those.
pub(crate) fn asked_for() -> Option<String> {
    std::env::var(CASE).ok()
}

/// Plays a case, says what was seen, and ends the process as it is: what the case has left behind, and Media
/// Foundation's threads, go with it.
pub(crate) fn play(path: &str) -> ExitCode {
    let case = run::cases::<Theirs>().into_iter().find(|case| case.path() == path);
    let seen = case.map_or_else(|| Err(format!("there is no case {path}")), run::play);
    let line = match seen {
        Ok(seen) => format!("{SEEN}{seen}"),
        Err(error) => format!("{FAILED}{error}"),
    };
    let mut out = std::io::stdout();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    let code = u32::from(written.is_err());
    // SAFETY: ends this process, which is wanted.
    let _ = unsafe { TerminateProcess(GetCurrentProcess(), code) };
    ExitCode::FAILURE
}

/// Starts a process. The system may fail to do so while it starts and ends many at a time, which says nothing of the
/// case: none of it has been played.
fn start(command: &mut Command) -> std::io::Result<Child> {
    let mut started = command.spawn();
    for _ in 1..TRIES {
        if started.is_ok() {
            break;
        }
        started = command.spawn();
    }
    started
}

/// Has a process play a case, and gives what it has seen.
pub(crate) fn spawn(path: &str) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.env(CASE, path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = start(&mut command).map_err(|error| format!("no process: {error}"))?;
    let mut out = child.stdout.take().ok_or("no output")?;
    let (ended, end) = channel();
    // The output ends with the process.
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = out.read_to_end(&mut text);
        let _ = ended.send(());
        String::from_utf8_lossy(&text).into_owned()
    });
    let in_time = end.recv_timeout(BOUND * 2).is_ok();
    if !in_time {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let text = reader.join().map_err(|_| "the output cannot be read")?;
    for line in text.lines() {
        if let Some(seen) = line.strip_prefix(SEEN) {
            return Ok(seen.to_owned());
        }
        if let Some(error) = line.strip_prefix(FAILED) {
            return Err(error.to_owned());
        }
    }
    Err(if in_time { format!("the process ended by {status}") } else { "the process hangs".to_owned() })
}

/// How often a process is tried to be started.
const TRIES: usize = 5;
