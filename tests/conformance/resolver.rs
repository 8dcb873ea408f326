//! The source resolver: what its flags say, URLs to byte streams, and cancelling.

use mf_async::Hresult;
use tempfile::TempDir;

use crate::case::Family;
use crate::facts::{Log, MULTITHREADED, Slot, code, life, name, tells, value};
use crate::subject::{Resolving, on};

const MEDIA_SOURCE: u32 = 1;
const BYTE_STREAM: u32 = 2;
const READ: u32 = 0x1_0000;

/// A file, and its path.
fn file(extension: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file").with_extension(extension);
    std::fs::write(&path, b"01234").expect("the folder can be written to");
    let path = path.to_string_lossy().into_owned();
    (folder, path)
}

/// What Begin says, and nothing more: the callback, if it comes, is let go.
fn begin_url<S: Resolving>(mf: &S, url: &str, flags: u32) -> String {
    let resolver = mf.create_resolver().expect("a resolver");
    let callback = tells(mf, MULTITHREADED, &Log::new(), "called");
    code(&mf.begin_url(&resolver, url, flags, &callback, None))
}

/// Begins, waits and ends.
fn resolve<S: Resolving>(mf: &S, url: &str, flags: u32) -> String {
    let resolver = mf.create_resolver().expect("a resolver");
    let slot = Slot::new();
    let left = slot.clone();
    let callback = mf.callback(on(MULTITHREADED), move |result: &S::Result| left.set(result.clone()));
    let begun = code(&mf.begin_url(&resolver, url, flags, &callback, None));
    if begun != "S_OK" {
        return begun;
    }
    let Some(result) = slot.take() else { return format!("{begun}, not called") };
    let ended = match mf.end_url(&resolver, &result) {
        Ok(stream) => {
            let length = value(&mf.length(&stream));
            let _ = mf.close(&stream);
            format!("a stream of {length} bytes")
        }
        Err(code) => name(code),
    };
    format!("{begun}, called, {ended}")
}

const EXCLUSIVE: &str =
    "IMFSourceResolver::BeginCreateObjectFromURL: exactly one of a source and a stream is asked for";
const STREAM_EXCLUSIVE: &str =
    "IMFSourceResolver::BeginCreateObjectFromByteStream: a source is asked for, and no stream";
const FLAGS_ERROR: &str = "MF_E_SOURCERESOLVER_MUTUALLY_EXCLUSIVE_FLAGS";

/// What Begin says of a stream that is open, with these flags.
fn begin_stream<S: Resolving>(mf: &S, url: Option<&str>, flags: u32) -> String {
    let (_folder, path) = file("bin");
    let resolver = mf.create_resolver().expect("a resolver");
    let callback = tells(mf, MULTITHREADED, &Log::new(), "called");
    let stream = match mf.create_file(1, 0, 0, &path) {
        Ok(stream) => stream,
        Err(code) => return format!("no stream: {}", name(code)),
    };
    let begun = code(&mf.begin_stream(&resolver, &stream, url, flags, &callback));
    let _ = mf.close(&stream);
    begun
}

