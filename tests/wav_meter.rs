//! What the example `wav_meter` promises about files, whatever they hold: the same samples however they
//! arrive, one clear line for what is wrong, and figures that `sox FILE -n stats` has too. And about what it shows: plain
//! lines in a pipe; on a terminal a live meter, with colours where the terminal has them and `NO_COLOR` does not refuse them.

#![allow(dead_code, reason = "the modules belong to the example; not all of each is tested")]

#[path = "../examples/wav_meter/bars.rs"]
mod bars;
#[path = "../examples/wav_meter/format.rs"]
mod format;
#[path = "../examples/wav_meter/level.rs"]
mod level;
#[path = "../examples/wav_meter/live.rs"]
mod live;
#[path = "../examples/wav_meter/meter.rs"]
mod meter;
#[path = "../examples/wav_meter/riff.rs"]
mod riff;
#[path = "../examples/wav_meter/samples.rs"]
mod samples;
#[path = "../examples/wav_meter/screen.rs"]
mod screen;
#[path = "../examples/wav_meter/source.rs"]
mod source;
#[path = "../examples/wav_meter/summary.rs"]
mod summary;
#[path = "../examples/wav_meter/tone.rs"]
mod tone;
#[path = "../examples/wav_meter/wav.rs"]
mod wav;
#[path = "../examples/wav_meter/wav_error.rs"]
mod wav_error;

use std::sync::Arc;
use std::time::Duration;

use bars::Bars;
use format::{Encoding, WavFormat};
use live::Live;
use meter::Meter;
use mf_async::byte_stream::MemoryByteStream;
use mf_async::{ByteStream, ByteStreamExt, EventStream, MediaEventType, Platform};
use source::WavSource;
use wav::{Part, Wants, WavParser};
use wav_error::WavError;

// Every encoding

#[test]
fn integers_of_every_width_reach_from_minus_one_to_nearly_one() {
    assert_eq!(decoded(PCM, 8, &[0x00, 0x80, 0xC0, 0xFF]), [-1.0, 0.0, 0.5, 127.0 / 128.0]);
    assert_eq!(decoded(PCM, 16, &[0x00, 0x80, 0x00, 0x40, 0xFF, 0x7F]), [-1.0, 0.5, 32767.0 / 32768.0]);
    assert_eq!(decoded(PCM, 24, &[0, 0, 0x80, 0, 0, 0x40, 1, 0, 0]), [-1.0, 0.5, 1.0 / 8_388_608.0]);
    assert_eq!(decoded(PCM, 32, &[0, 0, 0, 0x80, 0, 0, 0, 0xC0, 0, 0, 0, 0]), [-1.0, -0.5, 0.0]);
}

#[test]
fn floats_keep_what_is_above_full_scale_and_lose_what_is_no_number() {
    let bytes: Vec<u8> =
        [0.25, -2.0, f32::NAN, f32::INFINITY].into_iter().flat_map(f32::to_le_bytes).collect();
    assert_eq!(decoded(FLOAT, 32, &bytes), [0.25, -2.0, 0.0, f32::MAX]);
    let bytes: Vec<u8> = [0.25, 1e300, f64::NAN].into_iter().flat_map(f64::to_le_bytes).collect();
    assert_eq!(decoded(FLOAT, 64, &bytes), [0.25, f32::MAX, 0.0]);
}

#[test]
fn extensible_formats_name_their_codec_by_guid_and_their_valid_bits() {
    // 12 valid bits of 16: the lowest four are noise.
    let file = File::new().chunk(b"fmt ", &extensible(PCM, 16, 12, MEDIA)).chunk(b"data", &[0x1F, 0x40]);
    let read = read(&file.bytes);
    assert_eq!(read.format.map(|format| (format.bits, format.sample_bytes)), Some((12, 2)));
    assert_eq!(read.samples, [f32::from(0x4010_i16) / 32768.0]);

    for (guid, tag, bits, encoding) in [
        (MEDIA, PCM, 24, Encoding::Integer),
        (MEDIA, FLOAT, 32, Encoding::Float),
        (AMBISONIC, FLOAT, 32, Encoding::Float),
    ] {
        let format = WavFormat::parse(&extensible(tag, bits, bits, guid)).expect("a known codec");
        assert_eq!((format.encoding, u16::from(format.bits)), (encoding, bits));
    }
    // Writers that leave the valid bits out mean all of them, and more than all is all.
    assert_eq!(WavFormat::parse(&extensible(PCM, 24, 0, MEDIA)).map(|format| format.bits), Ok(24));
    assert_eq!(WavFormat::parse(&extensible(PCM, 24, 99, MEDIA)).map(|format| format.bits), Ok(24));
}

