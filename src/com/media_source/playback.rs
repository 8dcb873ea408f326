//! The playback of a media source's stream: a future that takes samples as they are asked for, and says how it ended.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{Either, select};
use futures::stream::StreamExt;
use windows::Win32::Media::MediaFoundation::{
    IMFSample, MEEndOfStream, MEError, MEMediaSample, MFSampleExtension_Token,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::HRESULT;

use super::shared::{ActiveStream, SourcePhase, SourceShared, SourceState, queue, queue_object};
use super::track::{Opener, Samples, StreamStart};
use crate::async_result::QueueId;
use crate::com::Mta;
use crate::error::{Error, Hresult};

impl SourceShared {
    /// Plays one opening of a stream, on a work queue.
    pub(super) fn play(
        self: &Arc<Self>,
        index: usize,
        opening: u64,
        start: StreamStart,
    ) -> windows::core::Result<()> {
        let queue = self.platform.queue(QueueId::MULTITHREADED)?;
        let shared = self.clone();
        let playing = async move {
            let played = AssertUnwindSafe(shared.fill(index, opening, start)).catch_unwind().await;
            if let Err(payload) = played {
                shared.fail(index, opening, &Error::panicked("a stream of samples", payload));
            }
        };
        // Events say its end, so no caller awaits it.
        drop(queue.spawn(playing));
        Ok(())
    }

    /// Takes samples as they are asked for, until there are no more or another opening is played.
    async fn fill(&self, index: usize, opening: u64, start: StreamStart) {
        match &self.tracks[index].opener {
            Opener::Each(open) => {
                let mut samples = open(start);
                self.fill_from(index, opening, &mut samples).await;
            }
            Opener::Once(samples) => {
                let mut samples = samples.lock().await;
                self.fill_from(index, opening, &mut samples).await;
            }
        }
    }

    async fn fill_from(&self, index: usize, opening: u64, samples: &mut Samples) {
        loop {
            if !self.until(index, opening, |stream| !stream.requests.is_empty()).await {
                return;
            }
            let never = std::pin::pin!(self.until(index, opening, |_| false));
            let item = match select(samples.next(), never).await {
                Either::Left((item, _)) => item,
                Either::Right(_) => return,
            };
            if !self.live && !self.until(index, opening, |_| true).await {
                return;
            }
            match item {
                Some(Ok(sample)) => self.deliver(index, opening, &sample),
                Some(Err(error)) => return self.fail(index, opening, &error),
                None => return self.finish(index, opening),
            }
        }
    }

    /// Waits until this opening is played, not paused, and so far; false if it is not the one any more.
    async fn until(&self, index: usize, opening: u64, so: impl Fn(&ActiveStream) -> bool) -> bool {
        loop {
            // Before the look, so that no change is missed.
            let changed = self.changed.notified();
            {
                let state = self.state();
                match &state.streams[index] {
                    Some(stream) if stream.opening == opening => {
                        if state.phase == SourcePhase::Started && so(stream) {
                            return true;
                        }
                    }
                    _ => return false,
                }
            }
            changed.await;
        }
    }

    /// Calls for the stream, if this opening is the one that is played.
    fn with<R>(&self, index: usize, opening: u64, call: impl FnOnce(&mut SourceState) -> R) -> Option<R> {
        let mut state = self.state();
        let played = state.streams[index].as_ref().is_some_and(|stream| stream.opening == opening);
        played.then(|| call(&mut state))
    }

    fn deliver(&self, index: usize, opening: u64, sample: &Mta<IMFSample>) {
        // SAFETY: needs nothing.
        let (time, length) = unsafe { (sample.GetSampleTime(), sample.GetSampleDuration()) };
        // Taken out one by one: what the token's object does when it is set is foreign code.
        let Some(Some(token)) = self.with(index, opening, |state| {
            let started = state.phase == SourcePhase::Started;
            let stream = state.streams[index].as_mut()?;
            // A live source drops what comes while it is paused, and the request stays.
            if started { stream.requests.pop_front() } else { None }
        }) else {
            return;
        };
        if let Some(token) = &token {
            // SAFETY: the token lives for the call, and the sample takes its own reference.
            let _ = unsafe { sample.SetUnknown(&MFSampleExtension_Token, &**token) };
        }
        self.with(index, opening, |state| {
            if let Ok(time) = time {
                state.position = time.saturating_add(length.unwrap_or(0));
            }
            if let Some(stream) = &state.streams[index] {
                // If it is shut down, nothing waits for it.
                let _ = queue_object(&stream.events, MEMediaSample, &**sample);
            }
        });
        drop(token);
    }

    fn finish(&self, index: usize, opening: u64) {
        let dropped = self.with(index, opening, |state| {
            let stream = state.streams[index].as_mut()?;
            stream.ended = true;
            let dropped = std::mem::take(&mut stream.requests);
            // If it is shut down, nothing waits for it.
            let _ = queue(&stream.events, MEEndOfStream, HRESULT(0), &PROPVARIANT::default());
            let _ = self.end_presentation(state);
            Some(dropped)
        });
        drop(dropped);
    }

    fn fail(&self, index: usize, opening: u64, error: &Error) {
        let code = if error.hresult().is_failure() { error.hresult() } else { Hresult::E_FAIL };
        let dropped = self.with(index, opening, |state| {
            let stream = state.streams[index].as_mut()?;
            stream.failed = true;
            let dropped = std::mem::take(&mut stream.requests);
            let _ = queue(&self.events, MEError, code.into(), &PROPVARIANT::default());
            Some(dropped)
        });
        drop(dropped);
    }
}
