//! A sink writer's callback: what it is called with, and where markers and the end of the file find that.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard};

use windows::Win32::Media::MediaFoundation::{
    IMFSinkWriterCallback_Impl, IMFSinkWriterCallback2, IMFSinkWriterCallback2_Impl,
};
use windows::core::HRESULT;
use windows_core::implement;

use crate::com::StreamIndex;
use crate::com::callback::contain;
use crate::com::guarded::Guarded;
use crate::com::notifications::Notifier;
use crate::error::{Error, Hresult, Result};
use crate::operation::Promise;
use crate::sync::LockExt;

/// What a sink writer calls back for besides the end of what was begun.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SinkWriterEvent {
    /// Encoding or writing a stream failed.
    StreamError {
        /// The stream.
        stream: StreamIndex,
        /// Why.
        error: Error,
    },
    /// An encoder was replaced, or changed its format.
    TransformChange,
}

/// What the callback object and the writer share. It knows nothing of the writer, so that there is no circle.
pub(super) struct WriterInbox(Mutex<WriterState>);

pub(super) struct WriterState {
    /// Who waits for the end; the first of them asked for it.
    pub(super) finalize: Vec<Promise<()>>,
    /// By the number that was passed as their context, which grows.
    pub(super) markers: BTreeMap<usize, (StreamIndex, Promise<()>)>,
    pub(super) next_context: usize,
    pub(super) notifier: Option<Arc<Notifier<SinkWriterEvent>>>,
}

impl WriterState {
    fn oldest_of(&self, stream: StreamIndex) -> Option<usize> {
        self.markers.iter().find(|(_, (of, _))| *of == stream).map(|(&context, _)| context)
    }
}

impl WriterInbox {
    pub(super) fn new() -> WriterInbox {
        WriterInbox(Mutex::new(WriterState {
            finalize: Vec::new(),
            markers: BTreeMap::new(),
            next_context: 1,
            notifier: None,
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, WriterState> {
        self.0.locked()
    }

    pub(super) fn finalized(&self, outcome: Result<()>) {
        let promises = std::mem::take(&mut self.lock().finalize);
        for promise in promises {
            promise.complete(outcome.clone());
        }
    }

    /// A marker has come to the sink.
    fn reached(&self, stream: StreamIndex, context: usize) {
        let mut state = self.lock();
        // Some writers, Wine's for one, lose the context. Markers of a stream come in order, so one that bears a
        // number that was never given is the oldest of them. A number that was given and is known no more is not:
        // its marker has ended.
        let given = (1..state.next_context).contains(&context);
        let context = if given { Some(context) } else { state.oldest_of(stream) };
        let marker = context.and_then(|context| state.markers.remove(&context));
        drop(state);
        if let Some((_, promise)) = marker {
            promise.complete(Ok(()));
        }
    }

    /// A marker was not placed.
    pub(super) fn not_placed(&self, context: usize, error: Error) {
        let marker = self.lock().markers.remove(&context);
        if let Some((_, promise)) = marker {
            promise.complete(Err(error));
        }
    }

    /// Nothing of this stream will come to the sink any more.
    pub(super) fn fail_markers(&self, stream: StreamIndex, error: &Error) {
        let mut state = self.lock();
        let concerned = |of: StreamIndex| stream == StreamIndex::ALL || of == stream;
        let (failed, others) =
            std::mem::take(&mut state.markers).into_iter().partition(|(_, (of, _))| concerned(*of));
        state.markers = others;
        drop(state);
        let failed: BTreeMap<usize, (StreamIndex, Promise<()>)> = failed;
        for (_, promise) in failed.into_values() {
            promise.complete(Err(error.clone()));
        }
    }

    fn notify(&self, event: SinkWriterEvent) {
        let notifier = self.lock().notifier.clone();
        if let Some(notifier) = notifier {
            notifier.notify(event);
        }
    }

    /// Nothing will come any more: what is promised is dropped, which ends it.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        let ended =
            (std::mem::take(&mut state.finalize), std::mem::take(&mut state.markers), state.notifier.take());
        drop(state);
        drop(ended);
    }
}

/// The callback object; its drop is the news that nothing will come any more.
#[implement(IMFSinkWriterCallback2)]
pub(super) struct WriterCallback {
    inbox: Guarded<WriterCloser>,
}

impl WriterCallback {
    pub(super) fn new(inbox: Arc<WriterInbox>) -> WriterCallback {
        WriterCallback { inbox: Guarded::new(WriterCloser(inbox)) }
    }
}

struct WriterCloser(Arc<WriterInbox>);

impl Drop for WriterCloser {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl IMFSinkWriterCallback_Impl for WriterCallback_Impl {
    fn OnFinalize(&self, status: HRESULT) -> windows::core::Result<()> {
        contain(|| {
            let outcome = Hresult::from(status).ok().map(drop);
            self.inbox.0.finalized(
                outcome.map_err(|error| Error::new(error.hresult(), "finalize what a sink writer wrote")),
            );
        })
    }

    fn OnMarker(&self, stream: u32, context: *const c_void) -> windows::core::Result<()> {
        contain(|| self.inbox.0.reached(StreamIndex(stream), context as usize))
    }
}

impl IMFSinkWriterCallback2_Impl for WriterCallback_Impl {
    fn OnTransformChange(&self) -> windows::core::Result<()> {
        contain(|| self.inbox.0.notify(SinkWriterEvent::TransformChange))
    }

    fn OnStreamError(&self, stream: u32, status: HRESULT) -> windows::core::Result<()> {
        contain(|| {
            let stream = StreamIndex(stream);
            let error = Error::new(status.into(), format!("encode and write stream {stream}"));
            self.inbox.0.fail_markers(stream, &error);
            self.inbox.0.notify(SinkWriterEvent::StreamError { stream, error });
        })
    }
}
