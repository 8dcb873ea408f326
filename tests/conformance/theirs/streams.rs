//! Theirs: files as byte streams, and the source resolver.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU8, Ordering};

use mf_async::Hresult;
use mf_async::com::Mta;
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFByteStream, IMFSourceResolver, MF_FILE_ACCESSMODE, MF_FILE_FLAGS,
    MF_FILE_OPENMODE, MF_OBJECT_INVALID, MFBYTESTREAM_SEEK_ORIGIN, MFCancelCreateFile, MFCreateFile,
    MFCreateSourceResolver, MFEndCreateFile,
};
use windows::core::{HRESULT, HSTRING, IUnknown, Interface, PCWSTR};

use crate::subject::{Answer, Buffer, Resolving, Streams};
use crate::theirs::{Theirs, answer};

/// Memory that stays where it is until the process ends, also if it is still written to.
#[derive(Clone)]
pub(crate) struct Leaked(&'static [AtomicU8]);

impl Leaked {
    fn len(&self) -> usize {
        self.0.len()
    }

    /// For Media Foundation, which alone uses it from Begin to the callback.
    #[allow(clippy::mut_from_ref, reason = "the memory is of atomics, and shared with Media Foundation")]
    fn memory(&self) -> &'static mut [u8] {
        // SAFETY: the memory lives as long as the process; the slice is used for one call, which wants it for
        // the pointer, and nothing reads by `bytes` meanwhile.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr().cast_mut().cast(), self.len()) }
    }
}

impl Buffer for Leaked {
    fn holding(bytes: &[u8]) -> Leaked {
        let cells: Box<[AtomicU8]> = bytes.iter().map(|byte| AtomicU8::new(*byte)).collect();
        Leaked(Box::leak(cells))
    }

    fn bytes(&self, count: usize) -> Vec<u8> {
        self.0.iter().take(count).map(|byte| byte.load(Ordering::SeqCst)).collect()
    }
}

/// As the wrapper of the `windows` crate, which takes a missing cookie for an error.
fn begin_create_file(
    modes: [u32; 3],
    path: &HSTRING,
    callback: &IMFAsyncCallback,
    state: Option<&Mta<IUnknown>>,
) -> Answer<Option<Mta<IUnknown>>> {
    windows_core::link!("mfplat.dll" "system" fn MFBeginCreateFile(
        access: u32, mode: u32, flags: u32, path: PCWSTR, callback: *mut c_void, state: *mut c_void,
        cookie: *mut *mut c_void
    ) -> HRESULT);
    let [access, mode, flags] = modes;
    let state = state.map_or(std::ptr::null_mut(), |state| state.as_raw());
    let mut cookie = std::ptr::null_mut();
    // SAFETY: the path ends with a zero; callback and state are free-threaded; the cookie is written before the
    // call returns, and is then this function's to release.
    unsafe {
        let path = PCWSTR(path.as_ptr());
        answer(MFBeginCreateFile(access, mode, flags, path, callback.as_raw(), state, &raw mut cookie).ok())?;
        Ok(if cookie.is_null() { None } else { Some(Mta::new(IUnknown::from_raw(cookie))) })
    }
}

impl Streams for Theirs {
    type Stream = Mta<IMFByteStream>;
    type Cookie = Mta<IUnknown>;
    type Buffer = Leaked;

    fn create_file(&self, access: u32, mode: u32, flags: u32, path: &str) -> Answer<Mta<IMFByteStream>> {
        let (access, mode) = (MF_FILE_ACCESSMODE(access as i32), MF_FILE_OPENMODE(mode as i32));
        let flags = MF_FILE_FLAGS(flags as i32);
        // SAFETY: the path ends with a zero; the stream is Media Foundation's own.
        answer(unsafe {
            MFCreateFile(access, mode, flags, &HSTRING::from(path)).map(|stream| Mta::new(stream))
        })
    }

    fn begin_create_file(
        &self,
        access: u32,
        mode: u32,
        flags: u32,
        path: &str,
        callback: &Mta<IMFAsyncCallback>,
        state: Option<&Mta<IUnknown>>,
    ) -> Answer<Option<Mta<IUnknown>>> {
        begin_create_file([access, mode, flags], &HSTRING::from(path), callback, state)
    }

