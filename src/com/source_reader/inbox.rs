//! A source reader's callback: what it is called with, and where reads and flushes find that.

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use windows::Win32::Media::MediaFoundation::{
    IMFMediaEvent, IMFSample, IMFSourceReaderCallback, IMFSourceReaderCallback_Impl, MF_E_NOTACCEPTING,
};
use windows::core::{HRESULT, Ref};
use windows_core::implement;

use super::requests::{ReadCall, Requests, Ticket};
use super::sample::{Sample, SampleFlags, SourceReaderEvent};
use crate::com::callback::contain;
use crate::com::guarded::Guarded;
use crate::com::notifications::Notifier;
use crate::com::startup::Started;
use crate::com::{Mta, StreamIndex};
use crate::contain::wake_contained;
use crate::error::{Error, Hresult, Result};
use crate::operation::Promise;
use crate::sync::LockExt;

/// What the callback object, the reader and its reads share. It knows nothing of the reader, so that there is
/// no circle.
pub(super) struct ReaderInbox {
    state: Mutex<ReaderState>,
    /// What samples and events keep. While it is gone, there is nothing that could receive one.
    started: Weak<Started>,
}

pub(super) struct ReaderState {
    pub(super) requests: Requests<Result<Sample>>,
    flushes: Vec<(StreamIndex, Promise<()>)>,
    pub(super) notifier: Option<Arc<Notifier<SourceReaderEvent>>>,
    /// The source has new streams, which the reader has not asked for yet.
    pub(super) new_streams: bool,
    /// The reader has failed for good: no method of it may be called any more.
    pub(super) failed: Option<Error>,
    /// Media Foundation has released the callback object.
    pub(super) closed: bool,
}

