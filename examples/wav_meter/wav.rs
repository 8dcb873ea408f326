//! A WAV file taken apart as its bytes arrive: pieces of any size go in, whole frames come out.

use crate::{
    format::WavFormat,
    riff::{CHUNK_HEADER, Chunk, RIFF_HEADER, check_riff, id_at, promised, u32_at, upto},
    wav_error::WavError,
};

/// An incremental reader of RIFF/WAVE files that does no input or output of its own.
///
/// [`push`](Self::push) what was read, then do what [`wants`](Self::wants) says, and [`finish`](Self::finish)
/// when the file ends. No bytes make it panic, and the parser keeps at most one frame (64 KiB) of
/// them: sample data is lent to the caller straight out of the pushed piece, except for a frame that two
/// pieces share.
///
/// ```text
///  Riff ──► ChunkHeader ◄──► Skip              any other chunk
///               │ ▲  └─────► Body              fmt, ds64
///               ▼ └───────────┘ └──► Rewind    the format is behind its audio
///             Data ◄── Rewound ◄───────┘       moved_to
///               └────► Done                    what follows the audio is never looked at
/// ```
pub(crate) struct WavParser {
    state: State,
    /// Offset in the file of the next byte pushed.
    position: u64,
    file_bytes: Option<u64>,
    /// The header or chunk body being gathered.
    head: Vec<u8>,
    /// The chunk being read.
    chunk: Chunk,
    /// A `data` chunk met before the format was known.
    early: Option<Chunk>,
    /// A `data` chunk that says that it is empty. It is, if nothing but chunks follows up to the end that the RIFF
    /// header names; else it lasts until the file ends.
    hollow: Option<Chunk>,
    format: Option<WavFormat>,
    /// What the RIFF header says, unless that is a streaming writer's placeholder.
    riff_end: Option<u64>,
    /// The size of `data` as an RF64 file has it.
    ds64_data: Option<u64>,
    /// The beginning of a frame whose end is still to be pushed.
    frame: Vec<u8>,
}

/// What a push brought to light.
#[derive(Debug)]
pub(crate) enum Part<'a> {
    /// The audio starts: comes once, before any frame, even if there is none.
    Audio {
        /// What the frames mean.
        format: WavFormat,
        /// How many to expect: what the file promises, or has room for if that is less; `None` if neither is
        /// known.
        frames: Option<u64>,
    },
    /// One or more whole frames, interleaved as in the file.
    Frames(&'a [u8]),
}

/// What the parser would like to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// The bytes that follow those pushed.
    Bytes,
    /// Nothing before this offset. Go there and say so ([`WavParser::moved_to`]), or just read and push on.
    Skip(u64),
    /// The file from this offset, which is behind. Go there and say so; for a reader that can't, this is the
    /// end, and `finish` says why.
    Rewind(u64),
    /// No more: the audio is over, or an error was reported.
    Nothing,
}

impl WavParser {
    /// A parser at the beginning of a file, of that many bytes if the length is known.
    pub(crate) fn new(file_bytes: Option<u64>) -> Self {
        Self {
            state: State::Riff,
            position: 0,
            file_bytes,
            head: Vec::with_capacity(WavFormat::CHUNK_BYTES),
            chunk: Chunk { id: *b"RIFF", start: 0, size: None },
            early: None,
            hollow: None,
            format: None,
            riff_end: None,
            ds64_data: None,
            frame: Vec::new(),
        }
    }

