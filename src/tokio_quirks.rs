//! What works around tokio itself: each quirk with the version that it was seen in, and what it costs.

use std::future::ready;

use tokio::runtime::Handle;

/// Moves a task that was just woken on this worker to where other workers can steal it.
///
/// tokio 1.54.1, `multi_thread/worker.rs`: a task that a worker wakes goes to that worker's LIFO slot, from which no other
/// worker steals, and for which none is woken. If the worker is then held up, the task waits for it. A further task takes
/// the slot, and moves the former one to the run queue. About 150 ns, on the edge from idle to busy only.
pub(crate) fn leave_lifo_slot(runtime: &Handle) {
    drop(runtime.spawn(ready(())));
}

/// Wakes a worker of the runtime, from a thread that is none.
///
/// tokio 1.54.1, `multi_thread/idle.rs`: a push from outside wakes no worker while one is counted as searching. A worker that
/// is just falling asleep is counted so, and does not always look again. The next push wakes it.
pub(crate) fn wake_a_worker(runtime: &Handle) {
    drop(runtime.spawn(ready(())));
}
