//! Await Media Foundation: its work queues, callbacks, events and byte streams as futures and streams, on tokio.
//!
//! ```
//! use std::sync::Arc;
//! use mf_async::{AsyncResult, Platform, begin_end};
//!
//! #[tokio::main]
//! async fn main() -> mf_async::Result<()> {
//!     let platform = Platform::startup()?;
//!
//!     // A component made for callbacks: Begin is given one, End reads the result it was invoked with.
//!     let begin = |callback| {
//!         let result = platform.create_async_result(Some(Arc::new(42)), Some(callback), None)?;
//!         platform.invoke_callback(&result)
//!     };
//!     let end = |result: &AsyncResult| result.require_object::<i32>().copied();
//!
//!     println!("the answer is {}", begin_end(begin, end).await?);
//!     platform.shutdown().await
//! }
//! ```
//!
//! Media Foundation (MF) is made of callbacks: an object implements `IMFAsyncCallback`, a component calls
//! `MFInvokeCallback` with an asynchronous result, and a work queue runs `Invoke`. This crate is that machinery on
//! tokio, on Linux, macOS and Windows, with MF's own contract: its queue ids, flags, HRESULTs, order and
//! shutdown; and futures and streams over it. On Windows the module `com` awaits the operating system's own MF.
//!
//! # The road
//!
//! ```text
//!    you                                  the crate                                        you
//!  begin(..) ──► AsyncResult ──► WorkQueue ──► AsyncCallback ──► completion cell ──► Operation.await
//!                what            when, where   who                one value           T or Error
//!
//!  producer  ──► MediaEventQueue ──(the same road, once per event)────────────────► EventStream.next()
//! ```
//!
//! [`Platform`] keeps the road open: a keepalive rides in every result and every queued item, and
//! [`shutdown`](Platform::shutdown) returns when the last of them is gone.
//!
//! # Names
//!
//! | Media Foundation | here | in Rust's words |
//! |---|---|---|
//! | `MFStartup`, `MFShutdown` | [`Platform::startup`], [`Platform::shutdown`] | a value; structured shutdown |
//! | `IMFAsyncCallback` | [`AsyncCallback`] | a `Fn(&AsyncResult)` that is `Send + Sync` |
//! | `IMFAsyncResult`, `MFCreateAsyncResult` | [`AsyncResult`] | the shared state of one call |
//! | `MFInvokeCallback` | [`Platform::invoke_callback`] | completing a promise |
//! | `BeginX` / `EndX` | [`begin_end`], [`Operation`] | a future |
//! | implementing `BeginX` / `EndX` | [`Method`] | an `async` block |
//! | `MFPutWorkItem` and its kin | [`Platform::put_work_item`], [`WorkQueue::run`], [`WorkQueue::spawn`] | an executor |
//! | `MFAllocateWorkQueue`, `MFAllocateSerialWorkQueue` | [`WorkQueue`] | an executor; a counted handle |
//! | a work queue of bounded depth | [`LimitedQueue`] | a bounded channel |
//! | `MFScheduleWorkItem`, `MFCancelWorkItem` | [`Platform::schedule_work_item`], [`Platform::cancel_work_item`] | a timer and its key |
//! | `MFPutWaitingWorkItem` | [`Platform::put_waiting_work_item`] | `select` on any future |
//! | `IMFMediaEventGenerator`, `IMFMediaEventQueue` | [`MediaEventGenerator`], [`MediaEventQueue`] | the sending side of a channel |
//! | a `BeginGetEvent` loop | [`EventStream`] | a `Stream` |
//! | `IMFByteStream`, `MFCreateFile` | [`ByteStream`], [`FileByteStream`] | `AsyncRead + AsyncWrite + AsyncSeek` |
//! | `HRESULT` | [`Hresult`], [`Error`] | `Result` |
//! | `IUnknown` state | [`Unknown`] | `Arc<dyn Any + Send + Sync>` |
//!
//! The search of this documentation knows every MF and Rtwq name: `MFPutWaitingWorkItem` finds its method.
//!
//! # Cancel safety
//!
//! A future is *cancel safe* here if dropping it before it has ended loses nothing: no event, no byte, no
//! work. That is about the value. An operation has an effect besides, and dropping its future does not undo
//! that: [`Operation`] is *detached* when it is dropped, or cancelled if it was given a canceller. Every
//! future and stream says under this heading what dropping it does to the operation.
//!
//! # I have a Begin/End pair
//!
//! Give [`begin_end`] the two calls. Begin is called at once, with the callback to hand on; End is called with the
//! result when that callback is invoked; what End returns is the future's value. See [`Operation`] for cancelling,
//! timeouts and codes.
//!
//! ```
//! # use std::sync::Arc;
//! # use mf_async::{AsyncCallback, AsyncResult, Method, Platform, Result, begin_end};
//! # struct Encoder(Method<usize>);
//! # impl Encoder {
//! #     fn begin_flush(&self, callback: Arc<dyn AsyncCallback>) -> Result<()> {
//! #         self.0.begin(callback, None, async { Ok(3) }).map(drop)
//! #     }
//! #     fn end_flush(&self, result: &AsyncResult) -> Result<usize> { self.0.end(result) }
//! # }
//! # #[tokio::main] async fn main() -> Result<()> {
//! # let platform = Platform::startup()?;
//! # let encoder = Arc::new(Encoder(platform.method()));
//! let ender = encoder.clone();
//! let frames = begin_end(|callback| encoder.begin_flush(callback), move |result| ender.end_flush(result)).await?;
//! # assert_eq!(frames, 3);
//! # platform.shutdown().await }
//! ```
//!
//! # I have an event generator
//!
//! [`EventStream`] keeps one subscription for its whole life, so that awaiting `next` in a `select!` loses nothing
//! and never meets `MF_E_MULTIPLE_SUBSCRIBERS`.
//!
//! ```
//! # use std::sync::Arc;
//! use mf_async::{EventStream, MediaEvent, MediaEventType, Platform};
//!
//! # #[tokio::main] async fn main() -> mf_async::Result<()> {
//! # let platform = Platform::startup()?;
//! let generator = Arc::new(platform.create_event_queue()?);
//! let mut events = EventStream::lossless(&generator)?.until(MediaEventType::MESessionClosed);
//! generator.queue_event(MediaEvent::new(MediaEventType::MESessionStarted))?;
//! generator.queue_event(MediaEvent::new(MediaEventType::MESessionClosed))?;
//! while let Some(event) = events.next().await {
//!     println!("{}", event?.event_type());
//! }
//! # drop((events, generator));
//! # platform.shutdown().await }
//! ```
//!
//! # I write a component
//!
//! [`Method`] makes a Begin/End pair from an `async` block or a closure; [`HasEventQueue`] makes a generator of
//! events from a field; [`ByteStream`] is the trait for streams; handlers of a [`SourceResolver`] open by URL.
//! A component keeps a [`Platform`] or what it made, and the caller's callback is called for it.
//!
//! # My callback isn't called
//!
//! * Look at what the call returned: when it fails, the callback is never called, and nothing is kept.
//! * Look at [`Platform::report`]: it lists what is queued, what runs, which serial queue awaits a reply, and
//!   which operations have not ended, each with the source line that began it.
//! * On `STANDARD`, the default of callbacks, one item runs at a time, and everybody shares it: a callback
//!   that waits for another on the same queue waits for ever. Name [`QueueId::MULTITHREADED`] in
//!   [`AsyncCallback::parameters`].
//! * A callback that blocks keeps a thread of the runtime. Say so with [`CallbackFlags::BLOCKING`], or let the
//!   platform own a runtime ([`PlatformBuilder::worker_threads`]). [`QueueStats::overrun`] counts those that
//!   took longer than they promise.
//! * A scheduled item that is cancelled is not called; one that waits for an event is, with the status
//!   `MF_E_OPERATION_CANCELLED`.
//!
//! # Ordering and threads
//!
//! | queue | order | at the same time |
//! |---|---|---|
//! | `STANDARD`, `RT`, `TIMER`, private standard | as put, by priority | one |
//! | `MULTITHREADED`, `IO`, shared, private multithreaded | taken out as put, by priority | one per worker thread |
//! | `LONG_FUNCTION`, long-running, callbacks that block | taken out as put | as many as the blocking pool has threads |
//! | window | as put, by priority, all on one thread | one |
//! | serial, over any of these | strictly as put | one |
//!
//! Queues are tokio tasks and timers tokio timers, so tokio's paused clock is right for them. Callbacks may take
//! up to 30 ms and run on the runtime's worker threads; a queue lets other tasks have their turn at least every
//! 100 µs or 256 items, whichever comes first. Who cannot spare that gives the platform a runtime of its own.
//! What one item did is visible to the next of the same serial queue, and what was done before a put is visible
//! to the callback.
//!
//! # Starting and shutting down
//!
//! A [`Platform`] is a value: as many as one likes live beside each other, and each test has its own. Shutting
//! it down refuses new work, drops timers, cancels waits, lets queued items run, fails what is still armed with
//! `MF_E_SHUTDOWN`, and waits for what is outstanding, up to a deadline; then it says what is stuck, and where
//! that was begun. A platform that is dropped without that, or whose runtime is dropped, fails its operations all
//! the same: nothing is left pending.
//!
//! # Panics
//!
//! A panic in a callback ends with the callback: whoever awaits the operation gets it as an error of the kind
//! [`Panicked`](ErrorKind::Panicked), payload and all; it is counted, and the queue goes on. With
//! `panic = "abort"` there is nothing to catch, and the process ends, as everywhere.
//!
//! # Testing your component
//!
//! Each test has a platform of its own, on its own runtime. With tokio's clock paused an hour takes no time; with
//! the feature `test-util`, `testing` injects faults, records callbacks and steps a queue by hand.
//!
//! ```
//! # use std::sync::{Arc, Mutex};
//! # use std::time::Duration;
//! # use mf_async::{AsyncResult, Platform, begin_end};
//! // #[tokio::test(start_paused = true)]
//! async fn it_answers_after_an_hour() -> mf_async::Result<()> {
//!     let platform = Platform::startup()?;
//!     let started = tokio::time::Instant::now();
//!     let hour = begin_end(
//!         |callback| {
//!             let result = platform.create_async_result(None, Some(callback), None)?;
//!             platform.schedule_result(&result, Duration::from_secs(3600)).map(drop)
//!         },
//!         |result: &AsyncResult| result.status().ok(),
//!     );
//!     hour.await?;
//!     assert_eq!(started.elapsed(), Duration::from_secs(3600));
//!     platform.shutdown().await
//! }
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
//! #     .block_on(it_answers_after_an_hour()).unwrap();
//! ```
//!
//! # Coming from C++
//!
//! | in C++ | here |
//! |---|---|
//! | a class that implements `IMFAsyncCallback`, with `AddRef`, `Release`, `GetParameters`, `Invoke` | a closure, or [`AsyncCallback`] on any type |
//! | `GetParameters` returns `E_NOTIMPL` | leave [`AsyncCallback::parameters`] out |
//! | `pState`, cast back unchecked | [`AsyncResult::state`], which names the type and says if it is another |
//! | `EndX(pResult)` in `Invoke`, then an event that a thread waits for | `.await` |
//! | a helper object per callback, so that one class can have several | a closure each |
//! | an operation queue, to serialise a source's requests | [`Method::serialized`] |
//! | `BeginGetEvent`, `EndGetEvent`, `BeginGetEvent`, … | [`EventStream::next`] |
//! | `MFLockWorkQueue`, `MFUnlockWorkQueue` | clone and drop of a [`WorkQueue`] |
//! | `Shutdown`, `Release`, `MFShutdown`, in that order | `platform.shutdown().await`, which says what was forgotten |
//!
//! The page *Writing an Asynchronous Method* is `examples/square_root.rs`, by hand as in C++, then awaited.
//!
//! # Windows
//!
//! On Windows the module `com` does the same for the system's own objects: `com::begin_end` for any pair,
//! `com::event_stream`, `com::SourceReader`, `com::SinkWriter`, `com::AsyncTransform`, byte streams both ways, the
//! system's work queues, and this crate's callbacks and results as COM objects. It names the interfaces of the
//! `windows` crate, 0.62. All unsafe code of this crate is there.
//!
//! # Features
//!
//! None is on by default.
//!
//! * `tracing`: the span that is current at a put is entered around its callback, and broken promises and missed
//!   deadlines are told.
//! * `realtime`: shared queues of an MMCSS class get threads of their own, raised to real-time priority where the
//!   system allows that.
//! * `test-util`: the module `testing`, for the test suites of components.
//!
//! # What this crate does not do
//!
//! No codecs, no containers, no media pipeline of its own. Timers have the granularity of tokio's, 1 ms. Where a
//! well-kept crate does the work, that crate is used.

