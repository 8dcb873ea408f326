//! The WAV parser of the example: whatever the bytes, and in whatever pieces they come, it does not panic, says
//! the same, and hands out the same frames.

#![no_main]
#![allow(dead_code, reason = "the modules belong to the example; not all of each is used")]

#[path = "../../examples/wav_meter/format.rs"]
mod format;
#[path = "../../examples/wav_meter/riff.rs"]
mod riff;
#[path = "../../examples/wav_meter/wav.rs"]
mod wav;
#[path = "../../examples/wav_meter/wav_error.rs"]
mod wav_error;

use libfuzzer_sys::fuzz_target;

use wav::{Part, Wants, WavParser};

fuzz_target!(|bytes: &[u8]| {
    // A byte says whether the length is known, and how many bytes of piece sizes go before the file.
    let Some((shape, rest)) = bytes.split_first() else { return };
    let Some((sizes, file)) = rest.split_at_checked(usize::from(shape >> 1 & 7)) else { return };
    let length = (shape & 1 == 1).then_some(file.len() as u64);
    let whole = read(length, file, &[]);
    let pieces = read(length, file, sizes);
    assert_eq!(whole, pieces);
});

/// What is found in a file that is pushed in pieces of these sizes, or whole.
fn read(length: Option<u64>, file: &[u8], sizes: &[u8]) -> (String, Vec<u8>, String) {
    let mut parser = WavParser::new(length);
    let (mut at, mut step) = (0, 0);
    let (mut audio, mut frames) = (String::new(), Vec::new());
    let mut frame_bytes = 0;
    let outcome = loop {
        match parser.wants() {
            Wants::Nothing => break parser.finish(),
            Wants::Bytes => {}
            // A place behind the end is the end.
            Wants::Skip(to) => {
                at = usize::try_from(to).unwrap_or(usize::MAX).min(file.len());
                parser.moved_to(at as u64);
            }
            Wants::Rewind(to) => {
                let to_there = usize::try_from(to).expect("it was there before");
                assert!(to_there <= at);
                at = to_there;
                parser.moved_to(to);
            }
        }
        if at == file.len() {
            break parser.finish();
        }
        let size = if sizes.is_empty() { file.len() } else { usize::from(sizes[step % sizes.len()]) + 1 };
        let end = file.len().min(at.saturating_add(size));
        step += 1;
        let pushed = parser.push(&file[at..end], &mut |part| match part {
            Part::Audio { format, frames } => {
                assert!(audio.is_empty(), "the audio starts twice");
                frame_bytes = format.frame_bytes();
                audio = format!("{format:?} {frames:?}");
            }
            Part::Frames(bytes) => {
                assert!(!audio.is_empty() && !bytes.is_empty() && bytes.len() % frame_bytes == 0);
                frames.extend_from_slice(bytes);
            }
        });
        at = end;
        if let Err(error) = pushed {
            break Err(error);
        }
    };
    (audio, frames, format!("{outcome:?}"))
}
