//! What the tests of the Windows half share: counted objects, media files, and a limit on every wait.

pub(crate) mod page_encoder;
pub(crate) mod page_transform;
pub(crate) mod reader;
pub(crate) mod transform;

use std::future::Future;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mf_async::com::{Mta, Platform, SourceReader};
use windows::Win32::Media::MediaFoundation::*;
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncResult, IMFShutdown, IMFShutdown_Impl, MFSHUTDOWN_COMPLETED, MFSHUTDOWN_STATUS,
};
use windows::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows::core::{GUID, HRESULT, HSTRING, IUnknown, IUnknown_Vtbl, Interface, s, w};
use windows_core::implement;

/// Far longer than anything here takes, however busy the machine, so that reaching it means that it hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Waits, but not for ever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("this hangs")
}

/// Whether this is Wine, which lacks some functions.
pub(crate) fn is_wine() -> bool {
    unsafe { GetProcAddress(GetModuleHandleW(w!("ntdll.dll")).unwrap(), s!("wine_get_version")) }.is_some()
}

/// Looks again and again until it is so, for what Media Foundation does a moment after it calls back.
pub(crate) fn until(what: &str, so: impl Fn() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < LIMIT, "it never came to be that {what}");
        std::thread::yield_now();
    }
}

/// All objects here are Media Foundation's, or made in Rust of what is `Send` and `Sync`.
pub(crate) fn mta<I: Interface>(object: I) -> Mta<I> {
    // SAFETY: such objects are free-threaded.
    unsafe { Mta::new(object) }
}

/// How many references an object has.
pub(crate) fn refs(object: &impl Interface) -> u32 {
    let this = object.as_raw();
    // SAFETY: every COM object starts with a pointer to a table that starts with the functions of `IUnknown`; the
    // reference that is added is released.
    unsafe {
        let table = *this.cast::<*const IUnknown_Vtbl>();
        ((*table).AddRef)(this);
        ((*table).Release)(this)
    }
}

/// A result's status, success codes included.
pub(crate) fn status(result: &IMFAsyncResult) -> HRESULT {
    // SAFETY: the table is that of the object's own interface.
    unsafe { (result.vtable().GetStatus)(result.as_raw()) }
}

/// A COM object for states, and something that is gone when the object is.
pub(crate) fn token() -> (IUnknown, Arc<()>) {
    let alive = Arc::new(());
    let token: IMFShutdown = Token { _alive: alive.clone() }.into();
    (token.cast().expect("every object has this"), alive)
}

#[implement(IMFShutdown)]
struct Token {
    _alive: Arc<()>,
}

impl IMFShutdown_Impl for Token_Impl {
    fn Shutdown(&self) -> windows::core::Result<()> {
        Ok(())
    }

    fn GetShutdownStatus(&self) -> windows::core::Result<MFSHUTDOWN_STATUS> {
        Ok(MFSHUTDOWN_COMPLETED)
    }
}

/// A WAV file with `seconds` of silence, 16-bit stereo at 44.1 kHz, of this test's own; removed when dropped.
pub(crate) struct Wav {
    path: std::path::PathBuf,
    pub(crate) bytes: Vec<u8>,
}

impl Wav {
    pub(crate) fn new(name: &str, seconds: u32) -> Wav {
        let data = seconds * 176_400;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(b"RIFF");
        bytes.extend_from_slice(&(36 + data).to_le_bytes());
        bytes.extend_from_slice(b"WAVEfmt ");
        for word in [16, 0x0002_0001, 44_100, 176_400, 0x0010_0004_u32] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(b"data");
        bytes.extend_from_slice(&data.to_le_bytes());
        bytes.resize(44 + data as usize, 0);
        let path = std::env::temp_dir().join(format!("mf-async-{}-{name}.wav", std::process::id()));
        std::fs::write(&path, &bytes).expect("the temporary folder can be written to");
        Wav { path, bytes }
    }

    pub(crate) fn url(&self) -> HSTRING {
        HSTRING::from(self.path.as_os_str())
    }
}

impl Drop for Wav {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Media Foundation, started for one test, while the others of its file wait for their turn.
///
/// Wine opens files on a pool of few threads, each of which waits for another of the pool: several tests at once
/// would use it up.
pub(crate) struct Started {
    platform: Platform,
    _turn: MutexGuard<'static, ()>,
}

impl Deref for Started {
    type Target = Platform;

    fn deref(&self) -> &Platform {
        &self.platform
    }
}

/// Media Foundation, started.
pub(crate) fn start() -> Started {
    // Wine's queues do not always come back when they were shut down: the last shutdown is left to the process's end.
    static KEPT: OnceLock<Platform> = OnceLock::new();
    KEPT.get_or_init(|| Platform::startup().expect("Media Foundation starts"));
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Started { platform: Platform::startup().expect("Media Foundation starts"), _turn: turn }
}

/// A reader of a real file, dropped when only this holds it.
///
/// Wine closes a reader's work queue on the thread that releases it last. If that is a thread of the queue's own,
/// which has just brought a sample, it waits for itself, and all that want a queue wait with it.
pub(crate) struct Gently(Option<SourceReader>);

impl Gently {
    pub(crate) fn new(reader: SourceReader) -> Gently {
        Gently(Some(reader))
    }

    pub(crate) fn into_inner(mut self) -> SourceReader {
        self.0.take().expect("it is there until the end")
    }
}

impl Deref for Gently {
    type Target = SourceReader;

