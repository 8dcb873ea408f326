//! `Manual`: the right to run the items of an engine without workers, one at each call.

use std::time::Instant;

use crate::queue::backend::Backend;
use crate::queue::budget::Budget;
use crate::queue::engine::Engine;
use crate::queue::engine::state::EngineState;
use crate::queue::priority::Priority;
use crate::queue::queued::Queued;
use crate::queue::result_cache::ResultCache;

/// The right to run an engine's items. Dropping it aborts the engine: what is queued is dropped.
pub(crate) struct Manual(Engine);

impl Manual {
    pub(in crate::queue) fn new(engine: Engine) -> Manual {
        Manual(engine)
    }

    /// Runs the next item on this thread; false if there is none.
    pub(crate) fn step(&self) -> bool {
        let engine = &*self.0.0;
        let take = |priority| engine.injector.take(priority);
        let next = [Priority::High, Priority::Normal, Priority::Low].into_iter().find_map(take);
        let Some(item) = next else { return false };
        run_here(engine, item, ());
        true
    }
}

/// Runs an item on this thread, which is no worker's. `until_left` is dropped when the item has been left, before that counts.
pub(super) fn run_here<G>(engine: &EngineState, mut item: Queued, until_left: G) {
    let mut results = ResultCache::new(engine.tokens.clone());
    if item.is_turn() {
        let entered = engine.on.enter();
        item.run(None, engine.on, &mut Budget::single(), &mut results);
        drop((results, until_left, entered));
        engine.end_turn();
        engine.waiters.notify();
        return;
    }
    let generation = item.generation;
    let (key, name) = begin_here(engine, &item);
    let entered = engine.on.enter();
    let run = item.run(Some(name), engine.on, &mut Budget::single(), &mut results);
    drop((item, results, until_left, entered));
    engine.end_outside(key, generation, run);
}

/// Counts the beginning of an item that no worker runs. Returns the key for its end, and the callback's name.
pub(super) fn begin_here(engine: &EngineState, item: &Queued) -> (usize, &'static str) {
    let now = Instant::now();
    if let Some(wait) = item.waited(now) {
        engine.counted_outside.add_wait(wait);
    }
    let running = item.running(now);
    (engine.begin_outside(running), running.name)
}

impl Drop for Manual {
    fn drop(&mut self) {
        self.0.abort();
    }
}
