//! `FaultyComponent`: an asynchronous component that breaks the contract as it is told to.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::error::{Error, Hresult, Result};
use crate::platform::Platform;
use crate::sync::LockExt;

/// How one call of a [`FaultyComponent`] goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It does not.
    None,
    /// The callback comes only after so long.
    Late(Duration),
    /// The callback comes twice.
    Twice,
    /// The callback does not come, and the component keeps the result, until it is dropped or told to
    /// [let go](FaultyComponent::let_go).
    Never,
    /// The callback does not come, and the component keeps nothing: its caller can know.
    LetGo,
    /// The callback is called by Begin, on its caller's stack.
    Inline,
    /// The callback is called on a thread that no queue and no runtime knows of, before Begin is back: so
    /// the thread is gone by then, and a paused clock has nothing to run away from.
    WrongThread,
    /// Begin fails with this code.
    FailingBegin(Hresult),
    /// Begin fails with this code, and the callback comes even so.
    FailingBeginThatCallsBack(Hresult),
    /// The operation fails with this code: it is the result's status, and End's error.
    Failing(Hresult),
    /// End panics.
    PanickingEnd,
    /// The platform begins to shut down in Begin, and the operation with it.
    ShutdownNow,
}

/// A component with one asynchronous method, which goes wrong as planned.
///
/// Each Begin takes the next [`Fault`] of the plan; when there is none left, all goes well.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use mf_async::testing::{Fault, FaultyComponent};
/// use mf_async::{Hresult, Platform};
///
/// let platform = Platform::startup()?;
/// let component = FaultyComponent::new(&platform, "fine");
/// component.plan([Fault::Failing(Hresult::MF_E_END_OF_STREAM)]);
/// let ask = || {
///     let ender = component.clone();
///     platform.begin_end(&(), |(), callback| component.begin(callback, None), move |(), result| ender.end(result))
/// };
/// assert_eq!(ask().await.unwrap_err().hresult(), Hresult::MF_E_END_OF_STREAM);
/// assert_eq!(ask().await?, "fine");
/// component.assert_begins(2);
/// # drop(component);
/// # platform.shutdown().await }
/// ```
pub struct FaultyComponent<T> {
    platform: Platform,
    value: T,
    plan: Mutex<VecDeque<Fault>>,
    kept: Mutex<Vec<AsyncResult>>,
    begins: AtomicUsize,
    ends: AtomicUsize,
}

impl<T: Clone + Send + Sync + 'static> FaultyComponent<T> {
    /// A component whose End gives clones of `value`, without a plan.
    #[must_use]
    pub fn new(platform: &Platform, value: T) -> Arc<FaultyComponent<T>> {
        Arc::new(FaultyComponent {
            platform: platform.clone(),
            value,
            plan: Mutex::default(),
            kept: Mutex::default(),
            begins: AtomicUsize::new(0),
            ends: AtomicUsize::new(0),
        })
    }

    /// What is to go wrong, call by call, after what was planned before.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        let faults: Vec<_> = faults.into_iter().collect();
        self.plan.locked().extend(faults);
    }

    /// The Begin of the method.
    ///
    /// # Errors
    /// What the plan says; `MF_E_SHUTDOWN` when the platform is shut down.
    pub fn begin(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<()> {
        // ORDERING: Relaxed, here and below: counters that order nothing.
        self.begins.fetch_add(1, Ordering::Relaxed);
        let fault = self.plan.locked().pop_front().unwrap_or(Fault::None);
        if let Fault::FailingBegin(code) = fault {
            return Err(planned(code));
        }
        let pending = Pending { fault, ended: AtomicBool::new(false) };
        let result = self.platform.result(callback).object(Arc::new(pending)).state(state).build()?;
        match fault {
            Fault::Late(delay) => self.platform.schedule(&result, delay).map(drop),
            Fault::Twice => {
                self.platform.invoke_callback(&result)?;
                self.platform.invoke_callback(&result)
            }
            Fault::Never => {
                self.kept.locked().push(result);
                Ok(())
            }
            Fault::LetGo => Ok(()),
            Fault::Inline => {
                call(&result);
                Ok(())
            }
            Fault::WrongThread => {
                let thread = std::thread::Builder::new()
                    .name("mf-wrong-thread".to_owned())
                    .spawn(move || call(&result))
                    .map_err(|error| Error::io("start the wrong thread", error))?;
                // What the callback panics with has been told there.
                let _ = thread.join();
                Ok(())
            }
            Fault::FailingBeginThatCallsBack(code) => {
                self.platform.invoke_callback(&result)?;
                Err(planned(code))
            }
            Fault::ShutdownNow => {
                drop(self.platform.shutdown());
                Ok(())
            }
            Fault::Failing(code) => {
                result.set_status(code);
                self.platform.invoke_callback(&result)
            }
            Fault::None | Fault::PanickingEnd | Fault::FailingBegin(_) => {
                self.platform.invoke_callback(&result)
            }
        }
    }

    /// The End of the method.
    ///
    /// # Errors
    /// The status of the result, when that is a failure; `E_INVALIDARG` when the result is not one of
    /// such a component, `E_FAIL` when it was ended before.
    ///
    /// # Panics
    /// When the plan says so.
    pub fn end(&self, result: &AsyncResult) -> Result<T> {
        self.ends.fetch_add(1, Ordering::Relaxed);
        let pending = result.object::<Pending>().ok_or_else(|| {
            Error::new(Hresult::E_INVALIDARG, "end a call with a result that is not of a faulty component")
        })?;
        // ORDERING: Relaxed, since only the flag itself is told.
        if pending.ended.swap(true, Ordering::Relaxed) {
            return Err(Error::new(
                Hresult::E_FAIL,
                "end a call that was ended before: End gives the value once",
            ));
        }
        assert!(pending.fault != Fault::PanickingEnd, "as planned");
        result.status().ok().map_err(|error| planned(error.hresult()))?;
        Ok(self.value.clone())
    }

    /// Lets go of the results that were never to be completed; says how many there were.
    pub fn let_go(&self) -> usize {
        let kept = std::mem::take(&mut *self.kept.locked());
        kept.len()
    }

    /// How often Begin was called.
    #[must_use]
    pub fn begins(&self) -> usize {
        self.begins.load(Ordering::Relaxed)
    }

    /// How often End was called.
    #[must_use]
    pub fn ends(&self) -> usize {
        self.ends.load(Ordering::Relaxed)
    }

    /// Asserts that Begin was called so often.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn assert_begins(&self, count: usize) {
        assert_eq!(self.begins(), count, "calls of Begin");
    }

    /// Asserts that End was called so often.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn assert_ends(&self, count: usize) {
        assert_eq!(self.ends(), count, "calls of End");
    }
}

impl<T> fmt::Debug for FaultyComponent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyComponent").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// The private object of the component's results.
struct Pending {
    fault: Fault,
    ended: AtomicBool,
}

/// Calls back without a queue.
fn call(result: &AsyncResult) {
    if let Some(callback) = result.callback() {
        callback.invoke(result);
    }
}

fn planned(code: Hresult) -> Error {
    Error::new(code, "call a faulty component: it failed as planned")
}
