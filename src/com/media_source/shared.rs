//! What a media source, its streams and the futures that fill them share: the state, and the events in their order.
//!
//! Events go to queues of Media Foundation's own, which do not call back at once: they are queued with the state locked, so
//! that no sample comes after the event that stops its stream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tokio::sync::Notify;
use windows::Win32::Media::MediaFoundation::{
    IMFAttributes, IMFMediaEventQueue, IMFMediaSource, IMFMediaStream, IMFMediaType,
    IMFPresentationDescriptor, MEEndOfPresentation, MEEndOfStream, MENewStream, MESourcePaused,
    MESourceSeeked, MESourceStarted, MESourceStopped, MEStreamPaused, MEStreamSeeked, MEStreamStarted,
    MEStreamStopped, MEUpdatedStream, MF_E_END_OF_STREAM, MF_E_INVALID_STATE_TRANSITION, MF_E_INVALIDREQUEST,
    MF_E_MEDIA_SOURCE_WRONGSTATE, MF_E_SHUTDOWN, MF_EVENT_SOURCE_ACTUAL_START, MF_EVENT_TYPE,
    MFCreateMediaEvent,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HRESULT, IUnknown, Interface};

use super::track::{Opener, StreamStart, Track};
use crate::com::weak::WeakMta;
use crate::com::{Mta, Platform};
use crate::error::Result;
use crate::sync::LockExt;

