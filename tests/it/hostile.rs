//! Promise: no argument is too extreme. Whatever number, time, size or name a call is given, and whenever
//! it comes, it succeeds or fails with a code that says why; it does not panic, and it does not hang.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{callback, current_thread, flagged, multi_thread, on, paused_time};
use futures::FutureExt;
use mf_async::byte_stream::{
    AccessMode, ByteStreamIo, FileFlags, MemoryByteStream, OpenMode, SeekFlags, SeekOrigin,
};
use mf_async::event::GetEventFlags;
use mf_async::event_stream::{DropNewest, DropOldest, Latest};
use mf_async::rtwq::PeriodicKey;
use mf_async::{
    AsyncResult, ByteStream, ByteStreamExt, CallbackFlags, CallbackParameters, Error, EventStream, Guid,
    Hresult, MediaEvent, Platform, Priority, QueueId, Result, WorkItem, WorkItemKey, WorkQueue,
    WorkQueueType,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// A call, and the code that it is to answer with, running and after a shutdown.
struct Case {
    what: &'static str,
    running: Hresult,
    shut_down: Hresult,
    call: Call,
}

type Call = Box<dyn FnOnce(Given) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>>;

/// What the calls are made on. It was made while the platform ran.
#[derive(Clone)]
struct Given {
    platform: Platform,
    queue: WorkQueue,
    result: AsyncResult,
    memory: MemoryByteStream,
}

impl Given {
    fn new(platform: &Platform) -> Given {
        Given {
            platform: platform.clone(),
            queue: platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap(),
            result: platform.result(callback(|_| {})).build().unwrap(),
            memory: MemoryByteStream::new(platform, b"sixteen letters.".to_vec()),
        }
    }

    fn result_on(&self, queue: u32) -> Result<AsyncResult> {
        self.platform.result(on(queue, |_| {})).build()
    }
}

const OK: Hresult = Hresult::S_OK;
const DOWN: Hresult = Hresult::MF_E_SHUTDOWN;
const NO_QUEUE: Hresult = Hresult::MF_E_INVALID_WORKQUEUE;
const BAD: Hresult = Hresult::E_INVALIDARG;
const NONE: Hresult = Hresult::MF_E_NOT_FOUND;
const MEMORY: Hresult = Hresult::E_OUTOFMEMORY;
const TIMEOUT: Hresult = Hresult::ERROR_TIMEOUT;

/// Numbers that name no queue and have no private bit mean STANDARD; the others must be open.
const IDS: [(u32, Hresult); 12] = [
    (0, OK),
    (1, OK),
    (6, OK),
    (7, OK),
    (8, OK),
    (0x4000, OK),
    (0xFFFF, OK),
    (0x1_0000, NO_QUEUE),
    (0x10_0001 + 1000, NO_QUEUE),
    (0x7FFF_FFFF, NO_QUEUE),
    (0x8000_0000, NO_QUEUE),
    (u32::MAX, NO_QUEUE),
];

const TIMES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_secs(u32::MAX as u64),
    Duration::from_millis(i64::MAX as u64),
    Duration::MAX,
];

const PRIORITIES: [i32; 5] = [i32::MIN, -2, 0, 2, i32::MAX];

/// Adds a case: what it is, its codes while the platform runs and after, and the call.
macro_rules! case {
    ($cases:ident, $what:literal, $running:expr, $shut_down:expr, |$given:ident| $call:expr) => {
        $cases.push(Case {
            what: $what,
            running: $running,
            shut_down: $shut_down,
            call: Box::new(move |$given: Given| Box::pin(async move { $call })),
        })
    };
}

