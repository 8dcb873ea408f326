//! A host: where a pool's drain tasks live, and what it takes to reach them there.

use std::sync::Arc;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc::UnboundedSender;

use crate::observe;
use crate::queue::drain::Drain;
use crate::queue::lookout::Lookout;
use crate::queue::pool::Pool;
use crate::queue::realtime::Own;
use crate::queue::window::Start;

/// Where drain tasks live.
pub(crate) enum Host {
    /// On the runtime's workers.
    Runtime(Handle, Arc<Lookout>),
    /// On the workers of a runtime that the queue has to itself.
    #[cfg_attr(
        not(feature = "realtime"),
        expect(dead_code, reason = "only raised threads are a queue's own")
    )]
    Own(Own),
    /// On a thread of their own, which `start` hands them to.
    Thread { runtime: Handle, start: UnboundedSender<Start> },
    /// Nowhere: what `start` is handed is kept and never polled, and the items are run by hand. The clock,
    /// when it is paused, is not held meanwhile.
    #[cfg_attr(not(feature = "test-util"), expect(dead_code, reason = "only tests step by hand"))]
    Manual { runtime: Handle, start: UnboundedSender<Start> },
}

impl Host {
    pub(super) fn runtime(&self) -> &Handle {
        match self {
            Host::Runtime(runtime, _) | Host::Thread { runtime, .. } | Host::Manual { runtime, .. } => {
                runtime
            }
            Host::Own(own) => own.handle(),
        }
    }

    pub(super) fn start(&self, drain: Drain) {
        match self {
            // Nobody awaits a drain task; a runtime that is gone drops it, and its `Drop` tells the pool.
            Host::Runtime(..) | Host::Own(_) => {
                drop(observe::spawn(self.runtime(), format_args!("queue {}", drain.queue()), drain));
            }
            Host::Thread { start, .. } | Host::Manual { start, .. } => {
                drop(start.send(Box::new(|| Box::pin(drain))))
            }
        }
    }

    /// A task that a worker wakes goes to that worker's own next-task slot, which no other worker takes
    /// from; if the worker is then busy with something else, the task waits for it. A further task, which
    /// does nothing, moves it on to where others look.
    pub(super) fn make_stealable(&self) {
        if self.has_workers() {
            drop(self.runtime().spawn(std::future::ready(())));
        }
    }

    /// A worker that fell asleep while a drain task was summoned is to look again.
    pub(super) fn look_out(&self) {
        if let Host::Runtime(_, lookout) = self {
            lookout.arm();
        }
    }

    /// From now on somebody looks from time to time whether the pool goes on.
    pub(super) fn look_after(&self, pool: &Arc<Pool>) {
        if let Host::Runtime(_, lookout) = self {
            lookout.look_after(pool);
        }
    }

    /// Whether there is somebody to look.
    pub(super) fn looks_out(&self) -> bool {
        matches!(self, Host::Runtime(_, lookout) if lookout.exists())
    }

    /// Whether drain tasks live on workers that take over from each other.
    pub(super) fn has_workers(&self) -> bool {
        let one_thread = self.runtime().runtime_flavor() == RuntimeFlavor::CurrentThread;
        !one_thread && matches!(self, Host::Runtime(..) | Host::Own(_))
    }
}
