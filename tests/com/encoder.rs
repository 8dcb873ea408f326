//! An asynchronous encoder is found by what it takes and gives, opened unlocked, makes key frames of the samples that they were
//! asked for, and says when all output before a marker is out; every marker ends.

use std::sync::{Arc, Mutex};

use futures::{FutureExt, SinkExt, StreamExt};
use mf_async::com::{AsyncTransform, FindTransforms, FoundTransform, Mta, Platform, TransformHandle};
use mf_async::{ErrorKind, Hresult};
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::IClassFactory;
use windows::core::{GUID, IUnknown, w};

use crate::support::page_encoder::{EncoderFactory, EncoderSeen, page_encoder};
use crate::support::page_transform::{Liberties, page_transform};
use crate::support::*;

/// A format of this test's own, which no encoder of the system has.
const FORMAT: GUID = GUID::from_u128(0x4D46_4153_594E_4330_0000_0000_0000_0001);

fn set_types(encoder: &Mta<IMFTransform>) {
    unsafe {
        encoder.SetOutputType(0, media_type(MFMediaType_Video, FORMAT).as_ref(), 0).unwrap();
        encoder.SetInputType(0, media_type(MFMediaType_Video, MFVideoFormat_NV12).as_ref(), 0).unwrap();
    }
}

fn encoder(platform: &Platform) -> (AsyncTransform, Arc<Mutex<EncoderSeen>>) {
    let seen = Arc::default();
    let encoder = AsyncTransform::new(platform, mta(page_encoder(&seen))).unwrap();
    set_types(encoder.as_com());
    (encoder, seen)
}

/// The number of a sample, and whether it is a key frame.
fn encoded(sample: &Mta<IMFSample>) -> (i64, bool) {
    unsafe {
        let key = sample.GetUINT32(&MFSampleExtension_CleanPoint).unwrap() == 1;
        (sample.GetSampleTime().unwrap() / 1_000_000, key)
    }
}

async fn next(encoder: &mut AsyncTransform) -> (i64, bool) {
    encoded(&within(encoder.next()).await.unwrap().unwrap())
}

/// Has the stream take in what is known: there is no sample.
fn look(encoder: &mut AsyncTransform) {
    assert!(encoder.next().now_or_never().is_none());
}

#[tokio::test]
async fn an_encoder_is_found_by_what_it_gives_and_opened_unlocked() {
    let platform = start();
    let seen = Arc::<Mutex<EncoderSeen>>::default();
    let factory: IClassFactory = EncoderFactory(seen.clone()).into();
    let of = |subtype| MFT_REGISTER_TYPE_INFO { guidMajorType: MFMediaType_Video, guidSubtype: subtype };
    let flags = MFT_ENUM_FLAG_ASYNCMFT.0 as u32;
    let (takes, gives) = ([of(MFVideoFormat_NV12)], [of(FORMAT)]);
    let category = &MFT_CATEGORY_VIDEO_ENCODER;
    unsafe { MFTRegisterLocal(&factory, category, w!("Tone"), flags, Some(&takes), Some(&gives)) }.unwrap();

    let search = FindTransforms::new(*category).output(MFMediaType_Video, FORMAT);
    let found = within(search.clone().find(&platform)).await.unwrap();
    let [tone] = &found[..] else { panic!("{found:?}") };
    assert!(!tone.is_hardware());
    // Wine gives no names.
    if !is_wine() {
        assert_eq!(tone.name().unwrap(), "Tone");
    }
    let both = search.clone().input(MFMediaType_Video, MFVideoFormat_NV12);
    assert_eq!(within(both.find(&platform)).await.unwrap().len(), 1);
    let other = search.clone().input(MFMediaType_Video, MFVideoFormat_YUY2);
    assert!(within(other.find(&platform)).await.unwrap().is_empty());
    let synchronous = search.clone().flags(MFT_ENUM_FLAG_SYNCMFT | MFT_ENUM_FLAG_LOCALMFT);
    assert!(within(synchronous.find(&platform)).await.unwrap().is_empty());

    // Another whenever it is opened, which takes samples.
    for _ in 0..2 {
        let mut encoder = within(FoundTransform::open(tone)).await.unwrap();
        match within(tone.open()).await {
            Ok(beside) => assert_ne!(encoder.as_com(), beside.as_com()),
            // Wine makes one at a time.
            Err(error) => assert_eq!(error.hresult(), Hresult::MF_E_MULTIPLE_SUBSCRIBERS),
        }
        set_types(encoder.as_com());
        within(encoder.send(sample(0))).await.unwrap();
        within(encoder.close()).await.unwrap();
        assert_eq!(next(&mut encoder).await, (0, false));
    }
    unsafe { MFTUnregisterLocal(&factory) }.unwrap();
}

