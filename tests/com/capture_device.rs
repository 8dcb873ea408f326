//! A capture device is found, named, opened and closed without blocking a thread of the runtime, each time anew; its loss is
//! told by an error's code, and by the source's event.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use futures::{FutureExt, TryStreamExt, stream};
use mf_async::com::{self, CaptureDevice, Mta, Platform, StreamIndex, media_source, media_source_activate};
use mf_async::{Hresult, MediaEventType};
use windows::Win32::Foundation::E_ACCESSDENIED;
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HRESULT, HSTRING, w};

use crate::support::reader::page_reader;
use crate::support::*;

/// A camera that the test plugs in: it makes a source of ten samples each time that it is opened.
struct Camera {
    device: CaptureDevice,
    /// The sources that were made.
    made: Arc<Mutex<Vec<Mta<IMFMediaSource>>>>,
    /// The camera opens when it is told to: `false` is a user who does not allow it.
    open: Sender<bool>,
}

fn camera(platform: &Platform) -> Camera {
    let (open, opens): (_, Receiver<bool>) = channel();
    let (made, kept, opens) = (Arc::<Mutex<Vec<_>>>::default(), platform.clone(), Mutex::new(opens));
    let making = made.clone();
    let activate = media_source_activate(platform, move || {
        if !opens.lock().unwrap().recv().unwrap() {
            return Err(windows::core::Error::from(E_ACCESSDENIED).into());
        }
        let samples = stream::iter((0..10).map(|index| Ok(sample(index))));
        let source = media_source(&kept, &pcm(), samples)?;
        making.lock().unwrap().push(source.clone());
        Ok(source)
    })
    .unwrap();
    unsafe {
        activate.SetString(&MF_DEVSOURCE_ATTRIBUTE_FRIENDLY_NAME, w!("Kamera Süd")).unwrap();
        let link = HSTRING::from(r"\\?\usb#vid_0000");
        activate.SetString(&MF_DEVSOURCE_ATTRIBUTE_SOURCE_TYPE_VIDCAP_SYMBOLIC_LINK, &link).unwrap();
    }
    Camera { device: CaptureDevice::from_activate(platform, &activate).unwrap(), made, open }
}

fn is_shut_down(source: &IMFMediaSource) -> bool {
    unsafe { source.GetCharacteristics() }.is_err_and(|error| error.code() == MF_E_SHUTDOWN)
}

#[tokio::test]
async fn the_devices_of_the_system_are_listed() {
    let platform = start();
    // Where there are none, as under Wine, the lists are empty.
    for device in within(CaptureDevice::cameras(&platform)).await.unwrap() {
        assert!(device.symbolic_link().is_ok());
    }
    for device in within(CaptureDevice::microphones(&platform)).await.unwrap() {
        assert!(device.name().is_ok() && device.symbolic_link().is_err());
    }
    let narrowed = CaptureDevice::find(&platform, GUID::zeroed(), |_| Err(E_ACCESSDENIED.into()));
    assert_eq!(within(narrowed).await.unwrap_err().hresult(), Hresult::E_ACCESSDENIED);
}

#[tokio::test]
async fn a_camera_that_is_named_is_opened_by_its_name() {
    let platform = start();
    let link = r"\\?\usb#nosuchcamera";
    let device = CaptureDevice::camera(&platform, link).unwrap();
    assert_eq!(device.symbolic_link().unwrap(), link);
    assert_eq!(device.name().unwrap_err().hresult(), Hresult::MF_E_ATTRIBUTENOTFOUND);
    // Wine ends a program that calls `MFCreateDeviceSource`.
    if !is_wine() {
        assert!(within(device.open_source()).await.unwrap_err().hresult().is_failure());
        assert!(within(device.open_reader()).await.unwrap_err().hresult().is_failure());
    }
}

