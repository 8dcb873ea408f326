//! Why a file could not be read as WAV, each reason in one line that a person can act upon.

use std::fmt;

/// What is wrong with a WAV file.
///
/// `Display` is one line without a full stop, for any bytes in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WavError {
    /// There is not one byte.
    Empty,
    /// The file starts with these bytes (the first `len` of them), not with `RIFF`.
    NotRiff { start: [u8; 4], len: usize },
    /// A RIFF file of another form, `AVI ` for one.
    NotWave { form: [u8; 4] },
    /// The `fmt ` chunk contradicts itself; the text says how.
    BadFormat(String),
    /// The samples are compressed; the format tag says by what.
    Codec { tag: u16 },
    /// An extensible format whose sub-format is no registered tag.
    SubFormat { guid: [u8; 16] },
    /// The file ends inside one of its headers.
    CutHeader { header: &'static str, present: usize, of: usize },
    /// The file ends inside a chunk.
    Truncated { chunk: [u8; 4], promised: u64, present: u64 },
    /// There should be a chunk at this offset, and what is there has no name and does not fit.
    NoChunk { offset: u64 },
    /// Audio that says it is empty, followed by what is no chunk, from a reader that can't go back.
    NotEmpty { offset: u64 },
    /// Audio, and nothing that says what it means.
    NoFormat,
    /// No audio.
    NoData,
    /// Audio first and its format afterwards, from a reader that can't go back.
    DataBeforeFormat,
}

impl std::error::Error for WavError {}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "empty file"),
            Self::NotRiff { start, len } => {
                let start = start[..(*len).min(4)].escape_ascii();
                write!(f, "not a WAV file: it starts with \"{start}\", not \"RIFF\"")
            }
            Self::NotWave { form } => {
                let form = form.escape_ascii();
                write!(f, "not a WAV file: it is RIFF of the form \"{form}\", not \"WAVE\"")
            }
            Self::BadFormat(what) => write!(f, "bad fmt chunk: {what}"),
            Self::Codec { tag } => {
                write!(f, "unsupported codec 0x{tag:04X}{}: only PCM and float are read", CodecName(*tag))
            }
            Self::SubFormat { guid } => {
                write!(f, "unsupported codec {}: only PCM and float are read", Guid(guid))
            }
            Self::CutHeader { header, present, of } => {
                write!(f, "truncated: the file ends {present} bytes into the {of} of {header}")
            }
            Self::Truncated { chunk, promised, present } => {
                let chunk = chunk.trim_ascii_end().escape_ascii();
                write!(f, "truncated: the {chunk} chunk promises {promised} bytes, {present} are there")
            }
            Self::NoChunk { offset } => {
                write!(f, "truncated or damaged: there is no chunk at offset {offset}")
            }
            Self::NotEmpty { offset } => {
                write!(
                    f,
                    "the data chunk says that it is empty, and there is no chunk at offset {offset}: a single pass can't read it"
                )
            }
            Self::NoFormat => write!(f, "no fmt chunk: the samples can't be interpreted"),
            Self::NoData => write!(f, "no data chunk: the file holds no audio"),
            Self::DataBeforeFormat => {
                write!(f, "the data chunk comes before the fmt chunk: a single pass can't read it")
            }
        }
    }
}

/// ` (MP3)`, or nothing for a tag that is not in use.
struct CodecName(u16);

impl fmt::Display for CodecName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0x0002 => "Microsoft ADPCM",
            0x0006 => "A-law",
            0x0007 => "mu-law",
            0x0011 => "IMA ADPCM",
            0x0031 => "GSM 6.10",
            0x0050 => "MPEG audio",
            0x0055 => "MP3",
            0x0092 | 0x2000 => "AC-3",
            0x00FF | 0x1600 | 0x1610 => "AAC",
            0x0160..=0x0163 => "Windows Media Audio",
            0x2001 => "DTS",
            0x674F..=0x6751 | 0x676F..=0x6771 => "Vorbis",
            0xF1AC => "FLAC",
            _ => return Ok(()),
        };
        write!(f, " ({name})")
    }
}

/// A GUID as the registry writes it.
struct Guid<'a>(&'a [u8; 16]);

impl fmt::Display for Guid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{")?;
        // The first three fields are little-endian numbers, the rest are plain bytes.
        for (place, index) in [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].into_iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                write!(f, "-")?;
            }
            write!(f, "{:02X}", self.0[index])?;
        }
        write!(f, "}}")
    }
}
