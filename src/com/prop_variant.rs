//! `PROPVARIANT` and [`MediaEventValue`], each as the other.

use std::sync::Arc;

use windows::Win32::Foundation::{E_OUTOFMEMORY, VARIANT_BOOL};
use windows::Win32::System::Com::CoTaskMemAlloc;
use windows::Win32::System::Com::StructuredStorage::{
    CAUB, PROPVARIANT, PROPVARIANT_0, PROPVARIANT_0_0, PROPVARIANT_0_0_0,
};
use windows::Win32::System::Variant::{
    VARENUM, VT_BOOL, VT_BSTR, VT_CLSID, VT_EMPTY, VT_I4, VT_I8, VT_LPWSTR, VT_R4, VT_R8, VT_UI1, VT_UI4,
    VT_UI8, VT_UNKNOWN, VT_VECTOR,
};
use windows::core::{GUID, IUnknown, PWSTR, Result};

use crate::async_result::Unknown;
use crate::com::Mta;
use crate::com::startup::Started;
use crate::event::MediaEventValue;
use crate::guid::Guid;

/// The value, or `None` when it is of a type that only COM has. An object keeps `started`.
pub(crate) fn to_value(variant: &PROPVARIANT, started: Option<&Arc<Started>>) -> Option<MediaEventValue> {
    // SAFETY: the type says which field of the union is set, and each is read only under its own. Pointers
    // lead to what the variant owns, which is copied. An object in an event's value is passed from thread to
    // thread as it is, which Media Foundation only allows to free-threaded ones.
    unsafe {
        let inner = &variant.Anonymous.Anonymous;
        let fields = &inner.Anonymous;
        Some(match inner.vt {
            VT_EMPTY => MediaEventValue::Empty,
            VT_BOOL => MediaEventValue::Bool(fields.boolVal.0 != 0),
            VT_I4 => MediaEventValue::I4(fields.lVal),
            VT_UI4 => MediaEventValue::U4(fields.ulVal),
            VT_I8 => MediaEventValue::I8(fields.hVal),
            VT_UI8 => MediaEventValue::U8(fields.uhVal),
            VT_R4 => MediaEventValue::R4(fields.fltVal),
            VT_R8 => MediaEventValue::R8(fields.dblVal),
            VT_CLSID if !fields.puuid.is_null() => {
                MediaEventValue::Guid(Guid::from_u128((*fields.puuid).to_u128()))
            }
            VT_LPWSTR if !fields.pwszVal.is_null() => {
                MediaEventValue::String(String::from_utf16_lossy(fields.pwszVal.as_wide()).into())
            }
            VT_BSTR => MediaEventValue::String(fields.bstrVal.to_string().into()),
            BYTES => {
                let bytes = fields.caub;
                let bytes = match bytes.cElems {
                    0 => &[],
                    _ if bytes.pElems.is_null() => return None,
                    count => std::slice::from_raw_parts(bytes.pElems, count as usize),
                };
                MediaEventValue::Blob(Arc::from(bytes))
            }
            VT_UNKNOWN => match fields.punkVal.as_ref() {
                Some(object) => {
                    let object = Mta::new(object.clone()).keeping(started.cloned());
                    MediaEventValue::Unknown(Unknown::from(object))
                }
                None => return None,
            },
            _ => return None,
        })
    }
}

/// The value as a variant that owns a copy of it.
pub(crate) fn from_value(value: &MediaEventValue) -> Result<PROPVARIANT> {
    let (kind, fields) = match value {
        MediaEventValue::Empty => return Ok(PROPVARIANT::default()),
        MediaEventValue::Bool(value) => {
            (VT_BOOL, PROPVARIANT_0_0_0 { boolVal: VARIANT_BOOL(if *value { -1 } else { 0 }) })
        }
        MediaEventValue::I4(value) => (VT_I4, PROPVARIANT_0_0_0 { lVal: *value }),
        MediaEventValue::U4(value) => (VT_UI4, PROPVARIANT_0_0_0 { ulVal: *value }),
        MediaEventValue::I8(value) => (VT_I8, PROPVARIANT_0_0_0 { hVal: *value }),
        MediaEventValue::U8(value) => (VT_UI8, PROPVARIANT_0_0_0 { uhVal: *value }),
        MediaEventValue::R4(value) => (VT_R4, PROPVARIANT_0_0_0 { fltVal: *value }),
        MediaEventValue::R8(value) => (VT_R8, PROPVARIANT_0_0_0 { dblVal: *value }),
        MediaEventValue::Guid(value) => {
            (VT_CLSID, PROPVARIANT_0_0_0 { puuid: copied(&[GUID::from_u128(value.to_u128())])? })
        }
        MediaEventValue::String(value) => {
            let text: Vec<u16> = value.encode_utf16().chain([0]).collect();
            (VT_LPWSTR, PROPVARIANT_0_0_0 { pwszVal: PWSTR(copied(&text)?) })
        }
        MediaEventValue::Blob(value) => {
            let count = u32::try_from(value.len()).map_err(|_| E_OUTOFMEMORY)?;
            (BYTES, PROPVARIANT_0_0_0 { caub: CAUB { cElems: count, pElems: copied(value)? } })
        }
        MediaEventValue::Unknown(value) => {
            return Ok(PROPVARIANT::from(Mta::<IUnknown>::from(value.clone()).into_inner()));
        }
    };
    let inner = PROPVARIANT_0_0 { vt: kind, wReserved1: 0, wReserved2: 0, wReserved3: 0, Anonymous: fields };
    Ok(PROPVARIANT { Anonymous: PROPVARIANT_0 { Anonymous: std::mem::ManuallyDrop::new(inner) } })
}

/// A copy, in memory that is freed when the variant is cleared.
fn copied<T: Copy>(items: &[T]) -> Result<*mut T> {
    // SAFETY: takes a number of bytes; one at least, so that null only means that there is no memory.
    let place = unsafe { CoTaskMemAlloc(size_of_val(items).max(1)) }.cast::<T>();
    if place.is_null() {
        return Err(E_OUTOFMEMORY.into());
    }
    // SAFETY: there is room for all of them, aligned for everything, and it overlaps nothing.
    unsafe { std::ptr::copy_nonoverlapping(items.as_ptr(), place, items.len()) };
    Ok(place)
}

const BYTES: VARENUM = VARENUM(VT_VECTOR.0 | VT_UI1.0);
