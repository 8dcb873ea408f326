//! Promise: pipelines that run beside each other sound as by themselves; one may be cut off by a shutdown, or by the end of
//! the process, at any moment; and an hour of sound leaves nothing behind.

use std::path::{Path, PathBuf};

use futures::executor::block_on;
use mf_async::Platform;
use windows::Win32::System::ProcessStatus::{GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows::Win32::System::Threading::GetCurrentProcess;

use crate::allocations::allocator::Counting;
use crate::pipeline::{self, Playing, Reader, Started, open};
use crate::support::{alone, media, passes, wave, wave_of};

/// The files that are decoded, and how long each sounds.
fn files() -> Vec<(PathBuf, usize)> {
    let made = [("tone.mp3", 359_424), ("tone.flac", 352_800)];
    let made = made.into_iter().filter_map(|(name, bytes)| Some((media(name)?, bytes)));
    [(wave("cut_off"), 176_400)].into_iter().chain(made).collect()
}

#[test]
fn many_readers_decode_at_the_same_time() {
    passes("cut_off::many_readers_decode_at_the_same_time", &[], || {
        let _started = Started::new();
        std::thread::scope(|scope| {
            for (path, bytes) in files().into_iter().cycle().take(6) {
                scope.spawn(move || {
                    for _ in 0..5 {
                        assert_eq!(block_on(pipeline::read(&path, 1)).unwrap().len(), bytes, "{path:?}");
                    }
                });
            }
        });
    });
}

#[test]
fn sessions_play_one_after_the_other_and_beside_each_other() {
    passes("cut_off::sessions_play_one_after_the_other_and_beside_each_other", &[], || {
        let _started = Started::new();
        let path = wave("sessions");
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        assert_eq!(block_on(pipeline::play(&path, 176_400)).unwrap().len(), 176_400);
                    }
                });
            }
        });
        let _ = std::fs::remove_file(&path);
    });
}

/// After how many samples a reader is cut off, or that a session is.
const CUTS: [&str; 4] = ["0", "1", "7", "session"];

/// The variable that tells a process which.
const CUT: &str = "MF_ASYNC_RTWORKQ_TEST_CUT";

/// Begins a pipeline for each file and, with a read in flight or while it plays, calls `end`. Then the process ends.
fn cut_off(test: &str, end: impl Fn(Started)) {
    for cut in CUTS {
        let ended = alone(test, &[(CUT, cut)], || {
            let started = Started::new();
            for (path, _) in files() {
                begin(&path, &std::env::var(CUT).unwrap());
            }
            end(started);
            std::process::exit(7);
        });
        let Some(ended) = ended else { return };
        assert_eq!(ended.status.code(), Some(7), "{cut}: {ended:?}");
    }
}

/// Begins a pipeline. Its objects stay, as those of a careless program.
fn begin(path: &Path, cut: &str) {
    let source = block_on(open(path)).unwrap();
    if cut == "session" {
        std::mem::forget(block_on(Playing::start(&source)).unwrap());
    } else {
        let mut reader = Reader::of(&source).unwrap();
        for _ in 0..cut.parse().unwrap() {
            reader.ask().unwrap();
            block_on(reader.answer()).unwrap();
        }
        reader.ask().unwrap();
        std::mem::forget(reader);
    }
    std::mem::forget(source);
}

#[test]
fn a_shutdown_cuts_readers_and_sessions_off() {
    cut_off("cut_off::a_shutdown_cuts_readers_and_sessions_off", drop);
}

#[test]
fn a_process_ends_in_the_middle_of_a_decode_by_its_own_code() {
    cut_off("cut_off::a_process_ends_in_the_middle_of_a_decode_by_its_own_code", std::mem::forget);
}

#[test]
fn an_hour_of_sound_leaves_nothing_behind() {
    const MINUTES: usize = 60;
    let said = passes("cut_off::an_hour_of_sound_leaves_nothing_behind", &[], || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
        mf_async_rtworkq::install(&platform).unwrap();
        let started = Started::new();
        let path = wave_of("hour", 60);
        let minute = || {
            let bytes = block_on(pipeline::read(&path, 1)).unwrap().len();
            assert_eq!(bytes, 60 * 176_400);
        };
        // The first fill what is kept: queues, caches, the pages of the libraries.
        (0..MINUTES / 10).for_each(|_| minute());
        let (before, counting) = (memory(), Counting::start());
        (0..MINUTES).for_each(|_| minute());
        let (kept, after) = (counting.stop().kept, memory());
        println!("hour: {before} MB before, {after} MB after, {kept} bytes of ours kept");
        assert!(kept.abs() < 100_000, "{kept} bytes");
        drop(started);
        let _ = std::fs::remove_file(path);
    });
    if let Some((out, _)) = said {
        out.lines().filter(|line| line.contains("hour: ")).for_each(|line| println!("{line}"));
    }
}

/// Megabytes that this process has in memory.
fn memory() -> usize {
    let mut counters = PROCESS_MEMORY_COUNTERS::default();
    let size = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
    // SAFETY: the place is of that size.
    unsafe { GetProcessMemoryInfo(GetCurrentProcess(), &raw mut counters, size) }.unwrap();
    counters.WorkingSetSize >> 20
}
