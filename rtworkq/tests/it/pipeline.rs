//! Pipelines of Media Foundation's: a source reader, and a session with a sink that gives what it gets to the program. The
//! tests step them, explore them, and cut them off; the example `explore` explores one.
#![allow(dead_code, reason = "each program uses its part of it")]

use std::path::Path;
use std::thread::ThreadId;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use mf_async::com::{self, Mta, Notifications, SampleGrabberEvent};
use mf_async::{MediaEventType, Result};
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HRESULT, HSTRING, IUnknown, Interface, Ref, implement};

/// Media Foundation, started once.
pub(crate) struct Started;

impl Started {
    pub(crate) fn new() -> Started {
        // SAFETY: the shutdown is owed by the drop.
        unsafe { MFStartup(MF_VERSION, MFSTARTUP_LITE) }.unwrap();
        Started
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // SAFETY: a start is owed it.
        unsafe { MFShutdown() }.unwrap();
    }
}

/// The sound of a file, read with so many requests in flight.
pub(crate) async fn read(path: &Path, in_flight: usize) -> Result<Vec<u8>> {
    let source = open(path).await?;
    // The reader shuts the source down.
    Reader::of(&source)?.sound(in_flight).await
}

/// The sound of a file, which is so many bytes, played by a session.
pub(crate) async fn play(path: &Path, length: usize) -> Result<Vec<u8>> {
    let source = open(path).await?;
    let mut playing = Playing::start(&source).await?;
    let sound = playing.sound(length).await?;
    // Not closed before: nor does it always say that it is closed.
    playing.shut_down()?;
    // SAFETY: it needs nothing.
    unsafe { source.Shutdown() }?;
    Ok(sound)
}

/// The source for a file.
///
/// It is made of the opened file. By the file's name Wine makes it in a callback that waits for another one, which never
/// comes where one thread runs all.
pub(crate) async fn open(path: &Path) -> Result<Mta<IMFMediaSource>> {
    let (name, flags) = (HSTRING::from(path), MF_RESOLUTION_MEDIASOURCE.0 as u32);
    // SAFETY: what is passed lives during the calls. Media Foundation's objects are free-threaded.
    let (resolver, file) = unsafe {
        let file = MFCreateFile(MF_ACCESSMODE_READ, MF_OPENMODE_FAIL_IF_NOT_EXIST, MF_FILEFLAGS_NONE, &name)?;
        (Mta::new(MFCreateSourceResolver()?), file)
    };
    let source = com::begin_end(
        &resolver,
        // SAFETY: as above.
        |resolver, callback| unsafe {
            resolver.BeginCreateObjectFromByteStream(&file, &name, flags, None, None, callback, None)
        },
        // SAFETY: the result is the one of this Begin.
        |resolver, result| unsafe {
            let (mut kind, mut object) = (MF_OBJECT_INVALID, None::<IUnknown>);
            resolver.EndCreateObjectFromByteStream(result, &raw mut kind, &raw mut object)?;
            object.map(|object| Mta::new(object)).ok_or_else(windows::core::Error::empty)
        },
    );
    source.await?.cast()
}

/// What a source reader has answered.
pub(crate) struct Read {
    pub(crate) flags: u32,
    pub(crate) time: i64,
    pub(crate) bytes: Vec<u8>,
    /// Where the callback ran.
    pub(crate) thread: ThreadId,
}

impl Read {
    pub(crate) fn is_last(&self) -> bool {
        self.flags & MF_SOURCE_READERF_ENDOFSTREAM.0 as u32 != 0
    }
}

/// A source reader in asynchronous mode.
pub(crate) struct Reader {
    reader: Mta<IMFSourceReader>,
    reads: UnboundedReceiver<windows::core::Result<Read>>,
}

impl Reader {
    pub(crate) fn of(source: &IMFMediaSource) -> Result<Reader> {
        // SAFETY: what is passed lives during the call.
        Reader::make(|attributes| unsafe { MFCreateSourceReaderFromMediaSource(source, attributes) })
    }

    /// Opens the file by its name. It blocks until callbacks of Media Foundation's have run.
    pub(crate) fn open(path: &Path) -> Result<Reader> {
        // SAFETY: as above.
        Reader::make(|attributes| unsafe { MFCreateSourceReaderFromURL(&HSTRING::from(path), attributes) })
    }

    fn make(make: impl FnOnce(&IMFAttributes) -> windows::core::Result<IMFSourceReader>) -> Result<Reader> {
        let (sender, reads) = unbounded();
        let callback: IMFSourceReaderCallback = Answers(sender).into();
        let mut attributes = None;
        // SAFETY: what is passed lives during the calls. The reader is free-threaded.
        unsafe {
            MFCreateAttributes(&raw mut attributes, 1)?;
            let attributes: IMFAttributes = attributes.ok_or_else(windows::core::Error::empty)?;
            attributes.SetUnknown(&MF_SOURCE_READER_ASYNC_CALLBACK, &callback)?;
            Ok(Reader { reader: Mta::new(make(&attributes)?), reads })
        }
    }

