//! A process that ends with things outstanding at Media Foundation ends at once, by its own code, whether it drops them
//! or not; and a session that is shut down ends the streams of its events.

use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::support::{mta, within};
use mf_async::com;
use mf_async::{Hresult, QueueId, WorkQueueType};
use windows::Win32::Foundation::S_OK;
use windows::Win32::Media::MediaFoundation::MFCreateMediaSession;
use windows::Win32::System::Threading::CreateEventW;

/// Tells the process that it is the one that ends, and how.
const HOW: &str = "MF_ASYNC_EXIT";

/// What a test of its own does in a process of its own: it begins much, and ends.
#[test]
fn child() {
    let Ok(how) = std::env::var(HOW) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let platform = com::Platform::startup().unwrap();
    let queue = platform.allocate_work_queue(WorkQueueType::Multithreaded).unwrap();
    let serial = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).unwrap();
    let event = unsafe { CreateEventW(None, false, false, None) }.unwrap();
    let event = unsafe { OwnedHandle::from_raw_handle(event.0) };
    let session = mta(unsafe { MFCreateMediaSession(None) }.unwrap());
    let events = com::event_stream(session.cast().unwrap()).unwrap();
    let kept = Mutex::new(None);
    let never = com::begin_end(
        &(),
        |(), callback| {
            *kept.lock().unwrap() = Some(mta(callback.clone()));
            S_OK
        },
        |(), _| Ok(()),
    );
    let (_open, gate) = tokio::sync::oneshot::channel::<()>();
    let ticks = platform.add_periodic_callback(|| ()).unwrap();
    let outstanding = (
        queue.schedule(Duration::from_secs(3600)),
        queue.wait_for(&event),
        serial.spawn(async { gate.await.is_err() }),
        queue.spawn(std::future::pending::<()>()),
        never,
    );
    match how.as_str() {
        "now" => std::process::exit(7),
        "dropped" => {
            drop((outstanding, ticks, events, kept));
            drop((session, queue, serial));
            drop(platform);
            std::process::exit(8);
        }
        // What a `main` that returns does: everything is dropped, in the order that it has here, and the runtime last.
        _ => drop(outstanding),
    }
}

#[test]
fn a_process_ends_with_things_outstanding() {
    for (how, code) in [("now", 7), ("dropped", 8), ("returned", 0)] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let child = child.args(["--exact", "exit::child", "--test-threads=1"]).env(HOW, how);
        let ended = child.stdout(Stdio::null()).status().unwrap();
        assert_eq!(ended.code(), Some(code), "{how}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_shut_down_ends_its_events() {
    let platform = com::Platform::startup().unwrap();
    let session = mta(unsafe { MFCreateMediaSession(None) }.unwrap());
    let mut events = com::event_stream(session.cast().unwrap()).unwrap();
    assert!(futures::poll!(Box::pin(events.next())).is_pending());
    unsafe { session.Shutdown() }.unwrap();
    assert!(within(events.next()).await.is_none());
    assert_eq!(events.end_cause().unwrap().hresult(), Hresult::MF_E_SHUTDOWN);
    drop((events, session));
    drop(platform);
}