#[test]
fn samples_may_lie_in_more_bytes_than_they_need() {
    let mut chunk = fmt(PCM, 1, 24);
    chunk[12] = 4;
    let file = File::new().chunk(b"fmt ", &chunk).chunk(b"data", &[0xFF, 0, 0, 0x40]);
    assert_eq!(read(&file.bytes).samples, [0.5]);
}

#[test]
fn a_wrong_block_align_does_not_matter_where_the_bits_say_it_all() {
    for (tag, bits) in [(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)] {
        let right = 2 * bits / 8;
        for wrong in [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 255, u16::MAX] {
            // 24 bits in 4 bytes each are a format of their own.
            let frame = if bits == 24 && wrong == 8 { 8 } else { right };
            let mut chunk = fmt(tag, 2, bits);
            chunk[12..14].copy_from_slice(&wrong.to_le_bytes());
            let format = WavFormat::parse(&chunk).unwrap_or_else(|error| panic!("{bits} {wrong}: {error}"));
            assert_eq!(format.frame_bytes(), usize::from(frame), "{bits} bits, {wrong}");
        }
    }
    // Two channels, of which one is silent, are not one at half the speed.
    let mut chunk = fmt(PCM, 2, 16);
    chunk[12] = 8;
    let file = File::new().chunk(b"fmt ", &chunk).chunk(b"data", &[0, 0, 0, 0x40, 0, 0, 0, 0x40]);
    assert_eq!(read(&file.bytes).samples, [0.0, 0.5, 0.0, 0.5]);
}

#[test]
fn a_block_align_that_decides_and_is_wrong_is_named() {
    let parse = |bits: u16, block_align: u16| {
        let mut chunk = fmt(PCM, 2, bits);
        chunk[12..14].copy_from_slice(&block_align.to_le_bytes());
        WavFormat::parse(&chunk)
    };
    for (bits, block_align, bytes) in [(12, 4, 2), (12, 8, 4), (20, 6, 3), (20, 8, 4)] {
        assert_eq!(parse(bits, block_align).unwrap().sample_bytes, bytes);
    }
    for (bits, block_align, right) in [(12, 0, 4), (12, 2, 4), (12, 5, 4), (20, 4, 6), (20, 10, 6)] {
        let line = parse(bits, block_align).unwrap_err().to_string();
        let expected = format!(
            "bad fmt chunk: the block align is {block_align} bytes, and should be {right} for 2 channels of {bits} bits"
        );
        assert_eq!(line, expected);
    }
}

// Chunks, wherever and however long

#[test]
fn chunks_before_between_and_behind_do_not_matter_even_if_odd() {
    let file = File::new()
        .chunk(b"JUNK", b"odd")
        .chunk(b"fmt ", &fmt(PCM, 2, 16))
        .chunk(b"LIST", b"INFOx")
        .chunk(b"data", &[1, 0, 2, 0])
        .chunk(b"id3 ", b"whatever");
    let read = read(&file.bytes);
    assert_eq!(read.outcome, Ok(()));
    assert_eq!(read.samples, [1.0 / 32768.0, 2.0 / 32768.0]);
}

#[test]
fn audio_before_its_format_needs_a_reader_that_can_go_back() {
    let file = File::new().chunk(b"data", &[7, 0, 9]).chunk(b"fmt ", &fmt(PCM, 1, 8)).chunk(b"tail", b"tail");
    for size in 1..file.bytes.len() {
        let read = read_seeking(&file.bytes, size);
        assert_eq!((read.outcome, read.samples.len(), read.frames), (Ok(()), 3, Some(3)));
    }
    // To any other it is an error, and no audio is announced.
    let read = read(&file.bytes);
    assert_eq!((read.outcome, read.format), (Err(WavError::DataBeforeFormat), None));
}

#[test]
fn a_reader_may_seek_over_what_holds_no_audio_but_need_not() {
    let file =
        File::new().chunk(b"JUNK", &[0; 1001]).chunk(b"fmt ", &fmt(PCM, 1, 8)).chunk(b"data", &[1, 2, 3]);
    let mut parser = WavParser::new(None);
    assert_eq!(parser.push(&file.bytes[..20], &mut |_| ()), Ok(()));
    assert_eq!(parser.wants(), Wants::Skip(20 + 1002));
    assert_eq!(read_seeking(&file.bytes, 20).samples, read(&file.bytes).samples);
}

