//! `MediaEvent`: one event, with a type, a status, a value and attributes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::contain::drop_contained;
use crate::error::{Error, Hresult, Result};
use crate::event::event_type::MediaEventType;
use crate::event::value::MediaEventValue;
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
    extras: Option<Arc<Extras>>,
}

#[derive(Clone, Default, PartialEq)]
struct Extras {
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
            extras: None,
        }
    }

    /// An event of the type [`MEExtendedType`](MediaEventType::MEExtendedType) with this name.
    #[must_use]
    pub fn extended(extended_type: Guid) -> MediaEvent {
        MediaEvent::new(MediaEventType::MEExtendedType).with_extended_type(extended_type)
    }

    /// The same with this status: the outcome of the operation whose end the event reports.
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
            self.extras_mut().extended_type = extended_type;
        }
        self
    }

    /// The same with this attribute; one of the same key is replaced.
    #[doc(alias = "IMFAttributes")]
    #[must_use]
    pub fn with_attribute(mut self, key: Guid, value: impl Into<MediaEventValue>) -> MediaEvent {
        self.extras_mut().attributes.insert(key, value.into());
        self
    }

    /// What happened.
    #[doc(alias = "GetType")]
    #[must_use]
    pub fn event_type(&self) -> MediaEventType {
        self.event_type
    }

    /// The name of an [`MEExtendedType`](MediaEventType::MEExtendedType) event; [`Guid::NULL`] of others.
    #[doc(alias = "GetExtendedType")]
    #[must_use]
    pub fn extended_type(&self) -> Guid {
        self.extras.as_ref().map_or(Guid::NULL, |extras| extras.extended_type)
    }

    /// The outcome of the operation whose end the event reports.
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
        self.extras.as_ref()?.attributes.get(&key)
    }

    /// All attributes, sorted by their keys.
    #[doc(alias = "GetItemByIndex")]
    pub fn attributes(&self) -> impl Iterator<Item = (Guid, &MediaEventValue)> {
        self.extras.iter().flat_map(|extras| &extras.attributes).map(|(key, value)| (*key, value))
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
        Error::new(self.status, format!("the event {} reports a failure", self.event_type))
    }

    fn extras_mut(&mut self) -> &mut Extras {
        Arc::make_mut(self.extras.get_or_insert_default())
    }
}

/// Drops events, and each object that they carry, one by one: a `Drop` of the user's that panics stops neither the
/// others nor the caller.
pub(crate) fn drop_events(events: impl IntoIterator<Item = MediaEvent>) {
    for MediaEvent { value, extras, .. } in events {
        drop_contained(value);
        // Another owner of the attributes drops them later.
        for (_, attribute) in
            extras.and_then(Arc::into_inner).into_iter().flat_map(|extras| extras.attributes)
        {
            drop_contained(attribute);
        }
    }
}

impl fmt::Debug for MediaEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("MediaEvent");
        debug.field("event_type", &self.event_type).field("status", &self.status).field("value", &self.value);
        if let Some(extras) = &self.extras {
            debug.field("extended_type", &extras.extended_type).field("attributes", &extras.attributes);
        }
        debug.finish()
    }
}
