//! Activation objects, as Media Foundation's enumerations give them, and texts among attributes.

use windows::Win32::Media::MediaFoundation::{IMFActivate, IMFAttributes};
use windows::Win32::System::Com::CoTaskMemFree;
use windows::core::{GUID, PWSTR};

use crate::com::{Mta, Platform};
use crate::error::Result;

/// The objects of a list that one of Media Foundation's functions has made. The list is freed.
///
/// # Safety
/// The list is null, or it has that many elements and belongs to the caller, who does not use it again.
pub(crate) unsafe fn take_list(
    platform: &Platform,
    list: *mut Option<IMFActivate>,
    count: u32,
) -> Vec<Mta<IMFActivate>> {
    if list.is_null() {
        return Vec::new();
    }
    let taken = (0..count as usize)
        // SAFETY: the list has an element there, whose reference is taken over, once.
        .filter_map(|index| unsafe { list.add(index).read() })
        // SAFETY: the page *Media Foundation and COM* asks activation objects to be free-threaded or neutral.
        .map(|object| platform.keep(unsafe { Mta::new(object) }))
        .collect();
    // SAFETY: the pages of these functions say that the list is freed so; what was in it is taken.
    unsafe { CoTaskMemFree(Some(list.cast())) };
    taken
}

/// A text among attributes. What of it is not Unicode is replaced.
///
/// # Errors
/// `MF_E_ATTRIBUTENOTFOUND`.
pub(crate) fn text_of(attributes: &IMFAttributes, key: &GUID) -> Result<String> {
    let (mut text, mut length) = (PWSTR::null(), 0);
    // SAFETY: takes a key, and places for two values, that live for the call.
    unsafe { attributes.GetAllocatedString(key, &mut text, &mut length) }?;
    if text.is_null() {
        return Ok(String::new());
    }
    // SAFETY: the text was just given, and ends with a zero.
    let owned = String::from_utf16_lossy(unsafe { text.as_wide() });
    // SAFETY: it was allocated for us, by this allocator, and nothing refers to it any more.
    unsafe { CoTaskMemFree(Some(text.as_ptr().cast())) };
    Ok(owned)
}
