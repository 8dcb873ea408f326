//! An engine without workers, whose items are taken out one by one by its holder.

use std::time::Instant;

use crate::queue::backend::Backend;
use crate::queue::budget::Budget;
use crate::queue::engine::Engine;
use crate::queue::priority::Priority;
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
        let Some(mut item) = next else { return false };
        let mut results = ResultCache::new(engine.tokens.clone());
        let entered = engine.on.enter();
        if item.is_turn() {
            item.run(None, engine.on, &mut Budget::single(), &mut results);
            drop(entered);
            engine.end_turn();
            engine.waiters.notify();
            return true;
        }
        let now = Instant::now();
        if let Some(wait) = item.waited(now) {
            engine.counted_outside.add_wait(wait);
        }
        let generation = item.generation;
        let running = item.running(now);
        let key = engine.begin_outside(running);
        let run = item.run(Some(running.name), engine.on, &mut Budget::single(), &mut results);
        drop((results, entered));
        engine.end_outside(key, generation, run);
        true
    }
}

impl Drop for Manual {
    fn drop(&mut self) {
        self.0.abort();
    }
}
