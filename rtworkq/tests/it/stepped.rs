//! Promise: a decode can be stepped by hand, each callback on the thread that steps, and goes the same way every time.

use std::path::Path;
use std::time::{Duration, Instant};

use mf_async::Platform;
use windows::Win32::Media::MediaFoundation::{
    MFASYNC_CALLBACK_QUEUE_MULTITHREADED, MFASYNC_CALLBACK_QUEUE_STANDARD, MFPutWorkItem,
};

use crate::pipeline::{Reader, Started};
use crate::support::{Log, call, callback, entry, media, passes, until, wave};

const MULTITHREADED: u32 = MFASYNC_CALLBACK_QUEUE_MULTITHREADED;
const STANDARD: u32 = MFASYNC_CALLBACK_QUEUE_STANDARD;

/// Decodes a file, stepped by hand, and prints the outcome of each step.
fn decode(path: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
    mf_async_rtworkq::install(&platform).unwrap();
    let started = Started::new();
    // To open the file blocks until its callbacks are called, so that it is done before.
    let mut reader = Reader::open(path).unwrap();
    let stepper = mf_async_rtworkq::step_by_hand(&platform).unwrap();
    let (start, mut steps, mut reads) = (Instant::now(), 0, 0);
    loop {
        reader.ask().unwrap();
        reads += 1;
        let read = loop {
            if let Some(read) = reader.answered() {
                break read.unwrap();
            }
            assert!(start.elapsed() < Duration::from_secs(60), "stepped in vain: read {reads}");
            if stepper.step() {
                steps += 1;
            } else {
                // A thread of Media Foundation's own is at work.
                std::thread::yield_now();
            }
        };
        assert_eq!(read.thread, std::thread::current().id(), "the callback runs where it is stepped");
        let (flags, time, bytes) = (read.flags, read.time, read.bytes.len());
        println!("read {reads}: step {steps}, flags {flags:#x}, time {time}, {bytes} bytes");
        if read.is_last() {
            break;
        }
    }
    while stepper.step() {
        steps += 1;
    }
    println!("read in all: {reads} reads, {steps} steps");
    drop((stepper, reader, started));
}

/// Two processes print the same lines.
fn twice(test: &str, path: &Path) {
    let mut played = Vec::new();
    for _ in 0..2 {
        let Some((out, _)) = passes(test, &[], || decode(path)) else { return };
        let lines: Vec<_> =
            out.lines().filter(|line| line.starts_with("read ")).map(ToOwned::to_owned).collect();
        played.push(lines);
    }
    println!("{}", played[0].last().unwrap());
    assert!(played[0].len() > 2);
    assert_eq!(played[0], played[1]);
}

#[test]
fn a_wave_file_that_is_stepped_by_hand_is_the_same_every_time() {
    let path = wave("stepped");
    twice("stepped::a_wave_file_that_is_stepped_by_hand_is_the_same_every_time", &path);
    let _ = std::fs::remove_file(path);
}

#[test]
fn an_mp3_that_is_stepped_by_hand_is_the_same_every_time() {
    let Some(path) = media("tone.mp3") else { return };
    twice("stepped::an_mp3_that_is_stepped_by_hand_is_the_same_every_time", &path);
}

#[test]
fn a_program_that_is_not_written_in_rust_steps_by_the_dlls_own_functions() {
    let name = "stepped::a_program_that_is_not_written_in_rust_steps_by_the_dlls_own_functions";
    passes(name, &[], || {
        // SAFETY: the export of this name has this type.
        let manual: unsafe extern "system" fn(i32) -> i32 =
            unsafe { std::mem::transmute(entry(c"MfAsyncManual").unwrap()) };
        // SAFETY: it takes any number.
        let manual = |on| unsafe { manual(on) };
        assert_eq!(manual(1), 0, "nothing is started");
        let started = Started::new();
        assert_eq!((manual(1), call(c"MfAsyncStep")), (1, 0));
        let log = Log::new();
        let put = |number: usize, queue: u32| {
            let told = log.clone();
            let tells = callback(queue, move |_| told.add((number, std::thread::current().id())));
            // SAFETY: the callback is counted.
            unsafe { MFPutWorkItem(queue, &tells, None) }.unwrap();
        };
        for number in 0..10 {
            put(number, [MULTITHREADED, STANDARD][number % 2]);
        }
        for number in 0..10 {
            assert_eq!((call(c"MfAsyncStep"), log.all().len()), (1, number + 1));
        }
        assert_eq!(call(c"MfAsyncStep"), 0);
        let here = std::thread::current().id();
        assert_eq!(log.all(), (0..10).map(|number| (number, here)).collect::<Vec<_>>());
        // What waits when that ends is not called, and what is put afterwards is, elsewhere.
        put(10, STANDARD);
        assert_eq!(manual(0), 1);
        put(11, MULTITHREADED);
        until("it is called", || log.all().len() == 11);
        assert_eq!(log.all()[10].0, 11);
        assert_ne!(log.all()[10].1, here);
        drop(started);
    });
}
