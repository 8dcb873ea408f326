//! A process for each test, and what the tests need of Media Foundation.

use std::ffi::{CStr, c_void};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use windows::Win32::Foundation::HANDLE;
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncCallback_Impl, IMFAsyncResult, MFPutWaitingWorkItem,
};
use windows::Win32::System::LibraryLoader::{GetProcAddress, LoadLibraryW};
use windows::core::{PCSTR, Ref, Result, implement, w};

pub(crate) use crate::pipeline::Started;

/// Names the test that a process plays.
const ALONE: &str = "MF_ASYNC_RTWORKQ_TEST";

/// Nothing here takes as long.
const BOUND: Duration = Duration::from_secs(60);

/// Plays `body` in a process of its own, with these variables, and gives what came of it; `None` in that process, when it
/// has been played.
pub(crate) fn alone(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) -> Option<Output> {
    if std::env::var(ALONE).is_ok_and(|playing| playing == test) {
        assert!(entry(c"MfAsyncReport").is_some(), "the rtworkq.dll beside this program is not this crate's");
        body();
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(ALONE, test);
    command.envs(variables.iter().copied());
    Some(command.output().unwrap())
}

/// The same, and it has to go well. What it printed: to standard output and to standard error.
pub(crate) fn passes(
    test: &str,
    variables: &[(&str, &str)],
    body: impl FnOnce(),
) -> Option<(String, String)> {
    let output = alone(test, variables, body)?;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{test} ended by {}\n{out}\n{err}", output.status);
    assert!(out.contains("test result: ok. 1 passed"), "there is no test {test}\n{out}");
    Some((out, err))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\r', "")
}

/// A function of the `rtworkq.dll` that the process has loaded.
pub(crate) fn entry(name: &CStr) -> Option<unsafe extern "system" fn() -> isize> {
    // SAFETY: both names end with 0; the module is the one that Media Foundation has loaded, and stays.
    unsafe {
        let module = LoadLibraryW(w!("rtworkq.dll")).ok()?;
        GetProcAddress(module, PCSTR(name.as_ptr().cast()))
    }
}

/// Calls one of the DLL's own functions that takes nothing and gives a number.
pub(crate) fn call(name: &CStr) -> i32 {
    let function = entry(name).expect("the DLL has it");
    // SAFETY: such a function is called.
    unsafe { function() as i32 }
}

/// What a callback does with its result.
type Call = Box<dyn Fn(&IMFAsyncResult) + Send + Sync>;

#[implement(IMFAsyncCallback)]
pub(crate) struct Callback {
    queue: u32,
    call: Call,
    /// Dropped with the callback.
    _life: Option<Arc<()>>,
}

impl IMFAsyncCallback_Impl for Callback_Impl {
    fn GetParameters(&self, flags: *mut u32, queue: *mut u32) -> Result<()> {
        // SAFETY: the page has both a place for a number.
        unsafe { (*flags, *queue) = (0, self.queue) };
        Ok(())
    }

    fn Invoke(&self, result: Ref<'_, IMFAsyncResult>) -> Result<()> {
        (self.call)(result.ok()?);
        Ok(())
    }
}

pub(crate) fn callback(
    queue: u32,
    call: impl Fn(&IMFAsyncResult) + Send + Sync + 'static,
) -> IMFAsyncCallback {
    Callback { queue, call: Box::new(call), _life: None }.into()
}

/// The same, with something that goes with it.
pub(crate) fn living(
    queue: u32,
    life: Arc<()>,
    call: impl Fn(&IMFAsyncResult) + Send + Sync + 'static,
) -> IMFAsyncCallback {
    Callback { queue, call: Box::new(call), _life: Some(life) }.into()
}

/// Puts a result that waits for a handle; its key.
pub(crate) fn waiting(handle: HANDLE, result: &IMFAsyncResult) -> u64 {
    let mut key = 0;
    // SAFETY: the handle is one, or null, and lives during the call.
    unsafe { MFPutWaitingWorkItem(handle, 0, result, Some(&raw mut key)) }.unwrap();
    key
}

/// How often something happened.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// What happened, in order.
#[derive(Clone)]
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Log<T> {
    pub(crate) fn new() -> Log<T> {
        Log(Arc::default())
    }

    pub(crate) fn add(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < BOUND, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

/// Writes a second of sound, 44,100 frames of two channels and 16 bits.
pub(crate) fn wave(name: &str) -> PathBuf {
    wave_of(name, 1)
}

/// The same of so many seconds.
pub(crate) fn wave_of(name: &str, seconds: u32) -> PathBuf {
    let frames = 44_100 * seconds;
    let size = frames * 4;
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend((36 + size).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    for number in [1_u16, 2] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(44_100_u32.to_le_bytes());
    bytes.extend((44_100_u32 * 4).to_le_bytes());
    for number in [4_u16, 16] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(b"data");
    bytes.extend(size.to_le_bytes());
    for frame in 0..frames {
        let value = ((frame % 100) as i16 - 50) * 300;
        bytes.extend(value.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    let path = std::env::temp_dir().join(format!("mf-async-rtworkq-{}-{name}.wav", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A file that `.ci/wine` has made; `None` where it has made none.
pub(crate) fn media(name: &str) -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("MF_ASYNC_MEDIA")?).join(name))
}

/// The field `hEvent` of a result, as the page *MFASYNCRESULT structure* has it.
pub(crate) fn event_field(result: &IMFAsyncResult) -> *mut *mut c_void {
    windows::core::Interface::as_raw(result).cast::<u8>().wrapping_add(56).cast()
}

/// The folder of this program, where the DLL is.
pub(crate) fn folder() -> PathBuf {
    std::env::current_exe().unwrap().parent().map(Path::to_owned).unwrap()
}
