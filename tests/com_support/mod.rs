//! What the tests of the Windows half share: counted objects, media files, and a limit on every wait.
#![allow(
    dead_code,
    unreachable_pub,
    unsafe_code,
    reason = "shared by test files, each of which uses another part"
)]

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use windows::Win32::Media::MediaFoundation::{
    IMFAsyncResult, IMFShutdown, IMFShutdown_Impl, MFSHUTDOWN_COMPLETED, MFSHUTDOWN_STATUS,
};
use windows::core::{HRESULT, HSTRING, IUnknown, IUnknown_Vtbl, Interface};
use windows_core::implement;

/// Far longer than anything here takes, so that reaching it means that it hangs.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Waits, but not for ever.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("this hangs")
}

/// Looks again and again until it is so, for what Media Foundation does a moment after it calls back.
pub fn until(what: &str, so: impl Fn() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < LIMIT, "it never came to be that {what}");
        std::thread::yield_now();
    }
}

/// How many references an object has.
pub fn refs(object: &impl Interface) -> u32 {
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
pub fn status(result: &IMFAsyncResult) -> HRESULT {
    // SAFETY: the table is that of the object's own interface.
    unsafe { (result.vtable().GetStatus)(result.as_raw()) }
}

/// A COM object for states, and something that is gone when the object is.
pub fn token() -> (IUnknown, Arc<()>) {
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
pub struct Wav {
    path: std::path::PathBuf,
    pub bytes: Vec<u8>,
}

impl Wav {
    pub fn new(name: &str, seconds: u32) -> Wav {
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

    pub fn url(&self) -> HSTRING {
        HSTRING::from(self.path.as_os_str())
    }
}

impl Drop for Wav {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
