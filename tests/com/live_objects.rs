//! Every COM object of this crate's counts while it lives, for a DLL that must not be unloaded then. In a process of its own,
//! where there are no others.

use std::any::Any;
use std::process::Command;
use std::sync::Arc;

use crate::support::{mta, pcm, until, within};
use mf_async::byte_stream::MemoryByteStream;
use mf_async::com::{self, LiveObject, Mta, live_objects};
use mf_async::event_stream::Latest;
use mf_async::{AsyncCallback, AsyncResult, MediaEventGenerator, Platform, Unknown};
use windows::Win32::Media::MediaFoundation::{IMFAsyncCallback, IMFAsyncResult, IMFMediaEventGenerator};
use windows::core::IUnknown;

/// Makes an object, which lives as long as what it gives.
type Make<'a> = dyn Fn() -> Box<dyn Any> + 'a;

/// Tells the process that it is the one.
const CHILD: &str = "MF_ASYNC_LIVE_OBJECTS";

#[test]
fn every_object_counts_while_it_lives() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", "live_objects::child", "--test-threads=1"]).env(CHILD, "1");
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn child() {
    if std::env::var(CHILD).is_err() {
        return;
    }
    let (theirs, ours) = (com::Platform::startup().unwrap(), Platform::startup().unwrap());
    let callback: Arc<dyn AsyncCallback> = Arc::new(|_: &AsyncResult| ());
    let queue: Arc<dyn MediaEventGenerator> = Arc::new(ours.create_event_queue().unwrap());
    let result = ours.result(callback.clone()).build().unwrap();
    let objects: [(&str, &Make); 13] = [
        ("a field of one's own", &|| Box::new(LiveObject::new())),
        ("a clock's sink", &|| Box::new(com::clock_states())),
        ("a media engine's callback", &|| Box::new(com::media_engine_events())),
        ("a grabber's callback", &|| Box::new(com::grab_samples())),
        ("a capture engine's callback", &|| Box::new(com::capture_engine_events())),
        ("a capture engine's other callback", &|| Box::new(com::capture_engine_samples(Latest))),
        ("a byte stream", &|| Box::new(com::byte_stream_object(MemoryByteStream::new(&ours, Vec::new())))),
        ("a callback", &|| Box::new(Mta::<IMFAsyncCallback>::from(callback.clone()))),
        ("a result", &|| Box::new(Mta::<IMFAsyncResult>::from(&result))),
        ("a state", &|| Box::new(Mta::<IUnknown>::from(Arc::new(7_u8) as Unknown))),
        ("a generator", &|| Box::new(Mta::<IMFMediaEventGenerator>::from(queue.clone()))),
        ("a media source", &|| {
            let source = com::media_source(&theirs, &pcm(), futures::stream::empty()).unwrap();
            Box::new(source)
        }),
        ("an activation object", &|| {
            let never = || Err(mf_async::Error::new(mf_async::Hresult::E_FAIL, "make a source"));
            Box::new(com::media_source_activate(&theirs, never).unwrap())
        }),
    ];
    for (what, make) in objects {
        assert_eq!(live_objects(), 0, "before {what}");
        let object = make();
        assert!(live_objects() > 0, "{what}");
        drop(object);
        until(what, || live_objects() == 0);
    }
    // One that waits at Media Foundation lives, too.
    let kept = std::sync::Mutex::new(None);
    let begin = |(): &(), callback: &IMFAsyncCallback| {
        *kept.lock().unwrap() = Some(mta(callback.clone()));
        Ok(())
    };
    let operation = com::begin_end(&(), begin, |(), _| Ok(()));
    assert_eq!(live_objects(), 1);
    drop(kept);
    assert!(within(operation).await.is_err());
    assert_eq!(live_objects(), 0);
    drop(result);
    within(ours.shutdown()).await.unwrap();
    drop(theirs);
}