#[tokio::test]
async fn the_sample_that_is_put_in_next_is_a_key_frame() {
    let platform = start();
    let (mut encoder, _seen) = encoder(&platform);
    within(encoder.send(sample(0))).await.unwrap();
    // Put in, though not taken yet: it is not the next.
    within(encoder.feed(sample(1))).await.unwrap();
    encoder.force_key_frame().unwrap();
    for index in 2..5 {
        within(encoder.send(sample(index))).await.unwrap();
    }
    within(encoder.close()).await.unwrap();
    let mut keys = Vec::new();
    while let Some(sample) = within(encoder.next()).await {
        keys.push(encoded(&sample.unwrap()));
    }
    assert_eq!(keys, [(0, false), (1, false), (2, true), (3, false), (4, false)]);
}

#[tokio::test]
async fn who_cannot_make_key_frames_says_so() {
    let platform = start();
    let (mut encoder, seen) = encoder(&platform);
    seen.lock().unwrap().no_key_frames = true;
    assert_eq!(encoder.force_key_frame().unwrap_err().hresult(), Hresult::E_NOTIMPL);
    let (transform, _seen) = page_transform(Liberties::default());
    let mut transform = AsyncTransform::new(&platform, mta(transform)).unwrap();
    assert_eq!(transform.force_key_frame().unwrap_err().hresult(), Hresult::E_NOINTERFACE);
}

#[tokio::test]
async fn a_marker_is_reached_when_the_output_before_it_is_out_and_breaks_nothing() {
    let platform = start();
    let (mut encoder, seen) = encoder(&platform);
    let handle = encoder.handle();
    for index in 0..2 {
        within(encoder.send(sample(index))).await.unwrap();
    }
    look(&mut encoder);
    let marker = handle.place_marker();
    assert_eq!(next(&mut encoder).await.0, 0);
    assert!(!marker.is_ended(), "there is more before it");
    assert_eq!(next(&mut encoder).await.0, 1);
    look(&mut encoder);
    within(marker).await.unwrap();
    // Two at once, each with its own; and the stream goes on.
    within(encoder.send(sample(2))).await.unwrap();
    let (first, second) = (handle.place_marker(), handle.place_marker());
    assert_eq!(next(&mut encoder).await.0, 2);
    look(&mut encoder);
    within(first).await.unwrap();
    within(second).await.unwrap();
    assert_eq!(
        seen.lock().unwrap().log,
        ["start", "input 0", "input 1", "marker", "input 2", "marker", "marker"]
    );
}

#[tokio::test]
async fn a_marker_goes_behind_a_sample_that_is_not_taken_yet() {
    let platform = start();
    let (mut encoder, seen) = encoder(&platform);
    within(encoder.send(sample(0))).await.unwrap();
    within(encoder.feed(sample(1))).await.unwrap();
    let marker = encoder.handle().place_marker();
    assert_eq!(seen.lock().unwrap().log, ["start", "input 0"]);
    within(SinkExt::flush(&mut encoder)).await.unwrap();
    assert_eq!(seen.lock().unwrap().log, ["start", "input 0", "input 1", "marker"]);
    for index in 0..2 {
        assert_eq!(next(&mut encoder).await.0, index);
    }
    look(&mut encoder);
    within(marker).await.unwrap();
}

