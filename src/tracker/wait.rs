//! `TrackedWait`: a wait that the end of the platform ends, for what is no operation.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Weak};

use futures::future::{Either, select};
use tokio::sync::SetOnce;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::register::{Begun, Outstanding, Registration};
use crate::sync::{LockExt, Mutex, MutexGuard};
use crate::tokio_quirks::GuardedFuture;
use crate::tracker::TrackerHandle;

/// A wait with its entry in the platform's register; its drop removes the entry.
pub(crate) struct TrackedWait(Arc<WaitState>);

struct WaitState {
    error: SetOnce<Error>,
    /// `None` when the wait has ended or was dropped: it is not outstanding any more.
    listed: Mutex<Option<(Arc<ListedWait>, Registration)>>,
}

impl TrackedWait {
    /// Waits as `wait` does, which `what` names in reports, or until the platform ends.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is closed, or ends meanwhile.
    pub(crate) async fn until<F: Future>(
        what: impl Into<String>,
        tracker: &TrackerHandle,
        begun: Begun,
        wait: F,
    ) -> Result<F::Output> {
        let waiting = TrackedWait::register(what.into(), tracker, begun)?;
        let (wait, end) = (pin!(wait), pin!(waiting.0.error.wait()));
        match GuardedFuture::new(select(wait, end)).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right((error, _)) => Err(error.clone()),
        }
    }

    fn register(what: String, tracker: &TrackerHandle, begun: Begun) -> Result<TrackedWait> {
        let state = Arc::new(WaitState { error: SetOnce::new(), listed: Mutex::new(None) });
        let listed = Arc::new(ListedWait { what, state: state.clone() });
        let waiting: Weak<ListedWait> = Arc::downgrade(&listed);
        let registration = tracker.register(waiting, begun, Some(Instant::now()))?;
        *state.listed() = Some((listed, registration));
        // A shutdown in between has set the error, which the wait that follows finds.
        Ok(TrackedWait(state))
    }
}

impl Drop for TrackedWait {
    fn drop(&mut self) {
        self.0.unlist();
    }
}

impl WaitState {
    fn listed(&self) -> MutexGuard<'_, Option<(Arc<ListedWait>, Registration)>> {
        self.listed.locked()
    }

    /// Removes the entry in the register.
    fn unlist(&self) {
        let listed = self.listed().take();
        drop(listed);
    }
}

/// The register's view of a wait.
struct ListedWait {
    what: String,
    state: Arc<WaitState>,
}

impl Outstanding for ListedWait {
    fn shut_down(&self, error: &Error) {
        let _ = self.state.error.set(error.clone());
        self.state.unlist();
    }

    fn describe(&self) -> String {
        self.what.clone()
    }
}