fn queues(cases: &mut Vec<Case>) {
    for (id, code) in IDS {
        case!(cases, "put_work_item", code, DOWN, |given| given.platform.put(id, callback(|_| {})));
        case!(cases, "put_result", code, DOWN, |given| given.platform.put(id, &given.result));
        case!(cases, "invoke_callback", code, DOWN, |given| given
            .platform
            .invoke_callback(&given.result_on(id)?));
        case!(cases, "schedule_work_item", code, DOWN, |given| {
            let result = given.result_on(id)?;
            given.platform.schedule(&result, Duration::ZERO).map(drop)
        });
        let waits = if id == 7 { NO_QUEUE } else { code };
        case!(cases, "put_waiting_work_item", waits, DOWN, |given| {
            let result = given.result_on(id)?;
            given.platform.put_waiting(async {}, &result).map(drop)
        });
        case!(cases, "lock_work_queue", code, DOWN, |given| given.platform.queue(id).map(drop));
        let after = if code == NO_QUEUE { DOWN } else { OK };
        case!(cases, "unlock_work_queue", code, after, |given| given.platform.unlock_work_queue(id));
        case!(cases, "allocate_serial_work_queue", code, DOWN, |given| {
            given.platform.allocate_serial_work_queue(id).map(drop)
        });
        case!(cases, "work_queue_mmcss", code, after, |given| given.platform.work_queue_mmcss(id).map(drop));
        case!(cases, "register_work_queue_with_mmcss", code, DOWN, |given| {
            given.platform.register_work_queue_with_mmcss(id, "Audio", 0, 0).await.map(drop)
        });
        case!(cases, "unregister_work_queue_with_mmcss", code, DOWN, |given| {
            given.platform.unregister_work_queue_with_mmcss(id).await
        });
    }
    case!(cases, "unlock a queue that no number locks", NO_QUEUE, DOWN, |given| {
        given.platform.unlock_work_queue(&given.queue)
    });
    for bits in [u32::MAX, 0x8000_0000, 0x1F] {
        let flags = CallbackFlags::from_bits_retain(bits);
        let quick = if bits == 0x8000_0000 { OK } else { NO_QUEUE };
        case!(cases, "put all flags on MULTITHREADED", quick, DOWN, |given| {
            given.platform.put(QueueId::MULTITHREADED, flagged(flags, |_| {}))
        });
        case!(cases, "put all flags on IO", OK, DOWN, |given| {
            given.platform.put(QueueId::IO, flagged(flags, |_| {}))
        });
    }
    for priority in PRIORITIES {
        case!(cases, "put with a priority", OK, DOWN, |given| {
            given.queue.put(WorkItem::new(callback(|_| {})).priority(priority))
        });
        let (code, after) = if (-2..=2).contains(&priority) { (OK, DOWN) } else { (BAD, BAD) };
        case!(cases, "lock_shared_work_queue with a priority", code, after, |given| {
            given.platform.lock_shared_work_queue("Games", priority, None).map(drop)
        });
        case!(cases, "register_platform_with_mmcss with a priority", code, after, |given| {
            given.platform.register_platform_with_mmcss("Games", 0, priority).map(drop)
        });
    }
    for task in [1_000_000, u32::MAX] {
        let code = Hresult::ERROR_INVALID_TASK_INDEX;
        case!(cases, "lock_shared_work_queue with a task", code, code, |given| {
            given.platform.lock_shared_work_queue("Games", 0, Some(task)).map(drop)
        });
        case!(cases, "lock_shared_work_queue of no class with a task", BAD, BAD, |given| {
            given.platform.lock_shared_work_queue("", 0, Some(task)).map(drop)
        });
        case!(cases, "register_work_queue_with_mmcss with a task", code, DOWN, |given| {
            given.platform.register_work_queue_with_mmcss(1, "Games", task, 0).await.map(drop)
        });
    }
    for class in ["\0", "Pro Audio\0", " ", "Ünicode", "%s%n", "../Games"] {
        let code = Hresult::ERROR_INVALID_TASK_NAME;
        case!(cases, "lock_shared_work_queue of an odd class", code, code, |given| {
            given.platform.lock_shared_work_queue(class, 0, None).map(drop)
        });
    }
    case!(
        cases,
        "lock_shared_work_queue of a long class",
        Hresult::ERROR_INVALID_TASK_NAME,
        Hresult::ERROR_INVALID_TASK_NAME,
        |given| given.platform.lock_shared_work_queue(&"x".repeat(1 << 20), 0, None).map(drop)
    );
    case!(cases, "a local future on a queue that has none", NO_QUEUE, DOWN, |given| {
        given.queue.spawn_local(|| async {}).await
    });
    case!(cases, "a barrier", OK, OK, |given| given.queue.barrier().await);
    case!(cases, "quiesce", OK, OK, |given| given.queue.quiesce().await);
}

