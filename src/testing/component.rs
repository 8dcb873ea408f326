//! `FaultyComponent`: an asynchronous component that breaks the contract as planned.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::error::{Error, Hresult, Result};
use crate::platform::Platform;
use crate::sync::LockExt;
use crate::testing::chances::FaultChances;
use crate::testing::fault::{Fault, planned};

/// A component with one asynchronous method that goes wrong as planned.
///
/// Each Begin takes the next [`Fault`] of the plan; after the last one, all goes well.
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
///     platform.begin_end(
///         &component,
///         |component, callback| component.begin(callback, None),
///         |component, result| component.end(result),
///     )
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
    chances: Mutex<FaultChances>,
    kept: Mutex<Vec<AsyncResult>>,
    begins: AtomicUsize,
    ends: AtomicUsize,
}

impl<T: Clone + Send + Sync + 'static> FaultyComponent<T> {
    /// A component whose End returns clones of `value`, without a plan.
    #[must_use]
    pub fn new(platform: &Platform, value: T) -> Arc<FaultyComponent<T>> {
        Arc::new(FaultyComponent {
            platform: platform.clone(),
            value,
            plan: Mutex::default(),
            chances: Mutex::default(),
            kept: Mutex::default(),
            begins: AtomicUsize::new(0),
            ends: AtomicUsize::new(0),
        })
    }

    /// Adds faults to the plan, one for each call, after those that were planned before.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        let faults: Vec<_> = faults.into_iter().collect();
        self.plan.locked().extend(faults);
    }

    /// Sets the faults of the calls for which none is planned, by probability.
    pub fn set_chances(&self, chances: FaultChances) {
        *self.chances.locked() = chances;
    }

    /// The Begin of the method.
    ///
    /// # Errors
    /// Those of the plan; `MF_E_SHUTDOWN` when the platform is shut down.
    pub fn begin(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<()> {
        // ORDERING: Relaxed, here and below: counters that order nothing.
        self.begins.fetch_add(1, Ordering::Relaxed);
        let planned_fault = self.plan.locked().pop_front();
        let fault = planned_fault.unwrap_or_else(|| self.chances.locked().clone().draw());
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
            Fault::Dropped => Ok(()),
            Fault::Inline => {
                call(&result);
                Ok(())
            }
            Fault::WrongThread => {
                let thread = std::thread::Builder::new()
                    .name("mf-wrong-thread".to_owned())
                    .spawn(move || call(&result))
                    .map_err(|error| Error::io("start the wrong thread", error))?;
                // A panic of the callback was reported on that thread.
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
    /// The status of the result when that is a failure; `E_INVALIDARG` when the result is not from such a component;
    /// `E_FAIL` when it was ended before.
    ///
    /// # Panics
    /// When that is planned.
    pub fn end(&self, result: &AsyncResult) -> Result<T> {
        self.ends.fetch_add(1, Ordering::Relaxed);
        let pending = result.object::<Pending>().ok_or_else(|| {
            Error::new(Hresult::E_INVALIDARG, "end a call with a result that is not of a faulty component")
        })?;
        // ORDERING: Relaxed, because the flag guards no other memory.
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

    /// Drops the results of the calls with [`Fault::Never`], and returns how many there were.
    pub fn drop_results(&self) -> usize {
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

    /// Asserts that Begin was called `count` times.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn assert_begins(&self, count: usize) {
        assert_eq!(self.begins(), count, "calls of Begin");
    }

    /// Asserts that End was called `count` times.
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