#[test]
fn sizes_left_open_mean_until_the_file_ends() {
    for (riff, data) in [(0, 0), (u32::MAX, u32::MAX), (36, 0), (u32::MAX, 0), (0x7FFF_F024, 0x7FFF_F000)] {
        let file = File::new().chunk(b"fmt ", &fmt(PCM, 2, 16)).chunk(b"data", &[1, 0, 2, 0, 3, 0]);
        let read = read(&file.size_at(4, riff).size_at(40, data).bytes);
        assert_eq!((read.outcome, read.samples.len(), read.frames), (Ok(()), 2, None), "{riff:#x} {data:#x}");
    }
}

#[test]
fn any_size_about_the_largest_means_until_the_file_ends() {
    for limit in [1_u64 << 31, 1 << 32] {
        for less in [1, 8, 36, 44, 100, 0x1000] {
            let size = (limit - less) as u32;
            let file = File::new().chunk(b"fmt ", &fmt(PCM, 2, 16)).chunk(b"data", &[1, 0, 2, 0, 3, 0, 4, 0]);
            let file = file.size_at(4, size).size_at(40, size);
            let read = read(&file.bytes);
            assert_eq!((read.outcome, read.samples.len(), read.frames), (Ok(()), 4, None), "{size:#x}");
            let read = read_seeking(&file.bytes, 11);
            assert_eq!((read.outcome, read.samples.len()), (Ok(()), 4), "{size:#x}");
        }
    }
    // In a file that is that long it is a size like any other.
    let file = File::new().chunk(b"fmt ", &fmt(PCM, 2, 16)).chunk(b"data", &[0; 4]).size_at(40, 0x7FFF_FFF0);
    let mut expected = None;
    let mut sink = |part: Part<'_>| {
        if let Part::Audio { frames, .. } = part {
            expected = frames;
        }
    };
    WavParser::new(Some(1 << 32)).push(&file.bytes, &mut sink).unwrap();
    assert_eq!(expected, Some(0x7FFF_FFF0 / 4));
}

#[test]
fn an_empty_data_chunk_is_empty_if_chunks_follow_to_the_end() {
    let empty = File::new().chunk(b"fmt ", &fmt(PCM, 1, 16)).chunk(b"data", b"");
    let without_pad = {
        let mut file = File { bytes: empty.bytes.clone() }.chunk(b"LIST", b"INFOx");
        file.bytes.pop();
        let riff = file.bytes.len() as u32 - 8;
        file.size_at(4, riff)
    };
    for file in [
        File { bytes: empty.bytes.clone() }.chunk(b"LIST", b"INFO"),
        File { bytes: empty.bytes.clone() }.chunk(b"LIST", b"INFO").chunk(b"none", b""),
        File { bytes: empty.bytes.clone() }.chunk(b"LIST", &[7; 1001]).chunk(b"odd ", b"odd"),
        File::new().chunk(b"data", b"").chunk(b"LIST", b"INFO").chunk(b"fmt ", &fmt(PCM, 1, 16)),
        without_pad,
    ] {
        for read in [1, 7, 64, 4096]
            .map(|size| read_seeking(&file.bytes, size))
            .into_iter()
            .chain([read(&file.bytes)])
        {
            assert_eq!((read.outcome, read.samples.len(), read.frames), (Ok(()), 0, Some(0)));
        }
    }
}

#[test]
fn an_empty_data_chunk_is_not_empty_if_audio_follows() {
    let samples: Vec<u8> = (0..4000_u32).flat_map(|number| (number * 7919).to_le_bytes()).collect();
    let file = File::new().chunk(b"fmt ", &fmt(PCM, 2, 16)).chunk(b"data", &samples).size_at(40, 0);
    for size in [1, 7, 64, 4096] {
        let read = read_seeking(&file.bytes, size);
        assert_eq!((read.outcome, read.samples.len()), (Ok(()), 8000), "pieces of {size}");
        assert_eq!(read_pieces(&file.bytes, file.bytes.chunks(size)).samples, read.samples);
    }
    // Audio may look like a chunk for a while; only who can go back reads it then.
    for looks in [b"LIST\x04\0\0\0INFO".as_slice(), b"LIST\xA0\x0F\0\0", b"abcd\0\0\0\0abcd\0\0\0\0"] {
        let mut file = File { bytes: file.bytes.clone() };
        file.bytes[44..44 + looks.len()].copy_from_slice(looks);
        for size in [1, 7, 64, 4096] {
            let read = read_seeking(&file.bytes, size);
            assert_eq!((read.outcome, read.samples.len()), (Ok(()), 8000), "pieces of {size}");
        }
        let read = read(&file.bytes);
        assert_eq!((read.samples.len(), read.format), (0, None));
        let line = read.outcome.unwrap_err().to_string();
        assert!(line.starts_with("the data chunk says that it is empty, and there is no chunk at"), "{line}");
    }
}