fn times(cases: &mut Vec<Case>) {
    for time in TIMES {
        case!(cases, "schedule and cancel", OK, DOWN, |given| {
            let key = given.platform.schedule(callback(|_| {}), time)?;
            match given.platform.cancel_work_item(key) {
                Err(error) if error.hresult() == NONE && time < Duration::from_secs(1) => Ok(()),
                other => other,
            }
        });
        case!(cases, "schedule", OK, DOWN, |given| {
            given.platform.schedule(callback(|_| {}), time).map(drop)
        });
        case!(cases, "a deadline", OK, OK, |given| {
            given.queue.set_deadline(time).ended().await.map(drop)
        });
        case!(cases, "a deadline with a warning", OK, OK, |given| {
            given.queue.set_deadline_with_warning(Duration::ZERO, time).ended().await.map(drop)
        });
        case!(cases, "a timeout", OK, DOWN, |given| {
            match given.queue.run(|| ()).timeout(time).await {
                Err(error) if error.hresult() == TIMEOUT && time < Duration::from_secs(1) => Ok(()),
                other => other,
            }
        });
    }
    for key in [0, 1 << 32, u64::from(u32::MAX), u64::MAX] {
        case!(cases, "cancel_work_item", NONE, DOWN, |given| given
            .platform
            .cancel_work_item(WorkItemKey(key)));
    }
    for key in [0, 0x8000_0000, u32::MAX] {
        case!(cases, "remove_periodic_callback", NONE, DOWN, |given| {
            given.platform.remove_periodic_callback(PeriodicKey(key))
        });
    }
    case!(cases, "a stale key", NONE, DOWN, |given| {
        let key = given.platform.schedule(callback(|_| {}), Duration::MAX)?;
        given.platform.cancel_work_item(key)?;
        // Its place is taken by another.
        let other = given.platform.schedule(callback(|_| {}), Duration::MAX)?;
        let stale = given.platform.cancel_work_item(key);
        given.platform.cancel_work_item(other)?;
        stale
    });
    case!(cases, "a stale periodic key", NONE, DOWN, |given| {
        let key = given.platform.add_periodic_callback(|| {})?;
        given.platform.remove_periodic_callback(key)?;
        given.platform.remove_periodic_callback(key)
    });
}

fn results(cases: &mut Vec<Case>) {
    let wrong = |given: &Given| given.platform.method::<u32>().end(&given.result).map(drop);
    case!(cases, "a result without anything", OK, DOWN, |given| {
        given.platform.event_result().build().map(drop)
    });
    case!(cases, "a wrong result to a method", BAD, BAD, |given| wrong(&given));
    case!(cases, "a wrong result to end_read", BAD, BAD, |given| given
        .memory
        .end_read(&given.result)
        .map(drop));
    case!(cases, "a wrong result to end_create_file", BAD, BAD, |given| {
        given.platform.end_create_file(&given.result).map(drop)
    });
    case!(cases, "no state", Hresult::E_POINTER, Hresult::E_POINTER, |given| {
        given.result.require_state::<u32>().map(drop)
    });
    case!(cases, "no object", Hresult::E_POINTER, Hresult::E_POINTER, |given| {
        given.result.require_object::<u32>().map(drop)
    });
    case!(cases, "the event of a result with a callback", BAD, BAD, |given| given.result.signaled().await);
    case!(cases, "a Begin that begins nothing", Hresult::E_ABORT, DOWN, |given| {
        given.platform.begin_end(&(), |(), _| Ok(()), |(), _| Ok(())).await
    });
    case!(cases, "a lock on the platform", OK, DOWN, |given| given.platform.lock().map(drop));
    for kind in [WorkQueueType::Standard, WorkQueueType::Window, WorkQueueType::Multithreaded] {
        case!(cases, "allocate_work_queue", OK, DOWN, |given| given
            .platform
            .allocate_work_queue(kind)
            .map(drop));
    }
}

