//! Promise: what a `Faulty` wraps goes wrong as its chances say, by the schedule, and only in an exploration.

use std::sync::Arc;
use std::time::Duration;

use mf_async::byte_stream::MemoryByteStream;
use mf_async::event::HasEventQueue;
use mf_async::testing::{
    Explore, FailedSchedule, FailureKind, Fault, FaultChances, Faulty, FaultyComponent, RecordingCallback,
};
use mf_async::{
    ByteStreamExt, EventStream, Hresult, MediaEvent, MediaEventGenerator, MediaEventQueue, MediaEventType,
    Platform, QueueId, Result,
};

/// Reads once, and counts on success.
async fn read(platform: Platform, fault: Fault) -> Result<()> {
    let stream = MemoryByteStream::new(&platform, b"moov".to_vec());
    let stream = Arc::new(Faulty::new(&platform, stream, FaultChances::new().with(0.2, fault)));
    assert_eq!(stream.read(vec![0; 4]).await?, b"moov");
    Ok(())
}

fn found(fault: Fault) -> Box<FailedSchedule> {
    let test = move |platform| read(platform, fault);
    let failure = Explore::new().schedules(200).check(test).expect_err("the fault happens");
    let again = Explore::new().replay(failure.replay()).check(test).expect_err("it happens again");
    assert_eq!((again.kind(), again.message()), (failure.kind(), failure.message()));
    assert!(failure.story().contains("has the fault"), "{failure}");
    failure
}

#[test]
fn a_read_fails_is_refused_is_dropped() {
    for (fault, code) in [
        (Fault::Failing(Hresult::E_FAIL), "E_FAIL"),
        (Fault::FailingBegin(Hresult::E_ACCESSDENIED), "E_ACCESSDENIED"),
        (Fault::Dropped, "E_ABORT"),
    ] {
        let failure = found(fault);
        assert_eq!(failure.kind(), FailureKind::Error);
        assert!(failure.message().contains(code), "{failure}");
    }
}

#[test]
fn a_read_whose_callback_comes_twice_is_told() {
    assert_eq!(found(Fault::Twice).kind(), FailureKind::CalledTwice);
}

#[test]
fn a_read_that_never_ends_is_stuck() {
    assert_eq!(found(Fault::Never).kind(), FailureKind::Stuck);
}

#[test]
fn a_late_read_is_no_failure() {
    let late = Fault::Late(Duration::from_secs(5));
    Explore::new().schedules(200).run(move |platform| read(platform, late));
}

#[test]
fn a_callback_comes_twice() {
    let failure = Explore::new()
        .check(|platform| async move {
            let recording = RecordingCallback::on(QueueId::STANDARD);
            let chances = FaultChances::new().with(0.2, Fault::Twice);
            let callback = Arc::new(Faulty::new(&platform, recording.clone(), chances));
            platform.result(callback).build()?.invoke()?;
            platform.queue(QueueId::STANDARD)?.quiesce().await?;
            drop(recording.take_results());
            assert_eq!(recording.count(), 1);
            Ok(())
        })
        .expect_err("it comes twice now and then");
    assert_eq!(failure.kind(), FailureKind::Panic);
}

struct Component(MediaEventQueue);

impl HasEventQueue for Component {
    fn event_queue(&self) -> &MediaEventQueue {
        &self.0
    }
}

#[test]
fn a_stream_outlives_late_events_and_refusals_for_the_moment_and_is_told_of_others() {
    async fn events(platform: Platform, fault: Fault) -> Result<()> {
        let component = Component(platform.create_event_queue()?);
        let chances = FaultChances::new().with(0.2, fault);
        let generator = Arc::new(Faulty::new(&platform, component, chances));
        let mut events = EventStream::lossless(&generator)?;
        for number in 0..3_i64 {
            generator.queue_event(MediaEvent::new(MediaEventType::MEMediaSample).with_value(number))?;
        }
        for number in 0..3_i64 {
            let event = events.next().await.expect("it has three")?;
            assert_eq!(event.value().as_i64(), Some(number));
        }
        Ok(())
    }
    let late = Fault::Late(Duration::from_millis(30));
    Explore::new().schedules(300).run(move |platform| events(platform, late));
    let refused_now = Fault::FailingBegin(Hresult::MF_E_INVALIDREQUEST);
    Explore::new().schedules(300).run(move |platform| events(platform, refused_now));
    let refused = Fault::FailingBegin(Hresult::E_ACCESSDENIED);
    let failure = Explore::new().check(move |platform| events(platform, refused)).expect_err("it is refused");
    assert!(failure.message().contains("E_ACCESSDENIED"), "{failure}");
}

#[test]
fn a_component_has_chances_as_well() {
    let failure = Explore::new()
        .check(|platform| async move {
            let component = FaultyComponent::new(&platform, 42);
            component.set_chances(FaultChances::new().with(0.1, Fault::Failing(Hresult::E_FAIL)));
            let asked = platform.begin_end(
                &component,
                |component, callback| component.begin(callback, None),
                |component, result| component.end(result),
            );
            asked.await.map(drop)
        })
        .expect_err("it fails now and then");
    assert!(failure.message().contains("E_FAIL"), "{failure}");
    assert_eq!(failure.deviations(), 1);
}

#[tokio::test]
async fn outside_of_an_exploration_all_goes_well() -> Result<()> {
    let platform = Platform::startup()?;
    read(platform.clone(), Fault::Never).await?;
    platform.shutdown().await
}