#[test]
fn a_device_has_a_name_for_people_and_one_for_programs() {
    let platform = start();
    let camera = camera(&platform);
    assert_eq!(camera.device.name().unwrap(), "Kamera Süd");
    assert_eq!(camera.device.symbolic_link().unwrap(), r"\\?\usb#vid_0000");
    assert_eq!(camera.device.endpoint_id().unwrap_err().hresult(), Hresult::MF_E_ATTRIBUTENOTFOUND);
    assert_eq!(format!("{:?}", camera.device), r#"CaptureDevice { name: Some("Kamera Süd"), .. }"#);
}

#[tokio::test]
async fn opening_blocks_no_thread_of_the_runtime() {
    let platform = start();
    let camera = camera(&platform);
    // The runtime has one thread, and it is this one that lets the camera open.
    let opening = camera.device.open_source();
    tokio::task::yield_now().await;
    assert!(!opening.is_ended());
    camera.open.send(true).unwrap();
    let source = within(opening).await.unwrap();
    assert!(!is_shut_down(&source));

    let refused = camera.device.open_source();
    camera.open.send(false).unwrap();
    assert_eq!(within(refused).await.unwrap_err().hresult(), Hresult::E_ACCESSDENIED);
}

#[tokio::test]
async fn a_device_is_opened_anew_each_time_and_closed_when_it_is_dropped() {
    let platform = start();
    let camera = camera(&platform);
    camera.open.send(true).unwrap();
    camera.open.send(true).unwrap();
    let first = within(camera.device.open_source()).await.unwrap();
    let second = within(camera.device.open_source()).await.unwrap();
    assert_ne!(*first, *second);
    drop(first);
    let made = std::mem::take(&mut *camera.made.lock().unwrap());
    until("the first is closed", || is_shut_down(&made[0]));
    assert!(!is_shut_down(&made[1]));
    // What is taken out is its owner's to shut down.
    let second = second.into_inner();
    assert!(!is_shut_down(&second));
    unsafe { second.Shutdown() }.unwrap();
}

#[tokio::test]
async fn a_device_that_is_not_awaited_any_more_is_closed() {
    let platform = start();
    let camera = camera(&platform);
    drop(camera.device.open_source());
    camera.open.send(true).unwrap();
    until("it was opened", || camera.made.lock().unwrap().len() == 1);
    let source = camera.made.lock().unwrap()[0].clone();
    until("it is closed", || is_shut_down(&source));
}

#[tokio::test]
async fn a_reader_that_cannot_be_made_leaves_the_device_closed() {
    let platform = start();
    let camera = camera(&platform);
    camera.open.send(true).unwrap();
    let failed = camera.device.open_reader_with(|_| Err(E_ACCESSDENIED.into()));
    assert_eq!(within(failed).await.unwrap_err().hresult(), Hresult::E_ACCESSDENIED);
    let source = camera.made.lock().unwrap()[0].clone();
    until("it is closed", || is_shut_down(&source));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_read() {
    let platform = start();
    let camera = camera(&platform);
    camera.open.send(true).unwrap();
    let reader = within(camera.device.open_reader()).await.unwrap();
    let samples = reader.samples(StreamIndex::FIRST_AUDIO);
    let times: Vec<_> = within(samples.map_ok(|sample| sample.timestamp).try_collect()).await.unwrap();
    assert_eq!(times, (0..10).map(|index| index * 1_000_000).collect::<Vec<_>>());
    // Wine's reader of a source as quick as this one must not be released.
    std::mem::forget(reader);
}

#[tokio::test]
async fn the_loss_of_a_device_is_an_error_with_its_code() {
    let platform = start();
    for (code, is_lost) in [
        (MF_E_VIDEO_RECORDING_DEVICE_INVALIDATED, true),
        (MF_E_VIDEO_RECORDING_DEVICE_PREEMPTED, true),
        (MF_E_AUDIO_RECORDING_DEVICE_INVALIDATED, true),
        (MF_E_HW_MFT_FAILED_START_STREAMING, false),
    ] {
        let (reader, strings) = page_reader(&platform, 1);
        let read = reader.read_sample(0);
        let flags = MF_SOURCE_READERF_ERROR.0 as u32;
        unsafe { strings.callback.OnReadSample(code, 0, flags, 0, None) }.unwrap();
        let error = within(read).await.unwrap_err();
        assert_eq!((error.hresult(), error.is_device_lost()), (code.into(), is_lost));
        assert!(error.hresult().name().is_some(), "{code:?} has a name here");
    }
}

#[tokio::test]
async fn a_source_of_ones_own_tells_the_loss_by_its_event() {
    let platform = start();
    let camera = camera(&platform);
    camera.open.send(true).unwrap();
    let source = within(camera.device.open_source()).await.unwrap();
    let mut events = com::event_stream(source.cast().unwrap()).unwrap();
    assert!(events.next().now_or_never().is_none());
    let removed = MEVideoCaptureDeviceRemoved.0 as u32;
    let nothing = PROPVARIANT::default();
    unsafe { source.QueueEvent(removed, &GUID::zeroed(), HRESULT(0), &nothing) }.unwrap();
    let event = within(events.next()).await.unwrap().unwrap();
    assert_eq!(event.event_type(), MediaEventType::MEVideoCaptureDeviceRemoved);
}
