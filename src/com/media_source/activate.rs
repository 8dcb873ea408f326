//! `IMFActivate` for a media source: what makes the source when it is asked to, as a virtual camera's DLL gives out.

use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use windows::Win32::Foundation::E_POINTER;
use windows::Win32::Media::MediaFoundation::{
    IMFActivate, IMFActivate_Impl, IMFAttributes, IMFAttributes_Impl, IMFMediaSource, MF_ATTRIBUTE_TYPE,
    MF_ATTRIBUTES_MATCH_TYPE,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{BOOL, GUID, IUnknown, Interface, PCWSTR, PWSTR, Ref, Result};
use windows_core::implement;

use crate::com::attributes::has_attributes;
use crate::com::callback::contain;
use crate::com::guarded::Guarded;
use crate::com::{Mta, Platform};
use crate::sync::LockExt;

/// An activation object that makes a media source with `make` when it is activated, and gives the same one until
/// `ShutdownObject` or `DetachObject`. It has attributes, which are empty at first.
///
/// # Errors
/// `E_OUTOFMEMORY`.
#[doc(alias = "IMFActivate")]
#[doc(alias = "ActivateObject")]
pub fn media_source_activate(
    platform: &Platform,
    make: impl Fn() -> crate::Result<Mta<IMFMediaSource>> + Send + Sync + 'static,
) -> crate::Result<Mta<IMFActivate>> {
    let attributes = platform.create_attributes()?;
    let (make, made): (Guarded<Arc<MakeSource>>, _) = (Guarded::new(Arc::new(make)), Mutex::new(None));
    Ok(platform.keep(Mta::of(SourceActivate { make, made, attributes })))
}

type MakeSource = dyn Fn() -> crate::Result<Mta<IMFMediaSource>> + Send + Sync;

#[implement(IMFActivate)]
struct SourceActivate {
    make: Guarded<Arc<MakeSource>>,
    made: Mutex<Option<Mta<IMFMediaSource>>>,
    attributes: Mta<IMFAttributes>,
}

impl SourceActivate {
    fn attributes(&self) -> Result<&IMFAttributes> {
        Ok(&self.attributes)
    }
}

has_attributes!(SourceActivate_Impl);

impl IMFActivate_Impl for SourceActivate_Impl {
    fn ActivateObject(&self, iid: *const GUID, object: *mut *mut c_void) -> Result<()> {
        if iid.is_null() || object.is_null() {
            return Err(E_POINTER.into());
        }
        // SAFETY: not null, so it may be written.
        unsafe { *object = std::ptr::null_mut() };
        contain(|| -> Result<()> {
            let known = self.made.locked().clone();
            let source = match known {
                Some(source) => source,
                None => {
                    let made = (self.make)()?;
                    // Where two make one at the same time, both get the first.
                    let mut known = self.made.locked();
                    let source = known.get_or_insert_with(|| made.clone()).clone();
                    drop(known);
                    source
                }
            };
            // SAFETY: the caller passes pointers to a GUID and to a pointer that may be written.
            unsafe { source.query(iid, object) }.ok()
        })
    }

    fn ShutdownObject(&self) -> Result<()> {
        let made = self.made.locked().take();
        if let Some(source) = made {
            // SAFETY: needs nothing. An error says that it was shut down before.
            let _ = unsafe { source.Shutdown() };
        }
        Ok(())
    }

    fn DetachObject(&self) -> Result<()> {
        let made = self.made.locked().take();
        drop(made);
        Ok(())
    }
}
