//! Objects of any type, of either world, as states and private objects of the other.

use std::sync::Arc;

use windows::Win32::System::Com::{IAgileObject, IAgileObject_Impl};
use windows::core::{IUnknown, Interface};
use windows_core::implement;

use crate::async_result::Unknown;
use crate::com::Mta;
use crate::com::guarded::Guarded;

impl From<Unknown> for Mta<IUnknown> {
    /// The COM object itself when that is what it is, else an object that holds it.
    fn from(object: Unknown) -> Mta<IUnknown> {
        match object.downcast_ref::<Mta<IUnknown>>() {
            Some(unknown) => unknown.clone(),
            None => Mta::of(ObjectHolder { object: Guarded::new(object) }),
        }
    }
}

impl From<Mta<IUnknown>> for Unknown {
    /// The object that it holds when it was made from one, else the pointer, to be read as `Mta<IUnknown>`.
    fn from(unknown: Mta<IUnknown>) -> Unknown {
        match unknown.cast_object_ref::<ObjectHolder>() {
            Ok(holder) => Unknown::clone(&holder.object),
            Err(_) => Arc::new(unknown),
        }
    }
}

/// A COM object that does nothing but hold something. `#[implement]` does not check that what it makes
/// reachable from every thread may be: the type of the object does.
#[implement(IAgileObject)]
struct ObjectHolder {
    object: Guarded<Unknown>,
}

impl IAgileObject_Impl for ObjectHolder_Impl {}