pub(super) struct SourceShared {
    pub(super) platform: Platform,
    pub(super) events: Mta<IMFMediaEventQueue>,
    pub(super) presentation: Mta<IMFPresentationDescriptor>,
    pub(super) tracks: Vec<Track>,
    pub(super) attributes: Mta<IMFAttributes>,
    pub(super) live: bool,
    duration: Option<i64>,
    /// The object, which must not be kept by its streams.
    pub(super) source: OnceLock<WeakMta<IMFMediaSource>>,
    state: Mutex<SourceState>,
    pub(super) changed: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourcePhase {
    Stopped,
    Started,
    Paused,
    Shutdown,
}

pub(super) struct SourceState {
    pub(super) phase: SourcePhase,
    /// Where the last sample ended.
    pub(super) position: i64,
    /// Those that are selected.
    pub(super) streams: Vec<Option<ActiveStream>>,
    /// The number of the last opening, of any stream.
    openings: u64,
}

/// A stream that is selected.
pub(super) struct ActiveStream {
    object: Mta<IMFMediaStream>,
    pub(super) events: Mta<IMFMediaEventQueue>,
    /// A token for each sample that was asked for, or none.
    pub(super) requests: VecDeque<Option<Mta<IUnknown>>>,
    /// Which opening is played; the future of another has ended, or is about to. No number comes twice, so that the one of a
    /// stream that was deselected finds that it is over, also if the stream is selected again before it looks.
    pub(super) opening: u64,
    pub(super) ended: bool,
    pub(super) failed: bool,
}

/// A stream to be played, and what is there for it.
pub(super) struct StreamPlan {
    pub(super) index: usize,
    pub(super) media_type: Mta<IMFMediaType>,
    /// The object and its queue, if it was not selected before.
    pub(super) new: Option<(Mta<IMFMediaStream>, Mta<IMFMediaEventQueue>)>,
}

impl SourceShared {
    pub(super) fn new(
        platform: Platform,
        presentation: Mta<IMFPresentationDescriptor>,
        tracks: Vec<Track>,
        live: bool,
        duration: Option<i64>,
    ) -> Result<Arc<SourceShared>> {
        let (events, attributes) = (platform.create_event_queue()?, platform.create_attributes()?);
        let streams = tracks.iter().map(|_| None).collect();
        let state = SourceState { phase: SourcePhase::Stopped, position: 0, streams, openings: 0 };
        Ok(Arc::new(SourceShared {
            platform,
            events,
            presentation,
            tracks,
            attributes,
            live,
            duration,
            source: OnceLock::new(),
            state: Mutex::new(state),
            changed: Notify::new(),
        }))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, SourceState> {
        self.state.locked()
    }

    /// `MF_E_SHUTDOWN` once it is shut down.
    pub(super) fn check(&self) -> windows::core::Result<()> {
        if self.state().phase == SourcePhase::Shutdown { Err(MF_E_SHUTDOWN.into()) } else { Ok(()) }
    }

    pub(super) fn can_seek(&self) -> bool {
        self.tracks.iter().all(|track| matches!(track.opener, Opener::Each(_)))
    }

    /// Whether the stream is selected.
    pub(super) fn is_active(&self, index: usize) -> bool {
        self.state().streams[index].is_some()
    }

    /// Starts, goes on or seeks; `from` is none where it is to go on.
    pub(super) fn start(
        self: &Arc<Self>,
        from: Option<i64>,
        value: &PROPVARIANT,
        mut plans: Vec<StreamPlan>,
    ) -> windows::core::Result<()> {
        let out_of_range = |position| position < 0 || self.duration.is_some_and(|end| position > end);
        if from.is_some_and(|position| out_of_range(position) || (position > 0 && !self.can_seek())) {
            return Err(MF_E_INVALIDREQUEST.into());
        }
        let told = from.is_some();
        // Readers start at zero, and more than once if they have not heard yet that it has started. What plays once has no
        // other place than the one where it is.
        let from = from.filter(|_| self.can_seek());
        // What goes, and what is left of the plans, is dropped after the lock, being declared before it.
        let mut gone = Vec::new();
        let mut state = self.state();
        let former = state.phase;
        let seeks = match former {
            SourcePhase::Shutdown => return Err(MF_E_SHUTDOWN.into()),
            SourcePhase::Stopped => false,
            SourcePhase::Started | SourcePhase::Paused => from.is_some(),
        };
        let selected: Vec<_> = plans.iter().map(|plan| plan.index).collect();
        for (index, stream) in state.streams.iter_mut().enumerate() {
            if !selected.contains(&index) {
                gone.extend(stream.take());
            }
        }
        for stream in &gone {
            // SAFETY: needs nothing.
            let _ = unsafe { stream.events.Shutdown() };
        }
        if former == SourcePhase::Stopped || seeks {
            state.position = from.unwrap_or(0);
        }
        let (position, mut opened) = (state.position, Vec::new());
        for plan in &mut plans {
            state.openings += 1;
            let opening = state.openings;
            let (kind, anew) = match &mut state.streams[plan.index] {
                Some(stream) => {
                    let anew = former == SourcePhase::Stopped || seeks;
                    if anew {
                        stream.opening = opening;
                        (stream.ended, stream.failed) = (false, false);
                    }
                    (MEUpdatedStream, anew)
                }
                empty => {
                    let Some((object, events)) = plan.new.take() else { continue };
                    let requests = VecDeque::new();
                    *empty =
                        Some(ActiveStream { object, events, requests, opening, ended: false, failed: false });
                    (MENewStream, true)
                }
            };
            let Some(stream) = &state.streams[plan.index] else { continue };
            if anew {
                opened.push((plan.index, opening, plan.media_type.clone()));
            }
            queue_object(&self.events, kind, &*stream.object)?;
        }
        let (of_source, of_stream) =
            if seeks { (MESourceSeeked, MEStreamSeeked) } else { (MESourceStarted, MEStreamStarted) };
        if seeks || told {
            queue(&self.events, of_source, HRESULT(0), value)?;
        } else {
            // SAFETY: what is pointed to lives for the calls, and is copied.
            unsafe {
                let started = MFCreateMediaEvent(
                    of_source.0 as u32,
                    &GUID::zeroed(),
                    HRESULT(0),
                    Some(&raw const *value),
                )?;
                started.SetUINT64(&MF_EVENT_SOURCE_ACTUAL_START, position.max(0) as u64)?;
                self.events.QueueEvent(&started)?;
            }
        }
        for stream in state.streams.iter().flatten() {
            queue(&stream.events, of_stream, HRESULT(0), value)?;
            if stream.ended {
                // It has nothing more, and says so again.
                queue(&stream.events, MEEndOfStream, HRESULT(0), &PROPVARIANT::default())?;
            }
        }
        state.phase = SourcePhase::Started;
        self.end_presentation(&state)?;
        drop(state);
        drop(gone);
        self.changed.notify_waiters();
        for (index, opening, media_type) in opened {
            self.play(index, opening, StreamStart { position, media_type })?;
        }
        Ok(())
    }

    pub(super) fn pause(&self) -> windows::core::Result<()> {
        let mut state = self.state();
        match state.phase {
            SourcePhase::Started => {}
            SourcePhase::Shutdown => return Err(MF_E_SHUTDOWN.into()),
            SourcePhase::Stopped | SourcePhase::Paused => return Err(MF_E_INVALID_STATE_TRANSITION.into()),
        }
        state.phase = SourcePhase::Paused;
        self.tell_all(&state, MESourcePaused, MEStreamPaused)
    }

    pub(super) fn stop(&self) -> windows::core::Result<()> {
        let mut state = self.state();
        if state.phase == SourcePhase::Shutdown {
            return Err(MF_E_SHUTDOWN.into());
        }
        (state.phase, state.position) = (SourcePhase::Stopped, 0);
        let mut dropped = Vec::new();
        let SourceState { streams, openings, .. } = &mut *state;
        for stream in streams.iter_mut().flatten() {
            dropped.push(std::mem::take(&mut stream.requests));
            *openings += 1;
            stream.opening = *openings;
        }
        let told = self.tell_all(&state, MESourceStopped, MEStreamStopped);
        drop(state);
        drop(dropped);
        self.changed.notify_waiters();
        told
    }

    /// Ends everything, once.
    pub(super) fn shut_down(&self) -> windows::core::Result<()> {
        let mut state = self.state();
        if state.phase == SourcePhase::Shutdown {
            return Err(MF_E_SHUTDOWN.into());
        }
        state.phase = SourcePhase::Shutdown;
        let streams: Vec<_> = state.streams.iter_mut().map(Option::take).collect();
        drop(state);
        for queue in streams.iter().flatten().map(|stream| &stream.events).chain([&self.events]) {
            // SAFETY: needs nothing.
            let _ = unsafe { queue.Shutdown() };
        }
        drop(streams);
        self.changed.notify_waiters();
        Ok(())
    }

    /// A sample is asked for, by the stream whose queue this is.
    pub(super) fn request(
        &self,
        index: usize,
        events: &Mta<IMFMediaEventQueue>,
        token: Option<Mta<IUnknown>>,
    ) -> windows::core::Result<()> {
        let mut state = self.state();
        let phase = state.phase;
        let refused = match &mut state.streams[index] {
            _ if phase == SourcePhase::Shutdown => Some(MF_E_SHUTDOWN),
            Some(stream) if stream.events == *events => match phase {
                SourcePhase::Stopped => Some(MF_E_MEDIA_SOURCE_WRONGSTATE),
                _ if stream.ended => Some(MF_E_END_OF_STREAM),
                // An event has said the error already.
                _ if stream.failed => Some(MF_E_MEDIA_SOURCE_WRONGSTATE),
                _ => {
                    stream.requests.push_back(token.clone());
                    None
                }
            },
            // It was deselected, which is a shutdown of the stream.
            _ => Some(MF_E_SHUTDOWN),
        };
        drop(state);
        drop(token);
        if let Some(code) = refused {
            return Err(code.into());
        }
        self.changed.notify_waiters();
        Ok(())
    }

    fn tell_all(
        &self,
        state: &SourceState,
        of_source: MF_EVENT_TYPE,
        of_stream: MF_EVENT_TYPE,
    ) -> windows::core::Result<()> {
        queue(&self.events, of_source, HRESULT(0), &PROPVARIANT::default())?;
        for stream in state.streams.iter().flatten() {
            queue(&stream.events, of_stream, HRESULT(0), &PROPVARIANT::default())?;
        }
        Ok(())
    }

    /// Says that everything has ended, if it has.
    pub(super) fn end_presentation(&self, state: &SourceState) -> windows::core::Result<()> {
        let mut streams = state.streams.iter().flatten().peekable();
        if streams.peek().is_some() && streams.all(|stream| stream.ended) {
            queue(&self.events, MEEndOfPresentation, HRESULT(0), &PROPVARIANT::default())?;
        }
        Ok(())
    }
}

pub(super) fn queue(
    events: &IMFMediaEventQueue,
    kind: MF_EVENT_TYPE,
    status: HRESULT,
    value: &PROPVARIANT,
) -> windows::core::Result<()> {
    // SAFETY: what is pointed to lives for the call, and is copied.
    unsafe { events.QueueEventParamVar(kind.0 as u32, &GUID::zeroed(), status, &raw const *value) }
}

pub(super) fn queue_object(
    events: &IMFMediaEventQueue,
    kind: MF_EVENT_TYPE,
    object: &impl Interface,
) -> windows::core::Result<()> {
    let object: IUnknown = object.cast()?;
    // SAFETY: what is pointed to lives for the call; the event takes its own reference.
    unsafe { events.QueueEventParamUnk(kind.0 as u32, &GUID::zeroed(), HRESULT(0), &object) }
}
