//! The spawner: where the workers of an engine run.

use std::future::Future;
use std::pin::Pin;

use tokio::runtime::{Handle, Runtime, RuntimeFlavor};
use tokio::sync::mpsc::UnboundedSender;

use crate::async_result::QueueId;
use crate::observe;
use crate::queue::engine::clock_hold::ClockHold;
use crate::stepping;

/// Where workers run.
pub(crate) enum Spawner {
    /// On the workers of the platform's runtime.
    Runtime(Handle),
    /// On the workers of a runtime that the queue has to itself.
    #[cfg_attr(
        not(feature = "realtime"),
        expect(dead_code, reason = "only raised threads are a queue's own")
    )]
    Own(OwnRuntime),
    /// On a thread of their own, which they are sent to.
    Thread { runtime: Handle, start: UnboundedSender<Start>, hold: ClockHold },
    /// There are none: items are taken out by hand.
    #[cfg_attr(not(feature = "test-util"), expect(dead_code, reason = "only tests step by hand"))]
    Manual(Handle),
    /// There are none: the stepper of the thread takes items out.
    Stepped {
        runtime: Handle,
        #[cfg_attr(not(feature = "test-util"), expect(dead_code, reason = "only steppers ask"))]
        is_window: bool,
    },
}

/// A future that its thread keeps to itself.
pub(crate) type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// What a thread is asked to do: make a future there, and run it.
pub(crate) type Start = Box<dyn FnOnce() -> LocalFuture + Send>;

impl Spawner {
    pub(crate) fn runtime(&self) -> &Handle {
        match self {
            Spawner::Runtime(runtime)
            | Spawner::Thread { runtime, .. }
            | Spawner::Manual(runtime)
            | Spawner::Stepped { runtime, .. } => runtime,
            Spawner::Own(own) => &own.1,
        }
    }

    /// Spawns a worker. A runtime that is gone drops it.
    pub(super) fn spawn(&self, queue: QueueId, worker: impl Future<Output = ()> + Send + 'static) {
        match self {
            Spawner::Runtime(_) | Spawner::Own(_) => {
                drop(observe::spawn(self.runtime(), format_args!("queue {queue}"), worker));
            }
            Spawner::Thread { start, .. } => drop(start.send(Box::new(|| Box::pin(worker)))),
            Spawner::Manual(_) | Spawner::Stepped { .. } => drop(worker),
        }
    }

    /// Whether items are run by tasks.
    pub(super) fn has_tasks(&self) -> bool {
        !matches!(self, Spawner::Manual(_) | Spawner::Stepped { .. })
    }

    /// Starts a future on the thread; false if there is none.
    pub(super) fn spawn_local(&self, start: Start) -> bool {
        match self {
            Spawner::Thread { start: starts, .. } => starts.send(start).is_ok(),
            Spawner::Stepped { .. } => stepping::spawn_local(format_args!("a local future"), start),
            _ => false,
        }
    }

    /// Whether items run on no other thread than the one they were put for, those that block, too.
    pub(super) fn is_one_thread(&self) -> bool {
        matches!(self, Spawner::Thread { .. } | Spawner::Manual(_))
    }

    /// Whether there are several threads, one of which can run what another has woken.
    pub(super) fn has_workers(&self) -> bool {
        !self.is_one_thread() && self.runtime().runtime_flavor() != RuntimeFlavor::CurrentThread
    }

    /// The hold on the clock, for a thread that tokio does not know of. Only a runtime of one thread can pause its clock.
    pub(super) fn hold(&self) -> Option<&ClockHold> {
        match self {
            Spawner::Thread { hold, runtime, .. }
                if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread =>
            {
                Some(hold)
            }
            _ => None,
        }
    }
}

/// A runtime that goes with its queue. Not by a plain drop: that waits for the runtime's threads, of which the dropping
/// one may be one.
pub(crate) struct OwnRuntime(Option<Runtime>, Handle);

impl OwnRuntime {
    #[cfg_attr(
        not(feature = "realtime"),
        expect(dead_code, reason = "only raised threads are a queue's own")
    )]
    pub(crate) fn new(runtime: Runtime) -> OwnRuntime {
        let handle = runtime.handle().clone();
        OwnRuntime(Some(runtime), handle)
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