    /// Asks for the next sample of the sound.
    pub(crate) fn ask(&self) -> Result<()> {
        let stream = MF_SOURCE_READER_FIRST_AUDIO_STREAM.0 as u32;
        // SAFETY: in asynchronous mode the four are null.
        Ok(unsafe { self.reader.ReadSample(stream, 0, None, None, None, None) }?)
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Result<Read> {
        Ok(self.reads.next().await.unwrap_or_else(|| Err(windows::core::Error::empty()))?)
    }

    /// The next answer, if it is there.
    pub(crate) fn answered(&mut self) -> Option<Result<Read>> {
        Some(self.reads.try_recv().ok()?.map_err(Into::into))
    }

    /// The whole sound. Each request is answered, also those after the end.
    pub(crate) async fn sound(&mut self, in_flight: usize) -> Result<Vec<u8>> {
        let mut sound = Vec::new();
        for _ in 0..in_flight {
            self.ask()?;
        }
        let (mut open, mut is_over) = (in_flight, false);
        while open > 0 {
            let read = self.answer().await?;
            is_over |= read.is_last();
            sound.extend(read.bytes);
            if is_over {
                open -= 1;
            } else {
                self.ask()?;
            }
        }
        Ok(sound)
    }
}

#[implement(IMFSourceReaderCallback)]
struct Answers(UnboundedSender<windows::core::Result<Read>>);

impl IMFSourceReaderCallback_Impl for Answers_Impl {
    fn OnReadSample(
        &self,
        status: HRESULT,
        _: u32,
        flags: u32,
        time: i64,
        sample: Ref<'_, IMFSample>,
    ) -> windows::core::Result<()> {
        let thread = std::thread::current().id();
        let bytes = || sample.as_ref().map_or(Ok(Vec::new()), copy);
        let read = status.ok().and_then(|()| Ok(Read { flags, time, bytes: bytes()?, thread }));
        // Whoever has asked may be gone.
        let _ = self.0.unbounded_send(read);
        Ok(())
    }

    fn OnFlush(&self, _: u32) -> windows::core::Result<()> {
        Ok(())
    }

    fn OnEvent(&self, _: u32, _: Ref<'_, IMFMediaEvent>) -> windows::core::Result<()> {
        Ok(())
    }
}

fn copy(sample: &IMFSample) -> windows::core::Result<Vec<u8>> {
    // SAFETY: the buffer is locked while its bytes are copied.
    unsafe {
        let buffer = sample.ConvertToContiguousBuffer()?;
        let (mut start, mut length) = (std::ptr::null_mut(), 0);
        buffer.Lock(&raw mut start, None, Some(&raw mut length))?;
        let bytes = std::slice::from_raw_parts(start, length as usize).to_vec();
        buffer.Unlock()?;
        Ok(bytes)
    }
}

/// A media session that plays the sound of a source into a sink of the program's.
pub(crate) struct Playing {
    session: Mta<IMFMediaSession>,
    sink: Mta<IMFActivate>,
    samples: Notifications<SampleGrabberEvent>,
    events: mf_async::EventStream,
}

impl Playing {
    pub(crate) async fn start(source: &IMFMediaSource) -> Result<Playing> {
        let (sink, samples) = grabber()?;
        // SAFETY: what is passed lives during the calls; the session is free-threaded.
        unsafe {
            let session = Mta::new(MFCreateMediaSession(None)?);
            let mut events = com::event_stream(session.cast()?)?;
            session.SetTopology(0, &topology(source, &sink)?)?;
            events.wait_for(MediaEventType::MESessionTopologySet).await?.ok()?;
            session.Start(&GUID::zeroed(), &PROPVARIANT::default())?;
            Ok(Playing { session, sink, samples, events })
        }
    }

    /// The sound, until there are so many bytes of it. Wine's session does not always say that it has ended.
    pub(crate) async fn sound(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut sound = Vec::new();
        while sound.len() < length {
            match self.samples.next().await {
                Some(SampleGrabberEvent::Sample(sample)) => sound.extend(sample.bytes),
                Some(_) => {}
                None => break,
            }
        }
        Ok(sound)
    }

    pub(crate) fn shut_down(&self) -> Result<()> {
        // SAFETY: they need nothing.
        unsafe {
            self.sink.ShutdownObject()?;
            Ok(self.session.Shutdown()?)
        }
    }
}

/// A sink that gives what it gets to a stream, without waiting for the clock.
fn grabber() -> Result<(Mta<IMFActivate>, Notifications<SampleGrabberEvent>)> {
    let (callback, samples) = com::grab_samples();
    // SAFETY: what is passed lives during the calls.
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
    // SAFETY: what is passed lives during the calls.
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
