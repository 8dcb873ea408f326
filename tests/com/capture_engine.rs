//! A capture engine's events and samples are passed on in order; of samples that are not taken no more wait than was said, which
//! of them go is what was said, and each that went is counted.

use futures::StreamExt;
use mf_async::com::{
    BoundedOverflow, CaptureEngineSample, Mta, Notifications, capture_engine_events, capture_engine_samples,
};
use mf_async::event_stream::{DropNewest, DropOldest, Latest};
use windows::Win32::Foundation::E_FAIL;
use windows::Win32::Media::MediaFoundation::*;
use windows::core::{GUID, HRESULT, Interface};

use crate::support::*;

#[tokio::test]
async fn a_capture_engines_events_are_passed_on() {
    let _platform = start();
    let (callback, mut events) = capture_engine_events();
    unsafe {
        let event = MFCreateMediaEvent(MEExtendedType.0 as u32, &MF_CAPTURE_ENGINE_INITIALIZED, E_FAIL, None)
            .unwrap();
        callback.OnEvent(&event).unwrap();
        callback.OnEvent(None).unwrap();
    }
    drop(callback);
    let event = within(events.next()).await.unwrap();
    assert_eq!(unsafe { event.GetExtendedType() }.unwrap(), MF_CAPTURE_ENGINE_INITIALIZED);
    assert_eq!(unsafe { event.GetStatus() }.unwrap(), E_FAIL);
    assert!(within(events.next()).await.is_none());
}

/// A callback that got five samples, with a change of the format before the last, and nothing taken.
fn overflown(
    overflow: impl BoundedOverflow,
) -> (Mta<IMFCaptureEngineOnSampleCallback>, Notifications<CaptureEngineSample>) {
    let (callback, samples) = capture_engine_samples(overflow);
    for index in 0..5 {
        if index == 4 {
            let change: IMFCaptureEngineOnSampleCallback2 = Interface::cast(&*callback).unwrap();
            let kind = MECaptureAudioSessionVolumeChanged.0 as u32;
            unsafe {
                let event = MFCreateMediaEvent(kind, &GUID::zeroed(), HRESULT(0), None).unwrap();
                change.OnSynchronizedEvent(&event).unwrap();
                change.OnSynchronizedEvent(None).unwrap();
            }
        }
        unsafe { callback.OnSample(sample(index).as_ref()) }.unwrap();
        unsafe { callback.OnSample(None) }.unwrap();
    }
    (callback, samples)
}

/// What comes, in order: a sample's number, or nothing for a change of the format.
async fn numbers(samples: Notifications<CaptureEngineSample>) -> Vec<Option<i64>> {
    let number = async |sample| match sample {
        CaptureEngineSample::Sample(sample) => Some(unsafe { sample.GetSampleTime() }.unwrap() / 1_000_000),
        _ => None,
    };
    within(samples.then(number).collect()).await
}

#[tokio::test]
async fn samples_that_are_not_taken_go_by_the_policy_and_are_counted() {
    let _platform = start();
    let (callback, samples) = overflown(DropOldest(2));
    assert_eq!(samples.dropped(), 3);
    drop(callback);
    assert_eq!(numbers(samples).await, [Some(3), None, Some(4)]);

    let (callback, samples) = overflown(DropNewest(2));
    assert_eq!(samples.dropped(), 3);
    drop(callback);
    assert_eq!(numbers(samples).await, [Some(0), Some(1), None]);

    let (callback, samples) = overflown(Latest);
    assert_eq!(samples.dropped(), 4);
    drop(callback);
    assert_eq!(numbers(samples).await, [None, Some(4)]);

    let (callback, samples) = overflown(DropNewest(5));
    assert_eq!(samples.dropped(), 0);
    drop(callback);
    assert_eq!(numbers(samples).await, [Some(0), Some(1), Some(2), Some(3), None, Some(4)]);
}

#[tokio::test]
async fn a_sample_that_is_dropped_or_not_listened_for_goes_back() {
    let _platform = start();
    for newest in [false, true] {
        let (callback, samples) = if newest {
            capture_engine_samples(DropNewest(1))
        } else {
            capture_engine_samples(DropOldest(1))
        };
        let (first, second) = (sample(0), sample(1));
        unsafe { callback.OnSample(first.as_ref()) }.unwrap();
        unsafe { callback.OnSample(second.as_ref()) }.unwrap();
        assert_eq!((refs(&*first), refs(&*second)), if newest { (2, 1) } else { (1, 2) });
        drop(samples);
        unsafe { callback.OnSample(first.as_ref()) }.unwrap();
        assert_eq!((refs(&*first), refs(&*second), refs(&*callback)), (1, 1, 1));
    }
}
