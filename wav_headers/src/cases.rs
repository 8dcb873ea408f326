//! The recordings: every format, every field wrong in turn, sizes at every limit, chunks in every order, cut everywhere.

use crate::figures::Figures;
use crate::wav::{FLOAT, Format, PCM, Wav};

/// A recording.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// It says enough to be read from a file.
    pub(crate) readable: bool,
    /// It lasts until the file ends, so that what was read of a growing one may be a part.
    pub(crate) is_open: bool,
    /// What was put in, if it is of a kind that neither sox nor ffmpeg reads.
    pub(crate) made: Option<Figures>,
}

pub(crate) fn all() -> Vec<Case> {
    let mut all = Vec::new();
    let mut add = |name: String, wav: &Wav, kind: Kind| {
        all.push(Case {
            name,
            bytes: wav.bytes.clone(),
            readable: !matches!(kind, Kind::Doubtful),
            is_open: !matches!(kind, Kind::Closed),
            made: match kind {
                Kind::Known(format) => Some(format.figures(FRAMES)),
                _ => None,
            },
        });
    };
    formats(&mut add);
    fields(&mut add);
    sizes(&mut add);
    hollow(&mut add);
    orders(&mut add);
    cuts(&mut add);
    all
}

/// What may be expected of a recording.
#[derive(Clone, Copy)]
enum Kind {
    /// It can be read, and says where it ends.
    Closed,
    /// It can be read, and lasts until the file ends.
    Open,
    /// It can be read, but not by sox and ffmpeg. These samples were put in.
    Known(Format),
    /// It may be refused.
    Doubtful,
}

type Add<'a> = &'a mut dyn FnMut(String, &Wav, Kind);

fn plain(format: Format) -> Wav {
    Wav::new().chunk(b"fmt ", &format.fmt()).chunk(b"data", &format.audio(FRAMES))
}

fn formats(add: Add<'_>) {
    for channels in [1, 2, 3, 6] {
        for (tag, bits) in [(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)] {
            let format = Format::new(tag, channels, bits);
            add(format!("format-{tag}-{bits}-{channels}"), &plain(format), Kind::Closed);
            let extensible = Wav::new().chunk(b"fmt ", &format.extensible(bits));
            let extensible = extensible.chunk(b"data", &format.audio(FRAMES));
            add(format!("extensible-{tag}-{bits}-{channels}"), &extensible, Kind::Closed);
        }
    }
    // Bits that do not fill their bytes.
    for (bits, sample_bytes) in [(12, 2), (12, 3), (12, 4), (20, 3), (20, 4), (24, 4), (28, 4)] {
        let format = Format { sample_bytes, ..Format::new(PCM, 2, bits) };
        add(format!("loose-{bits}-{sample_bytes}"), &plain(format), Kind::Known(format));
    }
    let bits = Format { sample_bytes: 1, ..Format::new(PCM, 2, 4) };
    add("loose-4-1".to_owned(), &plain(bits), Kind::Doubtful);
}

/// Every field of the headers, with every value that someone may have written there.
fn fields(add: Add<'_>) {
    for format in [Format::new(PCM, 2, 16), Format::new(PCM, 1, 24), Format::new(FLOAT, 2, 32)] {
        let name = format!("{}-{}-{}", format.tag, format.bits, format.channels);
        let wav = plain(format);
        for (field, at) in [("tag", 20), ("channels", 22), ("align", 32), ("bits", 34)] {
            for value in [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 64, 255, 0x8000, 0xFFFE, u16::MAX] {
                // A block align that is wrong says nothing that the bits do not say.
                let kind = match field {
                    // 24 bits in 4 bytes, and 12 in 3, are formats of their own.
                    "align" if format.bits == 24 && value == 4 => continue,
                    "bits" if format.bits == 24 && value == 12 => continue,
                    "align" => Kind::Closed,
                    _ => Kind::Doubtful,
                };
                add(format!("{name}-{field}-{value}"), &wav.clone().with_u16(at, value), kind);
            }
        }
        for (field, at) in [("rate", 24), ("byte-rate", 28)] {
            for value in [0, 1, 8000, 0x7FFF_FFFF, 0x8000_0000, u32::MAX] {
                let kind = if field == "byte-rate" { Kind::Closed } else { Kind::Doubtful };
                add(format!("{name}-{field}-{value}"), &wav.clone().with_u32(at, value), kind);
            }
        }
        for size in [0, 1, 14, 15, 17, 18, 40, 0x7FFF_FFFF, u32::MAX] {
            add(format!("{name}-fmt-size-{size}"), &wav.clone().with_u32(16, size), Kind::Doubtful);
        }
    }
}