fn events(cases: &mut Vec<Case>) {
    case!(cases, "an event of no type", OK, DOWN, |given| {
        let queue = given.platform.create_event_queue()?;
        queue.queue_event(MediaEvent::new(u32::MAX).with_status(Hresult(u32::MAX)))
    });
    case!(cases, "no event", Hresult::MF_E_NO_EVENTS_AVAILABLE, DOWN, |given| {
        given.platform.create_event_queue()?.get_event(GetEventFlags::NO_WAIT).map(drop)
    });
    case!(cases, "unknown flags for get_event", OK, DOWN, |given| {
        let queue = given.platform.create_event_queue()?;
        queue.queue_event(MediaEvent::new(0))?;
        queue.get_event(GetEventFlags::from_bits_retain(u32::MAX)).map(drop)
    });
    case!(cases, "a wrong result to end_get_event", Hresult::E_FAIL, DOWN, |given| {
        given.platform.create_event_queue()?.end_get_event(&given.result).map(drop)
    });
    for most in [0, 1, usize::MAX] {
        case!(cases, "an event stream that drops the oldest", OK, DOWN, |given| {
            let queue = Arc::new(given.platform.create_event_queue()?);
            let mut stream = EventStream::new(&queue, DropOldest(most))?;
            queue.queue_event(MediaEvent::new(1))?;
            queue.shutdown();
            while stream.next().await.is_some() {}
            Ok(())
        });
        case!(cases, "an event stream that drops the newest", OK, DOWN, |given| {
            let queue = Arc::new(given.platform.create_event_queue()?);
            let mut stream = EventStream::new(&queue, DropNewest(most))?;
            queue.queue_event(MediaEvent::new(1))?;
            queue.shutdown();
            while stream.next().await.is_some() {}
            Ok(())
        });
    }
    case!(cases, "an event stream of a queue that is shut down", OK, DOWN, |given| {
        let queue = Arc::new(given.platform.create_event_queue()?);
        queue.shutdown();
        match EventStream::new(&queue, Latest) {
            Err(error) if error.is_shutdown() => Ok(()),
            Err(error) => Err(error),
            Ok(mut stream) => {
                while stream.next().await.is_some() {}
                Ok(())
            }
        }
    });
}

