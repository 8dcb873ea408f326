//! The two ways over: an interface as a raw pointer, which carries one reference.

use futures::TryStreamExt;
use mf_async::com::windows::Win32::Media::MediaFoundation::{IMFAttributes, IMFSourceReader};
use mf_async::com::windows::core::{Error, HRESULT, Interface};
use mf_async::com::{Mta, Platform, SourceReader, StreamIndex};
use windows_0_61::Win32::Media::MediaFoundation as older;
use windows_0_61::core::{HSTRING as OlderString, Interface as OlderInterface};
use windows_core::{HSTRING, Interface as BindgenInterface};

use crate::bindings;

pub(crate) async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("usage: mf-async-other-bindings FILE")?;
    let platform = Platform::startup()?;
    let path = HSTRING::from(file.as_str());
    let reader = SourceReader::open_with(&platform, move |attributes| by_bindgen(&path, attributes)).await?;
    count("windows-bindgen 0.100", &reader).await?;
    drop(reader);
    let path = OlderString::from(file.as_str());
    let reader = SourceReader::open_with(&platform, move |attributes| by_older(&path, attributes)).await?;
    count("windows 0.61", &reader).await
}

/// Makes the reader with bindings of the program's own.
fn by_bindgen(path: &HSTRING, attributes: &IMFAttributes) -> Result<Mta<IMFSourceReader>, Error> {
    // SAFETY: both types stand for one interface, whose id is the same, so the table of functions is the same. The clone's
    // reference goes over with the pointer, and is released by the new owner.
    let attributes = unsafe { bindings::IMFAttributes::from_raw(attributes.clone().into_raw()) };
    // SAFETY: path and attributes live for the call.
    let reader = unsafe { bindings::MFCreateSourceReaderFromURL(path, &attributes) };
    let reader = reader.map_err(|error| Error::from(HRESULT(error.code().0)))?;
    // SAFETY: as above, the other way. A source reader may be called from any thread.
    Ok(unsafe { Mta::new(IMFSourceReader::from_raw(reader.into_raw())) })
}

/// Makes the reader with an older generation of the ready-made bindings.
fn by_older(path: &OlderString, attributes: &IMFAttributes) -> Result<Mta<IMFSourceReader>, Error> {
    // SAFETY: as in `by_bindgen`.
    let attributes = unsafe { older::IMFAttributes::from_raw(attributes.clone().into_raw()) };
    // SAFETY: path and attributes live for the call.
    let reader = unsafe { older::MFCreateSourceReaderFromURL(path, &attributes) };
    let reader = reader.map_err(|error| Error::from(HRESULT(error.code().0)))?;
    // SAFETY: as in `by_bindgen`.
    Ok(unsafe { Mta::new(IMFSourceReader::from_raw(reader.into_raw())) })
}

async fn count(bindings: &str, reader: &SourceReader) -> Result<(), Box<dyn std::error::Error>> {
    let (mut number, mut bytes) = (0, 0);
    let mut samples = reader.samples(StreamIndex::FIRST_AUDIO);
    while let Some(sample) = samples.try_next().await? {
        number += 1;
        bytes += sample.to_vec()?.len();
    }
    println!("{bindings}: {number} samples, {bytes} bytes");
    Ok(())
}