    fn end_create_file(&self, result: &Mta<IMFAsyncResult>) -> Answer<Mta<IMFByteStream>> {
        // SAFETY: the result is Media Foundation's own, and so is the stream.
        answer(unsafe { MFEndCreateFile(&**result).map(|stream| Mta::new(stream)) })
    }

    fn cancel_create_file(&self, cookie: &Mta<IUnknown>) -> Answer {
        // SAFETY: the cookie is Media Foundation's own.
        answer(unsafe { MFCancelCreateFile(&**cookie) })
    }

    fn capabilities(&self, stream: &Mta<IMFByteStream>) -> Answer<u32> {
        // SAFETY: gives a number.
        answer(unsafe { stream.GetCapabilities() })
    }

    fn length(&self, stream: &Mta<IMFByteStream>) -> Answer<u64> {
        // SAFETY: gives a number.
        answer(unsafe { stream.GetLength() })
    }

    fn set_length(&self, stream: &Mta<IMFByteStream>, length: u64) -> Answer {
        // SAFETY: takes a number.
        answer(unsafe { stream.SetLength(length) })
    }

    fn position(&self, stream: &Mta<IMFByteStream>) -> Answer<u64> {
        // SAFETY: gives a number.
        answer(unsafe { stream.GetCurrentPosition() })
    }

    fn set_position(&self, stream: &Mta<IMFByteStream>, position: u64) -> Answer {
        // SAFETY: takes a number.
        answer(unsafe { stream.SetCurrentPosition(position) })
    }

    fn is_end(&self, stream: &Mta<IMFByteStream>) -> Answer<bool> {
        // SAFETY: gives a number.
        answer(unsafe { stream.IsEndOfStream() }).map(|end| end.as_bool())
    }

    fn read(&self, stream: &Mta<IMFByteStream>, count: usize) -> Answer<Vec<u8>> {
        let (mut bytes, mut read) = (vec![0; count], 0);
        // SAFETY: both live here, and are written before the call returns.
        answer(unsafe { stream.Read(&mut bytes, &raw mut read) })?;
        bytes.truncate(read as usize);
        Ok(bytes)
    }

    fn write(&self, stream: &Mta<IMFByteStream>, bytes: &[u8]) -> Answer<usize> {
        // SAFETY: the bytes live here, and are read before the call returns.
        answer(unsafe { stream.Write(bytes) }).map(|count| count as usize)
    }

    fn begin_read(
        &self,
        stream: &Mta<IMFByteStream>,
        buffer: &Leaked,
        callback: &Mta<IMFAsyncCallback>,
        state: Option<&Mta<IUnknown>>,
    ) -> Answer {
        // SAFETY: the buffer lives as long as the process; callback and state are free-threaded.
        answer(unsafe { stream.BeginRead(buffer.memory(), &**callback, state.map(|s| &**s)) })
    }

    fn end_read(
        &self,
        stream: &Mta<IMFByteStream>,
        result: &Mta<IMFAsyncResult>,
        _: &Leaked,
    ) -> Answer<usize> {
        // SAFETY: the result is Media Foundation's own.
        answer(unsafe { stream.EndRead(&**result) }).map(|count| count as usize)
    }

    fn begin_write(
        &self,
        stream: &Mta<IMFByteStream>,
        buffer: &Leaked,
        callback: &Mta<IMFAsyncCallback>,
        state: Option<&Mta<IUnknown>>,
    ) -> Answer {
        // SAFETY: the buffer lives as long as the process; callback and state are free-threaded.
        answer(unsafe { stream.BeginWrite(buffer.memory(), &**callback, state.map(|s| &**s)) })
    }

    fn end_write(&self, stream: &Mta<IMFByteStream>, result: &Mta<IMFAsyncResult>) -> Answer<usize> {
        // SAFETY: the result is Media Foundation's own.
        answer(unsafe { stream.EndWrite(&**result) }).map(|count| count as usize)
    }

