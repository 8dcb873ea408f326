//! Await Media Foundation: its work queues, callbacks, events and byte streams as futures and streams, on tokio.

mod error;
mod guid;

mod keepalive;

mod async_result;

mod observe;
mod queue;

mod timer;

mod event;

mod operation;

mod event_stream;

mod task;

mod mmcss;

mod platform;
mod report;

#[cfg(windows)]
pub mod com;

pub use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, QueueId, Unknown,
};
pub use crate::error::{Error, ErrorKind, Hresult, Result};
pub use crate::event::{
    GetEventFlags, HasEventQueue, MediaEvent, MediaEventGenerator, MediaEventQueue, MediaEventType,
    MediaEventValue, SharedGenerator,
};
pub use crate::event_stream::{DropNewest, DropOldest, EventStream, Latest, Lossless, Overflow};
pub use crate::guid::Guid;
pub use crate::mmcss::Mmcss;
pub use crate::observe::QueueStats;
pub use crate::operation::{BeginStatus, Operation, Outcome, begin_end, begin_end_with};
pub use crate::platform::{Platform, PlatformBuilder, PlatformEvents, PlatformEventsGuard, PlatformLock};
pub use crate::queue::{Deadline, Priority, Standing, WorkQueue, WorkQueueType};
pub use crate::report::{OperationReport, QueueReport, Report, RunningReport};
pub use crate::timer::{PeriodicKey, WorkItemKey};