#[test]
fn what_is_no_chunk_is_not_printed_as_one() {
    let file = File::new().chunk(b"fmt ", &fmt(PCM, 2, 16)).chunk(b"\xe0\x82\xe7p", b"1234");
    let file = file.size_at(40, 0x1234_5678);
    for read in [read(&file.bytes), read_seeking(&file.bytes, 7)] {
        let line = read.outcome.unwrap_err().to_string();
        assert_eq!(line, "truncated or damaged: there is no chunk at offset 36");
    }
}

#[test]
fn rf64_has_the_size_of_its_data_in_ds64() {
    let long: u64 = 5 << 32;
    let ds64: Vec<u8> = [long + 100, long, 0].into_iter().flat_map(u64::to_le_bytes).chain([0; 4]).collect();
    let mut file = File::new().chunk(b"ds64", &ds64).chunk(b"fmt ", &fmt(PCM, 1, 16)).chunk(b"data", &[1, 0]);
    file.bytes[..4].copy_from_slice(b"RF64");
    let at = file.bytes.len() - 6;
    let read = read(&file.size_at(4, u32::MAX).size_at(at, u32::MAX).bytes);
    assert_eq!((read.samples.len(), read.frames), (1, Some(long / 2)));
    assert_eq!(read.outcome, Err(WavError::Truncated { chunk: *b"data", promised: long, present: 2 }));
}

#[test]
fn the_room_in_the_file_limits_how_many_frames_to_expect() {
    let file = File::new().chunk(b"fmt ", &fmt(PCM, 2, 16)).chunk(b"data", &[0; 40]).size_at(40, u32::MAX);
    let mut expected = None;
    let mut parser = WavParser::new(Some(file.bytes.len() as u64));
    let mut sink = |part: Part<'_>| {
        if let Part::Audio { frames, .. } = part {
            expected = frames;
        }
    };
    assert_eq!(parser.push(&file.bytes, &mut sink), Ok(()));
    assert_eq!(expected, Some(10));
}

// Pieces

#[test]
fn pieces_of_any_size_give_the_same_samples() {
    let audio: Vec<u8> = (0..6 * 3 * 20).map(|byte| (byte * 37) as u8).collect();
    let file = File::new()
        .chunk(b"bext", b"odd")
        .chunk(b"fmt ", &extensible_channels(PCM, 24, 24, MEDIA, 6))
        .chunk(b"fact", &[0; 4])
        .chunk(b"data", &audio);
    let whole = read(&file.bytes);
    assert_eq!((&whole.outcome, whole.samples.len()), (&Ok(()), 120));
    for size in 1..file.bytes.len() {
        assert_eq!(read_pieces(&file.bytes, file.bytes.chunks(size)), whole, "pieces of {size}");
        let (a, b) = file.bytes.split_at(size);
        assert_eq!(read_pieces(&file.bytes, [a, b]), whole, "split at {size}");
    }
}

#[test]
fn a_file_cut_anywhere_tells_and_keeps_the_frames_it_has() {
    // Ten frames and a half: the half is never handed out.
    let file = File::new().chunk(b"JUNK", b"odd").chunk(b"fmt ", &fmt(PCM, 2, 16)).chunk(b"data", &[1; 42]);
    let audio = file.bytes.len() - 42;
    for end in 0..file.bytes.len() {
        let read = read(&file.bytes[..end]);
        let line = read.outcome.expect_err("it was cut").to_string();
        // 23: only the pad byte is missing.
        let between_chunks = [12, 23, 24, 48].contains(&end);
        let kind = if end == 0 {
            "empty"
        } else if between_chunks {
            "no data chunk"
        } else {
            "truncated"
        };
        assert!(line.starts_with(kind), "cut at {end}: {line}");
        assert_eq!(read.samples.len(), end.saturating_sub(audio) / 4 * 2, "cut at {end}");
    }
    assert_eq!(read(&file.bytes).outcome, Ok(()));
}

