//! Work queues: when and where a callback runs, and the handle that opens one and keeps it open.

mod allocate;
mod backend;
mod blocking;
mod budget;
mod calling_out;
mod current_queue;
mod deadline;
mod dispatch;
mod drain;
mod engine;
mod handle;
mod kind;
#[cfg(feature = "test-util")]
mod manual;
mod priority;
mod private;
mod realtime;
mod result_cache;
mod serial;
mod table;
mod waiters;
mod window;
mod work_item;

pub use self::deadline::{Deadline, DeadlineStatus};
pub use self::handle::{WorkQueue, WorkQueueType};
pub use self::priority::Priority;
pub use self::work_item::{IntoWorkItem, WorkItem};

pub(crate) use self::calling_out::CallingOut;
pub(crate) use self::current_queue::CurrentQueue;
pub(crate) use self::engine::ClockGuard;
#[cfg(feature = "test-util")]
pub(crate) use self::engine::Manual;
pub(crate) use self::kind::Queue;
pub(crate) use self::result_cache::Invocation;
pub(crate) use self::table::Queues;
pub(crate) use self::waiters::Waiters;
pub(crate) use self::work_item::Job;
