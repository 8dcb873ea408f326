//! `HasEventQueue`: a component that has an event queue, and is a generator by that.

use std::sync::Arc;

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::error::{Hresult, Result};
use crate::event::generator::{GetEventFlags, MediaEventGenerator};
use crate::event::media_event::MediaEvent;
use crate::event::queue::MediaEventQueue;

/// A component that sends its events through a queue of its own; it is then a [`MediaEventGenerator`].
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use std::sync::Arc;
/// use mf_async::event::HasEventQueue;
/// use mf_async::{EventStream, MediaEvent, MediaEventGenerator, MediaEventQueue};
/// use mf_async::{MediaEventType, Platform};
///
/// struct Source {
///     events: MediaEventQueue,
/// }
///
/// impl HasEventQueue for Source {
///     fn event_queue(&self) -> &MediaEventQueue {
///         &self.events
///     }
/// }
///
/// let platform = Platform::startup()?;
/// let source = Arc::new(Source { events: platform.create_event_queue()? });
/// let mut events = EventStream::lossless(&source)?;
/// source.queue_event(MediaEvent::new(MediaEventType::MESourceStarted))?;
/// let event = events.wait_for(MediaEventType::MESourceStarted).await?;
/// assert!(event.status().is_success());
/// # drop((events, source));
/// # platform.shutdown().await }
/// ```
pub trait HasEventQueue {
    /// The queue, always the same.
    fn event_queue(&self) -> &MediaEventQueue;
}

impl<C: HasEventQueue + Send + Sync> MediaEventGenerator for C {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.event_queue().get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        self.event_queue().begin_get_event(callback, state)
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        self.event_queue().end_get_event(result)
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.event_queue().queue_event(event)
    }

    fn is_direct(&self) -> bool {
        true
    }
}

/// A queue is a generator itself, of what is put into it.
impl HasEventQueue for MediaEventQueue {
    fn event_queue(&self) -> &MediaEventQueue {
        self
    }
}
