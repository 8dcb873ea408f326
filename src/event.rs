//! Events: what a component reports to its listeners, and the queue and the generator that they come from.
//!
//! From the ground up: the types and values of an event, the event, the subscription of a stream, the state of an
//! event queue, the contract of a generator, the queue itself, and the generator that a component gets for its queue.

mod event_type;
mod generator;
mod has_event_queue;
mod media_event;
mod queue;
pub(crate) mod state;
pub(crate) mod subscription;
mod value;

pub use self::event_type::MediaEventType;
pub use self::generator::{GetEventFlags, MediaEventGenerator, SharedGenerator};
pub use self::has_event_queue::HasEventQueue;
pub use self::media_event::MediaEvent;
pub use self::queue::MediaEventQueue;
pub use self::value::MediaEventValue;

pub(crate) use self::media_event::drop_events;
