//! Byte streams over files: what they can, reading and writing, several at a time, closing.

use mf_async::Hresult;
use tempfile::TempDir;

use crate::case::Family;
use crate::facts::{Log, MULTITHREADED, Occupied, STANDARD, Slot, code, life, name, tells, value};
use crate::subject::{Answer, Buffer, Streams, on};

pub(crate) const READ: u32 = 1;
const WRITE: u32 = 2;
pub(crate) const READ_WRITE: u32 = 3;
const FAIL_IF_NOT_EXIST: u32 = 0;
pub(crate) const CURRENT: u32 = 1;
const CANCEL_PENDING_IO: u32 = 1;

/// A file with the digits from 0 to 9, open; its folder is removed when this is dropped.
pub(crate) struct File<S: Streams> {
    mf: S,
    pub(crate) stream: S::Stream,
    path: String,
    _folder: TempDir,
}

impl<S: Streams> File<S> {
    pub(crate) fn open(mf: &S, access: u32) -> File<S> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("digits.bin").to_string_lossy().into_owned();
        std::fs::write(&path, b"0123456789").expect("the folder can be written to");
        let stream = mf.create_file(access, FAIL_IF_NOT_EXIST, 0, &path);
        let stream = stream.unwrap_or_else(|code| panic!("the file cannot be opened: {}", name(code)));
        File { mf: mf.clone(), stream, path, _folder: folder }
    }

    /// Begins a read and waits for its end: what was read, or the code.
    pub(crate) fn read(&self, count: usize) -> String {
        let (callback, slot) = leaves(&self.mf);
        let buffer = S::Buffer::holding(&vec![0; count]);
        if let Err(code) = self.mf.begin_read(&self.stream, &buffer, &callback, None) {
            return format!("begin {}", name(code));
        }
        let Some(result) = slot.take() else { return "not called".to_owned() };
        let read = self.mf.end_read(&self.stream, &result, &buffer);
        text(read.map(|count| buffer.bytes(count)))
    }

    /// Begins a write and waits for its end: how much was written, or the code.
    fn write(&self, bytes: &[u8]) -> String {
        let (callback, slot) = leaves(&self.mf);
        let buffer = S::Buffer::holding(bytes);
        if let Err(code) = self.mf.begin_write(&self.stream, &buffer, &callback, None) {
            return format!("begin {}", name(code));
        }
        let Some(result) = slot.take() else { return "not called".to_owned() };
        value(&self.mf.end_write(&self.stream, &result))
    }

    pub(crate) fn position(&self) -> String {
        value(&self.mf.position(&self.stream))
    }

    /// What is in the file, once it is closed.
    pub(crate) fn content(&self) -> String {
        let _ = self.mf.close(&self.stream);
        let content = std::fs::read(&self.path).expect("the file is there");
        String::from_utf8_lossy(&content).replace('\0', ".")
    }
}

fn leaves<S: Streams>(mf: &S) -> (S::Callback, Slot<S::Result>) {
    let slot = Slot::new();
    let left = slot.clone();
    (mf.callback(on(MULTITHREADED), move |result| left.set(result.clone())), slot)
}

/// Bytes as text, in quotes; or the code.
pub(crate) fn text(bytes: Answer<Vec<u8>>) -> String {
    bytes.map_or_else(name, |bytes| format!("\"{}\"", String::from_utf8_lossy(&bytes)))
}

