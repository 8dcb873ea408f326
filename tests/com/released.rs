//! A tracked sample comes back when everything else has released it, once for each time that it is asked for, and no
//! sooner; nothing that waits for it keeps it.

use mf_async::com::{self, Mta};
use mf_async::{ErrorKind, Hresult};
use windows::Win32::Media::MediaFoundation::*;
use windows::core::Interface;

use crate::support::*;

#[tokio::test]
async fn a_sample_comes_back_when_it_is_released_and_may_be_asked_for_again() {
    let platform = start();
    let mut sample = platform.create_tracked_sample().unwrap();
    unsafe { sample.SetSampleTime(7) }.unwrap();
    for round in 0..3 {
        let released = com::released(&sample);
        // A component of someone else's has it, too.
        let held = sample.clone();
        drop(sample);
        assert!(!released.is_ended(), "round {round}: it is held");
        drop(held);
        sample = within(released).await.unwrap();
        assert_eq!(unsafe { sample.GetSampleTime() }.unwrap(), 7);
    }
}

#[tokio::test]
async fn a_sample_is_awaited_once_at_a_time_and_only_if_it_is_tracked() {
    let platform = start();
    let sample = platform.create_tracked_sample().unwrap();
    let first = com::released(&sample);
    let second = within(com::released(&sample)).await.unwrap_err();
    assert_eq!(second.hresult(), Hresult::MF_E_NOTACCEPTING);
    drop(sample);
    within(first).await.unwrap();

    let plain = platform.create_sample(b"", 0, 0).unwrap();
    assert_eq!(within(com::released(&plain)).await.unwrap_err().hresult(), Hresult::E_NOINTERFACE);
}

#[tokio::test]
async fn a_sample_that_is_not_awaited_any_more_is_freed() {
    let platform = start();
    let sample = platform.create_tracked_sample().unwrap();
    let (token, alive) = token();
    unsafe { sample.SetUnknown(&MF_SAMPLEGRABBERSINK_IGNORE_CLOCK, &token) }.unwrap();
    drop(token);
    drop(com::released(&sample));
    drop(sample);
    until("the sample is freed", || std::sync::Arc::strong_count(&alive) == 1);
}

/// What a page-true sample does that was never handed on: its owner is freed with it, without a call.
#[tokio::test]
async fn an_owner_that_is_never_called_is_abandoned() {
    let _platform = start();
    let sample = silent::sample();
    let released = com::released(&sample);
    drop(sample);
    assert_eq!(within(released).await.unwrap_err().kind(), ErrorKind::Abandoned);
}

/// A sample that forgets its owner.
mod silent {
    use super::*;
    use std::sync::Mutex;
    use windows::core::{IUnknown, Ref, Result, implement};

    #[implement(IMFTrackedSample)]
    struct Silent(Mutex<Option<IMFAsyncCallback>>);

    impl IMFTrackedSample_Impl for Silent_Impl {
        fn SetAllocator(&self, callback: Ref<'_, IMFAsyncCallback>, _: Ref<'_, IUnknown>) -> Result<()> {
            *self.0.lock().unwrap() = callback.cloned();
            Ok(())
        }
    }

    pub(super) fn sample() -> Mta<IMFSample> {
        let silent: IMFTrackedSample = Silent(Mutex::default()).into();
        // Its table is that of another interface: only what every object has may be called, as `released` does.
        mta(unsafe { IMFSample::from_raw(silent.into_raw()) })
    }
}
