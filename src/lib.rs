//! Await Media Foundation: its work queues, callbacks, events and byte streams as futures and streams, on tokio.
//!
//! ```
//! use mf_async::Platform;
//!
//! #[tokio::main]
//! async fn main() -> mf_async::Result<()> {
//!     let platform = Platform::startup()?;
//!     let encoder = Encoder::new(&platform); // a component made for callbacks
//!
//!     let frames = platform.begin_end(
//!         &encoder,
//!         |encoder, callback| encoder.begin_flush(callback), // Begin: starts now
//!         |encoder, result| encoder.end_flush(result),       // End: runs when you await
//!     );
//!     println!("{} frames", frames.await?);
//!     platform.shutdown().await
//! }
//! # use std::sync::Arc;
//! # use mf_async::{AsyncCallback, AsyncResult, CancelCookie, Method, Operation, Result};
//! #
//! # struct Encoder {
//! #     flush: Method<usize>,
//! # }
//! #
//! # impl Encoder {
//! #     fn new(platform: &Platform) -> Arc<Encoder> {
//! #         Arc::new(Encoder { flush: platform.method() })
//! #     }
//! #
//! #     async fn work(self: Arc<Self>) -> Result<usize> {
//! #         Ok(3)
//! #     }
//! #
//! #     // For callers with a callback: Media Foundation's own shape.
//! #     fn begin_flush(self: &Arc<Self>, callback: Arc<dyn AsyncCallback>) -> Result<CancelCookie> {
//! #         self.flush.begin(callback, self.clone().work())
//! #     }
//! #
//! #     fn end_flush(&self, result: &AsyncResult) -> Result<usize> {
//! #         self.flush.end(result)
//! #     }
//! #
//! #     // For callers that await: one operation, cancelled by its drop.
//! #     fn flush(self: &Arc<Self>) -> Operation<usize> {
//! #         self.flush.call(self.clone().work())
//! #     }
//! # }
//! ```
//!
//! It prints `3 frames`. The component is in the README and at [`Method`].
//!
//! **What it is.** Media Foundation (MF) is made of callbacks: an object implements `IMFAsyncCallback`, a component calls
//! `MFInvokeCallback`, and a work queue runs `Invoke`. This crate is that machinery on Linux, macOS and Windows, with MF's
//! ids, flags, HRESULTs and order. Futures and streams are built on it. On Windows the module `com` awaits the system's own MF.
//!
//! **Who it is for.** Authors of Windows media code who want `.await` where MF wants a callback; authors of MF components who
//! want to test them on any machine, with tokio's paused clock; those who port C++ code that is built on MF's work queues.
//!
//! **What it promises.** Every operation ends exactly once. What a future or stream loses when it is dropped, in `select!` for
//! example, is said, and `EventStream::next` loses nothing. A panic in a callback is an error for the caller that awaits. Ids,
//! codes and order are MF's. The chapter [What is promised](crate::guide::promises) says how each is held.
//!
//! # The road
//!
//! ```text
//!    you                             the crate                                              you
//!  begin(..) ──► AsyncResult ──► invoke ──┬─ a plain callback ──► WorkQueue ──► Invoke
//!                what                     └─ an operation ──► its task is woken ── End ──► T or Error
//!
//!  producer  ──► MediaEventQueue ──(the same road, once per event)──► EventStream.next()
//! ```
//!
//! The [`Platform`] keeps the road open: each result holds a token of it, and [`shutdown`](Platform::shutdown) returns when the
//! queues are empty and the last token is gone.
//!
//! # Five concepts
//!
//! Most programs need no more than these:
//!
//! | | Media Foundation | here | in Rust's words |
//! |---|---|---|---|
//! | the platform | `MFStartup`, `MFShutdown` | [`Platform::startup`], [`Platform::shutdown`] | a value; structured shutdown |
//! | a work queue | `MFPutWorkItem` and its kin | [`WorkQueue::put`], [`WorkQueue::run`], [`WorkQueue::spawn`] | an executor |
//! | a callback and its result | `IMFAsyncCallback`, `IMFAsyncResult`, `MFInvokeCallback` | [`AsyncCallback`], [`AsyncResult`], [`AsyncResult::invoke`] | a `Fn(&AsyncResult)` that is `Send + Sync`; completing a promise |
//! | an operation | `BeginX` / `EndX` | [`Platform::begin_end`], [`Operation`]; [`Method`] to implement a pair | a future |
//! | events | a `BeginGetEvent` loop | [`EventStream`] | a `Stream` |
//!
//! # Further names
//!
//! | Media Foundation | here | in Rust's words |
//! |---|---|---|
//! | `MFCreateAsyncResult` | [`Platform::result`] | the shared state of one call |
//! | a work item | [`WorkItem`], [`Priority`] | what is put |
//! | `MFAllocateWorkQueue`, `MFAllocateSerialWorkQueue` | [`Platform::allocate_work_queue`], [`Platform::allocate_serial_work_queue`] | an executor of one's own; a counted handle |
//! | `MFScheduleWorkItem`, `MFCancelWorkItem` | [`Platform::schedule`], [`Platform::cancel_work_item`] | a timer and its key |
//! | `MFPutWaitingWorkItem` | [`Platform::put_waiting`] | `select` on any future |
//! | `IMFMediaEventGenerator`, `IMFMediaEventQueue` | [`MediaEventGenerator`], [`MediaEventQueue`] | the sending side of a channel |
//! | `IMFByteStream`, `MFCreateFile` | [`ByteStream`], [`byte_stream::FileByteStream`] | `AsyncRead + AsyncWrite + AsyncSeek` |
//! | `IMFSourceResolver` | [`source_resolver::SourceResolver`] | opening by URL |
//! | `HRESULT` | [`Hresult`], [`Error`] | `Result` |
//! | `IUnknown` state | [`Unknown`] | `Arc<dyn Any + Send + Sync>` |
//! | a work queue of bounded depth | [`rtwq::BoundedQueue`] | a bounded channel |
//! | `MFASYNC_REPLY_CALLBACK` | [`CallbackFlags::REPLY`] | an item that ends when it is answered |
//! | a queue's deadline | [`WorkQueue::set_deadline`] | a watchdog |
//! | MMCSS, shared queues | [`Platform::lock_shared_work_queue`] | raised threads |
//! | a window queue | [`WorkQueueType::Window`], [`WorkQueue::spawn_local`] | a thread for what is not `Send` |
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
//! * `timeline`: the module `timeline`, which records what every queue did and draws it.
//! * `test-util`: the module `testing`, for the test suites of components.

mod contain;
mod error;
mod sync;
mod tokio_quirks;

mod guid;
mod register;
mod stepping;
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
#[cfg(feature = "timeline")]
pub mod timeline;

pub use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, IntoUnknown, QueueId, Reply,
    ResultBuilder, Unknown, callback,
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
pub use crate::queue::{IntoWorkItem, Priority, WorkItem, WorkQueue, WorkQueueType};
pub use crate::report::Report;

/// The README's code is compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
