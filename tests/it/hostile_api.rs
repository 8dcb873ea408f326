//! Promise: no public call is forgotten: each that takes a number, a time, a size, a name or a buffer is called with
//! extreme ones, here or in `hostile.rs`. The list of public calls is the one that the API listing keeps.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io::SeekFrom;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Count, callback, current_thread, paused_time, until};
use futures::FutureExt;
use futures::future::BoxFuture;
use mf_async::byte_stream::{
    AccessMode, ByteStreamFromIo, ByteStreamIo, FileFlags, MemoryByteStream, OpenMode,
};
use mf_async::event::GetEventFlags;
use mf_async::source_resolver::{ByteStreamHandler, ResolutionFlags, ResolvedObject, SchemeHandler};
use mf_async::transform::{TransformDriver, TransformEvent};
use mf_async::{
    ByteStream, ByteStreamExt, EventStream, Guid, Hresult, MediaEvent, MediaEventGenerator, MediaEventType,
    Platform, QueueId, Result, Unknown, WorkItem, WorkQueueType,
};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncSeek};

/// What is called elsewhere under another name, or has no bad values by its contract.
const EXEMPT: [&str; 12] = [
    // Assertions of `testing`, which are to panic.
    "assert_begins",
    "assert_calls",
    "assert_ends",
    // Flags: any bits are flags.
    "bitor",
    "bits",
    "from_bits",
    "from_bits_retain",
    "from_bits_truncate",
    "from_name",
    // `str::parse`; tokio's write and hash.
    "from_str",
    "poll_write",
    "hash",
];

/// The names of public functions that take anything with extreme values.
fn public_calls(listing: &str) -> BTreeSet<&str> {
    let extreme = [
        "u8",
        "u16",
        "u32",
        "u64",
        "u128",
        "usize",
        "i32",
        "i64",
        "f32",
        "f64",
        "Duration",
        "Vec<u8>",
        "[u8]",
        "&str",
        "QueueId",
        "Priority",
        "WorkItemKey",
        "PeriodicKey",
        "SeekOrigin",
        "SeekFrom",
        "Path",
        "Hresult",
        "GetEventFlags",
        "MediaEventType",
    ];
    let mut names = BTreeSet::new();
    for line in listing.lines().filter(|line| line.starts_with("pub ")) {
        let Some((head, rest)) = line.split_once('(') else { continue };
        if !head.contains("fn ") {
            continue;
        }
        let given = rest.split(") -> ").next().unwrap_or(rest);
        let words: Vec<_> = given.split([' ', ',', ')', '(', ';']).collect();
        let takes =
            |kind: &str| words.iter().any(|word| word.ends_with(kind) || word.ends_with(&format!("{kind}>")));
        if extreme.iter().any(|kind| takes(kind)) {
            let path = head.split('<').next().unwrap_or(head);
            let generic = head.rsplit("::").next().unwrap_or(head).split('<').next().unwrap_or(head);
            names.insert(if path.contains("fn ") && !generic.contains(' ') { generic } else { path });
        }
    }
    names
}

#[test]
fn every_public_call_that_takes_a_number_is_made_with_extreme_ones() {
    let listing = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/public_api.txt");
    // The published package comes without it.
    let Ok(listing) = std::fs::read_to_string(listing) else { return };
    let called = [include_str!("hostile.rs"), include_str!("hostile_api.rs")].concat();
    let calls = public_calls(&listing);
    assert!(calls.len() > 60, "the listing is read wrong: {calls:?}");
    let missing: Vec<_> = calls
        .into_iter()
        .filter(|name| !EXEMPT.contains(name))
        .filter(|name| ![".", "::"].iter().any(|before| called.contains(&format!("{before}{name}("))))
        .collect();
    assert!(missing.is_empty(), "called with extreme values nowhere: {missing:?}");
}

fn code<T>(value: Result<T>) -> Hresult {
    value.map_or_else(|error| error.hresult(), |_| Hresult::S_OK)
}

const BAD: Hresult = Hresult::E_INVALIDARG;

