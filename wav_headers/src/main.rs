//! Gives `wav_meter` recordings with wrong, strange and cut headers, as a file, through a pipe and while the file grows, and
//! holds its figures against those of sox and ffmpeg: `wav_headers WAV_METER`.
//!
//! What it says with exit code 0 is what at least one of them says, or what was put in where both read nothing right. Else it says in one line why not, with exit code 1. It
//! never hangs. A recording that can be read is read.

mod cases;
mod figures;
mod run;
mod wav;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cases::Case;
use crate::figures::Figures;
use crate::run::{Ended, How};

fn main() -> ExitCode {
    let Some(meter) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("wav_headers: say where wav_meter is");
        return ExitCode::FAILURE;
    };
    let cases = cases::all();
    let folder = std::env::temp_dir().join(format!("wav_headers-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("a folder of its own");
    let (next, wrong, counts) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Counts::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                // ORDERING: Relaxed: any order will do.
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let judged = judge(&meter, &folder, case, &counts);
                    wrong.lock().expect("no thread panics here").extend(judged);
                }
            });
        }
    });
    let _ = std::fs::remove_dir_all(&folder);
    let wrong = wrong.into_inner().expect("no thread panics here");
    for line in &wrong {
        eprintln!("wav_headers: {line}");
    }
    println!("wav_headers: {} recordings, {counts}; {} were wrong", cases.len(), wrong.len());
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How often it was read, and how often refused.
#[derive(Default)]
struct Counts {
    read: AtomicUsize,
    refused: AtomicUsize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (read, refused) = (self.read.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed));
        write!(f, "{} runs: {read} read, {refused} refused", read + refused)
    }
}

/// Everything that is wrong with what `wav_meter` makes of one recording.
fn judge(meter: &Path, folder: &Path, case: &Case, counts: &Counts) -> Vec<String> {
    let path = folder.join(format!("{}.wav", case.name));
    std::fs::write(&path, &case.bytes).expect("the recording");
    let mut wrong = Vec::new();
    let mut others = None;
    for how in How::ALL {
        let mut say = |what: String| wrong.push(format!("{} {how:?}: {what}", case.name));
        let figures = match run::meter(meter, how, &path, &case.bytes) {
            Ended::Read(figures) => figures,
            Ended::Refused(line) => {
                counts.refused.fetch_add(1, Ordering::Relaxed);
                // A pipe cannot go back, and a growing file may be read before it has grown.
                if case.readable && how == How::File {
                    say(format!("refused, and can be read: {line}"));
                }
                continue;
            }
            Ended::Wrong(what) => {
                say(what);
                continue;
            }
        };
        counts.read.fetch_add(1, Ordering::Relaxed);
        std::fs::write(&path, &case.bytes).expect("the recording");
        let others = others.get_or_insert_with(|| [run::sox(&path), run::ffmpeg(&path)]);
        let agrees = |theirs: &Option<Figures>| theirs.as_ref().is_some_and(|theirs| figures.is(theirs));
        // As long as the file grows it may end anywhere; its figures are those of a part.
        let is_part = how == How::Growing
            && others.iter().flatten().any(|theirs| figures.samples < theirs.samples && case.is_open);
        if !is_part && !others.iter().chain([&case.made]).any(agrees) {
            let [sox, ffmpeg] = others;
            say(format!("{figures:?}, but sox has {sox:?}, and ffmpeg {ffmpeg:?}"));
        }
    }
    let _ = std::fs::remove_file(&path);
    wrong
}
