//! `Session`: a media session whose calls are awaited to the event that says how they went.

use std::collections::VecDeque;
use std::fmt;

use windows::Win32::Media::MediaFoundation::{
    IMFMediaSession, IMFTopology, MF_EVENT_TOPOLOGY_STATUS, MF_TOPOSTATUS_READY,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::GUID;

use crate::async_result::QueueId;
use crate::com::event::event_stream;
use crate::com::offload::offload;
use crate::com::work_queue::put_once;
use crate::com::{Mta, Platform};
use crate::error::{Error, Hresult, Result};
use crate::event::{MediaEvent, MediaEventType, MediaEventValue};
use crate::event_stream::EventStream;
use crate::guid::Guid;

/// A media session: each call is a future that ends with the session's event for it.
///
/// Events that come meanwhile are kept for [`next`](Session::next), the oldest first. The statuses of events are errors.
///
/// Dropped, the session is shut down, on a work queue; [`close`](Session::close) does it in order.
///
/// ```no_run
/// use mf_async::com::{Mta, Platform, Session};
/// use windows::Win32::Media::MediaFoundation::IMFTopology;
///
/// async fn play(platform: &Platform, topology: Mta<IMFTopology>) -> mf_async::Result<()> {
///     let mut session = Session::new(platform)?;
///     session.set_topology(&topology).await?;
///     session.start(None).await?;
///     session.ended().await?;
///     session.close().await
/// }
/// ```
///
/// # Cancel safety
/// Dropping a future of its methods takes nothing back: the call was made, and its event comes, to the next that awaits one
/// of its kind or to [`next`](Session::next). No event is lost.
#[doc(alias = "IMFMediaSession")]
pub struct Session {
    session: Mta<IMFMediaSession>,
    events: EventStream,
    /// What came while something else was awaited.
    seen: VecDeque<MediaEvent>,
    shut_down: bool,
    platform: Platform,
}

impl Session {
    /// A new session.
    ///
    /// # Errors
    /// Media Foundation's own.
    #[doc(alias = "MFCreateMediaSession")]
    pub fn new(platform: &Platform) -> Result<Session> {
        Session::of(platform, platform.create_media_session()?)
    }

    /// A session that was made elsewhere: one with a configuration, or in the protected media path.
    ///
    /// # Errors
    /// `MF_E_MULTIPLE_SUBSCRIBERS` if another receives its events; `MF_E_SHUTDOWN`.
    pub fn of(platform: &Platform, session: Mta<IMFMediaSession>) -> Result<Session> {
        let session = platform.keep(session);
        let events = event_stream(session.cast()?)?;
        Ok(Session { session, events, seen: VecDeque::new(), shut_down: false, platform: platform.clone() })
    }

    /// Sets what is to be played, and waits until it is ready: resolved, with its decoders and sinks.
    ///
    /// # Errors
    /// Those of the topology: `MF_E_TOPO_CODEC_NOT_FOUND` for example.
    #[doc(alias = "SetTopology")]
    #[doc(alias = "MF_TOPOSTATUS_READY")]
    pub async fn set_topology(&mut self, topology: &Mta<IMFTopology>) -> Result<()> {
        // SAFETY: the topology lives for the call, and the session takes its own reference.
        unsafe { self.session.SetTopology(0, &**topology) }?;
        let key = Guid::from_u128(MF_EVENT_TOPOLOGY_STATUS.to_u128());
        let ready = MediaEventValue::U4(MF_TOPOSTATUS_READY.0 as u32);
        self.until(|event| match event.event_type() {
            // It failed before it could be set.
            MediaEventType::MESessionTopologySet => event.status().is_failure(),
            MediaEventType::MESessionTopologyStatus => {
                event.status().is_failure() || event.attribute(key) == Some(&ready)
            }
            _ => false,
        })
        .await
    }

    /// Starts, goes on after a pause, or seeks: to a position in units of 100 ns, or where it is.
    ///
    /// # Errors
    /// Those of sources and sinks.
    #[doc(alias = "MESessionStarted")]
    pub async fn start(&mut self, position: Option<i64>) -> Result<()> {
        {
            // In a block: a variant must not be held over the wait, which may end on another thread.
            let position = position.map_or_else(PROPVARIANT::default, PROPVARIANT::from);
            // SAFETY: both live for the call; the null GUID says units of 100 ns.
            unsafe { self.session.Start(&GUID::zeroed(), &raw const position) }?;
        }
        self.until(|event| event.event_type() == MediaEventType::MESessionStarted).await
    }

    /// Pauses.
    ///
    /// # Errors
    /// `MF_E_SESSION_PAUSEWHILESTOPPED`; those of sources and sinks.
    #[doc(alias = "MESessionPaused")]
    pub async fn pause(&mut self) -> Result<()> {
        // SAFETY: needs nothing.
        unsafe { self.session.Pause() }?;
        self.until(|event| event.event_type() == MediaEventType::MESessionPaused).await
    }

    /// Stops.
    ///
    /// # Errors
    /// Those of sources and sinks.
    #[doc(alias = "MESessionStopped")]
    pub async fn stop(&mut self) -> Result<()> {
        // SAFETY: needs nothing.
        unsafe { self.session.Stop() }?;
        self.until(|event| event.event_type() == MediaEventType::MESessionStopped).await
    }

    /// Waits until all is played.
    ///
    /// # Errors
    /// That of an `MEError` that comes first; `MF_E_SHUTDOWN`.
    #[doc(alias = "MESessionEnded")]
    pub async fn ended(&mut self) -> Result<()> {
        let ended = |event: &MediaEvent| event.event_type() == MediaEventType::MESessionEnded;
        if let Some(event) = self.seen.iter().position(ended).and_then(|index| self.seen.remove(index)) {
            return event.ok().map(drop);
        }
        self.until(ended).await
    }

    /// Closes the session, and shuts it down. The sources are still to be shut down by who has made them.
    ///
    /// # Errors
    /// Media Foundation's own.
    #[doc(alias = "MESessionClosed")]
    pub async fn close(mut self) -> Result<()> {
        // SAFETY: needs nothing.
        unsafe { self.session.Close() }?;
        let closed = self.until(|event| event.event_type() == MediaEventType::MESessionClosed).await;
        let session = self.session.clone();
        self.shut_down = true;
        // SAFETY: needs nothing.
        let down = offload(&self.platform, "shut a session down", move || Ok(unsafe { session.Shutdown() }?));
        closed.and(down.await)
    }

    /// The next event that no other method has awaited; `None` when the session is shut down.
    ///
    /// # Errors
    /// What made the session's events fail.
    pub async fn next(&mut self) -> Option<Result<MediaEvent>> {
        match self.seen.pop_front() {
            Some(event) => Some(Ok(event)),
            None => self.events.next().await,
        }
    }

    /// The session itself, for what has no method here.
    #[must_use]
    pub fn as_com(&self) -> &Mta<IMFMediaSession> {
        &self.session
    }

    /// Waits for an event, and keeps those before it.
    async fn until(&mut self, so: impl Fn(&MediaEvent) -> bool) -> Result<()> {
        while let Some(event) = self.events.next().await {
            let event = event?;
            if so(&event) || event.event_type() == MediaEventType::MEError {
                let failed = event.event_type() == MediaEventType::MEError && event.status().is_success();
                let event = if failed { event.with_status(Hresult::E_FAIL) } else { event };
                return event.ok().map(drop);
            }
            self.seen.push_back(event);
        }
        Err(self.events.end_cause().cloned().unwrap_or_else(|| Error::shutdown("wait for a media session")))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.shut_down {
            let session = self.session.clone();
            // Elsewhere: it waits for sources and sinks. If it cannot, Media Foundation is shut down.
            let _ = put_once(QueueId::MULTITHREADED, move || {
                // SAFETY: needs nothing. An error says that it was shut down before.
                let _ = unsafe { session.Shutdown() };
            });
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("seen", &self.seen.len()).finish_non_exhaustive()
    }
}
