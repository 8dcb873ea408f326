//! Work queues: when and where a callback runs, and the handle that opens one and keeps it open.
//!
//! The way of a work item, by the files here:
//!
//! ```text
//! WorkQueue::put (handle.rs)   Platform::put, AsyncResult::invoke   timers
//!            └────────────────────────────┬──────────────────────────┘
//!                                    dispatch.rs
//!                                         │ table.rs finds the queue by its id
//!                                         ▼
//!                                  Queue (kind.rs) ──┬─► Engine (engine.rs): its workers run the item
//!                                                    └─► Serial (serial.rs): keeps the item, and puts a turn on
//!                                                        the queue below, which runs it
//! ```
//!
//! A put makes a [`Queued`](queued::Queued) of the [`WorkItem`]. A worker, or a turn, runs it under a
//! [`Budget`](budget::Budget), with a result of its [`ResultCache`](result_cache::ResultCache). How queues end is in `drain.rs`
//! and `private.rs`.

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
mod queued;
mod realtime;
mod result_cache;
mod serial;
mod table;
mod waiters;
mod window;
mod work;
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
