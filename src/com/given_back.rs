//! Events that were taken out of a COM object and are given back to it: they keep their attributes and their order for the
//! next stream of this crate's, and are ordinary events for everything else that asks the object.
//!
//! `QueueEvent` takes no attributes, and puts an event behind those that came later. So what is queued has a number, in
//! the extended type, which no event but one of `MEExtendedType` uses; and the event itself is kept here under that
//! number.

use std::collections::BTreeMap;
use std::sync::Mutex;

use windows::Win32::Media::MediaFoundation::{IMFMediaEvent, IMFMediaEventGenerator};
use windows::core::{GUID, Result};

use crate::com::Mta;
use crate::sync::LockExt;

/// What is kept, by number.
static GIVEN_BACK: Mutex<GivenBack> = Mutex::new(GivenBack { kept: BTreeMap::new(), next: 0 });

struct GivenBack {
    kept: BTreeMap<u64, Mta<IMFMediaEvent>>,
    next: u64,
}

/// The most that are kept. Events that are given back and never read are few, and each may keep other objects.
const MOST: usize = 1024;

/// The upper half of the extended types that hold a number.
const NUMBERED: u64 = 0x91d2_7c06_5b4e_4a3f;

/// Puts an event into the object's queue again.
pub(crate) fn give_back(com: &IMFMediaEventGenerator, event: &Mta<IMFMediaEvent>) -> Result<()> {
    // SAFETY: asks a live event.
    let (kind, extended, status, value) =
        unsafe { (event.GetType()?, event.GetExtendedType()?, event.GetStatus()?, event.GetValue()?) };
    let (extended, surplus) = if extended == GUID::zeroed() || number_of(&extended).is_some() {
        let (number, surplus) = keep(event);
        (GUID::from_u128(u128::from(NUMBERED) << 64 | u128::from(number)), surplus)
    } else {
        (extended, None)
    };
    drop(surplus);
    // SAFETY: what is pointed to lives here, and is copied.
    unsafe { com.QueueEvent(kind, &raw const extended, status, &raw const value) }
}

fn keep(event: &Mta<IMFMediaEvent>) -> (u64, Option<(u64, Mta<IMFMediaEvent>)>) {
    let mut given_back = GIVEN_BACK.locked();
    let number = given_back.next;
    given_back.next += 1;
    given_back.kept.insert(number, event.clone());
    let surplus = if given_back.kept.len() > MOST { given_back.kept.pop_first() } else { None };
    (number, surplus)
}

/// The event that was given back as this one, and its number; else the event as it is.
pub(crate) fn restore(event: Mta<IMFMediaEvent>) -> (Option<u64>, Mta<IMFMediaEvent>) {
    // SAFETY: asks a live event.
    let number = unsafe { event.GetExtendedType() }.ok().as_ref().and_then(number_of);
    let kept = number.and_then(|number| GIVEN_BACK.locked().kept.remove(&number));
    (number, kept.unwrap_or(event))
}

/// No stream will ask for them any more: there is no platform left.
pub(crate) fn forget() {
    let forgotten = std::mem::take(&mut GIVEN_BACK.locked().kept);
    drop(forgotten);
}

fn number_of(extended: &GUID) -> Option<u64> {
    let bits = extended.to_u128();
    ((bits >> 64) as u64 == NUMBERED).then_some(bits as u64)
}
