//! The one platform of the process: counted starts and locks, and what the last shutdown waits for.
//!
//! | state | from | to |
//! |---|---|---|
//! | down | the process' start, or the end of a shutdown | a start → *moving* |
//! | moving | one thread starts or shuts down | its end → *up* or *down*; other starts wait |
//! | up | a start | the last shutdown → *moving* |
//!
//! A start is a lock as well, and the lock count decides whether calls are taken. It may go below zero: then every call is
//! refused until locks bring it back. After the last shutdown calls are refused at once, whatever locks are held; only a
//! callback that still runs may go on with what it began.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use mf_async::rtwq::{PlatformEvents, PlatformEventsGuard};
use mf_async::timeline::{self, Timeline};
use mf_async::{Platform, QueueId};
use windows_sys::Win32::Foundation::{E_INVALIDARG, E_OUTOFMEMORY, S_FALSE, S_OK};
use windows_sys::Win32::System::Com::{
    COINIT_MULTITHREADED, CoDecrementMTAUsage, CoIncrementMTAUsage, CoInitializeEx, CoUninitialize,
};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
};

use crate::com::{Com, EventsTable};
use crate::guard::{Answer, SHUTDOWN, code, contain, from};
use crate::settings::Settings;
use crate::{callback, exports, inside, join, step, timed};

/// How long the last shutdown waits for what is outstanding, as on the page *MFLockPlatform*.
const PATIENCE: Duration = Duration::from_secs(5);

static STATE: Mutex<State> = Mutex::new(State::new());
static MOVED: Condvar = Condvar::new();
/// The platform that calls go to, for as long as they are taken.
static CURRENT: RwLock<Option<Platform>> = RwLock::new(None);
/// Starts and locks.
static LOCKS: AtomicI64 = AtomicI64::new(0);
/// Whether a shutdown is on its way, so that the platform decides about each call.
static CLOSING: AtomicBool = AtomicBool::new(false);
/// How many results of this crate's there are.
static RESULTS: AtomicUsize = AtomicUsize::new(0);
/// Whether a shutdown waits for them.
static AWAITED: AtomicBool = AtomicBool::new(false);
/// The number of the current start: what a timer held over a shutdown is told by.
static START: AtomicUsize = AtomicUsize::new(0);
/// Whether the platform is the program's.
static GIVEN: AtomicBool = AtomicBool::new(false);

struct State {
    moving: bool,
    starts: u32,
    /// What the program has installed.
    installed: Option<Platform>,
    started: Option<Started>,
    listeners: Vec<Arc<Listener>>,
}

impl State {
    const fn new() -> State {
        State { moving: false, starts: 0, installed: None, started: None, listeners: Vec::new() }
    }
}

/// What a start has begun.
struct Started {
    platform: Platform,
    /// Whether it is this crate's, which shuts it down.
    is_own: bool,
    /// Keeps the multithreaded apartment, in which callbacks expect to be.
    apartment: Apartment,
    settings: Settings,
    /// With what registers each at a platform of this crate's.
    listening: Vec<(Arc<Listener>, Option<PlatformEventsGuard>)>,
    timeline: Option<Timeline>,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state, once nobody starts or shuts down. A callback cannot wait for that, since a shutdown waits for it.
fn settled() -> Answer<MutexGuard<'static, State>> {
    let mut state = state();
    while state.moving {
        if inside::is_here() {
            return Err(SHUTDOWN);
        }
        state = MOVED.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    Ok(state)
}

/// From the next start on this platform is used.
///
/// # Errors
/// `E_INVALIDARG` when one is started.
pub(crate) fn install(platform: Option<Platform>) -> Answer {
    let mut state = settled()?;
    if state.starts > 0 {
        return Err(E_INVALIDARG);
    }
    let former = std::mem::replace(&mut state.installed, platform);
    drop(state);
    drop(former);
    Ok(())
}

/// `RtwqStartup`.
pub(crate) fn startup() -> Answer {
    let mut current = settled()?;
    if current.starts == 0 {
        current.moving = true;
        let installed = current.installed.clone();
        drop(current);
        let started = contain(|| Started::new(installed)).unwrap_or(Err(E_OUTOFMEMORY));
        current = state();
        current.moving = false;
        MOVED.notify_all();
        let started = started?;
        GIVEN.store(!started.is_own, Ordering::Relaxed);
        *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = Some(started.platform.clone());
        current.started = Some(started);
    }
    current.starts += 1;
    LOCKS.fetch_add(1, Ordering::AcqRel);
    let listeners = if current.starts == 1 { current.listeners.clone() } else { Vec::new() };
    drop(current);
    listeners.into_iter().for_each(listen);
    Ok(())
}

/// `RtwqShutdown`. One that was not started is a success, and does nothing.
pub(crate) fn shutdown() -> Answer {
    let mut current = settled()?;
    if current.starts == 0 {
        return Ok(());
    }
    if current.starts == 1 && inside::is_here() {
        return Err(from(mf_async::Hresult::E_ILLEGAL_METHOD_CALL));
    }
    current.starts -= 1;
    if current.starts == 0 {
        current.moving = true;
        CLOSING.store(true, Ordering::Release);
    }
    LOCKS.fetch_sub(1, Ordering::AcqRel);
    let last = if current.starts == 0 { current.started.take() } else { None };
    drop(current);
    if let Some(started) = last {
        contain(|| started.end());
        take_current();
        CLOSING.store(false, Ordering::Release);
        state().moving = false;
        MOVED.notify_all();
    }
    Ok(())
}

fn take_current() {
    let taken = CURRENT.write().unwrap_or_else(PoisonError::into_inner).take();
    drop(taken);
}

impl Started {
    fn new(installed: Option<Platform>) -> Answer<Started> {
        pin_this_module();
        let settings = Settings::of_environment();
        let apartment = Apartment::new();
        let is_own = installed.is_none();
        let platform = match installed {
            Some(platform) => platform,
            None => {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(settings.workers)
                    .thread_name("rtworkq")
                    .on_thread_start(join_apartment)
                    .on_thread_stop(leave_apartment)
                    // Without tokio's input and output: to wake a thread that waits for that takes longer.
                    .enable_time()
                    .build()
                    .map_err(|_| E_OUTOFMEMORY)?;
                Platform::builder().runtime(runtime).shutdown_deadline(PATIENCE).startup().map_err(code)?
            }
        };
        START.fetch_add(1, Ordering::AcqRel);
        if settings.one_at_a_time {
            let queue = platform.allocate_serial_work_queue(QueueId::MULTITHREADED).map_err(code)?;
            step::redirect(Some(queue.into_id()));
        }
        if let Some(every) = settings.report.filter(|every| !every.is_zero()) {
            report_every(every, platform.downgrade());
        }
        let timeline = settings.trace.as_ref().map(|_| timeline::record());
        Ok(Started { platform, is_own, apartment, settings, listening: Vec::new(), timeline })
    }

