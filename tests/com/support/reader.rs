//! A source reader that behaves as its page says and does nothing by itself: the test answers for it.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use mf_async::com::{Platform, SourceReader};
use windows::Win32::Foundation::E_FAIL;
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{BOOL, GUID, HRESULT, OutRef, Ref, Result, implement};

use super::mta;

/// What the reader is asked for.
#[derive(Default)]
struct Asked {
    reads: Mutex<Vec<u32>>,
    flushes: Mutex<Vec<u32>>,
    seeks: AtomicUsize,
}

/// A reader with these many streams, all of them selected.
#[implement(IMFSourceReader)]
struct PageReader {
    streams: Arc<AtomicUsize>,
    asked: Arc<Asked>,
}

impl PageReader {
    fn known(&self, stream: u32) -> Result<()> {
        if (stream as usize) < self.streams.load(SeqCst) {
            Ok(())
        } else {
            Err(MF_E_INVALIDSTREAMNUMBER.into())
        }
    }
}

impl IMFSourceReader_Impl for PageReader_Impl {
    fn GetStreamSelection(&self, stream: u32) -> Result<BOOL> {
        // The constants for the first stream of a kind are as good as a number.
        if stream < 0xFFFF_FFFC {
            self.known(stream)?;
        }
        Ok(true.into())
    }
    fn SetStreamSelection(&self, _: u32, _: BOOL) -> Result<()> {
        Ok(())
    }
    fn GetNativeMediaType(&self, stream: u32, _: u32) -> Result<IMFMediaType> {
        self.known(stream)?;
        Ok(super::pcm().into_inner())
    }
    fn GetCurrentMediaType(&self, stream: u32) -> Result<IMFMediaType> {
        self.known(stream)?;
        Ok(super::pcm().into_inner())
    }
    fn SetCurrentMediaType(&self, _: u32, _: *const u32, _: Ref<'_, IMFMediaType>) -> Result<()> {
        Ok(())
    }
    fn SetCurrentPosition(&self, _: *const GUID, _: *const PROPVARIANT) -> Result<()> {
        self.asked.seeks.fetch_add(1, SeqCst);
        Ok(())
    }
    fn ReadSample(
        &self,
        stream: u32,
        _: u32,
        _: *mut u32,
        _: *mut u32,
        _: *mut i64,
        _: OutRef<'_, IMFSample>,
    ) -> Result<()> {
        self.asked.reads.lock().unwrap().push(stream);
        Ok(())
    }
    fn Flush(&self, stream: u32) -> Result<()> {
        self.asked.flushes.lock().unwrap().push(stream);
        Ok(())
    }
    fn GetServiceForStream(
        &self,
        _: u32,
        _: *const GUID,
        _: *const GUID,
        _: *mut *mut core::ffi::c_void,
    ) -> Result<()> {
        Err(E_FAIL.into())
    }
    fn GetPresentationAttribute(&self, _: u32, _: *const GUID) -> Result<PROPVARIANT> {
        Err(E_FAIL.into())
    }
}

/// What the test pulls at.
pub(crate) struct ReaderStrings {
    pub(crate) callback: IMFSourceReaderCallback,
    pub(crate) streams: Arc<AtomicUsize>,
    asked: Arc<Asked>,
}

impl ReaderStrings {
    /// Answers with a sample, unless the flags say that there is none.
    pub(crate) fn answer(&self, stream: u32, flags: i32, time: i64) {
        let none = flags & (MF_SOURCE_READERF_ENDOFSTREAM.0 | MF_SOURCE_READERF_ERROR.0) != 0;
        let sample = (!none).then(|| super::sample(time).into_inner());
        let flags = flags as u32;
        unsafe { self.callback.OnReadSample(HRESULT(0), stream, flags, time, sample.as_ref()) }.unwrap();
    }

    pub(crate) fn reads(&self) -> Vec<u32> {
        self.asked.reads.lock().unwrap().clone()
    }

    pub(crate) fn flushes(&self) -> Vec<u32> {
        self.asked.flushes.lock().unwrap().clone()
    }

    pub(crate) fn seeks(&self) -> usize {
        self.asked.seeks.load(SeqCst)
    }
}

pub(crate) fn page_reader(platform: &Platform, streams: usize) -> (SourceReader, ReaderStrings) {
    let mut strings = None;
    let reader = SourceReader::create_with(platform, |attributes| unsafe {
        let callback: IMFSourceReaderCallback = attributes.GetUnknown(&MF_SOURCE_READER_ASYNC_CALLBACK)?;
        let (streams, asked) = (Arc::new(AtomicUsize::new(streams)), Arc::default());
        strings = Some(ReaderStrings { callback, streams: streams.clone(), asked: Arc::clone(&asked) });
        Ok(mta(PageReader { streams, asked }.into()))
    });
    (reader.unwrap(), strings.unwrap())
}