    /// Takes the next bytes of the file, as many as there are, and hands what they complete to `sink`.
    ///
    /// An error is final: every later call repeats it.
    pub(crate) fn push(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(Part<'_>)) -> Result<(), WavError> {
        if matches!(self.state, State::Rewind) && !bytes.is_empty() {
            self.state = State::Failed(self.no_way_back());
        }
        while !bytes.is_empty() {
            match self.step(bytes, sink) {
                Ok(used) => {
                    debug_assert!(used > 0, "a step always gets on");
                    bytes = &bytes[used..];
                }
                Err(error) => {
                    self.state = State::Failed(error.clone());
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// What to do before the next push.
    pub(crate) fn wants(&self) -> Wants {
        match &self.state {
            State::Riff | State::ChunkHeader | State::Body | State::Rewound | State::Data => Wants::Bytes,
            State::Skip => self.chunk.next().map_or(Wants::Bytes, |next| Wants::Skip(self.skip_target(next))),
            State::Rewind => Wants::Rewind(self.behind().start),
            State::Done | State::Failed(_) => Wants::Nothing,
        }
    }

    /// The next byte pushed will be the one at `offset`, where [`Wants`] asked to go.
    ///
    /// In a file that ends before the place to skip to, go to its end and say that: `finish` then counts what
    /// is missing.
    pub(crate) fn moved_to(&mut self, offset: u64) {
        match (&self.state, self.chunk.next()) {
            (State::Skip, Some(next)) => {
                self.position = offset.clamp(self.position, next);
                self.skipped();
            }
            (State::Rewind, _) if offset == self.behind().start => {
                self.position = offset;
                self.chunk = self.behind();
                self.state = State::Rewound;
            }
            _ => {}
        }
    }

    /// Offset in the file of the next byte to push.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The byte before the end of a chain is pushed, so that the push tells that it is the end.
    fn skip_target(&self, next: u64) -> u64 {
        match (self.hollow, self.riff_end) {
            (Some(_), Some(riff)) => next.min(riff.saturating_sub(1)).max(self.position),
            _ => next,
        }
    }

    /// The audio that lies behind.
    fn behind(&self) -> Chunk {
        self.early.or(self.hollow).unwrap_or(self.chunk)
    }

    fn no_way_back(&self) -> WavError {
        match (self.hollow, &self.state) {
            (Some(_), State::ChunkHeader) => WavError::NotEmpty { offset: self.position },
            (Some(_), _) => {
                WavError::NotEmpty { offset: self.chunk.start.saturating_sub(CHUNK_HEADER as u64) }
            }
            (None, _) => WavError::DataBeforeFormat,
        }
    }

    /// The file is at its end: was that where the audio ends?
    ///
    /// All whole frames have been handed out by then; after [`WavError::Truncated`] they are still good.
    pub(crate) fn finish(&self) -> Result<(), WavError> {
        let missing =
            if self.early.or(self.hollow).is_some() { WavError::NoFormat } else { WavError::NoData };
        match &self.state {
            State::Riff if self.head.is_empty() => Err(WavError::Empty),
            State::Riff => {
                check_riff(&self.head)?;
                Err(WavError::CutHeader {
                    header: "the RIFF header",
                    present: self.head.len(),
                    of: RIFF_HEADER,
                })
            }
            State::ChunkHeader if self.hollow.is_some() && self.format.is_some() => Err(self.no_way_back()),
            State::ChunkHeader if self.head.is_empty() || self.early.is_some() => Err(missing),
            State::ChunkHeader => Err(WavError::CutHeader {
                header: "a chunk header",
                present: self.head.len(),
                of: CHUNK_HEADER,
            }),
            State::Body | State::Skip | State::Rewound | State::Data => {
                match self.chunk.missing(self.position) {
                    Some(truncated) => Err(truncated),
                    None if matches!(self.state, State::Data) => Ok(()),
                    None => Err(missing),
                }
            }
            State::Rewind => Err(self.no_way_back()),
            State::Done => Ok(()),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// Consumes some of `bytes` (which isn't empty) and says how many.
    fn step(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Part<'_>)) -> Result<usize, WavError> {
        match &self.state {
            State::Riff => self.gather(bytes, RIFF_HEADER, Self::riff_header),
            State::ChunkHeader => self.gather(bytes, CHUNK_HEADER, |parser| parser.chunk_header(sink)),
            State::Body => self.gather(bytes, self.chunk.body_bytes(), |parser| parser.body(sink)),
            State::Skip => {
                let used = upto(self.chunk.next(), self.position, bytes.len());
                self.advance(used);
                self.skipped();
                self.end_of_chain(sink);
                Ok(used)
            }
            State::Rewound => {
                if let Some(format) = self.format {
                    self.audio(format, self.chunk, sink);
                }
                Ok(self.data(bytes, sink))
            }
            State::Data => Ok(self.data(bytes, sink)),
            State::Rewind | State::Done => Ok(bytes.len()),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// Collects `need` bytes in `head` and calls `then` when they are complete.
    fn gather(
        &mut self,
        bytes: &[u8],
        need: usize,
        then: impl FnOnce(&mut Self) -> Result<(), WavError>,
    ) -> Result<usize, WavError> {
        let used = bytes.len().min(need - self.head.len());
        self.head.extend_from_slice(&bytes[..used]);
        self.advance(used);
        if self.head.len() == need {
            then(self)?;
            self.head.clear();
        }
        Ok(used)
    }

    fn riff_header(&mut self) -> Result<(), WavError> {
        check_riff(&self.head)?;
        let form = id_at(&self.head, 8);
        if form != *b"WAVE" {
            return Err(WavError::NotWave { form });
        }
        self.riff_end = promised(u32_at(&self.head, 4)).map(|size| size + 8);
        self.state = State::ChunkHeader;
        Ok(())
    }

    fn chunk_header(&mut self, sink: &mut dyn FnMut(Part<'_>)) -> Result<(), WavError> {
        let size = u32_at(&self.head, 4);
        self.chunk = Chunk { id: id_at(&self.head, 0), start: self.position, size: Some(size.into()) };
        if self.hollow.is_some() && !self.is_in_chain() {
            self.not_empty(sink);
            return Ok(());
        }
        match &self.chunk.id {
            b"fmt " if self.format.is_none() && size == 0 => return WavFormat::parse(&[]).map(drop),
            b"fmt " if self.format.is_none() => self.state = State::Body,
            b"ds64" if self.ds64_data.is_none() && size >= 16 => self.state = State::Body,
            b"data" if size == 0 && self.ds64_data.is_none() && self.riff_goes_on() => {
                let hollow = Chunk { size: None, ..self.chunk };
                self.hollow.get_or_insert(hollow);
                self.skipped();
            }
            b"data" if self.hollow.is_none() => {
                self.chunk.size = self.data_size(size);
                match (self.format, self.chunk.size) {
                    (Some(format), _) => self.audio(format, self.chunk, sink),
                    (None, None) => return Err(WavError::DataBeforeFormat),
                    (None, Some(_)) => {
                        self.early.get_or_insert(self.chunk);
                        self.skipped();
                    }
                }
            }
            _ => self.skipped(),
        }
        self.end_of_chain(sink);
        Ok(())
    }

    /// How long `data` is, or `None` for "until the file ends".
    fn data_size(&self, size: u32) -> Option<u64> {
        // What is there is true, whatever the number looks like.
        let fits = |bytes: u64| self.position + u64::from(size) <= bytes;
        match (self.ds64_data, promised(size)) {
            (Some(long), _) if size == u32::MAX => Some(long),
            (_, None) if size > 0 && self.file_bytes.is_some_and(fits) => Some(size.into()),
            (_, size) => size,
        }
    }

    /// Whether the chunk may be one of those that follow an empty `data`.
    fn is_in_chain(&self) -> bool {
        self.chunk.has_name() && self.riff_end.zip(self.chunk.end()).is_some_and(|(riff, end)| end <= riff)
    }

    /// What follows a `data` chunk that says it is empty is no chunk: it is the audio.
    fn not_empty(&mut self, sink: &mut dyn FnMut(Part<'_>)) {
        match (self.hollow, self.format) {
            (Some(hollow), Some(format)) if self.chunk.start == hollow.start + CHUNK_HEADER as u64 => {
                // Nothing was passed over yet: the bytes of the header are the first of the audio.
                let first = std::mem::take(&mut self.head);
                self.position = hollow.start;
                self.chunk = hollow;
                self.audio(format, hollow, sink);
                self.data(&first, sink);
            }
            (Some(_), Some(_)) => self.state = State::Rewind,
            _ => self.state = State::Failed(WavError::DataBeforeFormat),
        }
    }

    /// The chunks behind an empty `data` have come to where the RIFF header says the file ends: it is empty.
    fn end_of_chain(&mut self, sink: &mut dyn FnMut(Part<'_>)) {
        // The last chunk may lack its pad byte.
        let is_over = matches!(self.state, State::ChunkHeader | State::Skip)
            && self.riff_end.is_some_and(|riff| self.position >= riff);
        if let (true, Some(hollow), Some(format)) = (is_over, self.hollow, self.format) {
            self.audio(format, Chunk { size: Some(0), ..hollow }, sink);
        }
    }

    fn riff_goes_on(&self) -> bool {
        let believable = self.riff_end.filter(|&end| self.file_bytes.is_none_or(|bytes| end <= bytes));
        believable.is_some_and(|end| end > self.position)
    }

    fn body(&mut self, sink: &mut dyn FnMut(Part<'_>)) -> Result<(), WavError> {
        if self.chunk.id == *b"ds64" {
            // The size of the whole file first, then that of `data`.
            let size = u64::from(u32_at(&self.head, 8)) | u64::from(u32_at(&self.head, 12)) << 32;
            self.ds64_data = Some(size).filter(|size| !matches!(*size, 0 | u64::MAX));
        } else {
            self.format = Some(WavFormat::parse(&self.head)?);
            if self.early.is_some() {
                self.state = State::Rewind;
                return Ok(());
            }
        }
        self.skipped();
        self.end_of_chain(sink);
        Ok(())
    }

    /// Announces the audio in `chunk`.
    fn audio(&mut self, format: WavFormat, chunk: Chunk, sink: &mut dyn FnMut(Part<'_>)) {
        let room = self.file_bytes.map(|bytes| bytes.saturating_sub(chunk.start));
        let bytes = [chunk.size, room].into_iter().flatten().min();
        let frames = bytes.map(|bytes| bytes / format.frame_bytes() as u64);
        self.state = if chunk.size == Some(0) { State::Done } else { State::Data };
        sink(Part::Audio { format, frames });
    }

    /// Goes on after `position` moved inside a chunk that holds no audio.
    fn skipped(&mut self) {
        let over = self.chunk.next().is_some_and(|next| self.position >= next);
        self.state = if over { State::ChunkHeader } else { State::Skip };
    }

    fn advance(&mut self, used: usize) {
        // A hostile size can send a reader to the far end of 64 bits.
        self.position = self.position.saturating_add(used as u64);
    }

    fn data(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Part<'_>)) -> usize {
        let used = upto(self.chunk.end(), self.position, bytes.len());
        let frame_bytes = self.format.map_or(1, |format| format.frame_bytes());
        let mut bytes = &bytes[..used];
        if !self.frame.is_empty() {
            let (rest, others) = bytes.split_at(bytes.len().min(frame_bytes - self.frame.len()));
            self.frame.extend_from_slice(rest);
            bytes = others;
            if self.frame.len() == frame_bytes {
                sink(Part::Frames(&self.frame));
                self.frame.clear();
            }
        }
        let (whole, rest) = bytes.split_at(bytes.len() / frame_bytes * frame_bytes);
        if !whole.is_empty() {
            sink(Part::Frames(whole));
        }
        self.frame.extend_from_slice(rest);

        self.advance(used);
        if self.chunk.end().is_some_and(|end| self.position >= end) {
            self.state = State::Done;
        }
        used
    }
}

enum State {
    /// Gathering `RIFF`, size, `WAVE`.
    Riff,
    /// Gathering a chunk's name and size.
    ChunkHeader,
    /// Gathering as much of `fmt ` or `ds64` as matters.
    Body,
    /// Passing over a chunk, or over the rest of one.
    Skip,
    /// Back at the audio.
    Rewound,
    /// Handing out frames.
    Data,
    /// The format is known, and the audio lies behind.
    Rewind,
    /// The audio is over.
    Done,
    /// Of no further use.
    Failed(WavError),
}
