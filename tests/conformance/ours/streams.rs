//! Ours: files as byte streams, and the source resolver.

use std::sync::{Arc, Mutex, PoisonError};

use mf_async::byte_stream::{AccessMode, FileFlags, OpenMode, SeekFlags, SeekOrigin};
use mf_async::source_resolver::{ResolutionFlags, SourceResolver};
use mf_async::{AsyncCallback, AsyncResult, ByteStream, CancelCookie, Hresult, Unknown};

use crate::ours::{Ours, answer, not_in_rust};
use crate::subject::{Answer, Buffer, Resolving, Streams};

/// What Begin takes over and End gives back.
#[derive(Clone)]
pub(crate) struct Owned(Arc<Mutex<Vec<u8>>>);

impl Owned {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn give(&self, bytes: Vec<u8>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }
}

impl Buffer for Owned {
    fn holding(bytes: &[u8]) -> Owned {
        Owned(Arc::new(Mutex::new(bytes.to_vec())))
    }

    fn bytes(&self, count: usize) -> Vec<u8> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.get(..count).unwrap_or(&bytes).to_vec()
    }
}

fn access_mode(access: u32) -> AccessMode {
    match access {
        1 => AccessMode::Read,
        2 => AccessMode::Write,
        3 => AccessMode::ReadWrite,
        _ => not_in_rust("a fourth access mode"),
    }
}

fn open_mode(mode: u32) -> OpenMode {
    match mode {
        0 => OpenMode::FailIfNotExist,
        1 => OpenMode::FailIfExist,
        2 => OpenMode::ResetIfExist,
        3 => OpenMode::AppendIfExist,
        4 => OpenMode::DeleteIfExist,
        _ => not_in_rust("a sixth open mode"),
    }
}

impl Streams for Ours {
    type Stream = Arc<dyn ByteStream>;
    type Cookie = CancelCookie;
    type Buffer = Owned;

    fn create_file(&self, access: u32, mode: u32, flags: u32, path: &str) -> Answer<Self::Stream> {
        let flags = FileFlags::from_bits_retain(flags);
        let file = answer(self.platform().create_file(access_mode(access), open_mode(mode), flags, path))?;
        Ok(Arc::new(file))
    }

    fn begin_create_file(
        &self,
        access: u32,
        mode: u32,
        flags: u32,
        path: &str,
        callback: &Arc<dyn AsyncCallback>,
        state: Option<&Unknown>,
    ) -> Answer<Option<CancelCookie>> {
        let (access, mode, flags) =
            (access_mode(access), open_mode(mode), FileFlags::from_bits_retain(flags));
        let (callback, state) = (callback.clone(), state.cloned());
        answer(self.platform().begin_create_file(access, mode, flags, path, callback, state)).map(Some)
    }

    fn end_create_file(&self, result: &AsyncResult) -> Answer<Self::Stream> {
        let file = answer(self.platform().end_create_file(result))?;
        Ok(Arc::new(file))
    }

    fn cancel_create_file(&self, cookie: &CancelCookie) -> Answer {
        cookie.cancel();
        Ok(())
    }

    fn capabilities(&self, stream: &Self::Stream) -> Answer<u32> {
        Ok(stream.capabilities().bits())
    }

    fn length(&self, stream: &Self::Stream) -> Answer<u64> {
        answer(stream.length()).map(|length| length.unwrap_or(u64::MAX))
    }

    fn set_length(&self, stream: &Self::Stream, length: u64) -> Answer {
        answer(stream.set_length(length))
    }

    fn position(&self, stream: &Self::Stream) -> Answer<u64> {
        answer(stream.position())
    }

    fn set_position(&self, stream: &Self::Stream, position: u64) -> Answer {
        answer(stream.set_position(position))
    }

    fn is_end(&self, stream: &Self::Stream) -> Answer<bool> {
        answer(stream.is_end_of_stream())
    }

    fn read(&self, stream: &Self::Stream, count: usize) -> Answer<Vec<u8>> {
        let mut bytes = vec![0; count];
        let read = answer(stream.blocking_read(&mut bytes))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn write(&self, stream: &Self::Stream, bytes: &[u8]) -> Answer<usize> {
        answer(stream.blocking_write(bytes))
    }

    fn begin_read(
        &self,
        stream: &Self::Stream,
        buffer: &Owned,
        callback: &Arc<dyn AsyncCallback>,
        state: Option<&Unknown>,
    ) -> Answer {
        answer(stream.begin_read(buffer.take(), callback.clone(), state.cloned()))
    }

    fn end_read(&self, stream: &Self::Stream, result: &AsyncResult, buffer: &Owned) -> Answer<usize> {
        let bytes = answer(stream.end_read(result))?;
        let count = bytes.len();
        buffer.give(bytes);
        Ok(count)
    }

    fn begin_write(
        &self,
        stream: &Self::Stream,
        buffer: &Owned,
        callback: &Arc<dyn AsyncCallback>,
        state: Option<&Unknown>,
    ) -> Answer {
        answer(stream.begin_write(buffer.take(), callback.clone(), state.cloned()))
    }

    fn end_write(&self, stream: &Self::Stream, result: &AsyncResult) -> Answer<usize> {
        answer(stream.end_write(result)).map(|(count, _)| count)
    }

    fn seek(&self, stream: &Self::Stream, origin: u32, offset: i64, flags: u32) -> Answer<u64> {
        let origin = match origin {
            0 => SeekOrigin::Begin,
            1 => SeekOrigin::Current,
            _ => not_in_rust("a third origin"),
        };
        answer(stream.seek(origin, offset, SeekFlags::from_bits_retain(flags)))
    }

    fn flush(&self, stream: &Self::Stream) -> Answer {
        answer(stream.flush())
    }

    fn close(&self, stream: &Self::Stream) -> Answer {
        answer(stream.close())
    }
}

impl Resolving for Ours {
    type Resolver = SourceResolver;

    fn create_resolver(&self) -> Answer<SourceResolver> {
        Ok(self.platform().create_source_resolver())
    }

    fn begin_url(
        &self,
        resolver: &SourceResolver,
        url: &str,
        flags: u32,
        callback: &Arc<dyn AsyncCallback>,
        state: Option<&Unknown>,
    ) -> Answer<Option<CancelCookie>> {
        let flags = ResolutionFlags::from_bits_retain(flags);
        answer(resolver.begin_create_object_from_url(url, flags, None, callback.clone(), state.cloned()))
            .map(Some)
    }

    fn end_url(&self, resolver: &SourceResolver, result: &AsyncResult) -> Answer<Self::Stream> {
        let made = answer(resolver.end_create_object_from_url(result))?;
        made.byte_stream().cloned().ok_or(Hresult::E_NOINTERFACE)
    }

    fn begin_stream(
        &self,
        resolver: &SourceResolver,
        stream: &Self::Stream,
        url: Option<&str>,
        flags: u32,
        callback: &Arc<dyn AsyncCallback>,
    ) -> Answer<Option<CancelCookie>> {
        let flags = ResolutionFlags::from_bits_retain(flags);
        let (stream, callback) = (stream.clone(), callback.clone());
        answer(resolver.begin_create_object_from_byte_stream(stream, url, flags, None, callback, None))
            .map(Some)
    }

    fn end_stream(&self, resolver: &SourceResolver, result: &AsyncResult) -> Answer {
        answer(resolver.end_create_object_from_byte_stream(result)).map(drop)
    }

    fn cancel_resolving(&self, _: &SourceResolver, cookie: &CancelCookie) -> Answer {
        cookie.cancel();
        Ok(())
    }
}
