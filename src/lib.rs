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
//! [`Platform`] keeps the road open: a keepalive rides in every result, and [`shutdown`](Platform::shutdown)
//! returns when the queues are empty and the last of them is gone.
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
//! | a work queue of bounded depth | [`BoundedQueue`] | a bounded channel |
//! | `MFScheduleWorkItem`, `MFCancelWorkItem` | [`Platform::schedule_work_item`], [`Platform::cancel_work_item`] | a timer and its key |
//! | `MFPutWaitingWorkItem` | [`Platform::put_waiting_work_item`] | `select` on any future |
//! | `IMFMediaEventGenerator`, `IMFMediaEventQueue` | [`MediaEventGenerator`], [`MediaEventQueue`] | the sending side of a channel |
//! | a `BeginGetEvent` loop | [`EventStream`] | a `Stream` |
//! | `IMFByteStream`, `MFCreateFile` | [`ByteStream`], [`FileByteStream`] | `AsyncRead + AsyncWrite + AsyncSeek` |
//! | `IMFSourceResolver` | [`SourceResolver`] | opening by URL |
//! | `HRESULT` | [`Hresult`], [`Error`] | `Result` |
//! | `IUnknown` state | [`Unknown`] | `Arc<dyn Any + Send + Sync>` |
//!
//! The search of this documentation knows every MF and Rtwq name: `MFPutWaitingWorkItem` finds its method.
//!
//! # Chapters
//!
#![doc = include_str!("guide/chapters.md")]
//!
//! # Features
//!
//! None is on by default, and each only adds.
//!
//! * `tracing`: a span around each callback, inside the span that was current at its put, with the queue, the callback's
//!   name and how long it waited; warnings for callbacks that break their promise and for missed deadlines. Built with
//!   `--cfg tokio_unstable`, the tasks of queues and timers have names in tokio-console.
//! * `realtime`: shared queues of an MMCSS class get threads of their own, raised to real-time priority where the
//!   system allows that.
//! * `test-util`: the module `testing`, for the test suites of components.

mod contain;
mod error;
mod guid;
mod sync;
mod tokio_quirks;

mod register;
mod tracker;
pub mod transform;

mod async_result;
mod cancel;

mod completion;
mod mmcss;
mod observe;

mod queue;

mod operation;

mod task;
mod timer;

mod bounded_queue;
pub mod event;
mod method;
pub mod report;

pub mod byte_stream;
pub mod event_stream;

mod platform;

mod create_file;
pub mod rtwq;

pub mod source_resolver;

#[cfg(windows)]
pub mod com;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "test-util")]
pub mod testing;

pub use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, IntoUnknown, QueueId, ResultBuilder,
    Unknown,
};
pub use crate::byte_stream::{ByteStream, ByteStreamExt};
pub use crate::cancel::{CancelCookie, WorkItemKey};
pub use crate::error::{Error, ErrorKind, Hresult, Result};
pub use crate::event::{MediaEvent, MediaEventGenerator, MediaEventQueue, MediaEventType};
pub use crate::event_stream::EventStream;
pub use crate::guid::Guid;
pub use crate::method::Method;
pub use crate::operation::{BeginStatus, CancelOn, Operation, Outcome, Timeout};
pub use crate::platform::{Platform, PlatformBuilder, PlatformLock, WeakPlatform};
pub use crate::queue::{Priority, WorkItem, WorkQueue, WorkQueueType};
pub use crate::report::Report;

/// The README's code is compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
