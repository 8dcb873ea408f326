//! Events: what a component tells those who listen, as one small value.

mod event_type;
mod generator;
mod queue;
pub(crate) mod state;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use self::event_type::MediaEventType;
pub use self::generator::{GetEventFlags, HasEventQueue, MediaEventGenerator, SharedGenerator};
pub use self::queue::MediaEventQueue;
pub use self::value::MediaEventValue;

use crate::error::{Error, Hresult, Result};
use crate::guid::Guid;

/// Something that happened in a component: Media Foundation's `IMFMediaEvent`.
///
/// It has a type, a status, a value and any number of attributes, and never changes once it is made.
/// Cheap to clone.
///
/// ```
/// use mf_async::{Hresult, MediaEvent, MediaEventType};
///
/// let event = MediaEvent::new(MediaEventType::MESourceStarted).with_value(30_000_i64);
/// assert_eq!(event.event_type(), MediaEventType::MESourceStarted);
/// assert_eq!(event.status(), Hresult::S_OK);
/// assert_eq!(event.value().as_i64(), Some(30_000));
/// ```
#[doc(alias = "IMFMediaEvent")]
#[doc(alias = "MFCreateMediaEvent")]
#[derive(Clone, PartialEq)]
pub struct MediaEvent {
    event_type: MediaEventType,
    status: Hresult,
    value: MediaEventValue,
    /// What few events have.
    more: Option<Arc<More>>,
}

#[derive(Clone, Default, PartialEq)]
struct More {
    extended_type: Guid,
    attributes: BTreeMap<Guid, MediaEventValue>,
}

impl MediaEvent {
    /// An event of this type, with the status `S_OK` and no value.
    #[doc(alias = "MFCreateMediaEvent")]
    pub fn new(event_type: impl Into<MediaEventType>) -> MediaEvent {
        MediaEvent {
            event_type: event_type.into(),
            status: Hresult::S_OK,
            value: MediaEventValue::Empty,
            more: None,
        }
    }

    /// An event of the type [`MEExtendedType`](MediaEventType::MEExtendedType) that this name says more of.
    #[must_use]
    pub fn extended(extended_type: Guid) -> MediaEvent {
        MediaEvent::new(MediaEventType::MEExtendedType).with_extended_type(extended_type)
    }

    /// The same with this status: the outcome of the operation whose end the event tells.
    #[must_use]
    pub fn with_status(self, status: Hresult) -> MediaEvent {
        MediaEvent { status, ..self }
    }

    /// The same with this value.
    #[must_use]
    pub fn with_value(self, value: impl Into<MediaEventValue>) -> MediaEvent {
        MediaEvent { value: value.into(), ..self }
    }

    /// The same with this extended type.
    #[must_use]
    pub fn with_extended_type(mut self, extended_type: Guid) -> MediaEvent {
        // An event without one is not made larger to say so.
        if extended_type != self.extended_type() {
            self.more().extended_type = extended_type;
        }
        self
    }

    /// The same with this attribute; one of the same key is replaced.
    #[doc(alias = "IMFAttributes")]
    #[must_use]
    pub fn with_attribute(mut self, key: Guid, value: impl Into<MediaEventValue>) -> MediaEvent {
        self.more().attributes.insert(key, value.into());
        self
    }

    /// What the event tells.
    #[doc(alias = "GetType")]
    #[must_use]
    pub fn event_type(&self) -> MediaEventType {
        self.event_type
    }

    /// The name of an [`MEExtendedType`](MediaEventType::MEExtendedType) event; [`Guid::NULL`] of others.
    #[doc(alias = "GetExtendedType")]
    #[must_use]
    pub fn extended_type(&self) -> Guid {
        self.more.as_ref().map_or(Guid::NULL, |more| more.extended_type)
    }

    /// How the operation ended whose end the event tells.
    #[doc(alias = "GetStatus")]
    #[must_use]
    pub fn status(&self) -> Hresult {
        self.status
    }

    /// What the event carries.
    #[doc(alias = "GetValue")]
    #[must_use]
    pub fn value(&self) -> &MediaEventValue {
        &self.value
    }

    /// One attribute, if the event has it.
    #[doc(alias = "GetItem")]
    #[must_use]
    pub fn attribute(&self, key: Guid) -> Option<&MediaEventValue> {
        self.more.as_ref()?.attributes.get(&key)
    }

    /// All attributes, sorted by their keys.
    #[doc(alias = "GetItemByIndex")]
    pub fn attributes(&self) -> impl Iterator<Item = (Guid, &MediaEventValue)> {
        self.more.iter().flat_map(|more| &more.attributes).map(|(key, value)| (*key, value))
    }

    /// The event itself if its status means success, else the error that the status is.
    ///
    /// # Errors
    /// The status, when it is a failure.
    pub fn ok(self) -> Result<MediaEvent> {
        if self.status.is_success() { Ok(self) } else { Err(self.error()) }
    }

    /// The error that the status is.
    pub(crate) fn error(&self) -> Error {
        Error::new(self.status, format!("the event {} tells of a failure", self.event_type))
    }

    fn more(&mut self) -> &mut More {
        Arc::make_mut(self.more.get_or_insert_default())
    }
}

impl fmt::Debug for MediaEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("MediaEvent");
        debug.field("event_type", &self.event_type).field("status", &self.status).field("value", &self.value);
        if let Some(more) = &self.more {
            debug.field("extended_type", &more.extended_type).field("attributes", &more.attributes);
        }
        debug.finish()
    }
}
