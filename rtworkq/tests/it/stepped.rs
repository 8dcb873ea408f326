//! Promise: a decode can be stepped by hand, each callback on the thread that steps, and goes the same way every time.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mf_async::Platform;
use mf_async_rtworkq::Stepper;
use windows::Win32::Media::MediaFoundation::{
    IMFAttributes, IMFMediaEvent, IMFSample, IMFSourceReader, IMFSourceReaderCallback,
    IMFSourceReaderCallback_Impl, MF_SOURCE_READER_ASYNC_CALLBACK, MF_SOURCE_READER_FIRST_AUDIO_STREAM,
    MF_SOURCE_READERF_ENDOFSTREAM, MFASYNC_CALLBACK_QUEUE_MULTITHREADED, MFASYNC_CALLBACK_QUEUE_STANDARD,
    MFCreateAttributes, MFCreateSourceReaderFromURL, MFPutWorkItem,
};
use windows::core::{HRESULT, HSTRING, Ref, Result, implement};

use crate::support::{Log, Started, call, callback, entry, passes, until, wave};

const MULTITHREADED: u32 = MFASYNC_CALLBACK_QUEUE_MULTITHREADED;
const STANDARD: u32 = MFASYNC_CALLBACK_QUEUE_STANDARD;

/// One call of the reader's callback: the flags, the time, how many bytes; and the thread.
type Read = (u32, i64, u32, std::thread::ThreadId);

#[implement(IMFSourceReaderCallback)]
struct Reads(Log<Read>);

impl IMFSourceReaderCallback_Impl for Reads_Impl {
    fn OnReadSample(
        &self,
        status: HRESULT,
        _: u32,
        flags: u32,
        time: i64,
        sample: Ref<'_, IMFSample>,
    ) -> Result<()> {
        status.ok()?;
        // SAFETY: the sample lives during the call.
        let bytes = sample.as_ref().map_or(Ok(0), |sample| unsafe { sample.GetTotalLength() })?;
        self.0.add((flags, time, bytes, std::thread::current().id()));
        Ok(())
    }

    fn OnFlush(&self, _: u32) -> Result<()> {
        Ok(())
    }

    fn OnEvent(&self, _: u32, _: Ref<'_, IMFMediaEvent>) -> Result<()> {
        Ok(())
    }
}

/// Steps until it is so; how many steps that took.
fn step_until(stepper: &Stepper, what: &str, condition: impl Fn() -> bool) -> usize {
    let (start, mut steps) = (Instant::now(), 0);
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "stepped in vain: {what}");
        if stepper.step() {
            steps += 1;
        } else {
            // A thread of Media Foundation's own is at work.
            std::thread::yield_now();
        }
    }
    steps
}

/// Decodes a file, stepped by hand, and prints each step's outcome.
fn decode(path: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let platform = Platform::builder().handle(runtime.handle().clone()).startup().unwrap();
    mf_async_rtworkq::install(&platform).unwrap();
    let started = Started::new();
    let log = Log::new();
    let callback: IMFSourceReaderCallback = Reads(log.clone()).into();
    // To open the file blocks until its callbacks are called, so that it is done before.
    // SAFETY: what is passed lives during the calls.
    let reader: IMFSourceReader = unsafe {
        let mut attributes: Option<IMFAttributes> = None;
        MFCreateAttributes(&raw mut attributes, 1).unwrap();
        attributes.as_ref().unwrap().SetUnknown(&MF_SOURCE_READER_ASYNC_CALLBACK, &callback).unwrap();
        MFCreateSourceReaderFromURL(&HSTRING::from(path), attributes.as_ref()).unwrap()
    };
    let stepper = mf_async_rtworkq::step_by_hand(&platform).unwrap();
    let (mut steps, mut reads) = (0, 0);
    loop {
        // SAFETY: in asynchronous mode the four are null.
        unsafe { reader.ReadSample(MF_SOURCE_READER_FIRST_AUDIO_STREAM.0 as u32, 0, None, None, None, None) }
            .unwrap();
        reads += 1;
        steps += step_until(&stepper, "a sample comes", || log.all().len() == reads);
        let (flags, time, bytes, thread) = log.all()[reads - 1];
        assert_eq!(thread, std::thread::current().id(), "the callback runs where it is stepped");
        println!("read {reads}: flags {flags:#x}, time {time}, {bytes} bytes");
        if flags & MF_SOURCE_READERF_ENDOFSTREAM.0 as u32 != 0 {
            break;
        }
    }
    while stepper.step() {
        steps += 1;
    }
    println!("read in all: {reads} reads, {steps} steps");
    drop(stepper);
    drop((reader, callback));
    drop(started);
}

/// The lines that two plays of the test print.
fn twice(test: &str, path: &Path) {
    static PLAYED: Mutex<Vec<Vec<String>>> = Mutex::new(Vec::new());
    for _ in 0..2 {
        let Some((out, _)) = passes(test, &[], || decode(path)) else { return };
        let lines: Vec<_> =
            out.lines().filter(|line| line.contains("read ")).map(ToOwned::to_owned).collect();
        println!("{}", lines.last().unwrap());
        PLAYED.lock().unwrap().push(lines);
    }
    let played = PLAYED.lock().unwrap();
    assert!(played[0].len() > 2);
    assert_eq!(played[0], played[1]);
}

#[test]
fn a_decode_that_is_stepped_by_hand_is_the_same_every_time() {
    let path = wave("stepped");
    twice("stepped::a_decode_that_is_stepped_by_hand_is_the_same_every_time", &path);
    let _ = std::fs::remove_file(path);
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