/// What a source says of a file that is `before` bytes long when it is opened, and `after` when it is read.
async fn read_while_it_changes(file: &[u8], before: usize, after: usize) -> Result<usize, String> {
    let platform = Platform::startup().unwrap();
    let stream = MemoryByteStream::new(&platform, file[..before].to_vec());
    let source = WavSource::new(&platform, Arc::new(stream.clone())).unwrap();
    stream.set_length(after as u64).unwrap();
    stream.set_position(0).unwrap();
    stream.write_all(file[..after].to_vec()).await.unwrap();
    stream.set_position(0).unwrap();
    let mut events = EventStream::lossless(&source).unwrap();
    let mut samples = 0;
    let outcome = loop {
        source.request_sample();
        let event = events.next().await.unwrap().unwrap();
        match event.event_type() {
            MediaEventType::MEMediaSample => samples += event.value().as_object::<Vec<f32>>().unwrap().len(),
            MediaEventType::MEEndOfStream => break Ok(samples),
            MediaEventType::MEError => break Err(event.value().as_str().unwrap().to_owned()),
            _ => {}
        }
    };
    drop((events, source));
    platform.shutdown().await.unwrap();
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_grows_or_shrinks_is_read_as_it_is() {
    let audio: Vec<u8> = (0..200_000_u32).map(|byte| (byte * 37) as u8).collect();
    let file = File::new()
        .chunk(b"JUNK", &[7; 1001])
        .chunk(b"fmt ", &fmt(PCM, 2, 16))
        .chunk(b"LIST", &[7; 100_000])
        .chunk(b"data", &audio);
    let whole = file.bytes.len();
    let changes = async {
        for before in [0, 12, 19, 500, 1021, 1022, 50_000, 101_000, 150_000, whole - 1] {
            let read = read_while_it_changes(&file.bytes, before, whole).await;
            assert_eq!(read, Ok(100_000), "{before} bytes at first");
            let line = read_while_it_changes(&file.bytes, whole, before).await.unwrap_err();
            let cut = ["empty", "no data chunk", "truncated"].iter().any(|kind| line.starts_with(kind));
            assert!(cut, "{before} bytes at last: {line}");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), changes).await.expect("it ends");
}

// Files that are something else, or mean harm

#[test]
fn whatever_is_wrong_is_said_in_one_line() {
    let riff = |form: &[u8; 4]| [b"RIFF\x10\0\0\0", &form[..], b"LIST"].concat();
    let codec = |chunk: &[u8]| File::new().chunk(b"fmt ", chunk).bytes;
    let cases: [(Vec<u8>, &str); 13] = [
        (vec![], "empty file"),
        (b"ID3\x03rest of a song".to_vec(), r#"not a WAV file: it starts with "ID3\x03", not "RIFF""#),
        (b"\n".to_vec(), r#"not a WAV file: it starts with "\n", not "RIFF""#),
        (riff(b"AVI "), r#"not a WAV file: it is RIFF of the form "AVI ", not "WAVE""#),
        (b"RIFF\0\0".to_vec(), "truncated: the file ends 6 bytes into the 12 of the RIFF header"),
        (codec(&fmt(0x0055, 2, 0)), "unsupported codec 0x0055 (MP3): only PCM and float are read"),
        (codec(&fmt(0x7777, 2, 0)), "unsupported codec 0x7777: only PCM and float are read"),
        (
            codec(&extensible(PCM, 16, 16, *b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E")),
            "unsupported codec {02010001-0403-0605-0708-090A0B0C0D0E}: only PCM and float are read",
        ),
        (codec(&fmt(FLOAT, 1, 16)), "bad fmt chunk: float samples of 16 bits"),
        (codec(&fmt(PCM, 0, 16)), "bad fmt chunk: 0 channels at 48000 Hz"),
        (codec(b"short"), "bad fmt chunk: 5 bytes instead of 16 or more"),
        (File::new().bytes, "no data chunk: the file holds no audio"),
        (File::new().chunk(b"data", b"x").bytes, "no fmt chunk: the samples can't be interpreted"),
    ];
    for (bytes, line) in cases {
        assert_eq!(read(&bytes).outcome.map_err(|error| error.to_string()), Err(line.to_owned()));
    }
}

#[test]
fn hostile_sizes_cost_nothing() {
    let huge = File::new().chunk(b"fmt ", &fmt(PCM, 1, 16)).size_at(16, u32::MAX - 1);
    let outcome = read(&huge.bytes).outcome.expect_err("4 GiB of format");
    assert!(
        outcome.to_string().starts_with("truncated: the fmt chunk promises 4294967294 bytes"),
        "{outcome}"
    );

    let ds64 = [[0xFF; 8], [0xFE; 8], [0xFF; 8]].concat();
    let file = File::new().chunk(b"ds64", &ds64).chunk(b"fmt ", &fmt(PCM, 1, 16)).chunk(b"data", &[1; 8]);
    let at = file.bytes.len() - 12;
    let read = read(&file.size_at(at, u32::MAX).bytes);
    assert_eq!((read.samples.len(), read.frames), (4, Some(0xFEFE_FEFE_FEFE_FEFE / 2)));

    // As many channels as a frame has room for, and a meter for them.
    let format = WavFormat::parse(&fmt(PCM, u16::MAX, 8)).expect("legal");
    let mut meter = Meter::new(format, Some(u64::MAX), Bars::ascii());
    meter.push(&vec![0.5; 65_535], &mut |_| ());
    let mut lines = Vec::new();
    let summary = meter.finish(&mut |line| lines.push(line.to_owned()));
    assert!(lines.iter().all(|line| line.len() <= 90), "{lines:?}");
    assert!(summary.to_string().lines().count() < 50);
}

#[test]
fn no_single_byte_can_make_it_panic() {
    let file = File::new()
        .chunk(b"fmt ", &extensible(PCM, 16, 16, MEDIA))
        .chunk(b"odd ", b"odd")
        .chunk(b"data", &[1, 2, 3, 4, 5, 6]);
    for at in 0..file.bytes.len() {
        for value in 0..=u8::MAX {
            let mut bytes = file.bytes.clone();
            bytes[at] = value;
            let read = read_seeking(&bytes, 11);
            assert!(read.samples.len() <= bytes.len());
            if let Err(error) = read.outcome {
                assert!(error.to_string().lines().count() == 1);
            }
        }
    }
}

// The meter

#[test]
fn levels_are_what_sox_says() {
    let format = WavFormat::parse(&fmt(PCM, 2, 16)).expect("legal");
    let mut meter = Meter::new(format, None, Bars::ascii());
    for frame in 0..48_000 {
        let sine = (f64::from(frame) * std::f64::consts::TAU / 100.0).sin() as f32;
        meter.push(&[0.5 * sine, -0.5], &mut |_| ());
    }
    let summary = meter.finish(&mut |_| ());
    // -9.03 and -6.02 dB: the mean of the powers is -7.27 dB, and a constant (DC) counts.
    assert_eq!(
        summary.machine_line(),
        "wav: channels=2 rate=48000 bits=16 frames=48000 peak_dbfs=-6.02 rms_dbfs=-7.27"
    );
    assert!(summary.to_string().contains("left     peak   -6.02 dBFS  RMS   -9.03 dBFS"), "{summary}");
    assert!(summary.to_string().contains("duration   0:01.00 (48000 frames)"), "{summary}");
}

#[test]
fn silence_and_nothing_are_minus_infinity() {
    let format = WavFormat::parse(&fmt(PCM, 1, 16)).expect("legal");
    for frames in [0, 1] {
        let mut meter = Meter::new(format, None, Bars::ascii());
        meter.push(&vec![0.0; frames], &mut |_| ());
        let line = meter.finish(&mut |_| ()).machine_line();
        assert!(line.ends_with(&format!("frames={frames} peak_dbfs=-inf rms_dbfs=-inf")), "{line}");
    }
}

#[test]
fn a_line_per_slice_and_never_many() {
    let format = WavFormat { rate: 4, ..WavFormat::parse(&fmt(PCM, 1, 16)).expect("legal") };
    let lines = |frames: usize, expected: Option<u64>| {
        let mut lines = Vec::new();
        let mut meter = Meter::new(format, expected, Bars::ascii());
        vec![0.001; frames]
            .chunks(7)
            .for_each(|samples| meter.push(samples, &mut |line| lines.push(line.to_owned())));
        meter.finish(&mut |line| lines.push(line.to_owned()));
        lines
    };
    // A slice is one frame here, and the heading a line.
    assert_eq!(lines(5, Some(5)).len(), 6);
    assert_eq!(lines(60, Some(60)).len(), 61);
    assert_eq!(lines(61, Some(61)).len(), 32);
    assert_eq!(lines(25, None).len(), 26);
    assert!(lines(1_000_000, None).len() < 200);
    // The file was longer than it said.
    assert!(lines(1_000_000, Some(1)).len() < 250);
    assert_eq!(lines(0, None).len(), 0);

    let drawn = lines(2, Some(2));
    let key = "mono: # RMS, - peak, -60 to 0 dBFS";
    assert_eq!(drawn[0], format!("      time  {key:<60}  peak"));
    assert_eq!(drawn[2], format!("   0:00.25  {} -60.0", ".".repeat(60)));
}

// The terminal

/// Ten frames a second: `seconds` of a constant in the left channel, silence in the right.
fn play(live: &mut Live, seconds: f64, left: f32) {
    for _ in 0..(seconds * 10.0) as usize {
        live.push(&[left, 0.0]);
    }
}

fn stereo() -> WavFormat {
    WavFormat { rate: 10, ..WavFormat::parse(&fmt(PCM, 2, 16)).expect("legal") }
}

#[test]
fn the_live_meter_has_labelled_columns_and_says_how_far_it_is() {
    let mut live = Live::new(stereo(), Some(40), Bars::blocks(60, false));
    assert_eq!(live.samples_per_picture(), 2);
    play(&mut live, 1.0, 0.5);
    let picture = live.picture();
    assert_eq!(picture[0], format!("  level  {:<33}   RMS  peak  hold", "-60 to 0 dBFS"));
    assert_eq!(picture[1], format!("  left   {}{}  -6.0  -6.0  -6.0", "█".repeat(30), " ".repeat(3)));
    assert_eq!(picture[2], format!("  right  {}  -inf  -inf  -inf", " ".repeat(33)));
    assert_eq!(picture[3], format!("  read   {}{}  25 %  0:01.00", "█".repeat(8), "░".repeat(25)));
    assert!(picture.iter().all(|line| line.chars().count() <= 60), "{picture:#?}");
}

#[test]
fn a_peak_is_held_and_then_falls() {
    let mut live = Live::new(stereo(), None, Bars::blocks(60, false));
    let hold = |live: &Live| live.picture()[1].split_whitespace().next_back().map(str::to_owned).unwrap();
    play(&mut live, 0.1, 1.0);
    play(&mut live, 1.5, 0.001);
    assert_eq!(hold(&live), "0.0");
    // The mark of the held peak is the last of the bar.
    assert!(live.picture()[1].contains("│ "), "{:?}", live.picture());
    play(&mut live, 1.0, 0.001);
    assert_eq!(hold(&live), "-20.0");
    play(&mut live, 60.0, 0.001);
    assert_eq!(hold(&live), "-60.0");
    // Without a length there is no bar for the progress.
    assert_eq!(live.picture().last().map(String::as_str), Some("  read   1:02.60"));
}

#[test]
fn colours_are_for_terminals_that_have_them() {
    let bars = |terminal, variables: &[(&str, &str)]| {
        Bars::choose(terminal, |name| {
            variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        })
    };
    assert_eq!(bars(true, &[("TERM", "xterm"), ("COLUMNS", "100")]), Bars::blocks(100, true));
    assert_eq!(bars(true, &[("TERM", "xterm"), ("NO_COLOR", "1")]), Bars::blocks(80, false));
    assert_eq!(bars(true, &[("TERM", "xterm"), ("NO_COLOR", "")]), Bars::blocks(80, true));
    assert_eq!(bars(true, &[("TERM", "dumb")]), Bars::ascii());
    assert_eq!(bars(false, &[("TERM", "xterm")]), Bars::ascii());

    let mut loud = level::Level::default();
    loud.add([1.0].iter());
    let (plain, coloured) = (Bars::blocks(80, false), Bars::blocks(80, true));
    assert_eq!(plain.bar(&loud, None, 10), "█".repeat(10));
    assert_eq!(
        coloured.bar(&loud, None, 10),
        format!("\x1b[32m{}\x1b[33m{}\x1b[31m█\x1b[0m", "█".repeat(7), "█".repeat(2))
    );
}

#[test]
fn a_new_picture_takes_the_place_of_the_old() {
    let picture = ["one".to_owned(), "two".to_owned()];
    assert_eq!(screen::repaint(0, &picture), "one\ntwo\n");
    assert_eq!(screen::repaint(2, &picture), "\x1b[2A\x1b[Jone\ntwo\n");
    assert_eq!(screen::repaint(2, &[]), "\x1b[2A\x1b[J");
}

#[test]
fn the_tone_is_a_file_like_any_other() {
    let file = tone::ToneFile::create().expect("a temporary file");
    let path = file.path().to_owned();
    let bytes = std::fs::read(&path).expect("it was written");
    let read = read(&bytes);
    assert_eq!((read.outcome, read.samples.len(), read.frames), (Ok(()), 288_000, Some(144_000)));
    assert!(read.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs())) > 0.999);
    drop(file);
    assert!(!path.exists());
}

// Help

#[derive(Debug, PartialEq)]
struct Read {
    format: Option<WavFormat>,
    frames: Option<u64>,
    samples: Vec<f32>,
    outcome: Result<(), WavError>,
}

impl Read {
    fn nothing() -> Self {
        Self { format: None, frames: None, samples: Vec::new(), outcome: Ok(()) }
    }

    fn take(&mut self, part: Part<'_>) {
        match (part, self.format) {
            (Part::Audio { format, frames }, None) => (self.format, self.frames) = (Some(format), frames),
            (Part::Frames(bytes), Some(format)) => {
                assert!(!bytes.is_empty() && bytes.len() % format.frame_bytes() == 0);
                samples::decode(&format, bytes, &mut self.samples);
            }
            (part, format) => panic!("{part:?} after {format:?}"),
        }
    }
}

/// In one piece, by a reader that never seeks.
fn read(file: &[u8]) -> Read {
    read_pieces(file, [file])
}

fn read_pieces<'a>(file: &[u8], pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut parser = WavParser::new(None);
    let mut read = Read::nothing();
    let mut pushed = 0;
    for piece in pieces {
        pushed += piece.len();
        if let Err(error) = parser.push(piece, &mut |part| read.take(part)) {
            assert_eq!((parser.finish(), parser.wants()), (Err(error), Wants::Nothing));
            break;
        }
    }
    assert!(pushed <= file.len());
    Read { outcome: parser.finish(), ..read }
}

/// In pieces of `size` bytes, by a reader that goes wherever the parser wants.
fn read_seeking(file: &[u8], size: usize) -> Read {
    let mut parser = WavParser::new(None);
    let mut read = Read::nothing();
    let mut offset = 0;
    loop {
        match parser.wants() {
            Wants::Bytes => {}
            Wants::Skip(to) | Wants::Rewind(to) => {
                offset = file.len().min(usize::try_from(to).unwrap_or(usize::MAX));
                parser.moved_to(offset as u64);
            }
            Wants::Nothing => break,
        }
        let piece = &file[offset..file.len().min(offset + size)];
        if piece.is_empty() || parser.push(piece, &mut |part| read.take(part)).is_err() {
            break;
        }
        offset += piece.len();
    }
    Read { outcome: parser.finish(), ..read }
}

fn decoded(tag: u16, bits: u16, audio: &[u8]) -> Vec<f32> {
    let read = read(&File::new().chunk(b"fmt ", &fmt(tag, 1, bits)).chunk(b"data", audio).bytes);
    assert_eq!(read.outcome, Ok(()));
    read.samples
}

/// A WAV file under construction.
struct File {
    bytes: Vec<u8>,
}

impl File {
    fn new() -> Self {
        Self { bytes: b"RIFF\x04\0\0\0WAVE".to_vec() }
    }

    fn chunk(mut self, id: &[u8; 4], body: &[u8]) -> Self {
        self.bytes.extend_from_slice(id);
        self.bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(2), 0);
        let riff = self.bytes.len() as u32 - 8;
        self.size_at(4, riff)
    }

    fn size_at(mut self, at: usize, size: u32) -> Self {
        self.bytes[at..at + 4].copy_from_slice(&size.to_le_bytes());
        self
    }
}

fn fmt(tag: u16, channels: u16, bits: u16) -> Vec<u8> {
    let frame_bytes = u32::from(channels) * u32::from(bits.div_ceil(8));
    let mut chunk = Vec::new();
    chunk.extend_from_slice(&tag.to_le_bytes());
    chunk.extend_from_slice(&channels.to_le_bytes());
    chunk.extend_from_slice(&48_000_u32.to_le_bytes());
    chunk.extend_from_slice(&48_000_u32.wrapping_mul(frame_bytes).to_le_bytes());
    chunk.extend_from_slice(&(frame_bytes as u16).to_le_bytes());
    chunk.extend_from_slice(&bits.to_le_bytes());
    chunk
}

fn extensible(tag: u16, bits: u16, valid: u16, guid_tail: [u8; 14]) -> Vec<u8> {
    extensible_channels(tag, bits, valid, guid_tail, 1)
}

fn extensible_channels(tag: u16, bits: u16, valid: u16, guid_tail: [u8; 14], channels: u16) -> Vec<u8> {
    let mut chunk = fmt(0xFFFE, channels, bits);
    chunk.extend_from_slice(&22_u16.to_le_bytes());
    chunk.extend_from_slice(&valid.to_le_bytes());
    chunk.extend_from_slice(&[0; 4]); // no loudspeakers named
    chunk.extend_from_slice(&tag.to_le_bytes());
    chunk.extend_from_slice(&guid_tail);
    chunk
}

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const MEDIA: [u8; 14] = *b"\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71";
const AMBISONIC: [u8; 14] = *b"\0\0\x21\x07\xD3\x11\x86\x44\xC8\xC1\xCA\0\0\0";
