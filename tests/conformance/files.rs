//! Opening files: the table of open modes, `MFCreateFile`, and its Begin and End.

use std::path::PathBuf;

use mf_async::Hresult;
use tempfile::TempDir;

use crate::case::Family;
use crate::facts::{Log, MULTITHREADED, Occupied, STANDARD, Slot, code, life, name, tells, value};
use crate::subject::{Streams, on};

const READ: u32 = 1;
const WRITE: u32 = 2;
const READ_WRITE: u32 = 3;
const FAIL_IF_NOT_EXIST: u32 = 0;
const FAIL_IF_EXIST: u32 = 1;
const RESET_IF_EXIST: u32 = 2;
const APPEND_IF_EXIST: u32 = 3;
const DELETE_IF_EXIST: u32 = 4;

/// A folder of the case's own, and a path in it.
fn place(exists: bool) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file.bin");
    if exists {
        std::fs::write(&path, b"01234").expect("the folder can be written to");
    }
    (folder, path)
}

/// What opening returned and, if it succeeded, the length, the position, and the file's length afterwards.
fn open<S: Streams>(mf: &S, access: u32, mode: u32, exists: bool) -> String {
    let (_folder, path) = place(exists);
    let opened = match mf.create_file(access, mode, 0, &path.to_string_lossy()) {
        Ok(stream) => {
            let seen = format!("length {}, at {}", value(&mf.length(&stream)), value(&mf.position(&stream)));
            let _ = mf.close(&stream);
            seen
        }
        Err(code) => name(code),
    };
    let left = std::fs::metadata(&path)
        .map_or_else(|_| "no file".to_owned(), |file| format!("{} bytes", file.len()));
    format!("{opened}; {left}")
}

/// Begins, waits and ends: the three codes.
fn begin<S: Streams>(mf: &S, mode: u32, exists: bool) -> String {
    let (_folder, path) = place(exists);
    let slot = Slot::new();
    let left = slot.clone();
    let callback = mf.callback(on(MULTITHREADED), move |result: &S::Result| left.set(result.clone()));
    let begun = mf.begin_create_file(READ, mode, 0, &path.to_string_lossy(), &callback, None);
    let codes = code(&begun);
    let Some(result) = slot.take() else { return format!("{codes}, not called") };
    let ended = match mf.end_create_file(&result) {
        Ok(stream) => {
            let length = value(&mf.length(&stream));
            let _ = mf.close(&stream);
            format!("length {length}")
        }
        Err(code) => name(code),
    };
    format!("{codes}, called, {ended}")
}

const MODES: &str = "MF_FILE_OPENMODE: what becomes of a file that exists, and of one that does not";