#[tokio::test]
async fn a_marker_where_nothing_is_inside_is_reached_at_once() {
    let platform = start();
    let (mut encoder, seen) = encoder(&platform);
    within(encoder.handle().place_marker()).await.unwrap();
    // And holds up nothing, though no one has read the stream.
    within(encoder.send(sample(0))).await.unwrap();
    within(encoder.drain()).await.unwrap();
    within(encoder.handle().place_marker()).await.unwrap();
    assert_eq!(seen.lock().unwrap().log, ["start", "input 0", "drain"]);
}

#[tokio::test]
async fn a_drain_reaches_the_markers_before_it() {
    let platform = start();
    let (mut encoder, _seen) = encoder(&platform);
    within(encoder.send(sample(0))).await.unwrap();
    let marker = encoder.handle().place_marker();
    within(encoder.drain()).await.unwrap();
    within(marker).await.unwrap();
}

#[tokio::test]
async fn every_marker_ends_also_when_its_transform_does() {
    let platform = start();
    let (mut flushed, _seen) = encoder(&platform);
    within(flushed.send(sample(0))).await.unwrap();
    let marker = flushed.handle().place_marker();
    AsyncTransform::flush(&mut flushed).unwrap();
    assert_eq!(within(marker).await.unwrap_err().kind(), ErrorKind::Cancelled);

    let (mut dropped, _seen) = encoder(&platform);
    within(dropped.send(sample(0))).await.unwrap();
    let handle: TransformHandle = dropped.handle();
    let marker = handle.place_marker();
    drop(dropped);
    assert_eq!(within(marker).await.unwrap_err().kind(), ErrorKind::Abandoned);
    assert_eq!(within(handle.place_marker()).await.unwrap_err().kind(), ErrorKind::Shutdown);

    let (mut shut, _seen) = encoder(&platform);
    within(shut.send(sample(0))).await.unwrap();
    let marker = shut.handle().place_marker();
    unsafe { shut.as_com().cast::<IMFShutdown>().unwrap().Shutdown() }.unwrap();
    assert_eq!(within(marker).await.unwrap_err().kind(), ErrorKind::Shutdown);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handle_works_after_a_split_and_beside_both_sides() {
    let platform = start();
    let (encoder, _seen) = encoder(&platform);
    let handle = encoder.handle();
    let (mut input, output) = encoder.split();
    let put = tokio::spawn(async move {
        for index in 0..50 {
            if index % 10 == 5 {
                handle.force_key_frame().unwrap();
            }
            input.send(sample(index)).await.unwrap();
            if index % 10 == 9 {
                handle.place_marker().await.unwrap();
            }
        }
        input.close().await
    });
    let keys: Vec<_> = within(output.map(|sample| encoded(&sample.unwrap())).collect()).await;
    within(put).await.unwrap().unwrap();
    assert_eq!(keys, (0..50).map(|index| (index, index % 10 == 5)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_device_manager_goes_to_who_is_aware_of_one() {
    let platform = start();
    let (encoder, seen) = encoder(&platform);
    let mut manager = None;
    unsafe { MFCreateDXGIDeviceManager(&mut 0, &mut manager) }.unwrap();
    let manager = mta(manager.unwrap());
    encoder.handle().set_d3d_manager(Some(&manager)).unwrap();
    let given: IUnknown = manager.cast::<IUnknown>().unwrap().into_inner();
    assert_eq!(seen.lock().unwrap().manager.as_ref(), Some(&given));
    encoder.handle().set_d3d_manager(None).unwrap();
    assert_eq!(seen.lock().unwrap().manager, None);

    let (transform, seen) = page_transform(Liberties::default());
    let transform = AsyncTransform::new(&platform, mta(transform)).unwrap();
    let refused = transform.handle().set_d3d_manager(Some(&manager)).unwrap_err();
    assert_eq!(refused.hresult(), Hresult::E_NOTIMPL);
    assert!(seen.lock().unwrap().messages.is_empty(), "the message is not for it");
}
