//! Waiting for the threads that an input has started: what one that is just ending holds looks like a leak to the check that
//! libFuzzer makes after each input.

use std::{fs, thread};

/// Calls `play`, and returns when the process has no more threads than before it.
pub(crate) fn settled<T>(play: impl FnOnce() -> T) -> T {
    let before = count();
    let played = play();
    while count() > before {
        thread::yield_now();
    }
    played
}

fn count() -> usize {
    fs::read_dir("/proc/self/task").expect("a file system of Linux").count()
}