pub(crate) fn cases<S: Streams>() -> Family<S> {
    let mut streams = Family::<S>::new("byte_streams");
    streams.case(
        "capabilities_read",
        "IMFByteStream::GetCapabilities: what is opened for reading is readable and seekable",
        "readable seekable",
        |mf| capabilities(mf, READ),
    );
    streams.case(
        "capabilities_write",
        "IMFByteStream::GetCapabilities: what is opened for writing is writable and seekable",
        "writable seekable",
        |mf| capabilities(mf, WRITE),
    );
    streams.case(
        "capabilities_read_write",
        "IMFByteStream::GetCapabilities: what is opened for both is both",
        "readable writable seekable",
        |mf| capabilities(mf, READ_WRITE),
    );
    streams.case("length", "IMFByteStream::GetLength: in bytes", "10", |mf| {
        let file = File::open(mf, READ);
        value(&mf.length(&file.stream))
    });
    streams.case("position_at_first", "IMFByteStream::GetCurrentPosition: it begins at 0", "0", |mf| {
        File::open(mf, READ).position()
    });
    streams.case(
        "read",
        "IMFByteStream::Read: reads at the position, and moves it",
        "\"0123\" 4 \"456\" 7",
        |mf| {
            let file = File::open(mf, READ);
            let (first, at) = (text(mf.read(&file.stream, 4)), file.position());
            let second = text(mf.read(&file.stream, 3));
            format!("{first} {at} {second} {}", file.position())
        },
    );
    streams.case(
        "read_at_the_end",
        "IMFByteStream::Read: the end of the file is no error, but a count of 0",
        "\"0123456789\" \"\" true",
        |mf| {
            let file = File::open(mf, READ);
            let (all, more) = (text(mf.read(&file.stream, 100)), text(mf.read(&file.stream, 100)));
            format!("{all} {more} {}", value(&mf.is_end(&file.stream)))
        },
    );
    streams.case(
        "read_nothing",
        "IMFByteStream::Read: of a count of 0 nothing is read, and nothing moves",
        "\"\" 0",
        |mf| {
            let file = File::open(mf, READ);
            format!("{} {}", text(mf.read(&file.stream, 0)), file.position())
        },
    );
    streams.case(
        "begin_read",
        "IMFByteStream::BeginRead: the callback comes when the data is in the buffer; End says how much",
        "\"0123\" 4 \"456789\" 10 \"\" 10",
        |mf| {
            let file = File::open(mf, READ);
            let first = format!("{} {}", file.read(4), file.position());
            let second = format!("{} {}", file.read(100), file.position());
            format!("{first} {second} {} {}", file.read(100), file.position())
        },
    );
    streams.case(
        "begin_read_result",
        "IMFAsyncResult::GetState: the callback's result has the caller's state and the status of the read",
        "S_OK, the state",
        |mf| {
            let file = File::open(mf, READ);
            let (callback, slot) = leaves(mf);
            let (buffer, state) = (S::Buffer::holding(&[0; 4]), mf.object(()));
            let _ = mf.begin_read(&file.stream, &buffer, &callback, Some(&state));
            let Some(result) = slot.take() else { return "not called".to_owned() };
            let same = mf.state(&result).is_ok_and(|stored| mf.same_object(&stored, &state));
            let status = name(mf.status(&result));
            let _ = mf.end_read(&file.stream, &result, &buffer);
            format!("{status}, {}", if same { "the state" } else { "another state" })
        },
    );
    streams.case(
        "begin_read_does_not_need_standard",
        "observed: BeginRead returns before the read is done, and never occupies STANDARD",
        "S_OK: read held",
        |mf| {
            let file = File::open(mf, READ);
            let log = Log::new();
            let occupied = Occupied::new(mf, STANDARD, &log);
            let buffer = S::Buffer::holding(&[0; 4]);
            let begun = mf.begin_read(&file.stream, &buffer, &tells(mf, MULTITHREADED, &log, "read"), None);
            log.wait(1);
            occupied.free();
            format!("{}: {}", code(&begun), log.after(2))
        },
    );
    streams.case(
        "begin_read_on_the_queue_of_the_callback",
        "IMFAsyncCallback::GetParameters: the callback of a read runs on the queue that it names",
        "held read",
        |mf| {
            let file = File::open(mf, READ);
            let log = Log::new();
            let queue = mf.allocate().expect("a queue");
            let occupied = Occupied::new(mf, queue, &log);
            let buffer = S::Buffer::holding(&[0; 4]);
            let _ = mf.begin_read(&file.stream, &buffer, &tells(mf, queue, &log, "read"), None);
            // A later read that ends elsewhere: the first is done by then.
            let _ = file.read(4);
            occupied.free();
            let seen = log.after(2);
            let _ = mf.unlock_queue(queue);
            seen
        },
    );
    streams.case(
        "begin_read_keeps_the_callback",
        "IMFByteStream::EndRead: with End the read is over, and nothing of it is kept",
        "called, released",
        |mf| {
            let file = File::open(mf, READ);
            let (slot, (kept, life)) = (Slot::new(), life());
            let left = slot.clone();
            let callback = mf.callback(on(MULTITHREADED), move |result: &S::Result| {
                let _kept = &kept;
                left.set(result.clone());
            });
            let buffer = S::Buffer::holding(&[0; 4]);
            let _ = mf.begin_read(&file.stream, &buffer, &callback, None);
            drop(callback);
            let Some(result) = slot.take() else { return "not called".to_owned() };
            let _ = mf.end_read(&file.stream, &result, &buffer);
            drop(result);
            format!("called, {}", life.end())
        },
    );
    streams.case(
        "end_read_with_a_foreign_result",
        "IMFByteStream::EndRead: a result of something else is refused",
        "E_INVALIDARG",
        |mf| {
            let file = File::open(mf, READ);
            let (callback, _) = leaves(mf);
            let foreign = mf.create_result(None, Some(&callback), None).expect("a result");
            code(&mf.end_read(&file.stream, &foreign, &S::Buffer::holding(&[0; 4])))
        },
    );
    streams.case(
        "several_reads",
        "IMFByteStream::BeginRead: each read has its own part of the stream, at the position of its Begin",
        "\"0123\" \"456\" 7",
        |mf| {
            let file = File::open(mf, READ);
            let (first, first_slot) = leaves(mf);
            let (second, second_slot) = leaves(mf);
            let buffers = (S::Buffer::holding(&[0; 4]), S::Buffer::holding(&[0; 3]));
            let _ = mf.begin_read(&file.stream, &buffers.0, &first, None);
            let _ = mf.begin_read(&file.stream, &buffers.1, &second, None);
            let (Some(one), Some(two)) = (first_slot.take(), second_slot.take()) else {
                return "not called".to_owned();
            };
            let one = mf.end_read(&file.stream, &one, &buffers.0).map(|count| buffers.0.bytes(count));
            let two = mf.end_read(&file.stream, &two, &buffers.1).map(|count| buffers.1.bytes(count));
            format!("{} {} {}", text(one), text(two), file.position())
        },
    );
    streams.case(
        "read_what_is_only_writable",
        "IMFByteStream::Read: what was not opened for reading is not read",
        "E_ACCESSDENIED",
        |mf| {
            let file = File::open(mf, WRITE);
            text(mf.read(&file.stream, 4))
        },
    );
    streams.case(
        "write",
        "IMFByteStream::Write: writes at the position, and moves it",
        "3 3, ABC3456789",
        |mf| {
            let file = File::open(mf, READ_WRITE);
            let written = value(&mf.write(&file.stream, b"ABC"));
            format!("{written} {}, {}", file.position(), file.content())
        },
    );
    streams.case(
        "write_past_the_end",
        "IMFByteStream::Write: the stream grows",
        "S_OK 4 17, 0123456789...ABCD",
        |mf| {
            let file = File::open(mf, READ_WRITE);
            let moved = code(&mf.set_position(&file.stream, 13));
            let written = value(&mf.write(&file.stream, b"ABCD"));
            let length = value(&mf.length(&file.stream));
            format!("{moved} {written} {length}, {}", file.content())
        },
    );
    streams.case(
        "write_what_is_only_readable",
        "IMFByteStream::Write: what was not opened for writing is not written",
        "E_ACCESSDENIED, 0123456789",
        |mf| {
            let file = File::open(mf, READ);
            let written = value(&mf.write(&file.stream, b"ABC"));
            format!("{written}, {}", file.content())
        },
    );
    streams.case(
        "begin_write",
        "IMFByteStream::BeginWrite: the callback comes when the data is written; End says how much",
        "3 3 2 5, ABCDE56789",
        |mf| {
            let file = File::open(mf, READ_WRITE);
            let first = format!("{} {}", file.write(b"ABC"), file.position());
            let second = format!("{} {}", file.write(b"DE"), file.position());
            format!("{first} {second}, {}", file.content())
        },
    );
    streams.case(
        "read_after_write",
        "IMFByteStream::BeginWrite: reading and writing have one position",
        "2 \"234\"",
        |mf| {
            let file = File::open(mf, READ_WRITE);
            format!("{} {}", file.write(b"AB"), file.read(3))
        },
    );
    streams.case(
        "end_read_of_a_write",
        "IMFByteStream::EndRead: a result of something else is refused",
        "E_INVALIDARG",
        |mf| {
            let file = File::open(mf, READ_WRITE);
            let (callback, slot) = leaves(mf);
            let buffer = S::Buffer::holding(b"AB");
            let _ = mf.begin_write(&file.stream, &buffer, &callback, None);
            let Some(result) = slot.take() else { return "not called".to_owned() };
            code(&mf.end_read(&file.stream, &result, &buffer))
        },
    );
    streams.case(
        "flush",
        "IMFByteStream::Flush: succeeds, also where there is nothing to write",
        "S_OK S_OK",
        |mf| {
            let (readable, writable) = (File::open(mf, READ), File::open(mf, READ_WRITE));
            let _ = mf.write(&writable.stream, b"AB");
            format!("{} {}", code(&mf.flush(&readable.stream)), code(&mf.flush(&writable.stream)))
        },
    );
    streams.case("close_twice", "observed: Close succeeds and may be repeated", "S_OK S_OK", |mf| {
        let file = File::open(mf, READ);
        let first = code(&mf.close(&file.stream));
        format!("{first} {}", code(&mf.close(&file.stream)))
    });
    streams.case(
        "close_releases_the_file",
        "IMFByteStream::Close: handles are released",
        "S_OK, removed",
        |mf| {
            let file = File::open(mf, READ_WRITE);
            let closed = code(&mf.close(&file.stream));
            let removed = std::fs::remove_file(&file.path);
            format!("{closed}, {}", removed.map_or_else(|error| error.to_string(), |()| "removed".to_owned()))
        },
    );
    streams.case(
        "two_streams_of_one_file",
        "observed: a byte stream keeps its own position",
        "\"0123\" \"0123\" 4 4",
        |mf| {
            let file = File::open(mf, READ);
            let Ok(other) = mf.create_file(READ, FAIL_IF_NOT_EXIST, 0, &file.path) else {
                return "not opened twice".to_owned();
            };
            let (one, two) = (text(mf.read(&file.stream, 4)), text(mf.read(&other, 4)));
            format!("{one} {two} {} {}", file.position(), value(&mf.position(&other)))
        },
    );
    streams.case(
        "seek_that_cancels",
        "IMFByteStream::Seek: with CANCEL_PENDING_IO a read in flight ends, one way or the other",
        "2, called once",
        |mf| {
            let file = File::open(mf, READ);
            let (log, slot) = (Log::new(), Slot::new());
            let (told, left) = (log.clone(), slot.clone());
            let callback = mf.callback(on(MULTITHREADED), move |result| {
                told.tell("called");
                left.set(result.clone());
            });
            let buffer = S::Buffer::holding(&[0; 4]);
            let _ = mf.begin_read(&file.stream, &buffer, &callback, None);
            let sought = value(&mf.seek(&file.stream, 0, 2, CANCEL_PENDING_IO));
            let Some(result) = slot.take() else { return format!("{sought}, not called") };
            // It was faster, or was cancelled: both are right.
            let ended = mf.end_read(&file.stream, &result, &buffer);
            if !matches!(ended, Ok(4) | Err(Hresult::E_ABORT | Hresult::ERROR_OPERATION_ABORTED)) {
                return format!("{sought}, ended with {}", value(&ended));
            }
            let _ = file.read(1);
            format!("{sought}, {} once", log.all())
        },
    );
    streams.case(
        "close_with_a_read_in_flight",
        "IMFByteStream::Close: a read in flight ends, one way or the other; its callback comes",
        "S_OK, called, ended",
        |mf| {
            let file = File::open(mf, READ);
            let (callback, slot) = leaves(mf);
            let buffer = S::Buffer::holding(&[0; 4]);
            let _ = mf.begin_read(&file.stream, &buffer, &callback, None);
            let closed = code(&mf.close(&file.stream));
            let Some(result) = slot.take() else { return format!("{closed}, not called") };
            let ended = mf.end_read(&file.stream, &result, &buffer);
            match ended {
                Ok(4) | Err(Hresult::E_ABORT | Hresult::ERROR_OPERATION_ABORTED) => {
                    format!("{closed}, called, ended")
                }
                other => format!("{closed}, called, ended with {}", value(&other)),
            }
        },
    );
    streams
}

/// The capabilities of a file, those of the disk left out.
fn capabilities<S: Streams>(mf: &S, access: u32) -> String {
    let file = File::open(mf, access);
    let bits = match mf.capabilities(&file.stream) {
        Ok(bits) => bits,
        Err(code) => return name(code),
    };
    // SHARE_WRITE, DOES_NOT_USE_NETWORK and HAS_SLOW_SEEK are left aside.
    let named = [(1, "readable"), (2, "writable"), (4, "seekable"), (8, "remote"), (0x80, "a folder")];
    let named: Vec<_> = named.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    named.join(" ")
}