#[test]
fn priorities_limits_and_timeouts() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let queue = platform.allocate_work_queue(WorkQueueType::Standard).unwrap();
        let calls = Count::new();
        for priority in [i32::MIN, -1, 0, 1, i32::MAX] {
            platform.put(&queue, WorkItem::new(calls.counts()).priority(priority)).unwrap();
            let result = platform.result(calls.counts()).build().unwrap();
            platform.put(&queue, WorkItem::from(&result).priority(priority)).unwrap();
            let result = platform.result(calls.counts()).build().unwrap();
            result.set_status(Hresult(u32::MAX));
            queue.put(WorkItem::from(&result).priority(priority)).unwrap();
            let unknown = platform.put(QueueId(u32::MAX), WorkItem::new(calls.counts()).priority(priority));
            assert_eq!(code(unknown), Hresult::MF_E_INVALID_WORKQUEUE);
        }
        queue.barrier().await.unwrap();
        assert_eq!(calls.get(), 15);
        for (limit, expected) in [
            (0, BAD),
            (1, Hresult::S_OK),
            (usize::MAX / 8, Hresult::S_OK),
            (usize::MAX / 8 + 1, BAD),
            (usize::MAX, BAD),
        ] {
            assert_eq!(code(queue.clone().bounded(limit)), expected, "{limit}");
        }
        for (timeout, expected) in
            [(i64::MIN, Hresult::S_OK), (-1, Hresult::S_OK), (0, Hresult::S_OK), (1, BAD), (i64::MAX, BAD)]
        {
            let result = platform.result(callback(|_| {})).build().unwrap();
            assert_eq!(code(platform.schedule_ms(&result, timeout)), expected, "{timeout}");
        }
        drop(queue);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn buffers_of_every_stream() {
    current_thread(|| async {
        let platform = Platform::startup().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let memory = MemoryByteStream::new(&platform, b"bytes".to_vec());
        let over =
            ByteStreamFromIo::seekable(&platform, std::io::Cursor::new(b"bytes".to_vec())).await.unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"bytes").unwrap();
        let file = platform
            .create_file(AccessMode::ReadWrite, OpenMode::FailIfNotExist, FileFlags::empty(), &path)
            .unwrap();
        let streams: [Arc<dyn ByteStream>; 3] = [Arc::new(memory), Arc::new(over), Arc::new(file)];
        for stream in streams {
            for size in [0, 1, 5, 1 << 20] {
                stream.set_position(0).unwrap();
                let calls = Count::new();
                stream.begin_read(vec![0; size], calls.counts(), None).unwrap();
                until("the read has called back", || calls.get() == 1).await;
                stream.set_position(0).unwrap();
                stream.begin_cancellable_read(vec![0; size], calls.counts(), None).unwrap();
                until("it has called back again", || calls.get() == 2).await;
                stream.set_position(0).unwrap();
                assert_eq!(stream.read(vec![0; size]).await.unwrap().len(), size.min(5));
            }
            stream.set_position(5).unwrap();
            let calls = Count::new();
            stream.begin_write(Vec::new(), calls.counts(), None).unwrap();
            until("the write has called back", || calls.get() == 1).await;
            assert_eq!(stream.write(Vec::new()).await.unwrap().0, 0);
            assert_eq!(stream.length().unwrap(), Some(5));
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn seeks_and_looks_of_tokios_view() {
    current_thread(|| async {
        let platform = Platform::startup().unwrap();
        let mut io = ByteStreamIo::new(&platform, MemoryByteStream::new(&platform, b"bytes".to_vec()));
        for to in [
            SeekFrom::Start(u64::MAX),
            SeekFrom::Start(6),
            SeekFrom::Current(i64::MIN),
            SeekFrom::Current(i64::MAX),
            SeekFrom::End(i64::MIN),
            SeekFrom::End(i64::MAX),
        ] {
            Pin::new(&mut io).start_seek(to).unwrap();
            let sought = poll_fn(|cx| Pin::new(&mut io).poll_complete(cx)).await;
            assert_eq!(mf_async::Error::from(sought.unwrap_err()).hresult(), BAD, "{to:?}");
        }
        assert_eq!(io.fill_buf().await.unwrap(), b"bytes");
        Pin::new(&mut io).consume(usize::MAX);
        assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn names_and_paths() {
    current_thread(|| async {
        struct Nothing;
        impl SchemeHandler for Nothing {
            fn create_object(
                &self,
                _: String,
                _: ResolutionFlags,
                _: Option<Unknown>,
            ) -> BoxFuture<'static, Result<ResolvedObject>> {
                async { Err(Hresult::MF_E_UNSUPPORTED_SCHEME.into()) }.boxed()
            }
        }
        impl ByteStreamHandler for Nothing {
            fn create_object(
                &self,
                _: Arc<dyn ByteStream>,
                _: Option<String>,
                _: ResolutionFlags,
                _: Option<Unknown>,
            ) -> BoxFuture<'static, Result<Unknown>> {
                async { Err(Hresult::MF_E_UNSUPPORTED_BYTESTREAM_TYPE.into()) }.boxed()
            }
        }
        let platform = Platform::startup().unwrap();
        let resolver = platform.create_source_resolver();
        let long = "x".repeat(1 << 20);
        let names = ["", ":", "//", "://", "\0", "file:", "file://\u{0}", "ÄÖÜ://ÄÖÜ", "...", "*", &long];
        for name in names {
            resolver.register_scheme_handler(name, Arc::new(Nothing));
            resolver.register_byte_stream_handler(name, Arc::new(Nothing));
        }
        let all = ResolutionFlags::from_bits_retain(u32::MAX);
        for name in names {
            for flags in [ResolutionFlags::empty(), ResolutionFlags::BYTE_STREAM, all] {
                // It fails, and says why; and whoever begins is called back, or told at once.
                assert!(resolver.create_object(name, flags).await.is_err(), "{name:.20}");
                let calls = Count::new();
                let begun = resolver.begin_create_object_from_url(name, flags, None, calls.counts(), None);
                if begun.is_ok() {
                    until("it has called back", || calls.get() == 1).await;
                }
                let stream: Arc<dyn ByteStream> = Arc::new(MemoryByteStream::new(&platform, vec![]));
                let object = resolver.create_object_from_byte_stream(stream.clone(), Some(name), flags);
                assert!(object.await.is_err(), "{name:.20}");
                let calls = Count::new();
                let begun = resolver.begin_create_object_from_byte_stream(
                    stream,
                    Some(name),
                    flags,
                    None,
                    calls.counts(),
                    None,
                );
                if begun.is_ok() {
                    until("it has called back", || calls.get() == 1).await;
                }
            }
        }
        for path in ["", "\0", "/", ".", "/no/such/folder/file", &long] {
            let calls = Count::new();
            let (access, mode, flags) = (AccessMode::Read, OpenMode::FailIfNotExist, FileFlags::empty());
            let begun = platform.begin_create_file(access, mode, flags, path, calls.counts(), None);
            if begun.is_ok() {
                until("it has called back", || calls.get() == 1).await;
            }
            assert!(platform.open_file(access, mode, flags, path).await.is_err(), "{path:.20}");
        }
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn events_of_any_type() {
    paused_time(|| async {
        let platform = Platform::startup().unwrap();
        let queue = Arc::new(platform.create_event_queue().unwrap());
        for number in [0, 1, u32::MAX] {
            let kind = MediaEventType(number);
            queue.queue_event_param_unk(kind, Hresult(number), Arc::new(())).unwrap();
            queue.queue_event_param_var(kind, Hresult(number), u64::MAX).unwrap();
            queue.queue_event(MediaEvent::extended(Guid::from_u128(u128::MAX))).unwrap();
            let flags = GetEventFlags::from_bits_retain(u32::MAX);
            for _ in 0..3 {
                MediaEventGenerator::get_event(&*queue, flags).unwrap();
            }
        }
        let mut none = EventStream::lossless(&queue).unwrap().only(&[]);
        queue.queue_event(MediaEvent::new(1)).unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(1), none.next()).await;
        assert!(waited.is_err(), "an event of none of the types that are wanted");
        drop(none);
        let mut stream = EventStream::lossless(&queue).unwrap().until(u32::MAX);
        queue.queue_event(MediaEvent::new(u32::MAX)).unwrap();
        assert_eq!(stream.wait_for(u32::MAX).await.unwrap().event_type().0, u32::MAX);
        assert!(stream.wait_for(u32::MAX).await.is_err());
        drop((stream, queue));
        platform.shutdown().await.unwrap();
    });
}

#[test]
fn a_transforms_driver_hears_anything() {
    for code in [Hresult(0), Hresult(1), Hresult(0x8000_0000), Hresult(u32::MAX)] {
        let mut driver = TransformDriver::new();
        let events = [
            TransformEvent::HaveOutput,
            TransformEvent::NeedInput,
            TransformEvent::DrainComplete,
            TransformEvent::Marker(u64::MAX),
        ];
        // In any order, and however often.
        for event in events.into_iter().cycle().take(100) {
            driver.event(event);
            let _ = (driver.input(), driver.output());
            let _ = (driver.input_done(code), driver.output_done(code));
            let _ = (driver.marker(0), driver.marker(u64::MAX), driver.reached());
        }
        let _ = driver.drain();
        driver.flush();
        driver.shut_down();
        let _ = (driver.input(), driver.output(), driver.input_done(code), driver.output_done(code));
    }
}

#[cfg(feature = "timeline")]
#[test]
fn titles_and_paths_of_a_timeline() {
    let timeline = mf_async::timeline::record();
    // It records all of the process, and so the other tests.
    timeline.stop();
    for title in ["", "<&\">\0\u{7f}\u{2028}", &"long ".repeat(10_000)] {
        let picture = timeline.svg(title);
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"), "{title:?}");
        assert!(!picture.contains("<&"), "{title:?} is not escaped");
    }
    let folder = tempfile::tempdir().unwrap();
    for path in
        [folder.path().to_path_buf(), folder.path().join("none").join("file"), "a\0b".into(), "".into()]
    {
        assert!(timeline.write_svg(&path).is_err(), "{path:?}");
        assert!(timeline.write_perfetto(&path).is_err(), "{path:?}");
    }
}

#[test]
fn lengths_that_are_said() {
    current_thread(|| async {
        let platform = Platform::startup().unwrap();
        for length in [0, 1, u64::MAX] {
            let stream = ByteStreamFromIo::reader(&platform, &b"bytes"[..]).with_length(length);
            assert_eq!(stream.length().unwrap(), Some(length));
            assert_eq!(stream.read(vec![0; 8]).await.unwrap(), b"bytes");
        }
        platform.shutdown().await.unwrap();
    });
}

#[cfg(feature = "test-util")]
#[test]
fn numbers_and_schedules_of_an_exploration() {
    use mf_async::testing::{Explore, Fault, FaultChances};

    async fn one(platform: Platform) -> Result<()> {
        platform.queue(QueueId::MULTITHREADED)?.run(|| ()).await
    }
    let explore = || Explore::new().schedules(2);
    assert!(Explore::new().schedules(0).check(one).is_ok());
    assert!(explore().time_limit(Duration::ZERO).check(one).is_ok());
    for seed in [0, u64::MAX] {
        assert!(explore().seed(seed).time_limit(Duration::MAX).check(one).is_ok());
    }
    for width in [0, 1, usize::MAX] {
        assert!(explore().width(width).check(one).is_ok());
    }
    for lag in [Duration::ZERO, Duration::MAX] {
        assert!(explore().lag(lag).check(one).is_ok());
    }
    assert!(explore().steps(usize::MAX).check(one).is_ok());
    assert!(explore().steps(0).check(one).is_err());
    for wrong in
        ["", "1", ":", "x:1", "1:x", "1:1*x", "1:1*18446744073709551615", "1:4294967296", "1:1*99999999999"]
    {
        let check = std::panic::catch_unwind(|| Explore::new().replay(wrong).check(one).is_ok());
        let said = check.unwrap_err().downcast::<String>().unwrap();
        assert!(said.contains("is not a schedule"), "{wrong:?}: {said}");
    }
    for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY, f64::MIN] {
        let chances = std::panic::catch_unwind(|| FaultChances::new().with(wrong, Fault::None));
        assert!(chances.unwrap_err().downcast::<String>().unwrap().contains("is not from 0 to 1"), "{wrong}");
    }
}