/// The sizes of the whole and of the audio, at every limit.
fn sizes(add: Add<'_>) {
    let wav = plain(Format::new(PCM, 2, 16)).chunk(b"LIST", b"INFO");
    let bare = plain(Format::new(PCM, 2, 16));
    let audio = bare.bytes.len() as u32 - 44;
    for below in [1_u64 << 31, 1 << 32] {
        for less in [0, 1, 8, 36, 44, 100, 0x1000] {
            let size = (below - less).min(u64::from(u32::MAX)) as u32;
            let open = bare.clone().with_u32(40, size);
            add(format!("data-size-{size:x}"), &open, Kind::Open);
            add(format!("both-sizes-{size:x}"), &open.with_u32(4, size), Kind::Open);
            add(format!("riff-size-{size:x}"), &wav.clone().with_u32(4, size), Kind::Closed);
        }
    }
    for size in [0, 1, 3, 4, 5, 36, 44, audio - 4, audio - 1, audio + 1, audio + 36, audio * 2] {
        add(format!("data-size-{size}"), &bare.clone().with_u32(40, size), Kind::Doubtful);
        add(format!("riff-size-{size}"), &bare.clone().with_u32(4, size), Kind::Closed);
    }
    // RF64: the sizes are in a chunk of their own.
    for data in [u64::from(audio), 0, u64::from(audio) - 4, u64::from(audio) * 2, 5 << 32, u64::MAX] {
        let sizes: Vec<u8> =
            [data.saturating_add(72), data, 0].into_iter().flat_map(u64::to_le_bytes).chain([0; 4]).collect();
        let format = Format::new(PCM, 2, 16);
        let mut wav = Wav::new().chunk(b"ds64", &sizes).chunk(b"fmt ", &format.fmt());
        let at = wav.bytes.len() + 4;
        wav = wav.chunk(b"data", &format.audio(FRAMES)).with_u32(4, u32::MAX).with_u32(at, u32::MAX);
        wav.bytes[..4].copy_from_slice(b"RF64");
        let kind = match data {
            // A writer that never came back; sox and ffmpeg read nothing.
            0 => Kind::Known(format),
            _ if data == u64::from(audio) => Kind::Closed,
            _ => Kind::Doubtful,
        };
        add(format!("rf64-{data:x}"), &wav, kind);
    }
}

/// Audio whose chunk says that it is empty, and chunks behind an empty one.
fn hollow(add: Add<'_>) {
    let format = Format::new(PCM, 2, 16);
    let wav = plain(format).with_u32(40, 0);
    add("hollow".to_owned(), &wav, Kind::Doubtful);
    for riff in [0, 36, u32::MAX] {
        add(format!("hollow-riff-{riff:x}"), &wav.clone().with_u32(4, riff), Kind::Open);
    }
    for (number, looks) in [b"LIST\x04\0\0\0INFO".as_slice(), b"abcd\0\0\0\0abcd\0\0\0\0"].iter().enumerate()
    {
        let mut wav = wav.clone();
        wav.bytes[44..44 + looks.len()].copy_from_slice(looks);
        add(format!("hollow-looks-{number}"), &wav, Kind::Doubtful);
    }
    let empty = Wav::new().chunk(b"fmt ", &format.fmt()).chunk(b"data", b"");
    add("empty".to_owned(), &empty, Kind::Doubtful);
    add("empty-list".to_owned(), &empty.chunk(b"LIST", b"INFO"), Kind::Doubtful);
}

/// The chunks of a recording in every order.
fn orders(add: Add<'_>) {
    let format = Format::new(PCM, 2, 16);
    let chunks: [(&[u8; 4], Vec<u8>); 4] = [
        (b"fmt ", format.fmt()),
        (b"data", format.audio(FRAMES)),
        (b"LIST", b"INFOx".to_vec()),
        (b"JUNK", vec![7; 1001]),
    ];
    for order in 0..256_usize {
        let order: Vec<usize> = (0..4).map(|place| order >> (2 * place) & 3).collect();
        if (0..4).any(|chunk| !order.contains(&chunk)) {
            continue;
        }
        let wav = order.iter().fold(Wav::new(), |wav, chunk| wav.chunk(chunks[*chunk].0, &chunks[*chunk].1));
        let behind = order.iter().position(|chunk| *chunk == 0) > order.iter().position(|chunk| *chunk == 1);
        // What comes before its format is read by few.
        let kind = if behind { Kind::Doubtful } else { Kind::Closed };
        add(format!("order-{order:?}").replace(['[', ']', ',', ' '], ""), &wav, kind);
    }
    let twice = plain(format).chunk(b"data", &format.audio(10));
    add("two-data".to_owned(), &twice, Kind::Doubtful);
    let names = Wav::new().chunk(b"\0\x01\xFE\xFF", &[1; 6]).chunk(b"fmt ", &format.fmt());
    add("no-name".to_owned(), &names.chunk(b"data", &format.audio(FRAMES)), Kind::Doubtful);
}

/// A recording that breaks off, anywhere in its headers and at the ends of its audio.
fn cuts(add: Add<'_>) {
    let format = Format::new(PCM, 2, 16);
    let wav = Wav::new().chunk(b"JUNK", b"odd").chunk(b"fmt ", &format.fmt());
    let wav = wav.chunk(b"data", &format.audio(FRAMES)).chunk(b"LIST", b"INFO");
    let whole = wav.bytes.len();
    for end in (0..64).chain([whole - 13, whole - 12, whole - 11, whole - 4, whole - 1]) {
        add(format!("cut-{end}"), &Wav { bytes: wav.bytes[..end].to_vec() }, Kind::Doubtful);
    }
    add("junk-behind".to_owned(), &Wav { bytes: [wav.bytes, vec![9; 100]].concat() }, Kind::Closed);
}

const FRAMES: usize = 500;
