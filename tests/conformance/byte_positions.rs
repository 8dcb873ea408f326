//! Byte streams over files: the position, seeking, the end, and the length.

use crate::byte_streams::{CURRENT, File, READ, READ_WRITE, text};
use crate::case::Family;
use crate::facts::{code, value};
use crate::subject::Streams;

pub(crate) fn cases<S: Streams>() -> Family<S> {
    let mut positions = Family::<S>::new("byte_positions");
    positions.case(
        "set_position",
        "IMFByteStream::SetCurrentPosition: from the start of the stream",
        "S_OK 7 \"789\"",
        |mf| {
            let file = File::open(mf, READ);
            let moved = code(&mf.set_position(&file.stream, 7));
            format!("{moved} {} {}", file.position(), file.read(100))
        },
    );
    positions.case(
        "set_position_past_the_end",
        "observed: the position of a file stream may exceed its length",
        "S_OK 100 true \"\"",
        |mf| {
            let file = File::open(mf, READ);
            let moved = code(&mf.set_position(&file.stream, 100));
            let end = value(&mf.is_end(&file.stream));
            format!("{moved} {} {end} {}", file.position(), text(mf.read(&file.stream, 4)))
        },
    );
    positions.case(
        "end_of_stream",
        "IMFByteStream::IsEndOfStream: when the position has reached the end; observed at the length",
        "false false true",
        |mf| {
            let file = File::open(mf, READ);
            let start = value(&mf.is_end(&file.stream));
            let _ = mf.set_position(&file.stream, 9);
            let before = value(&mf.is_end(&file.stream));
            let _ = mf.set_position(&file.stream, 10);
            format!("{start} {before} {}", value(&mf.is_end(&file.stream)))
        },
    );
    positions.case(
        "seek_from_the_start",
        "IMFByteStream::Seek: from the start, and gives the new position",
        "6 6",
        |mf| {
            let file = File::open(mf, READ);
            format!("{} {}", value(&mf.seek(&file.stream, 0, 6, 0)), file.position())
        },
    );
    positions.case(
        "seek_from_the_position",
        "IMFByteStream::Seek: from the position, forwards and backwards",
        "6 4 4",
        |mf| {
            let file = File::open(mf, READ);
            let _ = mf.set_position(&file.stream, 4);
            let forwards = value(&mf.seek(&file.stream, CURRENT, 2, 0));
            format!("{forwards} {} {}", value(&mf.seek(&file.stream, CURRENT, -2, 0)), file.position())
        },
    );
    positions.case(
        "seek_past_the_end",
        "IMFByteStream::Seek: as SetCurrentPosition, past the end of a file stream",
        "100 100",
        |mf| {
            let file = File::open(mf, READ);
            format!("{} {}", value(&mf.seek(&file.stream, 0, 100, 0)), file.position())
        },
    );
    positions.case(
        "seek_before_the_start",
        "IMFByteStream::Seek: there is nothing before the start",
        "E_INVALIDARG 4",
        |mf| {
            let file = File::open(mf, READ);
            let _ = mf.set_position(&file.stream, 4);
            format!("{} {}", value(&mf.seek(&file.stream, CURRENT, -5, 0)), file.position())
        },
    );
    positions.case(
        "set_length",
        "IMFByteStream::SetLength: shorter and longer; the position stays",
        "S_OK 4 S_OK 6 8, 0123..",
        |mf| {
            let file = File::open(mf, READ_WRITE);
            let _ = mf.set_position(&file.stream, 8);
            let shorter = code(&mf.set_length(&file.stream, 4));
            let short = value(&mf.length(&file.stream));
            let longer = code(&mf.set_length(&file.stream, 6));
            let long = value(&mf.length(&file.stream));
            format!("{shorter} {short} {longer} {long} {}, {}", file.position(), file.content())
        },
    );
    positions.case(
        "set_length_of_what_is_only_readable",
        "IMFByteStream::SetLength: what was not opened for writing does not change",
        "E_ACCESSDENIED, 0123456789",
        |mf| {
            let file = File::open(mf, READ);
            let set = code(&mf.set_length(&file.stream, 4));
            format!("{set}, {}", file.content())
        },
    );
    positions
}
