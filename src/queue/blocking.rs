//! Items that block: each runs on the runtime's blocking pool.

use tokio::runtime::Handle;

use crate::async_result::TokenSource;
use crate::observe::Run;
use crate::queue::budget::Budget;
use crate::queue::current_queue::CurrentQueue;
use crate::queue::queued::Queued;
use crate::queue::result_cache::ResultCache;
use crate::stepping;

/// Runs an item on the blocking pool. `ended` is called once, with `None` if the item never ran because the runtime is
/// gone: the runtime drops the closure un-run, and with it the guard.
pub(crate) fn run_blocking(
    runtime: &Handle,
    mut item: Queued,
    on: CurrentQueue,
    results: ResultCache,
    ended: impl FnOnce(Option<Run>) + Send + 'static,
) {
    let guard = Guard(None, Some(ended));
    // Above the item in the order of drops: what the item holds is lost by the end of the runtime.
    let unrun = Unrun(Some(results.tokens()));
    let work = move || {
        unrun.ran();
        // Dropped in this order: the result is given back before the end is reported.
        let mut guard = guard;
        let mut results = results;
        let _entered = on.enter();
        guard.0 = item.run(item.name(), on, &mut Budget::single(), &mut results);
    };
    if let Err(work) = stepping::block(work) {
        drop(runtime.spawn_blocking(work));
    }
}

struct Guard<E: FnOnce(Option<Run>)>(Option<Run>, Option<E>);

impl<E: FnOnce(Option<Run>)> Drop for Guard<E> {
    fn drop(&mut self) {
        if let Some(ended) = self.1.take() {
            ended(self.0);
        }
    }
}

/// An item that the runtime has taken, and not run. It drops one un-run only when it ends.
struct Unrun(Option<TokenSource>);

impl Unrun {
    fn ran(mut self) {
        self.0 = None;
    }
}

impl Drop for Unrun {
    fn drop(&mut self) {
        if let Some(tokens) = self.0.take() {
            tokens.runtime_ends();
        }
    }
}