pub(crate) fn cases<S: Streams>() -> Family<S> {
    let mut files = Family::<S>::new("files");
    files.case("fail_if_not_exist_there", MODES, "length 5, at 0; 5 bytes", |mf| {
        open(mf, READ, FAIL_IF_NOT_EXIST, true)
    });
    files.case("fail_if_not_exist_missing", MODES, "ERROR_FILE_NOT_FOUND; no file", |mf| {
        open(mf, READ, FAIL_IF_NOT_EXIST, false)
    });
    files.case("fail_if_exist_there", MODES, "ERROR_FILE_EXISTS; 5 bytes", |mf| {
        open(mf, READ_WRITE, FAIL_IF_EXIST, true)
    });
    files.case("fail_if_exist_missing", MODES, "length 0, at 0; 0 bytes", |mf| {
        open(mf, READ_WRITE, FAIL_IF_EXIST, false)
    });
    files.case("reset_if_exist_there", MODES, "length 0, at 0; 0 bytes", |mf| {
        open(mf, READ_WRITE, RESET_IF_EXIST, true)
    });
    files.case("reset_if_exist_missing", MODES, "ERROR_FILE_NOT_FOUND; no file", |mf| {
        open(mf, READ_WRITE, RESET_IF_EXIST, false)
    });
    files.case("append_if_exist_there", MODES, "length 5, at 5; 5 bytes", |mf| {
        open(mf, READ_WRITE, APPEND_IF_EXIST, true)
    });
    files.case("append_if_exist_missing", MODES, "length 0, at 0; 0 bytes", |mf| {
        open(mf, READ_WRITE, APPEND_IF_EXIST, false)
    });
    files.case("delete_if_exist_there", MODES, "length 0, at 0; 0 bytes", |mf| {
        open(mf, READ_WRITE, DELETE_IF_EXIST, true)
    });
    files.case("delete_if_exist_missing", MODES, "length 0, at 0; 0 bytes", |mf| {
        open(mf, READ_WRITE, DELETE_IF_EXIST, false)
    });
    files.case(
        "write_only",
        "MF_FILE_ACCESSMODE: what is opened for writing alone is opened",
        "length 5, at 0; 5 bytes",
        |mf| open(mf, WRITE, FAIL_IF_NOT_EXIST, true),
    );
    files.case(
        "missing_folder",
        "MFCreateFile: the system's error for a folder that is not there",
        "ERROR_PATH_NOT_FOUND",
        |mf| {
            let (folder, _) = place(false);
            let path = folder.path().join("nowhere").join("file.bin");
            code(&mf.create_file(READ_WRITE, DELETE_IF_EXIST, 0, &path.to_string_lossy()))
        },
    );
    files.case("a_folder", "MFCreateFile: a folder is no file", "E_ACCESSDENIED", |mf| {
        let (folder, _) = place(false);
        code(&mf.create_file(READ, FAIL_IF_NOT_EXIST, 0, &folder.path().to_string_lossy()))
    });
    files.case(
        "write_sharing",
        "MF_FILE_FLAGS: with ALLOW_WRITE_SHARING others may write meanwhile",
        "S_OK, written",
        |mf| {
            let (_folder, path) = place(true);
            let opened = mf.create_file(READ, FAIL_IF_NOT_EXIST, 2, &path.to_string_lossy());
            let written = std::fs::write(&path, b"others").is_ok();
            let seen = format!("{}, {}", code(&opened), if written { "written" } else { "not written" });
            let _ = opened.map(|stream| mf.close(&stream));
            seen
        },
    );
    files.case(
        "begin",
        "MFBeginCreateFile: the callback comes, and End gives the stream",
        "S_OK, called, length 5",
        |mf| begin(mf, FAIL_IF_NOT_EXIST, true),
    );
    files.case(
        "begin_missing",
        "MFBeginCreateFile: that there is no file is told by End",
        "S_OK, called, ERROR_FILE_NOT_FOUND",
        |mf| begin(mf, FAIL_IF_NOT_EXIST, false),
    );
    files.case(
        "begin_exists",
        "MFBeginCreateFile: that there is a file is told by End",
        "S_OK, called, ERROR_FILE_EXISTS",
        |mf| begin(mf, FAIL_IF_EXIST, true),
    );
    files.case(
        "begin_result",
        "observed: the result that the callback receives has the state, and no object",
        "the state, E_POINTER, S_OK",
        |mf| {
            let (_folder, path) = place(true);
            let (slot, state) = (Slot::new(), mf.object(()));
            let left = slot.clone();
            let callback = mf.callback(on(MULTITHREADED), move |result: &S::Result| left.set(result.clone()));
            let path = path.to_string_lossy();
            let _ = mf.begin_create_file(READ, FAIL_IF_NOT_EXIST, 0, &path, &callback, Some(&state));
            let Some(result) = slot.take() else { return "not called".to_owned() };
            let same = mf.state(&result).is_ok_and(|stored| mf.same_object(&stored, &state));
            let object = code(&mf.object_of(&result));
            let status = name(mf.status(&result));
            let _ = mf.end_create_file(&result).map(|stream| mf.close(&stream));
            format!("{}, {object}, {status}", if same { "the state" } else { "another state" })
        },
    );
    files.case("end_twice", "MFEndCreateFile: the stream is given once", "S_OK E_FAIL", |mf| {
        let (_folder, path) = place(true);
        let slot = Slot::new();
        let left = slot.clone();
        let callback = mf.callback(on(MULTITHREADED), move |result: &S::Result| left.set(result.clone()));
        let path = path.to_string_lossy();
        let _ = mf.begin_create_file(READ, FAIL_IF_NOT_EXIST, 0, &path, &callback, None);
        let Some(result) = slot.take() else { return "not called".to_owned() };
        let first = mf.end_create_file(&result);
        let codes = format!("{} {}", code(&first), code(&mf.end_create_file(&result)));
        let _ = first.map(|stream| mf.close(&stream));
        codes
    });
    files.case(
        "end_with_a_foreign_result",
        "MFEndCreateFile: a result of something else is refused",
        "E_INVALIDARG",
        |mf| {
            let callback = tells(mf, MULTITHREADED, &Log::new(), "called");
            let foreign = mf.create_result(None, Some(&callback), None).expect("a result");
            code(&mf.end_create_file(&foreign))
        },
    );
    files.case(
        "begin_does_not_need_standard",
        "observed: opening a file does not occupy STANDARD",
        "called held",
        |mf| {
            let (_folder, path) = place(true);
            let (log, slot) = (Log::new(), Slot::new());
            let (told, left) = (log.clone(), slot.clone());
            let callback = mf.callback(on(MULTITHREADED), move |result: &S::Result| {
                left.set(result.clone());
                told.tell("called");
            });
            let occupied = Occupied::new(mf, STANDARD, &log);
            let path = path.to_string_lossy();
            let _ = mf.begin_create_file(READ, FAIL_IF_NOT_EXIST, 0, &path, &callback, None);
            log.wait(1);
            occupied.free();
            let seen = log.after(2);
            let _ = slot.take().map(|result| mf.end_create_file(&result).map(|stream| mf.close(&stream)));
            seen
        },
    );
    files.case(
        "begin_on_an_unknown_queue",
        "MFBeginCreateFile: a callback that cannot be called is let go",
        "released",
        |mf| {
            let (_folder, path) = place(true);
            let (kept, life) = life();
            let callback = mf.callback(on(0x1_0000), move |_| {
                let _kept = &kept;
            });
            let path = path.to_string_lossy();
            let begun = mf.begin_create_file(READ, FAIL_IF_NOT_EXIST, 0, &path, &callback, None);
            drop((callback, begun));
            life.end().to_owned()
        },
    );
    files.case(
        "cancel",
        "MFCancelCreateFile: the callback comes all the same; End tells of the cancel, or it came too late",
        "S_OK, called, ended",
        |mf| {
            let (_folder, path) = place(true);
            let slot = Slot::new();
            let left = slot.clone();
            let callback = mf.callback(on(MULTITHREADED), move |result: &S::Result| left.set(result.clone()));
            let path = path.to_string_lossy();
            let begun = mf.begin_create_file(READ, FAIL_IF_NOT_EXIST, 0, &path, &callback, None);
            // Who gives no cookie cannot be cancelled.
            let cancelled = match &begun {
                Ok(Some(cookie)) => code(&mf.cancel_create_file(cookie)),
                Ok(None) => "S_OK".to_owned(),
                Err(code) => return name(*code),
            };
            let Some(result) = slot.take() else { return format!("{cancelled}, not called") };
            match mf.end_create_file(&result) {
                Ok(stream) => {
                    let _ = mf.close(&stream);
                    format!("{cancelled}, called, ended")
                }
                Err(Hresult::E_ABORT | Hresult::MF_E_OPERATION_CANCELLED) => {
                    format!("{cancelled}, called, ended")
                }
                Err(code) => format!("{cancelled}, called, {}", name(code)),
            }
        },
    );
    files
}
