//! Each call of a session ends with the event that the page names for it, with its error; other events are kept in order.

use std::sync::{Arc, Mutex};

use futures::FutureExt;
use mf_async::com::{Mta, Session};
use mf_async::{Hresult, MediaEvent, MediaEventType};
use windows::Win32::Foundation::E_NOTIMPL;
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HRESULT, IUnknown, Ref, Result, implement};

use crate::support::transform::sends_events;
use crate::support::*;

/// A session that answers each call with the events that the test has laid out for it.
#[implement(IMFMediaSession, IMFShutdown)]
struct PageSession {
    events: IMFMediaEventQueue,
    answers: Arc<Mutex<Vec<MediaEvent>>>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl PageSession {
    fn answer(&self, call: &'static str) -> Result<()> {
        self.calls.lock().unwrap().push(call);
        for event in self.answers.lock().unwrap().drain(..) {
            let event = Mta::<IMFMediaEvent>::try_from(&event).unwrap();
            unsafe { self.events.QueueEvent(&*event) }?;
        }
        Ok(())
    }
}

sends_events!(PageSession_Impl);

impl IMFMediaSession_Impl for PageSession_Impl {
    fn SetTopology(&self, _: u32, _: Ref<'_, IMFTopology>) -> Result<()> {
        self.answer("set")
    }
    fn ClearTopologies(&self) -> Result<()> {
        Err(E_NOTIMPL.into())
    }
    fn Start(&self, _: *const GUID, _: *const PROPVARIANT) -> Result<()> {
        self.answer("start")
    }
    fn Pause(&self) -> Result<()> {
        self.answer("pause")
    }
    fn Stop(&self) -> Result<()> {
        self.answer("stop")
    }
    fn Close(&self) -> Result<()> {
        self.answer("close")
    }
    fn Shutdown(&self) -> Result<()> {
        self.calls.lock().unwrap().push("shutdown");
        unsafe { self.events.Shutdown() }
    }
    fn GetClock(&self) -> Result<IMFClock> {
        Err(E_NOTIMPL.into())
    }
    fn GetSessionCapabilities(&self) -> Result<u32> {
        Ok(0)
    }
    fn GetFullTopology(&self, _: u32, _: u64) -> Result<IMFTopology> {
        Err(E_NOTIMPL.into())
    }
}

struct Strings {
    session: Session,
    answers: Arc<Mutex<Vec<MediaEvent>>>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

fn strings(platform: &mf_async::com::Platform) -> Strings {
    let (answers, calls) = (Arc::<Mutex<Vec<MediaEvent>>>::default(), Arc::<Mutex<Vec<_>>>::default());
    let events = unsafe { MFCreateEventQueue() }.unwrap();
    let page = PageSession { events, answers: answers.clone(), calls: calls.clone() };
    Strings { session: Session::of(platform, mta(page.into())).unwrap(), answers, calls }
}

fn topology_status(status: MF_TOPOSTATUS) -> MediaEvent {
    let key = mf_async::Guid::from_u128(MF_EVENT_TOPOLOGY_STATUS.to_u128());
    MediaEvent::new(MediaEventType::MESessionTopologyStatus).with_attribute(key, status.0 as u32)
}

fn failed(kind: MediaEventType) -> MediaEvent {
    MediaEvent::new(kind).with_status(Hresult::E_FAIL)
}

fn is_send<T: Send>(future: T) -> T {
    future
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_end_with_their_events_and_others_are_kept() {
    let platform = start();
    let mut strings = strings(&platform);
    let topology = mta(unsafe { MFCreateTopology() }.unwrap());
    let event = |kind: MediaEventType| MediaEvent::new(kind);
    *strings.answers.lock().unwrap() = vec![
        event(MediaEventType::MESessionTopologySet),
        topology_status(MF_TOPOSTATUS_STARTED_SOURCE),
        topology_status(MF_TOPOSTATUS_READY),
    ];
    within(is_send(strings.session.set_topology(&topology))).await.unwrap();
    // The end may come before it is awaited.
    *strings.answers.lock().unwrap() = vec![
        event(MediaEventType::MESessionEnded),
        event(MediaEventType::MESessionStarted),
        event(MediaEventType::MEEndOfPresentation),
    ];
    within(is_send(strings.session.start(Some(5)))).await.unwrap();
    within(is_send(strings.session.ended())).await.unwrap();
    *strings.answers.lock().unwrap() = vec![event(MediaEventType::MESessionPaused)];
    within(strings.session.pause()).await.unwrap();
    *strings.answers.lock().unwrap() = vec![event(MediaEventType::MESessionStopped)];
    within(strings.session.stop()).await.unwrap();
    let mut kept = Vec::new();
    while let Some(event) = strings.session.next().now_or_never().flatten() {
        kept.push(event.unwrap().event_type());
    }
    let status = MediaEventType::MESessionTopologyStatus;
    assert_eq!(kept, [MediaEventType::MESessionTopologySet, status, MediaEventType::MEEndOfPresentation]);
    *strings.answers.lock().unwrap() = vec![event(MediaEventType::MESessionClosed)];
    within(is_send(strings.session.close())).await.unwrap();
    assert_eq!(*strings.calls.lock().unwrap(), ["set", "start", "pause", "stop", "close", "shutdown"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_the_calls() {
    let platform = start();
    let topology = mta(unsafe { MFCreateTopology() }.unwrap());
    for answer in [
        failed(MediaEventType::MESessionTopologySet),
        failed(MediaEventType::MESessionTopologyStatus),
        failed(MediaEventType::MEError),
        MediaEvent::new(MediaEventType::MEError),
    ] {
        let mut strings = strings(&platform);
        *strings.answers.lock().unwrap() = vec![answer];
        let error = within(strings.session.set_topology(&topology)).await.unwrap_err();
        assert_eq!(error.hresult(), Hresult::E_FAIL);
        *strings.answers.lock().unwrap() = vec![failed(MediaEventType::MESessionStarted)];
        assert_eq!(within(strings.session.start(None)).await.unwrap_err().hresult(), Hresult::E_FAIL);
        let com = strings.session.as_com().clone();
        unsafe { com.Shutdown() }.unwrap();
        assert!(within(strings.session.ended()).await.unwrap_err().is_shutdown());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_dropped_is_shut_down() {
    let platform = start();
    let strings = strings(&platform);
    let calls = strings.calls.clone();
    drop(strings);
    until("it is shut down", || *calls.lock().unwrap() == ["shutdown"]);
    // One of the system's own, too.
    let session = Session::new(&platform).unwrap();
    let com = session.as_com().clone();
    drop(session);
    until("it is shut down", || unsafe { com.Pause() }.is_err_and(|error| error.code() == MF_E_SHUTDOWN));
}