    fn deref(&self) -> &SourceReader {
        self.0.as_ref().expect("it is there until the end")
    }
}

impl Drop for Gently {
    fn drop(&mut self) {
        if let Some(reader) = self.0.take().filter(|_| !std::thread::panicking()) {
            until("this is the only reference to the reader", || refs(&**reader.as_com()) == 1);
        }
    }
}

/// The folder of media files: the one that `MF_ASYNC_MEDIA` names, or one with uncompressed sound that is made here.
fn folder() -> PathBuf {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let Some(folder) = std::env::var_os("MF_ASYNC_MEDIA") else {
        return MADE.get_or_init(make_files).path().to_owned();
    };
    let folder = PathBuf::from(folder);
    // A path of the Unix below Wine.
    if folder.starts_with("/") { PathBuf::from("Z:\\").join(folder) } else { folder }
}

/// Two seconds of a tone, 16-bit stereo at 44.1 kHz, and four files to be compared with what is in them.
fn make_files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("the temporary folder can be written to");
    std::fs::create_dir(folder.path().join("decode")).unwrap();
    let files = [
        ("tone", 44_100, 2),
        ("decode/stereo", 48_000, 2),
        ("decode/mono", 8_000, 1),
        ("decode/other", 44_100, 2),
        ("decode/another", 22_050, 1),
    ];
    for (name, rate, channels) in files {
        let data: Vec<u8> = (0..2 * rate)
            .map(|frame| (f64::from(frame) * 440.0 * std::f64::consts::TAU / f64::from(rate)).sin())
            .flat_map(|value| ((value * 4_000.0) as i16).to_le_bytes().repeat(channels))
            .collect();
        let align = 2 * channels as u32;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(b"RIFF");
        bytes.extend_from_slice(&(36 + data.len() as u32).to_le_bytes());
        bytes.extend_from_slice(b"WAVEfmt ");
        for word in [16, (channels as u32) << 16 | 1, rate as u32, rate as u32 * align, 16 << 16 | align] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(b"data");
        bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&data);
        std::fs::write(folder.path().join(format!("{name}.wav")), &bytes).unwrap();
        if name.starts_with("decode") {
            std::fs::write(folder.path().join(format!("{name}.wav.pcm")), &data).unwrap();
        }
    }
    folder
}

/// Whether there are compressed files, too: on Windows only where some were put.
pub(crate) fn has_compressed() -> bool {
    std::env::var_os("MF_ASYNC_MEDIA").is_some()
}

/// Where a media file lies: `tone.wav` and its like.
pub(crate) fn media(file: &str) -> PathBuf {
    PathBuf::from(folder().join(file).to_string_lossy().replace('/', "\\"))
}

/// The same, as Media Foundation takes it.
pub(crate) fn media_url(file: &str) -> HSTRING {
    HSTRING::from(media(file).as_os_str())
}

/// A type of these two GUIDs, nothing else set.
pub(crate) fn media_type(major: GUID, sub: GUID) -> Mta<IMFMediaType> {
    let kind = unsafe {
        let kind = MFCreateMediaType().unwrap();
        kind.SetGUID(&MF_MT_MAJOR_TYPE, &major).unwrap();
        kind.SetGUID(&MF_MT_SUBTYPE, &sub).unwrap();
        kind
    };
    mta(kind)
}

/// Uncompressed sound of any rate.
pub(crate) fn any_pcm() -> Mta<IMFMediaType> {
    media_type(MFMediaType_Audio, MFAudioFormat_PCM)
}

/// Uncompressed sound: two channels of 16 bits at 44,100 Hz.
pub(crate) fn pcm() -> Mta<IMFMediaType> {
    let kind = any_pcm();
    for (key, value) in [
        (MF_MT_AUDIO_NUM_CHANNELS, 2),
        (MF_MT_AUDIO_SAMPLES_PER_SECOND, 44_100),
        (MF_MT_AUDIO_BITS_PER_SAMPLE, 16),
        (MF_MT_AUDIO_BLOCK_ALIGNMENT, 4),
        (MF_MT_AUDIO_AVG_BYTES_PER_SECOND, 176_400),
        (MF_MT_ALL_SAMPLES_INDEPENDENT, 1),
    ] {
        unsafe { kind.SetUINT32(&key, value) }.unwrap();
    }
    kind
}

/// A sample of 0.1 s of silence, number `index`.
pub(crate) fn sample(index: i64) -> Mta<IMFSample> {
    unsafe {
        let buffer = MFCreateMemoryBuffer(17_640).unwrap();
        buffer.SetCurrentLength(17_640).unwrap();
        let sample = MFCreateSample().unwrap();
        sample.AddBuffer(&buffer).unwrap();
        sample.SetSampleTime(index * 1_000_000).unwrap();
        sample.SetSampleDuration(1_000_000).unwrap();
        mta(sample)
    }
}

/// The bytes of the `data` chunk of a WAV file.
pub(crate) fn wav_data(file: &[u8]) -> &[u8] {
    let mut at = 12;
    loop {
        let size = u32::from_le_bytes(file[at + 4..at + 8].try_into().unwrap()) as usize;
        let body = at + 8;
        if &file[at..at + 4] == b"data" {
            return &file[body..(body + size).min(file.len())];
        }
        at = body + size + size % 2;
    }
}