pub(crate) fn cases<S: Resolving>() -> Family<S> {
    let mut resolver = Family::<S>::new("resolver");
    resolver.case("both_flags", EXCLUSIVE, FLAGS_ERROR, |mf| {
        begin_url(mf, "file.bin", MEDIA_SOURCE | BYTE_STREAM)
    });
    resolver.case("no_flag", EXCLUSIVE, FLAGS_ERROR, |mf| begin_url(mf, "file.bin", READ));
    resolver.case(
        "unknown_scheme",
        "IMFSourceResolver::BeginCreateObjectFromURL: MF_E_UNSUPPORTED_SCHEME",
        "MF_E_UNSUPPORTED_SCHEME",
        |mf| begin_url(mf, "nosuchscheme://host/file", BYTE_STREAM | READ),
    );
    resolver.case(
        "a_file_name",
        "IMFSourceResolver::BeginCreateObjectFromURL: a plain file name works as a URL",
        "S_OK, called, a stream of 5 bytes",
        |mf| {
            let (_folder, path) = file("bin");
            resolve(mf, &path, BYTE_STREAM | READ)
        },
    );
    resolver.case(
        "a_missing_file",
        "IMFSourceResolver::EndCreateObjectFromURL: the error of the file is told by End",
        "S_OK, called, ERROR_FILE_NOT_FOUND",
        |mf| {
            let (folder, _) = file("bin");
            let missing = folder.path().join("missing.bin").to_string_lossy().into_owned();
            resolve(mf, &missing, BYTE_STREAM | READ)
        },
    );
    resolver.case(
        "a_source_of_no_known_kind",
        "IMFSourceResolver::BeginCreateObjectFromURL: what no handler knows is MF_E_UNSUPPORTED_BYTESTREAM_TYPE",
        "S_OK, called, MF_E_UNSUPPORTED_BYTESTREAM_TYPE",
        |mf| {
            let (_folder, path) = file("nosuchkind");
            resolve(mf, &path, MEDIA_SOURCE | READ)
        },
    );
    resolver.case("stream_both_flags", STREAM_EXCLUSIVE, FLAGS_ERROR, |mf| {
        begin_stream(mf, None, MEDIA_SOURCE | BYTE_STREAM)
    });
    resolver
        .case("stream_to_stream", STREAM_EXCLUSIVE, FLAGS_ERROR, |mf| begin_stream(mf, None, BYTE_STREAM));
    resolver.case("stream_no_flag", STREAM_EXCLUSIVE, FLAGS_ERROR, |mf| begin_stream(mf, None, READ));
    resolver.case(
        "stream_of_no_known_kind",
        "IMFSourceResolver::BeginCreateObjectFromByteStream: MF_E_UNSUPPORTED_BYTESTREAM_TYPE",
        "MF_E_UNSUPPORTED_BYTESTREAM_TYPE",
        |mf| begin_stream(mf, Some("file.nosuchkind"), MEDIA_SOURCE),
    );
    resolver.case(
        "state_comes_back",
        "IMFAsyncResult::GetState: the callback's result has the caller's state",
        "the state",
        |mf| {
            let (_folder, path) = file("bin");
            let resolver = mf.create_resolver().expect("a resolver");
            let (slot, state) = (Slot::new(), mf.object(()));
            let left = slot.clone();
            let callback = mf.callback(on(MULTITHREADED), move |result: &S::Result| left.set(result.clone()));
            let _ = mf.begin_url(&resolver, &path, BYTE_STREAM | READ, &callback, Some(&state));
            let Some(result) = slot.take() else { return "not called".to_owned() };
            let same = mf.state(&result).is_ok_and(|stored| mf.same_object(&stored, &state));
            let _ = mf.end_url(&resolver, &result).map(|stream| mf.close(&stream));
            if same { "the state" } else { "another state" }.to_owned()
        },
    );
    resolver.case(
        "refused_is_not_kept",
        "Calling Asynchronous Methods: a Begin that fails calls nobody, and keeps nothing",
        "MF_E_UNSUPPORTED_SCHEME, released",
        |mf| {
            let resolver = mf.create_resolver().expect("a resolver");
            let (kept, life) = life();
            let callback = mf.callback(on(MULTITHREADED), move |_| {
                let _kept = &kept;
            });
            let begun = code(&mf.begin_url(&resolver, "nosuchscheme://host", BYTE_STREAM, &callback, None));
            drop(callback);
            format!("{begun}, {}", life.now())
        },
    );
    resolver.case(
        "end_with_a_foreign_result",
        "IMFSourceResolver::EndCreateObjectFromURL: a result of something else is refused",
        "E_INVALIDARG",
        |mf| {
            let resolver = mf.create_resolver().expect("a resolver");
            let callback = tells(mf, MULTITHREADED, &Log::new(), "called");
            let foreign = mf.create_result(None, Some(&callback), None).expect("a result");
            code(&mf.end_url(&resolver, &foreign))
        },
    );
    resolver.case(
        "stream_end_with_a_foreign_result",
        "IMFSourceResolver::EndCreateObjectFromByteStream: a result of something else is refused",
        "E_INVALIDARG",
        |mf| {
            let resolver = mf.create_resolver().expect("a resolver");
            let callback = tells(mf, MULTITHREADED, &Log::new(), "called");
            let foreign = mf.create_result(None, Some(&callback), None).expect("a result");
            code(&mf.end_stream(&resolver, &foreign))
        },
    );
    resolver.case(
        "cancel",
        "IMFSourceResolver::CancelObjectCreation: the callback comes all the same; End says E_ABORT, or it was too late",
        "S_OK, called, ended",
        |mf| {
            let (_folder, path) = file("bin");
            let resolver = mf.create_resolver().expect("a resolver");
            let slot = Slot::new();
            let left = slot.clone();
            let callback = mf.callback(on(MULTITHREADED), move |result: &S::Result| left.set(result.clone()));
            let begun = mf.begin_url(&resolver, &path, BYTE_STREAM | READ, &callback, None);
            let cookie = match begun {
                Ok(cookie) => cookie,
                Err(code) => return name(code),
            };
            // What gives no cookie cannot be cancelled, and what has ended is not found.
            let cancelled = cookie.map_or(Ok(()), |cookie| mf.cancel_resolving(&resolver, &cookie));
            let cancelled = match cancelled {
                Ok(()) | Err(Hresult::MF_E_NOT_FOUND) => "S_OK".to_owned(),
                Err(code) => name(code),
            };
            let Some(result) = slot.take() else { return format!("{cancelled}, not called") };
            match mf.end_url(&resolver, &result) {
                Ok(stream) => {
                    let _ = mf.close(&stream);
                    format!("{cancelled}, called, ended")
                }
                Err(Hresult::E_ABORT) => format!("{cancelled}, called, ended"),
                Err(code) => format!("{cancelled}, called, {}", name(code)),
            }
        },
    );
    resolver
}