impl ReaderInbox {
    pub(super) fn new(started: Weak<Started>) -> ReaderInbox {
        let state = ReaderState {
            requests: Requests::new(),
            flushes: Vec::new(),
            notifier: None,
            new_streams: false,
            failed: None,
            closed: false,
        };
        ReaderInbox { state: Mutex::new(state), started }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ReaderState> {
        self.state.locked()
    }

    /// The error because of which no method of the reader may be called any more.
    pub(super) fn check(&self) -> Result<()> {
        self.lock().failed.clone().map_or(Ok(()), Err)
    }

    /// A new read; `call` is called, without the lock, if none is out that will answer it.
    pub(super) fn read(
        &self,
        stream: StreamIndex,
        call: impl FnOnce() -> windows::core::Result<()>,
    ) -> Result<Ticket> {
        let mut state = self.lock();
        if state
            .flushes
            .iter()
            .any(|&(of, _)| of == StreamIndex::ALL || of == stream || stream == StreamIndex::ANY)
        {
            return Err(Error::new(
                MF_E_NOTACCEPTING.into(),
                "read a sample of a stream while it is flushed",
            ));
        }
        let (ticket, needed) = state.requests.read(stream);
        // What came before the failure, and was not taken, is still to be had.
        let failed = state.failed.clone().filter(|_| needed == ReadCall::Needed);
        drop(state);
        if needed == ReadCall::Needed {
            if let Err(error) = failed.map_or_else(|| Ok(call()?), Err) {
                let next = self.lock().requests.failed(ticket);
                wake_contained(next);
                return Err(error);
            }
        }
        Ok(ticket)
    }

    /// Ends the stream's reads, then flushes.
    pub(super) fn flush(
        &self,
        stream: StreamIndex,
        promise: Promise<()>,
        call: impl FnOnce() -> windows::core::Result<()>,
    ) {
        let mut state = self.lock();
        if let Some(error) = state.failed.clone() {
            drop(state);
            return promise.complete(Err(error));
        }
        let cleared = state.requests.clear(stream);
        state.flushes.push((stream, promise));
        drop(state);
        cleared.wakers.into_iter().for_each(|waker| wake_contained(Some(waker)));
        drop(cleared.void);
        if let Err(error) = call() {
            self.flushed(stream, Err(error.into()));
        }
    }

    /// Ends the oldest flush of this stream.
    fn flushed(&self, stream: StreamIndex, outcome: Result<()>) {
        let mut state = self.lock();
        // One that was for the first stream of a kind, when none was known, is answered with the stream's number.
        let vague = |(of, _): &(StreamIndex, Promise<()>)| of.is_first_of_a_kind();
        let flushes = &state.flushes;
        let index = flushes.iter().position(|&(of, _)| of == stream);
        let index = index.or_else(|| flushes.iter().position(vague));
        let Some((_, promise)) = index.map(|index| state.flushes.remove(index)) else { return };
        drop(state);
        promise.complete(outcome);
    }

    /// A sample came, or the error instead of one. After an error that is `fatal` nothing else may come, and nothing may
    /// be asked for.
    fn answer(&self, stream: StreamIndex, answer: Result<Sample>, fatal: bool) {
        let mut state = self.lock();
        state.new_streams |=
            answer.as_ref().is_ok_and(|sample| sample.flags.contains(SampleFlags::NEW_STREAM));
        let failure = answer.as_ref().err().cloned();
        let answered = state.requests.answer(stream, answer, failure.is_some());
        let (mut wakers, mut flushes) = (Vec::new(), Vec::new());
        if let Some(error) = failure.clone().filter(|_| fatal) {
            state.failed.get_or_insert(error);
            wakers = state.requests.close();
            flushes = std::mem::take(&mut state.flushes);
        }
        drop(state);
        match answered {
            Ok(waker) => wakers.extend(waker),
            Err(void) => drop(void),
        }
        wakers.into_iter().for_each(|waker| wake_contained(Some(waker)));
        for (_, promise) in flushes {
            promise.complete(failure.clone().map_or(Ok(()), Err));
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
        wakers.into_iter().for_each(|waker| wake_contained(Some(waker)));
    }
}

/// The callback object; its drop is the news that nothing will come any more.
#[implement(IMFSourceReaderCallback)]
pub(super) struct ReaderCallback {
    inbox: Guarded<InboxCloser>,
}

impl ReaderCallback {
    pub(super) fn new(inbox: Arc<ReaderInbox>) -> ReaderCallback {
        ReaderCallback { inbox: Guarded::new(InboxCloser(inbox)) }
    }
}

struct InboxCloser(Arc<ReaderInbox>);

impl Drop for InboxCloser {
    fn drop(&mut self) {
        self.0.close();
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
            let (inbox, stream_index) = (&self.inbox.0, StreamIndex(stream_index));
            let flags = SampleFlags::from_bits_retain(flags);
            let fatal = flags.contains(SampleFlags::ERROR);
            let answer = if status.is_ok() && !fatal {
                // SAFETY: a sample of Media Foundation's.
                let sample = sample.cloned().map(|sample| unsafe { Mta::new(sample) });
                let sample = sample.map(|sample| sample.keeping(inbox.started.upgrade()));
                Ok(Sample { stream_index, flags, timestamp, sample })
            } else {
                // The flag alone says that there is an error, too.
                let code = if status.is_ok() { Hresult::E_FAIL } else { status.into() };
                Err(Error::new(code, format!("read a sample of stream {stream_index}")))
            };
            inbox.answer(stream_index, answer, fatal);
        })
    }

    fn OnFlush(&self, stream_index: u32) -> windows::core::Result<()> {
        contain(|| self.inbox.0.flushed(StreamIndex(stream_index), Ok(())))
    }

    fn OnEvent(&self, stream_index: u32, event: Ref<'_, IMFMediaEvent>) -> windows::core::Result<()> {
        contain(|| {
            let inbox = &self.inbox.0;
            let (Some(event), Some(started)) = (event.cloned(), inbox.started.upgrade()) else { return };
            // SAFETY: an event of Media Foundation's.
            let event = unsafe { Mta::new(event) }.keeping(Some(started));
            let notifier = inbox.lock().notifier.clone();
            if let Some(notifier) = notifier {
                notifier.notify(SourceReaderEvent { stream_index: StreamIndex(stream_index), event });
            }
        })
    }
}
