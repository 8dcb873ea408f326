//! Runs `wav_meter`, sox and ffmpeg, each within a time.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::figures::Figures;

/// How `wav_meter` is given a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    File,
    /// Through a pipe, in pieces.
    Pipe,
    /// A file of which one half is there at first.
    Growing,
}

impl How {
    pub(crate) const ALL: [How; 3] = [How::File, How::Pipe, How::Growing];
}

/// What a run of `wav_meter` came to.
pub(crate) enum Ended {
    /// Exit code 0, with these figures.
    Read(Figures),
    /// Exit code 1, with this one line.
    Refused(String),
    /// Anything else.
    Wrong(String),
}

pub(crate) fn meter(meter: &Path, how: How, path: &Path, bytes: &[u8]) -> Ended {
    let mut command = Command::new(meter);
    let input = match how {
        How::File => Vec::new(),
        How::Pipe => bytes.to_vec(),
        How::Growing => {
            let (first, rest) = bytes.split_at(bytes.len() / 2);
            std::fs::write(path, first).expect("the recording");
            rest.to_vec()
        }
    };
    let ended = match how {
        How::File => within_bound(command.arg(path), |_| ()),
        How::Pipe => within_bound(command.arg("/dev/stdin").stdin(Stdio::piped()), |child| {
            let Some(mut pipe) = child.stdin.take() else { return };
            std::thread::spawn(move || {
                for piece in input.chunks(977) {
                    // A reader that has seen enough closes the pipe.
                    if pipe.write_all(piece).is_err() {
                        return;
                    }
                }
            });
        }),
        How::Growing => within_bound(command.arg(path), |_| {
            let mut file = OpenOptions::new().append(true).open(path).expect("the recording");
            for piece in input.chunks(977) {
                file.write_all(piece).expect("the rest of the recording");
            }
        }),
    };
    let Some(Output { status, out, err }) = ended else {
        return Ended::Wrong(format!("did not end within {BOUND:?}"));
    };
    let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    match status.code() {
        Some(0) => match out.lines().last().and_then(Figures::of_line) {
            Some(figures) => Ended::Read(figures),
            None => Ended::Wrong(format!("exit code 0 without figures: {out}{err}")),
        },
        Some(1) if err.lines().count() == 1 && err.starts_with("wav_meter: ") => {
            Ended::Refused(err.trim_end().to_owned())
        }
        _ => Ended::Wrong(format!("ended with {status}: {err}")),
    }
}

/// What sox decodes; `None` if it decodes nothing.
pub(crate) fn sox(path: &Path) -> Option<Figures> {
    // Without the ending of the name it is told what the file is.
    decoded(Command::new("sox").args(["-V0", "-D", "-t", "wav"]).arg(path).args(["-t", "f32", "-"]))
}

/// What ffmpeg decodes; `None` if it decodes nothing.
pub(crate) fn ffmpeg(path: &Path) -> Option<Figures> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "quiet", "-nostdin", "-f", "wav", "-i"]).arg(path);
    decoded(command.args(["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "f32le", "-"].map(OsStr::new)))
}

fn decoded(command: &mut Command) -> Option<Figures> {
    let output = within_bound(command, |_| ())?;
    // An error at the end does not make wrong what was decoded before.
    (output.status.success() || !output.out.is_empty()).then(|| Figures::of_raw(&output.out))
}

struct Output {
    status: ExitStatus,
    out: Vec<u8>,
    err: Vec<u8>,
}

/// Runs a command to its end, and calls `meanwhile` when it has started. `None` if it hangs.
fn within_bound(command: &mut Command, meanwhile: impl FnOnce(&mut std::process::Child)) -> Option<Output> {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let reads = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut read = Vec::new();
            if let Some(mut stream) = stream {
                let _ = stream.read_to_end(&mut read);
            }
            read
        })
    };
    let out = reads(out.map(|stream| Box::new(stream) as _));
    let err = reads(err.map(|stream| Box::new(stream) as _));
    meanwhile(&mut child);
    let started = Instant::now();
    let status = loop {
        match child.try_wait().expect("the program's end") {
            Some(status) => break status,
            None if started.elapsed() > BOUND => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    Some(Output { status, out: out.join().unwrap_or_default(), err: err.join().unwrap_or_default() })
}

/// A run takes some milliseconds.
const BOUND: Duration = Duration::from_secs(20);
