//! A source reader's callback: what it is called with, and where reads and flushes find that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use windows::Win32::Media::MediaFoundation::{
    IMFMediaEvent, IMFSample, IMFSourceReaderCallback, IMFSourceReaderCallback_Impl, MF_E_NOTACCEPTING,
};
use windows::core::{HRESULT, Ref};
use windows_core::implement;

use super::requests::{ANY, ReadCall, Requests, Ticket};
use super::sample::{Sample, SampleFlags, SourceReaderEvent};
use crate::com::Mta;
use crate::com::callback::contain;
use crate::com::notifications::Notifier;
use crate::error::{Error, Result};
use crate::operation::Promise;

/// What the callback object, the reader and its reads share. It knows nothing of the reader, so that there is
/// no circle.
pub(super) struct ReaderInbox(Mutex<ReaderState>);

pub(super) struct ReaderState {
    pub(super) requests: Requests<Result<Sample>>,
    flushes: Vec<(u32, Promise<()>)>,
    pub(super) notifier: Option<Arc<Notifier<SourceReaderEvent>>>,
    /// Media Foundation has released the callback object.
    pub(super) closed: bool,
}

impl ReaderInbox {
    pub(super) fn new() -> ReaderInbox {
        ReaderInbox(Mutex::new(ReaderState {
            requests: Requests::new(),
            flushes: Vec::new(),
            notifier: None,
            closed: false,
        }))
    }

    /// A lock. A poisoned one is as good as any: no foreign code runs while it is held.
    pub(super) fn lock(&self) -> MutexGuard<'_, ReaderState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new read; `call` is called, without the lock, if none is out that will answer it.
    pub(super) fn read(
        &self,
        stream: u32,
        call: impl FnOnce() -> windows::core::Result<()>,
    ) -> Result<Ticket> {
        let mut state = self.lock();
        if state.flushes.iter().any(|&(of, _)| of == ANY || of == stream || stream == ANY) {
            return Err(Error::new(
                MF_E_NOTACCEPTING.into(),
                "read a sample of a stream while it is flushed",
            ));
        }
        let (ticket, needed) = state.requests.read(stream);
        drop(state);
        if needed == ReadCall::Needed {
            if let Err(error) = call() {
                let next = self.lock().requests.failed(ticket);
                if let Some(next) = next {
                    next.wake();
                }
                return Err(error.into());
            }
        }
        Ok(ticket)
    }

    /// Ends the stream's reads, then flushes.
    pub(super) fn flush(
        &self,
        stream: u32,
        promise: Promise<()>,
        call: impl FnOnce() -> windows::core::Result<()>,
    ) {
        let mut state = self.lock();
        let cleared = state.requests.clear(stream);
        state.flushes.push((stream, promise));
        drop(state);
        cleared.wakers.into_iter().for_each(std::task::Waker::wake);
        drop(cleared.void);
        if let Err(error) = call() {
            self.flushed(stream, Err(error.into()));
        }
    }

    /// Ends the oldest flush of this stream.
    fn flushed(&self, stream: u32, outcome: Result<()>) {
        let mut state = self.lock();
        let index = state.flushes.iter().position(|&(of, _)| of == stream);
        let Some((_, promise)) = index.map(|index| state.flushes.remove(index)) else { return };
        drop(state);
        promise.complete(outcome);
    }

    /// A sample came, or the error instead of one.
    fn answer(&self, stream: u32, answer: Result<Sample>) {
        let mut state = self.lock();
        let failed = |sample: &Sample| sample.flags.contains(SampleFlags::ERROR);
        let failure = answer.as_ref().map_or(true, failed);
        let answered = state.requests.answer(stream, answer, failure);
        drop(state);
        match answered {
            Ok(Some(waker)) => waker.wake(),
            Ok(None) => {}
            Err(void) => drop(void),
        }
    }

    /// Nothing will come any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let wakers = state.requests.close();
        let forgotten = state.requests.forget_unclaimed();
        let ended = (forgotten, std::mem::take(&mut state.flushes), state.notifier.take());
        drop(state);
        drop(ended);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }
}

/// The callback object; its drop is the news that nothing will come any more.
#[implement(IMFSourceReaderCallback)]
pub(super) struct ReaderCallback {
    pub(super) inbox: Arc<ReaderInbox>,
}

impl Drop for ReaderCallback {
    fn drop(&mut self) {
        let _ = contain(|| self.inbox.close());
    }
}

impl IMFSourceReaderCallback_Impl for ReaderCallback_Impl {
    fn OnReadSample(
        &self,
        status: HRESULT,
        stream_index: u32,
        flags: u32,
        timestamp: i64,
        sample: Ref<'_, IMFSample>,
    ) -> windows::core::Result<()> {
        contain(|| {
            let answer = if status.is_ok() {
                // SAFETY: a sample of Media Foundation's.
                let sample = sample.cloned().map(|sample| unsafe { Mta::new(sample) });
                Ok(Sample { stream_index, flags: SampleFlags::from_bits_retain(flags), timestamp, sample })
            } else {
                let what = format!("read a sample of stream {stream_index}");
                Err(Error::new(status.into(), what))
            };
            self.inbox.answer(stream_index, answer);
        })
    }

    fn OnFlush(&self, stream_index: u32) -> windows::core::Result<()> {
        contain(|| self.inbox.flushed(stream_index, Ok(())))
    }

    fn OnEvent(&self, stream_index: u32, event: Ref<'_, IMFMediaEvent>) -> windows::core::Result<()> {
        contain(|| {
            let Some(event) = event.cloned() else { return };
            // SAFETY: an event of Media Foundation's.
            let event = unsafe { Mta::new(event) };
            let notifier = self.inbox.lock().notifier.clone();
            if let Some(notifier) = notifier {
                notifier.notify(SourceReaderEvent { stream_index, event });
            }
        })
    }
}
