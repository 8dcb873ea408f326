//! Await Media Foundation: its work queues, callbacks, events and byte streams as futures and streams, on tokio.

mod error;

mod keepalive;

mod async_result;

mod observe;
mod queue;

mod timer;

mod operation;
mod task;

mod byte_stream;

mod transform;

mod mmcss;

mod create_file;
mod platform;
mod report;
mod source_resolver;

#[cfg(windows)]
pub mod com;

pub use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, QueueId, Unknown,
};
pub use crate::byte_stream::{
    AccessMode, ByteStream, ByteStreamCapabilities, ByteStreamExt, ByteStreamFromIo, ByteStreamIo,
    CancelCookie, FileByteStream, FileFlags, MemoryByteStream, OpenMode, SeekFlags, SeekOrigin,
};
pub use crate::error::{Error, ErrorKind, Hresult, Result};
pub use crate::mmcss::Mmcss;
pub use crate::observe::QueueStats;
pub use crate::operation::{BeginStatus, Operation, Outcome, begin_end, begin_end_with};
pub use crate::platform::{Platform, PlatformBuilder, PlatformEvents, PlatformEventsGuard, PlatformLock};
pub use crate::queue::{Deadline, Priority, Standing, WorkQueue, WorkQueueType};
pub use crate::report::{OperationReport, QueueReport, Report, RunningReport};
pub use crate::source_resolver::{
    ByteStreamHandler, ResolutionFlags, ResolvedObject, SchemeHandler, SourceResolver,
};
pub use crate::timer::{PeriodicKey, WorkItemKey};
pub use crate::transform::{TransformDriver, TransformEvent, TransformInput, TransformOutput};