fn bytes(cases: &mut Vec<Case>) {
    for position in [17, 1 << 62, 1 << 63, u64::MAX] {
        case!(cases, "a position past the end", BAD, BAD, |given| given.memory.set_position(position));
        case!(cases, "seek past the end", BAD, BAD, |given| {
            let mut io = ByteStreamIo::new(&given.platform, given.memory.clone());
            io.seek(std::io::SeekFrom::Start(position)).await.map(drop).map_err(Error::from)
        });
    }
    for offset in [i64::MIN, -1, 17, i64::MAX] {
        case!(cases, "seek from the beginning", BAD, BAD, |given| {
            given.memory.seek(SeekOrigin::Begin, offset, SeekFlags::from_bits_retain(u32::MAX)).map(drop)
        });
    }
    for offset in [i64::MIN, i64::MAX] {
        case!(cases, "seek from the end", BAD, BAD, |given| {
            let mut io = ByteStreamIo::new(&given.platform, given.memory.clone());
            io.seek(std::io::SeekFrom::End(offset)).await.map(drop).map_err(Error::from)
        });
    }
    for length in [1 << 62, 1 << 63, u64::MAX] {
        case!(cases, "a length", MEMORY, MEMORY, |given| given.memory.set_length(length));
    }
    case!(cases, "read nothing", OK, DOWN, |given| given.memory.read(Vec::new()).await.map(drop));
    case!(cases, "write nothing", OK, DOWN, |given| given.memory.write(Vec::new()).await.map(drop));
    case!(cases, "read into nothing", OK, OK, |given| given.memory.blocking_read(&mut []).map(drop));
    case!(cases, "write nothing at once", OK, OK, |given| given.memory.blocking_write(&[]).map(drop));
    case!(cases, "read_exact more than there is", Hresult::ERROR_HANDLE_EOF, DOWN, |given| {
        given.memory.read_exact(vec![0; 17]).await.map(drop)
    });
    for capacity in [0, usize::MAX / 2, usize::MAX] {
        let code = if capacity == 0 { OK } else { MEMORY };
        let after = if capacity == 0 { DOWN } else { MEMORY };
        case!(cases, "a capacity to read with", code, after, |given| {
            let mut io = ByteStreamIo::new(&given.platform, given.memory.clone()).with_capacity(capacity);
            let mut text = Vec::new();
            io.read_to_end(&mut text).await.map(drop).map_err(Error::from)
        });
        case!(cases, "a capacity to write with", OK, DOWN, |given| {
            let memory = MemoryByteStream::new(&given.platform, Vec::new());
            let mut io = ByteStreamIo::new(&given.platform, memory).with_capacity(capacity);
            io.write_all(b"text").await?;
            io.flush().await?;
            Ok(())
        });
    }
    case!(cases, "use after close", Hresult::MF_E_INVALIDREQUEST, DOWN, |given| {
        given.memory.close()?;
        given.memory.close()?;
        given.memory.read(vec![0; 4]).await.map(drop)
    });
}

fn files(cases: &mut Vec<Case>) {
    for (path, code) in [
        ("", Hresult::ERROR_FILE_NOT_FOUND),
        ("/no/such/folder/file", Hresult::ERROR_PATH_NOT_FOUND),
        ("a\0b", BAD),
    ] {
        case!(cases, "open_file", code, DOWN, |given| {
            given
                .platform
                .open_file(AccessMode::Read, OpenMode::FailIfNotExist, FileFlags::empty(), path)
                .await
                .map(drop)
        });
    }
    for number in [1_u64 << 63, u64::MAX] {
        case!(cases, "a position in a file", BAD, DOWN, |given| {
            let (_folder, file) = file(&given)?;
            file.set_position(number)
        });
        case!(cases, "a length of a file", BAD, DOWN, |given| {
            let (_folder, file) = file(&given)?;
            file.set_length(number)
        });
    }
    case!(cases, "read a file past its end", OK, DOWN, |given| {
        let (_folder, file) = file(&given)?;
        file.set_position(i64::MAX as u64)?;
        file.read(vec![0; 4096]).await.map(drop)
    });
    case!(cases, "write a file at the end of all files", BAD, DOWN, |given| {
        let (_folder, file) = file(&given)?;
        file.set_position(i64::MAX as u64)?;
        file.write(vec![0; 4096]).await.map(drop)
    });
    case!(cases, "seek before a file", BAD, DOWN, |given| {
        let (_folder, file) = file(&given)?;
        file.seek(SeekOrigin::Current, i64::MIN, SeekFlags::empty()).map(drop)
    });
}

fn file(given: &Given) -> Result<(tempfile::TempDir, mf_async::byte_stream::FileByteStream)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file");
    let stream = given.platform.create_file(
        AccessMode::ReadWrite,
        OpenMode::DeleteIfExist,
        FileFlags::empty(),
        path,
    )?;
    Ok((folder, stream))
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for add in [queues, times, results, events, bytes, files] {
        add(&mut cases);
    }
    cases
}