    fn seek(&self, stream: &Mta<IMFByteStream>, origin: u32, offset: i64, flags: u32) -> Answer<u64> {
        let origin = MFBYTESTREAM_SEEK_ORIGIN(origin as i32);
        // SAFETY: takes numbers and gives one.
        answer(unsafe { stream.Seek(origin, offset, flags) })
    }

    fn flush(&self, stream: &Mta<IMFByteStream>) -> Answer {
        // SAFETY: takes nothing.
        answer(unsafe { stream.Flush() })
    }

    fn close(&self, stream: &Mta<IMFByteStream>) -> Answer {
        // SAFETY: takes nothing.
        answer(unsafe { stream.Close() })
    }
}

impl Resolving for Theirs {
    type Resolver = Mta<IMFSourceResolver>;

    fn create_resolver(&self) -> Answer<Mta<IMFSourceResolver>> {
        // SAFETY: what is made is Media Foundation's own.
        answer(unsafe { MFCreateSourceResolver().map(|resolver| Mta::new(resolver)) })
    }

    fn begin_url(
        &self,
        resolver: &Mta<IMFSourceResolver>,
        url: &str,
        flags: u32,
        callback: &Mta<IMFAsyncCallback>,
        state: Option<&Mta<IUnknown>>,
    ) -> Answer<Option<Mta<IUnknown>>> {
        let (url, mut cookie) = (HSTRING::from(url), None);
        // SAFETY: the URL ends with a zero; callback and state are free-threaded; the cookie is written before
        // the call returns, and is Media Foundation's own.
        unsafe {
            let state = state.map(|state| &**state);
            let cookie_place = Some(&raw mut cookie);
            answer(resolver.BeginCreateObjectFromURL(&url, flags, None, cookie_place, &**callback, state))?;
            Ok(cookie.map(|cookie| Mta::new(cookie)))
        }
    }

    fn end_url(
        &self,
        resolver: &Mta<IMFSourceResolver>,
        result: &Mta<IMFAsyncResult>,
    ) -> Answer<Mta<IMFByteStream>> {
        let (mut kind, mut object) = (MF_OBJECT_INVALID, None);
        // SAFETY: both live here, and are written before the call returns; the stream is Media Foundation's own.
        unsafe {
            answer(resolver.EndCreateObjectFromURL(&**result, &raw mut kind, &raw mut object))?;
            let object: IUnknown = object.ok_or(Hresult::E_POINTER)?;
            answer(object.cast().map(|stream| Mta::new(stream)))
        }
    }

    fn begin_stream(
        &self,
        resolver: &Mta<IMFSourceResolver>,
        stream: &Mta<IMFByteStream>,
        url: Option<&str>,
        flags: u32,
        callback: &Mta<IMFAsyncCallback>,
    ) -> Answer<Option<Mta<IUnknown>>> {
        let (url, mut cookie) = (url.map(HSTRING::from), None);
        let url = url.as_ref().map_or(PCWSTR::null(), |url| PCWSTR(url.as_ptr()));
        // SAFETY: the URL ends with a zero, or is missing; stream and callback are free-threaded; the cookie is
        // written before the call returns, and is Media Foundation's own.
        unsafe {
            let cookie_place = Some(&raw mut cookie);
            answer(resolver.BeginCreateObjectFromByteStream(
                &**stream,
                url,
                flags,
                None,
                cookie_place,
                &**callback,
                None,
            ))?;
            Ok(cookie.map(|cookie| Mta::new(cookie)))
        }
    }

    fn end_stream(&self, resolver: &Mta<IMFSourceResolver>, result: &Mta<IMFAsyncResult>) -> Answer {
        let (mut kind, mut object) = (MF_OBJECT_INVALID, None);
        // SAFETY: both live here, and are written before the call returns.
        answer(unsafe { resolver.EndCreateObjectFromByteStream(&**result, &raw mut kind, &raw mut object) })
    }

    fn cancel_resolving(&self, resolver: &Mta<IMFSourceResolver>, cookie: &Mta<IUnknown>) -> Answer {
        // SAFETY: the cookie is Media Foundation's own.
        answer(unsafe { resolver.CancelObjectCreation(&**cookie) })
    }
}
