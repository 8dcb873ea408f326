//! Events of COM objects as this crate's, and events of this crate's as COM objects.

mod exported;
mod generator;
mod object_events;
mod state;

use std::sync::Arc;

use windows::Win32::Media::MediaFoundation::{IMFMediaEvent, IMFMediaEventGenerator, MFCreateMediaEvent};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::GUID;

pub use self::generator::EventGenerator;

use crate::com::startup::Started;
use crate::com::{Mta, prop_variant};
use crate::error::{Hresult, Result};
use crate::event::{MediaEvent, MediaEventValue};
use crate::event_stream::{EventStream, Lossless, Overflow};
use crate::guid::Guid;

/// The events of a COM object as a stream that loses none, and keeps the object.
///
/// One stream at a time receives them. Dropped in between, it leaves its request to the next stream of the object, by this
/// function or by an [`EventGenerator`], and with it the event that comes, with all its attributes.
///
/// ```no_run
/// use mf_async::com::{self, Mta};
/// use mf_async::MediaEventType;
/// use windows::Win32::Media::MediaFoundation::IMFMediaSession;
///
/// # async fn close(session: Mta<IMFMediaSession>) -> mf_async::Result<()> {
/// let mut events = com::event_stream(session.cast()?)?;
/// unsafe { session.Close() }?;
/// events.wait_for(MediaEventType::MESessionClosed).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`EventStream::new`].
#[doc(alias = "IMFMediaEventGenerator")]
pub fn event_stream(generator: Mta<IMFMediaEventGenerator>) -> Result<EventStream> {
    event_stream_with(generator, Lossless)
}

/// As [`event_stream`], with what is to happen to events that come faster than they are read.
///
/// # Errors
/// As [`EventStream::new`].
pub fn event_stream_with<P: Overflow>(
    generator: Mta<IMFMediaEventGenerator>,
    policy: P,
) -> Result<EventStream<P>> {
    let generator = Arc::new(EventGenerator::new(generator));
    Ok(EventStream::new(&generator, policy)?.keep(generator))
}

/// The COM event that an event was made from, with all that [`MediaEventValue`] cannot carry.
#[must_use]
pub fn raw_event(event: &MediaEvent) -> Option<&Mta<IMFMediaEvent>> {
    event.attribute(RAW)?.as_object()
}

impl TryFrom<&Mta<IMFMediaEvent>> for MediaEvent {
    type Error = crate::Error;

    /// Type, extended type, status, and value and attributes of the types that [`MediaEventValue`] has; the
    /// event itself comes along, see [`raw_event`].
    fn try_from(com: &Mta<IMFMediaEvent>) -> Result<MediaEvent> {
        // SAFETY: asks a live object; what is written lives here.
        unsafe {
            let mut event = MediaEvent::new(com.GetType()?)
                .with_status(Hresult::from(com.GetStatus()?))
                .with_extended_type(Guid::from_u128(com.GetExtendedType()?.to_u128()))
                .with_value(prop_variant::to_value(&com.GetValue()?, com.started()).unwrap_or_default());
            for index in 0..com.GetCount()? {
                let (mut key, mut value) = (GUID::zeroed(), PROPVARIANT::default());
                com.GetItemByIndex(index, &raw mut key, Some(&raw mut value))?;
                if let Some(value) = prop_variant::to_value(&value, com.started()) {
                    event = event.with_attribute(Guid::from_u128(key.to_u128()), value);
                }
            }
            Ok(event.with_attribute(RAW, MediaEventValue::object(com.clone())))
        }
    }
}

impl TryFrom<&MediaEvent> for Mta<IMFMediaEvent> {
    type Error = crate::Error;

    /// The COM event that it was made from, or a new one.
    #[doc(alias = "MFCreateMediaEvent")]
    fn try_from(event: &MediaEvent) -> Result<Mta<IMFMediaEvent>> {
        if let Some(com) = raw_event(event) {
            return Ok(com.clone());
        }
        let value = prop_variant::from_value(event.value())?;
        let extended = GUID::from_u128(event.extended_type().to_u128());
        let (kind, status) = (event.event_type().0, event.status().into());
        // SAFETY: what is pointed to lives here, and is copied.
        let com = unsafe { MFCreateMediaEvent(kind, &raw const extended, status, Some(&raw const value)) }?;
        for (key, value) in event.attributes() {
            let (key, value) = (GUID::from_u128(key.to_u128()), prop_variant::from_value(value)?);
            // SAFETY: as above.
            unsafe { com.SetItem(&raw const key, &raw const value) }?;
        }
        // SAFETY: an event of Media Foundation's own.
        Ok(unsafe { Mta::new(com) }.keeping(Started::current()))
    }
}

/// The attribute under which an event carries the COM event that it was made from.
const RAW: Guid = Guid::from_u128(0x6a5b_3f0e_71c4_4d0b_9a52_2f1e_8a60_c7d3);