/// Makes the call; a panic, or a wait without an end, is wrong, and so is another code.
async fn check(case: Case, number: usize, given: Given, expected: Hresult) -> Option<String> {
    let name = format!("case {number}, {}", case.what);
    let call = std::panic::catch_unwind(AssertUnwindSafe(|| (case.call)(given)));
    let Ok(call) = call else { return Some(format!("{name}: panicked")) };
    let ended = tokio::time::timeout(Duration::from_secs(10), AssertUnwindSafe(call).catch_unwind()).await;
    let code = match ended {
        Err(_) => return Some(format!("{name}: does not end")),
        Ok(Err(_)) => return Some(format!("{name}: panicked")),
        Ok(Ok(Ok(()))) => OK,
        Ok(Ok(Err(error))) => error.hresult(),
    };
    (code != expected).then(|| format!("{name}: {code} instead of {expected}"))
}

async fn all_while_it_runs() {
    let mut wrong = Vec::new();
    for (number, case) in cases().into_iter().enumerate() {
        let platform = Platform::startup().unwrap();
        let given = Given::new(&platform);
        let expected = case.running;
        wrong.extend(check(case, number, given, expected).await);
        if let Err(error) = platform.shutdown().await {
            wrong.push(format!("case {number}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn all_after_a_shutdown() {
    let platform = Platform::startup().unwrap();
    let mut given = Vec::new();
    given.resize_with(cases().len(), || Given::new(&platform));
    let _ = platform.shutdown_within(Duration::ZERO).await;
    let mut wrong = Vec::new();
    for (number, (case, given)) in cases().into_iter().zip(given).enumerate() {
        let expected = case.shut_down;
        wrong.extend(check(case, number, given, expected).await);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_call_answers_while_the_platform_runs() {
    current_thread(all_while_it_runs);
}

#[test]
fn every_call_answers_on_workers() {
    multi_thread(all_while_it_runs);
}

#[test]
fn every_call_answers_after_a_shutdown() {
    current_thread(all_after_a_shutdown);
}

#[test]
fn every_shutdown_deadline_ends_a_shutdown() {
    paused_time(|| async {
        for time in TIMES {
            Platform::startup().unwrap().shutdown_within(time).await.unwrap();
            Platform::builder().shutdown_deadline(time).startup().unwrap().shutdown().await.unwrap();
        }
    });
}

#[test]
fn every_number_of_workers_is_refused_or_started() {
    for (workers, expected) in
        [(0, BAD), (1, OK), (3, OK), (1 << 20, BAD), (usize::MAX / 2, BAD), (usize::MAX, BAD)]
    {
        let started = Platform::builder().worker_threads(workers).startup();
        let code = started.map_or_else(|error| error.hresult(), |_| OK);
        assert_eq!(code, expected, "{workers} workers");
    }
}

#[test]
fn every_number_and_text_can_be_shown_and_read() {
    for code in [0, 1, 0x7FFF_FFFF, 0x8000_0000, u32::MAX] {
        let (hresult, error) = (Hresult(code), Error::from(Hresult(code)));
        assert!(!format!("{hresult} {hresult:?} {error} {error:?} {}", QueueId(code)).is_empty());
        assert!(hresult.is_success() != hresult.is_failure());
        assert_eq!(Hresult::from_win32(code).is_success(), code == 0);
    }
    for text in ["", "{}", "00000000-0000-0000-0000-00000000000", "ÄÖÜ-ÄÖÜ", "{{{{", &"0".repeat(1 << 16)]
    {
        assert!(text.parse::<Guid>().is_err(), "{text:.40}");
    }
    for number in PRIORITIES {
        assert!([Priority::Low, Priority::Normal, Priority::High].contains(&Priority::from(number)));
    }
    assert!(!format!("{:?}", CallbackParameters::on(u32::MAX)).is_empty());
}
