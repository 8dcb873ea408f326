//! A small media source in Media Foundation's manner: it reads a WAV file through a byte stream, a sample per
//! request, and reports what it finds by media events.

use std::sync::Arc;

use mf_async::byte_stream::ByteStreamCapabilities;
use mf_async::event::{HasEventQueue, MediaEventValue};
use mf_async::{
    ByteStream, ByteStreamExt, Hresult, MediaEvent, MediaEventQueue, MediaEventType, Platform, QueueId,
    WorkQueue,
};
use tokio::sync::Mutex;

use crate::{
    format::WavFormat,
    samples,
    wav::{Part, Wants, WavParser},
};

/// A source of the samples in one WAV file.
///
/// It posts `MEStreamStarted`, whose value is a [`Started`], before the first sample; `MEMediaSample`, whose value is
/// a `Vec<f32>` of interleaved samples, once per request; and at last `MEEndOfStream`, or `MEError` with the reason
/// in words. Since it reads only when it is asked, a file of any size passes through the same few buffers.
pub(crate) struct WavSource {
    events: MediaEventQueue,
    queue: WorkQueue,
    reader: Mutex<Reader>,
}

/// What the audio is, and how many frames to expect if that is known.
#[derive(Clone, Copy)]
pub(crate) struct Started {
    pub(crate) format: WavFormat,
    pub(crate) frames: Option<u64>,
}

impl WavSource {
    /// A source on an open file.
    pub(crate) fn new(platform: &Platform, stream: Arc<dyn ByteStream>) -> mf_async::Result<Arc<WavSource>> {
        let seekable = stream.capabilities().contains(ByteStreamCapabilities::SEEKABLE);
        let length = if seekable { stream.length()? } else { None };
        Ok(Arc::new(WavSource {
            events: platform.create_event_queue()?,
            queue: platform.queue(QueueId::MULTITHREADED)?,
            reader: Mutex::new(Reader {
                stream: stream.clone(),
                seekable,
                parser: WavParser::new(length),
                format: None,
                buffer: vec![0; PIECE],
                ended: false,
            }),
        }))
    }

    /// Asks for the next sample, which will come as an event. Requests are served one after the other.
    pub(crate) fn request_sample(self: &Arc<Self>) {
        let source = self.clone();
        let served = self.queue.spawn(async move {
            let mut reader = source.reader.lock().await;
            for event in reader.serve().await {
                // A queue that is shut down has no listener.
                let _ = source.events.queue_event(event);
            }
        });
        served.detach();
    }
}

impl HasEventQueue for WavSource {
    fn event_queue(&self) -> &MediaEventQueue {
        &self.events
    }
}

/// What a request works with; one request has it at a time.
struct Reader {
    stream: Arc<dyn ByteStream>,
    seekable: bool,
    parser: WavParser,
    format: Option<WavFormat>,
    buffer: Vec<u8>,
    ended: bool,
}

impl Reader {
    /// Reads on until there is something to report.
    async fn serve(&mut self) -> Vec<MediaEvent> {
        let mut events = Vec::new();
        while !self.ended && events.is_empty() {
            if let Err(reason) = self.read_on(&mut events).await {
                self.ended = true;
                let failed = MediaEvent::new(MediaEventType::MEError).with_status(Hresult::E_FAIL);
                events.push(failed.with_value(MediaEventValue::String(reason.into())));
            }
        }
        events
    }

    async fn read_on(&mut self, events: &mut Vec<MediaEvent>) -> Result<(), String> {
        if let Some(to) = self.target() {
            self.stream.set_position(to).map_err(|error| error.to_string())?;
            self.parser.moved_to(to);
        }
        let over = matches!(self.parser.wants(), Wants::Nothing);
        let piece = match over {
            true => Vec::new(),
            false => {
                let buffer = std::mem::take(&mut self.buffer);
                self.stream.read(buffer).await.map_err(|error| error.to_string())?
            }
        };
        if piece.is_empty() {
            self.parser.finish().map_err(|error| error.to_string())?;
            self.ended = true;
            events.push(MediaEvent::new(MediaEventType::MEEndOfStream));
            return Ok(());
        }
        let mut samples = Vec::new();
        let format = &mut self.format;
        let pushed = self.parser.push(&piece, &mut |part| match part {
            Part::Audio { format: found, frames } => {
                *format = Some(found);
                let started = MediaEventValue::object(Started { format: found, frames });
                events.push(MediaEvent::new(MediaEventType::MEStreamStarted).with_value(started));
            }
            Part::Frames(bytes) => {
                if let Some(format) = format {
                    samples::decode(format, bytes, &mut samples);
                }
            }
        });
        if !samples.is_empty() {
            events.push(
                MediaEvent::new(MediaEventType::MEMediaSample).with_value(MediaEventValue::object(samples)),
            );
        }
        self.buffer = piece;
        self.buffer.resize(PIECE, 0);
        pushed.map_err(|error| error.to_string())
    }

    /// Where the parser would like to go, if the file lets us.
    fn target(&self) -> Option<u64> {
        match self.parser.wants() {
            _ if !self.seekable => None,
            Wants::Skip(to) => {
                // As long as it is now: a file may grow or be cut while it is read. Never back.
                let length = self.stream.length().ok().flatten()?;
                Some(to.min(length)).filter(|to| *to > self.parser.position())
            }
            Wants::Rewind(to) => Some(to),
            Wants::Bytes | Wants::Nothing => None,
        }
    }
}

/// How many bytes are read at a time.
const PIECE: usize = 1 << 16;
