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
            self.state = State::Failed(WavError::DataBeforeFormat);
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
            State::Skip => self.chunk.next().map_or(Wants::Bytes, Wants::Skip),
            State::Rewind => Wants::Rewind(self.early.unwrap_or(self.chunk).start),
            State::Done | State::Failed(_) => Wants::Nothing,
        }
    }

    /// The next byte pushed will be the one at `offset`, where [`Wants`] asked to go.
    ///
    /// In a file that ends before the place to skip to, go to its end and say that: `finish` then counts what
    /// is missing.
    pub(crate) fn moved_to(&mut self, offset: u64) {
        match (&self.state, self.chunk.next(), self.early) {
            (State::Skip, Some(next), _) => {
                self.position = offset.clamp(self.position, next);
                self.skipped();
            }
            (State::Rewind, _, Some(early)) if offset == early.start => {
                self.position = offset;
                self.chunk = early;
                self.state = State::Rewound;
            }
            _ => {}
        }
    }

    /// The file is at its end: was that where the audio ends?
    ///
    /// All whole frames have been handed out by then; after [`WavError::Truncated`] they are still good.
    pub(crate) fn finish(&self) -> Result<(), WavError> {
        let missing = if self.early.is_some() { WavError::NoFormat } else { WavError::NoData };
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
            State::Rewind => Err(WavError::DataBeforeFormat),
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
        match &self.chunk.id {
            b"fmt " if self.format.is_none() && size == 0 => return WavFormat::parse(&[]).map(drop),
            b"fmt " if self.format.is_none() => self.state = State::Body,
            b"ds64" if self.ds64_data.is_none() && size >= 16 => self.state = State::Body,
            b"data" => {
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
        Ok(())
    }

    /// How long `data` is, or `None` for "until the file ends".
    fn data_size(&self, size: u32) -> Option<u64> {
        match (self.ds64_data, promised(size)) {
            (Some(long), _) if size == u32::MAX => Some(long),
            // Truly empty if the RIFF header knows of chunks behind it; else a writer that never came back to
            // fill it in.
            (_, None) if size == 0 && self.riff_goes_on() => Some(0),
            (_, size) => size,
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
            let format = WavFormat::parse(&self.head)?;
            self.format = Some(format);
            match self.early {
                None => {}
                Some(early) if early.size == Some(0) => {
                    self.audio(format, early, sink);
                    return Ok(());
                }
                Some(_) => {
                    self.state = State::Rewind;
                    return Ok(());
                }
            }
        }
        self.skipped();
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
