//! What Media Foundation decodes arrives sample by sample as `ffmpeg` decodes it: of lossless files every bit, of
//! others all but the rounding.

use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use mf_async::Platform;
use mf_async::byte_stream::MemoryByteStream;
use mf_async::com::{SourceReader, StreamIndex, byte_stream_object};
use windows::Win32::Media::MediaFoundation::MF_MT_AUDIO_NUM_CHANNELS;
use windows::core::HSTRING;

use crate::support::*;

/// How far a sample of a lossy file may be off, in the last of its 16 bits: decoders differ by how they round.
const TOLERANCE: i32 = 2;

/// By how many frames decoders may disagree on where the sound of a lossy file begins, and where it ends.
const SHIFT: usize = 1_500;

/// The files beside which lies what `ffmpeg` made of them: `NAME.pcm` for `NAME`, integers as wide as the file's own.
fn files() -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(media("decode")).unwrap() {
        let reference = entry.unwrap().path();
        if reference.extension().is_some_and(|extension| extension == "pcm") {
            files.push((reference.with_extension(""), std::fs::read(reference).unwrap()));
        }
    }
    assert!(files.len() >= 4, "{files:?}");
    files.sort();
    files
}

fn is_lossless(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "wav" || extension == "flac")
}

/// All bytes of the sound, and how many channels it has.
async fn decoded(reader: &SourceReader) -> (Vec<u8>, usize) {
    let kind = reader.media_type(StreamIndex::FIRST_AUDIO).unwrap();
    let channels = unsafe { kind.GetUINT32(&MF_MT_AUDIO_NUM_CHANNELS) }.unwrap() as usize;
    let samples = reader.samples(StreamIndex::FIRST_AUDIO);
    let bytes = samples.try_fold(Vec::new(), async |mut all, sample| {
        all.extend(sample.to_vec()?);
        Ok(all)
    });
    (within(bytes).await.unwrap(), channels)
}

fn check(file: &Path, (bytes, channels): (Vec<u8>, usize), reference: &[u8]) {
    let name = file.display();
    if is_lossless(file) {
        let differs = bytes.iter().zip(reference).position(|(ours, theirs)| ours != theirs);
        assert_eq!(differs, None, "{name}: the first byte that differs");
        assert_eq!(bytes.len(), reference.len(), "{name}");
        println!("{name}: {} bytes, every bit the same", bytes.len());
    } else {
        let (ours, theirs) = (integers(&bytes), integers(reference));
        let (shift, frames, worst) = compare(&ours, &theirs, channels);
        println!("{name}: {frames} frames, moved by {shift}, none off by more than {worst}");
        assert!(worst <= TOLERANCE, "{name}: off by {worst}");
        assert!(frames + SHIFT >= theirs.len() / channels, "{name}: only {frames} frames");
    }
}

fn integers(bytes: &[u8]) -> Vec<i32> {
    bytes.chunks_exact(2).map(|two| i32::from(i16::from_le_bytes([two[0], two[1]]))).collect()
}

/// Moves one over the other to where they are most alike: by how many frames, how many frames they share there, and
/// the greatest difference of any two samples.
fn compare(ours: &[i32], theirs: &[i32], channels: usize) -> (isize, usize, i32) {
    let shifted = |shift: isize| {
        let (skip_ours, skip_theirs) = (shift.max(0) as usize, (-shift).max(0) as usize);
        let (ours, theirs) = (&ours[skip_ours * channels..], &theirs[skip_theirs * channels..]);
        let shared = ours.len().min(theirs.len());
        (&ours[..shared], &theirs[..shared])
    };
    let differences = |(ours, theirs): (&[i32], &[i32])| -> Vec<i32> {
        ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).collect()
    };
    // A piece from where both have sound shows which is which.
    let off = |&shift: &isize| {
        let (ours, theirs) = shifted(shift);
        let piece = 20_000..21_000;
        differences((&ours[piece.clone()], &theirs[piece])).iter().sum::<i32>()
    };
    let best = (-(SHIFT as isize)..=SHIFT as isize).min_by_key(off).unwrap();
    let differences = differences(shifted(best));
    // At either end decoders differ in what they make of a frame that is not complete.
    let edge = SHIFT * channels;
    let worst = differences[edge..differences.len() - edge].iter().max().unwrap();
    (best, differences.len() / channels, *worst)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_decoded_as_ffmpeg_decodes_them() {
    let platform = start();
    for (file, reference) in files() {
        let reader = SourceReader::open(&platform, HSTRING::from(file.as_os_str()));
        let reader = Gently::new(within(reader).await.unwrap());
        as_integers(&reader, &file);
        check(&file, decoded(&reader).await, &reference);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_are_they_from_memory() {
    let platform = start();
    let ours = Platform::startup().unwrap();
    for (file, reference) in files() {
        let stream = MemoryByteStream::new(&ours, std::fs::read(&file).unwrap());
        let reader = SourceReader::from_byte_stream(&platform, byte_stream_object(stream));
        let reader = Gently::new(within(reader).await.unwrap());
        as_integers(&reader, &file);
        check(&file, decoded(&reader).await, &reference);
    }
    within(ours.shutdown()).await.unwrap();
}

/// Compressed sound is to come as integers; uncompressed comes as it is.
fn as_integers(reader: &SourceReader, file: &Path) {
    if file.extension().is_none_or(|extension| extension != "wav") {
        reader.set_media_type(StreamIndex::FIRST_AUDIO, &any_pcm()).unwrap();
    }
}