mod error;
mod guid;
mod sync;

mod keepalive;

mod async_result;

mod observe;
mod queue;

mod timer;

mod event;

mod operation;

mod event_stream;

mod task;

mod cancel_cookie;
mod limited_queue;
mod method;
mod mmcss;

mod byte_stream;

mod transform;

mod create_file;
mod platform;
mod report;
mod source_resolver;

#[cfg(windows)]
pub mod com;
#[cfg(feature = "test-util")]
pub mod testing;

pub use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, QueueId, Unknown,
};
pub use crate::byte_stream::{
    AccessMode, ByteStream, ByteStreamCapabilities, ByteStreamExt, ByteStreamFromIo, ByteStreamIo,
    FileByteStream, FileFlags, MemoryByteStream, OpenMode, SeekFlags, SeekOrigin,
};
pub use crate::cancel_cookie::CancelCookie;
pub use crate::error::{Error, ErrorKind, Hresult, Result};
pub use crate::event::{
    GetEventFlags, HasEventQueue, MediaEvent, MediaEventGenerator, MediaEventQueue, MediaEventType,
    MediaEventValue, SharedGenerator,
};
pub use crate::event_stream::{DropNewest, DropOldest, EventStream, Latest, Lossless, Overflow};
pub use crate::guid::Guid;
pub use crate::limited_queue::{LimitedQueue, Reserved};
pub use crate::method::Method;
pub use crate::mmcss::Mmcss;
pub use crate::observe::QueueStats;
pub use crate::operation::{BeginStatus, CancelOn, Operation, Outcome, Timeout, begin_end, begin_end_with};
pub use crate::platform::{Platform, PlatformBuilder, PlatformEvents, PlatformEventsGuard, PlatformLock};
pub use crate::queue::{Deadline, Priority, Standing, WorkQueue, WorkQueueType};
pub use crate::report::{OperationReport, QueueReport, Report, RunningReport};
pub use crate::source_resolver::{
    ByteStreamHandler, ResolutionFlags, ResolvedObject, SchemeHandler, SourceResolver,
};
pub use crate::timer::{PeriodicKey, WorkItemKey};
pub use crate::transform::{TransformDriver, TransformEvent, TransformInput, TransformOutput};

/// The README's code is compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
