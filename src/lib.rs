//! Await Media Foundation: its work queues, callbacks, events and byte streams as futures and streams, on tokio.

mod error;

mod keepalive;

mod async_result;

mod observe;
mod queue;

mod timer;

mod operation;
mod task;

mod method;

mod platform;
mod report;

#[cfg(feature = "test-util")]
pub mod testing;

pub use crate::async_result::{
    AsyncCallback, AsyncResult, CallbackFlags, CallbackParameters, QueueId, Unknown,
};
pub use crate::error::{Error, ErrorKind, Hresult, Result};
pub use crate::method::{CancelCookie, Method};
pub use crate::observe::QueueStats;
pub use crate::operation::{BeginStatus, CancelOn, Operation, Outcome, Timeout, begin_end, begin_end_with};
pub use crate::platform::{Platform, PlatformBuilder, PlatformEvents, PlatformEventsGuard, PlatformLock};
pub use crate::queue::{Priority, WorkQueue, WorkQueueType};
pub use crate::report::{OperationReport, QueueReport, Report, RunningReport};
pub use crate::timer::{PeriodicKey, WorkItemKey};
