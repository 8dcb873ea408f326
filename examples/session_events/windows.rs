//! The half for Windows.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "every call of an interface is unsafe; all objects here are free-threaded and live as long as they are used"
)]

use std::time::Duration;

use mf_async::com::{self, Mta, Notifications, SampleGrabberEvent};
use mf_async::{MediaEventType, Result};
use windows::Win32::Media::MediaFoundation::{
    IMFActivate, IMFMediaSession, IMFMediaSource, IMFTopology, MF_MT_MAJOR_TYPE, MF_MT_SUBTYPE,
    MF_OBJECT_INVALID, MF_RESOLUTION_MEDIASOURCE, MF_SAMPLEGRABBERSINK_IGNORE_CLOCK, MF_TOPOLOGY_OUTPUT_NODE,
    MF_TOPOLOGY_SOURCESTREAM_NODE, MF_TOPONODE_PRESENTATION_DESCRIPTOR, MF_TOPONODE_SOURCE,
    MF_TOPONODE_STREAM_DESCRIPTOR, MFAudioFormat_PCM, MFCreateMediaSession, MFCreateMediaType,
    MFCreateSampleGrabberSinkActivate, MFCreateSourceResolver, MFCreateTopology, MFCreateTopologyNode,
    MFMediaType_Audio,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HSTRING, IUnknown, Interface};

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let Some(path) = std::env::args_os().nth(1) else {
        println!("say which file to play");
        return Ok(());
    };
    let platform = com::Platform::startup()?;
    play(HSTRING::from(path)).await?;
    drop(platform);
    Ok(())
}

/// How long to wait for what a session says.
const QUIET: Duration = Duration::from_secs(5);

async fn play(path: HSTRING) -> Result<()> {
    let source = open(path).await?;
    let (sink, mut samples) = grabber()?;
    let session: Mta<IMFMediaSession> = unsafe { Mta::new(MFCreateMediaSession(None)?) };
    let mut events = com::event_stream(session.cast()?)?;

    unsafe { session.SetTopology(0, &topology(&source, &sink)?) }?;
    events.wait_for(MediaEventType::MESessionTopologySet).await?.ok()?;
    unsafe { session.Start(&GUID::zeroed(), &PROPVARIANT::default()) }?;
    let mut bytes = 0;
    // Windows always says when it has ended; Wine's session does not always, and then says no more.
    while let Ok(Some(event)) = tokio::time::timeout(QUIET, events.next()).await {
        let event = event?.ok()?;
        while let Some(event) = samples.try_next() {
            if let SampleGrabberEvent::Sample(sample) = event {
                bytes += sample.bytes.len();
            }
        }
        println!("{:<32} {bytes:>8} bytes", event.event_type().to_string());
        if event.event_type() == MediaEventType::MESessionEnded {
            break;
        }
    }

    unsafe { session.Close() }?;
    let closed = events.wait_for(MediaEventType::MESessionClosed);
    match tokio::time::timeout(QUIET, closed).await {
        Ok(closed) => println!("{}", closed?.event_type()),
        Err(_) => println!("the session does not say that it is closed"),
    }
    drop(events);
    unsafe {
        sink.ShutdownObject()?;
        source.Shutdown()?;
        session.Shutdown()?;
    }
    println!("{bytes} bytes in all");
    Ok(())
}

/// The media source for a file.
async fn open(path: HSTRING) -> Result<Mta<IMFMediaSource>> {
    let resolver = unsafe { Mta::new(MFCreateSourceResolver()?) };
    let flags = MF_RESOLUTION_MEDIASOURCE.0 as u32;
    let source = com::begin_end(
        &resolver,
        |resolver, callback| unsafe {
            resolver.BeginCreateObjectFromURL(&path, flags, None, None, callback, None)
        },
        |resolver, result| unsafe {
            let (mut kind, mut object) = (MF_OBJECT_INVALID, None::<IUnknown>);
            resolver.EndCreateObjectFromURL(result, &raw mut kind, &raw mut object)?;
            object.map(|object| Mta::new(object)).ok_or_else(windows::core::Error::empty)
        },
    );
    source.await?.cast()
}

/// A sink that gives what it gets to a stream, without waiting for the clock.
fn grabber() -> Result<(Mta<IMFActivate>, Notifications<SampleGrabberEvent>)> {
    let (callback, samples) = com::grab_samples();
    unsafe {
        let pcm = MFCreateMediaType()?;
        pcm.SetGUID(&MF_MT_MAJOR_TYPE, &MFMediaType_Audio)?;
        pcm.SetGUID(&MF_MT_SUBTYPE, &MFAudioFormat_PCM)?;
        let sink = MFCreateSampleGrabberSinkActivate(&pcm, &*callback)?;
        sink.SetUINT32(&MF_SAMPLEGRABBERSINK_IGNORE_CLOCK, 1)?;
        Ok((Mta::new(sink), samples))
    }
}

/// From the first stream of the source to the sink.
fn topology(source: &IMFMediaSource, sink: &IMFActivate) -> Result<IMFTopology> {
    unsafe {
        let presentation = source.CreatePresentationDescriptor()?;
        let (mut selected, mut stream) = (false.into(), None);
        presentation.GetStreamDescriptorByIndex(0, &raw mut selected, &raw mut stream)?;
        presentation.SelectStream(0)?;
        let from = MFCreateTopologyNode(MF_TOPOLOGY_SOURCESTREAM_NODE)?;
        from.SetUnknown(&MF_TOPONODE_SOURCE, source)?;
        from.SetUnknown(&MF_TOPONODE_PRESENTATION_DESCRIPTOR, &presentation)?;
        let stream = stream.map(|stream| stream.cast::<IUnknown>()).transpose()?;
        from.SetUnknown(&MF_TOPONODE_STREAM_DESCRIPTOR, stream.as_ref())?;
        let to = MFCreateTopologyNode(MF_TOPOLOGY_OUTPUT_NODE)?;
        to.SetObject(&sink.cast::<IUnknown>()?)?;
        let topology = MFCreateTopology()?;
        topology.AddNode(&from)?;
        topology.AddNode(&to)?;
        from.ConnectOutput(0, &to, 0)?;
        Ok(topology)
    }
}
