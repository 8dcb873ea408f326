//! What the tests of media objects share: media files, types, samples, and a limit on waiting.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::future::Future;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use mf_async::com::Platform;
use windows::Win32::Media::MediaFoundation::*;
use windows::core::{GUID, HSTRING, Interface};

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

/// What the future gives; ten seconds are long enough for everything here.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("an answer within ten seconds")
}

/// Where a media file lies: `tone.wav` and its like.
pub(crate) fn media(file: &str) -> PathBuf {
    let folder = std::env::var_os("MF_ASYNC_MEDIA").expect("MF_ASYNC_MEDIA names the folder of media files");
    let folder = PathBuf::from(folder);
    // A path of the Unix below Wine.
    let folder = if folder.starts_with("/") { PathBuf::from("Z:\\").join(folder) } else { folder };
    PathBuf::from(folder.join(file).to_string_lossy().replace('/', "\\"))
}

/// The same, as Media Foundation wants to be told.
pub(crate) fn media_url(file: &str) -> HSTRING {
    HSTRING::from(media(file).as_os_str())
}

/// A type of these two GUIDs, nothing else set.
pub(crate) fn media_type(major: GUID, sub: GUID) -> IMFMediaType {
    unsafe {
        let kind = MFCreateMediaType().unwrap();
        kind.SetGUID(&MF_MT_MAJOR_TYPE, &major).unwrap();
        kind.SetGUID(&MF_MT_SUBTYPE, &sub).unwrap();
        kind
    }
}

/// Uncompressed sound, whatever its rate.
pub(crate) fn any_pcm() -> IMFMediaType {
    media_type(MFMediaType_Audio, MFAudioFormat_PCM)
}

/// Uncompressed sound: two channels of 16 bits at 44,100 Hz.
pub(crate) fn pcm() -> IMFMediaType {
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
pub(crate) fn sample(index: i64) -> IMFSample {
    unsafe {
        let buffer = MFCreateMemoryBuffer(17_640).unwrap();
        buffer.SetCurrentLength(17_640).unwrap();
        let sample = MFCreateSample().unwrap();
        sample.AddBuffer(&buffer).unwrap();
        sample.SetSampleTime(index * 1_000_000).unwrap();
        sample.SetSampleDuration(1_000_000).unwrap();
        sample
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

/// How many references there are to an object.
pub(crate) fn refs(object: &impl Interface) -> u32 {
    let pointer = object.as_raw();
    unsafe {
        let table = *pointer.cast::<*const windows::core::IUnknown_Vtbl>();
        ((*table).AddRef)(pointer);
        ((*table).Release)(pointer)
    }
}