    /// Ends it: what is queued runs, and then nobody is called any more.
    fn end(self) {
        let until = Instant::now() + PATIENCE;
        if self.settings.report.is_some() {
            say(&self.platform);
        }
        join::forget_joins();
        if self.is_own {
            if let Err(error) = block_on(self.platform.shutdown_within(PATIENCE)) {
                if self.settings.report.is_some() {
                    eprintln!("rtworkq: {error}");
                }
            }
        } else {
            take_current();
            START.fetch_add(1, Ordering::AcqRel);
            timed::end_all(&self.platform);
            self.listening.iter().for_each(|(listener, _)| listener.shutdown_start());
        }
        if let (Some(path), Some(timeline)) = (&self.settings.trace, &self.timeline) {
            let is_picture = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
            let written = if is_picture { timeline.write_svg(path) } else { timeline.write_perfetto(path) };
            if let Err(error) = written {
                eprintln!("rtworkq: {error}");
            }
        }
        if self.settings.one_at_a_time {
            step::redirect(None);
        }
        exports::forget_deadlines();
        callback::forget_replies();
        // A thread of the program's runtime must not be kept from what it waits for.
        if self.is_own || tokio::runtime::Handle::try_current().is_err() {
            wait_for_results(until);
        }
        if !self.is_own {
            self.listening.iter().for_each(|(listener, _)| listener.shutdown_complete());
        }
        let Started { platform, apartment, listening, .. } = self;
        drop((listening, platform));
        take_current();
        drop(apartment);
    }
}

/// The platform, if calls are taken.
///
/// # Errors
/// `MF_E_SHUTDOWN` before the first start, after the last shutdown, and while the lock count is not above zero.
pub(crate) fn platform() -> Answer<Platform> {
    if LOCKS.load(Ordering::Acquire) <= 0 && !CLOSING.load(Ordering::Acquire) {
        return Err(SHUTDOWN);
    }
    CURRENT.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(SHUTDOWN)
}

/// Whether the platform is the program's.
pub(crate) fn is_given() -> bool {
    GIVEN.load(Ordering::Relaxed)
}

/// The number of the current start.
pub(crate) fn start() -> usize {
    START.load(Ordering::Acquire)
}

/// Whether Media Foundation is started on this crate's queues.
#[must_use]
pub fn is_started() -> bool {
    CURRENT.read().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// How many starts and locks there are: below zero if there were more unlocks.
#[must_use]
pub fn locks() -> i64 {
    LOCKS.load(Ordering::Acquire)
}

/// Prints the platform's report to standard error; false if nothing is started.
pub fn report() -> bool {
    let current = CURRENT.read().unwrap_or_else(PoisonError::into_inner).clone();
    current.as_ref().map(say).is_some()
}

fn say(platform: &Platform) {
    let (locks, results) = (locks(), RESULTS.load(Ordering::Relaxed));
    eprintln!("rtworkq: {locks} starts and locks, {results} results\n{}", platform.report());
}

fn report_every(every: Duration, platform: mf_async::WeakPlatform) {
    let watch = std::thread::Builder::new().name("rtworkq-report".to_owned());
    // Without the thread there are no reports.
    let _ = watch.spawn(move || {
        loop {
            std::thread::sleep(every);
            let Ok(platform) = platform.upgrade() else { return };
            say(&platform);
        }
    });
}

/// `RtwqLockPlatform`.
pub(crate) fn lock() {
    LOCKS.fetch_add(1, Ordering::AcqRel);
}

/// `RtwqUnlockPlatform`.
pub(crate) fn unlock() {
    LOCKS.fetch_sub(1, Ordering::AcqRel);
}

/// A result of this crate's was made.
pub(crate) fn result_made() {
    RESULTS.fetch_add(1, Ordering::Relaxed);
}

/// A result of this crate's is gone.
pub(crate) fn result_gone() {
    // ORDERING: SeqCst with the two in `wait_for_results`: of this and the one that waits, one sees the other.
    if RESULTS.fetch_sub(1, Ordering::SeqCst) == 1 && AWAITED.load(Ordering::SeqCst) {
        drop(state());
        MOVED.notify_all();
    }
}

fn wait_for_results(until: Instant) {
    AWAITED.store(true, Ordering::SeqCst);
    let mut guard = state();
    while RESULTS.load(Ordering::SeqCst) > 0 {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        guard = MOVED.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    drop(guard);
    AWAITED.store(false, Ordering::SeqCst);
}

/// A listener for starts and shutdowns: `IRtwqPlatformEvents`.
pub(crate) struct Listener(Com);

impl Listener {
    fn tell(
        &self,
        method: impl FnOnce(&EventsTable) -> unsafe extern "system" fn(*mut std::ffi::c_void) -> i32,
    ) {
        // SAFETY: it was registered as an `IRtwqPlatformEvents`, and this counts it.
        unsafe { method(self.0.table::<EventsTable>())(self.0.raw()) };
    }
}

impl PlatformEvents for Listener {
    fn initialization_complete(&self) {
        self.tell(|table| table.initialization_complete);
    }

    fn shutdown_start(&self) {
        self.tell(|table| table.shutdown_start);
    }

    fn shutdown_complete(&self) {
        self.tell(|table| table.shutdown_complete);
    }
}

/// Has the listener hear of the platform that is up.
fn listen(listener: Arc<Listener>) {
    let Ok(platform) = platform() else { return };
    let guard = if is_given() {
        // The program's platform starts and ends at other times.
        listener.initialization_complete();
        None
    } else {
        Some(platform.register_platform_events(listener.clone()))
    };
    let mut state = state();
    if let Some(started) = &mut state.started {
        started.listening.push((listener, guard));
    }
}

/// `RtwqRegisterPlatformEvents`. Registered before the start, it hears of that.
pub(crate) fn register(events: Com) {
    let listener = Arc::new(Listener(events));
    let mut state = state();
    state.listeners.push(listener.clone());
    let is_up = state.starts > 0 && !state.moving;
    drop(state);
    if is_up {
        listen(listener);
    }
}

/// `RtwqUnregisterPlatformEvents`.
///
/// # Errors
/// `E_INVALIDARG` for one that is not registered.
pub(crate) fn unregister(events: *mut std::ffi::c_void) -> Answer {
    let mut state = state();
    let at = state.listeners.iter().position(|listener| listener.0.raw() == events).ok_or(E_INVALIDARG)?;
    let listener = state.listeners.swap_remove(at);
    let mut hearing = None;
    if let Some(started) = &mut state.started {
        let at = started.listening.iter().position(|(other, _)| Arc::ptr_eq(other, &listener));
        hearing = at.map(|at| started.listening.swap_remove(at));
    }
    drop(state);
    drop((listener, hearing));
    Ok(())
}

/// Keeps this module loaded, once something is started: its threads run in it.
fn pin_this_module() {
    let mut module = std::ptr::null_mut();
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN;
    // SAFETY: with this flag *GetModuleHandleEx* takes any address inside the module for its name.
    unsafe { GetModuleHandleExW(flags, pin_this_module as *const u16, &raw mut module) };
}

/// Keeps the process' multithreaded apartment: every thread that has joined none is in it.
struct Apartment(Option<usize>);

impl Apartment {
    fn new() -> Apartment {
        let mut cookie = std::ptr::null_mut();
        // SAFETY: *CoIncrementMTAUsage* writes a cookie.
        let code = unsafe { CoIncrementMTAUsage(&raw mut cookie) };
        Apartment((code >= 0).then_some(cookie as usize))
    }
}

impl Drop for Apartment {
    fn drop(&mut self) {
        if let Some(cookie) = self.0 {
            // SAFETY: the cookie is given back once.
            unsafe { CoDecrementMTAUsage(cookie as _) };
        }
    }
}

thread_local! {
    static JOINED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// The page *Media Foundation and COM* has queue threads in the multithreaded apartment, joined.
fn join_apartment() {
    // SAFETY: *CoInitializeEx*: the thread is new, and leaves again.
    let code = unsafe { CoInitializeEx(std::ptr::null(), COINIT_MULTITHREADED as u32) };
    JOINED.set(code == S_OK || code == S_FALSE);
}

fn leave_apartment() {
    if JOINED.replace(false) {
        // SAFETY: the thread has joined.
        unsafe { CoUninitialize() };
    }
}

/// Waits for a future on this thread, which may be one of anybody's runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
